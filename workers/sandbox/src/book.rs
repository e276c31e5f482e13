//! The effect book: one line of JSON per applied effect, appended and fsynced before any answer leaves. The line *is*
//! the effect: a line that is torn (the sandbox was killed while writing) is an effect that never happened.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One applied effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Its line in the book, from 1, without gaps.
    pub seq: u64,
    /// When it was applied, by the sandbox's own clock.
    pub at: DateTime<Utc>,
    pub downstream: String,
    pub operation: String,
    pub order: String,
    /// Empty: an effect of the whole order.
    pub line: String,
    pub step: String,
    /// `do` or `undo`.
    pub direction: String,
    pub generation: u32,
    /// The idempotency key; empty where the operation knows none.
    pub key: String,
    /// The id that the downstream gave, unique per effect.
    pub reference: String,
    /// What was asked for, as it came.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub asked: serde_json::Value,
}

#[derive(Debug, thiserror::Error)]
pub enum BookError {
    #[error("the effect book {} cannot be read or written", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the effect book {} is in use by another sandbox: stop that one or name another file", path.display())]
    InUse { path: PathBuf },
    #[error("line {line} of the effect book {} is not an effect with that number: the file was changed by hand", path.display())]
    Damaged { path: PathBuf, line: usize },
    #[error("the sandbox has been stopped")]
    Closed,
}

/// The open book. While it is open no other process can append to it.
#[derive(Debug)]
pub struct Book {
    path: PathBuf,
    file: File,
    next_seq: u64,
    closed: bool,
}

impl Book {
    /// Every effect of a book, for the judge. Only a torn last line is passed over.
    ///
    /// # Errors
    /// When the file cannot be read, or a line other than a torn last one is not the effect it should be.
    pub fn read(path: &Path) -> Result<Vec<Effect>, BookError> {
        let bytes = std::fs::read(path).map_err(|source| io_error(path, source))?;
        Ok(effects(path, &bytes)?.0)
    }

    /// Opens (or makes) the book for appending and returns what already stands in it. A torn last line is cut off.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<Effect>), BookError> {
        let failed = |source| io_error(path, source);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        file.try_lock().map_err(|_| BookError::InUse { path: path.to_owned() })?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let (effects, length) = effects(path, &bytes)?;
        file.set_len(length).map_err(failed)?;
        file.seek(SeekFrom::Start(length)).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        let next_seq = effects.len() as u64 + 1;
        Ok((Self { path: path.to_owned(), file, next_seq, closed: false }, effects))
    }

    /// Writes the effect as the next line and returns only when it is on disk. `seq` and `at` are set here.
    pub(crate) fn append(&mut self, mut effect: Effect) -> Result<(), BookError> {
        if self.closed {
            return Err(BookError::Closed);
        }
        effect.seq = self.next_seq;
        effect.at = now();
        let mut line = serde_json::to_vec(&effect).map_err(|error| io_error(&self.path, error.into()))?;
        line.push(b'\n');
        if let Err(source) = self.file.write_all(&line).and_then(|()| self.file.sync_data()) {
            // Nobody knows how much of the line is on disk, so nothing may follow it.
            self.closed = true;
            return Err(io_error(&self.path, source));
        }
        self.next_seq += 1;
        Ok(())
    }

    /// From here on nothing is applied any more, whoever is still at work.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        let _ = self.file.unlock(); // at the latest the end of the process unlocks it
    }
}

/// The effects of whole lines, and how many bytes those lines take.
fn effects(path: &Path, bytes: &[u8]) -> Result<(Vec<Effect>, u64), BookError> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let effects = bytes[..whole]
        .split_inclusive(|byte| *byte == b'\n')
        .enumerate()
        .map(|(index, line)| {
            serde_json::from_slice::<Effect>(line)
                .ok()
                .filter(|effect| effect.seq == index as u64 + 1)
                .ok_or_else(|| BookError::Damaged { path: path.to_owned(), line: index + 1 })
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok((effects, whole as u64))
}

#[expect(clippy::disallowed_methods, reason = "other systems keep their own time; nothing of ours is decided by it")]
pub(crate) fn now() -> DateTime<Utc> {
    std::time::SystemTime::now().into()
}

fn io_error(path: &Path, source: io::Error) -> BookError {
    BookError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(key: &str) -> Effect {
        Effect {
            seq: 0,
            at: DateTime::UNIX_EPOCH,
            downstream: "inventory".into(),
            operation: "inventory.reserve".into(),
            order: "заказ-17".into(),
            line: String::new(),
            step: "reserve".into(),
            direction: "do".into(),
            generation: 1,
            key: key.into(),
            reference: format!("RSV-{key}"),
            asked: serde_json::Value::Null,
        }
    }

    fn book_with(keys: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("book.ndjson");
        let (mut book, _) = Book::open(&path).unwrap();
        keys.iter().for_each(|key| book.append(effect(key)).unwrap());
        (folder, path)
    }

    fn append_raw(path: &Path, text: &str) {
        OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_torn_last_line_is_no_effect_and_the_next_one_takes_its_place() {
        let (_folder, path) = book_with(&["a"]);
        append_raw(&path, "{\"seq\":2,\"at\":");
        assert_eq!(Book::read(&path).unwrap().len(), 1);

        let (mut book, found) = Book::open(&path).unwrap();
        assert_eq!(found.len(), 1);
        book.append(effect("b")).unwrap();
        let keys: Vec<_> = Book::read(&path).unwrap().into_iter().map(|e| (e.seq, e.key)).collect();
        assert_eq!(keys, [(1, "a".to_owned()), (2, "b".to_owned())]);
    }

    #[test]
    fn a_damaged_line_that_is_not_the_last_is_refused() {
        let (_folder, path) = book_with(&["a"]);
        append_raw(&path, "nonsense\n");
        assert!(matches!(Book::read(&path), Err(BookError::Damaged { line: 2, .. })));
    }

    #[test]
    fn a_line_that_was_taken_out_is_noticed() {
        let (_folder, path) = book_with(&["a", "b", "c"]);
        let text = std::fs::read_to_string(&path).unwrap();
        let without_second: Vec<_> = text.lines().enumerate().filter(|(i, _)| *i != 1).map(|(_, l)| l).collect();
        std::fs::write(&path, without_second.join("\n") + "\n").unwrap();
        assert!(matches!(Book::read(&path), Err(BookError::Damaged { line: 2, .. })));
    }

    #[test]
    fn two_sandboxes_cannot_write_one_book() {
        let (_folder, path) = book_with(&[]);
        let (_open, _) = Book::open(&path).unwrap();
        assert!(matches!(Book::open(&path), Err(BookError::InUse { .. })));
    }

    #[test]
    fn nothing_is_written_to_a_closed_book() {
        let (_folder, path) = book_with(&[]);
        let (mut book, _) = Book::open(&path).unwrap();
        book.close();
        assert!(matches!(book.append(effect("late")), Err(BookError::Closed)));
        assert!(Book::read(&path).unwrap().is_empty());
    }
}
