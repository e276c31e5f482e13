//! Worklists: the one place where a query is put together from parts, since a person chooses its filters. One tenant by
//! `=`; every comparison is leakproof, so that indexes serve it under row-level security too (docs/WORKLIST.md).

use fallout_core::worklist::{Asked, Assignee, Clock, Filter, Place, Sort, Word};
use serde_json::Value;
use sqlx::{Postgres, QueryBuilder};

use crate::{StoreError, Tx, cases::CaseLine};

/// Of the two halves of all cases, open and over: the predicates of the partial indexes.
const HALVES: [&str; 2] = [
    "c.status not in ('resolved', 'closed', 'force_closed', 'duplicate')",
    "c.status in ('resolved', 'closed', 'force_closed', 'duplicate')",
];

/// What a row shows of its case.
const COLUMNS: &str = "c.id, c.case_number, c.case_type, c.classification_code, c.severity, c.status, c.related_order_id, \
    c.step_id, c.assigned_group, c.assigned_user, c.recommended_action, c.diagnostic_summary, c.external_system, \
    c.external_reference, c.business_key, c.process_instance_id, c.customer_id, c.sla_due_at, c.created_at, c.updated_at, \
    c.version";

/// How rows are ordered, and what of a row is compared with a place: each stands in an index of the migration.
fn order(sort: Sort) -> (&'static str, &'static str) {
    match sort {
        Sort::Severity => ("c.severity, c.created_at, c.id", "(c.severity, c.created_at, c.id) > ("),
        Sort::Due => (
            "coalesce(c.sla_due_at, 'infinity'::timestamptz), c.id",
            "(coalesce(c.sla_due_at, 'infinity'::timestamptz), c.id) > (",
        ),
        Sort::Age => ("c.created_at, c.id", "(c.created_at, c.id) > ("),
        Sort::Updated => ("c.updated_at desc, c.id desc", "(c.updated_at, c.id) < ("),
    }
}

/// One page, in the order that was asked for.
pub async fn page(tx: &mut Tx, tenant: &str, asked: &Asked) -> Result<Vec<CaseLine>, StoreError> {
    let mut query = QueryBuilder::new("");
    write(&mut query, tenant, asked);
    // Planned with its values: a filter that few cases meet goes another way than one that most do.
    Ok(query.build_query_as::<CaseLine>().persistent(false).fetch_all(tx.conn()).await?)
}

/// How the database went about a page: the milliseconds it took, and its plan.
pub async fn plan(tx: &mut Tx, tenant: &str, asked: &Asked) -> Result<(f64, Value), StoreError> {
    let mut query = QueryBuilder::new("explain (analyze, timing off, format json) ");
    write(&mut query, tenant, asked);
    let plan: Value = query.build_query_scalar().persistent(false).fetch_one(tx.conn()).await?;
    let ms = ["Planning Time", "Execution Time"].iter().filter_map(|k| plan[0][*k].as_f64()).sum();
    Ok((ms, plan[0]["Plan"].clone()))
}

/// Each half is read by its own index up to a page; then they are put together.
fn write(query: &mut QueryBuilder<Postgres>, tenant: &str, asked: &Asked) {
    let (by, _) = order(asked.sort);
    query.push(
        "select c.id, c.case_number, c.case_type as category, c.classification_code as classification, c.severity, c.status,
                o.external_id as \"order\", s.line_id as line, s.step_code as step, c.assigned_group as \"group\",
                c.assigned_user as assignee, c.recommended_action, c.diagnostic_summary as summary, c.external_system,
                c.external_reference, c.business_key, c.process_instance_id, c.customer_id as customer, c.sla_due_at,
                c.created_at, c.updated_at, c.version
         from (",
    );
    let (open, over) = asked.filter.halves();
    if open {
        half(query, tenant, asked, 0);
    }
    if open && over {
        query.push(" union all ");
    }
    if over {
        half(query, tenant, asked, 1);
    }
    query.push(
        ") c left join product_order o on o.id = c.related_order_id left join step s on s.id = c.step_id order by ",
    );
    query.push(by).push(" limit ").push_bind(asked.limit);
}

fn half(query: &mut QueryBuilder<Postgres>, tenant: &str, asked: &Asked, which: usize) {
    let (by, compared) = order(asked.sort);
    query.push("(select ").push(COLUMNS).push(" from fallout_case c where c.tenant_id = ").push_bind(tenant.to_owned());
    query.push(" and ").push(HALVES[which]);
    filter(query, tenant, &asked.filter, which == 0);
    if let Some(place) = &asked.after {
        query.push(" and ").push(compared);
        after(query, asked.sort, place);
    }
    query.push(" order by ").push(by).push(" limit ").push_bind(asked.limit).push(")");
}

fn after(query: &mut QueryBuilder<Postgres>, sort: Sort, place: &Place) {
    if let Some(severity) = place.severity {
        query.push_bind(severity.word()).push(", ");
    }
    match sort {
        Sort::Due => query.push("coalesce(").push_bind(place.at).push(", 'infinity'::timestamptz)"),
        _ => query.push_bind(place.at),
    };
    query.push(", ").push_bind(place.id).push(")");
}

fn filter(query: &mut QueryBuilder<Postgres>, tenant: &str, filter: &Filter, open: bool) {
    let equal = [
        ("status", filter.state.map(|s| s.word().to_owned())),
        ("severity", filter.severity.map(|s| s.word().to_owned())),
        ("case_type", filter.category.clone()),
        ("assigned_group", filter.group.clone()),
        ("external_system", filter.downstream.clone()),
        ("customer_id", filter.customer.clone()),
        ("external_reference", filter.external_reference.clone()),
    ];
    for (column, value) in equal.into_iter().filter_map(|(column, value)| Some((column, value?))) {
        query.push(" and c.").push(column).push(" = ").push_bind(value);
    }
    match &filter.assignee {
        Some(Assignee::Nobody) => query.push(" and c.assigned_user is null"),
        Some(Assignee::User(user)) => query.push(" and c.assigned_user = ").push_bind(user.clone()),
        None => query,
    };
    if let Some(order) = &filter.order {
        query
            .push(" and c.related_order_id = (select id from product_order where tenant_id = ")
            .push_bind(tenant.to_owned());
        query.push(" and external_id = ").push_bind(order.clone()).push(")");
    }
    clock(query, tenant, filter.clock.as_ref());
    // These columns have no index of their own; their values are among the words.
    let ids = [&filter.customer, &filter.external_reference].into_iter().flatten();
    let words = ids.map(|id| Word::Whole(id.split_whitespace().next().unwrap_or_default().to_owned()));
    let words = words.chain(filter.service_number.as_ref().map(|n| Word::Whole(format!("service:{n}"))));
    words.chain(filter.words.iter().cloned()).for_each(|word| found_by(query, tenant, &word, open));
}

fn clock(query: &mut QueryBuilder<Postgres>, tenant: &str, clock: Option<&Clock>) {
    match clock {
        None => {}
        Some(Clock::Breached) => {
            query.push(" and c.sla_due_at <= now()");
        }
        Some(Clock::DueBefore(at)) => {
            query.push(" and c.sla_due_at < ").push_bind(*at);
        }
        Some(Clock::AtRisk) => {
            query.push(" and c.sla_due_at > now() and exists (select from case_sla k where k.tenant_id = ");
            query.push_bind(tenant.to_owned());
            query.push(" and k.fallout_case_id = c.id and k.next_at is not null and k.jeopardy_at <= now())");
        }
    }
}

fn found_by(query: &mut QueryBuilder<Postgres>, tenant: &str, word: &Word, open: bool) {
    query.push(" and exists (select from case_word w where w.tenant_id = ").push_bind(tenant.to_owned());
    query.push(" and w.open = ").push(open).push(" and w.fallout_case_id = c.id and ");
    match word {
        Word::Whole(word) => query.push("w.word = worklist_word(").push_bind(word.clone()).push("))"),
        Word::Beginning(begin) => {
            query.push("w.word >= worklist_word(").push_bind(begin.clone());
            // The last character there is.
            query.push(") and w.word < worklist_word(").push_bind(begin.clone()).push(") || U&'\\+10FFFF')")
        }
    };
}
