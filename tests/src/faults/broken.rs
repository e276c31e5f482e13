//! Ledgers that are wrong on purpose: a matrix that finds nothing wrong with them would be worth nothing.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use fallout::{adapter::DeskLedger, roles::setup::Setup};
use fallout_core::{
    attempt::{AttemptFacts, Prepared},
    claim::{Claim, Permission, Recorded},
    decide::{Catches, Situation, decide},
    evidence::Evidence,
    ids::{AttemptId, IntentId},
    lookup::Said,
    operation::Operation,
    outcome::classify,
    step::Outputs,
    task::{Definition, StepContext, TaskRef},
};
use fallout_fleet::{Asked, Ledger, LedgerError, Proof};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wrong {
    /// A claim that should look up sends again.
    SendsForLookUp,
    /// Recording answers before it is committed.
    AnswersEarly,
    /// Every attempt has a key of its own.
    KeyPerAttempt,
}

/// The desk's ledger with one thing wrong.
#[derive(Debug)]
pub struct BrokenLedger {
    desk: DeskLedger,
    setup: Setup,
    wrong: Wrong,
    operations: Mutex<HashMap<AttemptId, Operation>>,
}

/// Longer than a worker needs to report and to be killed.
const COMMITS_AFTER: Duration = Duration::from_secs(2);

impl BrokenLedger {
    pub fn new(setup: &Setup, wrong: Wrong) -> Self {
        let desk = DeskLedger(setup.desk.clone());
        BrokenLedger { desk, setup: setup.clone(), wrong, operations: Mutex::default() }
    }

    fn spoilt(&self, task: &TaskRef, claim: Claim) -> Claim {
        match (self.wrong, claim) {
            (Wrong::SendsForLookUp, Claim::LookUp { attempt, request, key }) => {
                Claim::Fresh(Permission { attempt, request, key, generation: 1, send_within_ms: 600 })
            }
            (Wrong::KeyPerAttempt, Claim::Fresh(mut permission)) => {
                let key = permission.attempt.to_string();
                let of_key = permission.request.headers.iter_mut().filter(|(name, _)| name == "Idempotency-Key");
                of_key.for_each(|(_, value)| value.clone_from(&key));
                Claim::Fresh(Permission { key, ..permission })
            }
            (_, claim) => {
                if let (Claim::Fresh(permission), Some(op)) = (&claim, self.setup.catalogue.operation(&task.operation))
                {
                    let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
                    operations.insert(permission.attempt, op.clone());
                }
                claim
            }
        }
    }

    /// The verdict over this attempt alone, as if it were the only one.
    fn guess(&self, attempt: AttemptId, evidence: &Evidence, read: &Result<Outputs, String>) -> Option<Recorded> {
        let operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        let op = operations.get(&attempt)?;
        let now = chrono::DateTime::UNIX_EPOCH;
        let facts = AttemptFacts {
            id: attempt,
            intent: IntentId(Uuid::nil()),
            generation: 1,
            epoch: 0,
            opened_at: now,
            send_before: now,
            over_at: now,
            outcome: Some(classify(op, evidence, read, false)),
            reads: Vec::new(),
            callback_deadline: None,
        };
        let at = Situation { epoch: 0, catches: &Catches::All, handled: &[], now };
        Some(Recorded { verdict: decide(op, &[facts], &at), case: None })
    }
}

impl Ledger for BrokenLedger {
    async fn contexts(&self, tasks: &[TaskRef]) -> Result<Vec<StepContext>, LedgerError> {
        self.desk.contexts(tasks).await
    }

    async fn knows(&self, definition: &str) -> Result<bool, LedgerError> {
        self.desk.knows(definition).await
    }

    async fn learn(&self, definition: Definition) -> Result<(), LedgerError> {
        self.desk.learn(definition).await
    }

    async fn claim_all(&self, asked: Vec<Asked>) -> Result<Vec<Option<Claim>>, LedgerError> {
        let tasks: Vec<TaskRef> = asked.iter().map(|one| one.task.clone()).collect();
        let claims = self.desk.claim_all(asked).await?;
        Ok(tasks.iter().zip(claims).map(|(task, claim)| claim.map(|claim| self.spoilt(task, claim))).collect())
    }

    async fn claim(&self, task: &TaskRef, prepared: Option<Result<Prepared, String>>) -> Result<Claim, LedgerError> {
        Ok(self.spoilt(task, self.desk.claim(task, prepared).await?))
    }

    async fn record_all(&self, proofs: Vec<Proof>) -> Result<Vec<Option<Recorded>>, LedgerError> {
        match self.wrong {
            // All go the slow way, which is the one that is wrong.
            Wrong::AnswersEarly => Ok(vec![None; proofs.len()]),
            _ => self.desk.record_all(proofs).await,
        }
    }

    async fn record(
        &self,
        attempt: AttemptId,
        evidence: Evidence,
        read: Result<Outputs, String>,
    ) -> Result<Recorded, LedgerError> {
        let early = (self.wrong == Wrong::AnswersEarly).then(|| self.guess(attempt, &evidence, &read)).flatten();
        let Some(recorded) = early else { return self.desk.record(attempt, evidence, read).await };
        let desk = self.desk.clone();
        tokio::spawn(async move {
            tokio::time::sleep(COMMITS_AFTER).await;
            let _ = desk.record(attempt, evidence, read).await;
        });
        Ok(recorded)
    }

    async fn record_read(&self, attempt: AttemptId, said: Said, asked: Instant) -> Result<Recorded, LedgerError> {
        self.desk.record_read(attempt, said, asked).await
    }

    async fn settle_read(
        &self,
        task: &TaskRef,
        evidence: Evidence,
        read: Result<Outputs, String>,
    ) -> Result<Claim, LedgerError> {
        self.desk.settle_read(task, evidence, read).await
    }

    async fn reported(&self, marks: Vec<(AttemptId, Uuid)>) -> Result<(), LedgerError> {
        self.desk.reported(marks).await
    }

    async fn ready(&self) -> Result<(), LedgerError> {
        self.desk.ready().await
    }
}
