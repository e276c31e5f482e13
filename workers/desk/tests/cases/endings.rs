//! How cases end and come back: resolved by proof with what fixed it, closed with what was learnt, linked, reopened.

use fallout_core::case::{CaseEvent as E, CaseState, Resolution};
use fallout_desk::{CannotLink, Closing, DeskError};
use serde_json::json;

use crate::house::{BOB, House, TENANT, by, refused, task};

const CLOSING: Closing<'_> =
    Closing { root_cause: "a typo in the account", resolution: None, follow_up: Some("check accounts at intake") };

#[tokio::test]
async fn a_case_knows_both_instances_its_lines_and_those_that_rely_on_them() {
    let mut house = House::new().await;
    house.rejected("o-1").await;
    let known = house
        .text("select concat_ws(' ', root_process_instance_id, process_instance_id, affected_line_ids::text) from fallout_case")
        .await;
    assert_eq!(known.as_deref(), Some("instance-of-o-1 step-of-o-1 {1,2}"));
    house.trouble("o-2").await;
    let whole = "select affected_line_ids::text from fallout_case where step_id is null";
    assert_eq!(house.text(whole).await.as_deref(), Some("{1,2,3}"), "without a line it is the whole order");
}

#[tokio::test]
async fn a_verified_action_resolves_its_case_and_what_was_learnt_closes_it() {
    let mut house = House::new().await;
    let case = house.rejected("o-1").await;
    assert!(refused(house.desk.close(&by(BOB, case), &CLOSING).await).contains("cannot take FalloutCaseClosed"));
    let action = house.retry(case).await;
    let mut again = task("o-1");
    again.action = Some(action);
    let attempt = house.attempt(&again, 2).await;
    assert_eq!(house.case(case).await.case.status, "verifying");
    house.answered(attempt, 201, json!({ "id": "R-1" })).await;
    let ended = "select concat_ws(' ', status, resolution_code, fixing_action, root_cause, preventive_follow_up) from fallout_case";
    assert_eq!(house.text(ended).await, Some(format!("resolved RETRIED {action}")));
    house.desk.close(&by(BOB, case), &CLOSING).await.unwrap();
    assert!(house.desk.close(&by(BOB, case), &CLOSING).await.unwrap().already);
    let closed = format!("closed RETRIED {action} a typo in the account check accounts at intake");
    assert_eq!(house.text(ended).await, Some(closed));
    let told = "select data ->> 'resolution' from event_outbox where event_type = 'FalloutCaseClosed'";
    assert_eq!(house.text(told).await.as_deref(), Some("RETRIED"));
}

#[tokio::test]
async fn a_person_who_knows_better_says_what_ended_it() {
    let mut house = House::new().await;
    let case = house.rejected("o-1").await;
    let action = house.skip(case).await;
    house.desk.action_took_branch(action).await.unwrap();
    let resolution = "select resolution_code from fallout_case";
    assert_eq!(house.text(resolution).await.as_deref(), Some("SKIPPED"));
    let closing = Closing { resolution: Some(Resolution::UndoneOutside), ..CLOSING };
    house.desk.close(&by(BOB, case), &closing).await.unwrap();
    assert_eq!(house.text(resolution).await.as_deref(), Some("UNDONE_OUTSIDE"));
}

#[tokio::test]
async fn a_case_that_was_over_is_reopened_unless_another_is_open_about_the_same_trouble() {
    let mut house = House::new().await;
    let case = house.rejected("o-1").await;
    assert!(
        refused(house.desk.reopen(&by(BOB, case), "x").await).contains("classified cannot take FalloutCaseReopened")
    );
    let action = house.skip(case).await;
    house.desk.action_took_branch(action).await.unwrap();
    let reopened = house.desk.reopen(&by(BOB, case), "the customer still waits").await.unwrap();
    assert_eq!(reopened.state, CaseState::Reopened);
    assert!(house.desk.reopen(&by(BOB, case), "x").await.unwrap().already);
    let gone = "select concat(resolution_code, fixing_action, resolved_at::text) from fallout_case";
    assert_eq!(house.text(gone).await.as_deref(), Some(""));
    let (events, _) = house.since(case).await;
    assert_eq!(events.last(), Some(&E::Reopened));

    let (first, second) = (house.trouble("o-2").await, house.trouble("o-3").await);
    house.desk.link(&by(BOB, first), second, "the same outage").await.unwrap();
    house.sql(&format!(
        "insert into fallout_case (id, tenant_id, case_number, case_type, severity, status, source, classification_code, match_key)
         select gen_random_uuid(), tenant_id, 'fc-1', case_type, severity, 'classified', source, classification_code, match_key
         from fallout_case where case_number = '{first}'"
    ))
    .await;
    let refusal = house.desk.reopen(&by(BOB, first), "x").await;
    assert!(matches!(refusal, Err(DeskError::AnotherIsOpen { other, .. }) if other.0 == 1), "{refusal:?}");
}

#[tokio::test]
async fn a_duplicate_is_linked_keeps_its_timeline_and_may_stand_on_its_own_again() {
    let mut house = House::new().await;
    let (first, second) = (house.trouble("o-1").await, house.trouble("o-2").await);
    let linked = house.desk.link(&by(BOB, second), first, "the same outage").await.unwrap();
    assert_eq!(linked.state, CaseState::Duplicate);
    assert!(house.desk.link(&by(BOB, second), first, "again").await.unwrap().already);
    assert_eq!(house.since(second).await, (vec![E::LinkedAsDuplicate], CaseState::Duplicate));
    assert_eq!(house.desk.cases(TENANT, true, None, 10).await.unwrap().len(), 1, "one of them is work");
    house.desk.reopen(&by(BOB, second), "it is another one").await.unwrap();
    assert_eq!(house.text("select count(duplicate_of)::text from fallout_case").await.as_deref(), Some("0"));
}

#[tokio::test]
async fn nothing_is_a_duplicate_of_itself_of_what_is_over_or_while_its_step_waits() {
    let house = House::new().await;
    let (first, second, third) = (house.trouble("o-1").await, house.trouble("o-2").await, house.trouble("o-3").await);
    let parked = house.rejected("o-4").await;
    house.desk.link(&by(BOB, second), first, "same").await.unwrap();
    for (case, original, expected) in [
        (first, first, "a case is no duplicate of itself"),
        (first, second, "that would be a circle"),
        (third, second, "nobody works on the trouble there"),
        (parked, first, "is parked and waits for its own recovery"),
    ] {
        let refusal = house.desk.link(&by(BOB, case), original, "same").await;
        assert!(matches!(&refusal, Err(DeskError::CannotLink(_))), "{refusal:?}");
        let said = refused(refusal);
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(CannotLink::Itself.to_string(), "a case is no duplicate of itself");
    assert_eq!(house.since(parked).await, (vec![], CaseState::Classified));
}
