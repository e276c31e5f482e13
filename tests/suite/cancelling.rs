//! Cancelling: lines drain, and an order whose effects exist waits until each of them is undone.

use fallout::demo::Standing;
use fallout_core::{
    action::{Action, Refusal},
    step::{Outputs, StepState},
};
use fallout_tests::{
    Scenario,
    orders::{LineOf, fault, order, simple},
    scenario,
};

use crate::recovery::refused;

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
fn a_cancelled_order_drains_its_lines_and_waits_until_every_effect_is_undone() {
    let lines: &[LineOf] =
        &[("parked", "add", &[]), ("late", "add", &[]), ("never", "modify", &["parked"]), ("also", "delete", &[])];
    let line = |line: &str, what: &str| format!("[[fault]]\nstep = 'provision'\nline = '{line}'\n{what}\n");
    let reject = "behaviour = 'reject'\ncode = 'PRODUCT_NOT_AVAILABLE'";
    let faults =
        [line("parked", reject), line("also", reject), line("late", "behaviour = 'accepted'\nafter_ms = 3000")];
    scenario("drain", &faults.concat(), async |s| {
        s.start();
        s.accept(vec![order("drain", lines)]).await?;
        let state =
            async |line| Ok::<_, anyhow::Error>(s.step("drain", line, "provision").await?.map(|v| v.step.state));
        s.wait("two lines are parked and one is under way", async || {
            let parked = [state("parked").await?, state("also").await?] == [Some(StepState::Parked); 2];
            Ok(parked && state("late").await? == Some(StepState::AwaitingCallback))
        })
        .await?;
        let case = s.step("drain", "parked", "provision").await?.and_then(|v| v.step.case).unwrap().to_string();
        let also = s.step("drain", "also", "provision").await?.and_then(|v| v.step.case).unwrap();
        let taken = s.recover(&case, Action::CancelOrder, None, Outputs::new()).await?;
        assert_eq!(taken.also, [also], "the other parked line goes with the order");

        s.until("drain", Standing::Parked).await?;
        assert_eq!(state("late").await?, Some(StepState::Done), "a line under way is not interrupted");
        assert_eq!(s.book_of("drain", "provision")?.len(), 1);
        assert_eq!(state("never").await?, None, "what has not begun does not begin");
        undo(s).await?;
        s.until("drain", Standing::Cancelled).await?;
        assert!(s.cases().await?.is_empty());
        Ok(())
    });
}

/// One case per effect, and each takes nothing but the attestation that its effect is gone.
async fn undo(s: &Scenario<'_>) -> anyhow::Result<()> {
    let all = s.cases_of("drain").await?;
    let open: Vec<_> = all.iter().filter(|c| c.status != "resolved").collect();
    let mut steps: Vec<_> = open.iter().filter_map(|c| c.step.as_deref()).collect();
    steps.sort();
    assert_eq!(steps, ["provision", "reserve"]);
    for case in open {
        assert_eq!((case.classification.as_deref(), case.category.as_str()), (Some("UNDO_REQUIRED"), "COMPENSATION"));
        let refusal =
            async |action, attest| refused(s.recover(&case.case_number, action, attest, Outputs::new()).await);
        assert_eq!(refusal(Action::RetryStep, None).await, Some(Refusal::OnlySkip(Action::RetryStep)));
        assert_eq!(refusal(Action::SkipStep, None).await, Some(Refusal::NotUndone));
        assert_eq!(refusal(Action::SkipStep, Some(true)).await, Some(Refusal::NotUndone));
        assert_eq!(s.standing("drain").await?, Standing::Parked);
        s.recover(&case.case_number, Action::SkipStep, Some(false), Outputs::new()).await?;
    }
    Ok(())
}
