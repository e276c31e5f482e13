//! Worklists on a seeded database, as the program's role: what a filter finds, how pages go on, and that each has an index.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod pages;
mod plans;
mod seeded;
mod words;
