//! A failure with a code: what happened, why, and what to do next.

use std::{error::Error, fmt};

use super::{Code, code};

/// Travels inside `anyhow::Error` to `cli::report`, which prints the code and ends the program accordingly.
#[derive(Debug)]
pub struct Failure {
    pub code: &'static Code,
    message: String,
    next: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// `id` is one of `CODES`; a test finds every one that is used in the tree there.
    pub fn new(id: &'static str, message: impl Into<String>) -> Self {
        let code = code(id).expect("a test looks for every code of the tree in the list");
        Self { code, message: message.into(), next: None, source: None }
    }

    #[must_use]
    pub fn because(mut self, error: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(error));
        self
    }

    /// Something more exact than the page's own "Next".
    #[must_use]
    pub fn next(mut self, step: impl Into<String>) -> Self {
        self.next = Some(step.into());
        self
    }

    pub fn next_step(&self) -> &str {
        self.next.as_deref().unwrap_or_else(|| self.code.next_step())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
