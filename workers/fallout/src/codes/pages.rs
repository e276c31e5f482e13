//! The runbook pages of the taxonomy, built in: of a category under the name that its `runbook` gives, of a classification
//! under its code.

macro_rules! pages {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../docs/runbooks/", $name, ".md")))),+]
    };
}

pub const CATEGORY_PAGES: &[(&str, &str)] = pages![
    "validation",
    "baseline",
    "provisioning",
    "billing",
    "contract",
    "payment",
    "timeout-unknown",
    "correlation",
    "workflow-incident",
    "data-drift",
    "policy",
    "compensation",
];

/// Of what the program itself finds: each is another state of knowledge, and asks for another next step.
pub const CLASSIFICATION_PAGES: &[(&str, &str)] = pages![
    "retries-exhausted",
    "defect",
    "outcome-unknown",
    "task-gone",
    "engine-cannot-advance",
    "unclassified",
    "undo-required",
    "applied-after-all",
    "applied-twice",
    "effect-disputed",
];

pub fn category_page(runbook: &str) -> Option<&'static str> {
    page(CATEGORY_PAGES, runbook)
}

/// The page of a classification that has one of its own; rejections of downstreams are explained by their category.
pub fn classification_page(code: &str) -> Option<&'static str> {
    page(CLASSIFICATION_PAGES, &code.to_lowercase().replace('_', "-"))
}

fn page(pages: &'static [(&str, &str)], wanted: &str) -> Option<&'static str> {
    pages.iter().find(|(name, _)| *name == wanted).map(|(_, page)| *page)
}
