//! Rights by role and extent: who may, where, what they see, and how a refusal reads.

use super::*;

fn rules() -> Authorities {
    toml::from_str(include_str!("../../../config/authority.toml")).unwrap()
}

fn grant(principal: &str, role: &str, extent: Extent) -> Grant {
    Grant { principal: principal.into(), role: role.into(), extent }
}

fn standing(role: &str, extent: Extent) -> Standing {
    Standing { principal: "local:ann".into(), enforced: true, grants: vec![grant("local:ann", role, extent)] }
}

/// A case of group Ops, customer C-1, order o-1.
fn place() -> Place {
    Place { groups: vec!["Ops".into()], customer: Some("C-1".into()), order: Some("o-1".into()) }
}

#[test]
fn each_of_the_nine_rows_is_held_by_its_roles_and_by_no_other() {
    use Authority as A;
    let rows: [(A, &[&str]); 8] = [
        (A::AssignCase, &["group_lead", "ops_manager"]),
        (A::RetrySafeStep, &["order_ops"]),
        (A::CorrectAddress, &["sales_ops", "case_worker"]),
        (A::WaivePenalty, &["commercial_approver"]),
        (A::SkipStep, &["senior_operations"]),
        (A::CompensateStep, &["fulfillment_lead", "incident_commander"]),
        (A::ForceClose, &["restricted_senior"]),
        (A::ModifyProcess, &["platform_admin"]),
    ];
    let rules = rules();
    for role in &rules.roles {
        let somebody = standing(&role.code, Extent::Tenant);
        assert!(somebody.may(&rules, A::ViewCase, &place()), "{} sees what it may act on", role.code);
        for (right, holders) in rows {
            assert_eq!(
                somebody.may(&rules, right, &place()),
                holders.contains(&role.code.as_str()),
                "{right} {}",
                role.code
            );
        }
    }
    let nobody = Standing { grants: Vec::new(), ..standing("viewer", Extent::Tenant) };
    assert!(Authority::ALL.iter().all(|right| !nobody.may(&rules, *right, &place())));
}

#[test]
fn a_role_reaches_as_far_as_it_was_granted() {
    let rows = [
        (Extent::Tenant, true),
        (Extent::Group("Ops".into()), true),
        (Extent::Group("ops".into()), false),
        (Extent::Customer("C-1".into()), true),
        (Extent::Customer("C-2".into()), false),
        (Extent::Order("o-1".into()), true),
        (Extent::Order("o-2".into()), false),
    ];
    for (extent, expected) in rows {
        let somebody = standing("order_ops", extent.clone());
        assert_eq!(somebody.may(&rules(), Authority::RetrySafeStep, &place()), expected, "{extent}");
        assert_eq!(extent.to_string().parse(), Ok(extent));
    }
    let nowhere = Place::default();
    assert!(!standing("order_ops", Extent::Customer(String::new())).may(&rules(), Authority::RetrySafeStep, &nowhere));
}

#[test]
fn before_the_first_grant_everybody_has_every_right() {
    let somebody = Standing { principal: "local:ann".into(), enforced: false, grants: Vec::new() };
    assert!(Authority::ALL.iter().all(|right| somebody.may(&rules(), *right, &place())));
    assert_eq!(somebody.sight(&rules()), Some(Sight::All));
}

#[test]
fn a_change_of_a_process_is_asked_for_by_one_role_and_agreed_to_by_another() {
    let (rules, right) = (rules(), Authority::ModifyProcess);
    let admin = standing("platform_admin", Extent::Tenant);
    let commander = standing("incident_commander", Extent::Tenant);
    assert!(admin.may(&rules, right, &place()) && !admin.may_agree(&rules, right, &place()));
    assert!(!commander.may(&rules, right, &place()) && commander.may_agree(&rules, right, &place()));
    let senior = standing("senior_operations", Extent::Tenant);
    assert!(senior.may_agree(&rules, Authority::SkipStep, &place()), "without approvers of its own, who holds it");
}

#[test]
fn a_list_is_asked_for_piece_by_piece_and_for_nothing_beyond() {
    let two = Standing {
        grants: vec![
            grant("local:ann", "viewer", Extent::Group("Ops".into())),
            grant("local:ann", "order_ops", Extent::Customer("C-1".into())),
            grant("local:ann", "order_ops", Extent::Group("Ops".into())),
        ],
        ..standing("viewer", Extent::Tenant)
    };
    let sight = two.sight(&rules()).unwrap();
    let group = |group: &str| Filter { group: Some(group.into()), ..Filter::default() };
    let customer = Filter { customer: Some("C-1".into()), ..Filter::default() };
    assert_eq!(sight.narrowed(&Filter::default()), [group("Ops"), customer.clone()]);
    assert_eq!(sight.narrowed(&group("Other")), [Filter { group: Some("Other".into()), ..customer }]);
    assert!(sight.covers(&place()) && !sight.covers(&Place::of_group("Other")));
    let none = Standing { grants: Vec::new(), ..two };
    assert_eq!(none.sight(&rules()), None);
    assert_eq!(standing("viewer", Extent::Tenant).sight(&rules()), Some(Sight::All));
}

#[test]
fn a_refusal_says_what_it_takes_and_who_has_it() {
    let rules = rules();
    let grants = [
        grant("local:bob", "order_ops", Extent::Tenant),
        grant("token:cid", "order_ops", Extent::Order("o-2".into())),
        grant("local:dan", "viewer", Extent::Tenant),
    ];
    let said = |grants: &[Grant]| {
        let right = Authority::RetrySafeStep;
        rules.refusal("local:ann", right, rules.holders(right), &place(), grants).to_string()
    };
    let takes = "local:ann may not: \"Retry safe step\" takes order ops role (role order_ops)";
    assert_eq!(said(&grants), format!("{takes}; ask one of them: local:bob"));
    assert_eq!(
        said(&grants[1..]),
        format!("{takes}; nobody has it here; an administrator grants it: fallout access role grant")
    );
}
