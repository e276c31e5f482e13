//! The reference data that rules work on: every operation by topic, and the taxonomy; checked together.

use std::collections::BTreeMap;

use crate::{operation::Operation, severity::SeverityRules, sla::SlaRules, taxonomy::Taxonomy};

/// The engine keeps a topic in 255 characters and shows it to people.
pub const OPERATION_CHARS_MAX: usize = 100;
/// A BPMN error code travels in every report of a rejection and in `handledCodes`, together at most 4,000 characters.
pub const CODE_CHARS_MAX: usize = 64;
/// Travels as the engine's retries; more is no policy but a mistake in a unit.
pub const TRIES_MAX: u32 = 1_000;

#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    pub operations: BTreeMap<String, Operation>,
    pub taxonomy: Taxonomy,
    pub severity: SeverityRules,
    pub sla: SlaRules,
}

impl Catalogue {
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.get(name)
    }

    /// Everything wrong with the operations and the taxonomy, at once.
    pub fn check(&self) -> Vec<String> {
        let mut wrong = self.taxonomy.check();
        for op in self.operations.values() {
            wrong.extend(op.problems(&self.taxonomy).iter().map(|found| format!("operation {}: {found}", op.name)));
        }
        wrong
    }
}

#[cfg(test)]
#[path = "catalogue_tests.rs"]
mod tests;
