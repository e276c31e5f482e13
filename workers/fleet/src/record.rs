//! Writing to the ledger what is known. Evidence must not be lost lightly: the keeper holds the lock while this waits.

use fallout_core::{ids::AttemptId, lookup::Said};

use tokio::time::Instant;

use crate::{Away, Ledger, LedgerError, fleet::Flow, work::Settled};

/// How often a refusal is tried again: more often than a deadlock repeats, and then a person has to look.
const REFUSALS: u32 = 5;

impl<L: Ledger> Flow<L> {
    pub(crate) async fn record_read(&self, attempt: AttemptId, said: Said, asked: Instant) -> Option<Settled> {
        let call = || self.ledger.record_read(attempt, said.clone(), asked.elapsed());
        Settled::from_record(attempt, self.keep_at(attempt, "the answer of a lookup", call).await?)
    }

    /// Calls until the ledger took it; `None` when the drain ended first, or when the ledger refuses.
    pub(crate) async fn keep_at<T, F>(&self, attempt: AttemptId, what: &str, call: impl Fn() -> F) -> Option<T>
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
                    tracing::error!(%attempt, "not recorded: {what}; {problem}; the attempt stays open and becomes unknown");
                    return None;
                }
                Err(LedgerError::Broken(_)) => refusals += 1,
            }
            tokio::select! {
                () = tokio::time::sleep(pauses.pause()) => {}
                () = self.life.over() => {
                    tracing::error!(%attempt, "not recorded before the end of the drain: {what}");
                    return None;
                }
            }
        }
    }
}
