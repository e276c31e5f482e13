//! A recovery of many cases: paced, stopped, agreed to, gone on with where another was killed, and never twice for a case.

use fallout_core::{
    action::{Action, Refusal},
    bulk::{BulkCaseState as C, BulkEvent as E, BulkState as S, Pace},
    case::CaseState,
    ids::{BulkNumber, CaseNumber},
};
use fallout_desk::{BulkBegun, BulkCommand, DeskError, Given, HoldCommand, Turn};
use serde_json::json;
use uuid::Uuid;

use crate::house::{ANN, House, TENANT, bare, refused};

const PACE: Pace = Pace { per_second: 0, at_once: 2, stop_at_percent: 20 };

async fn rejected(house: &House, orders: usize) -> Vec<CaseNumber> {
    let mut cases = Vec::new();
    for n in 0..orders {
        cases.push(house.rejected(&format!("o-{n}")).await);
    }
    cases
}

async fn begun(house: &House, cases: &[CaseNumber], pace: Pace, key: &str) -> Result<BulkBegun, DeskError> {
    let cases: Vec<_> = cases.iter().map(|case| (*case, None)).collect();
    let ask = BulkCommand {
        tenant: TENANT,
        principal: ANN,
        action: Action::RetryStep,
        reason: "the vendor is back",
        selection: &json!({ "problem": "pr-1" }),
        pace: Some(pace),
        idempotency_key: key,
        cases: &cases,
    };
    house.desk.begin_bulk(&ask).await
}

async fn id(house: &House) -> Uuid {
    house.desk.bulks_at_work().await.unwrap()[0]
}

async fn turn(house: &House, id: Uuid) -> Option<Turn> {
    house.desk.turn_of_bulk(id, 64).await.unwrap().1
}

/// One turn of the controller: how many cases were begun.
async fn goes(house: &House, id: Uuid) -> usize {
    let Some(turn) = turn(house, id).await else { return 0 };
    let plain = house.desk.give_plain(&turn.bulk, &turn.cases).await.unwrap();
    let mut given = Vec::new();
    for case in turn.cases.iter().filter(|case| !plain.contains(&case.id)) {
        given.push((case.id, house.desk.give_of_bulk(&turn.bulk, case.number).await.unwrap()));
    }
    house.desk.given_of_bulk(id, &given).await.unwrap();
    turn.cases.len()
}

/// The case's action ends: the step was dispatched by it, and succeeded or not.
async fn ends(house: &mut House, case: CaseNumber, well: bool) {
    let action = format!(
        "from fallout_recovery_action a join fallout_case c on c.id = a.fallout_case_id where c.case_number = '{case}'"
    );
    let state = if well { "completed" } else { "failed" };
    house
        .sql(&format!(
            "update fallout_recovery_action set status = '{state}', completed_at = now(), result_payload = '{{\"why\": \"again\"}}'
             where id in (select a.id {action})"
        ))
        .await;
}

async fn counts(house: &House, number: BulkNumber) -> Vec<(C, i64)> {
    let mut cases = house.desk.bulk_view(TENANT, number).await.unwrap().cases;
    cases.sort();
    cases
}

async fn state(house: &House, number: BulkNumber) -> S {
    house.desk.bulk_view(TENANT, number).await.unwrap().bulk.state
}

#[tokio::test]
async fn a_bulk_gives_each_command_once_at_its_pace_and_is_done_when_each_case_has_its_result() {
    let mut house = House::new(bare).await;
    let cases = rejected(&house, 3).await;
    let bulk = begun(&house, &cases, PACE, "k").await.unwrap();
    let (number, id) = (bulk.view.bulk.number, id(&house).await);
    assert_eq!(goes(&house, id).await, 2, "as many at once as were allowed");
    assert_eq!(goes(&house, id).await, 0);
    assert_eq!(counts(&house, number).await, [(C::Pending, 1), (C::Recovering, 2)]);
    assert_eq!(house.state(cases[0]).await, CaseState::Recovering);

    ends(&mut house, cases[0], true).await;
    ends(&mut house, cases[1], false).await;
    assert_eq!(goes(&house, id).await, 1);
    ends(&mut house, cases[2], true).await;
    goes(&house, id).await;
    assert_eq!(counts(&house, number).await, [(C::Recovered, 2), (C::Failed, 1)]);
    assert_eq!(state(&house, number).await, S::Done);
    let results = house.desk.bulk_cases(TENANT, number, 0, 10).await.unwrap();
    assert_eq!(results.iter().map(|r| r.case).collect::<Vec<_>>(), cases, "in their order");
    assert_eq!(results[1].why.as_deref(), Some("again"));
    assert_eq!(house.count("select count(*) from fallout_recovery_action").await, 3);
    let rewritten = house.tried("update bulk_case set state = 'pending', ended_at = null, why = null").await;
    assert!(rewritten.unwrap_err().starts_with("bulk_case_goes_on"));
}

#[tokio::test]
async fn what_was_taken_by_somebody_who_died_is_given_once_whether_it_was_given_or_not() {
    let mut house = House::new(bare).await;
    let cases = rejected(&house, 2).await;
    let bulk = begun(&house, &cases, PACE, "k").await.unwrap();
    let id = id(&house).await;
    // Killed after the first command and before anything was said of either.
    let taken = turn(&house, id).await.unwrap();
    let given = house.desk.give_of_bulk(&taken.bulk, taken.cases[0].number).await.unwrap();
    assert_eq!(goes(&house, id).await, 0, "its lease holds");
    house.sql("update bulk_case set taken_until = now() - interval '1 second' where state = 'taken'").await;
    assert_eq!(goes(&house, id).await, 1, "the other one");
    assert_eq!(counts(&house, bulk.view.bulk.number).await, [(C::Recovering, 2)]);
    assert_eq!(house.count("select count(*) from fallout_recovery_action").await, 2);
    // Who was taken for dead says it late: it is known.
    house.desk.given_of_bulk(id, &[(taken.cases[0].id, given.clone())]).await.unwrap();
    let again = house.desk.give_of_bulk(&taken.bulk, taken.cases[0].number).await.unwrap();
    assert!(matches!((given, again), (Given::Recovering(one), Given::Recovering(other)) if one == other));
}

#[tokio::test]
async fn a_bulk_is_paused_resumed_and_stopped_and_asked_for_again_with_its_key_it_is_the_same() {
    let mut house = House::new(bare).await;
    let cases = rejected(&house, 4).await;
    let number = begun(&house, &cases, PACE, "k").await.unwrap().view.bulk.number;
    let id = id(&house).await;
    let control = async |house: &House, event| house.desk.control_bulk(TENANT, ANN, number, event, "R").await;
    assert_eq!(goes(&house, id).await, 2);
    assert_eq!(control(&house, E::Paused).await.unwrap().bulk.state, S::Paused);
    assert_eq!(control(&house, E::Paused).await.unwrap().bulk.state, S::Paused, "said again");
    ends(&mut house, cases[0], true).await;
    assert_eq!(goes(&house, id).await, 0, "nothing is begun");
    assert_eq!(counts(&house, number).await, [(C::Pending, 2), (C::Recovering, 1), (C::Recovered, 1)]);
    control(&house, E::Resumed).await.unwrap();
    assert_eq!(goes(&house, id).await, 1);
    let again = begun(&house, &cases, PACE, "k").await.unwrap();
    assert!(again.repeated && again.view.bulk.number == number);
    assert!(matches!(begun(&house, &cases[1..], PACE, "k").await, Err(DeskError::KeyReused(_))));
    control(&house, E::Stopped).await.unwrap();
    assert!(matches!(control(&house, E::Resumed).await, Err(DeskError::BulkNotNow(_))));
    ends(&mut house, cases[1], true).await;
    ends(&mut house, cases[2], true).await;
    assert_eq!(goes(&house, id).await, 0);
    assert_eq!(counts(&house, number).await, [(C::Pending, 1), (C::Recovered, 3)]);
    let history = house.desk.bulk_view(TENANT, number).await.unwrap().history;
    let said: Vec<_> = history.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!(said, ["request", "pause", "resume", "stop"]);
    let erased = house.tried("delete from bulk_entry").await.unwrap_err();
    assert!(erased.starts_with("append_only"), "{erased}");
}

#[tokio::test]
async fn a_bulk_stops_itself_when_too_many_fail_and_goes_on_when_somebody_says_so() {
    let mut house = House::new(bare).await;
    let cases = rejected(&house, 24).await;
    let pace = Pace { at_once: 20, ..PACE };
    let number = begun(&house, &cases, pace, "k").await.unwrap().view.bulk.number;
    let id = id(&house).await;
    assert_eq!(goes(&house, id).await, 20);
    for (n, case) in cases.iter().take(20).enumerate() {
        ends(&mut house, *case, n >= 4).await;
    }
    assert_eq!(goes(&house, id).await, 0);
    assert_eq!(state(&house, number).await, S::Halted);
    house.desk.control_bulk(TENANT, ANN, number, E::Resumed, "it was one bad batch").await.unwrap();
    assert_eq!(goes(&house, id).await, 4, "what failed before it went on does not count again");
}

#[tokio::test]
async fn a_case_whose_guard_says_no_when_its_turn_comes_is_refused_by_name_and_the_others_go_on() {
    let house = House::new(bare).await;
    let cases = rejected(&house, 2).await;
    for case in &cases {
        house.desk.bulk_fits(TENANT, ANN, Action::RetryStep, "R", *case).await.unwrap();
    }
    let resume = house.desk.bulk_fits(TENANT, ANN, Action::ResumeWorkflow, "R", cases[0]).await;
    assert!(matches!(resume, Err(DeskError::Refused(Refusal::NotApplied))), "{resume:?}");
    let number = begun(&house, &cases, PACE, "k").await.unwrap().view.bulk.number;
    // Held meanwhile.
    let hold = HoldCommand { tenant: TENANT, principal: ANN, order: "o-0", line: None, reason: "moves" };
    house.desk.hold_order(&hold).await.unwrap();
    goes(&house, id(&house).await).await;
    assert_eq!(counts(&house, number).await, [(C::Recovering, 1), (C::Refused, 1)]);
    let results = house.desk.bulk_cases(TENANT, number, 0, 10).await.unwrap();
    assert!(results[0].why.as_deref().is_some_and(|why| why.contains("held")), "{results:?}");
    assert_eq!(house.latest(cases[0]).await, "order_held", "as if it had been asked for alone");
}

#[tokio::test]
async fn many_cases_need_a_second_person_who_is_somebody_else() {
    let mut house = House::new(bare).await;
    let numbers = rejected(&house, 101).await;
    let bulk = begun(&house, &numbers, PACE, "k").await.unwrap();
    let number = bulk.view.bulk.number;
    assert_eq!(bulk.view.bulk.state, S::AwaitingApproval);
    let decide = async |house: &House, who: &str| house.desk.decide_bulk(TENANT, who, number, true, "seen").await;
    assert!(refused(decide(&house, ANN).await).contains("another person"));
    assert!(refused(decide(&house, "local:bob").await).contains("proves no person"));
    let own = house.person("ann-again", ANN).await;
    assert!(refused(decide(&house, &own).await).contains("another person"), "her own second face");
    let bob = house.person("bob", "local:admin").await;
    assert_eq!(decide(&house, &bob).await.unwrap().bulk.state, S::Running);
    assert_eq!(goes(&house, id(&house).await).await, 2);
    let swapped = house.tried("update bulk set approver = 'local:eve'").await.unwrap_err();
    assert!(swapped.starts_with("bulk_is_what_was_asked"), "{swapped}");

    let late = begun(&house, &numbers[2..], Pace { at_once: 3, ..PACE }, "k-2").await;
    assert_eq!(late.unwrap().view.bulk.state, S::Running, "99 cases need nobody else");
}

#[tokio::test]
async fn a_bulk_is_refused_by_who_may_agree_to_it_or_asked_for_it_and_by_nobody_else() {
    let house = House::guarded(bare).await;
    let numbers = rejected(&house, 101).await;
    let number = begun(&house, &numbers, PACE, "k").await.unwrap().view.bulk.number;
    house.enforced().await;
    let refuse = async |who: &str| house.desk.decide_bulk(TENANT, who, number, false, "too many").await;
    assert!(refused(refuse("local:eve").await).starts_with("local:eve may not"));
    assert_eq!(refuse(ANN).await.unwrap().bulk.state, S::NotApproved, "she asked for it");
}

#[tokio::test]
async fn what_is_no_bulk_is_refused_by_name() {
    let house = House::new(bare).await;
    let case = house.rejected("o-1").await;
    let refusal = async |cases: &[CaseNumber], pace| refused(begun(&house, cases, pace, "k").await);
    assert!(refusal(&[], PACE).await.contains("no case"));
    assert!(refusal(&[case, case], PACE).await.contains("twice"));
    assert!(refusal(&[CaseNumber(1)], PACE).await.contains("not of this tenant"));
    assert!(refusal(&[case], Pace { at_once: 0, ..PACE }).await.contains("at once"));
    let unknown = house.desk.bulk_view(TENANT, BulkNumber(7)).await;
    assert!(matches!(unknown, Err(DeskError::NoSuchBulk(_))));
}

#[tokio::test]
async fn a_command_that_is_given_with_many_is_stored_as_one_that_is_given_alone() {
    let mut house = House::new(bare).await;
    let cases = rejected(&house, 2).await;
    begun(&house, &cases, PACE, "k").await.unwrap();
    let id = id(&house).await;
    let turn = turn(&house, id).await.unwrap();
    house.desk.give_of_bulk(&turn.bulk, cases[0]).await.unwrap();
    assert_eq!(house.desk.give_plain(&turn.bulk, &turn.cases).await.unwrap().len(), 1, "the other is known already");
    // Everything that is not an id, a time or the case's own name is the same.
    let same = |table: &str, columns: &str| format!("select count(*) from (select distinct {columns} from {table}) t");
    for (table, columns) in [
        (
            "fallout_recovery_action",
            "tenant_id, action_type, status, requested_by, reason, case_was, length(content_hash), completed_at, answer,
             (target_ref -> 'outputs')::text, (target_ref -> 'attestation')::text, target_ref ->> 'lineId',
             target_ref ->> 'stepId', (target_ref -> 'command') - 'idempotencyKey' - 'falloutCaseId'",
        ),
        (
            "fallout_event where event_type = 'FalloutRecoveryActionRequested'",
            "tenant_id, actor_type, actor_id, reason, payload - 'action'",
        ),
        ("event_outbox where event_type = 'FalloutRecoveryActionRequested'", "tenant_id, data - 'case' - 'order' - 'action'"),
        ("fallout_case", "status, version, waiting_for, resolved_at"),
        ("step", "state, epoch, outputs, rejected_code, gate is not null"),
        ("engine_command where kind = 'recover'", "tenant_id, state, tries, payload - 'action' - 'step' - 'process_instance_id'"),
        ("recovery_request", "tenant_id, kind, principal, requested_by, action, reason, length(content_hash), answer, refusal"),
    ] {
        let both = format!("select count(*) from {}", table);
        assert_eq!(house.count(&both).await, 2, "{table}");
        assert_eq!(house.count(&same(table, columns)).await, 1, "{table}");
    }
}
