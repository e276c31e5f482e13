//! Who may: each row of the table of authority as it is enforced, refused by name, and kept.

use fallout_core::{
    action::{Action, catalogue::Authority},
    authority::{Extent, Grant},
    case::CaseState,
    ids::CaseNumber,
    people::{Member, Role},
    worklist::{Filter, Sort},
};
use fallout_desk::{Assignment, Bulk, CaseCommand, DeskError, NotGranted};

use crate::house::{ADMIN, ANN, House, TENANT, bare, command, refused};

fn ask<'a>(principal: &'a str, case: CaseNumber) -> CaseCommand<'a> {
    CaseCommand { tenant: TENANT, principal, case, if_version: None, key: None }
}

fn lacks(e: &DeskError) -> Option<Authority> {
    match e {
        DeskError::NotAuthorised(why) => Some(why.code),
        _ => None,
    }
}

const REFUSALS: &str = "select count(*) from access_refusal";

#[tokio::test]
async fn before_the_first_role_everybody_may_and_the_first_is_one_that_gives_roles() {
    let house = House::guarded(bare).await;
    let case = house.rejected("o-1").await;
    house.desk.take(&ask("local:bob", case)).await.unwrap();
    assert!(!house.desk.roles(TENANT, None, false).await.unwrap().0);
    let first = Grant { principal: ANN.into(), role: "order_ops".into(), extent: Extent::Tenant };
    let no = house.desk.grant_role(TENANT, ANN, &first, "to begin").await;
    assert!(matches!(no, Err(DeskError::NotGranted(NotGranted::AdministratorFirst { .. }))), "{no:?}");
    house.enforced().await;
    assert!(house.desk.roles(TENANT, None, false).await.unwrap().0);
    let said = refused(house.desk.note(&ask("local:bob", case), "mine").await);
    assert!(said.starts_with("local:bob may not: \"Work on a case\" takes"), "{said}");
    // Another tenant has not begun.
    assert!(!house.desk.roles("other", None, false).await.unwrap().0);
}

#[tokio::test]
async fn roles_are_given_and_taken_by_who_administers_and_never_the_last_of_these() {
    let mut house = House::guarded(bare).await;
    house.enforced().await;
    let role = |role: &str, extent| Grant { principal: ANN.into(), role: role.into(), extent };
    let ops = role("order_ops", Extent::Group("Billing Ops".into()));
    for (by, new) in
        [(ANN, &ops), (ADMIN, &role("order_op", Extent::Tenant)), (ADMIN, &role("group_lead", Extent::Tenant))]
    {
        assert!(house.desk.grant_role(TENANT, by, new, "r").await.is_err(), "{by} {new:?}");
    }
    assert!(house.desk.grant_role(TENANT, ADMIN, &ops, "r").await.unwrap());
    assert!(!house.desk.grant_role(TENANT, ADMIN, &ops, "r").await.unwrap(), "already");
    let admin = Grant { principal: ADMIN.into(), role: "platform_admin".into(), extent: Extent::Tenant };
    let last = house.desk.revoke_role(TENANT, ADMIN, &admin, "leaves").await;
    assert!(matches!(last, Err(DeskError::NotGranted(NotGranted::LastAdministrator(_)))), "{last:?}");
    house.grant(ANN, "platform_admin", Extent::Tenant).await;
    assert!(house.desk.revoke_role(TENANT, ANN, &admin, "leaves").await.unwrap());
    assert!(house.desk.revoke_role(TENANT, ANN, &ops, "moved").await.unwrap());
    assert!(!house.desk.revoke_role(TENANT, ANN, &ops, "moved").await.unwrap(), "already");
    let (_, all) = house.desk.roles(TENANT, None, true).await.unwrap();
    assert_eq!((all.len(), all.iter().filter(|r| r.revoked_by.as_deref() == Some(ANN)).count()), (3, 2));
    for by_hand in ["update role_grant set role = 'x'", "delete from role_grant", "truncate role_grant"] {
        assert!(house.tried(by_hand).await.is_err(), "{by_hand}");
    }
    // A group gives roles, so who belongs to it is said by its leads, and by who gives roles.
    let bob = Member { principal: "local:bob".into(), role: Role::Lead };
    let own = house.desk.add_member(TENANT, "local:bob", "Billing Ops", &bob).await.unwrap_err();
    assert_eq!(lacks(&own), Some(Authority::Administer));
    assert!(house.desk.add_member(TENANT, ANN, "Billing Ops", &bob).await.unwrap());
}

/// Roles that hold the right of each action, and one that holds another.
const ROWS: [(Action, &[&str], &str); 7] = [
    (Action::RetryStep, &["order_ops"], "ops_manager"),
    (Action::ResumeWorkflow, &["order_ops"], "case_worker"),
    (Action::CorrectData, &["sales_ops", "case_worker"], "order_ops"),
    (Action::SkipStep, &["senior_operations"], "order_ops"),
    (Action::CompensateStep, &["fulfillment_lead", "incident_commander"], "senior_operations"),
    (Action::CancelOrder, &["fulfillment_lead", "incident_commander"], "order_ops"),
    (Action::ForceClose, &["restricted_senior"], "platform_admin"),
];

#[tokio::test]
async fn each_action_is_refused_without_its_right_and_then_nothing_changed() {
    let mut house = House::guarded(bare).await;
    house.enforced().await;
    let case = house.rejected("o-1").await;
    let before = house.desk.case(TENANT, case).await.unwrap();
    for (n, (action, holders, another)) in ROWS.into_iter().enumerate() {
        let wrong = format!("local:wrong-{n}");
        house.grant(&wrong, another, Extent::Tenant).await;
        let mut command = command(case, action, &format!("k-{n}"));
        command.requested_by.clone_from(&wrong);
        let said = house.give(&command).await.unwrap_err();
        assert_eq!(lacks(&said), Some(action.declaration().authority), "{action} by {another}: {said}");
        assert_eq!(house.latest(case).await, "not_authorised", "{action}");
        assert!(lacks(&house.desk.plan(TENANT, &wrong, &command).await.unwrap_err()).is_some(), "{action} dry");
        for holder in holders {
            let right = format!("local:{holder}-{n}");
            house.grant(&right, holder, Extent::Tenant).await;
            command.requested_by.clone_from(&right);
            let plan = house.desk.plan(TENANT, &right, &command).await;
            assert!(plan.as_ref().err().and_then(lacks).is_none(), "{action} by {holder}: {plan:?}");
        }
        // Elsewhere than where it was granted.
        let elsewhere = format!("local:elsewhere-{n}");
        house.grant(&elsewhere, holders[0], Extent::Customer("another".into())).await;
        command.requested_by.clone_from(&elsewhere);
        assert!(lacks(&house.give(&command).await.unwrap_err()).is_some(), "{action} elsewhere");
    }
    let after = house.desk.case(TENANT, case).await.unwrap();
    assert_eq!((after.case.version, after.timeline_entries), (before.case.version, before.timeline_entries));
    assert_eq!(house.requests(case).await.len(), 2 * ROWS.len(), "a row for each that was asked");
    assert_eq!(house.count("select count(*) from fallout_recovery_action").await, 0);
}

#[tokio::test]
async fn what_people_do_with_cases_takes_the_right_to_it_and_a_refusal_is_kept_once() {
    let mut house = House::guarded(bare).await;
    house.enforced().await;
    let case = house.rejected("o-1").await;
    let group = house.desk.case(TENANT, case).await.unwrap().case.group.unwrap();
    let member = |principal: &str, role| Member { principal: principal.into(), role };
    for (who, role) in [("local:lead", Role::Lead), ("local:member", Role::Member)] {
        house.desk.add_member(TENANT, ADMIN, &group, &member(who, role)).await.unwrap();
    }
    house.grant("local:viewer", "viewer", Extent::Tenant).await;
    house.grant("local:manager", "ops_manager", Extent::Tenant).await;
    let to = Assignment { user: Some("local:member"), ..Assignment::default() };
    for (n, who) in ["local:viewer", "local:nobody", "local:member"].into_iter().enumerate() {
        let said = house.desk.assign(&ask(who, case), &to).await.unwrap_err();
        assert_eq!(lacks(&said), Some(Authority::AssignCase), "{who}");
        assert_eq!(house.count(REFUSALS).await, n as i64 + 1);
    }
    for who in ["local:viewer", "local:nobody"] {
        assert_eq!(lacks(&house.desk.take(&ask(who, case)).await.unwrap_err()), Some(Authority::WorkCase), "{who}");
        let foreseen = house.desk.bulk_foreseen(&ask(who, case), &Bulk::Note { text: "x" }, None).await;
        assert!(lacks(&foreseen.unwrap_err()).is_some(), "{who}");
        let bulk = house.desk.bulk(&ask(who, case), &Bulk::Note { text: "x" }, "k").await;
        assert!(lacks(&bulk.unwrap_err()).is_some(), "{who}");
        let lowered = house.desk.lower_severity(TENANT, who, case, fallout_core::case::Severity::Sev4, "r").await;
        assert!(lacks(&lowered.unwrap_err()).is_some(), "{who}");
    }
    assert_eq!(house.count(REFUSALS).await, 3 + 2 * 3, "a preview asks for nothing");
    assert!(house.tried("update access_refusal set principal = 'x'").await.is_err());
    house.desk.take(&ask("local:member", case)).await.unwrap();
    house.desk.assign(&ask("local:lead", case), &Assignment { user: Some("local:lead"), ..to }).await.unwrap();
    house
        .desk
        .assign(&ask("local:manager", case), &Assignment { group: Some("Elsewhere"), ..Default::default() })
        .await
        .unwrap();
    let told = house.desk.access_refusals(TENANT, ADMIN).await.unwrap();
    assert_eq!(told.len(), 9);
    assert!(told.iter().all(|line| line.subject == format!("case {case}")), "{told:?}");
    assert!(lacks(&house.desk.access_refusals(TENANT, ANN).await.unwrap_err()).is_some());
}

#[tokio::test]
async fn reads_show_what_somebody_may_see_and_nothing_beyond() {
    let house = House::guarded(bare).await;
    let (one, two) = (house.rejected("o-1").await, house.rejected("o-2").await);
    house.enforced().await;
    house.grant("local:order", "viewer", Extent::Order("o-1".into())).await;
    house.grant("local:both", "viewer", Extent::Order("o-1".into())).await;
    house.grant("local:both", "viewer", Extent::Order("o-2".into())).await;
    let group = house.desk.case(TENANT, one).await.unwrap().case.group.unwrap();
    house.grant("local:both", "viewer", Extent::Group(group.clone())).await;
    let listed = async |who: &str| {
        let desk = house.desk.seen_by(who);
        let page = desk.worklist(TENANT, &Filter::default(), Sort::Severity, 10, None).await.unwrap();
        page.cases.into_iter().map(|case| case.case_number).collect::<Vec<_>>()
    };
    assert_eq!(listed("local:order").await, [one.to_string()]);
    assert_eq!(listed("local:both").await, [one.to_string(), two.to_string()], "once, although seen twice");
    assert_eq!(listed(ADMIN).await.len(), 2);
    let nobody = house.desk.seen_by("local:nobody");
    let none = nobody.worklist(TENANT, &Filter::default(), Sort::Severity, 10, None).await.unwrap_err();
    assert_eq!(lacks(&none), Some(Authority::ViewCase));
    let seen = house.desk.seen_by("local:order");
    assert!(seen.case(TENANT, one).await.is_ok() && seen.order(TENANT, "o-1").await.is_ok());
    assert!(lacks(&seen.case(TENANT, two).await.unwrap_err()).is_some());
    assert!(lacks(&seen.actions(TENANT, two).await.unwrap_err()).is_some());
    assert!(lacks(&seen.case_clock(TENANT, two).await.unwrap_err()).is_some());
    assert!(lacks(&seen.requests(TENANT, two, 10).await.unwrap_err()).is_some());
    assert!(lacks(&seen.order(TENANT, "o-2").await.unwrap_err()).is_some());
    assert!(lacks(&seen.customer_status(TENANT, "o-2").await.unwrap_err()).is_some());
    assert!(lacks(&seen.workload(TENANT, None).await.unwrap_err()).is_some());
    assert!(lacks(&seen.ledger(TENANT).await.unwrap_err()).is_some());
    assert!(house.desk.seen_by("local:both").workload(TENANT, Some(&group)).await.is_ok());
    // What may be done is said to who looks.
    let actions = seen.case(TENANT, one).await.unwrap().actions;
    let retry = actions.iter().find(|view| view.action == Action::RetryStep).unwrap();
    assert!(retry.refused.as_ref().unwrap().contains("takes the role order_ops"), "{:?}", retry.refused);
}

#[tokio::test]
async fn a_case_is_opened_and_a_token_made_by_who_may() {
    let house = House::guarded(bare).await;
    house.enforced().await;
    let token = house.desk.add_token(TENANT, ANN, "bob", &[fallout_core::token::TokenScope::CasesAct], None).await;
    assert_eq!(lacks(&token.unwrap_err()), Some(Authority::Administer));
    assert_eq!(lacks(&house.desk.revoke_token(TENANT, ANN, "bob").await.unwrap_err()), Some(Authority::Administer));
    assert_eq!(house.person("bob", ADMIN).await, "token:bob");
    let case = house.rejected("o-1").await;
    house.grant("token:bob", "order_ops", Extent::Tenant).await;
    let mut retry = command(case, Action::RetryStep, "k");
    retry.requested_by = "token:bob".into();
    house.give(&retry).await.unwrap();
    assert_eq!(house.state(case).await, CaseState::Recovering);
}
