//! Cases that stand still: with a reason, a paused clock, and a way back that needs nobody.

use std::time::Duration;

use fallout_core::case::{CaseEvent as E, CaseState, WaitsFor};
use fallout_desk::{DeskError, Wait, When};

use crate::house::{BOB, House, TENANT, by, refused};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn a_case_that_waits_until_a_time_returns_to_its_owner_by_itself_and_once() {
    let mut house = House::new().await;
    let case = house.rejected("o-1").await;
    house.desk.take(&by(BOB, case)).await.unwrap();
    let wait = Wait { waits_for: WaitsFor::Customer, reason: "they look for the papers", until: Some(When::In(DAY)) };
    assert_eq!(house.desk.wait(&by(BOB, case), &wait).await.unwrap().state, CaseState::Waiting);
    assert_eq!(house.desk.returning(None, 10).await.unwrap(), [], "not before its time");
    let due = house.desk.case_clock(TENANT, case).await.unwrap().due;
    assert_eq!(due, None, "the clock stands still");
    assert_eq!(house.time_comes().await, 1);
    assert_eq!(house.since(case).await, (vec![E::Taken, E::Waiting, E::WaitEnded], CaseState::Assigned));
    assert_eq!(house.owner(case).await, "Billing Ops/local:bob");
    assert!(house.desk.case_clock(TENANT, case).await.unwrap().due.is_some());
    let back = house.case(case).await.timeline.pop().unwrap();
    assert_eq!(back.reason.as_deref(), Some("its time of waiting is over: they look for the papers"));
    assert_eq!(house.time_comes().await, 0);
}

#[tokio::test]
async fn what_is_left_unresolved_keeps_its_owner_and_comes_back_on_the_day_of_its_review() {
    let mut house = House::new().await;
    let case = house.trouble("o-1").await;
    let left = house.desk.leave_unresolved(&by(BOB, case), "the supplier is bankrupt", When::In(14 * DAY)).await;
    assert_eq!(left.unwrap().state, CaseState::Unresolved);
    assert_eq!(house.time_comes().await, 1);
    assert_eq!(house.since(case).await, (vec![E::LeftUnresolved, E::WaitEnded], CaseState::Assigned));
    let back = house.case(case).await.timeline.pop().unwrap();
    assert_eq!(back.reason.as_deref(), Some("its review is due: the supplier is bankrupt"));
    assert_eq!(back.actor.as_deref(), Some("waits"));
}

#[tokio::test]
async fn a_person_goes_on_before_the_time_and_an_action_ends_a_wait_too() {
    let mut house = House::new().await;
    let case = house.rejected("o-1").await;
    let wait = Wait { waits_for: WaitsFor::Downstream, reason: "release tonight", until: None };
    house.desk.wait(&by(BOB, case), &wait).await.unwrap();
    assert_eq!(house.time_comes().await, 0, "without a time it waits for somebody");
    assert_eq!(house.desk.resume(&by(BOB, case), Some("it is out")).await.unwrap().state, CaseState::Assigned);
    assert!(house.desk.resume(&by(BOB, case), None).await.unwrap().already);
    house.desk.wait(&by(BOB, case), &wait).await.unwrap();
    house.retry(case).await;
    assert_eq!(house.case(case).await.case.status, "recovering");
    let held = house.text("select concat(waiting_for, wait_reason, wait_until) from fallout_case").await;
    assert_eq!(held.as_deref(), Some(""), "what it waited for is history");
}

#[tokio::test]
async fn a_wait_ends_in_time_that_is_still_to_come_and_that_somebody_will_see() {
    let house = House::new().await;
    let case = house.trouble("o-1").await;
    let until = async |when| {
        let wait = Wait { waits_for: WaitsFor::Until, reason: "x", until: Some(when) };
        house.desk.wait(&by(BOB, case), &wait).await
    };
    let past = until(When::At("2020-01-01T00:00:00Z".parse().unwrap())).await;
    assert!(matches!(past, Err(DeskError::NotToCome(_))), "{past:?}");
    for far in [When::In(400 * DAY), When::In(Duration::MAX), When::At("9999-01-01T00:00:00Z".parse().unwrap())] {
        assert!(matches!(until(far).await, Err(DeskError::TooFar(_))));
    }
    assert_eq!(house.since(case).await, (vec![], CaseState::Classified));
}

#[tokio::test]
async fn nothing_waits_while_an_action_is_under_way() {
    let house = House::new().await;
    let case = house.rejected("o-1").await;
    house.retry(case).await;
    let wait = Wait { waits_for: WaitsFor::Customer, reason: "x", until: None };
    assert_eq!(
        refused(house.desk.wait(&by(BOB, case), &wait).await),
        "a case that is recovering cannot take FalloutWaitStarted"
    );
}
