//! How a failed command says so: the code, what happened, each cause on its own line, and what to do next.

use std::fmt::Write;

use anyhow::Error;

use crate::{
    codes::{Failure, code_of},
    exit::Exit,
    output::{BAD, causes, styled},
};

pub fn text(error: &Error) -> String {
    let code = code_of(error);
    let head = code.map_or_else(|| "error:".to_owned(), |code| format!("error {}:", code.id));
    let mut text = format!("{} {}\n", styled(BAD, &head), indented(&error.to_string()));
    for cause in causes(error.as_ref()).iter().skip(1) {
        text += &format!("  because: {}\n", indented(cause));
    }
    if let Some(code) = code {
        let failure = error.chain().find_map(|link| link.downcast_ref::<Failure>());
        let next = failure.map_or_else(|| code.next_step(), Failure::next_step).trim_end_matches('.');
        let _ = writeln!(text, "  next: {next} (fallout explain {})", code.id);
    }
    text
}

pub fn exit(error: &Error) -> Exit {
    code_of(error).map_or(Exit::Failed, |code| code.exit)
}

/// Later lines of a message stand below its first.
fn indented(message: &str) -> String {
    message.trim_end().replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    fn plain(error: &Error) -> String {
        anstream::adapter::strip_str(&text(error)).to_string()
    }

    #[test]
    fn a_failure_says_what_why_and_what_next() {
        let cause = std::io::Error::other("Connection refused");
        let failure =
            Failure::new("FO-010", "the engine at http://e cannot be reached").because(cause).next("start it");
        let error = Error::new(failure);
        let expected = "error FO-010: the engine at http://e cannot be reached\n  \
            because: Connection refused\n  next: start it (fallout explain FO-010)\n";
        assert_eq!(plain(&error), expected);
        assert_eq!(exit(&error), Exit::Unreachable);
    }

    #[test]
    fn several_problems_stand_one_a_line() {
        let error = Error::new(Failure::new("FO-001", "two problems:\na: b\nc: d").next("correct them"));
        let expected =
            "error FO-001: two problems:\n    a: b\n    c: d\n  next: correct them (fallout explain FO-001)\n";
        assert_eq!(plain(&error), expected);
    }

    #[test]
    fn an_error_of_our_crates_has_a_code_even_under_a_context() {
        let away = fallout_camunda::EngineError::Away { source: None };
        let error = Err::<(), _>(away).context("while starting order O-1").unwrap_err();
        assert!(
            plain(&error).starts_with(
                "error FO-010: while starting order O-1\n  because: the engine cannot be reached\n  next: "
            )
        );
        assert_eq!(exit(&error), Exit::Unreachable);
    }

    #[test]
    fn an_error_without_a_code_is_said_without_one() {
        let error = anyhow::anyhow!("the disk is full");
        assert_eq!((plain(&error).as_str(), exit(&error)), ("error: the disk is full\n", Exit::Failed));
    }
}
