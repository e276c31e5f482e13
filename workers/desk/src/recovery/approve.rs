//! The agreement of a second person: requested with the action, granted or refused by another, expired by itself.

use fallout_core::{
    action::{
        Accepted, Action, ActionState,
        approval::{ApprovalState, Deciding, NotApprovable, may_grant},
        command::RecoveryCommand,
    },
    case::{CaseEvent, CaseState},
    ids::{ActionId, CaseNumber},
};
use fallout_store::{
    StoreError, Tx,
    actions::{self, StoredAction},
    approvals::{self, Approval, NewApproval},
    cases::{self, Actor, Case},
    lifecycle::{self, ForceClose},
    steps, tokens,
};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{NotRecovered, Taken, ask::Ask, audit, take};
use crate::{
    Desk, DeskError,
    case_command::{Entry, told},
    cases::move_case,
    guarding::guarded_without_step,
    sla::hold,
    tokens::PERSON,
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
) -> Result<Taken, DeskError> {
    let action = take::store(tx, case, ask, at, ActionState::AwaitingApproval).await?;
    let approval = Uuid::now_v7();
    let payload = json!({ "action": action, "type": ask.action, "approval": approval, "impact": ask.command.impact });
    let entry =
        Entry { by: ask.principal.into(), event: CaseEvent::ApprovalRequested, reason: Some(ask.reason()), payload };
    told(tx, case, &entry).await?;
    move_case(tx, case, CaseEvent::ApprovalRequested).await?;
    let new = NewApproval {
        id: approval,
        tenant: ask.tenant,
        action,
        case: case.id,
        command_hash: &ask.hash,
        case_version: case.version,
        requester: ask.principal,
        valid_s: desk.catalogue().approval_valid_s(),
    };
    approvals::insert(tx, &new).await?;
    Ok(Taken { action, repeated: false, also: Vec::new(), approval: Some(approval) })
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
        let granted = self.grant(tenant, principal, approval, reason).await;
        self.decided(tenant, "approve", principal, approval, reason, granted).await
    }

    /// Does not agree; a requester takes it back so as well.
    pub async fn refuse_approval(
        &self,
        tenant: &str,
        principal: &str,
        approval: Uuid,
        reason: &str,
    ) -> Result<Approved, DeskError> {
        let refused = self.refuse(tenant, principal, approval, reason).await;
        self.decided(tenant, "refuse_approval", principal, approval, reason, refused).await
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

    async fn decided(
        &self,
        tenant: &str,
        kind: &'static str,
        principal: &str,
        approval: Uuid,
        reason: &str,
        answer: Result<Approved, DeskError>,
    ) -> Result<Approved, DeskError> {
        let asked = audit::Asked::about(tenant, kind, principal, String::new(), approval.to_string(), reason);
        self.audited(&asked, answer).await
    }

    async fn pending<'a>(&self, tenant: &'a str, approval: Uuid) -> Result<(Tx, Pending<'a>), DeskError> {
        let unknown = || NotRecovered::NoSuchApproval(approval);
        let mut tx = self.tenant(tenant).await?;
        let found = approvals::find(&mut tx, tenant, approval).await?.ok_or_else(unknown)?;
        let case = cases::by_id(&mut tx, found.case).await?;
        hold(&mut tx, &case).await?;
        let case = cases::held(&mut tx, case.id).await?;
        // What was read before the lock may have changed meanwhile.
        let approval = approvals::find(&mut tx, tenant, approval).await?.ok_or_else(unknown)?;
        let stored = actions::by_id(&mut tx, approval.action).await?;
        let command = serde_json::from_value(stored.target["command"].clone());
        let command = command.map_err(|e| StoreError::Corrupt(format!("command of action {}: {e}", stored.id)))?;
        Ok((tx, Pending { approval, stored, case, command, tenant }))
    }

    async fn grant(&self, tenant: &str, principal: &str, approval: Uuid, reason: &str) -> Result<Approved, DeskError> {
        let reason = fallout_core::people::text("the reason", reason)?;
        let (mut tx, mut pending) = self.pending(tenant, approval).await?;
        let ask = Ask::new(tenant, &pending.stored.requested_by, &pending.command)?;
        let by =
            Deciding { principal, command_hash: &ask.hash, case_version: pending.case.version, now: tx.now().await? };
        may_grant(&pending.approval.request(), &by).map_err(NotRecovered::from)?;
        // A token that the requester made is the requester's own second face.
        if issuer(&mut tx, tenant, principal).await?.as_deref() == Some(pending.approval.requester.as_str()) {
            return Err(
                NotRecovered::NotApprovable(NotApprovable::SamePerson(pending.approval.requester.clone())).into()
            );
        }
        approvals::decide(&mut tx, approval, ApprovalState::Granted, Some(principal), Some(reason)).await?;
        let entry = Entry {
            by: principal.into(),
            event: CaseEvent::ApprovalGranted,
            reason: Some(reason),
            payload: pending.payload(),
        };
        told(&mut tx, &pending.case, &entry).await?;
        let mut tx = match pending.stored.action {
            Action::ForceClose => self.force_close(tx, &mut pending, principal).await?,
            _ => self.go_on(tx, &mut pending).await?,
        };
        let asked = audit::Asked::about(
            tenant,
            "approve",
            principal,
            pending.case.number.to_string(),
            approval.to_string(),
            reason,
        );
        audit::accepted(&mut tx, &asked, pending.stored.id, false).await?;
        tx.commit().await?;
        Ok(pending.ended(ApprovalState::Granted))
    }

    async fn refuse(&self, tenant: &str, principal: &str, approval: Uuid, reason: &str) -> Result<Approved, DeskError> {
        let reason = fallout_core::people::text("the reason", reason)?;
        let (mut tx, mut pending) = self.pending(tenant, approval).await?;
        if pending.approval.state != ApprovalState::Requested {
            return Err(NotRecovered::NotApprovable(NotApprovable::Over(pending.approval.state)).into());
        }
        end(&mut tx, &mut pending, ApprovalState::Refused, Actor::User(principal), reason).await?;
        let asked = audit::Asked::about(
            tenant,
            "refuse_approval",
            principal,
            pending.case.number.to_string(),
            approval.to_string(),
            reason,
        );
        audit::accepted(&mut tx, &asked, pending.stored.id, false).await?;
        tx.commit().await?;
        Ok(pending.ended(ApprovalState::Refused))
    }

    /// What was allowed when it was requested may not be any more.
    async fn allowed_now(&self, mut tx: Tx, case: &Case, ask: &Ask<'_>) -> Result<(Tx, Accepted), DeskError> {
        // The guard is asked as if the case were with its people: that it waits for this approval is known.
        let case = Case { state: CaseState::InProgress, ..case.clone() };
        let Some(step) = case.step else {
            let now = tx.now().await?;
            let accepted = guarded_without_step(&case, ask.action, &ask.asked(), now)?;
            return Ok((tx, accepted));
        };
        let step = steps::lock(&mut tx, step).await?;
        let mut work = Work::on(self, tx, step).await?;
        let accepted = work.accepts(&case, ask).await?;
        Ok((work.tx, accepted))
    }

    async fn force_close(&self, tx: Tx, pending: &mut Pending<'_>, approver: &str) -> Result<Tx, DeskError> {
        let ask = pending.ask()?;
        let (mut tx, _) = self.allowed_now(tx, &pending.case, &ask).await?;
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

    /// The action is taken as if it had been asked for now, by who asked for it.
    async fn go_on(&self, tx: Tx, pending: &mut Pending<'_>) -> Result<Tx, DeskError> {
        let command = pending.command.clone();
        let ask = Ask::new(pending.tenant, &pending.stored.requested_by, &command)?;
        let (mut tx, accepted) = self.allowed_now(tx, &pending.case, &ask).await?;
        move_case(&mut tx, &mut pending.case, CaseEvent::ApprovalGranted).await?;
        actions::set_state(&mut tx, pending.stored.id, take::begins(&accepted), &Value::Null).await?;
        let Some(step) = pending.case.step else {
            let action = pending.stored.id;
            take::perform_without_step(&mut tx, &mut pending.case, action, &ask, &accepted).await?;
            return Ok(tx);
        };
        let step = steps::lock(&mut tx, step).await?;
        let mut work = Work::on(self, tx, step).await?;
        work.perform(&mut pending.case, pending.stored.id, &ask, accepted).await?;
        Ok(work.tx)
    }
}

/// Who made the token that this principal acts with.
pub(crate) async fn issuer(tx: &mut Tx, tenant: &str, principal: &str) -> Result<Option<String>, DeskError> {
    let Some(name) = principal.strip_prefix(PERSON) else { return Ok(None) };
    let all = tokens::list(tx, tenant).await?;
    Ok(all.into_iter().find(|t| t.name == name && t.revoked_at.is_none()).map(|t| t.added_by))
}

/// Without the agreement nothing is done, and the case is with its people again.
async fn end(
    tx: &mut Tx,
    pending: &mut Pending<'_>,
    state: ApprovalState,
    by: Actor<'_>,
    why: &str,
) -> Result<(), DeskError> {
    let decider = match (state, by) {
        (ApprovalState::Refused, Actor::User(principal)) => Some(principal),
        _ => None,
    };
    approvals::decide(tx, pending.approval.id, state, decider, Some(why)).await?;
    let result = json!({ "approval": state, "why": why });
    actions::set_state(tx, pending.stored.id, ActionState::NotApproved, &result).await?;
    let payload = pending.payload();
    let (id, event) = (Uuid::now_v7(), CaseEvent::ApprovalRefused);
    cases::append_event(tx, id, &pending.case, event, by, Some(why), &payload).await?;
    move_case(tx, &mut pending.case, event).await
}
