//! Signals that come after a resolution: what brought them about decides, and without that the resolution is checked again.

use fallout_core::{
    action::Action,
    ids::{AttemptId, CaseNumber},
    signal::{Cause, SignalState},
};
use fallout_desk::Recovery;

use super::{
    house::{House, seen},
    rig::{TENANT, rejected, task},
};

/// A case that a retry has resolved, with the attempts before and after the retry.
async fn resolved(house: &House, order: &str) -> (CaseNumber, AttemptId, AttemptId) {
    house.rig.order(order).await;
    let before = house.rig.attempt(order).await;
    house.rig.said(before, &rejected("ADDRESS_NOT_SERVICEABLE")).await;
    let case = house.number(order).await;
    house.tell(&with(order, Cause { incident_id: Some("known".into()), ..Cause::default() })).await;
    let ask = Recovery {
        tenant: TENANT,
        principal: "local:test",
        case,
        action: Action::RetryStep,
        reason: "the address was corrected",
        attestation: None,
        outputs: Default::default(),
        idempotency_key: order,
    };
    let mut again = task(order);
    again.action = Some(house.rig.desk.recover(&ask).await.unwrap().action);
    let after = house.rig.attempt_of(&again, 2).await;
    house.rig.done(after, "R-1").await;
    (case, before, after)
}

fn with(order: &str, cause: Cause) -> fallout_core::signal::NewSignal {
    fallout_core::signal::NewSignal { cause, ..seen(order, "engine", "failedExternalTask") }
}

#[tokio::test]
async fn what_was_caused_before_the_resolution_is_history_and_what_says_no_cause_is_verified_again() {
    let house = House::new("signals-causes").await;
    let (case, before, after) = resolved(&house, "o").await;
    let table = [
        (Cause { attempt: Some(before), ..Cause::default() }, SignalState::History),
        (Cause { epoch: Some(0), ..Cause::default() }, SignalState::History),
        (Cause { incident_id: Some("known".into()), ..Cause::default() }, SignalState::History),
        (Cause { attempt: Some(after), ..Cause::default() }, SignalState::VerifiedAgain),
        (Cause { epoch: Some(1), ..Cause::default() }, SignalState::VerifiedAgain),
        (Cause { epoch: Some(99), ..Cause::default() }, SignalState::VerifiedAgain),
        (Cause { incident_id: Some("new".into()), ..Cause::default() }, SignalState::VerifiedAgain),
        (Cause::default(), SignalState::VerifiedAgain),
    ];
    let again = table.iter().filter(|(_, state)| *state == SignalState::VerifiedAgain).count();
    for (cause, expected) in table {
        let answer = house.tell(&with("o", cause.clone())).await;
        assert_eq!((answer.state, answer.case), (expected, Some(case)), "{cause:?}");
        assert_eq!(house.rig.desk.case(TENANT, case).await.unwrap().case.status, "resolved");
    }
    assert_eq!(house.times(case, "FalloutVerificationRepeated").await, again);
    assert_eq!(house.times(case, "FalloutCaseResolved").await, 1 + again);
}

#[tokio::test]
async fn what_was_caused_after_the_resolution_opens_a_new_case_beside_it() {
    let mut house = House::new("signals-after").await;
    let (case, ..) = resolved(&house, "o").await;
    house.run("update fallout_case set resolved_epoch = 0, resolved_attempt = 1").await.unwrap();
    let answer = house.tell(&with("o", Cause { epoch: Some(1), ..Cause::default() })).await;
    assert_eq!(answer.state, SignalState::Opened);
    assert_ne!(answer.case, Some(case));
    assert_eq!(house.number("o").await, answer.case.unwrap(), "the other stays resolved");
}

/// Moves the order's case by hand, with an entry that tells of it.
async fn by_hand(house: &mut House, case: CaseNumber, set: &str) {
    let sql = format!(
        "begin;
         insert into fallout_event (id, tenant_id, fallout_case_id, event_type, actor_type, actor_id)
             select gen_random_uuid(), tenant_id, id, 'FalloutNoteAdded', 'user', 'hand' from fallout_case where case_number = '{case}';
         {set} where case_number = '{case}';
         commit"
    );
    house.run(&sql).await.unwrap();
}

#[tokio::test]
async fn a_resolution_that_the_ledger_does_not_bear_out_is_taken_back() {
    let mut house = House::new("signals-reopened").await;
    let case = house.rejected("o").await;
    by_hand(&mut house, case, "update fallout_case set status = 'verifying'").await;
    let resolve = "update fallout_case set status = 'resolved', resolved_at = now(), resolution_code = 'CLEARED'";
    by_hand(&mut house, case, resolve).await;
    let answer = house.tell(&with("o", Cause::default())).await;
    assert_eq!((answer.state, answer.case), (SignalState::Reopened, Some(case)));
    let detail = house.rig.desk.case(TENANT, case).await.unwrap();
    assert_eq!(detail.case.status, "reopened");
    let why = detail.timeline.iter().find(|e| e.event == "FalloutCaseReopened").unwrap();
    assert_eq!(why.reason.as_deref(), Some("the ledger has the step as parked: the resolution does not hold"));
}

#[tokio::test]
async fn a_closed_case_is_not_verified_by_anybody_so_a_new_one_stands_beside_it() {
    let mut house = House::new("signals-closed").await;
    let (case, before, _) = resolved(&house, "o").await;
    by_hand(&mut house, case, "update fallout_case set status = 'closed', closed_at = now(), root_cause = 'x'").await;
    let late = house.tell(&with("o", Cause { attempt: Some(before), ..Cause::default() })).await;
    assert_eq!((late.state, late.case), (SignalState::History, Some(case)));
    let news = house.tell(&with("o", Cause::default())).await;
    assert_eq!(news.state, SignalState::Opened);
    assert_ne!(news.case, Some(case));
}

#[tokio::test]
async fn the_signals_of_a_duplicate_go_to_its_original() {
    let mut house = House::new("signals-duplicate").await;
    let original = house.rejected("a").await;
    let duplicate = house.rejected("b").await;
    let link = format!(
        "update fallout_case set status = 'duplicate', duplicate_of = (select id from fallout_case where case_number = '{original}')"
    );
    by_hand(&mut house, duplicate, &link).await;
    let answer = house.tell(&with("b", Cause::default())).await;
    assert_eq!((answer.state, answer.case), (SignalState::Joined, Some(original)));
    assert_eq!(house.became(duplicate).await.len(), 1, "what it had stays with it");
}
