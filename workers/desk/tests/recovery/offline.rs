//! A downstream that people declare offline: nothing is sent to it, its cases wait, and at the end lookups come first.

use std::time::Duration;

use fallout_core::{
    action::{Action, Refusal},
    case::{CaseEvent, CaseState},
    claim::Claim,
    ids::CaseNumber,
    lookup::Said,
    offline::Phase,
};
use fallout_desk::{CaseCommand, DeskError, Offline, When};

use crate::house::{ANN, House, TENANT, bare, command, prepared, refused, task};

const PAYMENT: &str = "payment";

fn ask(until_s: u64) -> Offline<'static> {
    Offline { downstream: PAYMENT, operation: None, reason: "INC-1", from: None, until: soon(until_s) }
}

fn soon(seconds: u64) -> When {
    When::In(Duration::from_secs(seconds))
}

async fn phases(house: &House) -> Vec<Phase> {
    house.desk.declared_offline(TENANT, true).await.unwrap().iter().map(|w| w.phase).collect()
}

/// As its controller does, until there is nothing to do.
async fn attend(house: &House) {
    let desk = &house.desk;
    loop {
        let mut done = 0;
        for window in desk.windows_to_attend().await.unwrap() {
            done += usize::from(desk.tell_window(window).await.unwrap());
            for case in desk.cases_to_wait(window, 10).await.unwrap() {
                done += usize::from(desk.wait_for_downstream(window, case).await.unwrap());
            }
            for case in desk.cases_to_return(window, 10).await.unwrap() {
                done += usize::from(desk.return_from_downstream(window, case).await.unwrap());
            }
        }
        if done == 0 {
            return;
        }
    }
}

async fn claims(house: &House, order: &str) -> Claim {
    house.desk.claim(&task(order, "1"), Some(Ok(prepared()))).await.unwrap()
}

async fn retry(house: &House, case: CaseNumber, key: &str) -> Result<fallout_desk::Taken, DeskError> {
    house.give(&command(case, Action::RetryStep, key)).await
}

#[tokio::test]
async fn nothing_is_sent_and_its_cases_wait_with_their_clocks_until_it_is_back() {
    let mut house = House::new(bare).await;
    let case = house.rejected("parked").await;
    house.order("new").await;
    let declared = house.desk.declare_offline(TENANT, ANN, &ask(3_600)).await.unwrap();
    assert_eq!((declared.already, declared.view.phase), (false, Phase::Offline));
    attend(&house).await;

    let withheld = claims(&house, "new").await;
    assert!(matches!(withheld, Claim::Withheld { .. }), "{withheld:?}");
    let all = house.desk.claim_all(&[(&task("new", "2"), Some(&Ok(prepared())))]).await.unwrap();
    assert!(all[0].is_none(), "not together with others either: {all:?}");
    let closed = house.desk.closed_operations().await.unwrap();
    assert!(closed.names.contains("payment.capture") && closed.changes_in.is_some(), "{closed:?}");

    assert_eq!(house.state(case).await, CaseState::Waiting);
    assert_eq!(house.since(case).await, [CaseEvent::Waiting]);
    let paused = "select count(*) from case_sla_segment where kind = 'paused' and to_at is null";
    assert_eq!(house.count(paused).await, 1);
    let refusal = retry(&house, case, "k-1").await;
    assert!(matches!(refusal, Err(DeskError::Refused(Refusal::Offline(_)))), "{refusal:?}");
    assert_eq!(house.latest(case).await, "downstream_offline");

    house.desk.declare_online(TENANT, ANN, PAYMENT, None, "the vendor is back").await.unwrap();
    attend(&house).await;
    assert_eq!(house.state(case).await, CaseState::Assigned);
    assert_eq!(phases(&house).await, [Phase::Over]);
    assert!(matches!(claims(&house, "new").await, Claim::Fresh(_)));
    assert!(retry(&house, case, "k-2").await.is_ok());
    let published = "select count(*) from event_outbox where subject = 'payment' and event_type = 'FalloutDownstream";
    assert_eq!(house.count(&format!("{published}Offline'")).await, 1);
    assert_eq!(house.count(&format!("{published}Online'")).await, 1);
    assert_eq!(house.count("select count(*) from downstream_entry").await, 5);
}

#[tokio::test]
async fn a_planned_time_begins_by_itself_its_end_moves_and_another_over_it_is_refused() {
    let mut house = House::new(bare).await;
    let planned = Offline { from: Some(soon(3_600)), ..ask(7_200) };
    let declared = house.desk.declare_offline(TENANT, ANN, &planned).await.unwrap();
    assert_eq!(declared.view.phase, Phase::Planned);
    house.order("o-1").await;
    attend(&house).await;
    assert!(matches!(claims(&house, "o-1").await, Claim::Fresh(_)), "not yet");
    let over = house.desk.declare_offline(TENANT, ANN, &ask(5_000)).await;
    assert!(matches!(over, Err(DeskError::DeclaredAlready(_))), "{over:?}");
    // It does not come to it.
    house.desk.declare_online(TENANT, ANN, PAYMENT, None, "not needed").await.unwrap();
    assert_eq!(phases(&house).await, [Phase::Over]);

    let first = house.desk.declare_offline(TENANT, ANN, &ask(60)).await.unwrap();
    let until = When::At(first.view.window.ends_at);
    let again = house.desk.declare_offline(TENANT, ANN, &Offline { until, ..ask(0) }).await.unwrap();
    assert!(again.already);
    let moved = house.desk.declare_offline(TENANT, ANN, &ask(7_200)).await.unwrap();
    assert!(!moved.already && moved.view.window.ends_at > first.view.window.ends_at);
    assert_eq!(phases(&house).await.len(), 2, "the same time, with another end");

    let nowhere = Offline { downstream: "paymint", ..ask(60) };
    let slips = [
        house.desk.declare_offline(TENANT, ANN, &nowhere).await,
        house.desk.declare_offline(TENANT, ANN, &Offline { operation: Some("payment.refunt"), ..ask(60) }).await,
        house.desk.declare_offline(TENANT, ANN, &Offline { reason: " ", ..ask(60) }).await,
        house.desk.declare_offline(TENANT, ANN, &Offline { from: Some(soon(90)), ..ask(80) }).await,
    ];
    let said = slips.map(refused);
    assert!(
        said[0].contains("paymint") && said[1].contains("payment.refunt") && said[2].contains("reason"),
        "{said:?}"
    );
    let changed = house.tried("update downstream_window set starts_at = now() - interval '1 day'").await.unwrap_err();
    assert!(changed.starts_with("downstream_window_is_what_was_said"), "{changed}");
}

#[tokio::test]
async fn whoever_goes_on_with_a_case_meanwhile_is_not_overruled_and_one_that_waits_for_something_else_stays() {
    let house = House::new(bare).await;
    let (one, other) = (house.rejected("o-1").await, house.rejected("o-2").await);
    house.desk.declare_offline(TENANT, ANN, &ask(3_600)).await.unwrap();
    attend(&house).await;
    for case in [one, other] {
        let ask = CaseCommand { tenant: TENANT, principal: ANN, case, if_version: None, key: None };
        house.desk.resume(&ask, Some("not because of this")).await.unwrap();
    }
    attend(&house).await;
    assert_eq!(house.state(one).await, CaseState::Assigned);
    let ask = CaseCommand { tenant: TENANT, principal: ANN, case: other, if_version: None, key: None };
    let waits_for = fallout_core::case::WaitsFor::Customer;
    house.desk.wait(&ask, &fallout_desk::Wait { waits_for, reason: "asked", until: None }).await.unwrap();
    house.desk.declare_online(TENANT, ANN, PAYMENT, None, "back").await.unwrap();
    attend(&house).await;
    assert_eq!((house.state(one).await, house.state(other).await), (CaseState::Assigned, CaseState::Waiting));
}

#[tokio::test]
async fn what_is_unknown_is_not_asked_about_meanwhile_and_is_asked_first_at_the_end() {
    let mut house = House::new(|_| ()).await;
    let (_, attempt) = house.unknown("o-1").await;
    house.order("new").await;
    house.sql("update attempt set next_read_at = now() - interval '1 second'").await;
    house.desk.declare_offline(TENANT, ANN, &ask(3_600)).await.unwrap();
    attend(&house).await;
    assert_eq!(house.desk.due_reads(10).await.unwrap().len(), 0, "it is not there to be asked");

    house.desk.declare_online(TENANT, ANN, PAYMENT, None, "back").await.unwrap();
    attend(&house).await;
    assert_eq!(phases(&house).await, [Phase::Releasing]);
    assert!(matches!(claims(&house, "new").await, Claim::Withheld { .. }), "lookups come first");
    let due = house.desk.due_reads(10).await.unwrap();
    assert_eq!(due.iter().map(|d| d.attempt).collect::<Vec<_>>(), [attempt]);
    house.read(attempt, Said::Nothing { why: "HTTP 500".into() }).await;
    attend(&house).await;
    assert_eq!(phases(&house).await, [Phase::Over]);
    assert!(matches!(claims(&house, "new").await, Claim::Fresh(_)));
}
