//! Where the factors of a severity are read: fields of the order's document by their TMF622 names, and facts of the case.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Measure;
use crate::{order::items, words::words};

words! {
    /// What the case itself knows.
    CaseFact {
        /// The downstream, or the engine.
        ExternalSystem = "external_system",
        /// Code of the taxonomy.
        Category = "category",
        /// Orders with an active case of the same classification at the same system, this one included.
        AffectedOrders = "affected_orders",
        /// Since the case was opened.
        AgeHours = "age_hours",
    }
}

/// `order.<field>.<field>` or `case.<fact>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    /// Arrays on the way are walked; `productOrderItem` at the top means nested items too.
    Order(Vec<String>),
    Case(CaseFact),
}

impl TryFrom<String> for Source {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once('.') {
            Some(("order", path)) if path.split('.').all(|field| !field.is_empty()) => {
                Ok(Source::Order(path.split('.').map(str::to_owned).collect()))
            }
            Some(("case", fact)) => fact.parse().map(Source::Case).map_err(|unknown| unknown.to_string()),
            _ => Err(format!("expected order.<field> or case.<fact>, found \"{text}\"")),
        }
    }
}

impl From<Source> for String {
    fn from(source: Source) -> String {
        match source {
            Source::Order(path) => format!("order.{}", path.join(".")),
            Source::Case(fact) => format!("case.{fact}"),
        }
    }
}

/// What a severity is derived from.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// `None` when no order is known.
    pub document: Option<&'a Value>,
    pub external_system: &'a str,
    pub category: &'a str,
    pub affected_orders: i64,
    pub opened_at: DateTime<Utc>,
    pub now: DateTime<Utc>,
}

impl<'a> Circumstances<'a> {
    /// Nothing but an order.
    pub(super) fn of_order(document: &'a Value, now: DateTime<Utc>) -> Circumstances<'a> {
        Circumstances {
            document: Some(document),
            external_system: "",
            category: "",
            affected_orders: 0,
            opened_at: now,
            now,
        }
    }

    /// Everything that a source tells; nothing when it is silent.
    pub(super) fn values(&self, source: &Source) -> Vec<Value> {
        match source {
            Source::Case(CaseFact::ExternalSystem) => vec![json!(self.external_system)],
            Source::Case(CaseFact::Category) => vec![json!(self.category)],
            Source::Case(CaseFact::AffectedOrders) => vec![json!(self.affected_orders)],
            Source::Case(CaseFact::AgeHours) => vec![json!((self.now - self.opened_at).num_minutes() as f64 / 60.0)],
            Source::Order(path) => {
                let Some(document) = self.document else { return Vec::new() };
                let (from, path) = match path.split_first() {
                    Some((first, rest)) if first == "productOrderItem" => (items(document), rest),
                    _ => (vec![document], path.as_slice()),
                };
                let mut found = Vec::new();
                from.into_iter().for_each(|value| walk(value, path, &mut found));
                found
            }
        }
    }
}

fn walk(value: &Value, path: &[String], found: &mut Vec<Value>) {
    match (value, path.split_first()) {
        (Value::Null, _) => {}
        (Value::Array(values), _) => values.iter().for_each(|value| walk(value, path, found)),
        (value, None) => found.push(value.clone()),
        (value, Some((field, rest))) => {
            if let Some(value) = value.get(field) {
                walk(value, rest, found);
            }
        }
    }
}

/// A measured value as a number and for people; no number when it is not what the measure expects.
pub(super) fn number(
    measure: Measure,
    value: &Value,
    now: DateTime<Utc>,
    exchange: &BTreeMap<String, f64>,
) -> (Option<f64>, String) {
    match measure {
        Measure::Money => {
            let amount = value.get("value").and_then(Value::as_f64);
            let unit = value.get("unit").and_then(Value::as_str).unwrap_or_default();
            let worth = exchange.get(unit);
            (amount.zip(worth).map(|(a, w)| a * w), format!("{} {unit}", amount.unwrap_or_default()))
        }
        Measure::HoursPast => {
            let text = value.as_str().unwrap_or_default();
            let promised = DateTime::parse_from_rfc3339(text).ok();
            (promised.map(|p| (now - p.with_timezone(&Utc)).num_minutes() as f64 / 60.0), text.to_owned())
        }
        _ => (value.as_f64(), value.as_f64().map(|n| format!("{n:.0}")).unwrap_or_default()),
    }
}
