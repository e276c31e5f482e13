//! One task, from the engine and back to it, a function per step and in this order:
//! fetch → prepare → claim → perform → decide → record → report.

use std::{panic::AssertUnwindSafe, time::Duration};

use fallout_camunda::{EngineError, FetchRequest, LockedTask};
use fallout_core::{
    attempt::StoredRequest,
    claim::{Claim, Permission},
    evidence::{Evidence, Phase},
    ids::AttemptId,
    operation::Kind,
    step::Outputs,
};
use futures_util::FutureExt;
use tokio::time::Instant;
use tracing::Instrument;

use crate::{
    Asked, Ledger, LedgerError, Point, Proof,
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
        if work.performer.operation.kind == Kind::Read {
            return self.way_of_read(work, rendered, begun).await;
        }
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

    /// A read changes nothing outside: it is done without an intent or an attempt, and only its answer is recorded.
    async fn way_of_read(&self, work: &Work, rendered: Rendered, begun: Instant) {
        let evidence = match rendered {
            Some(Ok(prepared)) => self.exchange(work, &prepared.request, begun + work.lock.duration()).await,
            Some(Err(defect)) => Evidence { error: Some(defect), ..Evidence::of(Phase::NotBuilt) },
            None => return self.put_off(work, &LedgerError::Broken("a read has no stored request".into())).await,
        };
        match self.settle_read(work, evidence).await {
            Some(Claim::Report { attempt, verdict, case }) => {
                self.report(work, Some(Settled { attempt, verdict, case })).await
            }
            Some(Claim::Parked { case }) => self.park_again(work, case).await,
            Some(Claim::Withheld { wait_ms, .. } | Claim::InFlight { wait_ms }) => {
                work.lock.hand_back(Duration::from_millis(wait_ms)).await;
            }
            Some(Claim::Fresh(_) | Claim::LookUp { .. }) | None => self.report(work, None).await,
        }
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
        let asked = Asked { task: work.task.clone(), prepared: rendered.clone() };
        let claim = match self.claims.ask(asked, async |all| self.ledger.claim_all(all).await).await {
            Ok(Some(claim)) => Ok(claim),
            // A batch takes only what is plain; and one task that it breaks at must not keep the others.
            Ok(None) | Err(LedgerError::Broken(_)) => self.ledger.claim(&work.task, rendered).await,
            Err(away) => Err(away),
        };
        self.probes.at(Point::Claimed);
        claim
    }

    /// The one exchange. No byte leaves after the claim's time, nor after the lock's.
    async fn perform(&self, work: &Work, permission: &Permission, begun: Instant) -> Evidence {
        tracing::Span::current().record("attempt", tracing::field::display(permission.attempt));
        self.exchange(work, &permission.request, begun + Duration::from_millis(permission.send_within_ms)).await
    }

    async fn exchange(&self, work: &Work, request: &StoredRequest, send_until: Instant) -> Evidence {
        let send_until = send_until.min(work.lock.until());
        if work.lock.is_lost() || Instant::now() >= send_until {
            return Evidence::of(Phase::TooLate);
        }
        self.probes.at(Point::BeforeSend);
        let sending = self.downstreams.send(&work.performer.operation, request, send_until);
        let evidence = AssertUnwindSafe(sending).catch_unwind().await;
        self.probes.at(Point::Sent);
        // An attempt is open: a panic from here on proves nothing about the effect.
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
        let proof = Proof { attempt, evidence, read };
        let call = || self.record_with_others(proof.clone());
        let recorded = self.keep_at(attempt, &proof.evidence.summary(), call).await?;
        self.probes.at(Point::Recorded);
        Settled::from_record(attempt, recorded)
    }

    /// Tells the engine what was recorded. Only this may ever be repeated.
    async fn report(&self, work: &Work, settled: Option<Settled>) {
        let span = tracing::info_span!("settle", task = work.task.external_task_id);
        self.tell(work, settled).instrument(span).await;
    }
}
