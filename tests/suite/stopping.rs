//! An action that comes to a step while its exchange is under way: the exchange ends as it ends, nothing follows it, and what
//! is known by then decides. And the step of a worker that was killed in the middle, taken over.

use fallout::demo::Standing;
use fallout_core::{
    action::{Action, ActionState, Refusal, command::RecoveryCommand},
    case::CaseState,
    step::Outputs,
};
use fallout_tests::{
    Scenario,
    orders::{fault, simple},
    scenario,
};

use crate::{
    program::{run, start},
    recovery::refused,
};

/// Rejected first, so that there is a case; the retry is then under way for two seconds.
fn retried(order: &str, then: &str) -> String {
    let rejected = "attempt = '1'; behaviour = 'reject'; code = 'PRODUCT_NOT_AVAILABLE'";
    [fault(order, "reserve", rejected), fault(order, "reserve", &format!("attempt = '2'; {then}; ms = 1500"))].concat()
}

/// The order's case, once its retry is under way.
async fn under_way(s: &mut Scenario<'_>, order: &str) -> anyhow::Result<String> {
    s.start();
    s.accept(vec![simple(order)]).await?;
    s.until(order, Standing::Parked).await?;
    let case = s.case_of(order).await?.case_number;
    s.retry(order).await?;
    s.wait("the retry is under way", async || Ok(s.attempts_at(order, "reserve") == 2)).await?;
    Ok(case)
}

async fn states(s: &Scenario<'_>, case: &str) -> anyhow::Result<Vec<(Action, ActionState)>> {
    let actions = s.setup.desk.actions(&s.tenant, case.parse()?).await?;
    Ok(actions.into_iter().map(|a| (a.action, a.state)).collect())
}

#[test]
fn a_retry_that_comes_to_an_exchange_that_succeeds_is_refused_and_the_order_goes_on() {
    scenario("stop-success", &retried("good", "behaviour = 'slow'"), async |s| {
        let case = under_way(s, "good").await?;
        s.recover(&case, Action::RetryStep, None, Outputs::new()).await?;
        assert_eq!(states(s, &case).await?[1], (Action::RetryStep, ActionState::Stopping));
        let second = s.recover(&case, Action::CancelOrder, None, Outputs::new()).await;
        assert_eq!(refused(second), Some(Refusal::ActionUnderWay));
        s.until("good", Standing::Completed).await?;
        s.resolved(&case).await?;
        let expected = [(Action::RetryStep, ActionState::Completed), (Action::RetryStep, ActionState::Failed)];
        assert_eq!(states(s, &case).await?, expected);
        let why = s.setup.desk.actions(&s.tenant, case.parse()?).await?[1].result.clone().unwrap_or_default();
        assert_eq!(why["refusal"], "applied", "{why}");
        let known = s.case(&case).await?.fields;
        let known = (known.verification.as_deref(), known.verified_by.as_deref());
        assert_eq!(known, (Some("machine"), Some("a lookup at inventory")), "it was asked whether it is there");
        assert_eq!((s.attempts_at("good", "reserve"), s.book_of("good", "reserve")?.len()), (2, 1));
        Ok(())
    });
}

#[test]
fn a_skip_that_comes_to_an_exchange_that_fails_has_the_step_and_no_retry_follows() {
    scenario("stop-failure", &retried("bad", "behaviour = 'unavailable_late'"), async |s| {
        let case = under_way(s, "bad").await?;
        let outputs = Outputs::from([("reservationId".to_owned(), "BY-HAND".into())]);
        s.recover(&case, Action::SkipStep, None, outputs).await?;
        s.until("bad", Standing::Completed).await?;
        s.resolved(&case).await?;
        let expected = [(Action::RetryStep, ActionState::Failed), (Action::SkipStep, ActionState::Completed)];
        assert_eq!(states(s, &case).await?, expected);
        assert_eq!((s.attempts_at("bad", "reserve"), s.book_of("bad", "reserve")?.len()), (2, 0));
        Ok(())
    });
}

#[test]
fn an_action_taken_back_during_the_exchange_leaves_the_retries_to_go_on() {
    scenario("stop-withdrawn", &retried("on", "behaviour = 'unavailable_late'"), async |s| {
        let case = under_way(s, "on").await?;
        let outputs = Outputs::from([("reservationId".to_owned(), "BY-HAND".into())]);
        let taken = s.recover(&case, Action::SkipStep, None, outputs).await?;
        let back = s.setup.desk.withdraw(&s.tenant, "local:test", taken.action, "not needed").await?;
        assert_eq!(back.state, CaseState::Verifying);
        s.until("on", Standing::Completed).await?;
        s.resolved(&case).await?;
        let expected = [(Action::RetryStep, ActionState::Completed), (Action::SkipStep, ActionState::Withdrawn)];
        assert_eq!(states(s, &case).await?, expected);
        assert_eq!((s.attempts_at("on", "reserve"), s.book_of("on", "reserve")?.len()), (3, 1));
        Ok(())
    });
}

#[test]
fn the_step_of_a_worker_that_was_killed_in_the_middle_is_taken_over_and_asked_about() {
    let faults = retried("dead", "behaviour = 'slow'");
    scenario("takeover", &faults, async |s| {
        let (watch, worker) = (start(s, &["watch"])?, start(s, &["worker", "run"])?);
        s.accept(vec![simple("dead")]).await?;
        s.until("dead", Standing::Parked).await?;
        let case = s.case_of("dead").await?.case_number;
        s.retry("dead").await?;
        s.wait("the retry is under way", async || Ok(s.attempts_at("dead", "reserve") == 2)).await?;
        worker.signal(libc::SIGKILL);
        worker.ended().await?;
        let command = |key: &str| RecoveryCommand {
            idempotency_key: key.into(),
            fallout_case_id: case.clone(),
            action: "reconcile".into(),
            reason: "its host is gone".into(),
            requested_by: "local:test".into(),
            takeover: true,
            ..Default::default()
        };
        let early = s.setup.desk.command(&s.tenant, "local:test", &command("early")).await;
        assert!(matches!(refused(early), Some(Refusal::SenderAtWork(_))));
        s.wait("its time is over, and a senior has the step", async || {
            Ok(s.setup.desk.command(&s.tenant, "local:test", &command("over")).await.is_ok())
        })
        .await?;
        s.wait("the downstream said what became of it", async || {
            Ok(s.case(&case).await?.case.recommended_action.as_deref() == Some(Action::ResumeWorkflow.word()))
        })
        .await?;
        let shown = run(s, &["case", "show", &case]).await?.stdout;
        assert!(shown.contains("taken over by local:test: its host is gone"), "{shown}");
        s.recover(&case, Action::ResumeWorkflow, None, Outputs::new()).await?;
        let worker = start(s, &["worker", "run"])?;
        s.until("dead", Standing::Completed).await?;
        assert_eq!(s.attempts_at("dead", "reserve"), 2, "the effect was made once, by the worker that died");
        worker.stopped().await?;
        watch.stopped().await.map(drop)
    });
}
