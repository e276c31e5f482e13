//! The agreement of a second person: requested with the action, granted or refused by another, expired by itself.

use fallout_core::{
    action::{
        Action, ActionState,
        approval::{ApprovalState, Deciding, NotApprovable, may_grant},
        command::RecoveryCommand,
    },
    case::{CaseEvent, CaseState},
    ids::{ActionId, CaseNumber},
    people::text,
};
use fallout_store::{
    StoreError, Tx,
    actions::{self, StoredAction},
    approvals::{self, Approval, NewApproval},
    cases::{self, Actor, Case},
    lifecycle::{self, ForceClose},
    orders, steps,
};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{NotRecovered, Taken, ask::Ask, audit, take};
use crate::{
    Desk, DeskError,
    authority::At,
    case_command::{Entry, told},
    cases::move_case,
    guarding::guarded_without_step,
    sla::hold,
    tokens::persons,
    work::Work,
};

/// How a request for approval ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Approved {
    pub approval: Uuid,
    pub action: ActionId,
    pub case: CaseNumber,
    pub approval_state: ApprovalState,
    pub case_state: CaseState,
}

/// The action waits, and so does its case; nothing else changes.
pub(super) async fn request(
    desk: &Desk,
    tx: &mut Tx,
    case: &mut Case,
    ask: &Ask<'_>,
    at: Value,
    why: &str,
) -> Result<Taken, DeskError> {
    let action = take::store(tx, case, ask, at, ActionState::AwaitingApproval).await?;
    let approval = Uuid::now_v7();
    let payload =
        json!({ "action": action, "type": ask.action, "approval": approval, "impact": ask.command.impact, "why": why });
    let entry =
        Entry { by: ask.principal.into(), event: CaseEvent::ApprovalRequested, reason: Some(ask.reason()), payload };
    told(tx, case, &entry).await?;
    move_case(tx, case, CaseEvent::ApprovalRequested).await?;
    let is = persons(tx, ask.tenant, ask.principal).await?;
    let new = NewApproval {
        id: approval,
        tenant: ask.tenant,
        action,
        case: case.id,
        command_hash: &ask.hash,
        case_version: case.version,
        requester: ask.principal,
        person: own(&is),
        why,
        valid_s: desk.catalogue().approval_valid_s(),
    };
    approvals::insert(tx, &new).await?;
    Ok(Taken { action, repeated: false, also: Vec::new(), approval: Some(approval) })
}

/// Somebody who decides on a request.
struct By<'a> {
    tenant: &'a str,
    kind: &'static str,
    principal: &'a str,
    approval: Uuid,
    reason: &'a str,
}

impl By<'_> {
    /// For the audit; `case`: where it is known.
    fn asked(&self, case: String) -> audit::Asked<'_> {
        audit::Asked::about(self.tenant, self.kind, self.principal, case, self.approval.to_string(), self.reason)
    }
}

/// A request under the lock of its case, with the command as it was stored.
struct Pending<'a> {
    approval: Approval,
    stored: StoredAction,
    case: Case,
    command: RecoveryCommand,
    tenant: &'a str,
}

impl Pending<'_> {
    /// As the requester gave it: the hash is made anew from what is stored.
    fn ask(&self) -> Result<Ask<'_>, DeskError> {
        Ask::new(self.tenant, &self.stored.requested_by, &self.command)
    }

    fn payload(&self) -> Value {
        json!({ "action": self.stored.id, "type": self.stored.action, "approval": self.approval.id })
    }

    fn ended(&self, state: ApprovalState) -> Approved {
        Approved {
            approval: self.approval.id,
            action: self.stored.id,
            case: self.case.number,
            approval_state: state,
            case_state: self.case.state,
        }
    }
}

impl Desk {
    /// Agrees; the action is performed in the same transaction.
    pub async fn approve(
        &self,
        tenant: &str,
        principal: &str,
        approval: Uuid,
        reason: &str,
    ) -> Result<Approved, DeskError> {
        let by = By { tenant, kind: "approve", principal, approval, reason };
        let granted = self.grant(&by).await;
        self.audited(&by.asked(String::new()), granted).await
    }

    /// Does not agree; a requester takes it back so as well.
    pub async fn refuse_approval(
        &self,
        tenant: &str,
        principal: &str,
        approval: Uuid,
        reason: &str,
    ) -> Result<Approved, DeskError> {
        let by = By { tenant, kind: "refuse_approval", principal, approval, reason };
        let refused = self.refuse(&by).await;
        self.audited(&by.asked(String::new()), refused).await
    }

    /// Requests that nobody decided in time; for their controller.
    pub async fn expired_approvals(&self, limit: i64) -> Result<Vec<(String, Uuid)>, DeskError> {
        let mut tx = self.system("approvals").await?;
        Ok(approvals::expired(&mut tx, limit).await?)
    }

    /// Ends a request whose time is over; nothing when somebody was first.
    pub async fn expire_approval(&self, tenant: &str, approval: Uuid) -> Result<(), DeskError> {
        let (mut tx, mut pending) = self.pending(tenant, approval).await?;
        let over = pending.approval.state != ApprovalState::Requested || tx.now().await? < pending.approval.expires_at;
        if over {
            return Ok(());
        }
        let why = "nobody agreed in time; request the action again if it is still wanted";
        end(&mut tx, &mut pending, ApprovalState::Expired, Actor::System("approvals"), why).await?;
        Ok(tx.commit().await?)
    }

    async fn pending<'a>(&self, tenant: &'a str, approval: Uuid) -> Result<(Tx, Pending<'a>), DeskError> {
        let unknown = || NotRecovered::NoSuchApproval(approval);
        let mut tx = self.tenant(tenant).await?;
        let found = approvals::find(&mut tx, tenant, approval).await?.ok_or_else(unknown)?;
        let case = cases::by_id(&mut tx, found.case).await?;
        let stored = actions::by_id(&mut tx, found.action).await?;
        if let (Action::CancelOrder, Some(step)) = (stored.action, case.step) {
            orders::lock(&mut tx, step).await?;
        }
        hold(&mut tx, &case).await?;
        let case = cases::held(&mut tx, case.id).await?;
        // What was read before the lock may have changed meanwhile.
        let approval = approvals::find(&mut tx, tenant, approval).await?.ok_or_else(unknown)?;
        let stored = actions::by_id(&mut tx, approval.action).await?;
        let command = serde_json::from_value(stored.target["command"].clone());
        let command = command.map_err(|e| StoreError::Corrupt(format!("command of action {}: {e}", stored.id)))?;
        Ok((tx, Pending { approval, stored, case, command, tenant }))
    }

    async fn grant(&self, by: &By<'_>) -> Result<Approved, DeskError> {
        let reason = text("the reason", by.reason)?;
        let (mut tx, mut pending) = self.pending(by.tenant, by.approval).await?;
        let is = persons(&mut tx, by.tenant, by.principal).await?;
        self.agrees(&mut tx, &pending, by, &is).await?;
        let decider = Some((by.principal, own(&is)));
        approvals::decide(&mut tx, by.approval, ApprovalState::Granted, decider, Some(reason)).await?;
        let (event, payload) = (CaseEvent::ApprovalGranted, pending.payload());
        let entry = Entry { by: by.principal.into(), event, reason: Some(reason), payload };
        told(&mut tx, &pending.case, &entry).await?;
        let mut tx = match pending.stored.action {
            Action::ForceClose => self.force_close(tx, &mut pending, by.principal).await?,
            _ => self.go_on(tx, &mut pending).await?,
        };
        let asked = by.asked(pending.case.number.to_string());
        audit::accepted(&mut tx, &asked, pending.stored.id, false).await?;
        tx.commit().await?;
        Ok(pending.ended(ApprovalState::Granted))
    }

    /// Another person, in time, to the same command on the same case, who may agree to it.
    async fn agrees(&self, tx: &mut Tx, pending: &Pending<'_>, by: &By<'_>, is: &[String]) -> Result<(), DeskError> {
        let ask = pending.ask()?;
        let requester_is = persons(tx, by.tenant, &pending.approval.requester).await?;
        let deciding = Deciding {
            principal: by.principal,
            is,
            command_hash: &ask.hash,
            case_version: pending.case.version,
            now: tx.now().await?,
        };
        may_grant(&pending.approval.request(&requester_is), &deciding).map_err(NotRecovered::from)?;
        let (right, number) = (ask.action.declaration().authority, pending.case.number.to_string());
        self.may_agree(tx, by.tenant, by.principal, right, At::Case(pending.case.id, &number)).await
    }

    async fn refuse(&self, by: &By<'_>) -> Result<Approved, DeskError> {
        let reason = text("the reason", by.reason)?;
        let (mut tx, mut pending) = self.pending(by.tenant, by.approval).await?;
        if pending.approval.state != ApprovalState::Requested {
            return Err(NotRecovered::NotApprovable(NotApprovable::Over(pending.approval.state)).into());
        }
        if by.principal != pending.approval.requester {
            let (right, number) = (pending.stored.action.declaration().authority, pending.case.number.to_string());
            self.may_agree(&mut tx, by.tenant, by.principal, right, At::Case(pending.case.id, &number)).await?;
        }
        end(&mut tx, &mut pending, ApprovalState::Refused, Actor::User(by.principal), reason).await?;
        let asked = by.asked(pending.case.number.to_string());
        audit::accepted(&mut tx, &asked, pending.stored.id, false).await?;
        tx.commit().await?;
        Ok(pending.ended(ApprovalState::Refused))
    }

    async fn force_close(&self, tx: Tx, pending: &mut Pending<'_>, approver: &str) -> Result<Tx, DeskError> {
        let ask = pending.ask()?;
        let mut tx = self.may_still_close(tx, &pending.case, &ask).await?;
        let state = fallout_core::case::next(pending.case.state, CaseEvent::ForceClosed)?;
        let close = ForceClose {
            reason: ask.reason(),
            authority: ask.action.declaration().authority.word(),
            impact: ask.command.impact.as_deref().unwrap_or_default(),
            by: ask.principal,
            approved_by: approver,
        };
        lifecycle::force_close(&mut tx, &pending.case, &close).await?;
        let result = json!({ "approved_by": approver, "impact": close.impact });
        actions::set_state(&mut tx, pending.stored.id, ActionState::Completed, &result).await?;
        let payload = json!({ "action": pending.stored.id, "impact": close.impact, "approvedBy": approver });
        let entry =
            Entry { by: ask.principal.into(), event: CaseEvent::ForceClosed, reason: Some(ask.reason()), payload };
        told(&mut tx, &pending.case, &entry).await?;
        drop(ask);
        pending.case.state = state;
        pending.case.version += 1;
        Ok(tx)
    }

    /// What was allowed when it was requested may not be any more.
    async fn may_still_close(&self, mut tx: Tx, case: &Case, ask: &Ask<'_>) -> Result<Tx, DeskError> {
        let case = with_its_people(case);
        let Some(step) = case.step else {
            let now = tx.now().await?;
            guarded_without_step(&case, ask.action, &ask.asked(), now)?;
            return Ok(tx);
        };
        let step = steps::lock(&mut tx, step).await?;
        let mut work = Work::on(self, tx, step).await?;
        work.accepts(&case, ask).await?;
        Ok(work.tx)
    }

    /// The action is taken as if it had been asked for now, by who asked for it; the guard is asked again.
    async fn go_on(&self, mut tx: Tx, pending: &mut Pending<'_>) -> Result<Tx, DeskError> {
        let command = pending.command.clone();
        let ask = Ask::new(pending.tenant, &pending.stored.requested_by, &command)?;
        let Some(step) = pending.case.step else {
            let (case, now) = (with_its_people(&pending.case), tx.now().await?);
            let accepted = guarded_without_step(&case, ask.action, &ask.asked(), now)?;
            move_case(&mut tx, &mut pending.case, CaseEvent::ApprovalGranted).await?;
            actions::set_state(&mut tx, pending.stored.id, take::begins(&accepted), &Value::Null).await?;
            take::perform_without_step(&mut tx, &mut pending.case, pending.stored.id, &ask, &accepted).await?;
            return Ok(tx);
        };
        let step = steps::lock(&mut tx, step).await?;
        let mut work = Work::on(self, tx, step).await?;
        let accepted = work.accepts(&with_its_people(&pending.case), &ask).await?;
        move_case(&mut work.tx, &mut pending.case, CaseEvent::ApprovalGranted).await?;
        actions::set_state(&mut work.tx, pending.stored.id, take::begins(&accepted), &Value::Null).await?;
        work.perform(&mut pending.case, pending.stored.id, &ask, accepted).await?;
        Ok(self.beyond_the_step(work, &ask, pending.stored.id).await?.0)
    }
}

/// As the guard has to see it: that it waits for this approval is known.
fn with_its_people(case: &Case) -> Case {
    Case { state: CaseState::InProgress, ..case.clone() }
}

/// As whom somebody is known themselves.
fn own(is: &[String]) -> &str {
    is.first().map(String::as_str).unwrap_or_default()
}

/// Without the agreement nothing is done, and the case is with its people again.
async fn end(
    tx: &mut Tx,
    pending: &mut Pending<'_>,
    state: ApprovalState,
    by: Actor<'_>,
    why: &str,
) -> Result<(), DeskError> {
    let is = match (state, by) {
        (ApprovalState::Refused, Actor::User(principal)) => {
            Some((principal, persons(tx, pending.tenant, principal).await?))
        }
        _ => None,
    };
    let decider = is.as_ref().map(|(principal, is)| (*principal, own(is)));
    approvals::decide(tx, pending.approval.id, state, decider, Some(why)).await?;
    let result = json!({ "approval": state, "why": why });
    actions::set_state(tx, pending.stored.id, ActionState::NotApproved, &result).await?;
    let payload = pending.payload();
    let (id, event) = (Uuid::now_v7(), CaseEvent::ApprovalRefused);
    cases::append_event(tx, id, &pending.case, event, by, Some(why), &payload).await?;
    move_case(tx, &mut pending.case, event).await
}
