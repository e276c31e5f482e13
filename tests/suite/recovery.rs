//! Recoveries: what each does, what it is refused for, and what a case shows of it afterwards.

use std::collections::BTreeMap;

use fallout::demo::Standing;
use fallout_camunda::{Correlation, IncidentQuery, MessageCorrelation, Variables};
use fallout_core::{
    action::{Action, ActionState, Refusal},
    case::CaseEvent,
    command::{ACTION_VARIABLE, INCIDENT_TYPE, NO_ACTION, RECOVERY_MESSAGE},
    ids::ActionId,
    step::{Outputs, StepState},
};
use fallout_desk::DeskError;
use fallout_tests::{
    Scenario,
    orders::{fault, simple},
    scenario,
};
use uuid::Uuid;

/// What became of a command, in a form that can be compared.
pub fn refused<T>(taken: Result<T, DeskError>) -> Option<Refusal> {
    match taken {
        Ok(_) => None,
        Err(DeskError::Refused(refusal)) => Some(refusal),
        Err(other) => panic!("refused in another way: {other}"),
    }
}

/// The events of these kinds, as they followed each other in the case.
async fn events(s: &Scenario<'_>, case: &str, kinds: &[CaseEvent]) -> Vec<String> {
    let timeline = s.case(case).await.unwrap().timeline;
    timeline.into_iter().map(|e| e.event).filter(|e| kinds.iter().any(|k| k.word() == e)).collect()
}

fn words(events: &[CaseEvent]) -> Vec<String> {
    events.iter().map(|e| e.word().to_owned()).collect()
}

const RECOVERY: [CaseEvent; 5] = [
    CaseEvent::ActionRequested,
    CaseEvent::ActionStarted,
    CaseEvent::ActionCompleted,
    CaseEvent::ActionFailed,
    CaseEvent::Resolved,
];

/// Generations of the effects of a step.
fn generations(s: &Scenario<'_>, order: &str, step: &str) -> Vec<u32> {
    s.book_of(order, step).unwrap().iter().map(|e| e.generation).collect()
}

#[test]
fn a_retry_repeats_the_intent_unless_it_was_rejected_and_resolves_the_case() {
    let faults = [
        fault("rejected", "reserve", "attempt = '1'; behaviour = 'reject'; code = 'PRODUCT_NOT_AVAILABLE'"),
        fault("defect", "bill", "attempt = '1'; behaviour = 'unauthorised'"),
        fault("exhausted", "bill", "attempt = '1-4'; behaviour = 'unavailable_before'"),
        fault(
            "later",
            "provision",
            "attempt = '1'; behaviour = 'accepted'; after_ms = 100; code = 'PRODUCT_NOT_AVAILABLE'",
        ),
    ];
    let rows = [("rejected", "reserve", 2), ("defect", "bill", 2), ("exhausted", "bill", 1), ("later", "provision", 2)];
    scenario("retry", &faults.concat(), async |s| {
        s.start();
        s.accept(rows.iter().map(|(order, ..)| simple(order)).collect()).await?;
        let mut cases = BTreeMap::new();
        for (order, ..) in rows {
            s.until(order, Standing::Parked).await?;
            cases.insert(order, s.case_of(order).await?.case_number);
            s.retry(order).await?;
        }
        for (order, step, generation) in rows {
            s.until(order, Standing::Completed).await?;
            assert_eq!(generations(s, order, step), [generation], "{order}");
            s.resolved(&cases[order]).await?;
            let expected =
                [CaseEvent::ActionRequested, CaseEvent::ActionStarted, CaseEvent::ActionCompleted, CaseEvent::Resolved];
            assert_eq!(events(s, &cases[order], &RECOVERY).await, words(&expected), "{order}");
            assert_eq!(s.cases_of(order).await?.len(), 1, "{order}: one trouble, one case");
        }
        Ok(())
    });
}

#[test]
fn a_read_has_no_attempt_and_its_trouble_a_case_that_takes_a_retry_all_the_same() {
    let faults = fault("unread", "contract", "attempt = '1-4'; behaviour = 'unavailable_before'");
    scenario("read", &faults, async |s| {
        s.accept(vec![simple("unread")]).await?;
        s.start();
        s.until("unread", Standing::Parked).await?;
        let case = s.case_of("unread").await?.case_number;
        assert_eq!(s.attempts_at("unread", "contract"), 4, "the operation's own number of tries");
        s.retry("unread").await?;
        s.until("unread", Standing::Completed).await?;
        let shown = s.case(&case).await?;
        assert_eq!(shown.case.status, "resolved");
        assert!(shown.attempts.is_empty(), "a read went through the ledger");
        Ok(())
    });
}

#[test]
fn a_retry_that_fails_again_returns_the_case_to_its_worklist() {
    let faults = fault("again", "bill", "attempt = '1-2'; behaviour = 'reject'; code = 'BILLING_ACCOUNT_INVALID'");
    scenario("again", &faults, async |s| {
        s.start();
        s.accept(vec![simple("again")]).await?;
        s.until("again", Standing::Parked).await?;
        let case = s.case_of("again").await?.case_number;
        s.retry("again").await?;
        s.wait("the retry was rejected too", async || {
            Ok(s.attempts_at("again", "bill") == 2 && s.case(&case).await?.case.status == "classified")
        })
        .await?;
        assert_eq!(s.case_of("again").await?.case_number, case, "the same trouble is the same case");
        let actions = s.setup.desk.actions(&s.tenant, case.parse()?).await?;
        assert_eq!(actions.iter().map(|a| a.state).collect::<Vec<_>>(), [ActionState::Failed]);

        s.until("again", Standing::Parked).await?;
        s.retry("again").await?;
        s.until("again", Standing::Completed).await?;
        assert_eq!(generations(s, "again", "bill"), [3]);
        use CaseEvent as E;
        let expected = [
            E::ActionRequested,
            E::ActionStarted,
            E::ActionFailed,
            E::ActionRequested,
            E::ActionStarted,
            E::ActionCompleted,
            E::Resolved,
        ];
        assert_eq!(events(s, &case, &RECOVERY).await, words(&expected));
        Ok(())
    });
}

#[test]
fn an_unknown_outcome_takes_only_the_action_that_fits_what_a_person_attests() {
    let faults = [
        fault("sent", "notify", "attempt = '1'; behaviour = 'timeout_after'"),
        fault("not-sent", "notify", "attempt = '1'; behaviour = 'timeout_before'"),
    ];
    scenario("attested", &faults.concat(), async |s| {
        s.start();
        s.accept(vec![simple("sent"), simple("not-sent")]).await?;
        s.until("sent", Standing::Parked).await?;
        s.until("not-sent", Standing::Parked).await?;
        let (sent, not_sent) = (s.case_of("sent").await?.case_number, s.case_of("not-sent").await?.case_number);
        let refusal = async |action, attest| refused(s.recover(&sent, action, attest, Outputs::new()).await);
        for action in [Action::RetryStep, Action::ResumeWorkflow, Action::SkipStep, Action::CancelOrder] {
            assert_eq!(refusal(action, None).await, Some(Refusal::OutcomeUnknown), "{action}");
        }
        assert_eq!(refusal(Action::RetryStep, Some(true)).await, Some(Refusal::Applied));
        assert_eq!(refusal(Action::ResumeWorkflow, Some(false)).await, Some(Refusal::NotApplied));

        s.recover(&sent, Action::ResumeWorkflow, Some(true), Outputs::new()).await?;
        s.recover(&not_sent, Action::RetryStep, Some(false), Outputs::new()).await?;
        for order in ["sent", "not-sent"] {
            s.until(order, Standing::Completed).await?;
            assert_eq!(generations(s, order, "notify"), [1], "{order}");
        }
        assert_eq!((s.attempts_at("sent", "notify"), s.attempts_at("not-sent", "notify")), (1, 2));
        let detail = s.case(&sent).await?;
        let sources: Vec<_> =
            detail.attempts[0].evidence.iter().map(|e| (e["source"].as_str(), e["principal"].as_str())).collect();
        assert_eq!(sources, [(Some("exchange"), None), (Some("attestation"), Some("local:test"))]);
        Ok(())
    });
}

#[test]
fn a_skip_needs_the_outputs_of_later_steps_and_leaves_no_effect() {
    // Capturing takes the authorization's id at once, as soon as the engine has left the step.
    let rows = [("reserve", "reservationId"), ("authorize", "authorizationId")];
    let faults = rows.map(|(step, _)| fault(step, step, "behaviour = 'bad_request'"));
    scenario("skip", &faults.concat(), async |s| {
        s.start();
        s.accept(rows.iter().map(|(step, _)| simple(step)).collect()).await?;
        for (step, output) in rows {
            s.until(step, Standing::Parked).await?;
            let case = s.case_of(step).await?.case_number;
            let without = s.recover(&case, Action::SkipStep, None, Outputs::new()).await;
            assert_eq!(refused(without), Some(Refusal::OutputMissing(output.into())));
            let outputs = Outputs::from([(output.into(), "BY-HAND".into())]);
            s.recover(&case, Action::SkipStep, None, outputs.clone()).await?;
            s.until(step, Standing::Completed).await?;
            s.resolved(&case).await?;
            let skipped = s.step(step, "", step).await?.unwrap().step;
            assert_eq!((skipped.state, skipped.outputs), (StepState::Skipped, outputs));
            assert!(s.book_of(step, step)?.is_empty());
        }
        Ok(())
    });
}

#[test]
fn a_step_takes_one_action_at_a_time_and_a_repeated_command_its_first_answer() {
    let faults = fault("once", "reserve", "attempt = '1'; behaviour = 'bad_request'");
    scenario("once", &faults, async |s| {
        s.start();
        s.accept(vec![simple("once")]).await?;
        s.until("once", Standing::Parked).await?;
        let case = s.case_of("once").await?.case_number;
        // Without a relay the action stays under way for as long as this looks.
        s.stop().await?;
        let desk = &s.setup.desk;
        let first = desk.recover(&s.command(&case, Action::RetryStep, "key-1")).await?;
        let second = desk.recover(&s.command(&case, Action::RetryStep, "key-2")).await;
        assert_eq!(refused(second), Some(Refusal::ActionUnderWay));
        let again = desk.recover(&s.command(&case, Action::RetryStep, "key-1")).await?;
        assert_eq!((again.action, again.repeated, first.repeated), (first.action, true, false));
        let other = desk.recover(&s.command(&case, Action::SkipStep, "key-1")).await;
        assert!(matches!(other, Err(DeskError::KeyReused(_))), "{other:?}");

        s.start();
        s.until("once", Standing::Completed).await?;
        let late = s.setup.desk.recover(&s.command(&case, Action::RetryStep, "key-3")).await;
        assert!(matches!(late, Err(DeskError::CaseIsOver(..))), "{late:?}");
        let again = s.setup.desk.recover(&s.command(&case, Action::RetryStep, "key-1")).await?;
        assert!(again.repeated, "also when the case is over");
        assert_eq!(s.setup.desk.actions(&s.tenant, case.parse()?).await?.len(), 1);
        Ok(())
    });
}

/// The message of a recovery again, as a relay would send it whose first answer was lost.
async fn replay(s: &Scenario<'_>, instance: &str) -> anyhow::Result<Correlation> {
    let keys = Variables::new().with(ACTION_VARIABLE, NO_ACTION);
    let other = ActionId(Uuid::now_v7()).to_string();
    let set = Variables::new().with(ACTION_VARIABLE, other).with("recoveryAction", Action::RetryStep.word());
    let message = MessageCorrelation {
        message_name: RECOVERY_MESSAGE,
        process_instance_id: instance,
        correlation_keys: &keys,
        process_variables: &set,
    };
    Ok(s.setup.engine.correlate_message(&message).await?)
}

#[test]
fn a_recovery_replayed_after_its_re_dispatch_meets_nobody() {
    let faults = [
        fault("replay", "bill", "attempt = '1'; behaviour = 'bad_request'"),
        fault("replay", "bill", "attempt = '2'; behaviour = 'slow'; ms = 1500"),
    ];
    scenario("replay", &faults.concat(), async |s| {
        s.start();
        s.accept(vec![simple("replay")]).await?;
        s.until("replay", Standing::Parked).await?;
        let case = s.case_of("replay").await?.case_number;
        let instance = s.step("replay", "", "bill").await?.unwrap().step.process_instance_id;
        s.retry("replay").await?;
        s.wait("the retry is under way", async || Ok(s.attempts_at("replay", "bill") == 2)).await?;
        let running = replay(s, &instance).await?;
        assert!(matches!(running, Correlation::NoMatch { .. }), "it would interrupt the retry: {running:?}");
        s.until("replay", Standing::Completed).await?;
        let over = replay(s, &instance).await?;
        assert!(matches!(over, Correlation::NoMatch { .. }), "{over:?}");
        assert_eq!((s.attempts_at("replay", "bill"), generations(s, "replay", "bill")), (2, vec![2]));
        s.resolved(&case).await?;
        Ok(())
    });
}

#[test]
fn a_rejected_step_that_waits_for_a_recovery_shows_its_case_in_the_engine() {
    let faults = fault("shown", "bill", "attempt = '1'; behaviour = 'reject'; code = 'BILLING_ACCOUNT_INVALID'");
    scenario("shown", &faults, async |s| {
        s.start();
        s.accept(vec![simple("shown")]).await?;
        s.until("shown", Standing::Parked).await?;
        let case = s.case_of("shown").await?.case_number;
        let instance = s.step("shown", "", "bill").await?.unwrap().step.process_instance_id;
        let query = IncidentQuery {
            process_instance_id: Some(&instance),
            incident_type: Some(INCIDENT_TYPE),
            ..Default::default()
        };
        s.wait("the case is an incident", async || Ok(!s.setup.engine.incidents(&query).await?.is_empty())).await?;
        let incidents = s.setup.engine.incidents(&query).await?;
        assert_eq!(incidents.len(), 1);
        assert_eq!(incidents[0].configuration.as_deref(), Some(case.as_str()));
        assert_eq!(incidents[0].activity_id.as_deref(), Some("awaitRecovery"));

        s.retry("shown").await?;
        s.until("shown", Standing::Completed).await?;
        assert!(s.setup.engine.incidents(&query).await?.is_empty());
        Ok(())
    });
}

#[test]
fn an_effect_that_exists_after_all_is_taken_back_alone_and_the_order_goes_on_without_it() {
    // The deadline passes, a person is asked, and then the effect comes.
    let faults = fault("wrong", "provision", "behaviour = 'accepted'; after_ms = 8000");
    scenario("compensate", &faults, async |s| {
        s.start();
        s.accept(vec![simple("wrong")]).await?;
        s.until("wrong", Standing::Parked).await?;
        let case = s.case_of("wrong").await?.case_number;
        s.wait("the effect is known to exist", async || {
            Ok(s.case(&case).await?.case.recommended_action.as_deref() == Some(Action::ResumeWorkflow.word()))
        })
        .await?;
        let compensate = async |outputs| s.recover(&case, Action::CompensateStep, None, outputs).await;
        assert_eq!(refused(compensate(Outputs::new()).await), Some(Refusal::OutputMissing("serviceId".into())));
        let outputs = Outputs::from([("serviceId".to_owned(), "BY-HAND".into())]);
        compensate(outputs.clone()).await?;
        s.until("wrong", Standing::Completed).await?;
        s.resolved(&case).await?;
        let step = s.step("wrong", "1", "provision").await?.unwrap().step;
        assert_eq!((step.state, step.outputs, step.undone), (StepState::Skipped, outputs, true));
        let book = s.book_of("wrong", "provision")?;
        let told: Vec<_> = book.iter().map(|e| (e.direction.as_str(), e.operation.as_str())).collect();
        assert_eq!(told, [("do", "provisioning.add"), ("undo", "provisioning.cancel")]);
        Ok(())
    });
}
