//! An action on a step that is at work: nothing follows the exchange under way, and at its end the guard is asked again, in
//! the transaction that records it. Then the action has the step, or is refused and the step goes on as it would have.

use fallout_core::{
    action::{
        Accepted, ActionState,
        command::RecoveryCommand,
        stopping::{AtEnd, at_end},
    },
    case::{CaseEvent, CaseState},
    claim::{Claim, Recorded},
    decide::{Verdict, classification},
    ids::{ActionId, AttemptId},
    outcome::Outcome,
    step::StepState,
};
use fallout_store::{
    StoreError,
    actions::{self, StoredAction},
    cases::{self, Case},
};
use serde_json::{Value, json};

use super::ask::Ask;
use crate::{
    DeskError,
    cases::{event, move_case},
    ledger::SOON_MS,
    work::Work,
};

/// An action that has the step now.
pub(crate) struct Taking {
    action: StoredAction,
    command: RecoveryCommand,
    settles: Option<Outcome>,
    /// The verdict parks the step by itself, and is reported.
    parks: bool,
}

impl Work<'_> {
    /// Whoever is at work there learns of it at the end of the exchange.
    pub(super) async fn ask_to_stop(&mut self, action: ActionId) -> Result<(), DeskError> {
        self.step.stop = Some(action);
        let (state, outputs) = (self.step.state, self.step.outputs.clone());
        self.stand(state, &outputs, None).await
    }

    /// An action waits for what is under way; one that has the gate waits no more.
    fn stopping(&self) -> Option<ActionId> {
        self.step.stop.filter(|_| self.step.gate.is_none() && !self.attempts.iter().any(|a| a.is_open()))
    }

    /// Does what the verdict says, unless an action has waited for it and has the step now: then there is none to report.
    pub(crate) async fn follow(&mut self, attempt: Option<AttemptId>, verdict: Verdict) -> Result<Recorded, DeskError> {
        let taking = self.at_end(&verdict).await?;
        match taking {
            Some(taking) if !taking.parks => {
                self.give(taking).await?;
                Ok(Recorded { verdict: None, case: self.step.case })
            }
            taking => {
                let case = self.apply(attempt, &verdict).await?.or(self.step.case);
                if let Some(taking) = taking {
                    self.give(taking).await?;
                }
                Ok(Recorded { verdict: Some(verdict), case })
            }
        }
    }

    /// A claim finds that what an action waited for is over: its worker died, or the step was asked for between two tries.
    pub(crate) async fn end_of_stop(&mut self) -> Result<Option<Claim>, DeskError> {
        if self.stopping().is_none() || !self.step.state.is_live() {
            return Ok(None);
        }
        let Some(verdict) = self.decide() else { return Ok(None) };
        let attempt = self.attempts.last().map(|a| a.id);
        let recorded = self.follow(attempt, verdict).await?;
        Ok(match recorded.verdict {
            None => Some(Claim::Withheld { why: "an action has reserved the step".into(), wait_ms: SOON_MS }),
            // The claim goes on by itself.
            Some(Verdict::RetryAfter { .. } | Verdict::ReplayAfter { .. } | Verdict::LookUpAfter { .. }) => None,
            Some(verdict) => Some(Claim::Report { attempt, verdict, case: recorded.case }),
        })
    }

    /// The step parked for another reason than its verdict, and what was under way is over.
    pub(crate) async fn answer_stop(&mut self) -> Result<(), DeskError> {
        if self.stopping().is_none() {
            return Ok(());
        }
        let parked =
            Verdict::Park { classification: classification::UNCLASSIFIED.into(), reason: "the step is parked".into() };
        if let Some(taking) = self.at_end(&parked).await? {
            return self.give(taking).await;
        }
        let outputs = self.step.outputs.clone();
        self.stand(StepState::Parked, &outputs, None).await
    }

    /// The action that waited and has the step now; `None`: there was none, or it is over and the step goes on.
    async fn at_end(&mut self, verdict: &Verdict) -> Result<Option<Taking>, DeskError> {
        let Some(id) = self.stopping() else { return Ok(None) };
        self.step.stop = None;
        let action = actions::by_id(&mut self.tx, id).await?;
        let case = cases::by_id(&mut self.tx, action.case).await?;
        if !case.state.is_active() {
            self.refuse(&action, &case, "case_is_over", &format!("the case is {} by now", case.state)).await?;
            return Ok(None);
        }
        let command = serde_json::from_value(action.target["command"].clone());
        let command: RecoveryCommand =
            command.map_err(|e| StoreError::Corrupt(format!("command of action {id}: {e}")))?;
        let around = self.surroundings(Some(action.action)).await?.if_parked();
        let answer = self.guarded(&case, &around, action.action, &super::ask::asked(&command));
        match at_end(action.action, verdict, answer) {
            AtEnd::Takes { settles, parks } => return Ok(Some(Taking { action, command, settles, parks })),
            AtEnd::Fulfilled => self.fulfilled(&action, case).await?,
            AtEnd::Refused(refusal) => self.refuse(&action, &case, refusal.name(), &refusal.to_string()).await?,
        }
        Ok(None)
    }

    async fn give(&mut self, taking: Taking) -> Result<(), DeskError> {
        let Taking { action, command, settles, .. } = taking;
        // What parked the step may have moved its case.
        let mut case = cases::by_id(&mut self.tx, action.case).await?;
        let tenant = self.step.identity.tenant.clone();
        let ask = Ask::new(&tenant, &action.requested_by, &command)?;
        actions::set_state(&mut self.tx, action.id, ActionState::Requested, &Value::Null).await?;
        self.perform(&mut case, action.id, &ask, Accepted::Correlate { settles }).await
    }

    /// The case stays with whoever has it.
    async fn refuse(&mut self, action: &StoredAction, case: &Case, name: &str, why: &str) -> Result<(), DeskError> {
        let payload = json!({ "action": action.id, "type": action.action, "refusal": name, "why": why });
        actions::set_state(&mut self.tx, action.id, ActionState::Failed, &payload).await?;
        if case.state.is_active() && fallout_core::case::next(case.state, CaseEvent::ActionRefused).is_ok() {
            event(&mut self.tx, case, CaseEvent::ActionRefused, "desk", Some(why), &payload).await?;
        }
        Ok(())
    }

    /// What the action was for has come about in the exchange: its end verifies it.
    async fn fulfilled(&mut self, action: &StoredAction, mut case: Case) -> Result<(), DeskError> {
        let payload = json!({ "action": action.id, "type": action.action });
        self.overtake(action.id).await?;
        actions::set_state(&mut self.tx, action.id, ActionState::Started, &Value::Null).await?;
        self.step.last_action = Some(action.id);
        for moved in [CaseEvent::ActionRequested, CaseEvent::ActionStarted] {
            move_case(&mut self.tx, &mut case, moved).await?;
            event(&mut self.tx, &case, moved, "desk", None, &payload).await?;
        }
        Ok(())
    }

    /// What the step did last was for an action that another one has come before.
    pub(crate) async fn overtake(&mut self, by: ActionId) -> Result<(), DeskError> {
        let Some(earlier) = self.step.last_action else { return Ok(()) };
        let earlier = actions::by_id(&mut self.tx, earlier).await?;
        if earlier.state.is_over() {
            return Ok(());
        }
        let why = format!("action {by} came before its end");
        let payload = json!({ "action": earlier.id, "type": earlier.action, "why": why });
        actions::set_state(&mut self.tx, earlier.id, ActionState::Failed, &payload).await?;
        let case = cases::by_id(&mut self.tx, earlier.case).await?;
        event(&mut self.tx, &case, CaseEvent::ActionFailed, "desk", Some(&why), &payload).await
    }

    /// The gate is open again: a step that would have gone on does, and its case is where it was.
    pub(crate) async fn leave_gate(&mut self) -> Result<bool, DeskError> {
        let goes_on = self.step.gate.is_some() && self.step.stop == self.step.gate;
        (self.step.gate, self.step.stop) = (None, None);
        let state = if goes_on { StepState::Running } else { StepState::Parked };
        self.stand(state, &fallout_core::step::Outputs::new(), None).await?;
        Ok(goes_on)
    }
}

/// Where the case goes that was left for an action without effect.
pub(crate) fn returns_to(was: Option<CaseState>, goes_on: bool) -> CaseState {
    match was {
        Some(CaseState::Verifying) if goes_on => CaseState::Verifying,
        was => was.map_or(CaseState::Classified, CaseState::returns_to),
    }
}
