//! Reading out of an engine's log why it did not start: one sentence instead of a hundred lines of stack trace.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

/// A failed start writes its whole chain of causes in less than this.
const TAIL: u64 = 256 * 1024;

pub(crate) fn reason(log: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(log).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        file.read_to_end(&mut bytes)
    });
    match read {
        Ok(_) => reason_in(&String::from_utf8_lossy(&bytes)),
        Err(_) => "its log cannot be read".to_owned(),
    }
}

/// The last cause is the first thing that went wrong. Spring explains some failures in a block of its own instead,
/// and a JVM that never got as far says `Error:`.
fn reason_in(text: &str) -> String {
    let caused = || text.lines().rev().find_map(|line| line.trim().strip_prefix("Caused by: "));
    let explained = || text.split_once("\nDescription:\n").and_then(|(_, rest)| first_line(rest));
    let refused = || text.lines().find(|line| line.starts_with("Error"));
    let last = || text.lines().rev().map(str::trim).find(|line| !line.is_empty());
    let found = explained().or_else(caused).or_else(refused).or_else(last);
    found.unwrap_or("it ended without a word").to_owned()
}

fn first_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::reason_in;

    #[test]
    fn the_reason_is_one_sentence_of_the_log() {
        let nested = "ERROR Application run failed\njava.lang.IllegalStateException: x\n\tat a.B.c(B.java:1)\n\
                      Caused by: org.Middle: y\n\tat a.B.c(B.java:1)\nCaused by: org.Last: no password\n\tat a.B.c(B.java:1)\n";
        let spring = "***\nAPPLICATION FAILED TO START\n***\n\nDescription:\n\nWeb server failed to start. Port 1 was \
                      already in use.\n\nAction:\n\nStop it\n";
        for (log, expected) in [
            (nested, "org.Last: no password"),
            (spring, "Web server failed to start. Port 1 was already in use."),
            ("Error: Could not find or load main class x\nmore", "Error: Could not find or load main class x"),
            ("", "it ended without a word"),
        ] {
            assert_eq!(reason_in(log), expected);
        }
    }
}
