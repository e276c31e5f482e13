//! Evidence that comes when its attempt is settled: kept always, and where it contradicts, someone has to look and nothing
//! more is sent. Needs the ledger only: the test plays the worker.

use std::collections::{BTreeMap, BTreeSet};

use fallout::roles::setup::Setup;
use fallout_core::{
    action::{Action, Attestation, Refusal},
    attempt::{Prepared, StoredRequest},
    case::CaseEvent,
    claim::{Claim, Permission},
    decide::{Catches, Verdict},
    evidence::{Evidence, Phase},
    ids::{ActionId, AttemptId, CaseNumber},
    lookup::Said,
    operation::Method,
    step::{Direction, Outputs, StepIdentity},
    task::{Definition, TaskRef},
};
use fallout_desk::{CaseDetail, Desk, Recovery};
use fallout_tests::{World, orders::simple};
use serde_json::{Value, json};

use crate::recovery::refused;

/// One step of one order, with the worker played by the test.
struct Played {
    desk: Desk,
    task: TaskRef,
}

/// The desk with one accepted order; `topic` is what its step does.
fn play(name: &str, topic: &str, body: impl AsyncFnOnce(&mut Played)) {
    let world = World::take();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let tenant = format!("played-{name}-{}", std::process::id());
        let setup = Setup::new(world.settings(&tenant)).unwrap();
        setup.desk.accept_order(&tenant, &simple(name), 1, "").await.unwrap();
        // The order is for this test alone: no relay of another one may start it.
        for command in setup.desk.take_commands(100).await.unwrap() {
            setup.desk.command_done(command.id, Some("played")).await.unwrap();
        }
        let branches = Action::ALL.iter().map(|a| a.word().to_owned()).collect::<BTreeSet<_>>();
        let catches = BTreeMap::from([("perform".to_owned(), Catches::none())]);
        let (id, key) = (format!("played:1:{tenant}"), "played".to_owned());
        let definition = Definition { id, key, catches, branches, embedded: Default::default() };
        setup.desk.learn(&definition).await.unwrap();
        let step = StepIdentity {
            tenant,
            order: name.to_owned(),
            run: 1,
            line: String::new(),
            step: "played".into(),
            direction: Direction::Do,
        };
        let task = TaskRef {
            step,
            operation: topic.to_owned(),
            handled_codes: Vec::new(),
            action: None,
            retries: None,
            external_task_id: format!("{name}-task"),
            worker_id: "test".into(),
            process_definition_id: definition.id,
            process_instance_id: "played".into(),
            activity_id: "perform".into(),
        };
        body(&mut Played { desk: setup.desk.clone(), task }).await;
        setup.store.close().await;
    });
}

impl Played {
    async fn claim(&self, generation: i32) -> Claim {
        let request = StoredRequest {
            method: Method::Post,
            path: "/things".into(),
            headers: Vec::new(),
            body: Some("{}".into()),
        };
        self.desk.claim(&self.task, Some(Ok(Prepared { request, generation }))).await.unwrap()
    }

    async fn send(&self, generation: i32) -> Permission {
        match self.claim(generation).await {
            Claim::Fresh(permission) => permission,
            other => panic!("not a claim to send: {other:?}"),
        }
    }

    async fn record(&self, attempt: AttemptId, evidence: &Evidence) -> Option<Verdict> {
        let read = match &evidence.phase {
            Phase::Answered { body, .. } if body.json()["id"].is_string() => {
                Ok(Outputs::from([("reservationId".to_owned(), body.json()["id"].clone())]))
            }
            _ => Err("reservationId".to_owned()),
        };
        self.desk.record(attempt, evidence, &read).await.unwrap().verdict
    }

    /// Every case the step ever had: one.
    async fn case(&self) -> CaseDetail {
        let tenant = &self.task.step.tenant;
        let cases = self.desk.cases(tenant, false, None, 10).await.unwrap();
        assert_eq!(cases.len(), 1, "one trouble, one case: {cases:?}");
        self.desk.case(tenant, cases[0].case_number.parse().unwrap()).await.unwrap()
    }

    /// What the case says it is: classification, severity, and what is recommended.
    async fn trouble(&self) -> (String, String, String) {
        let case = self.case().await.case;
        (case.classification.unwrap(), case.severity, case.recommended_action.unwrap())
    }

    async fn recover(&self, action: Action, attest: Option<bool>) -> Result<ActionId, fallout_desk::DeskError> {
        let case: CaseNumber = self.case().await.case.case_number.parse().unwrap();
        let attestation = attest.map(|applied| Attestation { applied, reference: "TICKET-1".into() });
        let key = uuid::Uuid::now_v7().to_string();
        let ask = Recovery {
            tenant: &self.task.step.tenant,
            principal: "local:test",
            case,
            action,
            reason: "the test asks for it",
            attestation,
            outputs: Outputs::new(),
            idempotency_key: &key,
        };
        Ok(self.desk.recover(&ask).await?.action)
    }
}

fn created(id: &str) -> Evidence {
    Evidence::answered(201, json!({ "id": id }))
}

fn rejected() -> Evidence {
    Evidence::answered(422, json!({ "code": "PRODUCT_NOT_AVAILABLE" }))
}

fn said(classification: &str, recommended: &str) -> (String, String, String) {
    (classification.into(), "SEV2".into(), recommended.into())
}

#[test]
fn a_late_success_parks_a_step_that_would_have_been_sent_again() {
    play("late-success", "inventory.reserve", async |p| {
        let first = p.send(1).await.attempt;
        let verdict = p.record(first, &Evidence::of(Phase::NotConnected)).await;
        assert!(matches!(verdict, Some(Verdict::RetryAfter { .. })), "{verdict:?}");

        assert_eq!(p.record(first, &created("r-1")).await, None, "nothing to report for a sender that came too late");
        assert_eq!(p.trouble().await, said("APPLIED_AFTER_ALL", "RESUME_WORKFLOW"));
        assert!(matches!(p.claim(1).await, Claim::Parked { .. }), "the retry that was due is not sent");
        let both: Vec<Value> =
            p.case().await.attempts[0].evidence.iter().map(|e| e["detail"]["phase"].clone()).collect();
        assert_eq!(both.len(), 2, "both pieces of evidence are kept: {both:?}");

        assert_eq!(refused(p.recover(Action::RetryStep, None).await), Some(Refusal::Applied));
        p.task.action = Some(p.recover(Action::ResumeWorkflow, None).await.unwrap());
        let Claim::Report { verdict: Verdict::Complete { outputs }, .. } = p.claim(1).await else {
            panic!("its effect is only reported")
        };
        assert_eq!(outputs["reservationId"], "r-1");
        assert_eq!(p.case().await.case.status, "verifying", "the downstream is asked first");
        for due in p.desk.due_verifications(10).await.unwrap() {
            let said = Said::Found { outputs: outputs.clone() };
            p.desk.verification_read(due.id, said, std::time::Instant::now()).await.unwrap();
        }
        assert_eq!(p.case().await.case.status, "resolved");
    });
}

#[test]
fn a_late_success_stops_a_retry_that_an_attestation_had_allowed() {
    play("attested", "contract.notify", async |p| {
        let first = p.send(1).await.attempt;
        p.record(first, &Evidence::of(Phase::Sent)).await;
        assert_eq!(p.trouble().await.0, "OUTCOME_UNKNOWN");
        p.task.action = Some(p.recover(Action::RetryStep, Some(false)).await.unwrap());
        p.record(first, &created("n-1")).await;
        assert_eq!(p.trouble().await.0, "APPLIED_AFTER_ALL");
        let claim = p.claim(1).await;
        assert!(matches!(claim, Claim::Report { verdict: Verdict::Complete { .. }, .. }), "{claim:?}");
    });
}

#[test]
fn an_effect_of_an_earlier_generation_beside_the_new_one_is_two_effects() {
    play("two-effects", "inventory.reserve", async |p| {
        let first = p.send(1).await.attempt;
        p.record(first, &rejected()).await;
        p.task.action = Some(p.recover(Action::RetryStep, None).await.unwrap());
        let second = p.send(2).await.attempt;
        p.record(first, &created("r-1")).await;
        assert_eq!(p.trouble().await, said("APPLIED_AFTER_ALL", "RESUME_WORKFLOW"));
        assert_eq!(refused(p.recover(Action::ResumeWorkflow, None).await), Some(Refusal::AttemptOpen));
        p.record(second, &created("r-2")).await;
        assert_eq!(p.trouble().await, said("APPLIED_TWICE", "RECONCILE_STEP"));
    });
}

#[test]
fn a_late_rejection_of_a_step_that_is_done_opens_a_case() {
    play("late-rejection", "inventory.reserve", async |p| {
        let first = p.send(1).await.attempt;
        let verdict = p.record(first, &created("r-1")).await;
        assert!(matches!(verdict, Some(Verdict::Complete { .. })), "{verdict:?}");
        p.record(first, &rejected()).await;
        assert_eq!(p.trouble().await, said("EFFECT_DISPUTED", "RECONCILE_STEP"));
        let claim = p.claim(1).await;
        assert!(
            matches!(claim, Claim::Report { verdict: Verdict::Complete { .. }, .. }),
            "the step stays done: {claim:?}"
        );
    });
}

#[test]
fn evidence_that_says_the_same_again_changes_nothing() {
    play("same-again", "inventory.reserve", async |p| {
        let first = p.send(1).await.attempt;
        p.record(first, &Evidence::of(Phase::NotConnected)).await;
        p.record(first, &Evidence::of(Phase::NotSerialised)).await;
        let second = p.send(1).await.attempt;
        p.record(second, &created("r-1")).await;
        p.record(second, &created("r-1")).await;
        p.record(first, &created("r-1")).await;
        let cases = p.desk.cases(&p.task.step.tenant, false, None, 10).await.unwrap();
        assert!(cases.is_empty(), "the key makes both one effect: {cases:?}");
    });
}

#[test]
fn a_report_that_the_engine_refuses_opens_one_case_and_a_parked_step_only_notes_it() {
    play("unreported", "inventory.reserve", async |p| {
        let first = p.send(1).await.attempt;
        p.record(first, &created("r-1")).await;
        for _ in 0..2 {
            p.desk.cannot_report(&p.task, "code 20000: no").await.unwrap();
        }
        let case = p.case().await;
        assert_eq!(case.case.classification.as_deref(), Some("ENGINE_CANNOT_ADVANCE"));
        p.desk.went_on(fallout_core::ids::StepKey::of(&p.task.step), "it went on").await.unwrap();
        let case = p.case().await;
        assert_eq!(case.case.status, "resolved");
        assert!(case.timeline.iter().any(|e| e.event == CaseEvent::Cleared.word()));
    });
    play("unparked", "inventory.reserve", async |p| {
        let first = p.send(1).await.attempt;
        p.record(first, &Evidence::answered(400, json!({}))).await;
        p.desk.cannot_report(&p.task, "code 20000: no").await.unwrap();
        let case = p.case().await;
        assert_eq!(case.case.classification.as_deref(), Some("DEFECT"), "the trouble stays what it is");
        assert!(case.timeline.iter().any(|e| e.reason.as_ref().is_some_and(|r| r.contains("code 20000: no"))));
        p.desk.went_on(fallout_core::ids::StepKey::of(&p.task.step), "it went on").await.unwrap();
        assert_eq!(p.case().await.case.status, "classified", "its step still waits");
    });
}
