//! The ledger of the fleet: what is known before a task may send, and what it is worth afterwards.

use std::{collections::BTreeMap, time::Instant};

use fallout_core::{
    attempt::{Prepared, idempotency_key},
    claim::{Claim, Decision, Permission, Recorded, decide_claim},
    decide::{Verdict, classification, decide_read},
    evidence::Evidence,
    ids::{AttemptId, CaseNumber, IntentId, RunId, StepKey},
    lookup::{self, LookupRead, Said},
    outcome::classify,
    step::{Direction, Outputs, StepState},
    task::{Definition, StepContext, TaskRef},
};
use fallout_store::{
    StoreError,
    attempts::{self, Intent, NewAttempt, Source},
    batch, definitions, orders, steps,
};
use serde_json::json;
use uuid::Uuid;

use crate::{Desk, DeskError, effects::hold_above, work::Work};

/// A claim that is not possible now comes back after this.
pub(crate) const SOON_MS: u64 = 1_000;
/// What stands still on purpose: a task costs a claim each time, and whoever lets it go on does not watch the clock.
const STOPPED_MS: u64 = 5_000;

fn undoes(task: &TaskRef) -> bool {
    task.step.direction == Direction::Undo
}

impl Desk {
    /// What handlers render from, for a batch of fetched tasks: one transaction.
    pub async fn contexts(&self, tasks: &[TaskRef]) -> Result<Vec<StepContext>, DeskError> {
        let mut tx = self.system("fleet").await?;
        let keys: Vec<String> = tasks.iter().map(|task| task.step.business_key()).collect();
        let steps: Vec<StepKey> = tasks.iter().map(|task| StepKey::of(&task.step)).collect();
        let runs = batch::documents(&mut tx, &keys).await?;
        let generations = batch::generations(&mut tx, &steps).await?;
        let ids: Vec<RunId> = runs.values().map(|run| run.id).collect();
        let outputs = batch::outputs(&mut tx, &ids).await?;
        let undone: Vec<StepKey> =
            tasks.iter().filter(|task| undoes(task)).map(|task| StepKey::of(&task.step.undone())).collect();
        let effects = if undone.is_empty() { BTreeMap::new() } else { batch::effects(&mut tx, &undone).await? };
        tx.commit().await?;
        let context = |(task, (key, step)): (&TaskRef, (&String, &StepKey))| {
            let Some(run) = runs.get(key) else { return StepContext::default() };
            let of_run = outputs.iter().filter(|o| o.run == run.id && (o.line.is_empty() || o.line == task.step.line));
            let generation = generations.get(step).copied();
            StepContext {
                document: run.document.clone(),
                outputs: of_run.map(|o| (o.step.clone(), o.outputs.clone())).collect(),
                next_generation: generation.unwrap_or(0) + 1,
                has_intent: generation.is_some(),
                effect: undoes(task).then(|| effects.get(&StepKey::of(&task.step.undone())).cloned()).flatten(),
            }
        };
        Ok(tasks.iter().zip(keys.iter().zip(&steps)).map(context).collect())
    }

    pub async fn knows(&self, definition: &str) -> Result<bool, DeskError> {
        let mut tx = self.system("fleet").await?;
        Ok(definitions::get(&mut tx, definition).await?.is_some())
    }

    pub async fn learn(&self, definition: &Definition) -> Result<(), DeskError> {
        let mut tx = self.system("fleet").await?;
        definitions::insert(&mut tx, definition).await?;
        Ok(tx.commit().await?)
    }

    /// Whether this task may send, and if not, what it is for.
    pub async fn claim(&self, task: &TaskRef, prepared: Option<Result<Prepared, String>>) -> Result<Claim, DeskError> {
        let mut work = match self.work_for(task).await? {
            Ok(work) => work,
            Err(case) => return Ok(Claim::Parked { case }),
        };
        let claim = work.claim(task, prepared).await?;
        work.commit().await?;
        Ok(claim)
    }

    /// Appends what an exchange proved and decides over all attempts as they now stand.
    pub async fn record(
        &self,
        attempt: AttemptId,
        evidence: &Evidence,
        read: &Result<Outputs, String>,
    ) -> Result<Recorded, DeskError> {
        let mut work = self.work_of(attempt).await?;
        let detail = serde_json::to_value(evidence).unwrap_or_default();
        attempts::append_evidence(&mut work.tx, &work.step.identity.tenant, attempt, Source::Exchange, &detail).await?;
        let before = work.attempts.iter().position(|a| a.id == attempt);
        let unresolved = before.is_some_and(|at| work.attempts[at].is_unresolved());
        let earlier_unknown = match before {
            Some(at) if unresolved => work.attempts[..at].iter().any(|a| a.is_unresolved()),
            // Settled since: what it ran into may be what another attempt did.
            _ => work.attempts.len() > 1,
        };
        let outcome = classify(work.op, evidence, read, earlier_unknown);
        let contradicts = work.weigh(attempt, &outcome, &evidence.summary()).await?;
        if unresolved {
            work.set_outcome(attempt, &outcome).await?;
        }
        work.conclude(attempt, unresolved && !contradicts).await
    }

    /// Appends what a lookup said, for the fleet and for the lookups controller alike.
    pub async fn record_read(&self, attempt: AttemptId, said: Said, asked: Instant) -> Result<Recorded, DeskError> {
        let mut work = self.work_of(attempt).await?;
        // After the database's time was read: the wait for the step's row must not make the question look later than it
        // was. Longer than a day is no time a read takes; the bound keeps the subtraction safe.
        let ago = chrono::Duration::from_std(asked.elapsed()).unwrap_or_default().min(chrono::Duration::days(1));
        let detail = serde_json::to_value(&said).unwrap_or_default();
        attempts::append_evidence(&mut work.tx, &work.step.identity.tenant, attempt, Source::Lookup, &detail).await?;
        attempts::add_read(&mut work.tx, attempt, &LookupRead { at: work.now - ago, said: said.clone() }).await?;
        work.reload().await?;
        let unresolved = work.attempts.iter().find(|a| a.id == attempt && a.is_unresolved() && !a.is_open());
        let unresolved_before = unresolved.is_some();
        let proven = work.op.lookup.as_ref().zip(unresolved).and_then(|(l, a)| lookup::proves(l, a));
        let contradicts = match said.outcome() {
            Some(outcome) => work.weigh(attempt, &outcome, &said.to_string()).await?,
            None => false,
        };
        if let Some(outcome) = &proven {
            work.set_outcome(attempt, outcome).await?;
        }
        work.conclude(attempt, unresolved_before && !contradicts).await
    }

    /// What a read came to. It has no attempt, since repeating it does nothing; its step still has a case when it parks.
    pub async fn settle_read(
        &self,
        task: &TaskRef,
        evidence: &Evidence,
        read: &Result<Outputs, String>,
    ) -> Result<Claim, DeskError> {
        let mut work = match self.work_for(task).await? {
            Ok(work) => work,
            Err(case) => return Ok(Claim::Parked { case }),
        };
        let claim = work.settle_read(task, evidence, read).await?;
        work.commit().await?;
        Ok(claim)
    }

    pub async fn reported(&self, marks: &[(AttemptId, Uuid)]) -> Result<(), DeskError> {
        let mut tx = self.system("fleet").await?;
        batch::set_reported(&mut tx, marks).await?;
        Ok(tx.commit().await?)
    }

    /// The step of a task, held; or the case of a task whose order run is not known here.
    async fn work_for(&self, task: &TaskRef) -> Result<Result<Work<'_>, CaseNumber>, DeskError> {
        let mut tx = self.tenant(&task.step.tenant).await?;
        let Some(run) = orders::run_by_business_key(&mut tx, &task.step.business_key()).await? else {
            let case = self.unknown_run(&mut tx, task).await?;
            tx.commit().await?;
            return Ok(Err(case));
        };
        let stood_for = steps::parked_at(&mut tx, &task.external_task_id).await?;
        if let Some(other) = stood_for.filter(|step| *step != StepKey::of(&task.step)) {
            return Ok(Err(self.identity_changed(tx, other, task).await?));
        }
        let step = match steps::touch(&mut tx, task, run.id).await {
            Err(StoreError::Archived(_)) => {
                let case = self.archived_step(&mut tx, task).await?;
                tx.commit().await?;
                return Ok(Err(case));
            }
            step => step?,
        };
        let mut work = Work::on(self, tx, step).await?;
        if work.step.gate.is_some() && work.step.gate == task.action {
            work.start_action().await?;
        }
        work.look_for_corrections().await?;
        Ok(Ok(work))
    }

    async fn work_of(&self, attempt: AttemptId) -> Result<Work<'_>, DeskError> {
        let mut tx = self.system("fleet").await?;
        let found = attempts::step_of(&mut tx, attempt).await?;
        let (key, of_action) = found.ok_or(DeskError::NoSuchAttempt(attempt))?;
        if of_action {
            hold_above(&mut tx, key).await?;
        }
        let step = steps::lock(&mut tx, key).await?;
        Work::on(self, tx, step).await
    }
}

impl Work<'_> {
    pub(crate) async fn claim(
        &mut self,
        task: &TaskRef,
        prepared: Option<Result<Prepared, String>>,
    ) -> Result<Claim, DeskError> {
        loop {
            if let Some(claim) = self.end_of_stop().await? {
                return Ok(claim);
            }
            match decide_claim(self.op, &self.facts(), task.action, &self.situation()) {
                Decision::Orphaned(attempt) => self.settle_orphan(attempt).await?,
                Decision::Send { .. } if self.performed_by() != task.operation => return self.other_topic(task).await,
                Decision::Send { generation } => return self.open(task, generation, prepared).await,
                Decision::Wait { until } => {
                    let wait_ms = (until - self.now).num_milliseconds().max(1) as u64;
                    return Ok(Claim::InFlight { wait_ms });
                }
                // The task is the other route's, and what is unknown is not.
                Decision::LookUp(_) if self.op.name != task.operation => {
                    let reason = format!(
                        "an attempt by {} turned out to be unknown before the other route was taken",
                        self.op.name
                    );
                    let class = classification::OUTCOME_UNKNOWN.into();
                    return self.report(Verdict::Park { classification: class, reason }).await;
                }
                Decision::LookUp(attempt) => {
                    // The task is in hand: its result is reported, not awaited any more.
                    self.stand(StepState::Running, &Outputs::new(), None).await?;
                    let intent = attempts::latest_intent(&mut self.tx, self.step.key).await?;
                    let intent = intent.ok_or(DeskError::NoSuchAttempt(attempt))?;
                    return Ok(Claim::LookUp { attempt, request: intent.request, key: intent.key });
                }
                Decision::Report(verdict) => return self.report(verdict).await,
                Decision::Parked => return self.parked(task).await,
                Decision::Withheld => {
                    return Ok(self.withheld("an action has reserved the step, or waits for it", SOON_MS));
                }
                Decision::Stopped(stop) => return Ok(self.withheld(stop.word(), STOPPED_MS)),
            }
        }
    }

    async fn settle_read(
        &mut self,
        task: &TaskRef,
        evidence: &Evidence,
        read: &Result<Outputs, String>,
    ) -> Result<Claim, DeskError> {
        match decide_claim(self.op, &self.facts(), task.action, &self.situation()) {
            Decision::Report(verdict) => self.report(verdict).await,
            Decision::Parked => self.parked(task).await,
            Decision::Withheld => Ok(self.withheld("an action has reserved the step", SOON_MS)),
            Decision::Stopped(stop) => Ok(self.withheld(stop.word(), STOPPED_MS)),
            Decision::Send { .. } if self.performed_by() != task.operation => self.other_topic(task).await,
            Decision::Send { .. } => {
                let outcome = classify(self.op, evidence, read, false);
                let seed = self.step.key.0.as_u128();
                let verdict = decide_read(self.op, &outcome, task.retries, seed, &self.situation());
                self.report(verdict).await
            }
            // Only attempts lead there, and a read has none.
            Decision::Wait { .. } | Decision::Orphaned(_) | Decision::LookUp(_) => {
                Ok(self.withheld("the step was an effect before", SOON_MS))
            }
        }
    }

    /// Only an action gives a step another operation; whoever set the topic by hand would have another effect made.
    async fn other_topic(&mut self, task: &TaskRef) -> Result<Claim, DeskError> {
        let reason = format!(
            "the topic of the task is {}, but the step is performed by {}; set stepTopic back, nothing was sent",
            task.operation,
            self.performed_by()
        );
        self.report(Verdict::Park { classification: classification::DEFECT.into(), reason }).await
    }

    /// Somebody handed the task out again without an action (raised its retries in Cockpit, say): it parks again, and the
    /// case learns of it.
    async fn parked(&mut self, task: &TaskRef) -> Result<Claim, DeskError> {
        let Some(case) = self.step.case else {
            // Its signal is kept; once the controller has opened the case, the next claim says so.
            return Ok(self.withheld("the step is parked and its case is not written yet", SOON_MS));
        };
        self.note_handed_out(task).await?;
        Ok(Claim::Parked { case })
    }

    fn withheld(&self, why: &str, wait_ms: u64) -> Claim {
        Claim::Withheld { why: why.into(), wait_ms }
    }

    async fn report(&mut self, verdict: Verdict) -> Result<Claim, DeskError> {
        let attempt = self.attempts.last().map(|a| a.id);
        if self.step.state.is_live() {
            self.apply(attempt, &verdict).await?;
        }
        Ok(Claim::Report { attempt, verdict, case: self.step.case })
    }

    /// Opens an attempt: from here on anything may have happened until evidence says otherwise.
    async fn open(
        &mut self,
        task: &TaskRef,
        generation: i32,
        prepared: Option<Result<Prepared, String>>,
    ) -> Result<Claim, DeskError> {
        let stored = attempts::latest_intent(&mut self.tx, self.step.key).await?.filter(|i| i.generation == generation);
        let intent = match (stored, prepared) {
            (Some(intent), _) => intent,
            (None, Some(Ok(prepared))) if prepared.generation == generation => {
                self.take_route().await?;
                self.intend(prepared).await?
            }
            (None, Some(Err(reason))) => {
                let verdict = Verdict::Park { classification: classification::DEFECT.into(), reason };
                return self.report(verdict).await;
            }
            (None, _) => {
                return Ok(self.withheld("the request has to be rendered again", 1));
            }
        };
        // Before anything is sent that a restore may have lost from the ledger, what was lost is looked up.
        if self.assume_sent(intent.id).await? {
            return Box::pin(self.claim(task, None)).await;
        }
        let attempt = AttemptId(Uuid::now_v7());
        let ms = |ms: u32| chrono::Duration::milliseconds(i64::from(ms));
        let new = NewAttempt {
            id: attempt,
            intent: intent.id,
            epoch: self.step.epoch,
            worker_id: &task.worker_id,
            external_task_id: &task.external_task_id,
            send_within: ms(self.op.timeouts.send_within_ms),
            total_timeout: ms(self.op.timeouts.total_ms),
        };
        attempts::open(&mut self.tx, &self.step.identity.tenant, self.step.key, &new).await?;
        self.stand(StepState::Running, &Outputs::new(), None).await?;
        Ok(Claim::Fresh(Permission {
            attempt,
            request: intent.request,
            key: intent.key,
            generation,
            send_within_ms: u64::from(self.op.timeouts.send_within_ms),
        }))
    }

    /// With the first intent of its route the step is that operation's.
    async fn take_route(&mut self) -> Result<(), DeskError> {
        if self.performed_by() != self.step.operation {
            self.op = self.desk.operation(self.performed_by())?;
            self.step.operation.clone_from(&self.op.name);
            steps::take_route(&mut self.tx, self.step.key).await?;
        }
        Ok(())
    }

    async fn intend(&mut self, prepared: Prepared) -> Result<Intent, DeskError> {
        let intent = Intent {
            id: IntentId(Uuid::now_v7()),
            generation: prepared.generation,
            key: idempotency_key(self.step.key, prepared.generation),
            request: prepared.request,
        };
        let operation = (self.op.name.as_str(), self.op.version);
        let (tenant, kept) = (&self.step.identity.tenant, self.op.idempotency.retention_s());
        attempts::insert_intent(&mut self.tx, tenant, self.step.key, operation, kept, &intent).await?;
        Ok(intent)
    }

    /// The verdict over everything known now. A step that is parked or over takes the evidence and no verdict; `news` says
    /// whether the attempt was unresolved until now.
    async fn conclude(mut self, attempt: AttemptId, news: bool) -> Result<Recorded, DeskError> {
        let recorded = match self.step.state {
            StepState::New | StepState::Running => match self.decide() {
                Some(verdict) => self.follow(Some(attempt), verdict).await?,
                None => Recorded { verdict: None, case: None },
            },
            StepState::AwaitingCallback => self.callback(attempt).await?,
            _ if news => self.late(attempt).await?,
            _ => Recorded { verdict: None, case: self.step.case },
        };
        if self.step.state == StepState::Parked {
            self.answer_stop().await?;
            self.answer_check().await?;
        }
        tracing::debug!(step = %self.step.key, attempt = %attempt, verdict = %json!(recorded.verdict), "recorded");
        self.commit().await?;
        Ok(recorded)
    }
}
