//! Reconciling: the downstream is asked, and what it says is on the case.

use fallout_core::{
    action::{Action, ActionState, command::RecoveryCommand},
    case::{CaseEvent, CaseState},
    lookup::Said,
    step::Outputs,
};
use serde_json::json;

use crate::house::{House, TENANT, command, refused};

fn found() -> Said {
    Said::Found { outputs: Outputs::from([("receiptId".to_owned(), json!("R-1"))]) }
}

#[tokio::test]
async fn a_check_asks_at_once_and_its_answer_says_which_action_fits() {
    let mut house = House::new(|_| {}).await;
    let (case, attempt) = house.unknown("o-1").await;
    house.sql("update attempt set next_read_at = now() + interval '1 h'").await;
    let taken = house.give(&command(case, Action::ReconcileStep, "k")).await.unwrap();
    assert_eq!(house.state(case).await, CaseState::Recovering);
    let action = house.desk.actions(TENANT, case).await.unwrap().remove(0);
    assert_eq!((action.id, action.state), (taken.action, ActionState::Checking));
    let due = house.desk.due_reads(10).await.unwrap();
    assert_eq!(due.iter().map(|d| d.attempt).collect::<Vec<_>>(), [attempt], "not in an hour");
    let said = refused(house.give(&command(case, Action::ReconcileStep, "k-2")).await);
    assert!(said.contains("another action"), "{said}");

    house.read(attempt, found()).await;
    assert_eq!(house.state(case).await, CaseState::Classified);
    let detail = house.desk.case(TENANT, case).await.unwrap();
    assert_eq!(detail.case.recommended_action.as_deref(), Some("RESUME_WORKFLOW"));
    let action = house.desk.actions(TENANT, case).await.unwrap().remove(0);
    assert_eq!((action.state, action.result.unwrap()["proven"].clone()), (ActionState::Completed, json!("applied")));
    assert!(house.since(case).await.contains(&CaseEvent::Reconciled));
    assert!(refused(house.give(&command(case, Action::RetryStep, "k-3")).await).contains("the effect exists"));
    house.give(&command(case, Action::ResumeWorkflow, "k-4")).await.unwrap();
}

#[tokio::test]
async fn a_check_without_an_answer_ends_by_name_and_leaves_the_case_to_its_people() {
    let mut house = House::new(|_| {}).await;
    let (case, attempt) = house.unknown("o-1").await;
    house.give(&command(case, Action::ReconcileStep, "k")).await.unwrap();
    for _ in 0..4 {
        assert_eq!(house.state(case).await, CaseState::Recovering);
        house.read(attempt, Said::Nothing { why: "HTTP 503".into() }).await;
    }
    assert_eq!(house.state(case).await, CaseState::Classified);
    let action = house.desk.actions(TENANT, case).await.unwrap().remove(0);
    assert_eq!(action.state, ActionState::Failed);
    let why = action.result.unwrap()["why"].as_str().unwrap().to_owned();
    assert!(why.contains("no answer that proves anything: asked 4 times: no answer: HTTP 503"), "{why}");
    assert!(refused(house.give(&command(case, Action::RetryStep, "k-2")).await).contains("unknown"));
    // It can be asked again, and taken back while it is asked.
    let again = house.give(&command(case, Action::ReconcileStep, "k-3")).await.unwrap();
    let back = house.desk.withdraw(TENANT, "local:ann", again.action, "they called").await.unwrap();
    assert_eq!(back.state, CaseState::Classified);
    house.read(attempt, found()).await;
    assert_eq!(house.state(case).await, CaseState::Classified, "what is found later is found all the same");
}

#[tokio::test]
async fn an_action_on_an_unknown_outcome_goes_on_when_the_downstream_says_what_it_needs() {
    let mut house = House::new(|_| {}).await;
    let check = |case, action, key: &str| RecoveryCommand { check: true, ..command(case, action, key) };
    let (case, attempt) = house.unknown("there").await;
    house.give(&check(case, Action::RetryStep, "k-1")).await.unwrap();
    assert_eq!(house.desk.actions(TENANT, case).await.unwrap()[0].state, ActionState::Checking);
    house.read(attempt, found()).await;
    let action = house.desk.actions(TENANT, case).await.unwrap().remove(0);
    assert_eq!((action.state, action.result.unwrap()["refusal"].as_str()), (ActionState::Failed, Some("applied")));
    let detail = house.desk.case(TENANT, case).await.unwrap();
    assert_eq!(detail.case.recommended_action.as_deref(), Some("RESUME_WORKFLOW"));
    assert_eq!(house.state(case).await, CaseState::Classified);

    let (case, attempt) = house.unknown("also-there").await;
    house.give(&check(case, Action::ResumeWorkflow, "k-2")).await.unwrap();
    house.read(attempt, found()).await;
    let action = house.desk.actions(TENANT, case).await.unwrap().remove(0);
    assert_eq!((action.state, house.state(case).await), (ActionState::Requested, CaseState::Recovering));
    let sent = house.desk.take_commands(10).await.unwrap();
    assert_eq!(sent.iter().filter(|c| c.command.kind() == "recover").count(), 1, "the relay has it");

    let (case, attempt) = house.unknown("silent").await;
    house.give(&check(case, Action::RetryStep, "k-3")).await.unwrap();
    for _ in 0..4 {
        house.read(attempt, Said::Nothing { why: "HTTP 503".into() }).await;
    }
    assert_eq!(house.desk.actions(TENANT, case).await.unwrap()[0].state, ActionState::Failed);
    assert_eq!(house.state(case).await, CaseState::Classified);
}
