//! Taking an action back before anything was sent: the gate is free and the case is with its people again.

use fallout_core::{
    action::{Action, ActionState, Refusal, approval::ApprovalState},
    case::{CaseEvent, CaseState},
    ids::{ActionId, CaseNumber},
};
use fallout_store::{
    Tx,
    actions::{self, StoredAction},
    approvals,
    cases::{self, Actor, Case},
    commands, steps,
};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{NotRecovered, audit, returns_to};
use crate::{Desk, DeskError, authority::At, cases::move_case, sla::hold, work::Work};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Withdrawn {
    pub action: ActionId,
    pub case: CaseNumber,
    pub state: CaseState,
    /// It was taken back before.
    pub already: bool,
}

impl Desk {
    pub async fn withdraw(
        &self,
        tenant: &str,
        principal: &str,
        action: ActionId,
        reason: &str,
    ) -> Result<Withdrawn, DeskError> {
        let withdrawn = self.take_back(tenant, principal, action, reason).await;
        let case = withdrawn.as_ref().map(|w| w.case.to_string()).unwrap_or_default();
        let asked = audit::Asked::about(tenant, "withdraw", principal, case, action.to_string(), reason);
        self.audited(&asked, withdrawn).await
    }

    async fn take_back(
        &self,
        tenant: &str,
        principal: &str,
        action: ActionId,
        reason: &str,
    ) -> Result<Withdrawn, DeskError> {
        let reason = fallout_core::people::text("the reason", reason)?;
        let mut tx = self.tenant(tenant).await?;
        let stored = actions::find(&mut tx, tenant, action).await?.ok_or(NotRecovered::NoSuchAction(action))?;
        let case = cases::by_id(&mut tx, stored.case).await?;
        hold(&mut tx, &case).await?;
        let mut case = cases::held(&mut tx, case.id).await?;
        // What was read before the lock may have changed meanwhile.
        let stored = actions::by_id(&mut tx, action).await?;
        if stored.requested_by != principal {
            let (right, number) = (stored.action.declaration().authority, case.number.to_string());
            self.may(&mut tx, tenant, principal, right, At::Case(case.id, &number)).await?;
        }
        if stored.state == ActionState::Withdrawn {
            return Ok(Withdrawn { action, case: case.number, state: case.state, already: true });
        }
        let (mut goes_on, mut waits) = (false, false);
        match (stored.action, stored.state) {
            (Action::CancelOrder, state) if !state.is_over() => return Err(NotRecovered::CancelStands.into()),
            (_, ActionState::Requested) if commands::withdraw(&mut tx, action, reason).await? => {
                (tx, goes_on) = self.free(tx, &case).await?;
            }
            (_, ActionState::Stopping) => {
                tx = self.go_on_as_before(tx, &case).await?;
                waits = true;
            }
            (_, ActionState::Requested) => return Err(NotRecovered::Sent(action).into()),
            (_, ActionState::Checking) => {}
            (_, ActionState::Performing) if Work::take_back_effect(&mut tx, action).await? => {}
            (_, ActionState::Performing) => return Err(NotRecovered::Begun(action).into()),
            (_, ActionState::AwaitingApproval) => void(&mut tx, action).await?,
            (_, state) => return Err(NotRecovered::NotWithdrawable(action, state).into()),
        }
        match waits {
            true => told_back(&mut tx, &case, &stored, Actor::User(principal), reason).await?,
            false => taken_back(&mut tx, &mut case, &stored, goes_on, Actor::User(principal), reason).await?,
        }
        let asked =
            audit::Asked::about(tenant, "withdraw", principal, case.number.to_string(), action.to_string(), reason);
        audit::accepted(&mut tx, &asked, action, false).await?;
        tx.commit().await?;
        Ok(Withdrawn { action, case: case.number, state: case.state, already: false })
    }

    /// Whether the step goes on as it would have.
    async fn free(&self, mut tx: Tx, case: &Case) -> Result<(Tx, bool), DeskError> {
        let Some(step) = case.step else { return Ok((tx, false)) };
        let step = steps::lock(&mut tx, step).await?;
        let mut work = Work::on(self, tx, step).await?;
        let goes_on = work.leave_gate().await?;
        Ok((work.tx, goes_on))
    }

    /// What is under way was never interrupted.
    async fn go_on_as_before(&self, mut tx: Tx, case: &Case) -> Result<Tx, DeskError> {
        let Some(step) = case.step else { return Ok(tx) };
        let step = steps::lock(&mut tx, step).await?;
        let mut work = Work::on(self, tx, step).await?;
        work.step.stop = None;
        let (state, outputs) = (work.step.state, work.step.outputs.clone());
        work.stand(state, &outputs, None).await?;
        Ok(work.tx)
    }
}

pub(super) async fn void(tx: &mut Tx, action: ActionId) -> Result<(), DeskError> {
    if let Some(approval) = approvals::of_action(tx, action).await? {
        approvals::decide(tx, approval.id, ApprovalState::Void, None, None).await?;
    }
    Ok(())
}

/// The action is over without effect, and its case with its people as before.
pub(super) async fn taken_back(
    tx: &mut Tx,
    case: &mut Case,
    action: &StoredAction,
    goes_on: bool,
    by: Actor<'_>,
    why: &str,
) -> Result<(), DeskError> {
    told_back(tx, case, action, by, why).await?;
    move_case(tx, case, CaseEvent::ActionWithdrawn).await?;
    to_where_it_was(tx, case, returns_to(action.case_was, goes_on)).await
}

/// The proof that the case waits for has come or failed before anybody agreed to what was asked for meanwhile.
pub(crate) async fn asked_in_vain(tx: &mut Tx, case: &Case) -> Result<(), DeskError> {
    let Some(action) = waits_for_agreement(tx, case).await? else { return Ok(()) };
    void(tx, action.id).await?;
    let why = "what it was asked about was over before anybody agreed; request it again if it is still wanted";
    told_back(tx, case, &action, Actor::System("desk"), why).await
}

/// A case that is being verified stays so while a second person is asked; one is asked at a time.
pub(super) async fn nothing_is_asked(tx: &mut Tx, case: &Case) -> Result<(), DeskError> {
    match case.state == CaseState::Verifying && waits_for_agreement(tx, case).await?.is_some() {
        true => Err(Refusal::ApprovalUnderWay.into()),
        false => Ok(()),
    }
}

async fn waits_for_agreement(tx: &mut Tx, case: &Case) -> Result<Option<StoredAction>, DeskError> {
    let under_way = actions::under_way(tx, case.id).await?;
    Ok(under_way.filter(|action| action.state == ActionState::AwaitingApproval))
}

async fn told_back(tx: &mut Tx, case: &Case, action: &StoredAction, by: Actor<'_>, why: &str) -> Result<(), DeskError> {
    actions::set_state(tx, action.id, ActionState::Withdrawn, &json!({ "why": why })).await?;
    let payload = json!({ "action": action.id, "type": action.action });
    Ok(cases::append_event(tx, Uuid::now_v7(), case, CaseEvent::ActionWithdrawn, by, Some(why), &payload).await?)
}

/// Nobody loses a case by asking for something: who had it has it again.
pub(crate) async fn to_its_people(tx: &mut Tx, case: &mut Case, was: Option<CaseState>) -> Result<(), DeskError> {
    to_where_it_was(tx, case, returns_to(was, false)).await
}

pub(crate) async fn to_where_it_was(tx: &mut Tx, case: &mut Case, back: CaseState) -> Result<(), DeskError> {
    if case.state == CaseState::Classified && back != case.state {
        cases::set_state(tx, case, back).await?;
        case.state = back;
        case.version += 1;
    }
    Ok(())
}
