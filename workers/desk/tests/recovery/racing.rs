//! Many at once: one is taken, the others learn by name that it was not theirs.

use fallout_core::{
    action::{Action, Refusal, command::RecoveryCommand},
    case::CaseState,
};
use fallout_desk::DeskError;

use crate::house::{House, bare, command};

#[tokio::test]
async fn of_fifty_operators_on_one_case_one_wins_and_the_others_are_told() {
    let mut house = House::new(bare).await;
    let case = house.rejected("o-1").await;
    let operators = (0..50).map(|number| {
        let desk = house.desk.clone();
        let action = if number % 2 == 0 { Action::RetryStep } else { Action::CancelOrder };
        let who = format!("local:op-{number}");
        let command = RecoveryCommand { requested_by: who.clone(), ..command(case, action, &format!("key-{number}")) };
        tokio::spawn(async move { desk.command("t", &who, &command).await })
    });
    let (mut won, mut told) = (0, 0);
    for operator in operators.collect::<Vec<_>>() {
        match operator.await.unwrap() {
            Ok(taken) => won += usize::from(!taken.repeated),
            Err(DeskError::Refused(Refusal::ActionUnderWay | Refusal::OrderCancelled)) => told += 1,
            Err(other) => panic!("not by name: {other}"),
        }
    }
    assert_eq!((won, told, house.state(case).await), (1, 49, CaseState::Recovering));
    assert_eq!(house.count("select count(*) from fallout_recovery_action").await, 1);
    assert_eq!(house.count("select count(*) from engine_command where kind = 'recover'").await, 1);
    assert_eq!(house.count("select count(*) from recovery_request where answer = 'refused'").await, 49);
}

#[tokio::test]
async fn the_same_command_many_times_at_once_is_one_action() {
    let mut house = House::new(bare).await;
    let case = house.rejected("o-1").await;
    let senders = (0..20).map(|_| {
        let (desk, command) = (house.desk.clone(), command(case, Action::RetryStep, "one-key"));
        tokio::spawn(async move { desk.command("t", "local:ann", &command).await.unwrap() })
    });
    let mut taken = Vec::new();
    for sender in senders.collect::<Vec<_>>() {
        taken.push(sender.await.unwrap());
    }
    assert!(taken.iter().all(|t| t.action == taken[0].action));
    assert_eq!(taken.iter().filter(|t| !t.repeated).count(), 1);
    assert_eq!(house.count("select count(*) from fallout_recovery_action").await, 1);
}
