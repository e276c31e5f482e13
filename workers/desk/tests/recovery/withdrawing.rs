//! Taking back: until the relay has the command, and as if it had not been asked for.

use fallout_core::{
    action::{Action, ActionState},
    case::{CaseEvent, CaseState},
};
use fallout_desk::CaseCommand;

use crate::house::{ANN, House, TENANT, bare, command, refused};

#[tokio::test]
async fn an_action_is_taken_back_until_the_relay_has_it() {
    let mut house = House::new(bare).await;
    let case = house.rejected("o-1").await;
    let ask = CaseCommand { tenant: TENANT, principal: ANN, case, if_version: None, key: None };
    house.desk.take(&ask).await.unwrap();
    let taken = house.give(&command(case, Action::RetryStep, "k-1")).await.unwrap();
    let back = house.desk.withdraw(TENANT, "local:bob", taken.action, "wrong case").await.unwrap();
    assert_eq!((back.state, back.already), (CaseState::InProgress, false), "who had it has it again");
    assert!(house.desk.withdraw(TENANT, "local:bob", taken.action, "wrong case").await.unwrap().already);
    let events = house.since(case).await;
    assert_eq!(events.last(), Some(&CaseEvent::ActionWithdrawn), "{events:?}");
    let action = house.desk.actions(TENANT, case).await.unwrap().remove(0);
    assert_eq!(action.state, ActionState::Withdrawn);
    assert!(
        house.desk.take_commands(10).await.unwrap().iter().all(|c| c.command.kind() != "recover"),
        "it is never sent"
    );

    // The gate is free: another action is taken, and the relay takes that one.
    let second = house.give(&command(case, Action::RetryStep, "k-2")).await.unwrap();
    let sent = house.desk.take_commands(10).await.unwrap();
    assert_eq!(sent.iter().filter(|c| c.command.kind() == "recover").count(), 1);
    let late = refused(house.desk.withdraw(TENANT, ANN, second.action, "too late").await);
    assert!(late.contains("was sent to the engine already"), "{late}");
    assert_eq!(house.state(case).await, CaseState::Recovering);
    let refusals = "select count(*) from recovery_request where kind = 'withdraw' and refusal = 'sent_already'";
    assert_eq!(house.count(refusals).await, 1);
}

#[tokio::test]
async fn a_relay_and_who_takes_back_never_both_win() {
    let mut house = House::new(bare).await;
    for number in 0..10 {
        let case = house.rejected(&format!("o-{number}")).await;
        let taken = house.give(&command(case, Action::RetryStep, &format!("k-{number}"))).await.unwrap();
        let (relay, person) = (house.desk.clone(), house.desk.clone());
        let relay = tokio::spawn(async move { relay.take_commands(50).await.unwrap() });
        let person = tokio::spawn(async move { person.withdraw(TENANT, ANN, taken.action, "no").await.is_ok() });
        let sent = relay.await.unwrap().iter().any(|c| c.command.kind() == "recover");
        assert_ne!(sent, person.await.unwrap(), "order {number}");
    }
    assert_eq!(house.count("select count(*) from engine_command where state = 'withdrawn' and tries > 0").await, 0);
}

#[tokio::test]
async fn what_is_unknown_over_or_a_cancellation_is_not_taken_back() {
    let house = House::new(bare).await;
    let case = house.rejected("o-1").await;
    let nobody = fallout_core::ids::ActionId(uuid::Uuid::nil());
    assert!(refused(house.desk.withdraw(TENANT, ANN, nobody, "x").await).contains("there is no action"));
    let cancel = house.give(&command(case, Action::CancelOrder, "k")).await.unwrap();
    let said = refused(house.desk.withdraw(TENANT, ANN, cancel.action, "x").await);
    assert!(said.contains("cannot be taken back"), "{said}");
    let foreign = house.desk.withdraw("other", ANN, cancel.action, "x").await;
    assert!(refused(foreign).contains("for this tenant"));
    assert!(refused(house.desk.withdraw(TENANT, ANN, cancel.action, " ").await).contains("reason"));
}
