//! How a case ends: resolved by proof, closed with what was learnt, linked to the one that is worked on; and back.

use fallout_core::{
    action::Action,
    case::{CaseEvent, Resolution, next},
    step::StepState,
};
use fallout_store::{Tx, actions, cases::Case, lifecycle};
use serde_json::{Value, json};

use crate::{DeskError, cases::event, recovery::asked_in_vain, verification::Proof, work::Work};

/// What ended a trouble.
pub(crate) struct Fixed {
    /// `None`: what resolved it before was proven again.
    pub how: Option<Resolution>,
    /// The action's id, or what cleared it.
    pub by: Option<String>,
    /// `None`: as it was known before.
    pub proof: Option<Proof>,
}

/// The last move of a case whose proof is there.
pub(crate) async fn resolve(
    tx: &mut Tx,
    case: &mut Case,
    fixed: &Fixed,
    service: &str,
    why: &str,
) -> Result<(), DeskError> {
    let state = next(case.state, CaseEvent::Resolved)?;
    asked_in_vain(tx, case).await?;
    let known = fixed.proof.as_ref().map(|proof| (proof.how, proof.by.as_str()));
    lifecycle::resolve(tx, case, fixed.how, fixed.by.as_deref(), known).await?;
    case.version += 1;
    case.state = state;
    let payload = fixed.how.map_or(
        Value::Null,
        |how| json!({ "resolution": how, "by": fixed.by, "verification": known.map(|(how, _)| how) }),
    );
    event(tx, case, CaseEvent::Resolved, service, Some(why), &payload).await
}

impl Work<'_> {
    /// By the step's end, else by the action that was taken for this case, else it went away.
    pub(crate) async fn fixed(&mut self, case: &Case, proof: Proof) -> Result<Fixed, DeskError> {
        let action = match self.step.last_action {
            Some(id) => Some(actions::by_id(&mut self.tx, id).await?).filter(|a| a.case == case.id),
            None => None,
        };
        let resolution = match self.step.state {
            _ if action.as_ref().is_some_and(|a| a.action == Action::ResolveOutside) => Resolution::ResolvedOutside,
            StepState::Skipped => Resolution::Skipped,
            StepState::Cancelled => Resolution::Cancelled,
            _ => action.as_ref().and_then(|a| Resolution::of(a.action)).unwrap_or(Resolution::Cleared),
        };
        Ok(Fixed { how: Some(resolution), by: action.map(|a| a.id.to_string()), proof: Some(proof) })
    }
}
