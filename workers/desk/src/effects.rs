//! The effect that a recovery action makes itself: a step of the same ledger (`action:<id>`), sent by a controller since no task
//! stands for it. The action goes on only once its effect is proven; while that is not known the effect has a case of its
//! own. Locks are taken in one order: the step of the action's
//! case, the step of the effect, the effect.

use std::collections::BTreeSet;

use fallout_core::{
    action::{Action, ActionState},
    attempt::Prepared,
    case::{CaseEvent, next},
    claim::Claim,
    decide::{Joined, Verdict, join},
    ids::{ActionId, AttemptId, CaseNumber, StepKey},
    outcome::Outcome,
    request,
    step::{Outputs, StepIdentity, StepState},
    task::{StepContext, TaskRef},
};
use fallout_store::{
    StoreError, Tx,
    actions::{self, StoredAction},
    attempts, batch,
    cases::{self, Case},
    effects::{self, ActionEffect},
    orders::{self, Run},
    steps,
};
use serde_json::{Value, json};

use crate::{
    Desk, DeskError,
    cases::{event, fail_action, move_case},
    recovery::{revision_values, to_its_people},
    sla::hold,
    work::Work,
};

/// How long a controller keeps an effect to itself: longer than an exchange and what is around it take. If it dies, the
/// open attempt is settled as unproven by whoever comes next.
const LEASE_S: f64 = 60.0;

/// Actions that a person can take about an effect whose outcome is unknown; no model has branches for it.
pub(crate) fn branches() -> BTreeSet<String> {
    [Action::RetryStep, Action::ResumeWorkflow].map(|action| action.word().to_owned()).into()
}

impl Desk {
    /// Actions whose effect is due; each is ours for a while.
    pub async fn due_effects(&self, limit: i64) -> Result<Vec<ActionId>, DeskError> {
        let mut tx = self.system("effects").await?;
        let due = effects::take(&mut tx, LEASE_S, limit).await?;
        tx.commit().await?;
        Ok(due)
    }

    /// What is to be done for the effect now, as for a task: send, look up, wait; anything else was done here. With the name
    /// of its operation. `None`: it is over, or waits for people.
    pub async fn claim_effect(&self, action: ActionId, worker: &str) -> Result<Option<(String, Claim)>, DeskError> {
        let mut tx = self.system("effects").await?;
        let stored = actions::by_id(&mut tx, action).await?;
        let case = cases::by_id(&mut tx, stored.case).await?;
        hold(&mut tx, &case).await?;
        let Some(effect) = effects::find(&mut tx, action).await? else { return Ok(None) };
        let run = orders::run(&mut tx, effect.run).await?.ok_or(StoreError::Stale("the order run"))?;
        let identity = identity_of(&effect, &run)?;
        let prepared = self.prepared(&mut tx, &stored, &effect, &identity, &run.business_key).await?;
        let task = task(&effect, identity, worker);
        let step = match steps::touch(&mut tx, &task, effect.run).await {
            Err(StoreError::Archived(_)) => return Ok(None),
            step => step?,
        };
        if step.state == StepState::Parked {
            effects::due_in(&mut tx, action, None).await?;
            tx.commit().await?;
            return Ok(None);
        }
        let mut work = Work::on(self, tx, step).await?;
        let claim = work.claim(&task, prepared).await?;
        work.commit().await?;
        Ok(Some((effect.operation, claim)))
    }

    /// The downstream that the effect is made at; `None`: it is over.
    pub async fn effect_downstream(&self, action: ActionId) -> Result<Option<String>, DeskError> {
        let mut tx = self.system("effects").await?;
        let effect = effects::find(&mut tx, action).await?;
        let operation = effect.map(|effect| self.operation(&effect.operation)).transpose()?;
        Ok(operation.map(|op| op.downstream.clone()))
    }

    /// Nothing can be done for it now.
    pub async fn effect_again(&self, action: ActionId, wait_ms: u64) -> Result<(), DeskError> {
        let mut tx = self.system("effects").await?;
        effects::due_in(&mut tx, action, Some(wait_ms as f64 / 1_000.0)).await?;
        Ok(tx.commit().await?)
    }

    /// The request of a first intent; later tries send the same bytes.
    async fn prepared(
        &self,
        tx: &mut Tx,
        stored: &StoredAction,
        effect: &ActionEffect,
        identity: &StepIdentity,
        business_key: &str,
    ) -> Result<Option<Result<Prepared, String>>, DeskError> {
        if attempts::latest_intent(tx, effect.step).await?.is_some() {
            return Ok(None);
        }
        let op = self.operation(&effect.operation)?;
        let mut runs = batch::documents(tx, &[business_key.to_owned()]).await?;
        let document = runs.remove(business_key).map_or(Value::Null, |run| run.document);
        let outputs = batch::outputs(tx, &[effect.run]).await?.into_iter();
        let outputs = outputs.filter(|o| o.line.is_empty()).map(|o| (o.step, o.outputs)).collect();
        let context = StepContext { document, outputs, next_generation: 1, ..StepContext::default() };
        let mut values = request::values(identity, &context);
        values["action"] = match stored.action {
            Action::CorrectData => self.correction_values(tx, stored).await?,
            _ => revision_values(stored, &context.document),
        };
        let request = request::render(op, identity, &values, 1);
        Ok(Some(request.map(|request| Prepared { request, generation: 1 })))
    }
}

fn identity_of(effect: &ActionEffect, run: &Run) -> Result<StepIdentity, DeskError> {
    let number = run.business_key.rsplit(':').next().and_then(|n| n.parse().ok());
    let number = number.ok_or_else(|| StoreError::Corrupt(format!("business key {}", run.business_key)))?;
    Ok(StepIdentity::of_action(&effect.tenant, &run.external_id, number, effect.action))
}

fn task(effect: &ActionEffect, step: StepIdentity, worker: &str) -> TaskRef {
    let nowhere = String::new;
    TaskRef {
        external_task_id: step.step.clone(),
        step,
        operation: effect.operation.clone(),
        handled_codes: Vec::new(),
        action: None,
        retries: None,
        worker_id: worker.to_owned(),
        process_definition_id: nowhere(),
        process_instance_id: nowhere(),
        activity_id: nowhere(),
    }
}

/// The step of the case whose action this step is the effect of comes first, whoever works on either.
pub(crate) async fn hold_above(tx: &mut Tx, step: StepKey) -> Result<(), DeskError> {
    if let Some(case) = effects::case_of(tx, step).await? {
        let case = cases::by_id(tx, case).await?;
        hold(tx, &case).await?;
    }
    Ok(())
}

impl Work<'_> {
    /// The action makes its effect from here on.
    pub(crate) async fn begin_effect(&mut self, action: ActionId, operation: &str) -> Result<(), DeskError> {
        let at = &self.step.identity;
        let step = StepIdentity::of_action(&at.tenant, &at.order, at.run, action);
        let effect = ActionEffect {
            action,
            tenant: at.tenant.clone(),
            run: self.run.id,
            step: StepKey::of(&step),
            operation: operation.to_owned(),
        };
        Ok(effects::insert(&mut self.tx, &effect).await?)
    }

    /// What a verdict means for the action whose effect this step is. What is proven not to exist ends the action; only what
    /// may exist parks, with a case of its own.
    pub(crate) async fn apply_to_action(
        &mut self,
        action: ActionId,
        attempt: Option<AttemptId>,
        verdict: &Verdict,
    ) -> Result<Option<CaseNumber>, DeskError> {
        let none = Outputs::new();
        let again = |ms: u64| Some(ms as f64 / 1_000.0);
        match verdict {
            Verdict::Complete { outputs } => self.effect_made(action, outputs).await?,
            Verdict::RetryAfter { delay_ms, .. }
            | Verdict::ReplayAfter { delay_ms, .. }
            | Verdict::LookUpAfter { delay_ms } => {
                self.stand(StepState::Running, &none, None).await?;
                effects::due_in(&mut self.tx, action, again(*delay_ms)).await?;
            }
            Verdict::AwaitCallback { deadline_ms } => {
                self.stand(StepState::AwaitingCallback, &none, None).await?;
                effects::due_in(&mut self.tx, action, again(*deadline_ms)).await?;
            }
            Verdict::End { .. } => {
                self.effect_given_up(action, "the order was cancelled before anything was sent").await?
            }
            Verdict::RaiseError { message: reason, .. } | Verdict::Park { reason, .. } => {
                if let (Joined::Unresolved(..), Verdict::Park { classification, .. }) = (join(&self.attempts), verdict)
                {
                    effects::due_in(&mut self.tx, action, None).await?;
                    return self.park(attempt, classification, reason, false).await;
                }
                let why = reason.clone();
                self.effect_given_up(action, &why).await?;
            }
        }
        Ok(None)
    }

    async fn effect_made(&mut self, action: ActionId, outputs: &Outputs) -> Result<(), DeskError> {
        self.stand(StepState::Done, outputs, None).await?;
        self.resolve_case("its effect is recorded").await?;
        effects::end(&mut self.tx, action).await?;
        let (stored, mut case) = self.action_under_way(action).await?;
        match stored.action {
            Action::CorrectData => self.corrected(&mut case, &stored, outputs).await,
            Action::RepriceQuote | Action::RebaseChange => self.revised(&mut case, &stored, outputs).await,
            // Only what is declared to perform something gets here, and each such has its arm.
            other => Err(StoreError::Corrupt(format!("{other} has no effect of its own")).into()),
        }
    }

    /// Nothing was changed outside, and nothing is here.
    async fn effect_given_up(&mut self, action: ActionId, why: &str) -> Result<(), DeskError> {
        let rejected = match join(&self.attempts) {
            Joined::Settled(_, Outcome::Business { code, .. }) => Some(code.clone()),
            _ => None,
        };
        let state = if rejected.is_some() { StepState::Rejected } else { StepState::Cancelled };
        self.stand(state, &Outputs::new(), rejected.as_deref()).await?;
        self.resolve_case("proven not applied; the action it was for has failed").await?;
        effects::end(&mut self.tx, action).await?;
        let (stored, mut case) = self.action_under_way(action).await?;
        let why = match &rejected {
            Some(code) => format!("{} refused it, {code}: {why}; nothing was changed", self.op.downstream),
            None => format!("{why}; nothing was changed"),
        };
        fail_action(&mut self.tx, &case, action, &why).await?;
        move_case(&mut self.tx, &mut case, CaseEvent::ActionFailed).await?;
        to_its_people(&mut self.tx, &mut case, stored.case_was).await
    }

    async fn action_under_way(&mut self, action: ActionId) -> Result<(StoredAction, Case), DeskError> {
        let stored = actions::by_id(&mut self.tx, action).await?;
        let case = cases::held(&mut self.tx, stored.case).await?;
        Ok((stored, case))
    }

    /// A person has settled what was unknown, or wants it tried again: the controller goes on with the effect.
    pub(crate) async fn go_on_with_effect(&mut self, effect: ActionId) -> Result<(), DeskError> {
        self.start_action().await?;
        Ok(effects::due_in(&mut self.tx, effect, Some(0.0)).await?)
    }

    /// What was unknown is proven without anybody's doing: the controller goes on, and the effect's own case is over with it.
    pub(crate) async fn effect_known(&mut self, effect: ActionId) -> Result<(), DeskError> {
        let how = "what became of the effect is proven";
        if let Some(mut case) = cases::active_of_step(&mut self.tx, self.step.key).await? {
            if next(case.state, CaseEvent::Cleared).is_err() {
                return Ok(());
            }
            event(&mut self.tx, &case, CaseEvent::Cleared, "effects", Some(how), &Value::Null).await?;
            move_case(&mut self.tx, &mut case, CaseEvent::Cleared).await?;
        }
        self.stand(StepState::Running, &Outputs::new(), None).await?;
        Ok(effects::due_in(&mut self.tx, effect, Some(0.0)).await?)
    }

    /// Takes back an action whose effect nobody has begun; false when somebody has.
    pub(crate) async fn take_back_effect(tx: &mut Tx, action: ActionId) -> Result<bool, DeskError> {
        let Some(effect) = effects::find(tx, action).await? else { return Ok(false) };
        if steps::find(tx, effect.step).await?.is_some() {
            return Ok(false);
        }
        effects::end(tx, action).await?;
        Ok(true)
    }
}

/// The action has what it was for; its case is with its people, and this fits next where something does.
pub(crate) async fn completed(
    tx: &mut Tx,
    case: &mut Case,
    stored: &StoredAction,
    (next, why): (Option<Action>, &str),
    payload: &Value,
) -> Result<(), DeskError> {
    let mut result = payload.clone();
    (result["action"], result["type"], result["next"]) = (json!(stored.id), json!(stored.action), json!(next));
    actions::set_state(tx, stored.id, ActionState::Completed, &result).await?;
    event(tx, case, CaseEvent::ActionCompleted, "desk", Some(why), &result).await?;
    if let Some(next) = next {
        cases::set_recommended(tx, case, next).await?;
        case.version += 1;
    }
    let by = cases::Actor::User(&stored.requested_by);
    let id = uuid::Uuid::now_v7();
    cases::append_event(tx, id, case, CaseEvent::DataCorrected, by, Some(&stored.reason), &result).await?;
    move_case(tx, case, CaseEvent::DataCorrected).await?;
    to_its_people(tx, case, stored.case_was).await
}
