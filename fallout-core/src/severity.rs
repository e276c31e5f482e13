//! How grave a case is: from impact, by reference data (config/severity.toml), with its reasons.
//!
//! Each of nine factors reads its sources and says at least how grave the case is; so does the classification. The gravest
//! counts. What a source does not tell is assumed, and the reason says so.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{case::Severity, words::words};

#[path = "severity_source.rs"]
mod source;

pub use source::{CaseFact, Circumstances, Source};

words! {
    /// What impact is made of (§14).
    Factor {
        CustomerSegment = "customer_segment",
        OrderValue = "order_value",
        PromisedDate = "promised_delivery_date",
        Regulatory = "regulatory_obligation",
        ProductCriticality = "product_criticality",
        DownstreamImpact = "downstream_system_impact",
        AffectedOrders = "affected_orders",
        StuckAge = "age_of_stuck_state",
        CustomerVisible = "customer_visible_impact",
    }
}

words! {
    /// How a value is read.
    Measure {
        /// By the table of words, whatever their case.
        Word = "word",
        Number = "number",
        /// A TMF622 `Money`, in the currency that `exchange` counts as 1.
        Money = "money",
        /// Hours since a date-time; before it, less than 0.
        HoursPast = "hours_past",
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeverityRules {
    /// After so long a case that nobody touches is looked at again: its age and its surroundings change by themselves.
    pub review_minutes: u32,
    /// Unit of money → what one of it is worth.
    pub exchange: BTreeMap<String, f64>,
    #[serde(rename = "response")]
    pub responses: Vec<Response>,
    #[serde(rename = "factor")]
    pub factors: Vec<FactorRule>,
}

/// What a severity means for those who work on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    pub severity: Severity,
    pub example: String,
    pub response: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactorRule {
    pub factor: Factor,
    /// The first that tells anything counts.
    pub sources: Vec<Source>,
    pub measure: Measure,
    /// For words: each with the least severity it stands for.
    #[serde(default)]
    pub words: BTreeMap<String, Severity>,
    /// For what is measured: from this value on at least this severity.
    #[serde(default)]
    pub thresholds: Vec<Threshold>,
    /// What counts while the value is not known.
    pub assumed: Severity,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    pub from: f64,
    pub severity: Severity,
}

/// What one factor said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub factor: Factor,
    /// Where the value was read, or the first place where it could have been.
    pub source: Source,
    /// For people; `None` when no source told anything.
    pub value: Option<String>,
    pub severity: Severity,
    /// The value is missing, or no rule knows it.
    pub assumed: bool,
}

/// A severity with everything it follows from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derived {
    pub severity: Severity,
    /// Of the classification itself.
    pub base: Severity,
    /// One for each factor.
    pub reasons: Vec<Reason>,
}

impl SeverityRules {
    /// How grave a case of this classification is under these circumstances.
    pub fn derive(&self, base: Severity, at: &Circumstances<'_>) -> Derived {
        let reasons: Vec<Reason> = self.factors.iter().map(|rule| rule.judge(at, &self.exchange)).collect();
        let severity = reasons.iter().map(|r| r.severity).min().unwrap_or(base).min(base);
        Derived { severity, base, reasons }
    }

    /// The value of an order, in the currency of the thresholds, read as the factor of it is; `None`: not known.
    pub fn order_value(&self, document: &Value, now: DateTime<Utc>) -> Option<f64> {
        let rule = self.factors.iter().find(|rule| rule.factor == Factor::OrderValue)?;
        let at = Circumstances::of_order(document, now);
        let told = rule.sources.iter().map(|source| at.values(source)).find(|values| !values.is_empty())?;
        let worth: Option<Vec<f64>> =
            told.iter().map(|value| source::number(rule.measure, value, now, &self.exchange).0).collect();
        // Of several amounts the largest, as for the severity; with one that cannot be read, none is known to be it.
        worth?.into_iter().reduce(f64::max)
    }

    /// Beyond how many affected orders nothing changes any more, so that nobody counts further.
    pub fn orders_that_matter(&self) -> i64 {
        let of_count = self.factors.iter().filter(|f| f.sources.contains(&Source::Case(CaseFact::AffectedOrders)));
        let highest = of_count.flat_map(|f| &f.thresholds).map(|t| t.from).fold(1.0, f64::max);
        highest.ceil() as i64
    }

    /// What so many affected orders weigh alone.
    pub fn of_orders(&self, orders: i64) -> Option<Severity> {
        let of_count = self.factors.iter().filter(|f| f.sources.contains(&Source::Case(CaseFact::AffectedOrders)));
        of_count.flat_map(|f| &f.thresholds).filter(|t| t.from <= orders as f64).map(|t| t.severity).min()
    }

    /// Whether this many affected orders weigh more than one less, for every case of the trouble.
    pub fn matters_to_all(&self, affected_orders: i64) -> bool {
        let of_count = self.factors.iter().filter(|f| f.sources.contains(&Source::Case(CaseFact::AffectedOrders)));
        of_count.flat_map(|f| &f.thresholds).any(|t| t.from > 1.0 && t.from.ceil() as i64 == affected_orders)
    }

    /// Everything wrong with it, at once.
    pub fn check(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.review_minutes == 0 {
            wrong.push("review_minutes is 0: every case would be looked at all the time".to_owned());
        }
        for (unit, _) in self.exchange.iter().filter(|(_, worth)| !(worth.is_finite() && **worth > 0.0)) {
            wrong.push(format!("exchange: one {unit} is worth more than nothing"));
        }
        for severity in Severity::ALL {
            if self.responses.iter().filter(|r| r.severity == *severity).count() != 1 {
                wrong.push(format!("{severity} needs one response"));
            }
        }
        for factor in Factor::ALL {
            if self.factors.iter().filter(|f| f.factor == *factor).count() != 1 {
                wrong.push(format!("factor {factor} needs one rule"));
            }
        }
        self.factors.iter().for_each(|factor| factor.check(&mut wrong));
        wrong
    }
}

impl FactorRule {
    fn judge(&self, at: &Circumstances<'_>, exchange: &BTreeMap<String, f64>) -> Reason {
        let told = self.sources.iter().map(|source| (source, at.values(source))).find(|(_, values)| !values.is_empty());
        let Some((source, values)) = told else {
            // `check` refuses a rule without a source.
            let source = self.sources.first().cloned().unwrap_or(Source::Case(CaseFact::Category));
            return Reason { factor: self.factor, source, value: None, severity: self.assumed, assumed: true };
        };
        let judged = values.iter().map(|value| self.weigh(value, at.now, exchange));
        let reason = |(severity, assumed, text)| Reason {
            factor: self.factor,
            source: source.clone(),
            value: Some(text),
            severity,
            assumed,
        };
        // Of several values the gravest counts, and of two equally grave ones that which is known.
        let gravest = judged.min().unwrap_or((self.assumed, true, String::new()));
        reason(gravest)
    }

    /// Severity, whether it is assumed, and the value in words.
    fn weigh(&self, value: &Value, now: DateTime<Utc>, exchange: &BTreeMap<String, f64>) -> (Severity, bool, String) {
        let (weight, text) = match self.measure {
            Measure::Word => {
                let word = value.as_str().unwrap_or_default();
                let known = self.words.iter().find(|(w, _)| w.eq_ignore_ascii_case(word)).map(|(_, s)| *s);
                (known, word.to_owned())
            }
            measure => {
                let (number, text) = source::number(measure, value, now, exchange);
                (number.map(|n| self.reached(n)), text)
            }
        };
        (weight.unwrap_or(self.assumed), weight.is_none(), text)
    }

    fn reached(&self, number: f64) -> Severity {
        let reached = self.thresholds.iter().filter(|t| number >= t.from).map(|t| t.severity);
        reached.min().unwrap_or(Severity::Sev4)
    }

    fn check(&self, wrong: &mut Vec<String>) {
        let mut say = |what: &str| wrong.push(format!("factor {}: {what}", self.factor));
        if self.sources.is_empty() {
            say("it names no source");
        }
        if self.thresholds.iter().any(|t| !t.from.is_finite()) {
            say("a threshold is no number");
        }
        match (self.measure, self.words.is_empty(), self.thresholds.is_empty()) {
            (Measure::Word, false, true) | (Measure::Number | Measure::Money | Measure::HoursPast, true, false) => {}
            (Measure::Word, ..) => say("words are judged by a table of words, and by nothing else"),
            _ => say("what is measured is judged by thresholds, and by nothing else"),
        }
    }
}

/// What a case's severity is after it was derived again. It rises by itself and never falls by itself; after a person has
/// lowered it, it rises only over what the factors said when that person decided.
pub fn settled(current: Severity, derived: Severity, lowered_from: Option<Severity>) -> Severity {
    match lowered_from {
        Some(seen) if derived >= seen => current,
        _ => current.min(derived),
    }
}

#[cfg(test)]
#[path = "severity_tests.rs"]
mod tests;
