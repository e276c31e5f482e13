//! What is read off an order, and how it stands.

use serde_json::json;

use super::*;

fn personal() -> PersonalData {
    toml::from_str(include_str!("../../config/personal-data.toml")).unwrap()
}

#[test]
fn the_facts_of_an_order_are_read_by_their_tmf622_names() {
    let document = json!({
        "id": "o-1", "externalId": "WEB-1", "category": "business", "priority": "1", "state": "inProgress",
        "expectedCompletionDate": "2026-12-01T08:00:00Z", "requestedCompletionDate": "2026-11-30T08:00:00+02:00",
        "externalReference": [{ "id": "CRM-2" }], "relatedParty": [{ "id": "c-1", "role": "customer" }],
        "orderTotalPrice": [
            { "priceType": "recurring", "price": { "dutyFreeAmount": { "unit": "EUR", "value": 10.5 } } },
            { "priceType": "oneTime", "price": { "dutyFreeAmount": { "unit": "EUR", "value": 4.5 } } }],
        "productOrderItem": [{ "id": "1", "action": "add", "quantity": 2, "state": "acknowledged",
            "productOffering": { "id": "PO-1", "name": "Fibre" },
            "product": { "productCharacteristic": [{ "name": "msisdn", "value": "+49\u{7} 1" }] },
            "productOrderItem": [{ "id": "1.1", "action": "add", "state": "unheard of",
                "product": { "productSerialNumber": "SN-9" } }] }],
    });
    let read = OrderContext::of(&document, &personal());
    assert_eq!(read.external_references, ["WEB-1", "CRM-2"]);
    assert_eq!((read.value, read.unit.as_deref()), (Some(15.0), Some("EUR")));
    assert_eq!((read.customer.as_deref(), read.category.as_deref()), (Some("c-1"), Some("business")));
    assert_eq!(read.promised.unwrap().to_rfc3339(), "2026-12-01T08:00:00+00:00");
    assert_eq!(read.requested.unwrap().to_rfc3339(), "2026-11-30T06:00:00+00:00");
    assert_eq!(read.state, Some(OrderState::InProgress));
    let [outer, inner] = read.items.as_slice() else { panic!("{read:?}") };
    assert_eq!((outer.line.as_str(), outer.quantity, outer.state), ("1", Some(2.0), Some(ItemState::Acknowledged)));
    assert_eq!(outer.service_numbers, ["+49 1"], "without what a terminal obeys, and not those of the items inside");
    assert_eq!((inner.parent.as_deref(), inner.state), (Some("1"), None));
    assert_eq!(inner.service_numbers, ["SN-9"]);
}

#[test]
fn what_cannot_be_read_is_not_known() {
    let price = |unit: &str, value: f64| json!({ "price": { "dutyFreeAmount": { "unit": unit, "value": value } } });
    let worth = |document: Value| OrderContext::of(&document, &personal()).value;
    assert_eq!(worth(json!({ "orderTotalPrice": [price("EUR", 1.0), price("USD", 1.0)] })), None);
    let items = json!({ "productOrderItem": [{ "id": "1", "quantity": 3, "itemPrice": [price("EUR", 2.0)] }] });
    assert_eq!(worth(items), Some(6.0));
    for nothing in [json!(null), json!([]), json!({ "productOrderItem": 7, "relatedParty": "x", "state": 1 })] {
        assert_eq!(OrderContext::of(&nothing, &personal()), OrderContext::default());
    }
    let long = json!({ "category": "x".repeat(10_000) });
    assert_eq!(OrderContext::of(&long, &personal()).category.unwrap().len(), TEXT_MAX);
}

fn line(run: RunState) -> LineFacts {
    LineFacts {
        run: Some(run),
        cancelling: false,
        held: false,
        attention: Attention::None,
        begun: true,
        parked: false,
        unknown: false,
        cancelled: false,
    }
}

#[test]
fn a_line_stands_as_its_steps_and_cases_say() {
    use ItemState as S;
    let running = line(RunState::Running);
    let open = Attention::Open;
    let rows = [
        (LineFacts { run: None, ..running }, None),
        (LineFacts { begun: false, ..line(RunState::Accepted) }, Some(S::Acknowledged)),
        (LineFacts { begun: false, ..running }, Some(S::Acknowledged)),
        (running, Some(S::InProgress)),
        (LineFacts { unknown: true, ..running }, Some(S::Pending)),
        (LineFacts { held: true, begun: false, ..running }, Some(S::Held)),
        (LineFacts { held: true, attention: Attention::Waits, ..running }, Some(S::Held)),
        (LineFacts { held: true, ..line(RunState::Completed) }, Some(S::Completed)),
        (LineFacts { parked: true, ..running }, Some(S::Held)),
        (LineFacts { attention: open, ..running }, Some(S::Held)),
        (LineFacts { attention: Attention::Waits, parked: true, ..running }, Some(S::Pending)),
        (LineFacts { cancelling: true, ..running }, Some(S::PendingCancellation)),
        (LineFacts { cancelled: true, ..running }, Some(S::Cancelled)),
        (line(RunState::Completed), Some(S::Completed)),
        (LineFacts { attention: open, ..line(RunState::Completed) }, Some(S::Held)),
        (LineFacts { unknown: true, ..line(RunState::Completed) }, Some(S::Pending)),
        (line(RunState::Cancelled), Some(S::Cancelled)),
        (line(RunState::Ended), Some(S::Held)),
    ];
    for (facts, expected) in rows {
        assert_eq!(facts.state(), expected, "{facts:?}");
    }
}

#[test]
fn an_order_is_completed_only_without_open_case_and_partial_when_lines_were_cancelled() {
    use OrderState as S;
    let (attention, lines_cancelled) = (Attention::None, Share::None);
    let running = OrderFacts {
        run: Some(RunState::Running),
        cancelling: false,
        held: false,
        attention,
        parked: false,
        unknown: false,
        lines_cancelled,
    };
    let completed = OrderFacts { run: Some(RunState::Completed), ..running };
    let rows = [
        (OrderFacts { run: None, ..running }, None),
        (OrderFacts { run: Some(RunState::Accepted), ..running }, Some(S::Acknowledged)),
        (running, Some(S::InProgress)),
        (OrderFacts { cancelling: true, ..running }, Some(S::PendingCancellation)),
        (OrderFacts { parked: true, ..running }, Some(S::Held)),
        (OrderFacts { held: true, cancelling: true, ..running }, Some(S::Held)),
        (OrderFacts { held: true, ..completed }, Some(S::Completed)),
        (OrderFacts { unknown: true, ..running }, Some(S::Pending)),
        (completed, Some(S::Completed)),
        (OrderFacts { lines_cancelled: Share::Some, ..completed }, Some(S::Partial)),
        (OrderFacts { lines_cancelled: Share::All, ..completed }, Some(S::Cancelled)),
        (OrderFacts { attention: Attention::Open, ..completed }, Some(S::Held)),
        (OrderFacts { attention: Attention::Waits, ..completed }, Some(S::Pending)),
        (OrderFacts { run: Some(RunState::Ended), ..running }, Some(S::Held)),
        (OrderFacts { run: Some(RunState::Cancelled), ..running }, Some(S::Cancelled)),
    ];
    for (facts, expected) in rows {
        assert_eq!(facts.state(), expected, "{facts:?}");
    }
}

#[test]
fn steps_together_say_whether_a_line_has_begun_waits_for_a_recovery_or_was_cancelled() {
    use StepState as S;
    let rows: [(&[S], _); 4] = [
        (&[], (false, false, false)),
        (&[S::Done, S::Cancelled], (true, false, false)),
        (&[S::Cancelled], (true, false, true)),
        (&[S::Done, S::Parked], (true, true, false)),
    ];
    for (states, expected) in rows {
        assert_eq!(of_steps(states.iter().copied()), expected, "{states:?}");
    }
}
