//! Four eyes: a force close by two people, bound to the command and the case as it stood, for a time.

use fallout_core::{
    action::{Action, ActionState, approval::ApprovalState, command::RecoveryCommand},
    authority::{Authorities, Extent, FourEyes},
    case::{CaseEvent, CaseState},
    ids::CaseNumber,
};
use fallout_desk::{CaseCommand, Taken};
use uuid::Uuid;

use crate::house::{ADMIN, ANN, House, TENANT, bare, command, refused};

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

fn two_for(action: Action) -> Authorities {
    let rule = FourEyes { action, tenant: None, above: None, severity: None };
    Authorities { version: 3, four_eyes: vec![rule], ..Authorities::default() }
}

#[tokio::test]
async fn a_skip_takes_two_and_goes_on_as_it_was_asked_for() {
    let mut house = House::guarded(bare).await;
    let case = house.rejected("o-1").await;
    let mut skip = command(case, Action::SkipStep, "k");
    skip.outputs = [("receiptId".to_owned(), "C-1".into())].into();
    let plan = house.desk.plan(TENANT, ANN, &skip).await.unwrap();
    assert!(plan.changes[1].ends_with("SKIP_STEP always takes two (authority 2)"), "{:?}", plan.changes);
    let shown = house.desk.case(TENANT, case).await.unwrap().actions;
    let view = shown.iter().find(|view| view.action == Action::SkipStep).unwrap();
    assert_eq!(view.second_person.as_deref(), Some("SKIP_STEP always takes two (authority 2)"));
    let taken = house.give(&skip).await.unwrap();
    assert_eq!(house.state(case).await, CaseState::AwaitingApproval);
    assert_eq!(
        house.count("select count(*) from engine_command where action_id is not null").await,
        0,
        "nothing is sent before two have agreed"
    );
    let bob = house.person("bob", ADMIN).await;
    house.desk.approve(TENANT, &bob, taken.approval.unwrap(), "not needed").await.unwrap();
    assert_eq!(house.state(case).await, CaseState::Recovering);
    assert_eq!(
        house.count("select count(*) from engine_command where action_id is not null and state = 'pending'").await,
        1
    );
    assert_eq!(house.count("select count(*) from step where outputs ->> 'receiptId' = 'C-1'").await, 1);
    let kept = "select count(*) from approval where requester_person = 'ann' and approver_person = 'bob' and why like 'SKIP_STEP%'";
    assert_eq!(house.count(kept).await, 1);
}

#[tokio::test]
async fn two_tokens_of_one_person_are_no_two_people() {
    let mut house = House::guarded(bare).await;
    let (case, _, approval) = requested(&house, "o-1").await;
    let hers = house.token("second", Some("ann"), ADMIN).await;
    let through = house.person("cid", "local:ann").await;
    let made_by_hers = house.person("dan", &hers).await;
    for who in [&hers, &through, &made_by_hers] {
        let said = refused(house.desk.approve(TENANT, who, approval, "fine").await);
        assert!(said.contains("another person"), "{who}: {said}");
    }
    assert_eq!(house.state(case).await, CaseState::AwaitingApproval);
    let by_hand =
        "update approval set state = 'granted', approver = 'x', approver_person = requester_person, decided_at = now()";
    assert!(house.tried(by_hand).await.unwrap_err().starts_with("approval_is_by_another_person:"));
}

#[tokio::test]
async fn who_made_the_requesters_token_is_no_second_person_either() {
    let house = House::guarded(bare).await;
    let bob = house.person("bob", ADMIN).await;
    let ann = house.person("ann", &bob).await;
    let case = house.trouble("o-1").await;
    let mut close = force_close(case, "k");
    close.requested_by.clone_from(&ann);
    let approval = house.give(&close).await.unwrap().approval.unwrap();
    let said = refused(house.desk.approve(TENANT, &bob, approval, "fine").await);
    assert!(said.contains("another person"), "{said}");
    let cid = house.person("cid", ADMIN).await;
    house.desk.approve(TENANT, &cid, approval, "fine").await.unwrap();
}

#[tokio::test]
async fn a_cancellation_that_takes_two_is_one_of_the_whole_order_once_they_agree() {
    let mut house = House::under(bare, two_for(Action::CancelOrder)).await;
    let case = house.rejected("o-1").await;
    let other = house.rejected_line("o-1", "2").await;
    let taken = house.give(&command(case, Action::CancelOrder, "k")).await.unwrap();
    let cancelled = "select count(*) from order_run where cancel_requested";
    assert_eq!((taken.also.len(), house.count(cancelled).await), (0, 0));
    assert_ne!(house.state(other).await, CaseState::Recovering);
    let bob = house.person("bob", ADMIN).await;
    house.desk.approve(TENANT, &bob, taken.approval.unwrap(), "the customer withdrew").await.unwrap();
    assert_eq!(house.count(cancelled).await, 1);
    assert_eq!((house.state(case).await, house.state(other).await), (CaseState::Recovering, CaseState::Recovering));
    let again = house.give(&command(case, Action::CancelOrder, "k")).await.unwrap();
    assert_eq!((again.repeated, again.also), (true, vec![other]));
}

#[tokio::test]
async fn the_guard_is_asked_again_when_the_second_person_agrees() {
    let mut house = House::guarded(bare).await;
    let case = house.rejected("o-1").await;
    let mut skip = command(case, Action::SkipStep, "k");
    skip.outputs = [("receiptId".to_owned(), "C-1".into())].into();
    let approval = house.give(&skip).await.unwrap().approval.unwrap();
    house.sql("update order_run set cancel_requested = true, cancelled_by = 'x', cancel_reason = 'y', cancelled_at = now()").await;
    let bob = house.person("bob", ADMIN).await;
    let said = refused(house.desk.approve(TENANT, &bob, approval, "fine").await);
    assert!(said.contains("being cancelled"), "{said}");
    assert_eq!(house.state(case).await, CaseState::AwaitingApproval);
}

#[tokio::test]
async fn who_agrees_needs_the_right_to_what_they_agree_to() {
    let house = House::guarded(bare).await;
    house.enforced().await;
    house.grant(ANN, "restricted_senior", Extent::Tenant).await;
    let (case, _, approval) = requested(&house, "o-1").await;
    let bob = house.person("bob", ADMIN).await;
    let said = refused(house.desk.approve(TENANT, &bob, approval, "fine").await);
    assert!(said.starts_with("token:bob may not: \"Force close\" takes restricted senior role"), "{said}");
    let said = refused(house.desk.refuse_approval(TENANT, &bob, approval, "no").await);
    assert!(said.contains("may not"), "{said}");
    house.grant(&bob, "restricted_senior", Extent::Tenant).await;
    house.desk.approve(TENANT, &bob, approval, "fine").await.unwrap();
    assert_eq!(house.state(case).await, CaseState::ForceClosed);
}

#[tokio::test]
async fn doing_without_a_second_person_takes_two_and_ends_by_itself() {
    let mut house = House::guarded(bare).await;
    let off = async |hours| house.desk.ask_four_eyes_off(TENANT, ANN, Action::SkipStep, hours, "storm").await;
    for (hours, says) in [(0, "1 to 72"), (73, "1 to 72")] {
        assert!(refused(off(hours).await).contains(says));
    }
    let asked = off(4).await.unwrap();
    for action in [Action::ForceClose, Action::RetryStep] {
        let no = house.desk.ask_four_eyes_off(TENANT, ANN, action, 1, "storm").await;
        assert!(refused(no).contains("is not among"), "{action}");
    }
    let (bob, hers) = (house.person("bob", ADMIN).await, house.token("ann-2", Some("ann"), ADMIN).await);
    for who in [ANN, "local:bob", hers.as_str()] {
        let said = house.desk.decide_four_eyes(TENANT, who, asked.id, true, "fine").await;
        assert!(said.is_err(), "{who}");
    }
    let skip = |case, key: &str| {
        let mut skip = command(case, Action::SkipStep, key);
        skip.outputs = [("receiptId".to_owned(), "C-1".into())].into();
        skip
    };
    let case = house.rejected("o-1").await;
    assert!(house.give(&skip(case, "k-1")).await.unwrap().approval.is_some(), "asked for is not agreed to");
    let decided = house.desk.decide_four_eyes(TENANT, &bob, asked.id, true, "fine").await.unwrap();
    assert!(decided.state == ApprovalState::Granted && decided.off_until.is_some());
    let case = house.rejected("o-2").await;
    assert_eq!(house.give(&skip(case, "k-2")).await.unwrap().approval, None);
    assert!(house.desk.four_eyes_on(TENANT, ANN, Action::SkipStep).await.unwrap());
    assert!(!house.desk.four_eyes_on(TENANT, ANN, Action::SkipStep).await.unwrap(), "already");
    let case = house.rejected("o-3").await;
    assert!(house.give(&skip(case, "k-3")).await.unwrap().approval.is_some());
    assert!(house.tried("update four_eyes_switch set off_until = now() + interval '1 y'").await.is_err());
    let refusals = "select count(*) from recovery_request where kind = 'four_eyes' and answer = 'refused'";
    assert_eq!(house.count(refusals).await, 2 + 2 + 3);
}

#[tokio::test]
async fn an_agreement_to_do_without_expires_and_is_for_the_rules_as_they_were() {
    let mut house = House::guarded(bare).await;
    let asked = house.desk.ask_four_eyes_off(TENANT, ANN, Action::SkipStep, 4, "storm").await.unwrap();
    let bob = house.person("bob", ADMIN).await;
    let past = "alter table four_eyes_switch disable trigger switch_is_what_was_asked;
        update four_eyes_switch set requested_at = now() - interval '2 d', expires_at = now() - interval '1 s';
        alter table four_eyes_switch enable trigger switch_is_what_was_asked";
    house.sql(past).await;
    let said = refused(house.desk.decide_four_eyes(TENANT, &bob, asked.id, true, "fine").await);
    assert!(said.contains("expired at"), "{said}");
    let asked = house.desk.ask_four_eyes_off(TENANT, ANN, Action::SkipStep, 4, "storm").await.unwrap();
    house
        .sql(
            "alter table four_eyes_switch disable trigger switch_is_what_was_asked;
        update four_eyes_switch set rules_version = 1;
        alter table four_eyes_switch enable trigger switch_is_what_was_asked",
        )
        .await;
    let said = refused(house.desk.decide_four_eyes(TENANT, &bob, asked.id, true, "fine").await);
    assert!(said.contains("rules have changed since the request (version 1, now 2)"), "{said}");
}
