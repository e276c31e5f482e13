//! What the order's owner tells about an order: the events of the TMF622 v4 hub, read, bounded and laid over what is known.

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use super::check;
use crate::{
    context::{ItemState, OrderState},
    words::words,
};

/// A UUID has 36 characters; an event id that is longer than this is none.
const EVENT_ID_CHARS_MAX: usize = 180;
/// Clocks of two machines differ by seconds. An event that is further ahead would shut out all that really come later.
const AHEAD_MAX: Duration = Duration::minutes(5);

/// A thousand items of a kilobyte each, four times over: what is larger is no order but a leak.
const ORDER_BYTES_MAX: usize = 4 << 20;

words! {
    /// The last part of the listener's path, without its case.
    OrderEventKind {
        Create = "ProductOrderCreateEvent",
        StateChange = "ProductOrderStateChangeEvent",
        AttributeValueChange = "ProductOrderAttributeValueChangeEvent",
        Delete = "ProductOrderDeleteEvent",
        InformationRequired = "ProductOrderInformationRequiredEvent",
    }
}

/// One event that can be used.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderEvent {
    pub id: String,
    pub kind: OrderEventKind,
    /// By the owner's clock.
    pub at: DateTime<Utc>,
    /// The order's id as its owner knows it.
    pub order: String,
    /// The whole order or what changed of it.
    pub resource: Value,
}

/// Why an event is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventRefusal {
    #[error("there is no event {0} for listeners of product orders")]
    UnknownType(String),
    #[error("the event is no JSON: {0}")]
    NotJson(String),
    #[error("{field}: {expected}")]
    Invalid { field: String, expected: String },
    #[error("order {0} is not known here")]
    UnknownOrder(String),
    #[error("order {order} is known as of {known}, which is later than this event of {at}")]
    Outdated { order: String, known: DateTime<Utc>, at: DateTime<Utc> },
    #[error("the event is of {at}, and it is only {now}")]
    InTheFuture { at: DateTime<Utc>, now: DateTime<Utc> },
}

impl EventRefusal {
    /// A name that a program can decide on.
    pub fn name(&self) -> &'static str {
        match self {
            EventRefusal::UnknownType(_) => "unknownEventType",
            EventRefusal::NotJson(_) => "notJson",
            EventRefusal::Invalid { .. } => "invalidEvent",
            EventRefusal::UnknownOrder(_) => "unknownOrder",
            EventRefusal::Outdated { .. } => "outdatedEvent",
            EventRefusal::InTheFuture { .. } => "eventInTheFuture",
        }
    }

    /// What the sender does next.
    pub fn next(&self) -> &'static str {
        match self {
            EventRefusal::UnknownType(_) => "register only the product order events of TMF622 v4",
            EventRefusal::NotJson(_) | EventRefusal::Invalid { .. } => "correct the event and send it again",
            EventRefusal::UnknownOrder(_) => "send its ProductOrderCreateEvent first",
            EventRefusal::Outdated { .. } => "nothing: what is known is newer, do not send it again",
            EventRefusal::InTheFuture { .. } => "set the clock of the sender, then send it again",
        }
    }
}

/// The kind that the last part of a path names; case is not looked at, since v4 writes it small and other versions do not.
pub fn event_kind(name: &str) -> Result<OrderEventKind, EventRefusal> {
    let known = OrderEventKind::ALL.iter().find(|kind| kind.word().eq_ignore_ascii_case(name));
    known.copied().ok_or_else(|| EventRefusal::UnknownType(visible(name)))
}

/// Reads the body of an event of this kind.
pub fn read_event(kind: OrderEventKind, body: &[u8]) -> Result<OrderEvent, EventRefusal> {
    let mut event: Value = serde_json::from_slice(body).map_err(|e| EventRefusal::NotJson(e.to_string()))?;
    let invalid = |field: &str, expected: String| EventRefusal::Invalid { field: field.to_owned(), expected };
    if !event.is_object() {
        return Err(invalid("", "expected an event object".into()));
    }
    if let Some(other) = event.get("eventType").filter(|t| !t.as_str().is_some_and(|t| is_kind(kind, t))) {
        return Err(invalid("eventType", format!("expected {kind}, found {}", visible(&other.to_string()))));
    }
    let id = check::text_id(event.get("eventId"), EVENT_ID_CHARS_MAX).map_err(|e| invalid("eventId", e))?;
    let at = event.get("eventTime").and_then(Value::as_str).and_then(|t| DateTime::parse_from_rfc3339(t).ok());
    let at = at.ok_or_else(|| invalid("eventTime", "expected a date-time such as 2026-12-01T08:00:00Z".into()))?;
    let resource = event.pointer_mut("/event/productOrder").map(Value::take).unwrap_or_default();
    let order = check::resource(&resource);
    let order = order.map_err(|(field, expected)| {
        let dot = if field.is_empty() { "" } else { "." };
        invalid(&format!("event.productOrder{dot}{field}"), expected)
    })?;
    states(&resource).map_err(|(field, expected)| invalid(&format!("event.productOrder.{field}"), expected))?;
    Ok(OrderEvent { id, kind, at: at.to_utc(), order, resource })
}

fn is_kind(kind: OrderEventKind, text: &str) -> bool {
    kind.word().eq_ignore_ascii_case(text)
}

fn visible(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_debug).collect()
}

/// The words that an owner may use for how an order stands.
fn states(resource: &Value) -> Result<(), (String, String)> {
    let wrong = |of: &Value, known: &dyn Fn(&str) -> bool| match of.get("state") {
        None | Some(Value::Null) => None,
        Some(Value::String(word)) if known(word) => None,
        Some(other) => Some(format!("expected a state of TMF622 v4, found {}", visible(&other.to_string()))),
    };
    if let Some(expected) = wrong(resource, &|word| word.parse::<OrderState>().is_ok()) {
        return Err(("state".into(), expected));
    }
    let item = super::items(resource).into_iter().find_map(|i| wrong(i, &|word| word.parse::<ItemState>().is_ok()));
    item.map_or(Ok(()), |expected| Err(("productOrderItem.state".into(), expected)))
}

impl OrderEvent {
    /// Whether it may be laid over what is known as of `known`.
    pub fn in_order(&self, known: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<(), EventRefusal> {
        match known {
            _ if self.at > now + AHEAD_MAX => Err(EventRefusal::InTheFuture { at: self.at, now }),
            Some(known) if self.at < known => {
                Err(EventRefusal::Outdated { order: self.order.clone(), known, at: self.at })
            }
            _ => Ok(()),
        }
    }
}

/// As `merged`, refused where an order would grow beyond every bound, event by event.
pub fn merged_within(known: &Value, change: &Value) -> Result<Value, EventRefusal> {
    let merged = merged(known, change);
    let too_large = |expected: String| EventRefusal::Invalid { field: "event.productOrder".into(), expected };
    if super::items(&merged).len() > check::LINES_MAX {
        return Err(too_large(format!("expected an order of at most {} items in all", check::LINES_MAX)));
    }
    if merged.to_string().len() > ORDER_BYTES_MAX {
        return Err(too_large(format!("expected an order of at most {ORDER_BYTES_MAX} bytes in all")));
    }
    Ok(merged)
}

/// What is known with what changed: fields as a whole, items by their id and field by field; what a change does not name
/// stays. Null takes a field away.
pub fn merged(known: &Value, change: &Value) -> Value {
    let (Value::Object(known), Value::Object(change)) = (known, change) else { return change.clone() };
    let mut result = known.clone();
    for (field, value) in change {
        match (field.as_str(), value) {
            (_, Value::Null) => {
                result.remove(field);
            }
            ("productOrderItem", Value::Array(items)) => {
                let before = known.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
                result.insert(field.clone(), Value::Array(merged_items(before, items)));
            }
            _ => {
                result.insert(field.clone(), value.clone());
            }
        }
    }
    Value::Object(result)
}

fn merged_items(mut known: Vec<Value>, changes: &[Value]) -> Vec<Value> {
    for change in changes {
        match known.iter_mut().find(|item| item.get("id") == change.get("id")) {
            Some(item) => *item = merged(item, change),
            None => known.push(change.clone()),
        }
    }
    known
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
