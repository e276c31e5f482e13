//! Problems: one cause behind many cases. Nothing here is touched when a case opens: a controller gathers afterwards.

use chrono::{DateTime, Duration, Utc};
use fallout_core::{
    case::{CaseEvent, Severity},
    event::EventType,
    ids::{ProblemId, ProblemNumber},
    problem::{Gathering, ProblemEvent, ProblemState},
    worklist::{Assignee, OfProblems},
};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{StoreError, Tx, cases::Actor};

/// A problem as it is shown, and as its controller decides on it.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    #[serde(skip)]
    pub id: ProblemId,
    #[serde(skip)]
    pub tenant: String,
    #[serde(rename = "problem")]
    pub number: ProblemNumber,
    pub downstream: String,
    pub operation: String,
    pub classification: String,
    pub category: String,
    pub state: ProblemState,
    pub severity: Severity,
    /// Ever joined.
    pub cases: i32,
    pub orders: i32,
    pub group: String,
    pub user: Option<String>,
    pub opened_at: DateTime<Utc>,
    pub joined_at: DateTime<Utc>,
    pub takes_until: DateTime<Utc>,
    pub taking: bool,
    pub closed_at: Option<DateTime<Utc>>,
}

struct Row {
    id: Uuid,
    tenant_id: String,
    problem_number: String,
    downstream: String,
    operation: String,
    classification_code: String,
    category: String,
    state: String,
    severity: String,
    cases: i32,
    orders: i32,
    assigned_group: String,
    assigned_user: Option<String>,
    opened_at: DateTime<Utc>,
    joined_at: DateTime<Utc>,
    takes_until: DateTime<Utc>,
    taking: bool,
    closed_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Problem {
    type Error = StoreError;
    fn try_from(r: Row) -> Result<Self, StoreError> {
        let number = r.problem_number.parse();
        Ok(Problem {
            id: ProblemId(r.id),
            tenant: r.tenant_id,
            number: number.map_err(|e: fallout_core::ids::NotAProblemNumber| StoreError::Corrupt(e.to_string()))?,
            downstream: r.downstream,
            operation: r.operation,
            classification: r.classification_code,
            category: r.category,
            state: r.state.parse()?,
            severity: r.severity.parse()?,
            cases: r.cases,
            orders: r.orders,
            group: r.assigned_group,
            user: r.assigned_user,
            opened_at: r.opened_at,
            joined_at: r.joined_at,
            takes_until: r.takes_until,
            taking: r.taking,
            closed_at: r.closed_at,
        })
    }
}

/// Causes with at least so many active cases that belong to no problem, opened within the window.
pub async fn gatherings(tx: &mut Tx, window: Duration, least: i64) -> Result<Vec<Gathering>, StoreError> {
    let rows = sqlx::query_as!(
        Gathering,
        r#"select tenant_id as tenant, coalesce(external_system, '') as "downstream!", operation,
                  coalesce(classification_code, '') as "classification!", count(*) as "cases!",
                  count(*) filter (where created_at > clock_timestamp() - interval '1 min') as "last_minute!"
           from fallout_case
           where problem_id is null and status not in ('resolved', 'closed', 'force_closed', 'duplicate')
             and created_at > clock_timestamp() - make_interval(secs => $1)
           group by tenant_id, external_system, operation, classification_code having count(*) >= $2"#,
        window.num_seconds() as f64,
        least,
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// Who has a new problem and how grave its category is.
#[derive(Clone, Copy, Debug)]
pub struct NewProblem<'a> {
    pub id: ProblemId,
    pub of: &'a Gathering,
    pub category: &'a str,
    pub severity: Severity,
    pub group: &'a str,
    pub window: Duration,
}

/// False when another process has opened it.
pub async fn open(tx: &mut Tx, new: &NewProblem<'_>) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "insert into fallout_problem (id, tenant_id, problem_number, downstream, operation, classification_code, category, severity,
             assigned_group, takes_until)
         values ($1, $2, 'pr-' || nextval('fallout_problem_number'), $3, $4, $5, $6, $7, $8,
             clock_timestamp() + make_interval(secs => $9))
         on conflict (tenant_id, downstream, operation, classification_code) where taking do nothing",
        new.id.0,
        new.of.tenant,
        new.of.downstream,
        new.of.operation,
        new.of.classification,
        new.category,
        new.severity.word(),
        new.group,
        new.window.num_seconds() as f64,
    );
    Ok(done.execute(tx.conn()).await?.rows_affected() == 1)
}

/// Open problems of every tenant.
pub async fn all_open(tx: &mut Tx) -> Result<Vec<ProblemId>, StoreError> {
    let ids = sqlx::query_scalar!("select id from fallout_problem where state = 'open' order by id");
    Ok(ids.fetch_all(tx.conn()).await?.into_iter().map(ProblemId).collect())
}

/// The problem, ours until the transaction ends; `None` when another process has it.
pub async fn take(tx: &mut Tx, id: ProblemId) -> Result<Option<Problem>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, tenant_id, problem_number, downstream, operation, classification_code, category, state, severity, cases, orders,
                assigned_group, assigned_user, opened_at, joined_at, takes_until, taking, closed_at
         from fallout_problem where id = $1 and state = 'open' for no key update skip locked",
        id.0,
    );
    row.fetch_optional(tx.conn()).await?.map(Problem::try_from).transpose()
}

/// By its number, held for a person's command.
pub async fn held(tx: &mut Tx, tenant: &str, number: ProblemNumber) -> Result<Option<Problem>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, tenant_id, problem_number, downstream, operation, classification_code, category, state, severity, cases, orders,
                assigned_group, assigned_user, opened_at, joined_at, takes_until, taking, closed_at
         from fallout_problem where tenant_id = $1 and problem_number = $2 for no key update",
        tenant,
        number.to_string(),
    );
    row.fetch_optional(tx.conn()).await?.map(Problem::try_from).transpose()
}

/// One tenant's problems, the gravest and oldest first; a worklist shows the open ones as a row each.
pub async fn list(tx: &mut Tx, tenant: &str, only_open: bool, limit: i64) -> Result<Vec<Problem>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "select id, tenant_id, problem_number, downstream, operation, classification_code, category, state, severity, cases, orders,
                assigned_group, assigned_user, opened_at, joined_at, takes_until, taking, closed_at
         from fallout_problem where tenant_id = $1 and (not $2 or state = 'open') order by state desc, severity, opened_at limit $3",
        tenant,
        only_open,
        limit,
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Problem::try_from).collect()
}

/// Open problems that are a row of a worklist, the gravest and oldest first.
pub async fn rows(tx: &mut Tx, tenant: &str, asked: &OfProblems<'_>, limit: i64) -> Result<Vec<Problem>, StoreError> {
    let (nobody, user) = match asked.assignee {
        Some(Assignee::Nobody) => (true, None),
        Some(Assignee::User(user)) => (false, Some(user)),
        None => (false, None),
    };
    let rows = sqlx::query_as!(
        Row,
        "select id, tenant_id, problem_number, downstream, operation, classification_code, category, state, severity, cases, orders,
                assigned_group, assigned_user, opened_at, joined_at, takes_until, taking, closed_at
         from fallout_problem where tenant_id = $1 and state = 'open'
           and ($2::text is null or severity = $2) and ($3::text is null or category = $3)
           and ($4::text is null or assigned_group = $4) and ($5::text is null or downstream = $5)
           and (not $6 or assigned_user is null) and ($7::text is null or assigned_user = $7)
         order by severity, opened_at, id limit $8",
        tenant,
        asked.severity.map(Severity::word),
        asked.category,
        asked.group,
        asked.downstream,
        nobody,
        user,
        limit,
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Problem::try_from).collect()
}

/// Takes in cases of the problem's cause, with an entry on each timeline; how many, and when the last of them was opened. A
/// case that somebody changes right now comes next time.
pub async fn join(
    tx: &mut Tx,
    problem: &Problem,
    window: Duration,
    limit: i64,
) -> Result<(i64, Option<DateTime<Utc>>), StoreError> {
    let joined = sqlx::query!(
        r#"with free as (
             select id from fallout_case
             where problem_id is null and tenant_id = $2 and external_system = $3 and operation = $4 and classification_code = $5
               and status not in ('resolved', 'closed', 'force_closed', 'duplicate')
               and created_at > $6::timestamptz - make_interval(secs => $7) and created_at <= $8::timestamptz
             order by created_at limit $9 for no key update skip locked),
         joined as (
             update fallout_case c set problem_id = $1 from free where c.id = free.id returning c.id, c.tenant_id, c.created_at),
         told as (
             insert into fallout_event (id, tenant_id, fallout_case_id, event_type, actor_type, actor_id, payload)
             select gen_random_uuid(), tenant_id, id, $10, 'system', 'problems', jsonb_build_object('problem', $11::text) from joined)
         select count(*) as "cases!", max(created_at) as latest from joined"#,
        problem.id.0,
        problem.tenant,
        problem.downstream,
        problem.operation,
        problem.classification,
        problem.opened_at,
        window.num_seconds() as f64,
        problem.takes_until,
        limit,
        CaseEvent::JoinedProblem.word(),
        problem.number.to_string(),
    );
    let joined = joined.fetch_one(tx.conn()).await?;
    Ok((joined.cases, joined.latest))
}

/// What its cases come to.
#[derive(Clone, Copy, Debug)]
pub struct Impact {
    pub cases: i64,
    pub orders: i64,
    pub active: i64,
    /// Of the active ones.
    pub gravest: Option<Severity>,
    pub now: DateTime<Utc>,
}

pub async fn impact(tx: &mut Tx, problem: ProblemId) -> Result<Impact, StoreError> {
    let row = sqlx::query!(
        r#"select count(*) as "cases!", count(distinct related_order_id) as "orders!",
                  count(*) filter (where status not in ('resolved', 'closed', 'force_closed', 'duplicate')) as "active!",
                  min(severity) filter (where status not in ('resolved', 'closed', 'force_closed', 'duplicate')) as gravest,
                  clock_timestamp() as "now!"
           from fallout_case where problem_id = $1"#,
        problem.0,
    );
    let r = row.fetch_one(tx.conn()).await?;
    let gravest = r.gravest.map(|word| word.parse()).transpose()?;
    Ok(Impact { cases: r.cases, orders: r.orders, active: r.active, gravest, now: r.now })
}

/// How the problem stands now.
pub async fn keep(tx: &mut Tx, problem: &Problem) -> Result<(), StoreError> {
    sqlx::query!(
        "update fallout_problem set state = $2, severity = $3, cases = $4, orders = $5, assigned_group = $6, assigned_user = $7,
             joined_at = $8, takes_until = $9, taking = $10, closed_at = $11, version = version + 1 where id = $1",
        problem.id.0,
        problem.state.word(),
        problem.severity.word(),
        problem.cases,
        problem.orders,
        problem.group,
        problem.user,
        problem.joined_at,
        problem.takes_until,
        problem.taking,
        problem.closed_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Adds to the problem's timeline, and to the outbox what the outside is told of it.
pub async fn tell(
    tx: &mut Tx,
    id: Uuid,
    problem: &Problem,
    event: ProblemEvent,
    actor: Actor<'_>,
    reason: Option<&str>,
    payload: &Value,
) -> Result<(), StoreError> {
    let (kind, who) = match actor {
        Actor::System(name) => ("system", name),
        Actor::User(name) => ("user", name),
    };
    let published: Option<EventType> = event.word().parse().ok();
    let data = published.map_or_else(Value::default, |kind| kind.publishable(payload).into());
    sqlx::query!(
        "with entry as (
             insert into fallout_problem_event (id, tenant_id, problem_id, event_type, actor_type, actor_id, reason, payload)
             values ($1, $2, $3, $4, $5, $6, $7, $8) returning id, tenant_id, created_at)
         insert into event_outbox (id, tenant_id, event_type, subject, occurred_at, data)
         select id, tenant_id, $9, $10, created_at, $11 from entry where $9::text is not null",
        id,
        problem.tenant,
        problem.id.0,
        event.word(),
        kind,
        who,
        reason,
        payload,
        published.map(EventType::word),
        problem.number.to_string(),
        data,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// One entry of a problem's timeline.
#[derive(Clone, Debug, Serialize)]
pub struct ProblemEntry {
    pub at: DateTime<Utc>,
    pub event: String,
    pub actor: String,
    pub reason: Option<String>,
    pub payload: Option<Value>,
}

pub async fn timeline(tx: &mut Tx, problem: ProblemId) -> Result<Vec<ProblemEntry>, StoreError> {
    let rows = sqlx::query_as!(
        ProblemEntry,
        "select created_at as at, event_type as event, actor_id as actor, reason, payload from fallout_problem_event
         where problem_id = $1 order by created_at, id",
        problem.0,
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}
