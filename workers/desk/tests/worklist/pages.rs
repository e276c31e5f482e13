//! Pages: together they are the whole list in its order, whatever it is sorted by; and what is refused.

use fallout_core::{
    case::{CaseState, Severity},
    worklist::{Assignee, Clock, Filter, Refused, Sort, search},
};
use fallout_desk::{Desk, DeskError};

use crate::seeded::{TENANT, desk, hand, numbers, run, with};

/// Page by page, to the end.
async fn whole(filter: &Filter, sort: Sort, limit: i64) -> Vec<String> {
    whole_of(&desk().await, filter, sort, limit).await
}

async fn whole_of(desk: &Desk, filter: &Filter, sort: Sort, limit: i64) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = desk.worklist(TENANT, filter, sort, limit, after.as_deref()).await.unwrap();
        assert!(page.cases.len() as i64 <= limit);
        found.extend(page.cases.into_iter().map(|case| case.case_number));
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

const OPEN: &str = "tenant_id = 't' and status not in ('resolved', 'closed', 'force_closed', 'duplicate')";

#[tokio::test]
async fn the_pages_of_each_order_are_together_the_whole_list() {
    let orders = [
        (Sort::Severity, "severity, created_at, id"),
        (Sort::Due, "coalesce(sla_due_at, 'infinity'), id"),
        (Sort::Age, "created_at, id"),
        (Sort::Updated, "updated_at desc, id desc"),
    ];
    for (sort, order) in orders {
        let expected = numbers(&format!("{OPEN} order by {order}")).await;
        assert!(expected.len() > 300);
        assert_eq!(whole(&Filter::default(), sort, 97).await, expected, "{sort}");
        let all = with(|f| (f.all, f.group) = (true, Some("group-7".into())));
        let expected = numbers(&format!("tenant_id = 't' and assigned_group = 'group-7' order by {order}")).await;
        assert_eq!(whole(&all, sort, 50).await, expected, "{sort}, those that are over too");
    }
}

#[tokio::test]
async fn each_filter_finds_what_a_query_by_hand_finds() {
    let text = |words: &str| search(words).unwrap();
    let past = "sla_due_at <= now()";
    let warned = "sla_due_at > now() and exists (select from case_sla k where k.fallout_case_id = c.id and jeopardy_at <= now() and next_at is not null)";
    let table = [
        (with(|f| f.state = Some(CaseState::Waiting)), OPEN, "status = 'waiting'"),
        (with(|f| f.state = Some(CaseState::Resolved)), "tenant_id = 't'", "status = 'resolved'"),
        (with(|f| f.severity = Some(Severity::Sev1)), OPEN, "severity = 'SEV1'"),
        (with(|f| f.category = Some("BILLING".into())), OPEN, "case_type = 'BILLING'"),
        (with(|f| f.group = Some("group-3".into())), OPEN, "assigned_group = 'group-3'"),
        (with(|f| f.downstream = Some("payment".into())), OPEN, "external_system = 'payment'"),
        (with(|f| f.order = Some("ord-20".into())), OPEN, "case_number = 'fc-200020'"),
        (with(|f| f.order = Some("ord-21".into())), OPEN, "false"),
        (with(|f| (f.order, f.all) = (Some("ord-21".into()), true)), "tenant_id = 't'", "case_number = 'fc-200021'"),
        (with(|f| (f.customer, f.all) = (Some("C-12".into()), true)), "tenant_id = 't'", "customer_id = 'C-12'"),
        // Words are compared without regard to capitals, ids are not.
        (with(|f| (f.customer, f.all) = (Some("c-12".into()), true)), "tenant_id = 't'", "false"),
        (with(|f| f.external_reference = Some("ref-40".into())), OPEN, "external_reference = 'ref-40'"),
        (with(|f| f.assignee = Some(Assignee::Nobody)), OPEN, "assigned_user is null"),
        (with(|f| f.assignee = Some(Assignee::User("local:u-9".into()))), OPEN, "assigned_user = 'local:u-9'"),
        (with(|f| f.clock = Some(Clock::Breached)), OPEN, past),
        (with(|f| f.clock = Some(Clock::AtRisk)), OPEN, warned),
        (with(|f| f.words = text("Town-40")), OPEN, "diagnostic_summary like '% town-40'"),
        (with(|f| f.words = text("town-4* code_4*")), OPEN, "diagnostic_summary like '% town-4%'"),
        (with(|f| f.words = text("100% str_eet")), OPEN, "false"),
        (
            with(|f| {
                (f.severity, f.state, f.words) = (Some(Severity::Sev3), Some(CaseState::Assigned), text("rejected"))
            }),
            OPEN,
            "severity = 'SEV3' and status = 'assigned'",
        ),
    ];
    for (filter, base, condition) in table {
        let expected = numbers(&format!("{base} and {condition} order by severity, created_at, id")).await;
        assert_eq!(whole(&filter, Sort::Severity, 40).await, expected, "{filter:?}");
    }
}

#[tokio::test]
async fn one_tenant_finds_nothing_of_another() {
    let desk = desk().await;
    let filter = with(|f| (f.all, f.words) = (true, search("fc-200002 ").unwrap()));
    let of = async |tenant: &str| desk.worklist(tenant, &filter, Sort::Age, 10, None).await.unwrap().cases.len();
    assert_eq!((of("other-2").await, of("t").await), (1, 0));
}

#[tokio::test]
async fn a_cursor_of_another_list_and_what_cannot_be_searched_are_refused_by_name() {
    let desk = desk().await;
    let page = desk.worklist(TENANT, &Filter::default(), Sort::Severity, 5, None).await.unwrap();
    let next = page.next.unwrap();
    let refused = async |tenant: &str, filter: &Filter, sort, limit, after: Option<&str>| match desk
        .worklist(tenant, filter, sort, limit, after)
        .await
    {
        Err(DeskError::Worklist(why)) => why,
        other => panic!("{other:?}"),
    };
    let open = Filter::default();
    assert_eq!(refused("other-1", &open, Sort::Severity, 5, Some(&next)).await, Refused::ForeignCursor);
    assert_eq!(refused(TENANT, &open, Sort::Age, 5, Some(&next)).await, Refused::ForeignCursor);
    assert_eq!(refused(TENANT, &open, Sort::Severity, 5, Some(&next[..20])).await, Refused::BrokenCursor);
    assert_eq!(refused(TENANT, &open, Sort::Severity, 0, None).await, Refused::Limit(0));
    let unknown = refused(TENANT, &with(|f| f.category = Some("BILING".into())), Sort::Age, 5, None).await;
    assert!(unknown.to_string().contains("BILING; known: "), "{unknown}");
    let long = refused(TENANT, &with(|f| f.order = Some("x".repeat(10_000))), Sort::Age, 5, None).await;
    assert_eq!(long, Refused::TooLong("the order"));
}

#[tokio::test]
async fn who_sees_piece_by_piece_gets_one_list_in_its_order_and_each_case_once() {
    let grants = "insert into role_grant (id, tenant_id, principal, role, extent, which, reason, granted_by)
        select gen_random_uuid(), 't', 'local:ann', 'viewer', extent, which, 'r', 'a' from (values ('group', 'group-3'),
            ('group', 'group-7'), ('customer', 'C-12'), ('order', 'ord-20')) g (extent, which)";
    run(&mut hand().await, grants).await;
    let seen = desk().await.seen_by("local:ann");
    let of = "(assigned_group in ('group-3', 'group-7') or customer_id = 'C-12'
        or related_order_id = (select id from product_order where tenant_id = 't' and external_id = 'ord-20'))";
    let orders = [
        (Sort::Severity, "severity, created_at, id"),
        (Sort::Due, "coalesce(sla_due_at, 'infinity'), id"),
        (Sort::Age, "created_at, id"),
        (Sort::Updated, "updated_at desc, id desc"),
    ];
    for (sort, order) in orders {
        let expected = numbers(&format!("{OPEN} and {of} order by {order}")).await;
        assert!(expected.len() > 20, "{}", expected.len());
        assert_eq!(whole_of(&seen, &Filter::default(), sort, 7).await, expected, "{sort}");
    }
    let all = with(|f| f.all = true);
    let expected = numbers(&format!("tenant_id = 't' and {of} order by created_at, id")).await;
    assert_eq!(whole_of(&seen, &all, Sort::Age, 100).await, expected);
    let group = |group: &str| with(|f| (f.group, f.members) = (Some(group.into()), true));
    let expected = numbers(&format!("{OPEN} and assigned_group = 'group-3' order by severity, created_at, id")).await;
    assert_eq!(whole_of(&seen, &group("group-3"), Sort::Severity, 50).await, expected);
    let expected = numbers(&format!(
        "{OPEN} and assigned_group = 'group-5' and customer_id = 'C-12' order by severity, created_at, id"
    ))
    .await;
    assert_eq!(
        whole_of(&seen, &group("group-5"), Sort::Severity, 50).await,
        expected,
        "of another group only the customer's"
    );
}
