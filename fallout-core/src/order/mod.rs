//! Product orders as TMF622 v4 gives them: read whole, checked whole, kept whole. Unknown fields stay in the document.

mod affected;
pub mod amend;
mod check;
mod event;
mod file;

use serde_json::Value;

pub use affected::affected;
pub(crate) use check::customer;
pub use event::{EventRefusal, OrderEvent, OrderEventKind, event_kind, merged, merged_within, read_event};
pub use file::{Problem, read_orders};

use crate::words::words;

/// One order that passed every check.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub id: String,
    pub customer: Option<String>,
    /// ISO date-time as it came.
    pub requested_start: Option<String>,
    /// Nested items included, in document order.
    pub lines: Vec<Line>,
    pub document: Value,
}

/// One order item.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub id: String,
    pub action: ItemAction,
    /// Indices of the lines that have to end first.
    pub relies_on: Vec<usize>,
}

words! {
    /// TMF622 `OrderItemActionType`.
    ItemAction { Add = "add", Modify = "modify", Delete = "delete", NoChange = "noChange" }
}

/// The items of a document with those nested inside them, in document order.
pub fn items(document: &Value) -> Vec<&Value> {
    fn walk<'a>(of: &'a Value, into: &mut Vec<&'a Value>) {
        for item in of.get("productOrderItem").and_then(Value::as_array).into_iter().flatten() {
            into.push(item);
            walk(item, into);
        }
    }
    let mut found = Vec::new();
    walk(document, &mut found);
    found
}

/// The JSON pointer of the item with this id.
pub fn item_pointer(document: &Value, id: &str) -> Option<String> {
    fn walk(of: &Value, here: &str, id: &str) -> Option<String> {
        let items = of.get("productOrderItem")?.as_array()?;
        items.iter().enumerate().find_map(|(index, item)| {
            let there = format!("{here}/productOrderItem/{index}");
            let is_it = item.get("id").and_then(Value::as_str) == Some(id);
            if is_it { Some(there) } else { walk(item, &there, id) }
        })
    }
    walk(document, "", id)
}

/// The item with this id; `Null` when there is none.
pub fn item<'a>(document: &'a Value, id: &str) -> &'a Value {
    items(document).into_iter().find(|i| i.get("id").and_then(Value::as_str) == Some(id)).unwrap_or(&Value::Null)
}
