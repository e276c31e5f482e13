//! The effect that an action makes itself goes through the ledger like any other: looked up when unknown, never sent twice,
//! taken up again by whoever comes next, and gone on with only when it is proven.

use fallout_core::{
    action::{Action, ActionState, Attestation, command::RecoveryCommand},
    case::CaseState,
    claim::Claim,
    evidence::{Evidence, Phase},
    ids::{ActionId, AttemptId, CaseNumber},
    lookup::Said,
    step::Outputs,
};
use serde_json::json;

use crate::{
    correcting::{action_state, address, answered, correct, sends, uses_address},
    house::{ANN, House, TENANT, command, refused},
};

fn found() -> Said {
    Said::Found { outputs: Outputs::from([("orderVersion".to_owned(), json!(2))]) }
}

async fn asked(house: &House) -> (CaseNumber, ActionId) {
    let case = house.rejected("o-1").await;
    let taken = house.give(&correct(case, "k", "service-address", address("Zürich"))).await.unwrap();
    (case, taken.action)
}

/// The answer of the owner was lost.
async fn lost(house: &House, attempt: AttemptId) {
    house.desk.record(attempt, &Evidence::of(Phase::Sent), &Err("an answer".into())).await.unwrap();
}

/// The case of the effect itself, beside the one that the action belongs to.
async fn own_case(house: &House, beside: CaseNumber) -> Option<CaseNumber> {
    let open = house.desk.cases(TENANT, true, Some("o-1"), 10).await.unwrap();
    open.iter().map(|line| line.case_number.parse().unwrap()).find(|number| *number != beside)
}

/// Its lookups say nothing until they are given up.
async fn parked(house: &House, case: CaseNumber, attempt: AttemptId) -> CaseNumber {
    lost(house, attempt).await;
    for _ in 0..40 {
        if let Some(own) = own_case(house, case).await {
            return own;
        }
        house.read(attempt, Said::Nothing { why: "HTTP 500".into() }).await;
    }
    panic!("it never parked")
}

/// As if the sender of the open attempt had died long ago.
async fn long_ago(house: &mut House) {
    house
        .sql(
            "set session_replication_role = replica;
             update attempt set opened_at = opened_at - interval '1 h', send_before = send_before - interval '1 h',
                 over_at = over_at - interval '1 h' where state = 'open';
             update action_effect set next_at = now() where next_at is not null;
             set session_replication_role = origin",
        )
        .await;
}

#[tokio::test]
async fn an_outcome_that_is_unknown_is_looked_up_and_goes_on_when_it_is_proven() {
    let house = House::new(uses_address).await;
    let (case, action) = asked(&house).await;
    let (attempt, _) = sends(&house, action).await;
    lost(&house, attempt).await;
    assert_eq!(action_state(&house, case).await, ActionState::Performing);
    house.read(attempt, found()).await;
    assert_eq!(action_state(&house, case).await, ActionState::Completed);
    assert_eq!(house.state(case).await, CaseState::Classified);
}

#[tokio::test]
async fn killed_between_the_owner_and_us_it_is_looked_up_and_nothing_is_written_twice() {
    let mut house = House::new(uses_address).await;
    let (case, action) = asked(&house).await;
    sends(&house, action).await;
    // The owner has it, and nobody told us. Whoever comes next, while its sender may be at work and after:
    let claim = house.desk.claim_effect(action, "another").await.unwrap();
    assert!(matches!(claim, Some((_, Claim::InFlight { .. }))), "{claim:?}");
    long_ago(&mut house).await;
    assert_eq!(house.desk.due_effects(10).await.unwrap(), [action]);
    let claim = house.desk.claim_effect(action, "another").await.unwrap();
    let Some((_, Claim::LookUp { attempt, .. })) = claim else { panic!("{claim:?}") };
    house.read(attempt, found()).await;
    assert_eq!(action_state(&house, case).await, ActionState::Completed);
    assert!(house.desk.claim_effect(action, "w").await.unwrap().is_none());
    assert_eq!(
        house
            .count("select count(*) from attempt a join step s on s.id = a.step_id where s.process_instance_id = ''")
            .await,
        1
    );
    assert_eq!(house.count("select count(*) from order_correction where version = 1").await, 1);
}

#[tokio::test]
async fn what_was_not_sent_is_tried_again_with_the_same_key_and_at_last_given_up() {
    let mut house = House::new(uses_address).await;
    let (case, action) = asked(&house).await;
    let mut bodies = Vec::new();
    while action_state(&house, case).await == ActionState::Performing {
        house.sql("update action_effect set next_at = now() where next_at is not null").await;
        let (attempt, request) = sends(&house, action).await;
        bodies.push(request.body);
        answered(&house, attempt, 503, json!({})).await;
    }
    assert_eq!(bodies.len(), 4, "as many tries as the operation allows");
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    assert_eq!(action_state(&house, case).await, ActionState::Failed);
    assert_eq!(house.state(case).await, CaseState::Classified);
    assert!(own_case(&house, case).await.is_none(), "proven not applied: nobody has to find out");
    house.give(&correct(case, "k-2", "service-address", address("Zürich"))).await.unwrap();
}

#[tokio::test]
async fn what_nobody_can_tell_has_a_case_of_its_own_until_a_lookup_proves_it() {
    let house = House::new(uses_address).await;
    let (case, action) = asked(&house).await;
    let (attempt, _) = sends(&house, action).await;
    let own = parked(&house, case, attempt).await;
    assert_eq!((house.state(own).await, house.state(case).await), (CaseState::Classified, CaseState::Recovering));
    assert_eq!(house.desk.due_effects(10).await.unwrap(), []);
    assert!(refused(house.give(&command(case, Action::RetryStep, "k-2")).await).contains("another action"));
    assert!(refused(house.give(&command(own, Action::SkipStep, "k-3")).await).contains("no branch"));
    assert!(refused(house.give(&command(own, Action::RetryStep, "k-3")).await).contains("unknown"));

    house.read(attempt, found()).await;
    assert_eq!(house.desk.due_effects(10).await.unwrap(), [action], "it goes on by itself");
    let claim = house.desk.claim_effect(action, "w").await.unwrap();
    assert!(matches!(claim, Some((_, Claim::Report { .. }))), "{claim:?}");
    assert_eq!(action_state(&house, case).await, ActionState::Completed);
    assert_eq!((house.state(own).await, house.state(case).await), (CaseState::Resolved, CaseState::Classified));
}

#[tokio::test]
async fn a_person_who_found_out_says_so_on_the_effects_own_case() {
    let house = House::new(uses_address).await;
    let (case, action) = asked(&house).await;
    let (attempt, _) = sends(&house, action).await;
    let own = parked(&house, case, attempt).await;
    let attested = |applied, reference: &str| Some(Attestation { applied, reference: reference.into() });
    let retry = RecoveryCommand { attestation: attested(false, "INC-1"), ..command(own, Action::RetryStep, "k-2") };
    house.give(&retry).await.unwrap();
    let (attempt, _) = sends(&house, action).await;
    lost(&house, attempt).await;
    assert_eq!(own_case(&house, case).await, Some(own), "the same trouble is the same case");
    for _ in 0..40 {
        if house.state(own).await == CaseState::Classified {
            break;
        }
        house.read(attempt, Said::Nothing { why: "HTTP 500".into() }).await;
    }
    let outputs = Outputs::from([("orderVersion".to_owned(), json!(5))]);
    let resume = command(own, Action::ResumeWorkflow, "k-3");
    let resume = RecoveryCommand { attestation: attested(true, "INC-2"), outputs, ..resume };
    house.give(&resume).await.unwrap();
    assert_eq!(house.desk.due_effects(10).await.unwrap(), [action]);
    house.desk.claim_effect(action, "w").await.unwrap();
    assert_eq!(action_state(&house, case).await, ActionState::Completed);
    assert_eq!(house.state(own).await, CaseState::Verifying, "the downstream is asked whether it is so");
    let order = house.desk.order(TENANT, "o-1").await.unwrap();
    assert_eq!(order.corrections[0].owner_version, Some(5));
}

#[tokio::test]
async fn an_action_is_taken_back_until_its_effect_has_begun() {
    let house = House::new(uses_address).await;
    let (case, action) = asked(&house).await;
    let back = house.desk.withdraw(TENANT, ANN, action, "they called").await.unwrap();
    assert_eq!(back.state, CaseState::Classified);
    assert!(house.desk.claim_effect(action, "w").await.unwrap().is_none());
    let taken = house.give(&correct(case, "k-2", "service-address", address("Zürich"))).await.unwrap();
    sends(&house, taken.action).await;
    let said = refused(house.desk.withdraw(TENANT, ANN, taken.action, "they called").await);
    assert!(said.contains("has begun to make its effect"), "{said}");
}

#[tokio::test]
async fn the_effect_of_an_action_is_no_step_that_the_engine_is_asked_about_nor_one_that_a_cancellation_undoes() {
    let mut house = House::new(uses_address).await;
    let (_, action) = asked(&house).await;
    let (attempt, _) = sends(&house, action).await;
    house.sql("update step set updated_at = now() - interval '1 h'").await;
    let quiet = house.desk.quiet_steps(10).await.unwrap();
    assert!(quiet.iter().all(|(_, task, _)| !task.starts_with("action:")), "{quiet:?}");
    answered(&house, attempt, 201, json!({ "id": "COR-1", "version": 2 })).await;
    house.sql("update order_run set cancel_requested = true, cancelled_by = 'x', cancel_reason = 'x', cancelled_at = now()").await;
    house.desk.settle_cancellation("instance-of-o-1", true).await.unwrap();
    assert_eq!(
        house.count("select count(*) from engine_command where kind = 'undone'").await,
        1,
        "nothing is left to undo"
    );
}
