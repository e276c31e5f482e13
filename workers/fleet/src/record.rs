//! Writing to the ledger what is known. Evidence must not be lost lightly: the keeper holds the lock while this waits.

use std::fmt::Display;

use fallout_core::{
    claim::{Claim, Recorded},
    evidence::Evidence,
    ids::AttemptId,
    lookup::Said,
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    Away, Ledger, LedgerError, Proof,
    fleet::Flow,
    handler,
    work::{Settled, Work},
};

/// How often a refusal is tried again: more often than a deadlock repeats, and then a person has to look.
const REFUSALS: u32 = 5;

/// A mark costs as much as a record when it is written alone, and nobody waits for it.
const MARKS_TOGETHER: usize = 32;

impl<L: Ledger> Flow<L> {
    /// In one transaction with what else came back meanwhile, where that is plain; alone otherwise.
    pub(crate) async fn record_with_others(&self, proof: Proof) -> Result<Recorded, LedgerError> {
        match self.records.ask(proof.clone(), async |all| self.ledger.record_all(all).await).await {
            Ok(Some(recorded)) => Ok(recorded),
            Ok(None) | Err(LedgerError::Broken(_)) => {
                self.ledger.record(proof.attempt, proof.evidence, proof.read).await
            }
            Err(away) => Err(away),
        }
    }

    pub(crate) async fn settle_read(&self, work: &Work, evidence: Evidence) -> Option<Claim> {
        let read = handler::read(work.performer.handler.as_ref(), &evidence);
        let call = || self.ledger.settle_read(&work.task, evidence.clone(), read.clone());
        self.keep_at(&work.task.step, &evidence.summary(), call).await
    }

    /// The engine has the verdict. Nobody waits for the mark, and one that is lost is only less to look at: it is written
    /// with others, or when there are no others.
    pub(crate) async fn mark_reported(&self, attempt: AttemptId, report: Uuid) {
        let waiting = self.marks.leave((attempt, report));
        if waiting >= MARKS_TOGETHER || self.life.in_hand() <= 1 {
            self.mark_the_rest().await;
        }
    }

    pub(crate) async fn mark_the_rest(&self) {
        if let Err(problem) = self.marks.rest(async |marks| self.ledger.reported(marks).await).await {
            tracing::debug!("reports are not marked: {problem}");
        }
    }

    pub(crate) async fn record_read(&self, attempt: AttemptId, said: Said, asked: Instant) -> Option<Settled> {
        let call = || self.ledger.record_read(attempt, said.clone(), asked.into_std());
        Settled::from_record(attempt, self.keep_at(attempt, "the answer of a lookup", call).await?)
    }

    /// Calls until the ledger took it; `None` when the drain ended first, or when the ledger refuses.
    pub(crate) async fn keep_at<T, F>(&self, of: impl Display, what: &str, call: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, LedgerError>>,
    {
        let mut pauses = Away::new("the ledger");
        let mut refusals = 0;
        loop {
            match call().await {
                Ok(done) => return Some(done),
                Err(away @ LedgerError::Away(_)) => self.gate.close(&away),
                Err(problem) if refusals == REFUSALS => {
                    tracing::error!(%of, "not recorded: {what}; {problem}; an open attempt becomes unknown");
                    return None;
                }
                Err(LedgerError::Broken(_)) => refusals += 1,
            }
            tokio::select! {
                () = tokio::time::sleep(pauses.pause()) => {}
                () = self.life.over() => {
                    tracing::error!(%of, "not recorded before the end of the drain: {what}");
                    return None;
                }
            }
        }
    }
}
