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
use fallout_fleet::{Asked, Ledger, LedgerError, Proof};
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

    async fn claim_all(&self, asked: Vec<Asked>) -> Result<Vec<Option<Claim>>, LedgerError> {
        let asked: Vec<_> = asked.iter().map(|one| (&one.task, one.prepared.as_ref())).collect();
        self.0.claim_all(&asked).await.map_err(told)
    }

    async fn record_all(&self, proofs: Vec<Proof>) -> Result<Vec<Option<Recorded>>, LedgerError> {
        let proofs: Vec<_> = proofs.iter().map(|one| (one.attempt, &one.evidence, &one.read)).collect();
        self.0.record_all(&proofs).await.map_err(told)
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

    async fn settle_read(
        &self,
        task: &TaskRef,
        evidence: Evidence,
        read: Result<Outputs, String>,
    ) -> Result<Claim, LedgerError> {
        self.0.settle_read(task, &evidence, &read).await.map_err(told)
    }

    async fn reported(&self, marks: Vec<(AttemptId, Uuid)>) -> Result<(), LedgerError> {
        self.0.reported(&marks).await.map_err(told)
    }

    async fn cannot_report(&self, task: &TaskRef, problem: &str) -> Result<(), LedgerError> {
        self.0.cannot_report(task, problem).await.map_err(told)
    }

    async fn ready(&self) -> Result<(), LedgerError> {
        self.0.ready().await.map_err(told)
    }
}
