//! An order or a line that is held: nothing new is sent for it, no action would only wait, and it goes on when released.

use fallout_core::{
    action::{Action, Refusal},
    case::CaseEvent,
    claim::Claim,
    context::{ItemState, OrderState},
};
use fallout_desk::{DeskError, HoldCommand};

use crate::house::{ANN, House, TENANT, bare, command, prepared, refused, task};

fn ask<'a>(order: &'a str, line: Option<&'a str>) -> HoldCommand<'a> {
    HoldCommand { tenant: TENANT, principal: ANN, order, line, reason: "the customer moves" }
}

async fn sends(house: &House, order: &str, line: &str) -> bool {
    match house.desk.claim(&task(order, line), Some(Ok(prepared()))).await.unwrap() {
        Claim::Fresh(_) => true,
        Claim::Withheld { .. } => false,
        other => panic!("{other:?}"),
    }
}

async fn stands(house: &House, order: &str) -> (OrderState, Vec<ItemState>) {
    let view = house.desk.order(TENANT, order).await.unwrap();
    (view.state.unwrap(), view.lines.iter().map(|l| l.state.unwrap()).collect())
}

#[tokio::test]
async fn a_held_line_sends_nothing_while_its_sibling_goes_on_and_goes_on_when_released() {
    let mut house = House::new(bare).await;
    house.order("o-1").await;
    let held = house.desk.hold_order(&ask("o-1", Some("1"))).await.unwrap();
    assert!(held.held && !held.already);
    assert!(house.desk.hold_order(&ask("o-1", Some("1"))).await.unwrap().already);
    let together = house.desk.claim_all(&[(&task("o-1", "1"), Some(&Ok(prepared())))]).await.unwrap();
    assert!(together[0].is_none(), "{together:?}");
    assert!(!sends(&house, "o-1", "1").await && sends(&house, "o-1", "2").await);
    assert_eq!(stands(&house, "o-1").await, (OrderState::InProgress, vec![ItemState::Held, ItemState::InProgress]));
    let rewritten = house.tried("update order_hold set reason = 'another'").await.unwrap_err();
    assert!(rewritten.starts_with("order_hold_is_what_was_said"), "{rewritten}");

    assert!(house.desk.release_order(&ask("o-1", None)).await.unwrap().already, "the order itself is not held");
    assert!(!house.desk.release_order(&ask("o-1", Some("1"))).await.unwrap().already);
    assert!(sends(&house, "o-1", "1").await);
    assert_eq!(stands(&house, "o-1").await.1, [ItemState::InProgress, ItemState::InProgress]);
    let undone =
        house.tried("update order_hold set released_at = null, released_by = null, release_reason = null").await;
    assert!(undone.unwrap_err().starts_with("order_hold_is_what_was_said"));
}

#[tokio::test]
async fn a_held_order_takes_no_recovery_but_its_cancellation_and_its_cases_say_so() {
    let house = House::new(bare).await;
    let case = house.rejected("o-1").await;
    let held = house.desk.hold_order(&ask("o-1", None)).await.unwrap();
    assert_eq!(held.cases, [case]);
    assert_eq!(house.since(case).await, [CaseEvent::Noted]);
    assert_eq!(stands(&house, "o-1").await, (OrderState::Held, vec![ItemState::Held, ItemState::Held]));
    let retried = house.give(&command(case, Action::RetryStep, "k-1")).await;
    assert!(matches!(retried, Err(DeskError::Refused(Refusal::Held))), "{retried:?}");
    assert_eq!(house.latest(case).await, "order_held");
    house.give(&command(case, Action::CancelOrder, "k-2")).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_held_is_refused_by_name() {
    let house = House::new(bare).await;
    let run = house.order("o-1").await;
    let refusal = async |ask: HoldCommand<'static>| refused(house.desk.hold_order(&ask).await);
    assert!(refusal(ask("nowhere", None)).await.contains("nowhere"));
    assert!(refusal(ask("o-1", Some("7"))).await.contains("no line 7"));
    assert!(refusal(HoldCommand { reason: "", ..ask("o-1", None) }).await.contains("reason"));
    house.desk.run_ended(run, "completed", "orderCompleted").await.unwrap();
    assert!(matches!(house.desk.hold_order(&ask("o-1", None)).await, Err(DeskError::NotUnderWay(_))));
}
