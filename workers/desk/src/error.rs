//! Why the desk did not do it; variants are what a caller can decide on.

use chrono::{DateTime, Utc};
use fallout_core::{
    action::Refusal,
    authority::NotAuthorised,
    case::{IllegalTransition, Severity},
    ids::{CaseNumber, ModificationId, ProblemNumber},
    modification::NotModified,
    order::EventRefusal,
    people::{BadText, NotAllowed},
};
use fallout_store::StoreError;

use crate::{closing::CannotLink, roles::NotGranted};

#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error("the database is away")]
    Away(#[source] StoreError),
    #[error("the database did not do it")]
    Store(#[source] StoreError),
    #[error("{0}")]
    Refused(Refusal),
    #[error("{0}")]
    Illegal(#[from] IllegalTransition),
    #[error("{0}")]
    Worklist(#[from] fallout_core::worklist::Refused),
    #[error("there is no case {0} for this tenant")]
    NoSuchCase(CaseNumber),
    #[error("case {0} is {1}; it takes no action any more")]
    CaseIsOver(CaseNumber, fallout_core::case::CaseState),
    #[error("case {0} is {1} already; only something less grave is lower (SEV4 is the least)")]
    NotLower(CaseNumber, Severity),
    #[error("case {0} belongs to no step; it cannot be recovered by an action on a step")]
    NoStep(CaseNumber),
    #[error("the idempotency key {0} was used for another command; use a new one")]
    KeyReused(String),
    #[error("case {case} has version {has} by now, not {asked}; somebody was first")]
    StaleVersion { case: CaseNumber, asked: i32, has: i32 },
    #[error("this was done to case {} before, with the same key", .0.case)]
    DoneBefore(crate::Stands),
    #[error("{0}")]
    NotAllowed(#[from] NotAllowed),
    #[error("{0}")]
    NotAuthorised(Box<NotAuthorised>),
    #[error("{0}")]
    NotGranted(#[from] NotGranted),
    #[error("{0}")]
    BadText(#[from] BadText),
    #[error("the taxonomy has no classification {0}")]
    UnknownClassification(String),
    #[error("{0} is no later than now; name a time that is still to come")]
    NotToCome(DateTime<Utc>),
    #[error("{0} is more than {days} days away, and nobody would remember why", days = crate::waiting::DAYS_MAX)]
    TooFar(DateTime<Utc>),
    #[error("{0}")]
    CannotLink(#[from] CannotLink),
    #[error("{0}")]
    Evidence(#[from] crate::evidence::NoEvidence),
    #[error("case {other} is open about the same trouble; work on that one instead of case {case}")]
    AnotherIsOpen { case: CaseNumber, other: CaseNumber },
    #[error("{0}")]
    Recovery(#[from] crate::recovery::NotRecovered),
    #[error("an action needs a reason")]
    NoReason,
    #[error("what may be lost lies between two moments in the past, the earlier one first")]
    NoWindow,
    #[error("an attestation needs a reference: where the proof can be found")]
    NoReference,
    #[error("no operation {0} is in the catalogue; add its file to the operations folder")]
    UnknownOperation(String),
    #[error("attempt {0} is not in the ledger")]
    NoSuchAttempt(fallout_core::ids::AttemptId),
    #[error("there is no problem {0} for this tenant")]
    NoSuchProblem(ProblemNumber),
    #[error("problem {0} is closed; nobody works on it any more")]
    ProblemIsOver(ProblemNumber),
    #[error("there is no order {0} for this tenant")]
    NoSuchOrder(String),
    #[error("order {0} is not under way: there is nothing in the engine that could go on")]
    NotUnderWay(String),
    #[error("{0}")]
    NotModified(#[from] NotModified),
    #[error("there is no modification {0} for this tenant")]
    NoSuchModification(ModificationId),
    #[error("no step of order {0} is parked: there is nothing to move to another definition")]
    NothingParked(String),
    #[error("{0}")]
    Event(#[from] EventRefusal),
    #[error("the personal data of order {0} were erased; a new start needs a new order")]
    OrderErased(String),
    #[error("the personal data of order {order} are still needed: {why}")]
    NotErasable { order: String, why: String },
    #[error("\"{name}\" is no name of a token: {expected}")]
    TokenName { name: String, expected: &'static str },
    #[error("there is a token {0} already; revoke it first, or take another name")]
    TokenExists(String),
    #[error("there is no bulk {0} for this tenant")]
    NoSuchBulk(fallout_core::ids::BulkNumber),
    #[error("this bulk cannot be begun: {0}")]
    BadBulk(String),
    #[error("{0}")]
    BulkNotNow(#[from] fallout_core::bulk::NotNow),
    #[error("no operation calls a downstream {0}")]
    NoSuchDownstream(String),
    #[error("{downstream} has no operation {operation}")]
    NoSuchOperation { downstream: String, operation: String },
    #[error("{} is declared offline from {} to {} already; end that first, or move its end by saying it again without --from", .0.downstream, .0.starts_at, .0.ends_at)]
    DeclaredAlready(fallout_core::offline::Window),
    #[error("order {order} has no line {line}")]
    NoSuchLine { order: String, line: String },
    #[error("{} kept as version {version}; raise its `version` with every change", if *.what == "taxonomy" { "another taxonomy is" } else { "other policies are" })]
    ReferenceDiffers { what: &'static str, version: String },
    #[error("a line's ids are too long for the engine: {0}")]
    TooLong(String),
}

impl From<StoreError> for DeskError {
    fn from(e: StoreError) -> Self {
        if e.is_away() { DeskError::Away(e) } else { DeskError::Store(e) }
    }
}

impl From<NotAuthorised> for DeskError {
    fn from(refused: NotAuthorised) -> Self {
        DeskError::NotAuthorised(Box::new(refused))
    }
}

impl From<Refusal> for DeskError {
    fn from(refusal: Refusal) -> Self {
        DeskError::Refused(refusal)
    }
}

impl DeskError {
    /// Nothing was written, and the same may be done again.
    pub fn is_crossed(&self) -> bool {
        matches!(self, DeskError::Store(e) if e.is_crossed())
    }
}
