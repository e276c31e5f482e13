//! What is known of an order besides its steps: who it is for, what it is worth, when it was promised, and how it stands, in
//! the words of TMF622 v4. How it stands is said twice: as the order's owner says, and as our ledger and cases say.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::{personal::PersonalData, step::StepState, words::words};

/// Longer than any code, id or name that anybody looks for.
const TEXT_MAX: usize = 255;
/// More references of one order are no references any more.
const REFERENCES_MAX: usize = 20;

words! {
    /// TMF622 `ProductOrderStateType`.
    OrderState {
        Acknowledged = "acknowledged",
        Rejected = "rejected",
        Pending = "pending",
        Held = "held",
        InProgress = "inProgress",
        Cancelled = "cancelled",
        Completed = "completed",
        Failed = "failed",
        Partial = "partial",
        AssessingCancellation = "assessingCancellation",
        PendingCancellation = "pendingCancellation",
    }
}

words! {
    /// TMF622 `ProductOrderItemStateType`.
    ItemState {
        Acknowledged = "acknowledged",
        Rejected = "rejected",
        Pending = "pending",
        Held = "held",
        InProgress = "inProgress",
        Cancelled = "cancelled",
        Completed = "completed",
        Failed = "failed",
        AssessingCancellation = "assessingCancellation",
        PendingCancellation = "pendingCancellation",
    }
}

words! {
    /// Where one start of a fulfilment stands.
    RunState {
        Accepted = "accepted",
        Running = "running",
        Completed = "completed",
        Cancelled = "cancelled",
        /// Without reaching an end event of ours.
        Ended = "ended",
    }
}

impl RunState {
    fn is_under_way(self) -> bool {
        matches!(self, RunState::Accepted | RunState::Running)
    }
}

words! {
    /// Whether anybody has to do something about it.
    Attention {
        None = "none",
        /// Every open case waits: for the customer, a downstream, a date.
        Waits = "waits",
        Open = "open",
    }
}

words! {
    /// How many of the lines were cancelled.
    Share { None = "none", Some = "some", All = "all" }
}

/// What the state of a line follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineFacts {
    /// Of the latest run; `None`: its fulfilment was never started here.
    pub run: Option<RunState>,
    pub cancelling: bool,
    /// Somebody holds it, or the order that it belongs to.
    pub held: bool,
    pub attention: Attention,
    /// It has steps.
    pub begun: bool,
    pub parked: bool,
    /// Whether some effect exists is not known.
    pub unknown: bool,
    /// Every step of it was.
    pub cancelled: bool,
}

/// What the state of an order follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderFacts {
    pub run: Option<RunState>,
    pub cancelling: bool,
    pub held: bool,
    pub attention: Attention,
    pub parked: bool,
    pub unknown: bool,
    pub lines_cancelled: Share,
}

impl LineFacts {
    /// `None` where nothing of it is ours. Nothing is completed while a case is open. The database has the same rule
    /// (`order_line_state`); a test compares them.
    pub fn state(&self) -> Option<ItemState> {
        use ItemState as S;
        let run = self.run?;
        if self.held && run.is_under_way() {
            return Some(S::Held);
        }
        Some(match (self.troubled(), run) {
            (Some(S::Held), _) | (None, RunState::Ended) => S::Held,
            (Some(state), _) => state,
            (None, RunState::Cancelled) => S::Cancelled,
            (None, _) if self.begun && self.cancelled => S::Cancelled,
            (None, RunState::Completed) => S::Completed,
            (None, _) if self.cancelling => S::PendingCancellation,
            (None, _) if self.begun => S::InProgress,
            (None, _) => S::Acknowledged,
        })
    }

    fn troubled(&self) -> Option<ItemState> {
        match (self.attention, self.parked, self.unknown) {
            (Attention::Open, ..) | (Attention::None, true, _) => Some(ItemState::Held),
            (Attention::Waits, ..) | (_, _, true) => Some(ItemState::Pending),
            (Attention::None, false, false) => None,
        }
    }
}

impl OrderFacts {
    /// As for a line (`order_own_state` in the database).
    pub fn state(&self) -> Option<OrderState> {
        use OrderState as S;
        let run = self.run?;
        if self.held && run.is_under_way() {
            return Some(S::Held);
        }
        Some(match (self.attention, self.parked, self.unknown, run) {
            (Attention::Open, ..) | (Attention::None, true, ..) => S::Held,
            (Attention::Waits, ..) | (_, _, true, _) => S::Pending,
            (.., RunState::Ended) => S::Held,
            (.., RunState::Cancelled) => S::Cancelled,
            (.., RunState::Completed) => match self.lines_cancelled {
                Share::None => S::Completed,
                Share::Some => S::Partial,
                Share::All => S::Cancelled,
            },
            _ if self.cancelling => S::PendingCancellation,
            (.., RunState::Accepted) => S::Acknowledged,
            (.., RunState::Running) => S::InProgress,
        })
    }
}

/// What the steps of a line, or of an order, say together.
pub fn of_steps(states: impl Iterator<Item = StepState>) -> (bool, bool, bool) {
    let (mut begun, mut parked, mut cancelled) = (false, false, true);
    for state in states {
        begun = true;
        parked |= state == StepState::Parked;
        cancelled &= state == StepState::Cancelled;
    }
    (begun, parked, begun && cancelled)
}

/// Facts of an order for people, severity and lists.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OrderContext {
    pub customer: Option<String>,
    /// The customer's segment, as severity reads it.
    pub category: Option<String>,
    pub value: Option<f64>,
    pub unit: Option<String>,
    pub promised: Option<DateTime<Utc>>,
    pub requested: Option<DateTime<Utc>>,
    pub priority: Option<String>,
    pub external_references: Vec<String>,
    /// As the order's owner says.
    #[serde(rename = "owner_state")]
    pub state: Option<OrderState>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ItemContext>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ItemContext {
    pub line: String,
    pub parent: Option<String>,
    pub action: String,
    pub offering: Option<String>,
    pub offering_name: Option<String>,
    pub quantity: Option<f64>,
    #[serde(rename = "owner_state")]
    pub state: Option<ItemState>,
    pub service_numbers: Vec<String>,
}

impl OrderContext {
    /// Of a whole document. What cannot be read is not known; nothing here refuses an order.
    pub fn of(document: &Value, personal: &PersonalData) -> OrderContext {
        let (value, unit) = worth(document).unzip();
        let mut items = Vec::new();
        collect(document, None, personal, &mut items);
        OrderContext {
            customer: crate::order::customer(document),
            category: text(document, "category"),
            value,
            unit,
            promised: date(document, "expectedCompletionDate"),
            requested: date(document, "requestedCompletionDate"),
            priority: text(document, "priority"),
            external_references: references(document),
            state: document.get("state").and_then(Value::as_str).and_then(|s| s.parse().ok()),
            items,
        }
    }
}

fn collect(of: &Value, parent: Option<&str>, personal: &PersonalData, into: &mut Vec<ItemContext>) {
    for item in of.get("productOrderItem").and_then(Value::as_array).into_iter().flatten() {
        let line = text(item, "id").unwrap_or_default();
        into.push(ItemContext {
            parent: parent.map(str::to_owned),
            action: text(item, "action").unwrap_or_default(),
            offering: item.get("productOffering").and_then(|o| text(o, "id")),
            offering_name: item.get("productOffering").and_then(|o| text(o, "name")),
            quantity: item.get("quantity").and_then(Value::as_f64),
            state: item.get("state").and_then(Value::as_str).and_then(|s| s.parse().ok()),
            service_numbers: numbers(item, personal),
            line: line.clone(),
        });
        collect(item, Some(&line), personal, into);
    }
}

/// Of this item alone: those inside it have their own.
fn numbers(item: &Value, personal: &PersonalData) -> Vec<String> {
    let mut alone = item.clone();
    alone["productOrderItem"] = Value::Null;
    let document = serde_json::json!({ "productOrderItem": [alone] });
    let found = personal.service_numbers.iter().flat_map(|path| path.values(&document));
    let mut numbers: Vec<String> = found.filter_map(Value::as_str).map(short).filter(|n| !n.is_empty()).collect();
    numbers.truncate(REFERENCES_MAX);
    numbers
}

fn references(document: &Value) -> Vec<String> {
    let listed = document.get("externalReference").and_then(Value::as_array).into_iter().flatten();
    let listed = listed.filter_map(|r| text(r, "id").or_else(|| text(r, "externalIdentifier")));
    text(document, "externalId").into_iter().chain(listed).take(REFERENCES_MAX).collect()
}

/// The total without tax; where there is none, the sum of the items. Nothing when units are mixed: a sum would be wrong.
fn worth(document: &Value) -> Option<(f64, String)> {
    let amounts = |of: &Value, field: &str, times: f64| -> Vec<(f64, String)> {
        let prices = of.get(field).and_then(Value::as_array).into_iter().flatten();
        let amount = |price: &Value| {
            let money = price.pointer("/price/dutyFreeAmount")?;
            Some((money.get("value")?.as_f64()? * times, text(money, "unit")?))
        };
        prices.filter_map(amount).collect()
    };
    let mut found = amounts(document, "orderTotalPrice", 1.0);
    if found.is_empty() {
        let quantity = |item: &Value| item.get("quantity").and_then(Value::as_f64).unwrap_or(1.0);
        let items = crate::order::items(document);
        found = items.iter().flat_map(|item| amounts(item, "itemPrice", quantity(item))).collect();
    }
    let unit = found.first()?.1.clone();
    let one_unit = found.iter().all(|(_, u)| *u == unit);
    one_unit.then(|| (found.iter().map(|(amount, _)| amount).sum(), unit))
}

fn text(of: &Value, field: &str) -> Option<String> {
    of.get(field).and_then(Value::as_str).map(short).filter(|t| !t.is_empty())
}

/// Bounded, and nothing that a terminal obeys.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect()
}

fn date(of: &Value, field: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(of.get(field)?.as_str()?).ok().map(|at| at.to_utc())
}

#[cfg(test)]
#[path = "context_tests.rs"]
mod tests;
