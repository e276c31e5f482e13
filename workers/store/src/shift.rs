//! What a shift hands to the next: counts of what happened, what is open with whom, what was noted.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{StoreError, Tx};

/// More than is read out at a handover.
const SHOWN: i64 = 20;

/// How often something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Happened {
    pub event: String,
    pub times: i64,
}

pub async fn happened(
    tx: &mut Tx,
    tenant: &str,
    since: DateTime<Utc>,
    group: Option<&str>,
) -> Result<Vec<Happened>, StoreError> {
    let rows = sqlx::query_as!(
        Happened,
        r#"select e.event_type as event, count(*) as "times!"
           from fallout_event e join fallout_case c on c.id = e.fallout_case_id
           where e.tenant_id = $1 and e.created_at >= $2 and ($3::text is null or c.assigned_group = $3)
           group by e.event_type order by e.event_type"#,
        tenant,
        since,
        group,
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// Open cases of one person, or of nobody, in one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Load {
    pub group: Option<String>,
    /// `None`: nobody has them yet.
    pub user: Option<String>,
    pub sev1: i64,
    pub sev2: i64,
    pub sev3: i64,
    pub sev4: i64,
    pub waiting: i64,
    pub breached: i64,
    pub oldest: Option<DateTime<Utc>>,
}

impl Load {
    pub fn open(&self) -> i64 {
        self.sev1 + self.sev2 + self.sev3 + self.sev4
    }
}

pub async fn workload(tx: &mut Tx, tenant: &str, group: Option<&str>) -> Result<Vec<Load>, StoreError> {
    let rows = sqlx::query_as!(
        Load,
        r#"select assigned_group as "group", assigned_user as "user",
                  count(*) filter (where severity = 'SEV1') as "sev1!", count(*) filter (where severity = 'SEV2') as "sev2!",
                  count(*) filter (where severity = 'SEV3') as "sev3!", count(*) filter (where severity = 'SEV4') as "sev4!",
                  count(*) filter (where status = 'waiting') as "waiting!",
                  count(*) filter (where sla_due_at <= now()) as "breached!", min(created_at) as oldest
           from fallout_case
           where tenant_id = $1 and open and ($2::text is null or assigned_group = $2)
           group by assigned_group, assigned_user order by assigned_group nulls last, assigned_user nulls first"#,
        tenant,
        group,
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// What somebody wrote down for the others, or a case that comes back by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    #[serde(rename = "case")]
    pub case_number: String,
    pub at: DateTime<Utc>,
    pub by: Option<String>,
    pub text: Option<String>,
}

/// The newest notes, oldest of them first.
pub async fn notes(
    tx: &mut Tx,
    tenant: &str,
    since: DateTime<Utc>,
    group: Option<&str>,
) -> Result<Vec<Note>, StoreError> {
    let rows = sqlx::query_as!(
        Note,
        "select c.case_number, e.created_at as at, e.actor_id as by, e.reason as text
         from fallout_event e join fallout_case c on c.id = e.fallout_case_id
         where e.tenant_id = $1 and e.created_at >= $2 and e.event_type = 'FalloutNoteAdded'
           and ($3::text is null or c.assigned_group = $3)
         order by e.created_at desc limit $4",
        tenant,
        since,
        group,
        SHOWN,
    );
    let mut notes = rows.fetch_all(tx.conn()).await?;
    notes.reverse();
    Ok(notes)
}

/// Waiting cases that return before a moment, next first.
pub async fn returning(
    tx: &mut Tx,
    tenant: &str,
    before: DateTime<Utc>,
    group: Option<&str>,
) -> Result<Vec<Note>, StoreError> {
    let rows = sqlx::query_as!(
        Note,
        r#"select case_number, wait_until as "at!", assigned_user as by, wait_reason as text from fallout_case
           where tenant_id = $1 and status = 'waiting' and wait_until < $2 and ($3::text is null or assigned_group = $3)
           order by wait_until limit $4"#,
        tenant,
        before,
        group,
        SHOWN,
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// A problem that is open: one row for all its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProblemLine {
    pub problem: String,
    pub severity: String,
    pub classification: String,
    pub downstream: String,
    pub group: String,
    pub user: Option<String>,
    pub cases: i32,
    pub orders: i32,
    pub opened_at: DateTime<Utc>,
}

pub async fn problems(tx: &mut Tx, tenant: &str, group: Option<&str>) -> Result<Vec<ProblemLine>, StoreError> {
    let rows = sqlx::query_as!(
        ProblemLine,
        r#"select problem_number as problem, severity, classification_code as classification, downstream,
                  assigned_group as "group", assigned_user as "user", cases, orders, opened_at
           from fallout_problem where tenant_id = $1 and state = 'open' and ($2::text is null or assigned_group = $2)
           order by severity, opened_at limit $3"#,
        tenant,
        group,
        SHOWN,
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}
