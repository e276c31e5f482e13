//! Signals without a step: found by order and line, by a reference, by the match key and by every key a case has had.

use fallout_core::signal::{Finding, NewSignal, Place, SignalState};

use fallout_desk::CaseCommand;

use super::{
    house::{House, seen},
    rig::TENANT,
};

fn about(place: Place, code: &str) -> NewSignal {
    NewSignal { place, ..seen("", "reconciliation", code) }
}

fn line(order: &str) -> Place {
    Place { order: Some(order.into()), line: Some("1".into()), step_code: Some("capture".into()), ..Place::default() }
}

#[tokio::test]
async fn order_line_and_step_or_our_own_key_find_the_step() {
    let mut house = House::new("signals-found").await;
    let case = house.rejected("o").await;
    let key = house.text("select idempotency_key from intent").await;
    let places = [
        line("o"),
        Place { run: Some(1), ..line("o") },
        Place { order: None, business_key: Some("t:o:1".into()), ..line("o") },
        Place { external_reference: Some(key), ..Place::default() },
    ];
    for place in places {
        let answer = house.tell(&about(place.clone(), "STATE_DIFFERS")).await;
        assert_eq!((answer.state, answer.case), (SignalState::Joined, Some(case)), "{place:?}");
    }
}

#[tokio::test]
async fn a_signal_without_a_step_joins_the_case_with_its_key_and_another_key_has_another_case() {
    let house = House::new("signals-key").await;
    house.rig.order("o").await;
    let place = Place { order: Some("o".into()), downstream: Some("billing".into()), ..Place::default() };
    let first = house.tell(&about(place.clone(), "STATE_DIFFERS")).await;
    assert_eq!(first.state, SignalState::Opened);
    let second = house.tell(&about(place.clone(), "STATE_DIFFERS")).await;
    assert_eq!((second.state, second.case), (SignalState::Joined, first.case));
    let elsewhere = Place { downstream: Some("payment".into()), ..place };
    let third = house.tell(&about(elsewhere, "STATE_DIFFERS")).await;
    assert_eq!(third.state, SignalState::Opened);
    let case = house.rig.desk.case(TENANT, first.case.unwrap()).await.unwrap().case;
    assert_eq!((case.order.as_deref(), case.external_system.as_deref()), (Some("o"), Some("billing")));
}

#[tokio::test]
async fn a_case_is_found_by_the_keys_it_had_before_it_was_called_otherwise() {
    let house = House::new("signals-alias").await;
    house.rig.order("o").await;
    let place = Place { order: Some("o".into()), downstream: Some("billing".into()), ..Place::default() };
    let called = |kind: &str| {
        let signal = about(place.clone(), "");
        NewSignal { finding: Finding::Classification(kind.into()), ..signal }
    };
    let case = house.tell(&called("ORDER_STUCK")).await.case;
    let ask = CaseCommand { tenant: TENANT, principal: "local:test", case: case.unwrap(), if_version: None, key: None };
    house.rig.desk.classify(&ask, "POLICY_CHANGED", "a call from sales").await.unwrap();
    for kind in ["ORDER_STUCK", "POLICY_CHANGED"] {
        let answer = house.tell(&called(kind)).await;
        assert_eq!((answer.state, answer.case), (SignalState::Joined, case), "{kind}");
    }
    assert_eq!(house.rig.case("o").await.1, "POLICY_CHANGED", "the name of more weight stays");
}

#[tokio::test]
async fn callbacks_that_fit_no_order_are_told_apart_by_their_reference() {
    let house = House::new("signals-reference").await;
    let place = |reference: &str| Place {
        downstream: Some("billing".into()),
        external_reference: Some(reference.into()),
        ..Place::default()
    };
    let callback = |reference: &str| NewSignal { source: "callback".into(), ..about(place(reference), "NO_MATCH") };
    let first = house.tell(&callback("r-1")).await;
    assert_eq!(house.tell(&callback("r-2")).await.state, SignalState::Opened);
    let again = house.tell(&callback("r-1")).await;
    assert_eq!((again.state, again.case), (SignalState::Joined, first.case));
}

#[tokio::test]
async fn a_resolved_case_without_a_step_is_reopened_since_nobody_can_prove_it_again() {
    let mut house = House::new("signals-stepless").await;
    let place = Place { downstream: Some("billing".into()), ..Place::default() };
    let case = house.tell(&about(place.clone(), "STATE_DIFFERS")).await.case.unwrap();
    let resolved = format!(
        "begin; insert into fallout_event (id, tenant_id, fallout_case_id, event_type, actor_type, actor_id)
             select gen_random_uuid(), tenant_id, id, 'FalloutNoteAdded', 'user', 'hand' from fallout_case;
         update fallout_case set status = 'verifying' where case_number = '{case}';
         update fallout_case set status = 'resolved', resolved_at = now(), resolution_code = 'CLEARED' where case_number = '{case}';
         commit"
    );
    house.run(&resolved).await.unwrap();
    let answer = house.tell(&about(place, "STATE_DIFFERS")).await;
    assert_eq!((answer.state, answer.case), (SignalState::Reopened, Some(case)));
}
