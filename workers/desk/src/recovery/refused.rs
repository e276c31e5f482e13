//! Why a command about a recovery was not taken, beside what the guard says; and the name of every refusal in the audit.

use fallout_core::{
    action::{Action, ActionState, approval::NotApprovable, command::Malformed},
    ids::{ActionId, CaseNumber},
};

use crate::DeskError;

#[derive(Debug, thiserror::Error)]
pub enum NotRecovered {
    #[error("{0}")]
    Malformed(Malformed),
    #[error("the command says that {said} requests it, and you are {is}; only your own commands are taken")]
    NotYou { said: String, is: String },
    #[error("case {case} is about {is}, and the command about {what} {said}; nothing was done")]
    OtherTarget { case: CaseNumber, what: &'static str, said: String, is: String },
    #[error("there is no action {0} for this tenant")]
    NoSuchAction(ActionId),
    #[error("action {0} was sent to the engine already; see what comes of it")]
    Sent(ActionId),
    #[error("action {0} has begun to make its effect; see what comes of it")]
    Begun(ActionId),
    #[error("action {0} is {1}; only what was not sent can be taken back")]
    NotWithdrawable(ActionId, ActionState),
    #[error("the cancellation of an order holds for all of its lines at once and cannot be taken back")]
    CancelStands,
    #[error("there is no approval {0} for this tenant")]
    NoSuchApproval(uuid::Uuid),
    #[error("{0}")]
    NotApprovable(NotApprovable),
    #[error("{0} is not among the actions whose second person can be switched off; see fallout access four-eyes list")]
    NoSwitch(Action),
    #[error("{asked} hours are not possible; a second person is done without for 1 to {most} hours")]
    HoursOff { asked: i32, most: i32 },
}

impl NotRecovered {
    fn name(&self) -> &'static str {
        match self {
            NotRecovered::Malformed(e) => e.name(),
            NotRecovered::NotYou { .. } => "not_you",
            NotRecovered::OtherTarget { .. } => "other_target",
            NotRecovered::NoSuchAction(_) => "no_such_action",
            NotRecovered::Sent(_) => "sent_already",
            NotRecovered::Begun(_) => "begun",
            NotRecovered::NotWithdrawable(..) => "not_withdrawable",
            NotRecovered::CancelStands => "cancel_stands",
            NotRecovered::NoSuchApproval(_) => "no_such_approval",
            NotRecovered::NotApprovable(e) => e.name(),
            NotRecovered::NoSwitch(_) => "no_switch",
            NotRecovered::HoursOff { .. } => "hours_off",
        }
    }
}

impl From<NotApprovable> for NotRecovered {
    fn from(e: NotApprovable) -> Self {
        NotRecovered::NotApprovable(e)
    }
}

/// What a refusal is called; `None`: it was no refusal, the database or the program failed.
pub(super) fn name(e: &DeskError) -> Option<&'static str> {
    Some(match e {
        DeskError::Refused(refusal) => refusal.name(),
        DeskError::Recovery(refused) => refused.name(),
        DeskError::NotAuthorised(_) => "not_authorised",
        DeskError::Illegal(_) => "illegal_transition",
        DeskError::NoSuchCase(_) => "no_such_case",
        DeskError::CaseIsOver(..) => "case_is_over",
        DeskError::KeyReused(_) => "key_reused",
        DeskError::NoReason => "no_reason",
        DeskError::NoReference => "no_reference",
        DeskError::Evidence(_) => "no_evidence",
        _ => return None,
    })
}
