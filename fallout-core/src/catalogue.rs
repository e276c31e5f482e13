//! The reference data that rules work on: every operation by topic, and the taxonomy; checked together.

use std::collections::BTreeMap;

use crate::{operation::Operation, taxonomy::Taxonomy};

#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    pub operations: BTreeMap<String, Operation>,
    pub taxonomy: Taxonomy,
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
