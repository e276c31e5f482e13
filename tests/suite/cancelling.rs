//! Cancelling: lines drain, then the order's own process takes back what exists, latest effect first, and ends when nothing
//! is left.

use fallout::demo::Standing;
use fallout_core::{
    action::{Action, Refusal},
    ids::StepKey,
    step::{Outputs, StepState},
};
use fallout_desk::StepView;
use fallout_sandbox::Effect;
use fallout_tests::{
    Scenario,
    orders::{LineOf, fault, order, simple},
    scenario,
};

use crate::recovery::refused;

const REJECT: &str = "behaviour = 'reject'\ncode = 'PRODUCT_NOT_AVAILABLE'";

fn line(line: &str, what: &str) -> String {
    format!("[[fault]]\nstep = 'provision'\nline = '{line}'\n{what}\n")
}

fn undoing(order: &str, step: &str, what: &str) -> String {
    fault(order, step, &format!("direction = 'undo'; {what}"))
}

async fn cancel(s: &Scenario<'_>, case: &str) -> anyhow::Result<Vec<String>> {
    let taken = s.recover(case, Action::CancelOrder, None, Outputs::new()).await?;
    Ok(taken.also.iter().map(ToString::to_string).collect())
}

/// What the book says was taken back of an order, as `step` or `step/line`, in that order.
fn taken_back(s: &Scenario<'_>, order: &str) -> anyhow::Result<Vec<String>> {
    let name = |e: Effect| if e.line.is_empty() { e.step } else { format!("{}/{}", e.step, e.line) };
    Ok(s.book()?.into_iter().filter(|e| e.order == order && e.direction == "undo").map(name).collect())
}

/// The step that takes the effect of another back.
async fn undo_of(s: &Scenario<'_>, order: &str, line: &str, step: &str) -> anyhow::Result<Option<StepView>> {
    let Some(made) = s.step(order, line, step).await? else { return Ok(None) };
    let key = StepKey::of(&made.step.identity.undoing());
    Ok(s.ledger().await?.into_iter().flat_map(|v| v.steps).find(|v| v.step.key == key))
}

async fn wait_for_undo(s: &Scenario<'_>, order: &str, step: &str, state: StepState) -> anyhow::Result<StepView> {
    s.wait(&format!("the undo of {step} is {state}"), async || {
        Ok(undo_of(s, order, "", step).await?.is_some_and(|v| v.step.state == state))
    })
    .await?;
    Ok(undo_of(s, order, "", step).await?.expect("it was just seen"))
}

#[test]
fn a_cancelled_order_without_effects_ends_at_once() {
    let faults = [
        fault("address", "validate", "behaviour = 'reject'; code = 'ADDRESS_NOT_SERVICEABLE'"),
        fault("unsigned", "contract", "behaviour = 'reject'; code = 'CONTRACT_NOT_SIGNED'"),
    ];
    scenario("cancel", &faults.concat(), async |s| {
        s.start();
        s.accept(vec![simple("address"), simple("unsigned")]).await?;
        for order in ["address", "unsigned"] {
            s.until(order, Standing::Parked).await?;
            let case = s.case_of(order).await?.case_number;
            s.recover(&case, Action::CancelOrder, None, Outputs::new()).await?;
        }
        for order in ["address", "unsigned"] {
            s.until(order, Standing::Cancelled).await?;
            s.resolved(&s.cases_of(order).await?[0].case_number).await?;
        }
        assert!(s.book()?.is_empty());
        Ok(())
    });
}

#[test]
fn five_lines_in_five_states_at_the_cancel_drain_and_every_effect_is_taken_back_once() {
    let lines: &[LineOf] = &[
        ("done", "add", &[]),
        ("running", "modify", &["done"]),
        ("parked", "delete", &[]),
        ("unknown", "add", &[]),
        ("waits", "add", &["parked"]),
    ];
    let faults = [
        line("running", "behaviour = 'accepted'\nafter_ms = 5000"),
        line("parked", REJECT),
        line("unknown", "attempt = '1'\nbehaviour = 'timeout_after'\nlookup_after_ms = 4500"),
        // Its answer is lost, and the one of the reservation is refused once: each undo has its own recovery.
        line("done", "direction = 'undo'\nattempt = '1'\nbehaviour = 'cut_after'"),
        undoing("five", "reserve", "attempt = '1-4'; behaviour = 'unavailable_before'"),
    ];
    scenario("five-lines", &faults.concat(), async |s| {
        s.start();
        s.accept(vec![order("five", lines)]).await?;
        let state = async |line| Ok::<_, anyhow::Error>(s.step("five", line, "provision").await?.map(|v| v.step.state));
        let looked_up = || {
            let arrivals = s.sandbox.arrivals();
            arrivals.iter().any(|(at, n)| at.line == "unknown" && n.lookups > 0)
        };
        s.wait("the lines stand in five states", async || {
            let settled = [state("done").await?, state("parked").await?];
            let moving = [state("running").await?, state("unknown").await?];
            Ok(settled == [Some(StepState::Done), Some(StepState::Parked)]
                && moving == [Some(StepState::AwaitingCallback), Some(StepState::Running)]
                && looked_up())
        })
        .await?;
        assert_eq!(state("waits").await?, None);
        let case = s.step("five", "parked", "provision").await?.and_then(|v| v.step.case).unwrap().to_string();
        assert!(cancel(s, &case).await?.is_empty());

        let parked = wait_for_undo(s, "five", "reserve", StepState::Parked).await?;
        for line in ["running", "unknown"] {
            assert_eq!(state(line).await?, Some(StepState::Done), "{line}: what runs is not interrupted");
        }
        assert_eq!(state("waits").await?, None, "what has not begun does not begin");
        let back = taken_back(s, "five")?;
        let at = |name: &str| back.iter().position(|n| *n == format!("provision/{name}")).unwrap();
        assert!(at("running") < at("done"), "what relied on it goes first: {back:?}");
        assert_eq!(back.len(), 3, "{back:?}");
        let case = parked.step.case.unwrap().to_string();
        assert_eq!(
            refused(s.recover(&case, Action::CancelOrder, None, Outputs::new()).await),
            Some(Refusal::OnlySkip(Action::CancelOrder))
        );
        s.recover(&case, Action::RetryStep, None, Outputs::new()).await?;
        s.until("five", Standing::Cancelled).await?;
        assert_eq!(taken_back(s, "five")?.last().map(String::as_str), Some("reserve"));
        for effect in s.book()?.iter().filter(|e| e.direction == "do") {
            let undone = s.step("five", &effect.line, &effect.step).await?.unwrap().step.undone;
            assert!(undone, "{} {}", effect.step, effect.line);
        }
        assert!(s.cases().await?.is_empty());
        Ok(())
    });
}

#[test]
fn a_parked_sibling_goes_with_the_order_and_an_undo_that_is_done_outside_is_attested() {
    let lines: &[LineOf] = &[("parked", "add", &[]), ("never", "modify", &["parked"]), ("also", "delete", &[])];
    let faults = [
        line("parked", REJECT),
        line("also", REJECT),
        undoing("drain", "reserve", "behaviour = 'reject'; code = 'PRODUCT_NOT_AVAILABLE'"),
    ];
    scenario("drain", &faults.concat(), async |s| {
        s.start();
        s.accept(vec![order("drain", lines)]).await?;
        s.until("drain", Standing::Parked).await?;
        let case = s.step("drain", "parked", "provision").await?.and_then(|v| v.step.case).unwrap().to_string();
        let also = s.step("drain", "also", "provision").await?.and_then(|v| v.step.case).unwrap().to_string();
        assert_eq!(cancel(s, &case).await?, [also], "the other parked line goes with the order");

        let parked = wait_for_undo(s, "drain", "reserve", StepState::Parked).await?;
        let case = parked.step.case.unwrap().to_string();
        for attest in [None, Some(true)] {
            let skip = s.recover(&case, Action::SkipStep, attest, Outputs::new()).await;
            assert!(matches!(refused(skip), Some(Refusal::NotUndone | Refusal::NothingToAttest)), "{attest:?}");
        }
        s.recover(&case, Action::SkipStep, Some(false), Outputs::new()).await?;
        s.until("drain", Standing::Cancelled).await?;
        assert!(s.step("drain", "", "reserve").await?.unwrap().step.undone);
        assert!(taken_back(s, "drain")?.is_empty() && s.cases().await?.is_empty());
        Ok(())
    });
}

#[test]
fn past_the_point_of_no_return_a_cancellation_is_refused_by_name() {
    let faults = fault("late", "notify", "attempt = '1'; behaviour = 'bad_request'");
    scenario("no-return", &faults, async |s| {
        s.start();
        s.accept(vec![simple("late")]).await?;
        s.until("late", Standing::Parked).await?;
        let case = s.case_of("late").await?.case_number;
        let taken = s.recover(&case, Action::CancelOrder, None, Outputs::new()).await;
        assert_eq!(refused(taken), Some(Refusal::PastNoReturn("payment.capture".into())));
        assert!(!s.ledger().await?[0].run.cancel_requested, "a refused command changes nothing");
        s.retry("late").await?;
        s.until("late", Standing::Completed).await
    });
}
