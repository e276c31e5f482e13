//! Settling what no fleet will report any more: awaited results, late evidence, tasks that are gone.

use chrono::Duration;
use fallout_core::{
    action::Action,
    case::{CaseEvent, next},
    claim::Recorded,
    command::EngineCommand,
    contradiction::contradiction,
    decide::{
        Joined, Verdict,
        classification::{self, ENGINE_CANNOT_ADVANCE},
        join,
    },
    ids::{AttemptId, CaseNumber, CommandId, StepKey},
    lookup::interval_ms,
    outcome::Outcome,
    step::{Ending, Outputs, StepState},
    task::TaskRef,
    verification::Verification,
};
use fallout_store::{
    StoreError, Tx,
    attempts::{self, DueRead},
    cases, commands, orders,
    steps::{self, Parked},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Desk, DeskError,
    cases::{Detection, event, move_case},
    verification::Proof,
    work::Work,
};

/// How long a controller keeps a read to itself: longer than any operation's total timeout should be.
const READ_LEASE: Duration = Duration::seconds(60);
/// A step nobody claimed for this long is asked for in the engine.
const QUIET_S: f64 = 15.0;
/// The same for a parked one, where nothing happens without a person.
const PARKED_QUIET_S: f64 = 30.0;

impl Desk {
    /// Unresolved attempts whose next lookup is due; each is ours for a minute.
    pub async fn due_reads(&self, limit: i64) -> Result<Vec<DueRead>, DeskError> {
        let mut tx = self.system("lookups").await?;
        let silent = self.silent_operations(&mut tx).await?;
        let due = attempts::take_due_reads(&mut tx, READ_LEASE, &silent, limit).await?;
        tx.commit().await?;
        Ok(due)
    }

    /// Steps at work that were not claimed for a while: (step, external task, process instance).
    pub async fn quiet_steps(&self, limit: i64) -> Result<Vec<(StepKey, String, String)>, DeskError> {
        let mut tx = self.system("gone-tasks").await?;
        let quiet = steps::quiet(&mut tx, QUIET_S, limit).await?;
        tx.commit().await?;
        Ok(quiet)
    }

    /// The engine still has the step's task.
    pub async fn task_seen(&self, step: StepKey) -> Result<(), DeskError> {
        let mut tx = self.system("gone-tasks").await?;
        steps::seen(&mut tx, step).await?;
        Ok(tx.commit().await?)
    }

    /// The engine does not take the report of this task, and would not take it again: someone has to own it.
    pub async fn cannot_report(&self, task: &TaskRef, problem: &str) -> Result<(), DeskError> {
        let mut tx = self.tenant(&task.step.tenant).await?;
        // Without its run it has no step, but a case of its own already.
        if orders::run_by_business_key(&mut tx, &task.step.business_key()).await?.is_none() {
            return Ok(());
        }
        let step = steps::lock(&mut tx, StepKey::of(&task.step)).await?;
        let mut work = Work::on(self, tx, step).await?;
        work.unreported(task, problem).await?;
        work.commit().await
    }

    /// The task whose report was refused is gone: the engine has gone on, or someone has moved it.
    pub async fn went_on(&self, step: StepKey, how: &str) -> Result<(), DeskError> {
        let mut tx = self.system("relay").await?;
        let step = steps::lock(&mut tx, step).await?;
        let mut work = Work::on(self, tx, step).await?;
        if let Some(mut case) = cases::active_of_step(&mut work.tx, work.step.key).await?
            && case.classification == ENGINE_CANNOT_ADVANCE
            && next(case.state, CaseEvent::Cleared).is_ok()
        {
            event(&mut work.tx, &case, CaseEvent::Cleared, "relay", Some(how), &Value::Null).await?;
            move_case(&mut work.tx, &mut case, CaseEvent::Cleared).await?;
            let proof = Proof { how: Verification::Machine, by: "the engine".to_owned() };
            work.resolved(case, proof, how).await?;
        }
        work.commit().await
    }

    /// A parked task says now that it is another step: someone has changed the variables that make a step itself.
    pub(crate) async fn identity_changed(
        &self,
        mut tx: Tx,
        parked: StepKey,
        task: &TaskRef,
    ) -> Result<CaseNumber, DeskError> {
        let step = steps::lock(&mut tx, parked).await?;
        let mut work = Work::on(self, tx, step).await?;
        let case = cases::active_of_step(&mut work.tx, parked).await?.ok_or(StoreError::Stale("the case"))?;
        let reason = format!(
            "the variables of the parked task were changed: it says that it is {} now; set them back, nothing was sent",
            task.step
        );
        let said = format!("{}:{}", task.external_task_id, task.worker_id);
        work.note("IDENTITY_CHANGED", &said, &reason, &json!({ "says": task.step })).await?;
        work.commit().await?;
        Ok(case.number)
    }

    /// Parked steps that were not looked at for a while.
    pub async fn parked_steps(&self, limit: i64) -> Result<Vec<Parked>, DeskError> {
        let mut tx = self.system("gone-tasks").await?;
        let parked = steps::quiet_parked(&mut tx, PARKED_QUIET_S, limit).await?;
        tx.commit().await?;
        Ok(parked)
    }

    /// Nothing in the engine waits for the recovery of this parked step any more. The case stays, and says so.
    pub async fn stranded(&self, step: StepKey, external_task_id: &str, how: &str) -> Result<(), DeskError> {
        let mut tx = self.system("gone-tasks").await?;
        let step = steps::lock(&mut tx, step).await?;
        let mut work = Work::on(self, tx, step).await?;
        let is_parked = work.step.state == StepState::Parked && work.step.gate.is_none();
        if is_parked && work.step.external_task_id == external_task_id && work.step.case.is_some() {
            let reason = format!("{how}: no retry can reach the step any more; find out what became of its effect");
            let said = format!("{external_task_id}:stranded");
            work.note("STRANDED", &said, &reason, &json!({ "externalTaskId": external_task_id })).await?;
        }
        steps::seen(&mut work.tx, work.step.key).await?;
        work.commit().await
    }

    /// The engine has no such task any more and will never fetch it again: what is known decides, what is not known
    /// becomes a case.
    pub async fn settle_gone(
        &self,
        step: StepKey,
        external_task_id: &str,
        instance_gone: bool,
    ) -> Result<(), DeskError> {
        let mut tx = self.system("gone-tasks").await?;
        let step = steps::lock(&mut tx, step).await?;
        let mut work = Work::on(self, tx, step).await?;
        // A new task may stand for the step by now.
        let same = work.step.external_task_id == external_task_id;
        match (work.step.state, work.step.gate) {
            (StepState::New | StepState::Running, _) if same => work.settle_gone(instance_gone).await?,
            (StepState::AwaitingCallback, _) if same && instance_gone => work.settle_gone(instance_gone).await?,
            (StepState::Parked, Some(action)) if instance_gone => {
                work.free_gate(action, "the process instance has ended").await?;
            }
            _ => {}
        }
        // Whatever could not be settled is asked for again after the others.
        steps::seen(&mut work.tx, work.step.key).await?;
        work.commit().await
    }
}

impl Work<'_> {
    async fn settle_gone(&mut self, instance_gone: bool) -> Result<(), DeskError> {
        let open = self.attempts.iter().find(|a| a.is_open()).map(|a| (a.id, a.over_at));
        match open {
            Some((_, over_at)) if self.now < over_at + Duration::seconds(1) => return Ok(()),
            Some((attempt, _)) => self.settle_orphan(attempt).await?,
            None => {}
        }
        self.assume_last_sent().await?;
        let verdict = match join(&self.attempts) {
            Joined::Settled(_, Outcome::Success { outputs }) => Verdict::Complete { outputs: outputs.clone() },
            Joined::Unresolved(..) => Verdict::Park {
                classification: classification::TASK_GONE.into(),
                reason: "the engine's task is gone, and whether the effect exists is not known".into(),
            },
            // Nothing was applied; without its instance the step can only be cancelled.
            _ if instance_gone => Verdict::End { ending: Ending::Cancelled },
            // The instance lives: it is between two tasks, and the next claim tells.
            _ => return Ok(()),
        };
        let attempt = self.attempts.last().map(|a| a.id);
        self.follow(attempt, verdict).await?;
        Ok(())
    }

    /// The result of an accepted call: known means the model may go on.
    pub(crate) async fn callback(&mut self, attempt: AttemptId) -> Result<Recorded, DeskError> {
        let facts = self.attempts.iter().find(|a| a.id == attempt).cloned();
        if let Some(facts) = facts {
            if facts.is_unresolved() {
                let pause = self.op.accepted.as_ref().map_or(1_000, |a| a.poll_after_ms);
                let next = self.now + Duration::milliseconds(i64::from(pause));
                // Past the deadline the model's timer asks, once.
                let next = facts.callback_deadline.filter(|d| next < *d).map(|_| next);
                attempts::set_next_read(&mut self.tx, attempt, next).await?;
            } else {
                if let Some(action) = self.step.identity.action() {
                    self.effect_known(action).await?;
                    return Ok(Recorded { verdict: None, case: None });
                }
                self.stand(StepState::Running, &Outputs::new(), None).await?;
                let command = EngineCommand::Callback {
                    attempt,
                    process_instance_id: self.step.process_instance_id.clone(),
                    at: self.place(),
                };
                commands::insert(&mut self.tx, CommandId(Uuid::now_v7()), &self.step.identity.tenant, &command, None)
                    .await?;
            }
        }
        Ok(Recorded { verdict: None, case: None })
    }

    /// Weighs what evidence means against all that is known of the step: mostly it is the same again, or the first there is.
    /// Where it contradicts, someone has to look, and nothing more is sent.
    pub(crate) async fn weigh(&mut self, attempt: AttemptId, said: &Outcome, told: &str) -> Result<bool, DeskError> {
        let alone = self.attempts.len() == 1 && self.attempts[0].id == attempt && self.attempts[0].is_unresolved();
        if alone {
            return Ok(false);
        }
        let mut others = attempts::of_step(&mut self.tx, self.step.key).await?;
        let Some(at) = others.iter().position(|a| a.id == attempt) else { return Ok(false) };
        let this = others.remove(at);
        let Some(found) = contradiction(self.op, &this, said, &others) else { return Ok(false) };
        let settled = this.outcome.as_ref().filter(|o| o.is_definite());
        if found.proves_effect() && settled.is_some_and(Outcome::is_not_applied) {
            attempts::set_contradicted(&mut self.tx, attempt, said).await?;
            self.reload().await?;
        }
        let parks = self.step.state.is_live();
        if parks {
            self.stand(StepState::Parked, &Outputs::new(), None).await?;
        }
        let was = settled.map_or("unresolved", Outcome::word);
        let reason =
            format!("generation {} was {was}; then came: {told}, which means {}", this.generation, said.word());
        let parked_at = parks.then_some(self.step.epoch);
        let detection = Detection { parked_at, ..Detection::new(found.classification(), reason) };
        let event = format!("{attempt}:{}", found.classification());
        let case = self.detect("late-evidence", &event, &detection).await?;
        self.step.case = case.or(self.step.case);
        Ok(true)
    }

    /// The engine refused the report of what is recorded here. A parked step has its owner already, who learns of it.
    async fn unreported(&mut self, task: &TaskRef, problem: &str) -> Result<(), DeskError> {
        let reason = format!("the step is {}, and the engine does not take its report: {problem}", self.step.state);
        let event = format!("{}:{}:unreported", task.external_task_id, self.step.epoch);
        let case = match cases::active_of_step(&mut self.tx, self.step.key).await? {
            Some(_) => return self.note("UNREPORTED", &event, &reason, &json!({})).await,
            None => self.detect("fleet", &event, &Detection::new(ENGINE_CANNOT_ADVANCE, reason.as_str())).await?,
        };
        let Some(case) = case else { return Ok(()) };
        let command = EngineCommand::Unreported {
            case,
            step: self.step.key,
            external_task_id: task.external_task_id.clone(),
            summary: format!("{case} {ENGINE_CANNOT_ADVANCE}: {reason}"),
        };
        Ok(commands::insert(&mut self.tx, CommandId(Uuid::now_v7()), &task.step.tenant, &command, None).await?)
    }

    /// Evidence for a step that is parked or over: the case learns of it, nothing is reported.
    pub(crate) async fn late(&mut self, attempt: AttemptId) -> Result<Recorded, DeskError> {
        let none = Recorded { verdict: None, case: self.step.case };
        let Some(facts) = self.attempts.iter().find(|a| a.id == attempt).cloned() else {
            return Ok(none);
        };
        if facts.is_unresolved() {
            if let Some(lookup) = &self.op.lookup {
                let next = self.now + Duration::milliseconds(interval_ms(lookup, facts.reads.len()));
                attempts::set_next_read(&mut self.tx, attempt, Some(next)).await?;
            }
            return Ok(none);
        }
        let found = match join(&self.attempts) {
            Joined::Settled(_, Outcome::Success { .. }) => {
                Some((Action::ResumeWorkflow, "the effect exists after all".to_owned()))
            }
            Joined::Settled(_, Outcome::Technical { reason, .. } | Outcome::Defect { reason }) => {
                Some((Action::RetryStep, format!("proven not applied: {reason}")))
            }
            Joined::Settled(_, Outcome::Business { code, message, .. }) => {
                Some((Action::RetryStep, format!("proven not applied, {code}: {message}")))
            }
            _ => None,
        };
        // While an action has the step, its own effect tells.
        let contradicted = cases::active_of_step(&mut self.tx, self.step.key).await?;
        if contradicted.is_some_and(|case| classification::CONTRADICTIONS.contains(&case.classification.as_str())) {
            return Ok(none);
        }
        if let (Some(effect), Some(_), StepState::Parked) = (self.step.identity.action(), &found, self.step.state) {
            self.effect_known(effect).await?;
            return Ok(none);
        }
        if let (Some((action, reason)), StepState::Parked, None) = (found, self.step.state, self.step.gate) {
            let detection =
                Detection { recommended: Some(action), ..Detection::new(classification::OUTCOME_UNKNOWN, reason) };
            self.detect("lookups", &format!("{attempt}:settled"), &detection).await?;
        }
        Ok(none)
    }
}
