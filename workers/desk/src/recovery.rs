//! Recovery commands: principal, idempotency, guard, gate, and one row for the relay; all or nothing.

use fallout_core::{
    action::{Accepted, Action, Asked, Attestation, Refusal},
    case::{CaseEvent, CaseState, Resolution},
    command::{EngineCommand, NO_ACTION},
    ids::{ActionId, CaseNumber, CommandId},
    outcome::Outcome,
    step::{Outputs, StepState},
};
use fallout_store::{
    actions::{self, NewAction},
    attempts::{self, Source},
    cases::{self, Actor, Case},
    commands, orders, steps,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Desk, DeskError,
    cases::{complete_action, move_case},
    lifecycle::{Fixed, resolve},
    work::Work,
};

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct Recovery<'a> {
    pub tenant: &'a str,
    /// Who is authenticated.
    pub principal: &'a str,
    pub case: CaseNumber,
    pub action: Action,
    pub reason: &'a str,
    pub attestation: Option<Attestation>,
    /// Values that later steps need of a skipped step.
    pub outputs: Outputs,
    pub idempotency_key: &'a str,
}

impl Recovery<'_> {
    /// Whether a stored action was given with the same attestation and values.
    fn is(&self, target: &Value) -> bool {
        target["attestation"] == json!(self.attestation) && target["outputs"] == json!(self.outputs)
    }
}

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    pub action: ActionId,
    /// The same command was given before; this is its answer.
    pub repeated: bool,
    /// Steps of the order that the action was taken for, beside the case's own.
    pub also: Vec<CaseNumber>,
}

impl Desk {
    pub async fn recover(&self, ask: &Recovery<'_>) -> Result<Taken, DeskError> {
        if ask.reason.trim().is_empty() {
            return Err(DeskError::NoReason);
        }
        if ask.attestation.as_ref().is_some_and(|said| said.reference.trim().is_empty()) {
            return Err(DeskError::NoReference);
        }
        let mut tx = self.tenant(ask.tenant).await?;
        let case = cases::by_number(&mut tx, ask.tenant, ask.case).await?.ok_or(DeskError::NoSuchCase(ask.case))?;
        if let Some(known) = actions::by_key(&mut tx, ask.tenant, ask.idempotency_key).await? {
            let same = known.case == case.id
                && known.action == ask.action
                && known.reason == ask.reason
                && ask.is(&known.target);
            let taken = Taken { action: known.id, repeated: true, also: Vec::new() };
            return if same { Ok(taken) } else { Err(DeskError::KeyReused(ask.idempotency_key.to_owned())) };
        }
        let step = case.step.ok_or(DeskError::NoStep(case.number))?;
        if ask.action == Action::CancelOrder {
            orders::lock(&mut tx, step).await?;
        }
        let step = steps::lock(&mut tx, step).await?;
        // What was read before the lock may have changed meanwhile.
        let case = cases::by_id(&mut tx, case.id).await?;
        if !case.state.is_active() {
            return Err(DeskError::CaseIsOver(case.number, case.state));
        }
        let mut work = Work::on(self, tx, step).await?;
        let action = work.take(case, ask, ask.idempotency_key).await?;
        let run = work.run.id;
        let (mut tx, mut also) = (work.tx, Vec::new());
        if ask.action == Action::CancelOrder {
            if let Some(operation) = self.past_no_return(&mut tx, run).await? {
                return Err(Refusal::PastNoReturn(operation).into());
            }
            orders::request_cancel(&mut tx, run, ask.principal, ask.reason).await?;
            (tx, also) = self.cancel_parked(tx, run, ask).await?;
        }
        tx.commit().await?;
        Ok(Taken { action, repeated: false, also })
    }
}

impl Work<'_> {
    async fn take(&mut self, mut case: Case, ask: &Recovery<'_>, key: &str) -> Result<ActionId, DeskError> {
        let around = self.surroundings().await?;
        let asked = Asked { attested: ask.attestation.as_ref(), outputs: &ask.outputs, impact: None };
        let accepted = self.guarded(&case, &around, ask.action, &asked)?;
        let action = self.store_action(&case, ask, key).await?;
        move_case(&mut self.tx, &mut case, CaseEvent::ActionRequested).await?;
        match accepted {
            Accepted::Correlate { settles } => self.reserve(action, ask, settles).await?,
            Accepted::RecordUndone => self.record_undone(&mut case, action, ask).await?,
            Accepted::Check(_) | Accepted::EndCase => return Err(Refusal::NotBuilt(ask.action).into()),
        }
        Ok(action)
    }

    async fn store_action(&mut self, case: &Case, ask: &Recovery<'_>, key: &str) -> Result<ActionId, DeskError> {
        let action = ActionId(Uuid::now_v7());
        let target = json!({
            "orderId": self.step.identity.order, "lineId": self.step.identity.line, "stepId": self.step.identity.step,
            "step": self.step.key, "outputs": ask.outputs, "attestation": ask.attestation,
        });
        let new = NewAction {
            id: action,
            tenant: ask.tenant,
            case: case.id,
            action: ask.action,
            requested_by: ask.principal,
            reason: ask.reason,
            idempotency_key: key,
            target: &target,
        };
        actions::insert(&mut self.tx, &new).await?;
        let payload = json!({ "action": action, "type": ask.action, "attestation": ask.attestation });
        let actor = Actor::User(ask.principal);
        cases::append_event(
            &mut self.tx,
            Uuid::now_v7(),
            case,
            CaseEvent::ActionRequested,
            actor,
            Some(ask.reason),
            &payload,
        )
        .await?;
        Ok(action)
    }

    /// The gate is ours, and the relay gets its command.
    async fn reserve(
        &mut self,
        action: ActionId,
        ask: &Recovery<'_>,
        settles: Option<Outcome>,
    ) -> Result<(), DeskError> {
        if let (Some(outcome), Some(said)) = (settles, &ask.attestation) {
            self.attest(ask.principal, said, &outcome).await?;
        }
        let command = EngineCommand::Recover {
            action,
            step: self.step.key,
            process_instance_id: self.step.process_instance_id.clone(),
            seen: self.step.seen_action.map_or_else(|| NO_ACTION.to_owned(), |a| a.to_string()),
            take: ask.action,
        };
        self.step.gate = Some(action);
        // A skip's outputs count from here on: the engine goes on to later steps before anyone can tell us that it did.
        let none = Outputs::new();
        let outputs = if ask.action == Action::SkipStep { &ask.outputs } else { &none };
        self.stand(StepState::Parked, outputs, None).await?;
        Ok(commands::insert(&mut self.tx, CommandId(Uuid::now_v7()), ask.tenant, &command, Some(action)).await?)
    }

    /// Every unresolved attempt of the generation is about the same key, so what is attested settles all of them.
    async fn attest(&mut self, principal: &str, said: &Attestation, outcome: &Outcome) -> Result<(), DeskError> {
        let detail = json!(said);
        let unresolved: Vec<_> = self.attempts.iter().filter(|a| a.is_unresolved()).map(|a| a.id).collect();
        for attempt in unresolved {
            attempts::append_evidence(
                &mut self.tx,
                &self.step.identity.tenant,
                attempt,
                Source::Attestation(principal),
                &detail,
            )
            .await?;
            self.set_outcome(attempt, outcome).await?;
        }
        Ok(())
    }

    /// The named attestation is the verification: the downstream has no way to be asked for an undo here.
    async fn record_undone(&mut self, case: &mut Case, action: ActionId, ask: &Recovery<'_>) -> Result<(), DeskError> {
        if let (Some(last), Some(said)) = (self.attempts.last().map(|a| a.id), &ask.attestation) {
            let source = Source::Attestation(ask.principal);
            attempts::append_evidence(&mut self.tx, &self.step.identity.tenant, last, source, &json!(said)).await?;
        }
        steps::set_undone(&mut self.tx, self.step.key).await?;
        move_case(&mut self.tx, case, CaseEvent::ActionStarted).await?;
        complete_action(&mut self.tx, case, action, "attested as undone outside").await?;
        let fixed = Fixed { how: Some(Resolution::UndoneOutside), by: Some(action.to_string()) };
        resolve(&mut self.tx, case, &fixed, "desk", ask.reason).await
    }

    /// A step that is parked and known not to be applied goes with the order; one that is unknown keeps its case.
    pub(crate) async fn cancel_too(&mut self, ask: &Recovery<'_>) -> Result<Option<CaseNumber>, DeskError> {
        let Some(case) = cases::active_of_step(&mut self.tx, self.step.key).await? else {
            return Ok(None);
        };
        let ask = Recovery { attestation: None, outputs: Outputs::new(), ..ask.clone() };
        let key = format!("{}/{}", ask.idempotency_key, case.number);
        let number = case.number;
        if case.state == CaseState::Recovering {
            return Ok(None);
        }
        match self.take(case, &ask, &key).await {
            Ok(_) => Ok(Some(number)),
            Err(DeskError::Refused(_)) => Ok(None),
            Err(e) => Err(e),
        }
    }
}
