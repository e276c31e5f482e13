//! The fleet's ledger is the desk.

use std::time::Duration;

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
    async fn contexts(&self, tasks: &[TaskRef]) -> Result<Vec<StepContext>, LedgerError> {
        self.0.contexts(tasks).await.map_err(told)
    }

    async fn knows(&self, definition: &str) -> Result<bool, LedgerError> {
        self.0.knows(definition).await.map_err(told)
    }

    async fn learn(&self, definition: Definition) -> Result<(), LedgerError> {
        self.0.learn(&definition).await.map_err(told)
    }

    async fn claim(&self, task: &TaskRef, prepared: Option<Result<Prepared, String>>) -> Result<Claim, LedgerError> {
        self.0.claim(task, prepared).await.map_err(told)
    }

    async fn record(
        &self,
        attempt: AttemptId,
        evidence: Evidence,
        read: Result<Outputs, String>,
    ) -> Result<Recorded, LedgerError> {
        self.0.record(attempt, &evidence, &read).await.map_err(told)
    }

    async fn record_read(&self, attempt: AttemptId, said: Said, ago: Duration) -> Result<Recorded, LedgerError> {
        self.0.record_read(attempt, said, ago).await.map_err(told)
    }

    async fn reported(&self, attempt: AttemptId, report: Uuid) -> Result<(), LedgerError> {
        self.0.reported(attempt, report).await.map_err(told)
    }

    async fn ready(&self) -> Result<(), LedgerError> {
        self.0.ready().await.map_err(told)
    }
}
