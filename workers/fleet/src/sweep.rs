//! Tasks that a fetch locked and nobody received: found by the fetch's worker id and given back. And polls that are to
//! end before they lock any.

use fallout_camunda::{EngineError, ExternalTaskQuery, FetchRequest};
use tokio::time::Instant;

use crate::{
    Away, Ledger,
    fleet::{Flow, fetched_topic},
    lock::AT_ONCE,
};

/// No model has it: what asks for it is never given a task.
const NOBODYS_TOPIC: &str = "fallout.nobody";

/// Ends the poll that is pending under this worker id, on an engine that allows each worker one at a time
/// (`fetch-and-lock-unique-worker-request`; measured on Camunda 7.24.0 and Operaton 1.0.3: the poll is answered with a 503
/// within milliseconds, whether or not anybody still listens to it). Another engine ignores it.
pub(crate) async fn end_poll<L: Ledger>(flow: &Flow<L>, worker_id: &str) -> Result<(), EngineError> {
    let topics = [fetched_topic(NOBODYS_TOPIC, AT_ONCE)];
    let request = FetchRequest {
        worker_id,
        max_tasks: 1,
        use_priority: false,
        // Only a long poll counts as one.
        async_response_timeout: Some(AT_ONCE),
        topics: &topics,
    };
    flow.engine.fetch_and_lock(&request).await.map(drop)
}

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
