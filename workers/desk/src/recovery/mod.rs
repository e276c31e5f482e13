//! Recovery commands: principal, idempotency, guard, gate, and one row for the relay; all or nothing. Every request leaves a
//! row, refused ones too.

mod approve;
mod ask;
mod audit;
mod check;
mod correct;
mod four_eyes;
mod outside;
mod plan;
mod refused;
mod revise;
mod stop;
mod take;
mod takeover;
mod withdraw;

use fallout_core::{
    action::{Action, Attestation, command::RecoveryCommand},
    ids::{ActionId, CaseNumber, StepKey},
    step::Outputs,
};
use fallout_store::{
    Tx, actions,
    actions::StoredAction,
    cases::{self, Case},
    orders, steps,
};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

pub use approve::Approved;
pub(crate) use ask::Ask;
pub(crate) use audit::{Kept, request_of};
pub use four_eyes::FourEyesRules;
pub use plan::Plan;
pub use refused::NotRecovered;
pub(crate) use revise::values as revision_values;
pub(crate) use stop::returns_to;
pub(crate) use take::{correlation, of_step};
pub use withdraw::Withdrawn;
pub(crate) use withdraw::{asked_in_vain, to_its_people, to_where_it_was};

use crate::{Desk, DeskError, authority::At, sla::hold, work::Work};

/// What a person asks for, in types; the same as a [`RecoveryCommand`] that names no target.
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

/// What became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Taken {
    pub action: ActionId,
    /// The same command was given before; this is its answer.
    pub repeated: bool,
    /// Steps of the order that the action was taken for, beside the case's own.
    pub also: Vec<CaseNumber>,
    /// Nothing is done before a second person has agreed to this.
    pub approval: Option<Uuid>,
}

impl Recovery<'_> {
    fn command(&self) -> RecoveryCommand {
        RecoveryCommand {
            idempotency_key: self.idempotency_key.to_owned(),
            fallout_case_id: self.case.to_string(),
            action: self.action.word().to_owned(),
            reason: self.reason.to_owned(),
            requested_by: self.principal.to_owned(),
            attestation: self.attestation.clone(),
            outputs: self.outputs.clone(),
            ..Default::default()
        }
    }
}

impl Desk {
    pub async fn recover(&self, ask: &Recovery<'_>) -> Result<Taken, DeskError> {
        self.command(ask.tenant, ask.principal, &ask.command()).await
    }

    /// The command as it was given; `principal` is who is authenticated.
    pub async fn command(&self, tenant: &str, principal: &str, command: &RecoveryCommand) -> Result<Taken, DeskError> {
        let taken = self.take_command(tenant, principal, command).await;
        self.audited(&audit::Asked::recovery(tenant, principal, command), taken).await
    }

    async fn take_command(&self, tenant: &str, principal: &str, command: &RecoveryCommand) -> Result<Taken, DeskError> {
        let ask = Ask::new(tenant, principal, command)?;
        let (mut tx, case) = self.case_for(&ask).await?;
        self.may_take(&mut tx, &ask, &case).await?;
        if let Some(known) = actions::by_key(&mut tx, tenant, ask.key()).await? {
            let taken = first_answer(&mut tx, &ask, &known).await?;
            audit::accepted(&mut tx, &audit::Asked::recovery(tenant, principal, command), taken.action, true).await?;
            tx.commit().await?;
            return Ok(taken);
        }
        ask.is_for(&mut tx, &case).await?;
        if !case.state.is_active() {
            return Err(DeskError::CaseIsOver(case.number, case.state));
        }
        let (mut tx, taken) = match case.step {
            Some(step) => self.take_on_step(tx, case, step, &ask).await?,
            None => take::without_step(self, tx, case, &ask).await?,
        };
        audit::accepted(&mut tx, &audit::Asked::recovery(tenant, principal, command), taken.action, false).await?;
        tx.commit().await?;
        Ok(taken)
    }

    /// Every right that the command needs, where the case stands.
    async fn may_take(&self, tx: &mut Tx, ask: &Ask<'_>, case: &Case) -> Result<(), DeskError> {
        let number = case.number.to_string();
        for right in ask.command.authorities(ask.action) {
            self.may(tx, ask.tenant, ask.principal, right, At::Case(case.id, &number)).await?;
        }
        Ok(())
    }

    /// The case under the lock of its step, and of its order where all of it is concerned.
    async fn case_for(&self, ask: &Ask<'_>) -> Result<(Tx, Case), DeskError> {
        let mut tx = self.tenant(ask.tenant).await?;
        let found = cases::by_number(&mut tx, ask.tenant, ask.case).await?.ok_or(DeskError::NoSuchCase(ask.case))?;
        if let (Action::CancelOrder, Some(step)) = (ask.action, found.step) {
            orders::lock(&mut tx, step).await?;
        }
        hold(&mut tx, &found).await?;
        // What was read before the lock may have changed meanwhile.
        let case = cases::held(&mut tx, found.id).await?;
        Ok((tx, case))
    }

    async fn take_on_step(
        &self,
        mut tx: Tx,
        case: Case,
        step: StepKey,
        ask: &Ask<'_>,
    ) -> Result<(Tx, Taken), DeskError> {
        let step = steps::lock(&mut tx, step).await?;
        let mut work = Work::on(self, tx, step).await?;
        let case = work.take_over(case, ask).await?;
        let mut taken = work.take(case, ask).await?;
        if taken.approval.is_some() {
            return Ok((work.tx, taken));
        }
        let tx;
        (tx, taken.also) = self.beyond_the_step(work, ask, taken.action).await?;
        Ok((tx, taken))
    }

    /// What an action does beside its step: a cancellation is one of the whole order. With the other cases that go by it.
    async fn beyond_the_step(
        &self,
        work: Work<'_>,
        ask: &Ask<'_>,
        action: ActionId,
    ) -> Result<(Tx, Vec<CaseNumber>), DeskError> {
        let run = work.run.id;
        let mut tx = work.tx;
        if ask.action != Action::CancelOrder {
            return Ok((tx, Vec::new()));
        }
        orders::request_cancel(&mut tx, run, ask.principal, ask.reason()).await?;
        let (mut tx, also) = self.cancel_parked(tx, run, ask).await?;
        actions::set_answer(&mut tx, action, &json!({ "also": also })).await?;
        Ok((tx, also))
    }
}

/// The same command again gets the same answer, whatever has become of the case since; another is not hidden behind its key.
async fn first_answer(tx: &mut Tx, ask: &Ask<'_>, known: &StoredAction) -> Result<Taken, DeskError> {
    if known.content_hash.as_deref() != Some(ask.hash.as_str()) {
        return Err(DeskError::KeyReused(ask.key().to_owned()));
    }
    let also = known.answer.as_ref().and_then(|answer| serde_json::from_value(answer.get("also")?.clone()).ok());
    let approval = fallout_store::approvals::of_action(tx, known.id).await?.map(|approval| approval.id);
    Ok(Taken { action: known.id, repeated: true, also: also.unwrap_or_default(), approval })
}
