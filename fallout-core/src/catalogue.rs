//! The reference data that rules work on: every operation by topic, and the taxonomy; checked together.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    authority::Authorities,
    bulk::BulkRules,
    check::Finding,
    customer::CustomerPolicy,
    operation::{Operation, PerformedBy},
    personal::PersonalData,
    policy::Policies,
    problem::ProblemRules,
    severity::SeverityRules,
    sla::SlaRules,
    taxonomy::Taxonomy,
    undo,
    verification::VerificationRules,
};

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
    pub severity: SeverityRules,
    pub sla: SlaRules,
    pub problems: ProblemRules,
    /// Cancellation, penalties, routes, quotes: what holds for every tenant without one of its own.
    pub policies: Policies,
    /// Of tenants that differ, each whole.
    pub own_policies: BTreeMap<String, Policies>,
    /// Which fields of an order are kept apart.
    pub personal: PersonalData,
    pub authority: Authorities,
    /// How long an action may take until it is verified.
    pub verification: VerificationRules,
    /// Of recoveries of many cases.
    pub bulk: BulkRules,
}

impl Catalogue {
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.get(name)
    }

    /// What tasks are fetched for: the operations that steps of models make.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        let by_steps = |op: &&Operation| op.performed_by == PerformedBy::Step;
        self.operations.values().filter(by_steps).map(|op| op.name.as_str())
    }

    /// How long a second person has to agree.
    pub fn approval_valid_s(&self) -> f64 {
        f64::from(self.authority.approval_hours()) * 3_600.0
    }

    pub fn taxonomy_of(&self, tenant: &str) -> &Taxonomy {
        self.tenants.get(tenant).unwrap_or(&self.taxonomy)
    }

    pub fn policies_of(&self, tenant: &str) -> &Policies {
        self.own_policies.get(tenant).unwrap_or(&self.policies)
    }

    /// Everything wrong with the operations and the taxonomy, at once.
    pub fn check(&self) -> Vec<String> {
        let mut wrong = self.taxonomy.check();
        for op in self.operations.values() {
            wrong.extend(op.problems(&self.taxonomy).iter().map(|found| format!("operation {}: {found}", op.name)));
        }
        wrong.extend(self.unpaired().iter().map(|(op, found)| format!("operation {op}: {found}")));
        wrong.extend(self.beside_their_step());
        wrong
    }

    /// Operations whose undo could not take their effect back.
    pub fn unpaired(&self) -> Vec<(&str, Finding)> {
        let all = self.operations.values();
        all.filter_map(|op| Some((op.name.as_str(), undo::check_pair(op, self)?))).collect()
    }

    /// Rejections that a tenant files beside their step: such a step would park without a case of its own.
    pub fn beside_their_step(&self) -> Vec<String> {
        let of = |(tenant, taxonomy): (&String, &Taxonomy)| {
            let classes =
                self.operations.values().flat_map(|op| op.answers.business.values().map(|r| &r.classification));
            let own: BTreeSet<_> = classes.filter(|class| taxonomy.own_case(class)).collect();
            let what =
                |class| format!("tenant {tenant}: {class} is a rejection of an operation; it cannot have own_case");
            own.into_iter().map(what).collect::<Vec<_>>()
        };
        self.tenants.iter().flat_map(of).collect()
    }
}

#[cfg(test)]
#[path = "catalogue_tests.rs"]
mod tests;
