//! The reference data that rules work on: every operation by topic, and the taxonomy; checked together.

use std::collections::BTreeMap;

use crate::{customer::CustomerPolicy, operation::Operation, taxonomy::Taxonomy};

/// The engine keeps a topic in 255 characters and shows it to people.
pub const OPERATION_CHARS_MAX: usize = 100;
/// A BPMN error code travels in every report of a rejection and in `handledCodes`, together at most 4,000 characters.
pub const CODE_CHARS_MAX: usize = 64;
/// Travels as the engine's retries; more is no policy but a mistake in a unit.
pub const TRIES_MAX: u32 = 1_000;

#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    pub operations: BTreeMap<String, Operation>,
    /// What holds for every tenant without one of its own.
    pub taxonomy: Taxonomy,
    /// Of tenants that differ, each whole.
    pub tenants: BTreeMap<String, Taxonomy>,
    pub customer: CustomerPolicy,
}

impl Catalogue {
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.get(name)
    }

    pub fn taxonomy_of(&self, tenant: &str) -> &Taxonomy {
        self.tenants.get(tenant).unwrap_or(&self.taxonomy)
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
