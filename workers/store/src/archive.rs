//! Taking the ledger of ended order runs away; a tombstone per step stays.

use chrono::Duration;
use fallout_core::ids::RunId;

use crate::{StoreError, Tx};

/// An ended run that is old enough.
#[derive(Clone, Debug)]
pub struct Due {
    pub run: RunId,
    pub business_key: String,
    pub steps: i64,
}

/// Runs of a tenant that ended longer ago than `age`, after `after`.
pub async fn due(
    tx: &mut Tx,
    tenant: &str,
    age: Duration,
    after: Option<RunId>,
    limit: i64,
) -> Result<Vec<Due>, StoreError> {
    let rows = sqlx::query!(
        r#"select r.id, r.business_key, (select count(*) from step s where s.order_run_id = r.id) as "steps!" from order_run r
           where r.tenant_id = $1 and r.archived_at is null and r.ended_at < now() - make_interval(secs => $2)
             and ($3::uuid is null or r.id > $3) order by r.id limit $4"#,
        tenant,
        age.num_milliseconds() as f64 / 1_000.0,
        after.map(|a| a.0),
        limit,
    );
    let due = rows.fetch_all(tx.conn()).await?.into_iter();
    Ok(due.map(|r| Due { run: RunId(r.id), business_key: r.business_key, steps: r.steps }).collect())
}

/// Archives one run, how many steps it had. The database refuses a run or step that has not ended.
pub async fn archive_run(tx: &mut Tx, run: RunId) -> Result<i32, StoreError> {
    let steps = sqlx::query_scalar!(r#"select archive_run($1) as "steps!""#, run.0);
    Ok(steps.fetch_one(tx.conn()).await?)
}
