//! One step under its lock with everything that bears on it: what claim, record, lookups and settling share.

use chrono::{DateTime, Utc};
use fallout_core::{
    action::correction::At,
    attempt::AttemptFacts,
    claim::StepFacts,
    command::Place,
    decide::{Catches, Joined, Situation, Verdict, decide, join},
    evidence::{Evidence, Phase},
    ids::{AttemptId, CaseNumber, StepKey},
    offline::{Stop, Window, is_closed},
    operation::Operation,
    outcome::{Outcome, classify},
    step::{Direction, Ending, Outputs, StepState},
    undo::{self, Left},
};
use fallout_store::{
    Tx, amendments,
    attempts::{self, Source},
    corrections, definitions, downstreams,
    orders::{self, Run},
    steps::{self, Standing, Step},
};
use serde_json::json;

use crate::{Desk, DeskError, cases::Detection, effects};

pub(crate) struct Work<'a> {
    pub desk: &'a Desk,
    pub tx: Tx,
    pub op: &'a Operation,
    pub run: Run,
    pub step: Step,
    pub attempts: Vec<AttemptFacts>,
    pub generation: i32,
    pub catches: Catches,
    pub branches: std::collections::BTreeSet<String>,
    /// Other steps may wait in the same instance: its model embeds it.
    pub is_embedded: bool,
    /// What its latest request was rendered from was corrected since; asked for claims only.
    pub outdated: bool,
    /// Of a step that takes an effect back: what is left of it.
    pub undoes: Option<Left>,
    /// Downstreams that are declared offline.
    pub windows: Vec<Window>,
    /// The database's time when the step's row was ours.
    pub now: DateTime<Utc>,
}

impl<'a> Work<'a> {
    /// `step` must be held by `tx`.
    pub async fn on(desk: &'a Desk, mut tx: Tx, step: Step) -> Result<Work<'a>, DeskError> {
        let op = desk.operation(&step.operation)?;
        let run = orders::run_by_business_key(&mut tx, &step.identity.business_key()).await?;
        let run = run.ok_or(DeskError::Store(fallout_store::StoreError::Stale("the order run")))?;
        let definition = definitions::get(&mut tx, &step.process_definition_id).await?;
        let is_embedded = definition.as_ref().is_some_and(|d| d.embedded.contains_key(&step.activity_id));
        let (catches, branches) = match definition {
            None if step.identity.action().is_some() => (Catches::none(), effects::branches()),
            Some(mut d) => {
                let branches = d.branches_at(&step.activity_id).clone();
                (d.catches.remove(&step.activity_id).unwrap_or_else(Catches::none), branches)
            }
            None => (Catches::none(), Default::default()),
        };
        let (now, windows) = downstreams::moment(&mut tx).await?;
        let mut work = Work {
            desk,
            op,
            run,
            step,
            attempts: Vec::new(),
            generation: 0,
            catches,
            branches,
            is_embedded,
            outdated: false,
            undoes: None,
            windows,
            now,
            tx,
        };
        if work.step.identity.direction == Direction::Undo {
            work.undoes = Some(work.left_of_undone().await?);
        }
        work.reload().await?;
        Ok(work)
    }

    pub async fn reload(&mut self) -> Result<(), DeskError> {
        self.attempts = attempts::of_latest_generation(&mut self.tx, self.step.key).await?;
        self.generation = match self.attempts.last() {
            Some(last) => last.generation,
            None => attempts::latest_intent(&mut self.tx, self.step.key).await?.map_or(0, |i| i.generation),
        };
        Ok(())
    }

    /// Looks whether a field that its request uses was corrected after the request was decided, or the order amended.
    pub async fn look_for_corrections(&mut self) -> Result<(), DeskError> {
        if self.generation == 0 {
            return Ok(());
        }
        let fields = corrections::since_intent(&mut self.tx, self.step.key).await?;
        let used = |field: &String| At::of_kept(field).is_some_and(|at| at.is_used_by(self.op));
        self.outdated = fields.iter().any(used) || amendments::since_intent(&mut self.tx, self.step.key).await?;
        Ok(())
    }

    /// What is left of the effect that this step takes back.
    async fn left_of_undone(&mut self) -> Result<Left, DeskError> {
        let Some(step) = steps::find(&mut self.tx, StepKey::of(&self.step.identity.undone())).await? else {
            return Ok(Left::Nothing);
        };
        let attempts = attempts::of_latest_generation(&mut self.tx, step.key).await?;
        Ok(undo::left(self.desk.operation(&step.operation)?, &attempts, step.undone))
    }

    /// Which token of the instance is the step's, where that has to be said.
    pub fn place(&self) -> Option<Place> {
        self.is_embedded.then(|| Place::of(&self.step.identity))
    }

    pub fn facts(&self) -> StepFacts {
        StepFacts {
            stopped: stopped(&self.step, self.op, &self.windows, self.now),
            outdated: self.outdated,
            undoes: self.undoes,
            generation: self.generation,
            ..facts(&self.step, &self.attempts)
        }
    }

    /// What its next intent is made by; the topic of its task.
    pub fn performed_by(&self) -> &str {
        performed_by(&self.step)
    }

    pub fn situation(&self) -> Situation<'_> {
        Situation { epoch: self.step.epoch, catches: &self.catches, handled: &self.step.handled_codes, now: self.now }
    }

    pub fn decide(&self) -> Option<Verdict> {
        decide(self.op, &self.attempts, &self.situation())
    }

    /// The sender of an open attempt is certainly gone: anything may have happened.
    pub async fn settle_orphan(&mut self, attempt: AttemptId) -> Result<(), DeskError> {
        self.settle_lost(attempt, "nobody reported by the end of the sender's time").await
    }

    pub async fn settle_lost(&mut self, attempt: AttemptId, why: &str) -> Result<(), DeskError> {
        let evidence = Evidence::of(Phase::Unproven);
        let outcome = classify(self.op, &evidence, &Err("an answer".into()), false);
        let detail = json!({ "reached": "unproven", "why": why });
        attempts::append_evidence(&mut self.tx, &self.step.identity.tenant, attempt, Source::Crash, &detail).await?;
        attempts::set_outcome(&mut self.tx, attempt, &outcome, None).await?;
        self.reload().await
    }

    /// Gives an attempt its outcome, and the lookups controller its next read.
    pub async fn set_outcome(&mut self, attempt: AttemptId, outcome: &Outcome) -> Result<(), DeskError> {
        let pending = matches!(outcome, Outcome::Pending).then_some(self.op.accepted.as_ref()).flatten();
        let after = |ms: u32| self.now + chrono::Duration::milliseconds(i64::from(ms));
        let deadline = pending.map(|a| after(a.callback_deadline_ms));
        let next_read = pending.map(|a| after(a.poll_after_ms));
        attempts::set_outcome(&mut self.tx, attempt, outcome, deadline).await?;
        attempts::set_next_read(&mut self.tx, attempt, next_read).await?;
        if matches!(outcome, Outcome::Success { .. } | Outcome::Business { .. }) {
            self.settle_same_key(attempt, outcome).await?;
        }
        self.reload().await
    }

    /// A definite answer about a key settles every attempt that was made with it.
    async fn settle_same_key(&mut self, by: AttemptId, outcome: &Outcome) -> Result<(), DeskError> {
        let earlier = self.attempts.iter().filter(|a| a.id != by && a.is_unresolved() && !a.is_open());
        for attempt in earlier.map(|a| a.id).collect::<Vec<_>>() {
            let detail =
                json!({ "reached": "unproven", "why": "settled by a later answer about the same key", "by": by });
            let tenant = &self.step.identity.tenant;
            attempts::append_evidence(&mut self.tx, tenant, attempt, Source::Crash, &detail).await?;
            attempts::set_outcome(&mut self.tx, attempt, outcome, None).await?;
            attempts::set_next_read(&mut self.tx, attempt, None).await?;
        }
        Ok(())
    }

    /// Moves the step as the verdict says, opens or joins its case when it parks, and resolves it when it is done.
    pub async fn apply(
        &mut self,
        attempt: Option<AttemptId>,
        verdict: &Verdict,
    ) -> Result<Option<CaseNumber>, DeskError> {
        if let Some(attempt) = attempt {
            attempts::set_verdict(&mut self.tx, attempt, verdict).await?;
        }
        if let Some(action) = self.step.identity.action() {
            return self.apply_to_action(action, attempt, verdict).await;
        }
        let none = Outputs::new();
        match verdict {
            Verdict::Complete { outputs } => {
                self.stand(StepState::Done, outputs, None).await?;
                self.resolve_case("its effect is recorded").await?;
            }
            Verdict::AwaitCallback { .. } => self.stand(StepState::AwaitingCallback, &none, None).await?,
            Verdict::End { ending } => {
                let state = if *ending == Ending::Skipped { StepState::Skipped } else { StepState::Cancelled };
                self.stand(state, &none, None).await?;
                self.resolve_case(&format!("the step ended as {state}, without an effect")).await?;
            }
            Verdict::RaiseError { code, handled: true, .. } => {
                self.stand(StepState::Rejected, &none, Some(code)).await?;
                self.resolve_case("the caller handles the rejection itself").await?;
            }
            Verdict::RaiseError { code, message, handled: false } => {
                // The case is filed under the rejection's classification, which may say more than its error.
                let class = match join(&self.attempts) {
                    Joined::Settled(_, outcome) => outcome.classification().unwrap_or(code).to_owned(),
                    _ => code.clone(),
                };
                return self.park(attempt, &class, message, true).await;
            }
            Verdict::Park { classification, reason } => return self.park(attempt, classification, reason, false).await,
            Verdict::RetryAfter { .. } | Verdict::ReplayAfter { .. } | Verdict::LookUpAfter { .. } => {
                self.stand(StepState::Running, &none, None).await?;
            }
        }
        Ok(None)
    }

    pub async fn park(
        &mut self,
        attempt: Option<AttemptId>,
        code: &str,
        reason: &str,
        waits: bool,
    ) -> Result<Option<CaseNumber>, DeskError> {
        self.stand(StepState::Parked, &Outputs::new(), None).await?;
        if let (Some(lookup), Some(last)) =
            (&self.op.lookup, self.attempts.iter().rev().find(|a| a.is_unresolved() && !a.is_open()))
        {
            // A person is asked, and so is the downstream, ever more slowly.
            let next = self.now
                + chrono::Duration::milliseconds(fallout_core::lookup::interval_ms(lookup, last.reads.len() + 1));
            attempts::set_next_read(&mut self.tx, last.id, Some(next)).await?;
        }
        let detection = Detection { waits, parked_at: Some(self.step.epoch), ..Detection::new(code, reason) };
        let event = attempt.map_or_else(
            || format!("{}:{}:{code}", self.step.key, self.step.epoch),
            |a| format!("{a}:{}:{code}", self.step.epoch),
        );
        let case = self.detect("fleet", &event, &detection).await?;
        self.step.case = case.or(self.step.case);
        Ok(case)
    }

    /// Writes where the step stands now; epoch, gate, stop and last action stay as they are in `self.step`.
    pub async fn stand(
        &mut self,
        state: StepState,
        outputs: &Outputs,
        rejected: Option<&str>,
    ) -> Result<(), DeskError> {
        let to = Standing {
            state,
            epoch: self.step.epoch,
            gate: self.step.gate.filter(|_| state == StepState::Parked),
            stop: self.step.stop,
            last_action: self.step.last_action,
            outputs,
            rejected_code: rejected,
            route: self.step.route.as_deref(),
        };
        steps::set(&mut self.tx, self.step.key, self.step.state, &to).await?;
        self.step.state = state;
        self.step.gate = to.gate;
        self.step.outputs = outputs.clone();
        Ok(())
    }

    pub async fn commit(self) -> Result<(), DeskError> {
        Ok(self.tx.commit().await?)
    }
}

/// What the step's row and its latest attempts say; the rest is asked elsewhere.
pub(crate) fn facts(step: &Step, attempts: &[AttemptFacts]) -> StepFacts {
    StepFacts {
        key: step.key,
        state: step.state,
        epoch: step.epoch,
        gate: step.gate,
        stop: step.stop,
        outputs: step.outputs.clone(),
        rejected_code: step.rejected_code.clone(),
        case: step.case,
        order_cancelled: step.order_cancelled,
        stopped: None,
        outdated: false,
        undoes: None,
        attempts: attempts.to_vec(),
        generation: attempts.last().map_or(0, |a| a.generation),
        rerouted: performed_by(step) != step.operation,
    }
}

/// Why nothing is sent for it now.
pub(crate) fn stopped(step: &Step, op: &Operation, windows: &[Window], now: DateTime<Utc>) -> Option<Stop> {
    match is_closed(windows, op, now) {
        true => Some(Stop::Offline),
        false => step.held.then_some(Stop::Held),
    }
}

fn performed_by(step: &Step) -> &str {
    step.route.as_deref().unwrap_or(&step.operation)
}
