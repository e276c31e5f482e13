//! Settling what no fleet will report any more: awaited results, late evidence, tasks that are gone.

use chrono::Duration;
use fallout_core::{
    action::Action,
    claim::Recorded,
    command::EngineCommand,
    decide::{Joined, Verdict, classification, join},
    ids::{AttemptId, CommandId, StepKey},
    lookup::interval_ms,
    outcome::Outcome,
    step::{Ending, Outputs, StepState},
};
use fallout_store::{
    attempts::{self, DueRead},
    commands, steps,
};
use uuid::Uuid;

use crate::{Desk, DeskError, cases::Detection, work::Work};

/// How long a controller keeps a read to itself: longer than any operation's total timeout should be.
const READ_LEASE: Duration = Duration::seconds(60);
/// A step nobody claimed for this long is asked for in the engine.
const QUIET_S: f64 = 15.0;

impl Desk {
    /// Unresolved attempts whose next lookup is due; each is ours for a minute.
    pub async fn due_reads(&self, limit: i64) -> Result<Vec<DueRead>, DeskError> {
        let mut tx = self.system("lookups").await?;
        let due = attempts::take_due_reads(&mut tx, READ_LEASE, limit).await?;
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
        self.apply(attempt, &verdict).await?;
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
                self.stand(StepState::Running, &Outputs::new(), None).await?;
                let command =
                    EngineCommand::Callback { attempt, process_instance_id: self.step.process_instance_id.clone() };
                commands::insert(&mut self.tx, CommandId(Uuid::now_v7()), &self.step.identity.tenant, &command, None)
                    .await?;
            }
        }
        Ok(Recorded { verdict: None, case: None })
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
        if let (Some((action, reason)), StepState::Parked, None) = (found, self.step.state, self.step.gate) {
            let detection =
                Detection { recommended: Some(action), ..Detection::new(classification::OUTCOME_UNKNOWN, reason) };
            self.detect("lookups", &format!("{attempt}:settled"), &detection).await?;
        }
        Ok(none)
    }
}
