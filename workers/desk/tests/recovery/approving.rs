//! Four eyes: a force close by two people, bound to the command and the case as it stood, for a time.

use fallout_core::{
    action::{Action, ActionState, approval::ApprovalState, command::RecoveryCommand},
    case::{CaseEvent, CaseState},
    ids::CaseNumber,
};
use fallout_desk::{CaseCommand, Taken};
use uuid::Uuid;

use crate::house::{ANN, House, TENANT, bare, command, refused};

fn force_close(case: CaseNumber, key: &str) -> RecoveryCommand {
    RecoveryCommand {
        impact: Some("the customer keeps the old tariff".into()),
        ..command(case, Action::ForceClose, key)
    }
}

async fn requested(house: &House, order: &str) -> (CaseNumber, Taken, Uuid) {
    let case = house.trouble(order).await;
    let taken = house.give(&force_close(case, order)).await.unwrap();
    let approval = taken.approval.unwrap();
    assert_eq!(house.state(case).await, CaseState::AwaitingApproval);
    (case, taken, approval)
}

#[tokio::test]
async fn a_force_close_takes_a_reason_its_impact_and_a_second_person() {
    let mut house = House::new(bare).await;
    let case = house.trouble("o-1").await;
    let bare = command(case, Action::ForceClose, "k");
    assert!(refused(house.give(&bare).await).contains("--impact"));
    let taken = house.give(&force_close(case, "k")).await.unwrap();
    let approval = taken.approval.unwrap();
    let again = house.give(&force_close(case, "k")).await.unwrap();
    assert_eq!((again.repeated, again.approval), (true, Some(approval)), "the first answer again");
    assert!(refused(house.give(&force_close(case, "k-2")).await).contains("waits for a second person"));

    let bob = house.person("bob", "local:admin").await;
    let done = house.desk.approve(TENANT, &bob, approval, "agreed with the customer").await.unwrap();
    assert_eq!((done.approval_state, done.case_state), (ApprovalState::Granted, CaseState::ForceClosed));
    assert_eq!(house.state(case).await, CaseState::ForceClosed);
    let action = house.desk.actions(TENANT, case).await.unwrap().remove(0);
    assert_eq!(action.state, ActionState::Completed);
    let tail = [CaseEvent::ApprovalRequested, CaseEvent::ApprovalGranted, CaseEvent::ForceClosed];
    let events = house.since(case).await;
    assert!(events.ends_with(&tail), "{events:?}");
    let kept = "select count(*) from fallout_case where force_closed_by = 'local:ann' and force_close_approved_by = 'token:bob'
        and force_close_impact = 'the customer keeps the old tariff' and force_close_authority = 'force_close'";
    assert_eq!(house.count(kept).await, 1);
    let told = "select count(*) from event_outbox where event_type = 'FalloutCaseForceClosed'";
    assert_eq!(house.count(told).await, 1);
    let twice = refused(house.desk.approve(TENANT, &bob, approval, "again").await);
    assert!(twice.contains("granted already"), "{twice}");
}

#[tokio::test]
async fn nobody_is_their_own_second_person() {
    let mut house = House::new(bare).await;
    let (case, _, approval) = requested(&house, "o-1").await;
    let second_face = house.person("ann-2", ANN).await;
    for (who, says) in
        [(ANN, "another person"), ("local:bob", "personal token"), (second_face.as_str(), "another person")]
    {
        let said = refused(house.desk.approve(TENANT, who, approval, "fine").await);
        assert!(said.contains(says), "{who}: {said}");
    }
    let names =
        "select count(*) from recovery_request where kind = 'approve' and refusal in ('same_person', 'local_login')";
    assert_eq!(house.count(names).await, 3);
    assert_eq!(house.state(case).await, CaseState::AwaitingApproval);
    let by_hand = "update approval set state = 'granted', approver = requester, decided_at = now()";
    assert!(house.tried(by_hand).await.unwrap_err().starts_with("approval_is_by_another:"));
    let other = "update approval set command_hash = 'x'";
    assert!(house.tried(other).await.unwrap_err().starts_with("approval_is_what_was_asked:"));
}

#[tokio::test]
async fn an_approval_is_for_the_case_as_it_stood() {
    let house = House::new(bare).await;
    let (case, _, approval) = requested(&house, "o-1").await;
    let ask = CaseCommand { tenant: TENANT, principal: "local:cid", case, if_version: None, key: None };
    house.desk.classify(&ask, "DEFECT", "looked closer").await.unwrap();
    let bob = house.person("bob", "local:admin").await;
    let said = refused(house.desk.approve(TENANT, &bob, approval, "fine").await);
    assert!(said.contains("has changed since the request"), "{said}");
    assert_eq!(house.state(case).await, CaseState::AwaitingApproval);
    // Taken back by who asked for it.
    house.desk.refuse_approval(TENANT, ANN, approval, "not any more").await.unwrap();
    assert_eq!(house.state(case).await, CaseState::InProgress);
}

#[tokio::test]
async fn an_approval_expires_by_itself_and_is_not_granted_afterwards() {
    let mut house = House::new(bare).await;
    let (case, taken, approval) = requested(&house, "o-1").await;
    assert!(house.desk.expired_approvals(10).await.unwrap().is_empty());
    house.desk.expire_approval(TENANT, approval).await.unwrap();
    assert_eq!(house.state(case).await, CaseState::AwaitingApproval, "its time is not over");
    let past = "alter table approval disable trigger approval_is_what_was_asked;
        update approval set requested_at = now() - interval '2 d', expires_at = now() - interval '1 s';
        alter table approval enable trigger approval_is_what_was_asked";
    house.sql(past).await;
    let bob = house.person("bob", "local:admin").await;
    assert!(refused(house.desk.approve(TENANT, &bob, approval, "fine").await).contains("expired at"));
    let looks = (0..3).map(|_| {
        let desk = house.desk.clone();
        tokio::spawn(async move {
            for (tenant, approval) in desk.expired_approvals(10).await.unwrap() {
                desk.expire_approval(&tenant, approval).await.unwrap();
            }
        })
    });
    for look in looks.collect::<Vec<_>>() {
        look.await.unwrap();
    }
    assert_eq!(house.state(case).await, CaseState::InProgress);
    let action = house.desk.actions(TENANT, case).await.unwrap().remove(0);
    assert_eq!((action.id, action.state), (taken.action, ActionState::NotApproved));
    let entries = house.since(case).await;
    assert_eq!(entries.iter().filter(|e| **e == CaseEvent::ApprovalRefused).count(), 1, "told once");
}

#[tokio::test]
async fn refused_or_taken_back_the_case_is_with_its_people_and_nothing_was_done() {
    let house = House::new(bare).await;
    let (case, _, approval) = requested(&house, "o-1").await;
    house.desk.refuse_approval(TENANT, "local:bob", approval, "the customer waits for it").await.unwrap();
    assert_eq!(house.state(case).await, CaseState::InProgress);
    let (case, taken, approval) = requested(&house, "o-2").await;
    let back = house.desk.withdraw(TENANT, ANN, taken.action, "not needed").await.unwrap();
    assert_eq!((back.state, house.state(case).await), (CaseState::InProgress, CaseState::InProgress));
    let bob = house.person("bob", "local:admin").await;
    assert!(refused(house.desk.approve(TENANT, &bob, approval, "fine").await).contains("void already"));
    assert!(refused(house.desk.approve(TENANT, &bob, Uuid::nil(), "fine").await).contains("no approval"));
    assert!(refused(house.desk.approve("other", &bob, approval, "fine").await).contains("no approval"));
}
