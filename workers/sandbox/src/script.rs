//! The fault script: TOML `[[fault]]` tables, of which the first one that meets a request wins.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::fault::{Direction, Fault};
use crate::reader::Reader;

/// A valid script. The default one has no fault: everything works.
#[derive(Debug, Clone, Default)]
pub struct FaultScript {
    faults: Vec<Fault>,
}

/// One thing that is wrong with a script. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub line: usize,
    pub column: usize,
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.what)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    #[error("the fault script {} cannot be read", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the fault script is refused:\n{}", listed(problems))]
    Refused { problems: Vec<Problem> },
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n")
}

impl FaultScript {
    /// # Errors
    /// When the file cannot be read, or as [`FaultScript::parse`].
    pub fn load(path: &Path) -> Result<Self, ScriptError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScriptError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// # Errors
    /// Every problem of the text at once.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let (faults, problems) = Reader::read(text);
        if problems.is_empty() { Ok(Self { faults }) } else { Err(ScriptError::Refused { problems }) }
    }

    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The fault that meets this attempt at a step, if any does.
    #[must_use]
    pub fn first(&self, order: &str, line: &str, step: &str, direction: Direction, attempt: u32) -> Option<&Fault> {
        self.faults.iter().find(|fault| fault.meets(order, line, step, direction, attempt))
    }
}
