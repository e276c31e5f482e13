//! Tasks that a fetch locked and nobody received: found by the fetch's worker id and given back.

use fallout_camunda::ExternalTaskQuery;
use tokio::time::Instant;

use crate::{Away, Ledger, fleet::Flow, lock::AT_ONCE};

/// How many were given back. Goes on until the engine answers, or until the locks have expired anyway.
pub(crate) async fn sweep<L: Ledger>(flow: &Flow<L>, worker_id: &str) -> usize {
    let expired = Instant::now() + flow.lock_duration;
    let mut pauses = Away::new("the engine");
    loop {
        if let Some(given_back) = sweep_once(flow, worker_id).await {
            return given_back;
        }
        let pause = pauses.pause();
        if Instant::now() + pause >= expired {
            return 0;
        }
        tokio::time::sleep(pause).await;
    }
}

/// `None` when the engine did not answer.
pub(crate) async fn sweep_once<L: Ledger>(flow: &Flow<L>, worker_id: &str) -> Option<usize> {
    let query = ExternalTaskQuery { worker_id: Some(worker_id), locked: Some(true), ..ExternalTaskQuery::default() };
    let tasks = flow.engine.external_tasks(&query).await.ok()?;
    let mut given_back = 0;
    for task in &tasks {
        if flow.engine.extend_lock(&task.id, worker_id, AT_ONCE).await.is_ok() {
            given_back += 1;
            flow.bell.ring_in(AT_ONCE);
        }
    }
    Some(given_back)
}
