//! The runbook pages of the taxonomy, built in under the name that a category's `runbook` gives.

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

pub fn category_page(runbook: &str) -> Option<&'static str> {
    CATEGORY_PAGES.iter().find(|(name, _)| *name == runbook).map(|(_, page)| *page)
}
