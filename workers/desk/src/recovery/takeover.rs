//! The step of a dead worker, taken over before anybody finds out by themselves: its attempt is unknown from then on, and
//! the step is parked like any other whose outcome nobody knows.

use fallout_core::{
    action::{ActionState, Refusal, stopping::dead},
    case::CaseEvent,
    decide::classification,
};
use fallout_store::{
    actions,
    cases::{self, Case},
};
use serde_json::json;

use super::ask::Ask;
use crate::{DeskError, cases::event, work::Work};

impl Work<'_> {
    /// The case as it stands afterwards.
    pub(super) async fn take_over(&mut self, case: Case, ask: &Ask<'_>) -> Result<Case, DeskError> {
        if !ask.command.takeover {
            return Ok(case);
        }
        if self.step.gate.is_some() {
            return Err(Refusal::ActionUnderWay.into());
        }
        let attempt = dead(&self.attempts, self.now)?;
        let why = format!("taken over by {}: {}", ask.principal, ask.reason());
        self.settle_lost(attempt, &why).await?;
        if let Some(waiting) = self.step.stop.take() {
            let payload = json!({ "action": waiting, "why": why });
            actions::set_state(&mut self.tx, waiting, ActionState::Withdrawn, &payload).await?;
            event(&mut self.tx, &case, CaseEvent::ActionWithdrawn, "desk", Some(&why), &payload).await?;
        }
        if self.step.state.is_live() {
            self.park(Some(attempt), classification::OUTCOME_UNKNOWN, &why, false).await?;
        }
        Ok(cases::by_id(&mut self.tx, case.id).await?)
    }
}
