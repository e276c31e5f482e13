//! Steps: the summary row of each effectful activity.

use chrono::{DateTime, Utc};
use fallout_core::{
    command::Place,
    ids::{ActionId, CaseNumber, RunId, StepKey},
    restore::LostWindow,
    step::{Outputs, StepIdentity, StepState},
    task::TaskRef,
};
use sqlx::types::Json;

use crate::{StoreError, Tx};

#[derive(Clone, Debug)]
pub struct Step {
    pub key: StepKey,
    pub identity: StepIdentity,
    pub run: RunId,
    /// Of its latest intent.
    pub operation: String,
    /// The operation that an action gave it; none: what its model says.
    pub route: Option<String>,
    pub state: StepState,
    pub epoch: i32,
    pub gate: Option<ActionId>,
    /// The action that asked for the step while it was at work.
    pub stop: Option<ActionId>,
    pub last_action: Option<ActionId>,
    /// What the engine's variable held when the task was last fetched.
    pub seen_action: Option<ActionId>,
    pub handled_codes: Vec<String>,
    pub outputs: Outputs,
    pub rejected_code: Option<String>,
    pub undone: bool,
    pub process_definition_id: String,
    pub process_instance_id: String,
    pub activity_id: String,
    pub external_task_id: String,
    pub order_cancelled: bool,
    /// Somebody holds the order or its line.
    pub held: bool,
    /// What a restore may have lost of its order run.
    pub lost: Option<LostWindow>,
    /// Up to here an assumed attempt stands for what was lost.
    pub restored_to: Option<DateTime<Utc>>,
    /// The number of its active case.
    pub case: Option<CaseNumber>,
}

/// The row as the database gives it.
struct Row {
    id: uuid::Uuid,
    tenant_id: String,
    external_id: String,
    run: i32,
    order_run_id: uuid::Uuid,
    line_id: String,
    step_code: String,
    direction: String,
    operation: String,
    route: Option<String>,
    state: String,
    epoch: i32,
    gate: Option<uuid::Uuid>,
    stop: Option<uuid::Uuid>,
    last_action_id: Option<uuid::Uuid>,
    seen_action_id: Option<uuid::Uuid>,
    handled_codes: Vec<String>,
    outputs: Json<Outputs>,
    rejected_code: Option<String>,
    undone: bool,
    process_definition_id: String,
    process_instance_id: String,
    activity_id: String,
    external_task_id: String,
    cancel_requested: bool,
    held: bool,
    lost_from: Option<DateTime<Utc>>,
    lost_to: Option<DateTime<Utc>>,
    restored_to: Option<DateTime<Utc>>,
    case_number: Option<String>,
}

impl TryFrom<Row> for Step {
    type Error = StoreError;
    fn try_from(r: Row) -> Result<Self, StoreError> {
        let identity = StepIdentity {
            tenant: r.tenant_id,
            order: r.external_id,
            run: r.run,
            line: r.line_id,
            step: r.step_code,
            direction: r.direction.parse()?,
        };
        let case = r.case_number.map(|n| n.parse::<CaseNumber>()).transpose();
        Ok(Step {
            key: StepKey(r.id),
            identity,
            run: RunId(r.order_run_id),
            operation: r.operation,
            route: r.route,
            state: r.state.parse()?,
            epoch: r.epoch,
            gate: r.gate.map(ActionId),
            stop: r.stop.map(ActionId),
            last_action: r.last_action_id.map(ActionId),
            seen_action: r.seen_action_id.map(ActionId),
            handled_codes: r.handled_codes,
            outputs: r.outputs.0,
            rejected_code: r.rejected_code,
            undone: r.undone,
            process_definition_id: r.process_definition_id,
            process_instance_id: r.process_instance_id,
            activity_id: r.activity_id,
            external_task_id: r.external_task_id,
            order_cancelled: r.cancel_requested,
            held: r.held,
            lost: r.lost_from.zip(r.lost_to).map(|(from, to)| LostWindow { from, to }),
            restored_to: r.restored_to,
            case: case.map_err(|e| StoreError::Corrupt(e.to_string()))?,
        })
    }
}

/// Makes the step known, or notes which task stands for it now; holds its row until the transaction ends. One that was
/// archived is refused, and the transaction can go on.
pub async fn touch(tx: &mut Tx, task: &TaskRef, run: RunId) -> Result<Step, StoreError> {
    let key = StepKey::of(&task.step);
    let touched = sqlx::query!(
        "insert into step (id, tenant_id, order_run_id, line_id, step_code, direction, operation, handled_codes,
                           process_definition_id, process_instance_id, activity_id, external_task_id, seen_action_id)
         select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13
         where not exists (select 1 from step_tombstone where step_id = $1)
         on conflict (id) do update set handled_codes = excluded.handled_codes, activity_id = excluded.activity_id,
             process_definition_id = excluded.process_definition_id, process_instance_id = excluded.process_instance_id,
             external_task_id = excluded.external_task_id,
             seen_action_id = excluded.seen_action_id, updated_at = now()",
        key.0,
        task.step.tenant,
        run.0,
        task.step.line,
        task.step.step,
        task.step.direction.word(),
        task.operation,
        &task.handled_codes,
        task.process_definition_id,
        task.process_instance_id,
        task.activity_id,
        task.external_task_id,
        task.action.map(|a| a.0),
    );
    if touched.execute(tx.conn()).await?.rows_affected() == 0 {
        return Err(StoreError::Archived(key));
    }
    lock(tx, key).await
}

/// The step, held until the transaction ends.
pub async fn lock(tx: &mut Tx, key: StepKey) -> Result<Step, StoreError> {
    if !hold(tx, key).await? {
        return Err(sqlx::Error::RowNotFound.into());
    }
    get(tx, key).await
}

/// Its row alone; false when there is none. Not so strong that the row of a signal or of a case that names the step would
/// have to wait: whoever joins a case has the case before the step.
pub async fn hold(tx: &mut Tx, key: StepKey) -> Result<bool, StoreError> {
    let held = sqlx::query!("select id from step where id = $1 for no key update", key.0);
    Ok(held.fetch_optional(tx.conn()).await?.is_some())
}

/// The step as it stands, for readers.
pub async fn get(tx: &mut Tx, key: StepKey) -> Result<Step, StoreError> {
    find(tx, key).await?.ok_or(StoreError::Stale("the step"))
}

/// The step, where there is one yet.
pub async fn find(tx: &mut Tx, key: StepKey) -> Result<Option<Step>, StoreError> {
    Ok(get_all(tx, &[key]).await?.pop())
}

/// These steps as they stand.
pub async fn get_all(tx: &mut Tx, keys: &[StepKey]) -> Result<Vec<Step>, StoreError> {
    let ids: Vec<uuid::Uuid> = keys.iter().map(|key| key.0).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"select s.id, s.tenant_id, o.external_id, r.run, s.order_run_id, s.line_id, s.step_code, s.direction, s.operation, s.route, s.state,
                  s.epoch, s.gate, s.stop, s.last_action_id, s.seen_action_id, s.handled_codes, s.outputs as "outputs: Json<Outputs>", s.rejected_code, s.undone,
                  s.process_definition_id, s.process_instance_id, s.activity_id, s.external_task_id, r.cancel_requested,
                  exists (select from order_hold h where h.order_run_id = s.order_run_id and h.line_id in ('', s.line_id)
                      and h.released_at is null) as "held!",
                  r.lost_from, r.lost_to, s.restored_to,
                  (select c.case_number from fallout_case c where c.step_id = s.id
                    and c.status not in ('resolved', 'closed', 'force_closed', 'duplicate')) as case_number
           from step s join order_run r on r.id = s.order_run_id join product_order o on o.id = r.order_id
           where s.id = any($1)"#,
        &ids,
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Step::try_from).collect()
}

/// Every step of a run, in the order they became known.
pub async fn of_run(tx: &mut Tx, run: RunId) -> Result<Vec<Step>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select s.id, s.tenant_id, o.external_id, r.run, s.order_run_id, s.line_id, s.step_code, s.direction, s.operation, s.route, s.state,
                  s.epoch, s.gate, s.stop, s.last_action_id, s.seen_action_id, s.handled_codes, s.outputs as "outputs: Json<Outputs>", s.rejected_code, s.undone,
                  s.process_definition_id, s.process_instance_id, s.activity_id, s.external_task_id, r.cancel_requested,
                  exists (select from order_hold h where h.order_run_id = s.order_run_id and h.line_id in ('', s.line_id)
                      and h.released_at is null) as "held!",
                  r.lost_from, r.lost_to, s.restored_to,
                  (select c.case_number from fallout_case c where c.step_id = s.id
                    and c.status not in ('resolved', 'closed', 'force_closed', 'duplicate')) as case_number
           from step s join order_run r on r.id = s.order_run_id join product_order o on o.id = r.order_id
           where s.order_run_id = $1 order by s.created_at, s.id"#,
        run.0,
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Step::try_from).collect()
}

/// Where the step stands after a decision.
#[derive(Clone, Debug)]
pub struct Standing<'a> {
    pub state: StepState,
    pub epoch: i32,
    pub gate: Option<ActionId>,
    pub stop: Option<ActionId>,
    pub last_action: Option<ActionId>,
    pub outputs: &'a Outputs,
    pub rejected_code: Option<&'a str>,
    pub route: Option<&'a str>,
}

/// Writes the step's standing; `from` fences it: the row is held, but a rule that read another state is a bug.
pub async fn set(tx: &mut Tx, key: StepKey, from: StepState, to: &Standing<'_>) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "update step set state = $3, epoch = $4, gate = $5, last_action_id = $6, outputs = $7, rejected_code = $8, stop = $9, route = $10, updated_at = now()
         where id = $1 and state = $2",
        key.0, from.word(), to.state.word(), to.epoch, to.gate.map(|g| g.0), to.last_action.map(|a| a.0),
        Json(to.outputs) as _, to.rejected_code, to.stop.map(|a| a.0), to.route,
    );
    match done.execute(tx.conn()).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Stale("the step")),
    }
}

/// From its next intent on the step is its route's.
pub async fn take_route(tx: &mut Tx, key: StepKey) -> Result<(), StoreError> {
    sqlx::query!("update step set operation = route where id = $1 and route is not null", key.0)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// An applied effect is attested to be undone outside.
pub async fn set_undone(tx: &mut Tx, key: StepKey) -> Result<(), StoreError> {
    sqlx::query!("update step set undone = true, updated_at = now() where id = $1", key.0).execute(tx.conn()).await?;
    Ok(())
}

/// Steps whose task was not seen for a while, without the effects of actions, which have none: at work, reserved by an
/// action, or past the time their callback had. The gone-tasks controller asks the engine for them.
pub async fn quiet(tx: &mut Tx, seconds: f64, limit: i64) -> Result<Vec<(StepKey, String, String)>, StoreError> {
    let rows = sqlx::query!(
        "select s.id, s.external_task_id, s.process_instance_id from step s
         where (s.state in ('new', 'running', 'awaiting_callback') or s.gate is not null) and s.process_instance_id <> ''
           and s.updated_at < now() - make_interval(secs => $1)
           and not exists (select 1 from attempt a where a.step_id = s.id and a.state = 'unknown'
                           and a.callback_deadline > now() - make_interval(secs => $1))
         order by s.updated_at limit $2",
        seconds,
        limit,
    );
    Ok(rows
        .fetch_all(tx.conn())
        .await?
        .into_iter()
        .map(|r| (StepKey(r.id), r.external_task_id, r.process_instance_id))
        .collect())
}

/// A step that waits for people, with where its token should be.
#[derive(Clone, Debug)]
pub struct Parked {
    pub step: StepKey,
    pub external_task_id: String,
    pub process_instance_id: String,
    /// Which token of the instance is its own, where others may wait beside it.
    pub at: Option<Place>,
}

/// Parked steps that no action has and that were not looked at for a while.
pub async fn quiet_parked(tx: &mut Tx, seconds: f64, limit: i64) -> Result<Vec<Parked>, StoreError> {
    let rows = sqlx::query!(
        r#"select s.id, s.external_task_id, s.process_instance_id, s.line_id, s.step_code, s.direction,
                  coalesce(d.embedded ? s.activity_id, false) as "embedded!"
           from step s left join definition d using (process_definition_id)
           where s.state = 'parked' and s.gate is null and s.process_instance_id <> '' and s.updated_at < now() - make_interval(secs => $1)
           order by s.updated_at limit $2"#,
        seconds,
        limit,
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    let parked = rows.map(|r| {
        let place = Place { line: r.line_id, step: r.step_code, direction: r.direction.parse()? };
        Ok(Parked {
            step: StepKey(r.id),
            external_task_id: r.external_task_id,
            process_instance_id: r.process_instance_id,
            at: r.embedded.then_some(place),
        })
    });
    parked.collect()
}

/// The parked step that this task stands for.
pub async fn parked_at(tx: &mut Tx, external_task_id: &str) -> Result<Option<StepKey>, StoreError> {
    let id = sqlx::query_scalar!(
        "select id from step where external_task_id = $1 and state = 'parked' limit 1",
        external_task_id
    );
    Ok(id.fetch_optional(tx.conn()).await?.map(StepKey))
}

/// Asked for and found in place: not quiet for now.
pub async fn seen(tx: &mut Tx, key: StepKey) -> Result<(), StoreError> {
    sqlx::query!("update step set updated_at = now() where id = $1", key.0).execute(tx.conn()).await?;
    Ok(())
}

/// Steps that are not over in this process instance.
pub async fn of_instance(tx: &mut Tx, process_instance_id: &str) -> Result<Vec<StepKey>, StoreError> {
    let keys = sqlx::query_scalar!(
        "select id from step where process_instance_id = $1 and state in ('running', 'awaiting_callback', 'parked') order by id",
        process_instance_id
    );
    Ok(keys.fetch_all(tx.conn()).await?.into_iter().map(StepKey).collect())
}

/// Its instance runs another definition now.
pub async fn set_definition(tx: &mut Tx, key: StepKey, process_definition_id: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "update step set process_definition_id = $2, updated_at = now() where id = $1",
        key.0,
        process_definition_id
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The parked steps of an order run.
pub async fn parked_of(tx: &mut Tx, run: RunId) -> Result<Vec<StepKey>, StoreError> {
    let keys =
        sqlx::query_scalar!("select id from step where order_run_id = $1 and state = 'parked' order by id", run.0);
    Ok(keys.fetch_all(tx.conn()).await?.into_iter().map(StepKey).collect())
}
