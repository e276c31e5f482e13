//! Effects that actions make themselves: which step of the ledger each is, and when a controller goes on with it.

use fallout_core::ids::{ActionId, CaseId, RunId, StepKey};

use crate::{StoreError, Tx};

/// An effect that is not over.
#[derive(Clone, Debug)]
pub struct ActionEffect {
    pub action: ActionId,
    pub tenant: String,
    pub run: RunId,
    pub step: StepKey,
    pub operation: String,
}

/// Due from now on.
pub async fn insert(tx: &mut Tx, new: &ActionEffect) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into action_effect (action_id, tenant_id, order_run_id, step_id, operation) values ($1, $2, $3, $4, $5)",
        new.action.0,
        new.tenant,
        new.run.0,
        new.step.0,
        new.operation,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes due effects for a lease of `seconds`: another process takes others meanwhile, and these again once it has passed.
pub async fn take(tx: &mut Tx, seconds: f64, limit: i64) -> Result<Vec<ActionId>, StoreError> {
    let rows = sqlx::query_scalar!(
        "with due as (select action_id from action_effect where next_at <= clock_timestamp()
                      order by next_at limit $2 for update skip locked)
         update action_effect e set next_at = clock_timestamp() + make_interval(secs => $1)
         from due where e.action_id = due.action_id returning e.action_id",
        seconds,
        limit,
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(ActionId).collect())
}

/// The effect of an action; `None`: there is none, or it is over. It begins and ends under the lock of its case's step.
pub async fn find(tx: &mut Tx, action: ActionId) -> Result<Option<ActionEffect>, StoreError> {
    let row = sqlx::query!(
        "select tenant_id, order_run_id, step_id, operation from action_effect
         where action_id = $1 and ended_at is null",
        action.0
    );
    Ok(row.fetch_optional(tx.conn()).await?.map(|r| ActionEffect {
        action,
        tenant: r.tenant_id,
        run: RunId(r.order_run_id),
        step: StepKey(r.step_id),
        operation: r.operation,
    }))
}

/// The case of the action whose effect this step is.
pub async fn case_of(tx: &mut Tx, step: StepKey) -> Result<Option<CaseId>, StoreError> {
    let id = sqlx::query_scalar!(
        "select a.fallout_case_id from action_effect e join fallout_recovery_action a on a.id = e.action_id where e.step_id = $1",
        step.0
    );
    Ok(id.fetch_optional(tx.conn()).await?.map(CaseId))
}

/// Gone on with after so many seconds; `None`: once something is found out.
pub async fn due_in(tx: &mut Tx, action: ActionId, seconds: Option<f64>) -> Result<(), StoreError> {
    sqlx::query!(
        "update action_effect set next_at = clock_timestamp() + make_interval(secs => $2)
         where action_id = $1 and ended_at is null",
        action.0,
        seconds,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Made, or given up.
pub async fn end(tx: &mut Tx, action: ActionId) -> Result<(), StoreError> {
    sqlx::query!(
        "update action_effect set next_at = null, ended_at = clock_timestamp() where action_id = $1 and ended_at is null",
        action.0
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
