//! One task, from the engine and back to it, a function per step and in this order:
//! fetch → prepare → claim → perform → decide → record → report.

use std::{panic::AssertUnwindSafe, time::Duration};

use fallout_camunda::{EngineError, FetchRequest, LockedTask};
use fallout_core::{
    claim::{Claim, Permission},
    evidence::{Evidence, Phase},
    ids::AttemptId,
    step::Outputs,
};
use futures_util::FutureExt;
use tokio::time::Instant;
use tracing::Instrument;

use crate::{
    Ledger, LedgerError, Point,
    errand::Ask,
    fleet::Flow,
    handler,
    life::Slot,
    prepare::Rendered,
    work::{Settled, Work},
};

impl<L: Ledger> Flow<L> {
    /// The way of one prepared task. Whatever the claim says but "send" leaves out the steps between.
    pub(crate) async fn way(&self, work: &Work, rendered: Rendered) {
        let begun = Instant::now();
        let settled = match self.claim(work, rendered).await {
            Ok(Claim::Fresh(permission)) => {
                let evidence = self.perform(work, &permission, begun).await;
                let read = self.decide(work, &evidence);
                self.record(permission.attempt, evidence, read).await
            }
            Ok(Claim::LookUp { attempt, request, key }) => {
                let asked = Instant::now();
                let said = self.downstreams.look_up(&work.performer.operation, &key, &request).await;
                self.record_read(attempt, said, asked).await
            }
            Ok(Claim::Report { attempt, verdict, case }) => Some(Settled { attempt, verdict, case }),
            Ok(Claim::Parked { case }) => return self.park_again(work, case).await,
            Ok(Claim::InFlight { wait_ms } | Claim::Withheld { wait_ms, .. }) => {
                return work.lock.hand_back(Duration::from_millis(wait_ms)).await;
            }
            Err(problem) => return self.put_off(work, &problem).await,
        };
        self.report(work, settled).await;
    }

    /// Locks tasks for us, at most as many as there are permits.
    pub(crate) async fn fetch(&self, ask: &Ask) -> Result<Vec<LockedTask>, EngineError> {
        let request = FetchRequest {
            worker_id: &ask.worker_id,
            max_tasks: ask.most,
            use_priority: false,
            async_response_timeout: ask.wait,
            topics: &self.shares.topics(&ask.lanes),
        };
        self.engine.fetch_and_lock(&request).await
    }

    /// Who the tasks are for, and the request of each that has none yet. Pure but for one read per batch.
    pub(crate) async fn prepare(&self, fetched: Vec<(LockedTask, Slot)>) -> Vec<(Work, Rendered)> {
        self.probes.at(Point::Fetched);
        let works = self.identify(fetched).await;
        self.render_all(works).await
    }

    /// What the task is for. A fresh claim has stored intent and attempt before anything can be sent.
    async fn claim(&self, work: &Work, rendered: Rendered) -> Result<Claim, LedgerError> {
        let claim = self.ledger.claim(&work.task, rendered).await;
        self.probes.at(Point::Claimed);
        claim
    }

    /// The one exchange. No byte leaves after the claim's time, nor after the lock's.
    async fn perform(&self, work: &Work, permission: &Permission, begun: Instant) -> Evidence {
        tracing::Span::current().record("attempt", tracing::field::display(permission.attempt));
        let send_until = (begun + Duration::from_millis(permission.send_within_ms)).min(work.lock.until());
        if work.lock.is_lost() || Instant::now() >= send_until {
            return Evidence::of(Phase::TooLate);
        }
        self.probes.at(Point::BeforeSend);
        let sending = self.downstreams.send(&work.performer.operation, &permission.request, send_until);
        let evidence = AssertUnwindSafe(sending).catch_unwind().await;
        self.probes.at(Point::Sent);
        // The attempt is open: a panic from here on proves nothing about the effect.
        let evidence = evidence.unwrap_or_else(|_| Evidence::of(Phase::Unproven));
        work.slot.heard(&evidence);
        evidence
    }

    /// Our part of the decision: what the answer gives. The verdict is made in `record`, over all attempts as they then are.
    fn decide(&self, work: &Work, evidence: &Evidence) -> Result<Outputs, String> {
        handler::read(work.performer.handler.as_ref(), evidence)
    }

    /// Evidence is kept at until the ledger has it; `None` when it has no verdict for this task.
    async fn record(&self, attempt: AttemptId, evidence: Evidence, read: Result<Outputs, String>) -> Option<Settled> {
        let call = || self.ledger.record(attempt, evidence.clone(), read.clone());
        let recorded = self.keep_at(attempt, &evidence.summary(), call).await?;
        self.probes.at(Point::Recorded);
        Settled::from_record(attempt, recorded)
    }

    /// Tells the engine what was recorded. Only this may ever be repeated.
    async fn report(&self, work: &Work, settled: Option<Settled>) {
        let span = tracing::info_span!("settle", task = work.task.external_task_id);
        self.tell(work, settled).instrument(span).await;
    }
}
