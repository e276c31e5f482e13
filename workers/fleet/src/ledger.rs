//! What the fleet needs remembered. Over the desk in the program; something smaller where the fleet is used as a library
//! or measured without a database.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use fallout_core::{
    attempt::Prepared,
    claim::{Claim, Recorded},
    evidence::Evidence,
    ids::AttemptId,
    lookup::Said,
    step::Outputs,
    task::{Definition, StepContext, TaskRef},
};
use tokio::sync::Notify;
use uuid::Uuid;

pub trait Ledger: Send + Sync + 'static {
    /// What each of these tasks is rendered from, in their order: one read for the whole batch.
    fn contexts(&self, tasks: &[TaskRef]) -> impl Future<Output = Result<Vec<StepContext>, LedgerError>> + Send;

    /// Whether this process definition was learnt before.
    fn knows(&self, definition: &str) -> impl Future<Output = Result<bool, LedgerError>> + Send;

    fn learn(&self, definition: Definition) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// As many of these as one short transaction can claim: the first claims of their steps, as nearly all are. Those
    /// answered with `None` are asked for alone.
    fn claim_all(&self, asked: Vec<Asked>) -> impl Future<Output = Result<Vec<Option<Claim>>, LedgerError>> + Send {
        async move { Ok(asked.iter().map(|_| None).collect()) }
    }

    /// What the task is for. A fresh claim stores intent and attempt before it answers.
    fn claim(
        &self,
        task: &TaskRef,
        prepared: Option<Result<Prepared, String>>,
    ) -> impl Future<Output = Result<Claim, LedgerError>> + Send;

    /// As many of these as one short transaction can record: effects that succeeded at once. Those answered with `None`
    /// are recorded alone.
    fn record_all(
        &self,
        proofs: Vec<Proof>,
    ) -> impl Future<Output = Result<Vec<Option<Recorded>>, LedgerError>> + Send {
        async move { Ok(proofs.iter().map(|_| None).collect()) }
    }

    /// Appends what an exchange proved and decides over all attempts as they now stand. May be called again with the same.
    fn record(
        &self,
        attempt: AttemptId,
        evidence: Evidence,
        read: Result<Outputs, String>,
    ) -> impl Future<Output = Result<Recorded, LedgerError>> + Send;

    /// The same with what a lookup said: what an answer proves depends on when it was asked for.
    fn record_read(
        &self,
        attempt: AttemptId,
        said: Said,
        asked: Instant,
    ) -> impl Future<Output = Result<Recorded, LedgerError>> + Send;

    /// What a read came to: it changes nothing outside, so it has no intent and no attempt, only an answer.
    fn settle_read(
        &self,
        task: &TaskRef,
        evidence: Evidence,
        read: Result<Outputs, String>,
    ) -> impl Future<Output = Result<Claim, LedgerError>> + Send;

    /// The engine has these attempts' verdicts. A mark for people: one that is lost costs nothing.
    fn reported(&self, marks: Vec<(AttemptId, Uuid)>) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// The engine refused the report of what is recorded, and would again: someone has to own it. Said at every refusal,
    /// after the log.
    fn cannot_report(&self, _: &TaskRef, _problem: &str) -> impl Future<Output = Result<(), LedgerError>> + Send {
        async { Ok(()) }
    }

    /// Whether anything could be recorded now.
    fn ready(&self) -> impl Future<Output = Result<(), LedgerError>> + Send;
}

/// A task and its rendered request, for a claim.
#[derive(Clone, Debug)]
pub struct Asked {
    pub task: TaskRef,
    pub prepared: Option<Result<Prepared, String>>,
}

/// What one exchange proved, and what was read from it.
#[derive(Clone, Debug)]
pub struct Proof {
    pub attempt: AttemptId,
    pub evidence: Evidence,
    pub read: Result<Outputs, String>,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    /// Cannot be reached: it may have happened or not; asking again is safe and will help one day.
    #[error("the ledger cannot be reached: {0}")]
    Away(String),
    /// Asking again will not help.
    #[error("the ledger refused: {0}")]
    Broken(String),
}

/// Whether anything may be fetched. Closed until the ledger has answered for the first time, and whenever it is away: what
/// cannot be recorded is not fetched. Said once, however many tasks run into it.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    open: AtomicBool,
    said: AtomicBool,
    closed: Notify,
}

impl Gate {
    pub fn close(&self, why: &LedgerError) {
        self.open.store(false, Ordering::SeqCst);
        if !self.said.swap(true, Ordering::SeqCst) {
            tracing::warn!("{why}; nothing is fetched until it answers");
            self.closed.notify_one();
        }
    }

    pub fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
        if self.said.swap(false, Ordering::SeqCst) {
            tracing::info!("the ledger answers again");
        }
    }

    pub fn is_closed(&self) -> bool {
        !self.open.load(Ordering::SeqCst)
    }

    pub async fn closes(&self) {
        self.closed.notified().await;
    }
}
