//! The life of a case said a second time, as facts instead of states, so that random histories can be checked against it.

use super::{CaseEvent, CaseState};

/// Who has it, as far as that shows in the state.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hands {
    Nobody,
    Back,
    Owner,
    AtWork,
}

/// What keeps people from going on, or what is under way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pending {
    Nothing,
    Wait,
    Review,
    Approval,
    Action,
    Proof,
}

#[derive(Clone, Debug)]
pub struct Model {
    classified: bool,
    hands: Hands,
    pending: Pending,
    end: Option<CaseState>,
    /// Since its last beginning: whether a proof was asked for.
    pub proof_asked: bool,
}

impl Model {
    pub fn detected() -> Model {
        Model { classified: false, hands: Hands::Nobody, pending: Pending::Nothing, end: None, proof_asked: false }
    }

    pub fn state(&self) -> CaseState {
        let state = match (self.pending, self.hands) {
            (Pending::Wait, _) => CaseState::Waiting,
            (Pending::Review, _) => CaseState::Unresolved,
            (Pending::Approval, _) => CaseState::AwaitingApproval,
            (Pending::Action, _) => CaseState::Recovering,
            (Pending::Proof, _) => CaseState::Verifying,
            (Pending::Nothing, Hands::Owner) => CaseState::Assigned,
            (Pending::Nothing, Hands::AtWork) => CaseState::InProgress,
            (Pending::Nothing, Hands::Back) => CaseState::Reopened,
            (Pending::Nothing, Hands::Nobody) if self.classified => CaseState::Classified,
            (Pending::Nothing, Hands::Nobody) => CaseState::Detected,
        };
        self.end.unwrap_or(state)
    }

    /// False when it does not happen.
    pub fn take(&mut self, event: CaseEvent) -> bool {
        use CaseEvent as E;
        let over = self.end.is_some();
        let stands = matches!(self.pending, Pending::Nothing | Pending::Wait | Pending::Review);
        let people = !over && self.classified && stands;
        let happens = match event {
            E::Created => false,
            E::Noted => true,
            E::SignalJoined => self.end != Some(CaseState::Duplicate),
            E::SeverityChanged | E::SlaAtRisk | E::SlaBreached | E::CustomerTold => !over,
            E::DataCorrected | E::JoinedProblem | E::Classified | E::Escalated => !over,
            E::Assigned | E::Taken | E::HandedOver => !over && self.classified,
            E::Waiting | E::LeftUnresolved | E::Cleared => people,
            E::ActionRequested | E::StopRequested | E::ActionRefused | E::ApprovalRequested => {
                people || !over && self.pending == Pending::Proof
            }
            E::WaitEnded => !over && matches!(self.pending, Pending::Wait | Pending::Review),
            E::ApprovalGranted | E::ApprovalRefused => {
                !over && matches!(self.pending, Pending::Approval | Pending::Proof)
            }
            E::ActionStarted => !over && self.pending == Pending::Action,
            E::ActionCompleted | E::ActionFailed => !over && matches!(self.pending, Pending::Action | Pending::Proof),
            E::ActionWithdrawn => people || !over && self.pending != Pending::Nothing && self.classified,
            E::Reconciled => !over && self.pending == Pending::Action,
            E::Resolved => !over && self.pending == Pending::Proof,
            E::ClosedAfterVerification => self.end == Some(CaseState::Resolved),
            E::VerifyAgain => matches!(self.end, Some(CaseState::Resolved | CaseState::Closed)),
            E::ForceClosed => people || !over && matches!(self.pending, Pending::Approval | Pending::Proof),
            E::LinkedAsDuplicate => people,
            E::Reopened => over || self.pending == Pending::Proof,
        };
        if happens {
            self.becomes(event);
        }
        happens
    }

    fn becomes(&mut self, event: CaseEvent) {
        use CaseEvent as E;
        let idle = self.pending == Pending::Nothing && self.end.is_none();
        match event {
            E::Classified => self.classified = true,
            E::Escalated | E::HandedOver if idle && self.hands == Hands::AtWork => self.hands = Hands::Owner,
            E::Assigned if idle => self.hands = Hands::Owner,
            E::Taken if idle => self.hands = Hands::AtWork,
            E::Waiting => self.pending = Pending::Wait,
            E::LeftUnresolved => self.pending = Pending::Review,
            E::WaitEnded => (self.pending, self.hands) = (Pending::Nothing, Hands::Owner),
            E::ApprovalRequested | E::ApprovalGranted | E::ApprovalRefused if self.pending == Pending::Proof => {}
            E::ApprovalRequested => self.pending = Pending::Approval,
            E::ApprovalGranted | E::ApprovalRefused => (self.pending, self.hands) = (Pending::Nothing, Hands::AtWork),
            E::ActionRequested => self.pending = Pending::Action,
            E::ActionStarted | E::ActionCompleted | E::Cleared => self.ask_proof(),
            E::VerifyAgain => self.ask_proof(),
            E::ActionWithdrawn if self.pending == Pending::Approval => {
                (self.pending, self.hands) = (Pending::Nothing, Hands::AtWork);
            }
            E::ActionWithdrawn if self.pending != Pending::Action => {}
            E::ActionFailed | E::ActionWithdrawn | E::Reconciled => {
                (self.pending, self.hands) = (Pending::Nothing, Hands::Nobody)
            }
            E::Resolved => self.ends(CaseState::Resolved),
            E::ClosedAfterVerification => self.ends(CaseState::Closed),
            E::ForceClosed => self.ends(CaseState::ForceClosed),
            E::LinkedAsDuplicate => self.ends(CaseState::Duplicate),
            E::Reopened => {
                *self = Model { classified: self.classified, hands: Hands::Back, ..Model::detected() };
            }
            E::DataCorrected if self.pending == Pending::Action => {
                (self.pending, self.hands) = (Pending::Nothing, Hands::Nobody)
            }
            _ => {}
        }
    }

    fn ask_proof(&mut self) {
        (self.pending, self.end, self.proof_asked) = (Pending::Proof, None, true);
    }

    fn ends(&mut self, how: CaseState) {
        self.end = Some(how);
    }
}
