//! Which actions take a second person: always, above a value, or from a severity on; for everybody, or for one tenant.

use serde::{Deserialize, Serialize};

use super::Authorities;
use crate::{
    action::{Action, catalogue::Approval},
    case::Severity,
};

/// One rule. Without a condition it holds always; of several conditions one is enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FourEyes {
    pub action: Action,
    /// Only for this tenant, and then instead of what holds for everybody.
    pub tenant: Option<String>,
    /// Above this value of the order, in the currency of config/severity.toml. One that is not known is above it.
    pub above: Option<f64>,
    /// From this severity on.
    pub severity: Option<Severity>,
}

/// What of a case bears on whether one person is enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weight {
    /// Of the order; `None`: not known.
    pub value: Option<f64>,
    pub severity: Severity,
}

impl FourEyes {
    /// Why it holds for this; `None`: it does not.
    fn holds(&self, weight: &Weight) -> Option<String> {
        if self.above.is_none() && self.severity.is_none() {
            return Some(format!("{} always takes two", self.action));
        }
        let value = self.above.filter(|above| weight.value.is_none_or(|value| value > *above)).map(|above| {
            let is = weight.value.map_or("is not known".to_owned(), |value| format!("is {value:.2}"));
            format!("{} takes two above {above:.2}, and the order's value {is}", self.action)
        });
        // SEV1 is the gravest, and the least of the words.
        let grave = self.severity.filter(|from| weight.severity <= *from);
        value.or_else(|| {
            Some(format!("{} takes two from {} on, and the case is {}", self.action, grave?, weight.severity))
        })
    }
}

impl Authorities {
    /// The rules for an action in a tenant.
    fn rules(&self, tenant: &str, action: Action) -> Vec<&FourEyes> {
        let of_action = || self.four_eyes.iter().filter(|rule| rule.action == action);
        let own: Vec<&FourEyes> = of_action().filter(|rule| rule.tenant.as_deref() == Some(tenant)).collect();
        if own.is_empty() { of_action().filter(|rule| rule.tenant.is_none()).collect() } else { own }
    }

    /// Whether the answer depends on what the case weighs.
    pub fn weighs(&self, tenant: &str, action: Action) -> bool {
        let always = action.declaration().approval == Approval::SecondPerson;
        !always && self.rules(tenant, action).iter().any(|rule| rule.above.is_some() || rule.severity.is_some())
    }

    /// Why the action takes a second person; `None`: one is enough. `off`: it was switched off by two people, which does
    /// not count where the action itself cannot be done by one.
    pub fn second_person(&self, tenant: &str, action: Action, weight: &Weight, off: bool) -> Option<String> {
        if action.declaration().approval == Approval::SecondPerson {
            return Some(format!("{action} always takes two"));
        }
        let why = self.rules(tenant, action).iter().find_map(|rule| rule.holds(weight)).filter(|_| !off)?;
        Some(format!("{why} (authority {})", self.version))
    }

    /// Whether two people may be asked for an action.
    pub fn may_take_two(&self, tenant: &str, action: Action) -> bool {
        action.declaration().approval == Approval::SecondPerson || !self.rules(tenant, action).is_empty()
    }

    pub(super) fn wrong_four_eyes(&self) -> Vec<String> {
        let wrong = |rule: &FourEyes| {
            let of = |what: &str| Some(format!("four_eyes for {}: {what}", rule.action));
            if rule.action.declaration().approval == Approval::SecondPerson {
                return of("it takes two in any case; take the rule out");
            }
            if rule.above.is_some_and(|above| !above.is_finite() || above < 0.0) {
                return of("above is no amount of money");
            }
            if rule.tenant.as_ref().is_some_and(|tenant| tenant.trim().is_empty()) {
                return of("tenant is empty; leave it out where the rule is for everybody");
            }
            None
        };
        self.four_eyes.iter().filter_map(wrong).collect()
    }
}

#[cfg(test)]
#[path = "four_eyes_tests.rs"]
mod tests;
