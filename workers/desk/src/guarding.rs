//! What the guard of recovery actions reads: the case's step under its lock, and what surrounds it.

use chrono::{DateTime, Utc};
use fallout_core::{
    action::guard::expired,
    action::{Accepted, Action, Asked, OnStep, Refusal, Target, guard},
    claim::StepFacts,
    decide::classification,
    step::Outputs,
};
use fallout_store::{actions, batch, cases::Case};

use crate::{DeskError, show::ActionView, work::Work};

/// Read once per case, for however many actions are asked about.
pub(crate) struct Surroundings {
    facts: StepFacts,
    is_gone: bool,
    expired: Option<fallout_core::action::Expired>,
}

impl Work<'_> {
    pub(crate) async fn surroundings(&mut self) -> Result<Surroundings, DeskError> {
        let line = self.step.identity.line.clone();
        let outputs = batch::outputs(&mut self.tx, &[self.run.id]).await?;
        let earlier = outputs.iter().filter(|o| o.line.is_empty() || o.line == line);
        let expired = expired(self.op, earlier.map(|o| (o.step.as_str(), &o.outputs)), self.now);
        let is_gone = actions::is_stranded(&mut self.tx, self.step.key, &self.step.external_task_id).await?;
        Ok(Surroundings { facts: self.facts(), is_gone, expired })
    }

    pub(crate) fn guarded(
        &self,
        case: &Case,
        around: &Surroundings,
        action: Action,
        asked: &Asked<'_>,
    ) -> Result<Accepted, Refusal> {
        let step = OnStep {
            op: self.op,
            facts: &around.facts,
            branches: &self.branches,
            is_gone: around.is_gone,
            expired: around.expired.clone(),
        };
        let is_undo = case.classification == classification::UNDO_REQUIRED;
        guard(action, &Target { case: case.state, is_undo, step: Some(step), now: self.now }, asked)
    }

    /// Every action that can be done here, with why not where it cannot be done now.
    pub(crate) async fn actions(&mut self, case: &Case) -> Result<Vec<ActionView>, DeskError> {
        let around = self.surroundings().await?;
        let none = Outputs::new();
        let answer = |action| self.guarded(case, &around, action, &unsaid(&none));
        Ok(views(answer))
    }
}

/// As if everything that a person has to say in words were said: whether the rest allows it.
fn unsaid(outputs: &Outputs) -> Asked<'_> {
    Asked { attested: None, outputs, impact: Some("to be said") }
}

/// The same for a case that belongs to no step.
pub(crate) fn guarded_without_step(
    case: &Case,
    action: Action,
    asked: &Asked<'_>,
    now: DateTime<Utc>,
) -> Result<Accepted, Refusal> {
    guard(action, &Target { case: case.state, is_undo: false, step: None, now }, asked)
}

pub(crate) fn actions_without_step(case: &Case, now: DateTime<Utc>) -> Vec<ActionView> {
    let none = Outputs::new();
    views(|action| guarded_without_step(case, action, &unsaid(&none), now))
}

fn views(answer: impl Fn(Action) -> Result<Accepted, Refusal>) -> Vec<ActionView> {
    let view = |action: &Action| match answer(*action) {
        Err(Refusal::NotBuilt(_)) => None,
        Ok(_) => Some(ActionView::new(*action, None)),
        Err(refusal) => Some(ActionView::new(*action, Some(refusal.to_string()))),
    };
    Action::ALL.iter().filter_map(view).collect()
}
