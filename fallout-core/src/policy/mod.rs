//! What may be done with an order commercially, as versioned reference data (config/policies.toml): whether it may still be
//! cancelled and at what price, by which other operation a step may be fulfilled, when a quote may be revised. Of the
//! policies of a kind the highest that fits the order counts, and the action remembers which it was.

mod check;
mod money;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use money::{Due, Penalty, money};

use crate::words::words;

words! {
    /// What a policy is about.
    PolicyKind {
        Cancellation = "cancellation",
        Route = "route",
        Revision = "revision",
        Penalty = "penalty",
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policies {
    /// Rises with every change.
    pub version: u32,
    /// Of the tenant's own file, where it has one; 0: what holds for everybody.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tenant_version: u32,
    #[serde(default, rename = "cancellation")]
    pub cancellations: Vec<Cancellation>,
    #[serde(default, rename = "route")]
    pub routes: Vec<Route>,
    #[serde(default, rename = "revision")]
    pub revisions: Vec<Revision>,
    #[serde(default, rename = "penalty")]
    pub penalties: Vec<Penalty>,
}

/// For which orders a policy holds; everything that is said has to be so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// The customer's segment (`category` of the order) is one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<String>,
    /// The order is worth at least so much, in its own currency. One whose value is not known is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<f64>,
    /// An effect of one of these operations exists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
}

/// Whether an order may be cancelled, beside the points of no return of its operations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancellation {
    pub code: String,
    pub summary: String,
    #[serde(default)]
    pub rank: u16,
    #[serde(default)]
    pub when: When,
    pub allowed: bool,
    /// What a person is told where it is not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub because: String,
}

/// An operation that may fulfil a step in place of another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    pub code: String,
    pub summary: String,
    #[serde(default)]
    pub rank: u16,
    #[serde(default)]
    pub when: When,
    /// What the step was to be done by.
    pub operation: String,
    /// What may do it instead.
    pub by: String,
    /// The case has one of these classifications; empty: whatever it has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
}

/// Whether a quote may be computed anew, and who has to agree to what comes out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revision {
    pub code: String,
    pub summary: String,
    #[serde(default)]
    pub rank: u16,
    #[serde(default)]
    pub when: When,
    /// Also a quote that the customer has accepted.
    pub accepted: bool,
    /// A price that rises by no more percent goes on without the customer; absent: they always have to agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_rise_percent: Option<f64>,
}

/// What a policy is chosen by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OrderFacts {
    pub segment: Option<String>,
    pub value: Option<f64>,
    pub unit: Option<String>,
    /// The operations of which an effect exists.
    pub effects: BTreeSet<String>,
    /// The quote that the order came from.
    pub quote: Option<String>,
    /// The customer has agreed to it.
    pub quote_accepted: bool,
    /// Something that is installed is changed or ended by it.
    pub is_change: bool,
}

/// Which policy allowed something, as the action keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    pub kind: PolicyKind,
    pub code: String,
    /// Of the whole file, as `fallout policy list` shows it.
    pub version: String,
}

/// What every policy has.
pub trait Policy {
    const KIND: PolicyKind;
    fn code(&self) -> &str;
    fn summary(&self) -> &str;
    fn rank(&self) -> u16;
    fn when(&self) -> &When;
}

macro_rules! policy {
    ($($kind:ident),+) => {
        $(impl Policy for $kind {
            const KIND: PolicyKind = PolicyKind::$kind;
            fn code(&self) -> &str {
                &self.code
            }
            fn summary(&self) -> &str {
                &self.summary
            }
            fn rank(&self) -> u16 {
                self.rank
            }
            fn when(&self) -> &When {
                &self.when
            }
        })+
    };
}
policy!(Cancellation, Route, Revision, Penalty);

impl When {
    fn fits(&self, order: &OrderFacts) -> bool {
        let segment = |segment: &String| order.segment.as_ref().is_some_and(|is| is.eq_ignore_ascii_case(segment));
        (self.segments.is_empty() || self.segments.iter().any(segment))
            && self.value_from.is_none_or(|from| order.value.is_some_and(|value| value >= from))
            && (self.after.is_empty() || self.after.iter().any(|operation| order.effects.contains(operation)))
    }

    /// Nothing is said: it holds for every order.
    pub fn is_always(&self) -> bool {
        *self == When::default()
    }
}

impl Policies {
    /// For people and rows: `1`, or `1.3` where a tenant has its own.
    pub fn label(&self) -> String {
        match self.tenant_version {
            0 => self.version.to_string(),
            own => format!("{}.{own}", self.version),
        }
    }

    pub fn cancellation(&self, order: &OrderFacts) -> Option<&Cancellation> {
        fitting(&self.cancellations, order)
    }

    pub fn penalty(&self, order: &OrderFacts) -> Option<&Penalty> {
        fitting(&self.penalties, order)
    }

    pub fn revision(&self, order: &OrderFacts) -> Option<&Revision> {
        fitting(&self.revisions, order)
    }

    /// The ways around `operation` that fit the order and what its case is called, the highest first.
    pub fn routes(&self, operation: &str, classification: &str, order: &OrderFacts) -> Vec<&Route> {
        let caused = |route: &Route| route.causes.is_empty() || route.causes.iter().any(|c| c == classification);
        let fits = |route: &&Route| route.operation == operation && caused(route) && route.when.fits(order);
        let mut found: Vec<&Route> = self.routes.iter().filter(fits).collect();
        found.sort_by_key(|route| std::cmp::Reverse(route.rank));
        found
    }

    pub fn used<P: Policy>(&self, policy: &P) -> Used {
        Used { kind: P::KIND, code: policy.code().to_owned(), version: self.label() }
    }
}

/// The highest that fits; `check` sees to it that no two of a kind have one rank.
fn fitting<'a, P: Policy>(all: &'a [P], order: &OrderFacts) -> Option<&'a P> {
    all.iter().filter(|policy| policy.when().fits(order)).max_by_key(|policy| policy.rank())
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests;
