//! The fleet's ledger is the desk.

use std::time::{Duration, Instant};

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

/// Nothing takes longer but a connection that hangs: a row is waited for 10 s, a connection 5 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// A call that has no answer may have been carried out or not, like one whose connection broke; all may be repeated.
async fn within<T>(call: impl Future<Output = Result<T, DeskError>>) -> Result<T, LedgerError> {
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(answer) => answer.map_err(told),
        Err(_) => Err(LedgerError::Away(format!("the database has not answered for {} s", PATIENCE.as_secs()))),
    }
}

impl Ledger for DeskLedger {
    async fn contexts(&self, tasks: &[TaskRef]) -> Result<Vec<StepContext>, LedgerError> {
        within(self.0.contexts(tasks)).await
    }

    async fn knows(&self, definition: &str) -> Result<bool, LedgerError> {
        within(self.0.knows(definition)).await
    }

    async fn learn(&self, definition: Definition) -> Result<(), LedgerError> {
        within(self.0.learn(&definition)).await
    }

    async fn claim(&self, task: &TaskRef, prepared: Option<Result<Prepared, String>>) -> Result<Claim, LedgerError> {
        within(self.0.claim(task, prepared)).await
    }

    async fn claim_all(&self, asked: Vec<Asked>) -> Result<Vec<Option<Claim>>, LedgerError> {
        let asked: Vec<_> = asked.iter().map(|one| (&one.task, one.prepared.as_ref())).collect();
        within(self.0.claim_all(&asked)).await
    }

    async fn record_all(&self, proofs: Vec<Proof>) -> Result<Vec<Option<Recorded>>, LedgerError> {
        let proofs: Vec<_> = proofs.iter().map(|one| (one.attempt, &one.evidence, &one.read)).collect();
        within(self.0.record_all(&proofs)).await
    }

    async fn record(
        &self,
        attempt: AttemptId,
        evidence: Evidence,
        read: Result<Outputs, String>,
    ) -> Result<Recorded, LedgerError> {
        within(self.0.record(attempt, &evidence, &read)).await
    }

    async fn record_read(&self, attempt: AttemptId, said: Said, asked: Instant) -> Result<Recorded, LedgerError> {
        within(self.0.record_read(attempt, said, asked)).await
    }

    async fn settle_read(
        &self,
        task: &TaskRef,
        evidence: Evidence,
        read: Result<Outputs, String>,
    ) -> Result<Claim, LedgerError> {
        within(self.0.settle_read(task, &evidence, &read)).await
    }

    async fn reported(&self, marks: Vec<(AttemptId, Uuid)>) -> Result<(), LedgerError> {
        within(self.0.reported(&marks)).await
    }

    async fn cannot_report(&self, task: &TaskRef, problem: &str) -> Result<(), LedgerError> {
        within(self.0.cannot_report(task, problem)).await
    }

    async fn ready(&self) -> Result<(), LedgerError> {
        within(self.0.ready()).await
    }
}
