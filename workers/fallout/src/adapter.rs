//! The fleet's ledger is the desk.

use std::future::Future;

use fallout_core::{
    attempt::Prepared,
    claim::{Claim, Recorded},
    evidence::Evidence,
    ids::AttemptId,
    lookup::Said,
    step::Outputs,
    task::{Definition, StepContext, TaskRef},
};
use fallout_desk::{Desk, DeskError};
use fallout_fleet::{Ledger, LedgerError};
use uuid::Uuid;

use crate::output::chain;

#[derive(Clone, Debug)]
pub struct DeskLedger(pub Desk);

/// A ledger error as the fleet decides on it: the whole chain for people, one variant for the fleet.
fn told(error: DeskError) -> LedgerError {
    let text = chain(&error);
    match error {
        DeskError::Away(_) => LedgerError::Away(text),
        _ => LedgerError::Broken(text),
    }
}

impl Ledger for DeskLedger {
    fn contexts(&self, tasks: &[TaskRef]) -> impl Future<Output = Result<Vec<StepContext>, LedgerError>> + Send {
        async { self.0.contexts(tasks).await.map_err(told) }
    }

    fn knows(&self, definition: &str) -> impl Future<Output = Result<bool, LedgerError>> + Send {
        async { self.0.knows(definition).await.map_err(told) }
    }

    fn learn(&self, definition: Definition) -> impl Future<Output = Result<(), LedgerError>> + Send {
        async move { self.0.learn(&definition).await.map_err(told) }
    }

    fn claim(
        &self,
        task: &TaskRef,
        prepared: Option<Result<Prepared, String>>,
    ) -> impl Future<Output = Result<Claim, LedgerError>> + Send {
        async { self.0.claim(task, prepared).await.map_err(told) }
    }

    fn record(
        &self,
        attempt: AttemptId,
        evidence: Evidence,
        read: Result<Outputs, String>,
    ) -> impl Future<Output = Result<Recorded, LedgerError>> + Send {
        async move { self.0.record(attempt, &evidence, &read).await.map_err(told) }
    }

    fn record_read(
        &self,
        attempt: AttemptId,
        said: Said,
    ) -> impl Future<Output = Result<Recorded, LedgerError>> + Send {
        async move { self.0.record_read(attempt, said).await.map_err(told) }
    }

    fn reported(&self, attempt: AttemptId, report: Uuid) -> impl Future<Output = Result<(), LedgerError>> + Send {
        async move { self.0.reported(attempt, report).await.map_err(told) }
    }

    fn ready(&self) -> impl Future<Output = Result<(), LedgerError>> + Send {
        async { self.0.ready().await.map_err(told) }
    }
}
