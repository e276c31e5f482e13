//! What an accepted action does at once: it is stored, the case and the step are reserved, and whoever goes on is told.

use fallout_core::{
    action::{Accepted, Action, ActionState, Attestation, Refusal, correction::NotCorrectable, revision::Revised},
    case::{CaseEvent, CaseState, Resolution},
    command::{EngineCommand, NO_ACTION},
    ids::{ActionId, AttemptId, CaseNumber, CommandId},
    outcome::Outcome,
    step::{Outputs, StepState},
    verification::Verification,
};
use fallout_store::{
    Tx,
    actions::{self, NewAction},
    attempts::{self, Source},
    cases::{self, Actor, Case},
    commands,
    steps::{self, Step},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Taken, approve, ask::Ask, outside, withdraw};
use crate::{
    Desk, DeskError,
    case_command::{Entry, told},
    cases::{complete_action, move_case},
    guarding::{guarded_without_step, is_by_policy},
    lifecycle::{Fixed, resolve},
    verification::Proof,
    work::Work,
};

/// A case that belongs to no step has no gate and no engine to tell.
pub(super) async fn without_step(
    desk: &Desk,
    mut tx: Tx,
    mut case: Case,
    ask: &Ask<'_>,
) -> Result<(Tx, Taken), DeskError> {
    let now = tx.now().await?;
    withdraw::nothing_is_asked(&mut tx, &case).await?;
    let accepted = guarded_without_step(&case, ask.action, &ask.asked(), now)?;
    let taken = match desk.second_person(&mut tx, &case, ask.action).await? {
        Some(why) => approve::request(desk, &mut tx, &mut case, ask, json!({}), &why).await?,
        None => {
            let action = store(&mut tx, &case, ask, json!({}), begins(&accepted)).await?;
            perform_without_step(&mut tx, &mut case, action, ask, &accepted).await?;
            Taken { action, repeated: false, also: Vec::new(), approval: None }
        }
    };
    Ok((tx, taken))
}

/// What can be done for a case that belongs to no step.
pub(super) async fn perform_without_step(
    tx: &mut Tx,
    case: &mut Case,
    action: ActionId,
    ask: &Ask<'_>,
    accepted: &Accepted,
) -> Result<(), DeskError> {
    if !matches!(accepted, Accepted::SaidOutside { .. }) {
        return Err(Refusal::NoStep.into());
    }
    let payload = json!({ "action": action, "type": ask.action, "attestation": ask.command.attestation });
    let event = CaseEvent::ActionRequested;
    told(tx, case, &Entry { by: ask.principal.into(), event, reason: Some(ask.reason()), payload }).await?;
    move_case(tx, case, event).await?;
    outside::without_step(tx, case, action, ask).await
}

/// The action with everything that was asked, and its entry in the timeline.
pub(super) async fn store(
    tx: &mut Tx,
    case: &Case,
    ask: &Ask<'_>,
    at: Value,
    state: ActionState,
) -> Result<ActionId, DeskError> {
    let action = ActionId(Uuid::now_v7());
    let target = ask.target(at);
    let new = NewAction {
        id: action,
        tenant: ask.tenant,
        case: case.id,
        action: ask.action,
        requested_by: ask.principal,
        reason: ask.reason(),
        idempotency_key: ask.key(),
        target: &target,
        state,
        content_hash: &ask.hash,
        case_was: case.state,
    };
    actions::insert(tx, &new).await?;
    Ok(action)
}

/// Where a case's step belongs, as it is kept with the action.
pub(crate) fn of_step(step: &Step) -> Value {
    let at = &step.identity;
    json!({ "orderId": at.order, "lineId": at.line, "stepId": at.step, "step": step.key })
}

/// What the relay tells the engine to do with a step that has its instance to itself.
pub(crate) fn correlation(action: ActionId, step: &Step, take: Action) -> EngineCommand {
    EngineCommand::Recover {
        action,
        step: step.key,
        process_instance_id: step.process_instance_id.clone(),
        seen: seen(step),
        take,
        undo: None,
        at: None,
        route: None,
    }
}

/// What the token's variable held when its task was last claimed: an action is taken by whoever still holds that.
fn seen(step: &Step) -> String {
    step.seen_action.map_or_else(|| NO_ACTION.to_owned(), |a| a.to_string())
}

impl Work<'_> {
    pub(super) async fn take(&mut self, mut case: Case, ask: &Ask<'_>) -> Result<Taken, DeskError> {
        let accepted = self.accepts(&case, ask).await?;
        if let Some(why) = self.desk.second_person(&mut self.tx, &case, ask.action).await? {
            let at = self.whereabouts();
            return approve::request(self.desk, &mut self.tx, &mut case, ask, at, &why).await;
        }
        self.take_accepted(case, ask, accepted).await
    }

    /// As many as are needed have agreed.
    async fn take_accepted(&mut self, mut case: Case, ask: &Ask<'_>, accepted: Accepted) -> Result<Taken, DeskError> {
        let state = begins(&accepted);
        let at = self.whereabouts();
        let action = store(&mut self.tx, &case, ask, at, state).await?;
        self.perform(&mut case, action, ask, accepted).await?;
        Ok(Taken { action, repeated: false, also: Vec::new(), approval: None })
    }

    pub(super) async fn accepts(&mut self, case: &Case, ask: &Ask<'_>) -> Result<Accepted, DeskError> {
        withdraw::nothing_is_asked(&mut self.tx, case).await?;
        let around = self.surroundings(Some(ask.action)).await?;
        let accepted = self.guarded(case, &around, ask.action, &ask.asked())?;
        match (ask.action, &ask.command.correction) {
            (Action::CorrectData, _) => drop(self.correction(case, ask).await?),
            (other, Some(_)) => return Err(Refusal::NotCorrectable(NotCorrectable::NotThisAction(other)).into()),
            (action, None) => {
                if let Some(revised) = Revised::of(action) {
                    drop(self.revising(revised, ask).await?);
                }
            }
        }
        Ok(accepted)
    }

    fn whereabouts(&self) -> Value {
        of_step(&self.step)
    }

    /// The case is being recovered from here on.
    pub(super) async fn perform(
        &mut self,
        case: &mut Case,
        action: ActionId,
        ask: &Ask<'_>,
        accepted: Accepted,
    ) -> Result<(), DeskError> {
        let payload = json!({ "action": action, "type": ask.action, "attestation": ask.command.attestation });
        let event = if accepted == Accepted::Stop { CaseEvent::StopRequested } else { CaseEvent::ActionRequested };
        let entry = Entry { by: ask.principal.into(), event, reason: Some(ask.reason()), payload };
        told(&mut self.tx, case, &entry).await?;
        match accepted {
            Accepted::Stop => return self.ask_to_stop(action).await,
            _ => move_case(&mut self.tx, case, event).await?,
        }
        match accepted {
            Accepted::Correlate { settles } => self.correlate(action, ask, settles).await,
            Accepted::HandOut { settles } => self.hand_out_again(action, ask, settles).await,
            Accepted::RecordUndone => self.record_undone(case, action, ask).await,
            Accepted::SaidOutside { settles } => self.said_outside(case, action, ask, settles).await,
            Accepted::Check(attempt) => self.ask_downstream(attempt).await,
            Accepted::Perform { settles } => {
                self.settle_attested(ask, settles).await?;
                match Revised::of(ask.action) {
                    Some(_) => self.revise(action, ask).await,
                    None => self.correct(case, action, ask).await,
                }
            }
            // Ended by its approval only.
            Accepted::EndCase | Accepted::Stop => Err(Refusal::ApprovalUnderWay.into()),
        }
    }

    /// The lookups controller reads next what the action is about.
    async fn ask_downstream(&mut self, attempt: AttemptId) -> Result<(), DeskError> {
        Ok(attempts::set_next_read(&mut self.tx, attempt, Some(self.now)).await?)
    }

    /// What the policies say of the action is kept with it; the route that it takes. What a cancellation costs is due once.
    pub(super) async fn agree(&mut self, action: ActionId, ask: &Ask<'_>) -> Result<Option<String>, DeskError> {
        if !is_by_policy(ask.action) {
            return Ok(None);
        }
        let Some(case) = cases::active_of_step(&mut self.tx, self.step.key).await? else { return Ok(None) };
        let mut terms = self.terms(&case, ask.action, &ask.asked()).await?;
        terms.due = terms.due.filter(|_| !ask.is_sibling);
        if !terms.is_nothing() {
            actions::set_terms(&mut self.tx, action, &terms).await?;
        }
        Ok(terms.route)
    }

    pub(super) async fn correlate(
        &mut self,
        action: ActionId,
        ask: &Ask<'_>,
        settles: Option<Outcome>,
    ) -> Result<(), DeskError> {
        let route = self.agree(action, ask).await?;
        let command = self.correlation(action, ask, route);
        self.reserve(action, ask, settles, &command).await
    }

    pub(super) async fn hand_out_again(
        &mut self,
        action: ActionId,
        ask: &Ask<'_>,
        settles: Option<Outcome>,
    ) -> Result<(), DeskError> {
        let command = self.hand_out(action);
        self.reserve(action, ask, settles, &command).await
    }

    fn correlation(&self, action: ActionId, ask: &Ask<'_>, route: Option<String>) -> EngineCommand {
        EngineCommand::Recover {
            action,
            step: self.step.key,
            process_instance_id: self.step.process_instance_id.clone(),
            seen: seen(&self.step),
            take: ask.action,
            undo: self.op.undone_by().filter(|_| ask.action == Action::CompensateStep).map(str::to_owned),
            at: self.place(),
            route,
        }
    }

    fn hand_out(&self, action: ActionId) -> EngineCommand {
        EngineCommand::TaskRetries {
            action,
            process_instance_id: self.step.process_instance_id.clone(),
            external_task_id: self.step.external_task_id.clone(),
            seen: seen(&self.step),
            retries: self.op.retry.attempts,
        }
    }

    /// The gate is ours, and the relay gets its command.
    async fn reserve(
        &mut self,
        action: ActionId,
        ask: &Ask<'_>,
        settles: Option<Outcome>,
        command: &EngineCommand,
    ) -> Result<(), DeskError> {
        self.settle_attested(ask, settles).await?;
        // Without the action it would go on.
        self.step.stop = self.step.state.is_live().then_some(action);
        self.step.gate = Some(action);
        if let Some(effect) = self.step.identity.action() {
            self.stand(StepState::Parked, &Outputs::new(), None).await?;
            return self.go_on_with_effect(effect).await;
        }
        // A skip's outputs count from here on: the engine goes on to later steps before anyone can tell us that it did.
        let none = Outputs::new();
        let leaves_out = matches!(ask.action, Action::SkipStep | Action::CompensateStep);
        let outputs = if leaves_out { &ask.command.outputs } else { &none };
        self.stand(StepState::Parked, outputs, None).await?;
        Ok(commands::insert(&mut self.tx, CommandId(Uuid::now_v7()), ask.tenant, command, Some(action)).await?)
    }

    async fn settle_attested(&mut self, ask: &Ask<'_>, settles: Option<Outcome>) -> Result<(), DeskError> {
        match (settles, ask.attestation()) {
            (Some(outcome), Some(said)) => self.attest(ask.principal, said, &outcome).await,
            _ => Ok(()),
        }
    }

    /// Every unresolved attempt of the generation is about the same key, so what is attested settles all of them.
    pub(super) async fn attest(
        &mut self,
        principal: &str,
        said: &Attestation,
        outcome: &Outcome,
    ) -> Result<(), DeskError> {
        let detail = json!(said);
        let unresolved: Vec<_> = self.attempts.iter().filter(|a| a.is_unresolved()).map(|a| a.id).collect();
        for attempt in unresolved {
            let source = Source::Attestation(principal);
            attempts::append_evidence(&mut self.tx, &self.step.identity.tenant, attempt, source, &detail).await?;
            self.set_outcome(attempt, outcome).await?;
        }
        Ok(())
    }

    /// The named attestation is the verification: the downstream has no way to be asked for an undo here.
    async fn record_undone(&mut self, case: &mut Case, action: ActionId, ask: &Ask<'_>) -> Result<(), DeskError> {
        if let (Some(last), Some(said)) = (self.attempts.last().map(|a| a.id), ask.attestation()) {
            let source = Source::Attestation(ask.principal);
            attempts::append_evidence(&mut self.tx, &self.step.identity.tenant, last, source, &json!(said)).await?;
        }
        steps::set_undone(&mut self.tx, self.step.key).await?;
        move_case(&mut self.tx, case, CaseEvent::ActionStarted).await?;
        complete_action(&mut self.tx, case, action, "attested as undone outside").await?;
        let proof = Some(Proof { how: Verification::Attested, by: ask.principal.to_owned() });
        let fixed = Fixed { how: Some(Resolution::UndoneOutside), by: Some(action.to_string()), proof };
        resolve(&mut self.tx, case, &fixed, "desk", ask.reason()).await
    }

    /// A sibling that is parked and known not to be applied goes with the order; one that is unknown keeps its case. An
    /// action that the engine does not have yet is overtaken.
    pub(crate) async fn cancel_too(&mut self, ask: &Ask<'_>) -> Result<Option<CaseNumber>, DeskError> {
        let Some(mut case) = cases::active_of_step(&mut self.tx, self.step.key).await? else {
            return Ok(None);
        };
        let number = case.number;
        let ask = ask.for_sibling(number);
        let why = "the order was cancelled before this action was sent";
        if case.state == CaseState::Recovering && !self.overtaken(&mut case, why).await? {
            return Ok(None);
        }
        match self.accepts(&case, &ask).await {
            // Whoever had to agree agreed to the cancellation of the order.
            Ok(accepted) => self.take_accepted(case, &ask, accepted).await.map(|_| Some(number)),
            Err(DeskError::Refused(_)) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Whatever was asked about the order as it was, if the engine does not have it yet.
    pub(crate) async fn amended_meanwhile(&mut self, case: &mut Case, why: &str) -> Result<(), DeskError> {
        let Some(action) = actions::under_way(&mut self.tx, case.id).await? else { return Ok(()) };
        match action.state {
            ActionState::Requested => return self.overtaken(case, why).await.map(drop),
            ActionState::AwaitingApproval => withdraw::void(&mut self.tx, action.id).await?,
            ActionState::Checking => {}
            _ => return Ok(()),
        }
        withdraw::taken_back(&mut self.tx, case, &action, false, Actor::System("desk"), why).await
    }

    async fn overtaken(&mut self, case: &mut Case, why: &str) -> Result<bool, DeskError> {
        let Some(action) = actions::under_way(&mut self.tx, case.id).await? else { return Ok(false) };
        if action.state != ActionState::Requested || !commands::withdraw(&mut self.tx, action.id, why).await? {
            return Ok(false);
        }
        let goes_on = self.leave_gate().await?;
        withdraw::taken_back(&mut self.tx, case, &action, goes_on, Actor::System("desk"), why).await?;
        Ok(true)
    }
}

/// Where an action stands at first.
pub(super) fn begins(accepted: &Accepted) -> ActionState {
    match accepted {
        Accepted::Check(_) => ActionState::Checking,
        Accepted::Stop => ActionState::Stopping,
        Accepted::Perform { .. } => ActionState::Performing,
        Accepted::Correlate { .. }
        | Accepted::HandOut { .. }
        | Accepted::RecordUndone
        | Accepted::SaidOutside { .. }
        | Accepted::EndCase => ActionState::Requested,
    }
}
