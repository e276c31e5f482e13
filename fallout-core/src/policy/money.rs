//! What a cancellation costs, by policy: a share of the order's value, a fixed amount, or both, up to a limit.

use serde::{Deserialize, Serialize};

use super::{OrderFacts, Used, When};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Penalty {
    pub code: String,
    pub summary: String,
    #[serde(default)]
    pub rank: u16,
    #[serde(default)]
    pub when: When,
    /// Of the order's value.
    #[serde(default)]
    pub percent: f64,
    /// On top of that, in `unit`.
    #[serde(default)]
    pub fixed: f64,
    /// At most this, in `unit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<f64>,
    /// The currency of `fixed` and `most`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Somebody with the authority may waive it.
    pub waivable: bool,
}

/// What is due, or why nobody can say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Due {
    pub policy: Used,
    /// Not known where the order's value or its currency is not.
    pub amount: Option<f64>,
    pub unit: Option<String>,
    pub waived: bool,
}

impl Penalty {
    /// In hundredths, so that a third of something has an end.
    pub fn due(&self, order: &OrderFacts) -> (Option<f64>, Option<String>) {
        let unit = self.unit.clone().or_else(|| order.unit.clone());
        if self.percent == 0.0 && self.fixed == 0.0 {
            return (Some(0.0), unit);
        }
        let share = match (self.percent == 0.0, order.value) {
            (true, _) => Some(0.0),
            (false, value) => value.map(|value| value * self.percent / 100.0),
        };
        let mixed = self.percent != 0.0 && self.unit.is_some() && self.unit != order.unit;
        let amount = share.filter(|_| !mixed).map(|share| share + self.fixed);
        let amount = amount.map(|amount| self.most.map_or(amount, |most| amount.min(most)));
        (amount.map(|amount| (amount * 100.0).round() / 100.0), unit)
    }
}

impl Due {
    /// Somebody would have to pay, or it is not known that nobody has to.
    pub fn is_something(&self) -> bool {
        self.amount != Some(0.0)
    }

    /// For people.
    pub fn told(&self) -> String {
        let by = format!("policy {} of version {}", self.policy.code, self.policy.version);
        match (self.is_something(), self.waived) {
            (false, _) => format!("no penalty ({by})"),
            (true, false) => format!("a penalty of {} is due ({by})", money(self.amount, self.unit.as_deref())),
            (true, true) => format!("the penalty of {} is waived ({by})", money(self.amount, self.unit.as_deref())),
        }
    }
}

/// An amount as people read it.
pub fn money(amount: Option<f64>, unit: Option<&str>) -> String {
    match (amount, unit) {
        (None, _) => "an amount that is not known, since the order's value or currency is not".into(),
        (Some(amount), None) => format!("{amount:.2}"),
        (Some(amount), Some(unit)) => format!("{amount:.2} {unit}"),
    }
}
