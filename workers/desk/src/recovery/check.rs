//! A check that a person asked for is answered: what is proven, or that the downstream does not say.

use fallout_core::{
    action::{
        Accepted, Action, ActionState, Refusal,
        check::{Checked, checked},
        command::RecoveryCommand,
    },
    case::{CaseEvent, CaseState},
    decide::{Joined, join},
};
use fallout_store::{
    StoreError,
    actions::{self, StoredAction},
    attempts,
    cases::{self, Case},
};
use serde_json::{Value, json};

use super::{
    ask::{Ask, asked},
    withdraw::to_its_people,
};
use crate::{
    DeskError,
    cases::{event, fail_action, move_case},
    work::Work,
};

impl Work<'_> {
    /// After every read or late answer about a parked step.
    pub(crate) async fn answer_check(&mut self) -> Result<(), DeskError> {
        let Some(case) = cases::active_of_step(&mut self.tx, self.step.key).await? else { return Ok(()) };
        if case.state != CaseState::Recovering {
            return Ok(());
        }
        let under_way = actions::under_way(&mut self.tx, case.id).await?;
        let Some(action) = under_way.filter(|action| action.state == ActionState::Checking) else { return Ok(()) };
        let Some(lookup) = &self.op.lookup else { return Ok(()) };
        match checked(lookup, &self.attempts, action.created_at, self.now) {
            Checked::Again(at) => self.read_again(at).await,
            Checked::Proven { applied, next } if action.action == Action::ReconcileStep => {
                self.check_proved(case, &action, applied, next).await
            }
            Checked::Proven { next, .. } => self.decide_checked(case, &action, next).await,
            Checked::NoAnswer { why } => self.check_failed(case, &action, &why).await,
        }
    }

    async fn read_again(&mut self, at: chrono::DateTime<chrono::Utc>) -> Result<(), DeskError> {
        if let Joined::Unresolved(attempt, _) = join(&self.attempts) {
            let attempt = attempt.id;
            attempts::set_next_read(&mut self.tx, attempt, Some(at)).await?;
        }
        Ok(())
    }

    async fn check_proved(
        &mut self,
        mut case: Case,
        action: &StoredAction,
        applied: bool,
        next: Action,
    ) -> Result<(), DeskError> {
        let proven = if applied { "applied" } else { "not applied" };
        let result = json!({ "action": action.id, "type": action.action, "proven": proven, "next": next });
        let why = format!("the downstream proves that the effect is {proven}; {next} fits");
        actions::set_state(&mut self.tx, action.id, ActionState::Completed, &result).await?;
        event(&mut self.tx, &case, CaseEvent::ActionCompleted, "desk", Some(&why), &result).await?;
        cases::set_recommended(&mut self.tx, &case, next).await?;
        case.version += 1;
        event(&mut self.tx, &case, CaseEvent::Reconciled, "desk", Some(&why), &result).await?;
        move_case(&mut self.tx, &mut case, CaseEvent::Reconciled).await?;
        to_its_people(&mut self.tx, &mut case, action.case_was).await
    }

    /// The guard is asked again over what the downstream said: the action goes on, or is refused.
    async fn decide_checked(&mut self, case: Case, action: &StoredAction, next: Action) -> Result<(), DeskError> {
        let command = serde_json::from_value(action.target["command"].clone());
        let command: RecoveryCommand =
            command.map_err(|e| StoreError::Corrupt(format!("command of action {}: {e}", action.id)))?;
        let around = self.surroundings(Some(action.action)).await?;
        // As if the case were with its people: that it waits for this answer is known.
        let waits = Case { state: CaseState::InProgress, ..case.clone() };
        let answer = self.guarded(&waits, &around, action.action, &asked(&command));
        match answer {
            Ok(accepted @ (Accepted::Correlate { .. } | Accepted::HandOut { .. })) => {
                let tenant = self.step.identity.tenant.clone();
                let ask = Ask::new(&tenant, &action.requested_by, &command)?;
                let why = "the downstream was asked; the action goes on";
                event(&mut self.tx, &case, CaseEvent::SignalJoined, "desk", Some(why), &json!({ "action": action.id }))
                    .await?;
                actions::set_state(&mut self.tx, action.id, ActionState::Requested, &Value::Null).await?;
                match accepted {
                    Accepted::HandOut { settles } => self.hand_out_again(action.id, &ask, settles).await,
                    Accepted::Correlate { settles } => self.correlate(action.id, &ask, settles).await,
                    _ => Ok(()),
                }
            }
            Ok(_) => self.check_failed(case, action, "it needs another answer than that").await,
            Err(refusal) => {
                let mut case = case;
                cases::set_recommended(&mut self.tx, &case, next).await?;
                case.version += 1;
                self.refused_by_check(case, action, &refusal).await
            }
        }
    }

    async fn refused_by_check(
        &mut self,
        mut case: Case,
        action: &StoredAction,
        refusal: &Refusal,
    ) -> Result<(), DeskError> {
        let why = format!("the downstream was asked: {refusal}");
        let payload = json!({ "action": action.id, "type": action.action, "refusal": refusal.name(), "why": why });
        actions::set_state(&mut self.tx, action.id, ActionState::Failed, &payload).await?;
        event(&mut self.tx, &case, CaseEvent::ActionFailed, "desk", Some(&why), &payload).await?;
        move_case(&mut self.tx, &mut case, CaseEvent::ActionFailed).await?;
        to_its_people(&mut self.tx, &mut case, action.case_was).await
    }

    async fn check_failed(&mut self, mut case: Case, action: &StoredAction, why: &str) -> Result<(), DeskError> {
        let why = format!("no answer that proves anything: {why}");
        fail_action(&mut self.tx, &case, action.id, &why).await?;
        move_case(&mut self.tx, &mut case, CaseEvent::ActionFailed).await?;
        to_its_people(&mut self.tx, &mut case, action.case_was).await
    }
}
