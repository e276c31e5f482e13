//! Owners: who may have a case, who may give it to whom, and that each change is one entry.

use fallout_core::{
    case::{CaseEvent as E, CaseState},
    people::{Member, NotAllowed, Role},
};
use fallout_desk::{Assignment, DeskError};

use crate::house::{ANN, BOB, CID, EVE, House, TENANT, by, refused};

#[tokio::test]
async fn a_case_is_taken_handed_over_and_escalated_each_with_one_entry() {
    let mut house = House::new().await.with_billing_ops().await;
    let case = house.rejected("o-1").await;
    assert_eq!(house.owner(case).await, "Billing Ops", "the taxonomy says whose it is");
    let taken = house.desk.take(&by(BOB, case)).await.unwrap();
    assert_eq!((taken.state, taken.already), (CaseState::InProgress, false));
    assert!(house.desk.take(&by(BOB, case)).await.unwrap().already);
    assert_eq!(house.owner(case).await, "Billing Ops/local:bob");
    house.desk.hand_over(&by(BOB, case), CID, "end of shift").await.unwrap();
    assert_eq!(house.owner(case).await, "Billing Ops/local:cid");
    house.desk.take(&by(CID, case)).await.unwrap();
    house.desk.escalate(&by(CID, case), "Senior Ops", "needs a contract decision").await.unwrap();
    assert_eq!(house.owner(case).await, "Senior Ops", "whoever had it does not");
    assert!(house.desk.escalate(&by(EVE, case), "Senior Ops", "again").await.unwrap().already);
    let expected = vec![E::Taken, E::HandedOver, E::Taken, E::Escalated];
    assert_eq!(house.since(case).await, (expected, CaseState::Assigned));
    let last = house.case(case).await.timeline.pop().unwrap();
    assert_eq!((last.actor.as_deref(), last.reason.as_deref()), (Some(CID), Some("needs a contract decision")));
}

#[tokio::test]
async fn only_members_take_a_case_of_their_group_and_only_its_lead_takes_it_from_somebody() {
    let house = House::new().await.with_billing_ops().await;
    let case = house.rejected("o-1").await;
    let stranger = house.desk.take(&by(EVE, case)).await;
    assert!(matches!(stranger, Err(DeskError::NotAllowed(NotAllowed::NotAMember { .. }))), "{stranger:?}");
    house.desk.take(&by(BOB, case)).await.unwrap();
    let another = house.desk.take(&by(CID, case)).await;
    assert!(matches!(another, Err(DeskError::NotAllowed(NotAllowed::TakenBy { .. }))), "{another:?}");
    let outside = house.desk.hand_over(&by(BOB, case), EVE, "x").await;
    assert!(matches!(outside, Err(DeskError::NotAllowed(NotAllowed::NotTheirs { .. }))), "{outside:?}");
    let not_his = house.desk.hand_over(&by(CID, case), CID, "x").await;
    assert!(matches!(not_his, Err(DeskError::NotAllowed(NotAllowed::NotYours { .. }))), "{not_his:?}");
    let escalated = house.desk.escalate(&by(EVE, case), "Senior Ops", "x").await;
    assert!(matches!(escalated, Err(DeskError::NotAllowed(NotAllowed::NotAMember { .. }))), "{escalated:?}");
    assert_eq!(house.since(case).await, (vec![E::Taken], CaseState::InProgress), "a refusal writes nothing");
    house.desk.take(&by(ANN, case)).await.unwrap();
}

#[tokio::test]
async fn where_a_group_has_a_lead_only_they_give_its_cases_to_others() {
    let mut house = House::new().await.with_billing_ops().await;
    let case = house.trouble("o-1").await;
    let to = |user| Assignment { group: Some("Billing Ops"), user, reason: Some("theirs") };
    let by_member = house.desk.assign(&by(BOB, case), &to(Some(CID))).await;
    assert!(matches!(by_member, Err(DeskError::NotAllowed(NotAllowed::LeadNeeded { .. }))), "{by_member:?}");
    house.desk.assign(&by(EVE, case), &to(None)).await.unwrap();
    house.desk.assign(&by(ANN, case), &to(Some(CID))).await.unwrap();
    assert_eq!(house.owner(case).await, "Billing Ops/local:cid");
    assert!(house.desk.assign(&by(ANN, case), &to(Some(CID))).await.unwrap().already);
    assert_eq!(house.since(case).await, (vec![E::Assigned, E::Assigned], CaseState::Assigned));
}

#[tokio::test]
async fn a_group_without_members_is_open_to_everybody() {
    let mut house = House::new().await;
    let case = house.trouble("o-1").await;
    house.desk.take(&by(EVE, case)).await.unwrap();
    assert_eq!(house.owner(case).await, "Platform Ops/local:eve");
}

#[tokio::test]
async fn who_belongs_to_a_group_is_said_by_its_lead_once_it_has_one() {
    let house = House::new().await.with_billing_ops().await;
    let eve = Member { principal: EVE.into(), role: Role::Member };
    let refusal = house.desk.add_member(TENANT, BOB, "Billing Ops", &eve).await;
    assert!(matches!(refusal, Err(DeskError::NotAllowed(NotAllowed::LeadChanges { .. }))), "{refusal:?}");
    assert!(house.desk.add_member(TENANT, ANN, "Billing Ops", &eve).await.unwrap());
    assert!(!house.desk.add_member(TENANT, ANN, "Billing Ops", &eve).await.unwrap(), "already done");
    assert!(house.desk.remove_member(TENANT, EVE, "Billing Ops", EVE).await.unwrap(), "anybody may leave");
    assert!(!house.desk.remove_member(TENANT, ANN, "Billing Ops", EVE).await.unwrap());
    let members = house.desk.members(TENANT, Some("Billing Ops")).await.unwrap();
    assert_eq!(members.iter().map(|m| m.principal.as_str()).collect::<Vec<_>>(), [ANN, BOB, CID]);
    let changes = house.desk.group_changes(TENANT, Some("Billing Ops")).await.unwrap();
    let of_eve = changes.iter().filter(|c| c.principal == EVE).map(|c| (c.role.as_deref(), c.by.as_str()));
    assert_eq!(
        of_eve.collect::<Vec<_>>(),
        [(None, EVE), (Some("member"), ANN)],
        "and it is known who let whom in and out"
    );
    assert_eq!(house.desk.members("another", None).await.unwrap(), [], "each tenant has its own");
}

#[tokio::test]
async fn another_classification_has_another_owner_and_whoever_had_the_case_does_not() {
    let mut house = House::new().await;
    let case = house.rejected("o-1").await;
    house.desk.take(&by(BOB, case)).await.unwrap();
    let before = house.case(case).await.case;
    house.desk.classify(&by(BOB, case), "ADDRESS_NOT_SERVICEABLE", "the address is wrong").await.unwrap();
    let after = house.case(case).await.case;
    assert_eq!(after.classification.as_deref(), Some("ADDRESS_NOT_SERVICEABLE"));
    assert_ne!(after.category, before.category);
    let owner = house.desk.taxonomy(TENANT).category_of("ADDRESS_NOT_SERVICEABLE").unwrap().owner_group.clone();
    assert_eq!(house.owner(case).await, owner);
    assert_eq!(after.summary, before.summary, "what was found stays as it was said");
    let (events, state) = house.since(case).await;
    assert_eq!((&events[..3], state), (&[E::Taken, E::Classified, E::Assigned][..], CaseState::Assigned));
    assert!(house.desk.classify(&by(BOB, case), "ADDRESS_NOT_SERVICEABLE", "again").await.unwrap().already);
    let stale = fallout_desk::CaseCommand { if_version: Some(1), ..by(BOB, case) };
    assert!(refused(house.desk.take(&stale).await).contains("not 1; somebody was first"));
}
