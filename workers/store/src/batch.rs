//! Many steps in a handful of statements, however many they are: what nearly every task needs of the ledger.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use fallout_core::{
    attempt::{AttemptFacts, StoredRequest},
    evidence::Evidence,
    ids::{AttemptId, IntentId, RunId, StepKey},
    outcome::Outcome,
    personal::Cut,
    step::Outputs,
    task::{Effect, TaskRef},
};
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{
    StoreError, Tx,
    attempts::seconds,
    context::{corrected, whole},
};

/// An order run as its steps are rendered from it.
#[derive(Clone, Debug)]
pub struct RunDocument {
    pub id: RunId,
    pub document: Value,
}

/// By business key, with what is personal: as they came, and as they were corrected.
pub async fn documents(tx: &mut Tx, keys: &[String]) -> Result<BTreeMap<String, RunDocument>, StoreError> {
    // The month leads to one partition.
    let rows = sqlx::query!(
        r#"select r.business_key, r.id, o.document, p.fields as "fields?: Json<Cut>",
                  nullif(x.corrected, '{}') as "corrected?: Json<Cut>", c.fields as "again?: Json<Cut>"
           from order_run r join product_order o on o.id = r.order_id
           left join order_context x on x.order_id = o.id
           left join order_personal p on p.month = o.personal_month and p.order_id = o.id and p.part = 'taken_in'
           left join order_personal c on c.month = o.personal_month and c.order_id = o.id and c.part = 'corrected'
           where r.business_key = any($1)"#,
        keys,
    );
    let runs = rows.fetch_all(tx.conn()).await?.into_iter();
    let run = runs.map(|r| {
        let document = corrected(whole(r.document, r.fields), [r.corrected, r.again]);
        (r.business_key, RunDocument { id: RunId(r.id), document })
    });
    Ok(run.collect())
}

/// The latest generation of each step that has one.
pub async fn generations(tx: &mut Tx, steps: &[StepKey]) -> Result<BTreeMap<StepKey, i32>, StoreError> {
    let ids: Vec<Uuid> = steps.iter().map(|s| s.0).collect();
    let rows = sqlx::query!(
        r#"select step_id, max(generation) as "generation!" from intent where step_id = any($1) group by step_id"#,
        &ids
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(|r| (StepKey(r.step_id), r.generation)).collect())
}

/// What a step left for those after it.
#[derive(Clone, Debug)]
pub struct StepOutputs {
    pub run: RunId,
    pub line: String,
    pub step: String,
    pub outputs: Outputs,
}

/// Outputs of every ended step of these runs. A step that an action has reserved counts too: the engine may have left it
/// before we have read that back.
pub async fn outputs(tx: &mut Tx, runs: &[RunId]) -> Result<Vec<StepOutputs>, StoreError> {
    let ids: Vec<Uuid> = runs.iter().map(|r| r.0).collect();
    let rows = sqlx::query!(
        r#"select order_run_id, line_id, step_code, outputs as "outputs: Json<Outputs>" from step
           where order_run_id = any($1) and direction = 'do' and (state in ('done', 'skipped') or gate is not null)"#,
        &ids,
    );
    let outputs = rows.fetch_all(tx.conn()).await?.into_iter().map(|r| StepOutputs {
        run: RunId(r.order_run_id),
        line: r.line_id,
        step: r.step_code,
        outputs: r.outputs.0,
    });
    Ok(outputs.collect())
}

/// The latest effect of each of these steps, as the request that takes it back names it.
pub async fn effects(tx: &mut Tx, steps: &[StepKey]) -> Result<BTreeMap<StepKey, Effect>, StoreError> {
    let ids: Vec<Uuid> = steps.iter().map(|s| s.0).collect();
    let rows = sqlx::query!(
        r#"select distinct on (s.id) s.id, s.outputs as "outputs: Json<Outputs>", i.idempotency_key,
                  coalesce(a.contradicted_by, a.outcome) -> 'outputs' as "proven: Json<Outputs>"
           from step s join intent i on i.step_id = s.id
           left join attempt a on a.intent_id = i.id and coalesce(a.contradicted_by, a.outcome) ->> 'outcome' = 'success'
           where s.id = any($1) order by s.id, i.generation desc, a.number desc"#,
        &ids,
    );
    // A step that parked over its effect has none of its outputs, but those that people gave for it.
    let effect = |given: Outputs, proven: Option<Outputs>, key| Effect { key, outputs: proven.unwrap_or(given) };
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    Ok(rows.map(|r| (StepKey(r.id), effect(r.outputs.0, r.proven.map(|p| p.0), r.idempotency_key))).collect())
}

/// An order run as the first claims of its steps see it.
#[derive(Clone, Debug)]
pub struct RunFacts {
    pub id: RunId,
    pub cancel_requested: bool,
    /// Lines that somebody holds; an empty one is the whole order.
    pub held: Vec<String>,
}

/// By business key. Without those that a restore may have lost something of: nothing about their steps is plain.
pub async fn runs(tx: &mut Tx, keys: &[String]) -> Result<BTreeMap<String, RunFacts>, StoreError> {
    let rows = sqlx::query!(
        r#"select business_key, id, cancel_requested,
                  array(select line_id from order_hold h where h.order_run_id = r.id and h.released_at is null) as "held!"
           from order_run r where business_key = any($1) and lost_to is null"#,
        keys
    );
    let facts = |id, cancel_requested, held| RunFacts { id: RunId(id), cancel_requested, held };
    let runs = rows.fetch_all(tx.conn()).await?.into_iter();
    Ok(runs.map(|r| (r.business_key, facts(r.id, r.cancel_requested, r.held))).collect())
}

/// A step's first intent and attempt, before its first byte.
#[derive(Clone, Debug)]
pub struct First<'a> {
    pub step: StepKey,
    pub run: RunId,
    pub task: &'a TaskRef,
    pub operation_version: i32,
    pub intent: IntentId,
    pub key: String,
    pub request: &'a StoredRequest,
    pub attempt: AttemptId,
    pub send_within_ms: u32,
    pub total_ms: u32,
    pub retention_s: Option<u32>,
}

/// Makes the steps known, running, and holds them; those that are known already are somebody else's and left out. In the
/// order of their ids, so that two batches cannot wait for each other.
pub async fn begin(tx: &mut Tx, firsts: &[First<'_>]) -> Result<BTreeSet<StepKey>, StoreError> {
    let texts = |of: fn(&TaskRef) -> &str| firsts.iter().map(|f| of(f.task).to_owned()).collect::<Vec<_>>();
    let codes: Vec<String> = firsts.iter().map(|f| f.task.handled_codes.join(",")).collect();
    let actions: Vec<Option<Uuid>> = firsts.iter().map(|f| f.task.action.map(|a| a.0)).collect();
    let rows = sqlx::query_scalar!(
        "insert into step (id, order_run_id, tenant_id, line_id, step_code, direction, operation, handled_codes,
                           process_definition_id, process_instance_id, activity_id, external_task_id, seen_action_id, state)
         select id, run, tenant, line, step, direction, operation, string_to_array(codes, ','), definition, instance, activity,
                task, action, 'running'
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::text[], $10::text[], $11::text[], $12::text[], $13::uuid[])
              as t (id, run, tenant, line, step, direction, operation, codes, definition, instance, activity, task, action)
         where not exists (select 1 from step_tombstone where step_id = id)
         order by id on conflict (id) do nothing returning id",
        &firsts.iter().map(|f| f.step.0).collect::<Vec<_>>(),
        &firsts.iter().map(|f| f.run.0).collect::<Vec<_>>(),
        &texts(|t| &t.step.tenant),
        &texts(|t| &t.step.line),
        &texts(|t| &t.step.step),
        &texts(|t| t.step.direction.word()),
        &texts(|t| &t.operation),
        &codes,
        &texts(|t| &t.process_definition_id),
        &texts(|t| &t.process_instance_id),
        &texts(|t| &t.activity_id),
        &texts(|t| &t.external_task_id),
        &actions as &[Option<Uuid>],
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(StepKey).collect())
}

/// Stores the first intents and opens their attempts.
pub async fn open(tx: &mut Tx, firsts: &[First<'_>]) -> Result<(), StoreError> {
    let steps: Vec<Uuid> = firsts.iter().map(|f| f.step.0).collect();
    let tenants: Vec<String> = firsts.iter().map(|f| f.task.step.tenant.clone()).collect();
    let intents: Vec<Uuid> = firsts.iter().map(|f| f.intent.0).collect();
    let requests: Vec<Value> = firsts.iter().map(|f| serde_json::to_value(f.request).unwrap_or_default()).collect();
    let bytes: Vec<String> = firsts.iter().map(|f| f.request.body.clone().unwrap_or_default()).collect();
    sqlx::query!(
        "insert into intent (id, tenant_id, step_id, generation, operation, operation_version, idempotency_key, request, payload_hash, retention_s)
         select id, tenant, step, 1, operation, version, key, request, encode(sha256(convert_to(bytes, 'UTF8')), 'hex'), kept
         from unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::int[], $6::text[], $7::jsonb[], $8::text[], $9::int[])
              as t (id, tenant, step, operation, version, key, request, bytes, kept)",
        &intents,
        &tenants,
        &steps,
        &firsts.iter().map(|f| f.task.operation.clone()).collect::<Vec<_>>(),
        &firsts.iter().map(|f| f.operation_version).collect::<Vec<_>>(),
        &firsts.iter().map(|f| f.key.clone()).collect::<Vec<_>>(),
        &requests,
        &bytes,
        &firsts.iter().map(|f| seconds(f.retention_s)).collect::<Vec<_>>() as &[Option<i32>],
    )
    .execute(tx.conn())
    .await?;
    let seconds = |ms: fn(&First<'_>) -> u32| firsts.iter().map(|f| f64::from(ms(f)) / 1_000.0).collect::<Vec<_>>();
    sqlx::query!(
        "insert into attempt (id, tenant_id, step_id, intent_id, number, epoch, worker_id, external_task_id, opened_at, send_before, over_at)
         select id, tenant, step, intent, 1, 0, worker, task, at, at + make_interval(secs => within),
                at + make_interval(secs => within + total)
         from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::float8[], $8::float8[])
              as t (id, tenant, step, intent, worker, task, within, total), (select clock_timestamp() as at) c",
        &firsts.iter().map(|f| f.attempt.0).collect::<Vec<_>>(),
        &tenants,
        &steps,
        &intents,
        &firsts.iter().map(|f| f.task.worker_id.clone()).collect::<Vec<_>>(),
        &firsts.iter().map(|f| f.task.external_task_id.clone()).collect::<Vec<_>>(),
        &seconds(|f| f.send_within_ms),
        &seconds(|f| f.total_ms),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The open first attempt of a step that runs and has no case: nothing else bears on it.
#[derive(Clone, Debug)]
pub struct OpenFirst {
    pub step: StepKey,
    pub tenant: String,
    pub operation: String,
    pub epoch: i32,
    pub facts: AttemptFacts,
    pub now: DateTime<Utc>,
}

/// Holds those that are plain and that nobody else holds. Nothing can be tried again while the first attempt is open, so
/// its number says that it is the only one.
pub async fn open_firsts(tx: &mut Tx, attempts: &[AttemptId]) -> Result<Vec<OpenFirst>, StoreError> {
    let ids: Vec<Uuid> = attempts.iter().map(|a| a.0).collect();
    let rows = sqlx::query!(
        r#"select a.id, a.intent_id, a.epoch as attempt_epoch, a.opened_at, a.send_before, a.over_at, s.id as step_id, s.tenant_id,
                  s.operation, s.epoch, clock_timestamp() as "now!"
           from attempt a join step s on s.id = a.step_id
           where a.id = any($1) and a.state = 'open' and a.number = 1 and s.state = 'running' and s.gate is null
             and not exists (select 1 from fallout_case c where c.step_id = s.id)
           order by s.id for update of s, a skip locked"#,
        &ids,
    );
    let firsts = rows.fetch_all(tx.conn()).await?.into_iter().map(|r| OpenFirst {
        step: StepKey(r.step_id),
        tenant: r.tenant_id,
        operation: r.operation,
        epoch: r.epoch,
        facts: AttemptFacts {
            id: AttemptId(r.id),
            intent: IntentId(r.intent_id),
            generation: 1,
            epoch: r.attempt_epoch,
            opened_at: r.opened_at,
            send_before: r.send_before,
            over_at: r.over_at,
            outcome: None,
            reads: Vec::new(),
            callback_deadline: None,
        },
        now: r.now,
    });
    Ok(firsts.collect())
}

/// An effect that succeeded at its first try.
#[derive(Clone, Debug)]
pub struct Success<'a> {
    pub step: StepKey,
    pub tenant: &'a str,
    pub attempt: AttemptId,
    pub evidence: &'a Evidence,
    pub outcome: &'a Outcome,
    pub verdict: Value,
    pub outputs: &'a Outputs,
}

/// Appends the evidence, settles the attempts and ends their steps; both are held since `open_firsts`.
pub async fn settle(tx: &mut Tx, successes: &[Success<'_>]) -> Result<(), StoreError> {
    let json = |of: &dyn Fn(&Success<'_>) -> Value| successes.iter().map(of).collect::<Vec<_>>();
    let attempts: Vec<Uuid> = successes.iter().map(|s| s.attempt.0).collect();
    sqlx::query!(
        "insert into evidence (tenant_id, attempt_id, source, detail)
         select tenant, attempt, 'exchange', detail from unnest($1::text[], $2::uuid[], $3::jsonb[]) as t (tenant, attempt, detail)",
        &successes.iter().map(|s| s.tenant.to_owned()).collect::<Vec<_>>(),
        &attempts,
        &json(&|s| serde_json::to_value(s.evidence).unwrap_or_default()),
    )
    .execute(tx.conn())
    .await?;
    let settled = sqlx::query!(
        "update attempt a set state = 'settled', outcome = t.outcome, verdict = t.verdict, settled_at = clock_timestamp()
         from unnest($1::uuid[], $2::jsonb[], $3::jsonb[]) as t (id, outcome, verdict) where a.id = t.id and a.state = 'open'",
        &attempts,
        &json(&|s| serde_json::to_value(s.outcome).unwrap_or_default()),
        &json(&|s| s.verdict.clone()),
    );
    let settled = settled.execute(tx.conn()).await?.rows_affected();
    let ended = sqlx::query!(
        "update step s set state = 'done', outputs = t.outputs, updated_at = now()
         from unnest($1::uuid[], $2::jsonb[]) as t (id, outputs) where s.id = t.id and s.state = 'running'",
        &successes.iter().map(|s| s.step.0).collect::<Vec<_>>(),
        &json(&|s| serde_json::to_value(s.outputs).unwrap_or_default()),
    );
    let ended = ended.execute(tx.conn()).await?.rows_affected();
    let all = successes.len() as u64;
    if (settled, ended) == (all, all) { Ok(()) } else { Err(StoreError::Stale("a step of a batch")) }
}

/// The engine has these verdicts.
pub async fn set_reported(tx: &mut Tx, marks: &[(AttemptId, Uuid)]) -> Result<(), StoreError> {
    let attempts: Vec<Uuid> = marks.iter().map(|(attempt, _)| attempt.0).collect();
    let reports: Vec<Uuid> = marks.iter().map(|(_, report)| *report).collect();
    sqlx::query!(
        "update attempt a set reported_at = clock_timestamp(), report_id = t.report
         from unnest($1::uuid[], $2::uuid[]) as t (id, report) where a.id = t.id",
        &attempts,
        &reports,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
