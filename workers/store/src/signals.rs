//! Signals: kept as they came, each with what became of it. The plain ones, which change nothing about their case, are
//! received and joined by one statement for as many as there are.

use chrono::{DateTime, Utc};
use fallout_core::{
    ids::{AttemptId, CaseId, CaseNumber, SignalId, StepKey},
    signal::{Cause, SignalRefusal, SignalState},
};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{StoreError, Tx, cases::parse_number, join_one::join_one};

/// One signal as it is stored; its tenant is that of the call.
#[derive(Clone, Debug, Serialize)]
pub struct Signal {
    pub id: SignalId,
    pub source: String,
    /// Unique within its source.
    pub event: String,
    /// The classification.
    pub kind: String,
    pub code: Option<String>,
    pub step: Option<StepKey>,
    /// By which it finds a case, where it has no step.
    pub key: Option<String>,
    pub reference: Option<String>,
    pub reason: String,
    pub payload: Value,
    pub occurred_at: Option<DateTime<Utc>>,
    #[serde(flatten)]
    pub cause: Cause,
}

/// A signal on its way in, with what makes it plain: its case is called the same or by something that weighs more, or an
/// action is at work on it.
#[derive(Clone, Debug, Serialize)]
pub struct Incoming<'a> {
    #[serde(flatten)]
    pub signal: &'a Signal,
    /// Of its entry in the timeline.
    pub entry: Uuid,
    pub said: Value,
    pub heavier: &'a [String],
}

/// What became of signals that were to be joined plainly.
#[derive(Clone, Debug, Default)]
pub struct Joined {
    /// All but those that were told before; or none.
    pub joined: Vec<(SignalId, CaseNumber)>,
    /// Why there are none: these have no active case, or change it.
    pub not_plain: Vec<SignalId>,
    /// Cases were held before that turned out: give them back.
    pub holds: bool,
}

/// Joins signals that change nothing to their active cases: kept, and told on the timelines. All of them or none, and cases
/// are held in the order of their ids: whoever still has to get the lock of a step must not hold a case.
pub async fn join_plain(tx: &mut Tx, tenant: &str, incoming: &[Incoming<'_>]) -> Result<Joined, StoreError> {
    if let [one] = incoming
        && let Some(joined) = join_one(tx, tenant, one).await?
    {
        return Ok(joined);
    }
    let rows = sqlx::query!(
        r#"with incoming as materialized (
               select * from jsonb_to_recordset($2) as i (id uuid, source text, event text, kind text, code text, step uuid, key text,
                   reference text, reason text, payload jsonb, occurred_at timestamptz, attempt uuid, epoch int,
                   external_task_id text, incident_id text, entry uuid, said jsonb, heavier text[])),
           wanted as materialized (
               select i.id, c.id as case_id,
                      coalesce(c.status in ('recovering', 'verifying') or c.classification_code = i.kind
                               or c.classification_code = any (i.heavier), false) as plain
               -- Lateral: joined by a value that is computed, every case of the tenant would be read (1.5 ms at 3,000).
               from incoming i left join lateral (
                   select x.id, x.status, x.classification_code from fallout_case x
                   where x.step_id = i.step and x.tenant_id = $1 and x.status not in ('resolved', 'closed', 'force_closed', 'duplicate')
                   union all
                   (select x.id, x.status, x.classification_code from case_alias a join fallout_case x on x.id = a.fallout_case_id
                    where i.step is null and a.tenant_id = $1 and a.match_key = i.key
                      and x.status not in ('resolved', 'closed', 'force_closed', 'duplicate') limit 1)) c on true),
           held as materialized (
               select id, case_number, status, classification_code from fallout_case
               where (select bool_and(plain) from wanted) and id = any (array(select case_id from wanted))
               order by id for no key update),
           judged as materialized (
               select w.id, h.id as case_id, h.case_number, w.plain and (h.id is null
                      or h.status not in ('resolved', 'closed', 'force_closed', 'duplicate')
                         and (h.status in ('recovering', 'verifying') or h.classification_code = i.kind
                              or h.classification_code = any (i.heavier))) as plain
               from wanted w join incoming i using (id) left join held h on h.id = w.case_id),
           kept as (
               insert into fallout_external_signal (id, tenant_id, source_system, source_event_id, related_external_ref,
                   normalized_signal_type, payload, step_id, match_key, code, reason, occurred_at, cause_attempt, cause_epoch,
                   cause_task, cause_incident, fallout_case_id, state, processed_at)
               select i.id, $1, i.source, i.event, i.reference, i.kind, i.payload, i.step, i.key, i.code, i.reason, i.occurred_at,
                   i.attempt, i.epoch, i.external_task_id, i.incident_id, j.case_id, 'joined', now()
               from incoming i join judged j using (id) where (select bool_and(plain) from judged)
               on conflict (tenant_id, source_system, source_event_id) do nothing
               returning id, source_system, reason, fallout_case_id),
           told as (
               insert into fallout_event (id, tenant_id, fallout_case_id, event_type, actor_type, actor_id, reason, payload)
               select i.entry, $1, k.fallout_case_id, 'FalloutSignalJoined', 'system', k.source_system, k.reason, i.said
               from kept k join incoming i using (id))
           select j.id as "id!", j.plain as "plain!", j.case_id is not null as "held!", k.id is not null as "joined!", j.case_number as "case_number?"
           from judged j left join kept k using (id)"#,
        tenant,
        serde_json::to_value(incoming)?,
    );
    let mut all = Joined::default();
    for r in rows.fetch_all(tx.conn()).await? {
        match (r.joined, r.case_number) {
            (true, Some(case)) => all.joined.push((SignalId(r.id), parse_number(&case)?)),
            _ if !r.plain => all.not_plain.push(SignalId(r.id)),
            _ => {}
        }
        all.holds |= r.held;
    }
    all.holds &= !all.not_plain.is_empty();
    Ok(all)
}

/// Keeps a signal with what became of it, also one that was kept before its case was written. `refusal` goes with that
/// state alone.
pub async fn keep(
    tx: &mut Tx,
    tenant: &str,
    signal: &Signal,
    state: SignalState,
    case: Option<CaseId>,
    refusal: Option<SignalRefusal>,
) -> Result<(), StoreError> {
    let open = state == SignalState::Received;
    sqlx::query!(
        "insert into fallout_external_signal (id, tenant_id, source_system, source_event_id, related_external_ref,
             normalized_signal_type, payload, step_id, match_key, code, reason, occurred_at, cause_attempt, cause_epoch,
             cause_task, cause_incident, fallout_case_id, state, refusal, processed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
             case when not $20::bool then now() end)
         on conflict (id) do update set state = excluded.state, processed_at = excluded.processed_at,
             fallout_case_id = excluded.fallout_case_id",
        signal.id.0,
        tenant,
        signal.source,
        signal.event,
        signal.reference,
        signal.kind,
        signal.payload,
        signal.step.map(|s| s.0),
        signal.key,
        signal.code,
        signal.reason,
        signal.occurred_at,
        signal.cause.attempt.map(|a| a.0),
        signal.cause.epoch,
        signal.cause.external_task_id,
        signal.cause.incident_id,
        case.map(|c| c.0),
        state.word(),
        refusal.map(SignalRefusal::word),
        open,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What a signal came to when it was told the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub id: SignalId,
    pub state: SignalState,
    pub case: Option<CaseNumber>,
    pub refusal: Option<SignalRefusal>,
}

pub async fn told_before(tx: &mut Tx, tenant: &str, source: &str, event: &str) -> Result<Option<Told>, StoreError> {
    let row = sqlx::query!(
        r#"select s.id, s.state, s.refusal, c.case_number as "case_number?" from fallout_external_signal s
           left join fallout_case c on c.id = s.fallout_case_id
           where s.tenant_id = $1 and s.source_system = $2 and s.source_event_id = $3"#,
        tenant,
        source,
        event,
    );
    let Some(r) = row.fetch_optional(tx.conn()).await? else { return Ok(None) };
    Ok(Some(Told {
        id: SignalId(r.id),
        state: r.state.parse()?,
        case: r.case_number.as_deref().map(parse_number).transpose()?,
        refusal: r.refusal.map(|word| word.parse()).transpose()?,
    }))
}

/// Whether a signal of this case named the same cause before.
pub async fn named_before(tx: &mut Tx, case: CaseId, incident: &str) -> Result<bool, StoreError> {
    let named = sqlx::query_scalar!(
        r#"select exists (select from fallout_external_signal where fallout_case_id = $1 and cause_incident = $2) as "named!""#,
        case.0,
        incident,
    );
    Ok(named.fetch_one(tx.conn()).await?)
}

/// Epoch and number of the attempt that a cause names: itself, or the latest that the task stood for. None of another step.
pub async fn attempt_of_cause(tx: &mut Tx, step: StepKey, cause: &Cause) -> Result<Option<(i32, i32)>, StoreError> {
    let row = sqlx::query!(
        "select epoch, number from attempt where step_id = $1 and (id = $2 or ($2 is null and external_task_id = $3))
         order by number desc limit 1",
        step.0,
        cause.attempt.map(|AttemptId(id)| id),
        cause.external_task_id,
    );
    Ok(row.fetch_optional(tx.conn()).await?.map(|r| (r.epoch, r.number)))
}

/// Nobody else opens a case by this key until the transaction ends.
pub async fn hold_key(tx: &mut Tx, tenant: &str, key: &str) -> Result<(), StoreError> {
    let hold = sqlx::query!(
        r#"select pg_advisory_xact_lock(hashtextextended($1 || '|' || $2, 0)) as "held: ()""#,
        tenant,
        key
    );
    hold.fetch_one(tx.conn()).await?;
    Ok(())
}

/// The next signal after this one whose case is missing; ids rise with time.
pub async fn next_unprocessed(tx: &mut Tx, after: Option<SignalId>) -> Result<Option<SignalId>, StoreError> {
    let id = sqlx::query_scalar!(
        "select id from fallout_external_signal where processed_at is null and ($1::uuid is null or id > $1) order by id limit 1",
        after.map(|a| a.0),
    );
    Ok(id.fetch_optional(tx.conn()).await?.map(SignalId))
}

/// A kept signal, held until the transaction ends; `None` when another process has it or had it.
pub async fn take(tx: &mut Tx, id: SignalId) -> Result<Option<(String, Signal)>, StoreError> {
    let row = sqlx::query!(
        r#"select id, tenant_id, source_system, source_event_id as "event!", normalized_signal_type, step_id, payload,
                  coalesce(reason, '') as "reason!"
           from fallout_external_signal where id = $1 and processed_at is null for update skip locked"#,
        id.0,
    );
    Ok(row.fetch_optional(tx.conn()).await?.map(|r| {
        let signal = Signal {
            id: SignalId(r.id),
            source: r.source_system,
            event: r.event,
            kind: r.normalized_signal_type,
            code: None,
            step: r.step_id.map(StepKey),
            key: None,
            reference: None,
            reason: r.reason,
            payload: r.payload,
            occurred_at: None,
            cause: Cause::default(),
        };
        (r.tenant_id, signal)
    }))
}

/// One row of a list of signals.
#[derive(Clone, Debug, Serialize)]
pub struct SignalLine {
    pub id: Uuid,
    pub received_at: DateTime<Utc>,
    pub source: String,
    pub event: String,
    pub classification: String,
    pub code: Option<String>,
    pub state: String,
    pub refusal: Option<String>,
    pub case: Option<String>,
    pub reason: Option<String>,
    pub occurred_at: Option<DateTime<Utc>>,
}

/// The latest of a tenant, of one case or all; `only_refused` leaves out the others.
pub async fn list(
    tx: &mut Tx,
    tenant: &str,
    case: Option<CaseId>,
    only_refused: bool,
    limit: i64,
) -> Result<Vec<SignalLine>, StoreError> {
    let rows = sqlx::query_as!(
        SignalLine,
        r#"select s.id, s.received_at, s.source_system as source, coalesce(s.source_event_id, '') as "event!",
                  s.normalized_signal_type as classification, s.code, s.state, s.refusal, c.case_number as "case?", s.reason,
                  s.occurred_at
           from fallout_external_signal s left join fallout_case c on c.id = s.fallout_case_id
           where s.tenant_id = $1 and ($2::uuid is null or s.fallout_case_id = $2) and (not $3 or s.state = 'refused')
           order by s.id desc limit $4"#,
        tenant,
        case.map(|c| c.0),
        only_refused,
        limit,
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}
