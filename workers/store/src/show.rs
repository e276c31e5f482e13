//! What surrounds a case, for people: its order and run, its signals, what is known at each downstream, related cases.

use chrono::{DateTime, Utc};
use fallout_core::{ids::CaseId, outcome::Outcome};
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;

use crate::{StoreError, Tx};

/// More than a person reads at once; the newest are shown.
const SIGNALS_SHOWN: i64 = 20;
const RELATED_SHOWN: i64 = 20;
/// Of its problem: `case list --problem` has them all.
const MEMBERS_SHOWN: i64 = 10;

/// What a case holds beside its row in a worklist.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Fields {
    pub source: String,
    pub source_event_id: Option<String>,
    pub root_process_instance_id: Option<String>,
    pub affected_line_ids: Vec<String>,
    pub waiting_for: Option<String>,
    pub wait_reason: Option<String>,
    pub wait_until: Option<DateTime<Utc>>,
    pub unresolved_reason: Option<String>,
    pub review_at: Option<DateTime<Utc>>,
    pub resolution_code: Option<String>,
    pub fixing_action: Option<String>,
    /// How it is known that it is resolved (machine, attested, none), and from where or whom.
    pub verification: Option<String>,
    pub verified_by: Option<String>,
    pub verification_failures: i32,
    pub root_cause: Option<String>,
    pub preventive_follow_up: Option<String>,
    pub resolved_at: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
    /// Number of the case that this one is a duplicate of.
    pub duplicate_of: Option<String>,
}

pub async fn fields(tx: &mut Tx, case: CaseId) -> Result<Fields, StoreError> {
    let row = sqlx::query_as!(
        Fields,
        r#"select c.source, c.source_event_id, c.root_process_instance_id, c.affected_line_ids, c.waiting_for, c.wait_reason,
                  c.wait_until, c.unresolved_reason, c.review_at, c.resolution_code, c.fixing_action, c.root_cause,
                  c.preventive_follow_up, c.verification, c.verified_by, c.verification_failures, c.resolved_at, c.closed_at, d.case_number as "duplicate_of?"
           from fallout_case c left join fallout_case d on d.id = c.duplicate_of where c.id = $1"#,
        case.0,
    );
    Ok(row.fetch_one(tx.conn()).await?)
}

/// The problem that a case is a member of.
#[derive(Clone, Debug, Serialize)]
pub struct ProblemOf {
    #[serde(rename = "problem")]
    pub number: String,
    pub state: String,
    pub severity: String,
    pub cases: i32,
    pub orders: i32,
}

pub async fn problem(tx: &mut Tx, case: CaseId) -> Result<Option<ProblemOf>, StoreError> {
    let row = sqlx::query_as!(
        ProblemOf,
        "select p.problem_number as number, p.state, p.severity, p.cases, p.orders
         from fallout_case c join fallout_problem p on p.id = c.problem_id where c.id = $1",
        case.0,
    );
    Ok(row.fetch_optional(tx.conn()).await?)
}

/// The case's order as it came, and how its run stands.
#[derive(Clone, Debug)]
pub struct OrderOf {
    pub external_id: String,
    pub document: Value,
    pub run: Option<i32>,
    pub run_state: Option<String>,
}

pub async fn order(tx: &mut Tx, case: CaseId) -> Result<Option<OrderOf>, StoreError> {
    let row = sqlx::query_as!(
        OrderOf,
        r#"select o.external_id, o.document, r.run as "run?", r.state as "run_state?"
           from fallout_case c join product_order o on o.id = c.related_order_id
                left join order_run r on r.business_key = c.business_key where c.id = $1"#,
        case.0,
    );
    Ok(row.fetch_optional(tx.conn()).await?)
}

/// What the ledger knows of one step of the case's order run.
#[derive(Clone, Debug)]
pub struct StepLine {
    pub line: String,
    pub step: String,
    pub direction: String,
    pub state: String,
    pub operation: String,
    pub undone: bool,
    pub tries: i64,
    /// Of the last try.
    pub outcome: Option<Json<Outcome>>,
    /// How often the downstream was asked about it.
    pub lookups: i32,
    pub at: DateTime<Utc>,
}

/// In the order in which they were begun.
pub async fn steps(tx: &mut Tx, business_key: &str) -> Result<Vec<StepLine>, StoreError> {
    let rows = sqlx::query_as!(
        StepLine,
        r#"select s.line_id as line, s.step_code as step, s.direction, s.state, s.operation, s.undone,
                  coalesce(a.tries, 0) as "tries!", a.outcome as "outcome?: Json<Outcome>", coalesce(a.lookups, 0) as "lookups!",
                  coalesce(a.at, s.updated_at) as "at!"
           from order_run r join step s on s.order_run_id = r.id
                left join lateral (
                    select count(*) over () as tries, coalesce(t.contradicted_by, t.outcome) as outcome,
                           jsonb_array_length(t.reads) as lookups, coalesce(t.settled_at, t.opened_at) as at
                    from attempt t where t.step_id = s.id order by t.number desc limit 1) a on true
           where r.business_key = $1 order by s.created_at, s.line_id, s.step_code"#,
        business_key,
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// One detection.
#[derive(Clone, Debug, Serialize)]
pub struct SignalLine {
    pub at: DateTime<Utc>,
    pub source: String,
    pub event: Option<String>,
    pub kind: String,
    pub reason: Option<String>,
}

/// The newest, oldest of them first, and how many there are.
pub async fn signals(tx: &mut Tx, case: CaseId) -> Result<(Vec<SignalLine>, i64), StoreError> {
    let rows = sqlx::query!(
        r#"select received_at, source_system, source_event_id, normalized_signal_type, payload ->> 'reason' as reason,
                  count(*) over () as "total!"
           from fallout_external_signal where fallout_case_id = $1 order by id desc limit $2"#,
        case.0,
        SIGNALS_SHOWN,
    );
    let rows = rows.fetch_all(tx.conn()).await?;
    let total = rows.first().map_or(0, |r| r.total);
    let lines = rows.into_iter().rev().map(|r| SignalLine {
        at: r.received_at,
        source: r.source_system,
        event: r.source_event_id,
        kind: r.normalized_signal_type,
        reason: r.reason,
    });
    Ok((lines.collect(), total))
}

/// Another case that one looks at too.
#[derive(Clone, Debug, Serialize)]
pub struct RelatedCase {
    #[serde(rename = "case")]
    pub case_number: String,
    /// Why it is related.
    pub relation: String,
    pub status: String,
    pub severity: String,
    pub classification: Option<String>,
    pub summary: Option<String>,
}

/// Duplicates, the original, other cases of the same order, and some of the same problem; open ones first.
pub async fn related(tx: &mut Tx, case: CaseId) -> Result<Vec<RelatedCase>, StoreError> {
    let rows = sqlx::query_as!(
        RelatedCase,
        r#"select r.case_number as "case_number!", r.relation as "relation!", r.status as "status!", r.severity as "severity!", r.classification_code as classification,
                  r.diagnostic_summary as summary
           from (
               select o.*, 'original' as relation from fallout_case c join fallout_case o on o.id = c.duplicate_of where c.id = $1
               union all
               select d.*, 'duplicate' from fallout_case d where d.duplicate_of = $1
               union all
               select s.*, 'same order' from fallout_case c join fallout_case s on s.related_order_id = c.related_order_id
               where c.id = $1 and s.id <> c.id and s.duplicate_of is distinct from c.id and c.duplicate_of is distinct from s.id
               union all
               (select m.*, 'same problem' from fallout_case c join fallout_case m on m.problem_id = c.problem_id
                where c.id = $1 and m.id <> c.id and m.duplicate_of is distinct from c.id and c.duplicate_of is distinct from m.id
                  and m.related_order_id is distinct from c.related_order_id order by m.status, m.created_at desc limit $3)) r
           order by r.status in ('resolved', 'closed', 'force_closed', 'duplicate'), r.created_at desc limit $2"#,
        case.0,
        RELATED_SHOWN,
        MEMBERS_SHOWN,
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}
