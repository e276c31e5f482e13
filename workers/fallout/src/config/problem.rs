//! One thing that is wrong with a setting or a file: where it was given, and what was expected.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A file, a variable, or the key where no single place is to blame.
    pub place: String,
    pub what: String,
}

impl Problem {
    pub fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// All of them below a heading, one a line.
pub fn listed(heading: &str, problems: &[impl fmt::Display]) -> String {
    problems.iter().fold(heading.to_owned(), |text, problem| format!("{text}\n{problem}"))
}

/// What TOML's reader says, without the line itself: it may hold a secret.
pub fn toml_error(file: &str, text: &str, error: &toml::de::Error) -> Problem {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Problem::new(format!("{file}:{line}:{column}"), error.message())
}
