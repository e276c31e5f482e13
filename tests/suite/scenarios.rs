//! The scenarios that the specification of fallout management names (§23), each by its name, on the real engine. What it
//! accepts is not "an error was thrown" but: the right case, only safe recoveries, evidence, and a valid end or an explicit
//! unresolved state.

use fallout::demo::Standing;
use fallout_camunda::{Correlation, MessageCorrelation, Variables};
use fallout_core::{
    action::{Action, ActionState, Refusal, command::RecoveryCommand},
    case::CaseEvent,
    command::CALLBACK_MESSAGE,
    signal::{Cause, Finding, NewSignal, Place},
    step::{Outputs, StepState},
};
use fallout_tests::{
    Scenario,
    orders::{LineOf, fault, order, simple},
    scenario,
};

use crate::{
    recovery::refused,
    revising::{at_quote, revised, stale},
};

const LINES: &[LineOf] = &[("1", "add", &[]), ("2", "add", &["1"]), ("3", "modify", &[])];

async fn case_of(s: &Scenario<'_>, order: &str) -> anyhow::Result<String> {
    Ok(s.case_of(order).await?.case_number)
}

/// The events of a case, in their order.
async fn told(s: &Scenario<'_>, case: &str) -> anyhow::Result<Vec<String>> {
    Ok(s.case(case).await?.timeline.into_iter().map(|e| e.event).collect())
}

#[test]
fn provisioning_timeout_with_unknown_outcome() {
    let faults = fault("timeout", "provision", "attempt = '1'; behaviour = 'accepted_never'");
    scenario("s-timeout", &faults, async |s| {
        s.start();
        s.accept(vec![simple("timeout")]).await?;
        s.until("timeout", Standing::Parked).await?;
        let case = case_of(s, "timeout").await?;
        assert_eq!(s.case(&case).await?.case.classification.as_deref(), Some("OUTCOME_UNKNOWN"));
        // Unknown is asked about, not tried again.
        let retry = s.recover(&case, Action::RetryStep, None, Outputs::new()).await;
        assert_eq!(refused(retry), Some(Refusal::OutcomeUnknown));
        assert_eq!(s.attempts_at("timeout", "provision"), 1);
        s.recover(&case, Action::RetryStep, Some(false), Outputs::new()).await?;
        s.until("timeout", Standing::Completed).await?;
        s.resolved(&case).await?;
        assert_eq!((s.attempts_at("timeout", "provision"), s.book_of("timeout", "provision")?.len()), (2, 1));
        let sources: Vec<_> = s.case(&case).await?.attempts.iter().flat_map(|a| a.evidence.clone()).collect();
        assert!(sources.iter().any(|e| e["source"] == "attestation"), "what was found out is kept as evidence");
        Ok(())
    });
}

#[test]
fn billing_rejection_after_order_decomposition() {
    let faults = fault("billing", "bill", "attempt = '1'; behaviour = 'reject'; code = 'BILLING_ACCOUNT_INVALID'");
    scenario("s-billing", &faults, async |s| {
        s.start();
        s.accept(vec![order("billing", LINES)]).await?;
        s.until("billing", Standing::Parked).await?;
        let case = case_of(s, "billing").await?;
        assert_eq!(s.case(&case).await?.case.category, "BILLING");
        assert_eq!(s.book_of("billing", "provision")?.len(), 3, "every line is fulfilled");
        s.retry("billing").await?;
        s.until("billing", Standing::Completed).await?;
        s.resolved(&case).await?;
        assert_eq!((s.book_of("billing", "provision")?.len(), s.book_of("billing", "bill")?.len()), (3, 1));
        Ok(())
    });
}

#[test]
fn contract_missing_before_activation() {
    let faults = fault("contract", "contract", "attempt = '1'; behaviour = 'reject'; code = 'CONTRACT_NOT_SIGNED'");
    scenario("s-contract", &faults, async |s| {
        s.start();
        s.accept(vec![simple("contract")]).await?;
        s.until("contract", Standing::Parked).await?;
        let case = case_of(s, "contract").await?;
        assert_eq!(s.case(&case).await?.case.category, "CONTRACT");
        assert!(s.book()?.is_empty(), "nothing is activated without a contract");
        s.retry("contract").await?;
        s.until("contract", Standing::Completed).await?;
        s.resolved(&case).await
    });
}

#[test]
fn duplicate_callback() {
    let faults = fault("callback", "provision", "behaviour = 'accepted'; after_ms = 1500");
    scenario("s-callback", &faults, async |s| {
        s.start();
        s.accept(vec![simple("callback")]).await?;
        s.wait("its result is awaited", async || {
            let step = s.step("callback", "1", "provision").await?;
            Ok(step.is_some_and(|v| v.step.state == StepState::AwaitingCallback))
        })
        .await?;
        let instance = s.step("callback", "1", "provision").await?.expect("it was just seen").step.process_instance_id;
        let none = Variables::new();
        let message = MessageCorrelation {
            message_name: CALLBACK_MESSAGE,
            process_instance_id: &instance,
            correlation_keys: &none,
            process_variables: &none,
        };
        // Too early and twice: the first has the ledger asked, the second meets nobody or the same question again.
        let sent = async || Ok(matches!(s.setup.engine.correlate_message(&message).await?, Correlation::Correlated(_)));
        s.wait("the first is taken", sent).await?;
        s.setup.engine.correlate_message(&message).await?;
        s.until("callback", Standing::Completed).await?;
        assert_eq!((s.attempts_at("callback", "provision"), s.book_of("callback", "provision")?.len()), (1, 1));
        assert!(s.cases_of("callback").await?.is_empty());
        Ok(())
    });
}

#[test]
fn stale_baseline_during_change_order() {
    let faults = fault("ended", "action:*", "behaviour = 'reject'; code = 'REBASE_CONFLICT'");
    scenario("s-baseline", &faults, async |s| {
        s.start();
        s.accept(vec![stale("stale"), stale("ended")]).await?;
        s.until("stale", Standing::Parked).await?;
        let case = case_of(s, "stale").await?;
        let shown = s.case(&case).await?.case;
        assert_eq!(shown.category, "BASELINE");
        assert_eq!(shown.recommended_action.as_deref(), Some("REBASE_CHANGE"));
        assert!(s.book_of("stale", "provision")?.is_empty(), "nothing is changed on an old baseline");
        assert_eq!(revised(s, &case, Action::RebaseChange, None).await?, ActionState::Completed);
        assert!(s.book_of("stale", "provision")?.is_empty(), "a new baseline dispatches nothing");
        s.retry("stale").await?;
        s.until("stale", Standing::Completed).await?;
        s.resolved(&case).await?;
        let baseline = at_quote(s, "stale")?.into_iter().map(|e| e.reference).collect::<Vec<_>>();
        let changed = s.book_of("stale", "provision")?;
        let on: Vec<_> = changed.iter().map(|e| e.asked["baseline"].as_str().unwrap_or_default()).collect();
        assert_eq!(on, baseline, "once, on what is installed now");

        // A change that fits what is installed no longer: this order gives back what it holds.
        s.until("ended", Standing::Parked).await?;
        let case = case_of(s, "ended").await?;
        assert_eq!(revised(s, &case, Action::RebaseChange, None).await?, ActionState::Failed);
        assert!(at_quote(s, "ended")?.is_empty(), "nothing was changed");
        s.recover(&case, Action::CancelOrder, None, Outputs::new()).await?;
        s.until("ended", Standing::Cancelled).await?;
        s.resolved(&case).await?;
        let of_ended = s.book()?.into_iter().filter(|e| e.order == "ended");
        let left: Vec<_> = of_ended.map(|e| (e.step, e.direction)).collect();
        assert_eq!(left, [("reserve".to_owned(), "do".to_owned()), ("reserve".to_owned(), "undo".to_owned())]);
        Ok(())
    });
}

#[test]
fn compensation_failure() {
    let faults = [
        fault("undo", "bill", "behaviour = 'bad_request'"),
        fault("undo", "reserve", "direction = 'undo'; attempt = '1'; behaviour = 'bad_request'"),
    ];
    scenario("s-compensation", &faults.concat(), async |s| {
        s.start();
        s.accept(vec![simple("undo")]).await?;
        s.until("undo", Standing::Parked).await?;
        let first = case_of(s, "undo").await?;
        s.recover(&first, Action::CancelOrder, None, Outputs::new()).await?;
        s.resolved(&first).await?;
        s.wait("taking back has failed", async || Ok(s.cases().await?.contains_key("undo"))).await?;
        s.until("undo", Standing::Parked).await?;
        let failed = case_of(s, "undo").await?;
        assert_ne!(failed, first, "the failed compensation is a trouble of its own");
        s.retry("undo").await?;
        s.until("undo", Standing::Cancelled).await?;
        s.resolved(&failed).await?;
        let undone: Vec<_> = s.book()?.into_iter().filter(|e| e.direction == "undo").map(|e| e.step).collect();
        assert_eq!(undone, ["provision", "reserve"]);
        Ok(())
    });
}

#[test]
fn force_close_with_authority() {
    let faults = fault("force", "bill", "attempt = '1'; behaviour = 'bad_request'");
    scenario("s-force", &faults, async |s| {
        s.start();
        s.accept(vec![simple("force")]).await?;
        s.until("force", Standing::Parked).await?;
        let case = case_of(s, "force").await?;
        let command = |key: &str| RecoveryCommand {
            idempotency_key: key.into(),
            fallout_case_id: case.clone(),
            action: Action::ForceClose.word().into(),
            reason: "CHG-7".into(),
            requested_by: "local:test".into(),
            impact: Some("the customer keeps the old tariff".into()),
            ..Default::default()
        };
        let desk = s.setup.desk.clone();
        // While its order waits there, the case cannot just end.
        let early = desk.command(&s.tenant, "local:test", &command("early")).await;
        assert_eq!(refused(early), Some(Refusal::StillParked));
        s.retry("force").await?;
        s.until("force", Standing::Completed).await?;
        s.resolved(&case).await?;

        // What belongs to no step has no other end.
        let signal = NewSignal {
            source: "reconciliation".into(),
            event: "force-1".into(),
            finding: Finding::Classification("ORDER_STUCK".into()),
            place: Place { order: Some("force".into()), ..Place::default() },
            cause: Cause::default(),
            occurred_at: None,
            reason: "the tariff of the order owner is another".into(),
            payload: serde_json::Value::Null,
        };
        let case = desk.signal(&s.tenant, &signal).await?.case.expect("a case is open").to_string();
        let command = RecoveryCommand { fallout_case_id: case.clone(), ..command("late") };
        let asked = desk.command(&s.tenant, "local:test", &command).await?;
        let approval = asked.approval.expect("a second person is asked");
        assert!(desk.approve(&s.tenant, "local:test", approval, "fine").await.is_err(), "never by the same person");
        desk.approve(&s.tenant, "token:second", approval, "seen").await?;
        assert_eq!(s.case(&case).await?.case.status, "force_closed");
        assert!(told(s, &case).await?.iter().any(|event| event == CaseEvent::ForceClosed.word()));
        Ok(())
    });
}

#[test]
fn case_reopened_after_failed_verification() {
    let faults = fault("again", "bill", "attempt = '1-2'; behaviour = 'reject'; code = 'BILLING_ACCOUNT_INVALID'");
    scenario("s-reopened", &faults, async |s| {
        s.start();
        s.accept(vec![simple("again")]).await?;
        s.until("again", Standing::Parked).await?;
        let case = case_of(s, "again").await?;
        s.retry("again").await?;
        s.wait("its verification has failed", async || {
            Ok(s.attempts_at("again", "bill") == 2 && s.case(&case).await?.case.status == "classified")
        })
        .await?;
        let actions = s.setup.desk.actions(&s.tenant, case.parse()?).await?;
        assert_eq!(actions.iter().map(|a| a.state).collect::<Vec<_>>(), [ActionState::Failed]);
        assert_eq!(case_of(s, "again").await?, case, "it is the same trouble");
        s.until("again", Standing::Parked).await?;
        s.retry("again").await?;
        s.until("again", Standing::Completed).await?;
        s.resolved(&case).await
    });
}
