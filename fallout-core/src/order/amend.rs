//! An order that its owner has changed while it is fulfilled: whether what is still to be sent may be rendered from the new one.
//! Nothing that was sent is changed by it, so what was made from a field that is another now is a reason to refuse.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{item, item_pointer, items};
use crate::{check::request_texts, operation::Operation, personal::Cut, step::StepIdentity, template, undo::Left};

/// One step of the order run, as far as it was begun.
#[derive(Clone, Debug)]
pub struct Begun<'a> {
    pub step: &'a StepIdentity,
    pub op: &'a Operation,
    pub left: Left,
}

/// What is to be known for an answer.
#[derive(Clone, Debug)]
pub struct Amendment<'a> {
    /// What steps are rendered from.
    pub was: &'a Value,
    /// What the owner has by now; none: it has told nothing.
    pub becomes: Option<&'a Value>,
    pub begun: &'a [Begun<'a>],
    pub cancelled: bool,
    /// An operation whose effect exists, and past which the order is not changed any more.
    pub past_return: Option<&'a str>,
}

/// The answer to whoever asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amended {
    /// What is sent from now on is rendered from the new order.
    Accepted,
    /// A sender is at work, or what it came to is not known, with a field that is another now.
    Wait,
    Refused(NotAmended),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAmended {
    #[error("the order is being cancelled; nothing new is sent for it")]
    Cancelled,
    #[error("the effect of {0} exists, and past it the order cannot be changed")]
    PastNoReturn(String),
    #[error(
        "nothing has changed that a step could be rendered from; tell the new order first, by an event of its owner"
    )]
    NothingNew,
    #[error("its lines, their actions or what they rely on are others; take the change in as an order of its own")]
    OtherLines,
    #[error("step {step}{} is done with {field} as it was; take the change in as an order of its own", of_line(line))]
    Fulfilled { step: String, line: String, field: String },
}

fn of_line(line: &str) -> String {
    if line.is_empty() { String::new() } else { format!(" of line {line}") }
}

/// Whether the order may be amended now.
pub fn amended(about: &Amendment<'_>) -> Amended {
    use Amended::Refused;
    let Some(becomes) = about.becomes else { return Refused(NotAmended::NothingNew) };
    if about.cancelled {
        return Refused(NotAmended::Cancelled);
    }
    if bare(about.was) == bare(becomes) {
        return Refused(NotAmended::NothingNew);
    }
    if let Some(operation) = about.past_return {
        return Refused(NotAmended::PastNoReturn(operation.to_owned()));
    }
    if lines(about.was) != lines(becomes) {
        return Refused(NotAmended::OtherLines);
    }
    let differs = |begun: &&Begun<'_>| uses_another(begun, about.was, becomes).is_some();
    let concerned: Vec<&Begun<'_>> = about.begun.iter().filter(differs).collect();
    if let Some(done) = concerned.iter().find(|begun| begun.left == Left::Effect) {
        let field = uses_another(done, about.was, becomes).unwrap_or_default();
        return Refused(NotAmended::Fulfilled { step: done.step.step.clone(), line: done.step.line.clone(), field });
    }
    match concerned.iter().any(|begun| begun.left == Left::Unsure) {
        true => Amended::Wait,
        false => Amended::Accepted,
    }
}

/// Corrections that still hold: of fields that the owner has told nothing new about, where they stand in its document now. What
/// was corrected was written to the owner first, but what it tells afterwards may be of other fields only.
pub fn still_corrected(taken_in: &Value, becomes: &Value, corrected: &Cut) -> Cut {
    let holds = |(pointer, value): (&String, &Value)| {
        let there = stands_at(taken_in, becomes, pointer)?;
        (becomes.pointer(&there) == taken_in.pointer(pointer)).then(|| (there, value.clone()))
    };
    corrected.iter().filter_map(holds).collect()
}

/// The same place in another version of an order, whose lines may stand in another order.
fn stands_at(taken_in: &Value, becomes: &Value, pointer: &str) -> Option<String> {
    let ids = items(taken_in).into_iter().filter_map(|item| item.get("id").and_then(Value::as_str));
    let lines = ids.filter_map(|id| {
        let line = item_pointer(taken_in, id)?;
        let rest = pointer.strip_prefix(&line).filter(|rest| rest.starts_with('/'))?;
        Some((rest.to_owned(), id))
    });
    match lines.min_by_key(|(rest, _)| rest.len()) {
        Some((rest, id)) => Some(format!("{}{rest}", item_pointer(becomes, id)?)),
        None => Some(pointer.to_owned()),
    }
}

/// The first field that the operation's request names and that is another now.
fn uses_another(begun: &Begun<'_>, was: &Value, becomes: &Value) -> Option<String> {
    let line = begun.step.line.as_str();
    let names = request_texts(begun.op).into_iter().flat_map(template::names);
    let mut named = names.filter_map(|name| {
        let (root, path) = name.split_once('.').unwrap_or((name, ""));
        let pointer =
            path.split('.').filter(|part| !part.is_empty()).map(|part| format!("/{part}")).collect::<String>();
        let (was, becomes) = match root {
            "order" => (was, becomes),
            "line" => (item(was, line), item(becomes, line)),
            _ => return None,
        };
        (was.pointer(&pointer) != becomes.pointer(&pointer)).then(|| name.to_owned())
    });
    named.next()
}

/// What a step can be rendered from: how the owner says that it stands is no part of it.
fn bare(document: &Value) -> Value {
    let mut bare = document.clone();
    take_states(&mut bare);
    bare
}

fn take_states(of: &mut Value) {
    if let Some(map) = of.as_object_mut() {
        ["state", "completionDate", "href"].iter().for_each(|name| drop(map.remove(*name)));
    }
    let inner = of.get_mut("productOrderItem").and_then(Value::as_array_mut);
    inner.into_iter().flatten().for_each(take_states);
}

/// Of a line its action and what it relies on.
type Started<'a> = (Option<&'a Value>, Option<&'a Value>);

/// What the running process was started with.
fn lines(document: &Value) -> BTreeMap<&str, Started<'_>> {
    items(document).into_iter().filter_map(line).collect()
}

fn line(item: &Value) -> Option<(&str, Started<'_>)> {
    let relations = item.get("productOrderItemRelationship");
    let relations = relations.filter(|relations| relations.as_array().is_none_or(|all| !all.is_empty()));
    Some((item.get("id")?.as_str()?, (item.get("action"), relations)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{fixtures::keyed, step::Direction};

    fn order(street: &str, quantity: i32, state: &str) -> Value {
        json!({ "id": "o", "state": state, "place": { "street": street },
            "productOrderItem": [{ "id": "1", "action": "add", "quantity": quantity }, { "id": "2", "action": "add" }] })
    }

    fn operation(body: Value) -> Operation {
        let mut op = keyed();
        op.request.body = Some(body);
        op
    }

    fn step(line: &str) -> StepIdentity {
        let text = |text: &str| text.to_owned();
        StepIdentity {
            tenant: text("t"),
            order: text("o"),
            run: 1,
            line: text(line),
            step: text("provision"),
            direction: Direction::Do,
        }
    }

    fn answer(becomes: &Value, begun: &[Begun<'_>]) -> Amended {
        let was = order("Elm 1", 1, "inProgress");
        amended(&Amendment { was: &was, becomes: Some(becomes), begun, cancelled: false, past_return: None })
    }

    #[test]
    fn what_was_made_from_a_field_that_is_another_now_refuses_it_and_what_may_have_been_waits() {
        let street = operation(json!({ "to": "{order.place.street}" }));
        let quantity = operation(json!({ "count": "{line.quantity}" }));
        let other = operation(json!({ "order": "{order.id}" }));
        let (first, second) = (step("1"), step("2"));
        let moved = order("Oak 7", 1, "inProgress");
        let more = order("Elm 1", 5, "inProgress");
        let fulfilled = |field: &str| {
            Amended::Refused(NotAmended::Fulfilled { step: "provision".into(), line: "1".into(), field: field.into() })
        };
        let rows: [(&Value, &Operation, &StepIdentity, Left, Amended); 9] = [
            (&moved, &street, &first, Left::Nothing, Amended::Accepted),
            (&moved, &street, &first, Left::Unsure, Amended::Wait),
            (&moved, &street, &first, Left::Effect, fulfilled("order.place.street")),
            (&moved, &other, &first, Left::Effect, Amended::Accepted),
            (&moved, &other, &first, Left::Unsure, Amended::Accepted),
            (&more, &quantity, &first, Left::Effect, fulfilled("line.quantity")),
            (&more, &quantity, &second, Left::Effect, Amended::Accepted),
            (&more, &quantity, &first, Left::Unsure, Amended::Wait),
            (&more, &street, &first, Left::Effect, Amended::Accepted),
        ];
        for (becomes, op, step, left, expected) in rows {
            let begun = [Begun { step, op, left }];
            assert_eq!(answer(becomes, &begun), expected, "{becomes} {left:?} {}", op.request.body.as_ref().unwrap());
        }
    }

    #[test]
    fn a_correction_holds_until_the_owner_tells_something_else_there() {
        let corrected: Cut =
            [("/place/street".to_owned(), json!("Fir 2")), ("/productOrderItem/0/quantity".to_owned(), json!(3))]
                .into();
        let was = order("Elm 1", 1, "");
        let mut turned = order("Elm 1", 1, "held");
        turned["productOrderItem"].as_array_mut().unwrap().reverse();
        let moved: Cut =
            [("/place/street".to_owned(), json!("Fir 2")), ("/productOrderItem/1/quantity".to_owned(), json!(3))]
                .into();
        let only = |pointer: &str| corrected.clone().into_iter().filter(|(at, _)| at == pointer).collect::<Cut>();
        let rows = [
            (was.clone(), corrected.clone()),
            (turned, moved),
            (order("Oak 7", 1, ""), only("/productOrderItem/0/quantity")),
            (order("Elm 1", 4, ""), only("/place/street")),
            (json!({ "place": { "street": "Elm 1" } }), only("/place/street")),
        ];
        for (becomes, expected) in rows {
            assert_eq!(still_corrected(&was, &becomes, &corrected), expected, "{becomes}");
        }
    }

    #[test]
    fn an_amendment_is_refused_by_name() {
        let same = order("Elm 1", 1, "held");
        let mut lines = order("Oak 7", 1, "inProgress");
        lines["productOrderItem"][1]["action"] = json!("delete");
        let mut more = order("Oak 7", 1, "inProgress");
        more["productOrderItem"].as_array_mut().unwrap().push(json!({ "id": "3", "action": "add" }));
        assert_eq!(answer(&same, &[]), Amended::Refused(NotAmended::NothingNew), "how it stands is no change");
        assert_eq!(answer(&lines, &[]), Amended::Refused(NotAmended::OtherLines));
        assert_eq!(answer(&more, &[]), Amended::Refused(NotAmended::OtherLines));
        let (was, moved) = (order("Elm 1", 1, ""), order("Oak 7", 1, ""));
        let about = Amendment { was: &was, becomes: None, begun: &[], cancelled: false, past_return: None };
        assert_eq!(amended(&about), Amended::Refused(NotAmended::NothingNew));
        let about = Amendment { becomes: Some(&moved), ..about };
        let cancelled = Amendment { cancelled: true, ..about.clone() };
        assert_eq!(amended(&cancelled), Amended::Refused(NotAmended::Cancelled));
        let late = Amendment { past_return: Some("contract.notify"), ..about };
        assert_eq!(amended(&late), Amended::Refused(NotAmended::PastNoReturn("contract.notify".into())));
    }
}
