//! Codes of failures: `FO-nnn`, each with a runbook page that is built in and printed by `fallout explain`.

mod failure;
mod find;
mod list;
mod pages;

#[cfg(test)]
mod tests;

pub use failure::Failure;
pub use find::code_of;
pub use list::{CODES, Code, code};
pub use pages::{CATEGORY_PAGES, CLASSIFICATION_PAGES, category_page, classification_page};
