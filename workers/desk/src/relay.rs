//! The relay's side of the desk: taking commands, and what their effect means for steps and cases.

use fallout_core::{
    action::{Action, ActionState},
    case::CaseEvent,
    ids::{ActionId, CommandId, RunId},
    step::StepState,
};
use fallout_store::{actions, cases, commands, commands::Pending, orders, steps};
use serde_json::json;

use crate::{
    Desk, DeskError,
    cases::{event, fail_action, move_case},
    recovery::{returns_to, to_where_it_was},
    work::Work,
};

/// How long a relay keeps a command to itself; longer than a call to the engine may take.
const LEASE_S: f64 = 60.0;

impl Desk {
    pub async fn take_commands(&self, limit: i64) -> Result<Vec<Pending>, DeskError> {
        let mut tx = self.system("relay").await?;
        let taken = commands::take(&mut tx, LEASE_S, limit).await?;
        tx.commit().await?;
        Ok(taken)
    }

    pub async fn command_done(&self, id: CommandId, note: Option<&str>) -> Result<(), DeskError> {
        self.end_command(id, true, note).await
    }

    /// Many that need no word.
    pub async fn commands_done(&self, ids: &[CommandId]) -> Result<(), DeskError> {
        let mut tx = self.system("relay").await?;
        commands::end_all(&mut tx, ids).await?;
        Ok(tx.commit().await?)
    }

    pub async fn command_failed(&self, id: CommandId, why: &str) -> Result<(), DeskError> {
        self.end_command(id, false, Some(why)).await
    }

    async fn end_command(&self, id: CommandId, done: bool, note: Option<&str>) -> Result<(), DeskError> {
        let mut tx = self.system("relay").await?;
        commands::end(&mut tx, id, done, note).await?;
        Ok(tx.commit().await?)
    }

    pub async fn command_again(&self, id: CommandId, seconds: f64, why: &str, missed: bool) -> Result<(), DeskError> {
        let mut tx = self.system("relay").await?;
        commands::again(&mut tx, id, seconds, why, missed).await?;
        Ok(tx.commit().await?)
    }

    /// How many commands wait for the engine.
    pub async fn pending_commands(&self) -> Result<i64, DeskError> {
        let mut tx = self.system("relay").await?;
        let count = commands::pending(&mut tx).await?;
        tx.commit().await?;
        Ok(count)
    }

    /// Whether the action still waits to be seen in the engine: one whose task was claimed has begun by that.
    pub async fn action_waits(&self, action: ActionId) -> Result<bool, DeskError> {
        let mut tx = self.system("relay").await?;
        Ok(actions::by_id(&mut tx, action).await?.state == ActionState::Requested)
    }

    /// The engine runs the order.
    pub async fn run_started(&self, run: RunId, process_instance_id: &str) -> Result<(), DeskError> {
        let mut tx = self.system("relay").await?;
        orders::set_started(&mut tx, run, process_instance_id).await?;
        Ok(tx.commit().await?)
    }

    /// The engine took the action's branch. A step that runs again says so itself when it is claimed; one that ended by
    /// the action has nothing else to show.
    pub async fn action_took_branch(&self, action: ActionId) -> Result<(), DeskError> {
        let mut tx = self.system("relay").await?;
        let stored = actions::by_id(&mut tx, action).await?;
        let case = cases::by_id(&mut tx, stored.case).await?;
        let Some(step) = case.step else { return Ok(()) };
        let step = steps::lock(&mut tx, step).await?;
        let state = match stored.action {
            Action::SkipStep | Action::CompensateStep => StepState::Skipped,
            Action::CancelOrder => StepState::Cancelled,
            _ => return Ok(tx.commit().await?),
        };
        if step.gate != Some(action) {
            return Ok(tx.commit().await?);
        }
        let outputs = Work::attested_outputs(&stored.target);
        let mut work = Work::on(self, tx, step).await?;
        work.start_action().await?;
        work.stand(state, &outputs, None).await?;
        work.resolve_case("its branch was taken in the engine").await?;
        work.commit().await
    }

    /// The engine did not and will not take it: the step is free for another action.
    pub async fn action_failed(&self, action: ActionId, why: &str) -> Result<(), DeskError> {
        let mut tx = self.system("relay").await?;
        let stored = actions::by_id(&mut tx, action).await?;
        let case = cases::by_id(&mut tx, stored.case).await?;
        let Some(step) = case.step else { return Ok(()) };
        let step = steps::lock(&mut tx, step).await?;
        let mut work = Work::on(self, tx, step).await?;
        if work.step.gate == Some(action) {
            work.free_gate(action, why).await?;
        }
        work.commit().await
    }
}

impl Work<'_> {
    /// The action that has the gate had no effect: the step waits for another.
    pub(crate) async fn free_gate(&mut self, action: ActionId, why: &str) -> Result<(), DeskError> {
        let goes_on = self.leave_gate().await?;
        if let Some(mut case) = cases::active_of_step(&mut self.tx, self.step.key).await? {
            fail_action(&mut self.tx, &case, action, why).await?;
            move_case(&mut self.tx, &mut case, CaseEvent::ActionFailed).await?;
            if goes_on {
                let was = actions::by_id(&mut self.tx, action).await?.case_was;
                to_where_it_was(&mut self.tx, &mut case, returns_to(was, goes_on)).await?;
            }
        }
        Ok(())
    }

    /// The action that has the gate is seen to have taken effect: a new epoch begins.
    pub(crate) async fn start_action(&mut self) -> Result<(), DeskError> {
        let Some(action) = self.step.gate else { return Ok(()) };
        if self.step.stop.take().is_some() {
            self.overtake(action).await?;
        }
        let stored = actions::by_id(&mut self.tx, action).await?;
        self.step.epoch += 1;
        self.step.last_action = Some(action);
        self.step.route = stored.terms.and_then(|terms| terms.route).or(self.step.route.take());
        let outputs = self.step.outputs.clone();
        // A step that goes on runs; one that the action ends is moved on by its caller.
        self.stand(StepState::Running, &outputs, None).await?;
        actions::set_state(&mut self.tx, action, ActionState::Started, &json!({ "epoch": self.step.epoch })).await?;
        let taken = actions::by_id(&mut self.tx, action).await?.action;
        let verify_by = self.now + self.desk.catalogue().verification.within(taken, &self.op.name);
        actions::set_verify_by(&mut self.tx, action, verify_by).await?;
        if let Some(mut case) = cases::active_of_step(&mut self.tx, self.step.key).await? {
            move_case(&mut self.tx, &mut case, CaseEvent::ActionStarted).await?;
            event(&mut self.tx, &case, CaseEvent::ActionStarted, "desk", None, &json!({ "action": action })).await?;
        }
        Ok(())
    }
}
