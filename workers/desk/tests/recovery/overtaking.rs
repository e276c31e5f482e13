//! An order that is cancelled meanwhile overtakes the actions on its other lines.

use fallout_core::{
    action::{Action, ActionState, Attestation, command::RecoveryCommand},
    claim::Claim,
    decide::Verdict,
    evidence::{Evidence, Phase},
    step::Ending,
};

use crate::house::{House, TENANT, bare, command, refused, task};

#[tokio::test]
async fn an_action_that_was_not_sent_gives_way_to_the_cancellation() {
    let house = House::new(bare).await;
    let first = house.rejected("o-1").await;
    let second = house.rejected_line("o-1", "2").await;
    house.give(&command(second, Action::RetryStep, "retry")).await.unwrap();
    let taken = house.give(&command(first, Action::CancelOrder, "cancel")).await.unwrap();
    assert_eq!(taken.also, [second]);
    let states: Vec<_> =
        house.desk.actions(TENANT, second).await.unwrap().iter().map(|a| (a.action, a.state)).collect();
    assert_eq!(states, [(Action::RetryStep, ActionState::Withdrawn), (Action::CancelOrder, ActionState::Requested)]);
    let again = house.give(&command(first, Action::CancelOrder, "cancel")).await.unwrap();
    assert_eq!((again.repeated, again.also), (true, vec![second]), "the first answer, whole");
}

#[tokio::test]
async fn one_that_was_sent_ends_its_step_without_another_try() {
    let house = House::new(bare).await;
    let first = house.rejected("o-1").await;
    let second = house.rejected_line("o-1", "2").await;
    let retry = house.give(&command(second, Action::RetryStep, "retry")).await.unwrap();
    assert!(house.desk.take_commands(10).await.unwrap().iter().any(|c| c.command.kind() == "recover"));
    let taken = house.give(&command(first, Action::CancelOrder, "cancel")).await.unwrap();
    assert_eq!(taken.also, [], "the engine may have gone on with it");
    let mut again = task("o-1", "2");
    again.action = Some(retry.action);
    let claim = house.desk.claim(&again, None).await.unwrap();
    let Claim::Report { verdict: Verdict::End { ending }, .. } = claim else { panic!("{claim:?}") };
    assert_eq!(ending, Ending::Cancelled);
}

#[tokio::test]
async fn what_comes_after_the_cancellation_is_refused_by_name() {
    let house = House::new(bare).await;
    let first = house.rejected("o-1").await;
    let attempt = house.attempt(&task("o-1", "2")).await;
    let lost = Evidence::of(Phase::Sent);
    let unknown = house.desk.record(attempt, &lost, &Err("an answer".into())).await.unwrap().case.unwrap();
    let taken = house.give(&command(first, Action::CancelOrder, "cancel")).await.unwrap();
    assert_eq!(taken.also, [], "what is unknown keeps its case");
    let attestation = Some(Attestation { applied: false, reference: "INC-1".into() });
    let retry = RecoveryCommand { attestation, ..command(unknown, Action::RetryStep, "retry") };
    assert!(refused(house.give(&retry).await).contains("being cancelled"));
    assert_eq!(house.latest(unknown).await, "order_cancelled");
    let cancel = RecoveryCommand { action: "cancel".into(), idempotency_key: "too".into(), ..retry };
    house.give(&cancel).await.unwrap();
}
