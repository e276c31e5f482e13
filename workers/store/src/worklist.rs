//! Worklists: the one place where a query is put together from parts, since a person chooses its filters. One tenant by
//! `=`; every comparison is leakproof, so that indexes serve it under row-level security too (docs/WORKLIST.md).

use fallout_core::worklist::{Asked, Assignee, Clock, FREQUENT, Filter, Place, Search, Sort, Word};
use serde_json::Value;
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use crate::{StoreError, Tx, cases::CaseLine};

/// Of the two halves of all cases, open and over: the predicates of the partial indexes.
const HALVES: [&str; 2] = ["c.open", "not c.open"];

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

/// How many cases there are of each word that is searched, open and over; counted no further than it matters.
pub async fn frequencies(tx: &mut Tx, tenant: &str, filter: &Filter) -> Result<Vec<(i64, i64)>, StoreError> {
    let mut query = QueryBuilder::new("");
    if !count(&mut query, tenant, filter) {
        return Ok(Vec::new());
    }
    let counts: Vec<i64> = query.build_query_scalar().persistent(false).fetch_one(tx.conn()).await?;
    Ok(counts.chunks_exact(2).map(|of| (of[0], of[1])).collect())
}

/// False when there is nothing to count.
fn count(query: &mut QueryBuilder<Postgres>, tenant: &str, filter: &Filter) -> bool {
    let words = filter.words();
    query.push("select array[");
    for (n, (word, open)) in words.iter().flat_map(|word| [(word, true), (word, false)]).enumerate() {
        query.push(if n == 0 { "(select" } else { ", (select" }).push(" count(*) from (select from case_word w where ");
        with_word(query, tenant, word, open);
        query.push(" limit ").push(FREQUENT).push(") counted)");
    }
    query.push("]");
    !words.is_empty()
}

/// One page, in the order that was asked for.
pub async fn page(tx: &mut Tx, tenant: &str, asked: &Asked, search: &Search) -> Result<Vec<CaseLine>, StoreError> {
    let mut query = QueryBuilder::new("");
    write(&mut query, tenant, asked, search);
    // Planned with its values: a filter that few cases meet goes another way than one that most do.
    Ok(query.build_query_as::<CaseLine>().persistent(false).fetch_all(tx.conn()).await?)
}

/// How the database goes about a page: the milliseconds that it takes, with the look at its words, and its plan.
pub async fn plan(tx: &mut Tx, tenant: &str, asked: &Asked, search: &Search) -> Result<(f64, Value), StoreError> {
    let mut ms = 0.0;
    let mut query = QueryBuilder::new(EXPLAIN);
    if count(&mut query, tenant, &asked.filter) {
        ms += explained(tx, query).await?.0;
    }
    let mut query = QueryBuilder::new(EXPLAIN);
    write(&mut query, tenant, asked, search);
    let (page, plan) = explained(tx, query).await?;
    Ok((ms + page, plan))
}

const EXPLAIN: &str = "explain (analyze, timing off, format json) ";

async fn explained(tx: &mut Tx, mut query: QueryBuilder<Postgres>) -> Result<(f64, Value), StoreError> {
    let plan: Value = query.build_query_scalar().persistent(false).fetch_one(tx.conn()).await?;
    let ms = ["Planning Time", "Execution Time"].iter().filter_map(|k| plan[0][*k].as_f64()).sum();
    Ok((ms, plan[0]["Plan"].clone()))
}

/// Each half gives the ids of a page from its own index; then they are put together and read.
fn write(query: &mut QueryBuilder<Postgres>, tenant: &str, asked: &Asked, search: &Search) {
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
        half(query, tenant, asked, 0, search);
    }
    if open && over {
        query.push(" union all ");
    }
    if over {
        half(query, tenant, asked, 1, search);
    }
    query.push(
        ") page join fallout_case c on c.id = page.id left join product_order o on o.id = c.related_order_id
         left join step s on s.id = c.step_id order by ",
    );
    query.push(by).push(" limit ").push_bind(asked.limit);
}

fn half(query: &mut QueryBuilder<Postgres>, tenant: &str, asked: &Asked, which: usize, search: &Search) {
    let (by, compared) = order(asked.sort);
    query.push("(select c.id from fallout_case c where c.tenant_id = ").push_bind(tenant.to_owned());
    query.push(" and ").push(HALVES[which]);
    filter(query, tenant, &asked.filter);
    if !asked.hidden.is_empty() {
        let rows: Vec<Uuid> = asked.hidden.iter().map(|problem| problem.0).collect();
        query.push(" and (c.problem_id is null or c.problem_id <> all(").push_bind(rows).push("))");
    }
    let leads = if which == 0 { search.open } else { search.over };
    for (n, word) in asked.filter.words().iter().enumerate() {
        // Neither is turned into a join: which way is better was counted, and the planner could only guess.
        if Some(n) == leads {
            query.push(" and c.id = any (array(select w.fallout_case_id from case_word w where ");
            with_word(query, tenant, word, which == 0);
            query.push("))");
        } else {
            query.push(" and (select true from case_word w where w.fallout_case_id = c.id and ");
            with_word(query, tenant, word, which == 0);
            query.push(" limit 1)");
        }
    }
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

fn filter(query: &mut QueryBuilder<Postgres>, tenant: &str, filter: &Filter) {
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
    if let Some(number) = &filter.service_number {
        query.push(" and c.related_order_id = any (array(select order_id from order_service_number where tenant_id = ");
        query.push_bind(tenant.to_owned()).push(" and number = ").push_bind(number.clone()).push("))");
    }
    if let Some(problem) = &filter.problem {
        query
            .push(" and c.problem_id = (select id from fallout_problem where tenant_id = ")
            .push_bind(tenant.to_owned());
        query.push(" and problem_number = ").push_bind(problem.clone()).push(")");
    }
    clock(query, filter.clock.as_ref());
}

fn clock(query: &mut QueryBuilder<Postgres>, clock: Option<&Clock>) {
    match clock {
        None => {}
        Some(Clock::Breached) => {
            query.push(" and c.sla_due_at <= now()");
        }
        Some(Clock::DueBefore(at)) => {
            query.push(" and c.sla_due_at < ").push_bind(*at);
        }
        // Warned, and not yet missed.
        Some(Clock::AtRisk) => {
            query.push(" and c.sla_jeopardy_at <= now() and c.sla_due_at > now()");
        }
    }
}

fn with_word(query: &mut QueryBuilder<Postgres>, tenant: &str, word: &Word, open: bool) {
    query.push("w.tenant_id = ").push_bind(tenant.to_owned()).push(" and w.open = ").push(open).push(" and ");
    is_word(query, word);
}

fn is_word(query: &mut QueryBuilder<Postgres>, word: &Word) {
    match word {
        Word::Whole(word) => query.push("w.word = worklist_word(").push_bind(word.clone()).push(")"),
        Word::Beginning(begin) => {
            query.push("w.word >= worklist_word(").push_bind(begin.clone());
            // The last character there is.
            query.push(") and w.word < worklist_word(").push_bind(begin.clone()).push(") || U&'\\+10FFFF'")
        }
    };
}
