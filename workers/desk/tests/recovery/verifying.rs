//! A case is resolved by what was read, or by the word of a named person where nobody can be asked; and what is not proven,
//! or comes back, is with its people again.

use fallout_core::{
    action::{Action, ActionState, Attestation, command::RecoveryCommand},
    case::{CaseEvent, CaseState},
    claim::Claim,
    evidence::Evidence,
    ids::{AttemptId, CaseNumber},
    lookup::Said,
    step::Outputs,
    task::TaskRef,
};
use fallout_desk::CaseCommand;
use serde_json::json;

use crate::house::{ANN, House, TENANT, bare, command, task};

fn outputs() -> Outputs {
    Outputs::from([("receiptId".to_owned(), json!("R-1"))])
}

fn found() -> Said {
    Said::Found { outputs: outputs() }
}

impl House {
    /// A case whose retry has succeeded, as the downstream answered.
    async fn answered(&self, order: &str) -> CaseNumber {
        let case = self.rejected(order).await;
        let attempt = self.dispatched(case, order).await;
        let evidence = Evidence::answered(201, json!({ "id": "R-1" }));
        self.desk.record(attempt, &evidence, &Ok(outputs())).await.unwrap();
        case
    }

    async fn dispatched(&self, case: CaseNumber, order: &str) -> AttemptId {
        let taken = self.give(&command(case, Action::RetryStep, &format!("retry-{order}"))).await.unwrap();
        let again = TaskRef { action: Some(taken.action), ..task(order, "1") };
        let request = fallout_core::attempt::StoredRequest {
            method: fallout_core::operation::Method::Post,
            path: "/captures".into(),
            headers: Vec::new(),
            body: Some("{}".into()),
        };
        let prepared = fallout_core::attempt::Prepared { request, generation: 2 };
        let Claim::Fresh(permission) = self.desk.claim(&again, Some(Ok(prepared))).await.unwrap() else {
            panic!("it was not dispatched")
        };
        permission.attempt
    }

    /// What the controller does with an answer of the downstream; how many reads were due.
    async fn says(&self, said: Said) -> usize {
        let due = self.desk.due_verifications(10).await.unwrap();
        for read in &due {
            self.desk.verification_read(read.id, said.clone(), std::time::Instant::now()).await.unwrap();
        }
        due.len()
    }

    /// As if it were time for the next read, which from here on shows what there is.
    async fn read_again(&mut self) {
        let past =
            "update verification set next_read_at = now() - interval '1 s', shown_from = least(shown_from, now())
            where state = 'due'";
        self.sql(past).await;
    }

    async fn known(&self, case: CaseNumber) -> (CaseState, Option<String>, Option<String>, i32) {
        let detail = self.desk.case(TENANT, case).await.unwrap();
        let fields = detail.fields;
        (detail.case.status.parse().unwrap(), fields.verification, fields.verified_by, fields.verification_failures)
    }

    async fn last_action(&self, case: CaseNumber) -> ActionState {
        self.desk.actions(TENANT, case).await.unwrap().pop().unwrap().state
    }
}

fn machine(by: &str) -> (CaseState, Option<String>, Option<String>, i32) {
    (CaseState::Resolved, Some("machine".into()), Some(by.into()), 0)
}

#[tokio::test]
async fn a_success_is_read_back_at_the_downstream_before_its_case_is_resolved() {
    let mut house = House::new(|_| {}).await;
    let case = house.answered("o-1").await;
    assert_eq!(house.state(case).await, CaseState::Verifying, "an answer is not what the downstream shows");
    assert_eq!(house.says(found()).await, 1);
    assert_eq!(house.known(case).await, machine("a lookup at payment"));
    assert_eq!(house.last_action(case).await, ActionState::Completed);
    assert_eq!(house.says(found()).await, 0, "once");
    assert_eq!(house.count("select count(*) from evidence where source = 'lookup'").await, 1);
    let told = "select count(*) from event_outbox where event_type = 'FalloutCaseResolved'";
    assert_eq!(house.count(told).await, 1);
}

#[tokio::test]
async fn what_the_downstream_does_not_show_reopens_the_case_and_counts() {
    let mut house = House::new(|_| {}).await;
    let case = house.answered("o-1").await;
    house.says(Said::NotFound).await;
    assert_eq!(house.state(case).await, CaseState::Verifying, "it may not be shown yet");
    for expected in [CaseState::Verifying, CaseState::Reopened] {
        house.read_again().await;
        house.says(Said::NotFound).await;
        assert_eq!(house.state(case).await, expected);
    }
    assert_eq!(house.known(case).await, (CaseState::Reopened, None, None, 1));
    assert_eq!(house.last_action(case).await, ActionState::Failed);
    let detail = house.desk.case(TENANT, case).await.unwrap();
    let entry = detail.timeline.iter().find(|entry| entry.event == CaseEvent::Reopened.word()).unwrap();
    assert_eq!(entry.reason.as_deref(), Some("not verified: the downstream does not show the effect"));
}

#[tokio::test]
async fn doubt_that_lasts_reopens_the_case() {
    let mut house = House::new(|_| {}).await;
    let case = house.answered("o-1").await;
    house.sql("update verification set deadline = now() - interval '1 s'").await;
    house.says(Said::Nothing { why: "HTTP 503".into() }).await;
    assert_eq!(house.known(case).await, (CaseState::Reopened, None, None, 1));
}

#[tokio::test]
async fn what_changes_meanwhile_is_read_for_again_and_what_moved_on_is_not_resolved() {
    let mut house = House::new(|_| {}).await;
    let case = house.answered("changed").await;
    let ask = CaseCommand { tenant: TENANT, principal: ANN, case, if_version: None, key: None };
    house.desk.take(&ask).await.unwrap();
    house.says(found()).await;
    assert_eq!(house.state(case).await, CaseState::Verifying, "the case is not the one that was read for");
    house.says(found()).await;
    assert_eq!(house.state(case).await, CaseState::Resolved);

    let moved = house.answered("moved").await;
    house.sql("update verification set epoch = epoch - 1 where state = 'due'").await;
    house.says(found()).await;
    assert_eq!(house.state(moved).await, CaseState::Verifying, "another epoch is another effect");
    assert_eq!(house.count("select count(*) from verification where state = 'void'").await, 1);
}

#[tokio::test]
async fn readers_at_the_same_moment_resolve_a_case_once() {
    let mut house = House::new(|_| {}).await;
    let case = house.answered("o-1").await;
    let due = house.desk.due_verifications(10).await.unwrap().remove(0);
    let readers = (0..5).map(|_| {
        let (desk, id) = (house.desk.clone(), due.id);
        tokio::spawn(async move { desk.verification_read(id, found(), std::time::Instant::now()).await.unwrap() })
    });
    for reader in readers.collect::<Vec<_>>() {
        reader.await.unwrap();
    }
    assert_eq!(house.state(case).await, CaseState::Resolved);
    assert_eq!(house.since(case).await.iter().filter(|e| **e == CaseEvent::Resolved).count(), 1);
    assert!(
        house
            .tried("update verification set state = 'failed'")
            .await
            .unwrap_err()
            .starts_with("verification_ends_once")
    );
}

#[tokio::test]
async fn an_action_whose_step_does_not_settle_in_time_gives_the_case_back() {
    let mut house = House::new(bare).await;
    let case = house.rejected("o-1").await;
    let attempt = house.dispatched(case, "o-1").await;
    assert!(house.desk.overdue_actions(10).await.unwrap().is_empty());
    house.sql("update fallout_recovery_action set verify_by = now() - interval '1 s'").await;
    for action in house.desk.overdue_actions(10).await.unwrap() {
        house.desk.overdue(action).await.unwrap();
        house.desk.overdue(action).await.unwrap();
    }
    assert_eq!(house.known(case).await, (CaseState::Reopened, None, None, 1));
    assert_eq!(house.last_action(case).await, ActionState::Failed);
    // Its end is its end all the same.
    house.desk.record(attempt, &Evidence::answered(201, json!({ "id": "R-1" })), &Ok(outputs())).await.unwrap();
    assert_eq!(house.state(case).await, CaseState::Resolved);
    assert!(house.since(case).await.contains(&CaseEvent::Cleared), "it went away by itself");
}

#[tokio::test]
async fn without_a_lookup_the_answer_is_the_proof_and_a_persons_word_is_told_apart() {
    let mut house = House::new(bare).await;
    let answered = house.answered("answered").await;
    assert_eq!(house.known(answered).await, machine("the answer of payment"));
    let (case, _) = house.unknown("said").await;
    let attestation = Some(Attestation { applied: true, reference: "INC-1".into() });
    let resume = RecoveryCommand { attestation, outputs: outputs(), ..command(case, Action::ResumeWorkflow, "k") };
    let taken = house.give(&resume).await.unwrap();
    let again = TaskRef { action: Some(taken.action), ..task("said", "1") };
    let claim = house.desk.claim(&again, None).await.unwrap();
    assert!(matches!(claim, Claim::Report { .. }), "{claim:?}");
    assert_eq!(house.known(case).await, (CaseState::Resolved, Some("attested".into()), Some(ANN.into()), 0));
}

#[tokio::test]
async fn a_word_is_read_back_where_the_downstream_can_be_asked() {
    let mut house = House::new(|_| {}).await;
    let (case, _) = house.unknown("o-1").await;
    let attestation = Some(Attestation { applied: true, reference: "INC-1".into() });
    let resume = RecoveryCommand { attestation, outputs: outputs(), ..command(case, Action::ResumeWorkflow, "k") };
    let taken = house.give(&resume).await.unwrap();
    let again = TaskRef { action: Some(taken.action), ..task("o-1", "1") };
    house.desk.claim(&again, None).await.unwrap();
    assert_eq!(house.state(case).await, CaseState::Verifying);
    house.says(found()).await;
    assert_eq!(house.known(case).await, machine("a lookup at payment"));
}
