//! Intents, attempts and evidence.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use fallout_core::{
    attempt::{AttemptFacts, StoredRequest},
    decide::Verdict,
    ids::{AttemptId, IntentId, StepKey},
    lookup::LookupRead,
    outcome::Outcome,
};
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{StoreError, Tx};

#[derive(Clone, Debug)]
pub struct Intent {
    pub id: IntentId,
    pub generation: i32,
    pub key: String,
    pub request: StoredRequest,
}

pub async fn latest_intent(tx: &mut Tx, step: StepKey) -> Result<Option<Intent>, StoreError> {
    let row = sqlx::query!(
        r#"select id, generation, idempotency_key, request as "request: Json<StoredRequest>" from intent
           where step_id = $1 order by generation desc limit 1"#,
        step.0,
    );
    let intent = row.fetch_optional(tx.conn()).await?;
    Ok(intent.map(|r| Intent {
        id: IntentId(r.id),
        generation: r.generation,
        key: r.idempotency_key,
        request: r.request.0,
    }))
}

pub async fn insert_intent(
    tx: &mut Tx,
    tenant: &str,
    step: StepKey,
    operation: (&str, i32),
    retention_s: Option<u32>,
    intent: &Intent,
) -> Result<(), StoreError> {
    let bytes = intent.request.body.as_deref().unwrap_or_default();
    sqlx::query!(
        "insert into intent (id, tenant_id, step_id, generation, operation, operation_version, idempotency_key, request, payload_hash, retention_s)
         values ($1, $2, $3, $4, $5, $6, $7, $8, encode(sha256(convert_to($9, 'UTF8')), 'hex'), $10)",
        intent.id.0, tenant, step.0, intent.generation, operation.0, operation.1, intent.key,
        Json(&intent.request) as _, bytes, seconds(retention_s),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// More than a column of seconds holds is for ever.
pub(crate) fn seconds(retention_s: Option<u32>) -> Option<i32> {
    retention_s.map(|s| i32::try_from(s).unwrap_or(i32::MAX))
}

/// A new attempt, before its first byte.
#[derive(Clone, Debug)]
pub struct NewAttempt<'a> {
    pub id: AttemptId,
    pub intent: IntentId,
    pub epoch: i32,
    pub worker_id: &'a str,
    pub external_task_id: &'a str,
    pub send_within: Duration,
    pub total_timeout: Duration,
}

pub async fn open(tx: &mut Tx, tenant: &str, step: StepKey, new: &NewAttempt<'_>) -> Result<(), StoreError> {
    let within = new.send_within.num_milliseconds() as f64 / 1_000.0;
    let total = new.total_timeout.num_milliseconds() as f64 / 1_000.0;
    sqlx::query!(
        "insert into attempt (id, tenant_id, step_id, intent_id, number, epoch, worker_id, external_task_id,
                              opened_at, send_before, over_at)
         select $1, $2, $3, $4, coalesce(max(number), 0) + 1, $5, $6, $7, clock_timestamp(),
                clock_timestamp() + make_interval(secs => $8), clock_timestamp() + make_interval(secs => $8 + $9)
         from attempt where step_id = $3",
        new.id.0,
        tenant,
        step.0,
        new.intent.0,
        new.epoch,
        new.worker_id,
        new.external_task_id,
        within,
        total,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The step of an attempt, and whether it is the effect of an action, which no process instance has.
pub async fn step_of(tx: &mut Tx, attempt: AttemptId) -> Result<Option<(StepKey, bool)>, StoreError> {
    let row = sqlx::query!(
        r#"select a.step_id, s.process_instance_id = '' as "of_action!" from attempt a join step s on s.id = a.step_id where a.id = $1"#,
        attempt.0
    );
    Ok(row.fetch_optional(tx.conn()).await?.map(|r| (StepKey(r.step_id), r.of_action)))
}

/// The attempts that bear on what is to be done, oldest first: those of the latest generation, and of an earlier one those
/// that turned out to be applied, since a step whose effect exists is never sent again.
pub async fn of_latest_generation(tx: &mut Tx, step: StepKey) -> Result<Vec<AttemptFacts>, StoreError> {
    facts(tx, step, false).await
}

/// Every attempt of the step, of every generation, oldest first.
pub async fn of_step(tx: &mut Tx, step: StepKey) -> Result<Vec<AttemptFacts>, StoreError> {
    facts(tx, step, true).await
}

async fn facts(tx: &mut Tx, step: StepKey, all: bool) -> Result<Vec<AttemptFacts>, StoreError> {
    let rows = sqlx::query!(
        r#"select a.id, a.intent_id, i.generation, a.epoch, a.opened_at, a.send_before, a.over_at,
                  coalesce(a.contradicted_by, a.outcome) as "outcome: Json<Outcome>", a.reads as "reads: Json<Vec<LookupRead>>",
                  a.callback_deadline
           from attempt a join intent i on i.id = a.intent_id
           where a.step_id = $1 and ($2 or i.generation = (select max(generation) from intent where step_id = $1)
                 or coalesce(a.contradicted_by, a.outcome) ->> 'outcome' = 'success')
           order by a.number"#,
        step.0,
        all,
    );
    let facts = rows.fetch_all(tx.conn()).await?.into_iter().map(|r| AttemptFacts {
        id: AttemptId(r.id),
        intent: IntentId(r.intent_id),
        generation: r.generation,
        epoch: r.epoch,
        opened_at: r.opened_at,
        send_before: r.send_before,
        over_at: r.over_at,
        outcome: r.outcome.map(|o| o.0),
        reads: r.reads.0,
        callback_deadline: r.callback_deadline,
    });
    Ok(facts.collect())
}

/// As [`of_latest_generation`], for many steps at once; one that was never tried is left out.
pub async fn of_latest_generations(
    tx: &mut Tx,
    steps: &[StepKey],
) -> Result<BTreeMap<StepKey, Vec<AttemptFacts>>, StoreError> {
    let ids: Vec<Uuid> = steps.iter().map(|step| step.0).collect();
    let rows = sqlx::query!(
        r#"select a.step_id, a.id, a.intent_id, i.generation, a.epoch, a.opened_at, a.send_before, a.over_at,
                  coalesce(a.contradicted_by, a.outcome) as "outcome: Json<Outcome>", a.reads as "reads: Json<Vec<LookupRead>>",
                  a.callback_deadline
           from attempt a join intent i on i.id = a.intent_id
           where a.step_id = any($1) and (i.generation = (select max(generation) from intent where step_id = a.step_id)
                 or coalesce(a.contradicted_by, a.outcome) ->> 'outcome' = 'success')
           order by a.step_id, a.number"#,
        &ids,
    );
    let mut by_step: BTreeMap<StepKey, Vec<AttemptFacts>> = BTreeMap::new();
    for r in rows.fetch_all(tx.conn()).await? {
        by_step.entry(StepKey(r.step_id)).or_default().push(AttemptFacts {
            id: AttemptId(r.id),
            intent: IntentId(r.intent_id),
            generation: r.generation,
            epoch: r.epoch,
            opened_at: r.opened_at,
            send_before: r.send_before,
            over_at: r.over_at,
            outcome: r.outcome.map(|o| o.0),
            reads: r.reads.0,
            callback_deadline: r.callback_deadline,
        });
    }
    Ok(by_step)
}

/// Later evidence proves the effect of an attempt that was settled without: what it was settled by stays, and the proof counts.
pub async fn set_contradicted(tx: &mut Tx, attempt: AttemptId, by: &Outcome) -> Result<(), StoreError> {
    sqlx::query!("update attempt set contradicted_by = $2 where id = $1", attempt.0, Json(by) as _)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Where evidence comes from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    Exchange,
    Lookup,
    /// A person says so.
    Attestation(&'a str),
    /// Nobody said anything in time.
    Crash,
}

/// One exchange is one piece of evidence, however often it is recorded: its sender repeats what it could not commit.
pub async fn append_evidence(
    tx: &mut Tx,
    tenant: &str,
    attempt: AttemptId,
    source: Source<'_>,
    detail: &Value,
) -> Result<(), StoreError> {
    let (word, principal) = match source {
        Source::Exchange => ("exchange", None),
        Source::Lookup => ("lookup", None),
        Source::Attestation(principal) => ("attestation", Some(principal)),
        Source::Crash => ("crash", None),
    };
    sqlx::query!(
        "insert into evidence (tenant_id, attempt_id, source, principal, detail) select $1, $2, $3, $4, $5
         where $3 <> 'exchange' or not exists (select 1 from evidence where attempt_id = $2 and source = 'exchange' and detail = $5)",
        tenant,
        attempt.0,
        word,
        principal,
        detail,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Who attested what became of it.
pub async fn attested_by(tx: &mut Tx, attempt: AttemptId) -> Result<Option<String>, StoreError> {
    let who = sqlx::query_scalar!(
        r#"select principal as "principal!" from evidence where attempt_id = $1 and source = 'attestation' order by id desc limit 1"#,
        attempt.0
    );
    Ok(who.fetch_optional(tx.conn()).await?)
}

/// What the attempt came to so far; `settled` once it is definite.
pub async fn set_outcome(
    tx: &mut Tx,
    attempt: AttemptId,
    outcome: &Outcome,
    callback_deadline: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    let state = if outcome.is_definite() { "settled" } else { "unknown" };
    sqlx::query!(
        "update attempt set state = $2, outcome = $3, callback_deadline = coalesce($4, callback_deadline),
                settled_at = case when $2 = 'settled' then clock_timestamp() end where id = $1",
        attempt.0,
        state,
        Json(outcome) as _,
        callback_deadline,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub async fn add_read(tx: &mut Tx, attempt: AttemptId, read: &LookupRead) -> Result<(), StoreError> {
    sqlx::query!("update attempt set reads = reads || $2 where id = $1", attempt.0, Json(read) as _)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// When the lookups controller reads next; `None` when it need not.
pub async fn set_next_read(tx: &mut Tx, attempt: AttemptId, at: Option<DateTime<Utc>>) -> Result<(), StoreError> {
    sqlx::query!("update attempt set next_read_at = $2 where id = $1", attempt.0, at).execute(tx.conn()).await?;
    Ok(())
}

pub async fn set_verdict(tx: &mut Tx, attempt: AttemptId, verdict: &Verdict) -> Result<(), StoreError> {
    sqlx::query!("update attempt set verdict = $2 where id = $1", attempt.0, Json(verdict) as _)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// What these operations left unknown, and can be asked about, is read next.
pub async fn read_now(tx: &mut Tx, operations: &[String]) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "update attempt a set next_read_at = now() from intent i, step s
         where a.state = 'unknown' and i.id = a.intent_id and i.operation = any($1)
           and s.id = a.step_id and s.state in ('parked', 'awaiting_callback', 'running')",
        operations,
    );
    Ok(done.execute(tx.conn()).await?.rows_affected())
}

/// Whether something that these operations left unknown waits to be read.
pub async fn has_due_reads(tx: &mut Tx, operations: &[String]) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from attempt a join intent i on i.id = a.intent_id join step s on s.id = a.step_id
               where a.state = 'unknown' and a.next_read_at <= clock_timestamp() and i.operation = any($1)
                 and s.state in ('parked', 'awaiting_callback', 'running')) as "found!""#,
        operations,
    );
    Ok(found.fetch_one(tx.conn()).await?)
}

/// An unresolved attempt whose next read is due, with what a lookup needs.
#[derive(Clone, Debug)]
pub struct DueRead {
    pub attempt: AttemptId,
    pub operation: String,
    pub key: String,
    pub request: StoredRequest,
}

/// Takes due reads for `lease`: another process takes others meanwhile, and these again once it has passed. None of these
/// operations, which are not to be asked now.
pub async fn take_due_reads(
    tx: &mut Tx,
    lease: Duration,
    silent: &[String],
    limit: i64,
) -> Result<Vec<DueRead>, StoreError> {
    let rows = sqlx::query!(
        r#"with due as (
               select a.id from attempt a join step s on s.id = a.step_id
               where a.state = 'unknown' and a.next_read_at <= now() and s.state in ('parked', 'awaiting_callback', 'running')
                   and not exists (select from intent i where i.id = a.intent_id and i.operation = any($3))
               order by a.next_read_at limit $2 for update of a skip locked)
           update attempt a set next_read_at = now() + make_interval(secs => $1) from due, intent i
           where a.id = due.id and i.id = a.intent_id
           returning a.id, i.operation, i.idempotency_key, i.request as "request: Json<StoredRequest>""#,
        lease.num_milliseconds() as f64 / 1_000.0,
        limit,
        silent,
    );
    let due = rows.fetch_all(tx.conn()).await?.into_iter().map(|r| DueRead {
        attempt: AttemptId(r.id),
        operation: r.operation,
        key: r.idempotency_key,
        request: r.request.0,
    });
    Ok(due.collect())
}

/// One attempt as people and judges see it.
#[derive(Clone, Debug)]
pub struct AttemptLine {
    pub step: StepKey,
    pub number: i32,
    pub generation: i32,
    pub key: String,
    pub operation: String,
    pub opened_at: DateTime<Utc>,
    pub worker_id: String,
    pub state: String,
    pub outcome: Option<Outcome>,
    pub evidence: Vec<Value>,
}

/// Every attempt of a step over all generations, with its evidence.
pub async fn lines(tx: &mut Tx, step: StepKey) -> Result<Vec<AttemptLine>, StoreError> {
    let rows = sqlx::query!(
        r#"select a.step_id, a.number, i.generation, i.idempotency_key, i.operation, a.opened_at, a.worker_id, a.state,
                  coalesce(a.contradicted_by, a.outcome) as "outcome: Json<Outcome>",
                  coalesce((select jsonb_agg(jsonb_build_object('source', e.source, 'principal', e.principal, 'detail', e.detail,
                            'at', e.recorded_at) order by e.id) from evidence e where e.attempt_id = a.id), '[]') as "evidence!: Json<Vec<Value>>"
           from attempt a join intent i on i.id = a.intent_id where a.step_id = $1 order by a.number"#,
        step.0,
    );
    let lines = rows.fetch_all(tx.conn()).await?.into_iter().map(|r| AttemptLine {
        step: StepKey(r.step_id),
        number: r.number,
        generation: r.generation,
        key: r.idempotency_key,
        operation: r.operation,
        opened_at: r.opened_at,
        worker_id: r.worker_id,
        state: r.state,
        outcome: r.outcome.map(|o| o.0),
        evidence: r.evidence.0,
    });
    Ok(lines.collect())
}

/// Every key that an attempt was ever made with, with its generation: what an effect in a book can be matched to.
pub async fn keys_of_run(
    tx: &mut Tx,
    run: fallout_core::ids::RunId,
) -> Result<Vec<(String, StepKey, i32)>, StoreError> {
    let rows = sqlx::query!(
        "select distinct i.idempotency_key, i.step_id, i.generation from intent i join attempt a on a.intent_id = i.id
         join step s on s.id = i.step_id where s.order_run_id = $1",
        run.0,
    );
    Ok(rows
        .fetch_all(tx.conn())
        .await?
        .into_iter()
        .map(|r| (r.idempotency_key, StepKey(r.step_id), r.generation))
        .collect())
}
