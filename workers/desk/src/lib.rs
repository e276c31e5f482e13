//! The service desk of the code: the only crate that changes cases, steps and actions. Each public function is one
//! transaction. What is decided comes from `fallout-core`, how it is stored from `fallout-store`; here it is put together.
//!
//! Not here: the engine, downstreams, HTTP. What the engine has to do goes through a row of `engine_command`.

mod access;
mod amend;
mod archive;
mod arrivals;
mod audit;
mod authority;
mod batch;
mod bulk;
mod bulk_recovery;
mod bulk_together;
mod cancel;
mod cancellation;
mod case_command;
mod cases;
mod closing;
mod context;
mod controllers;
mod customer;
mod downstreams;
mod effects;
mod error;
mod evidence;
mod guarding;
mod holds;
mod intake;
mod judging;
mod ledger;
mod lifecycle;
mod migrate;
mod modify;
mod outbox;
mod own_signals;
mod people;
mod personal;
mod placing;
mod policies;
mod problems;
mod recovery;
mod reference;
mod relay;
mod restore;
mod roles;
mod settle;
mod severity;
mod shift;
mod show;
mod signals;
mod sla;
mod taxonomy;
mod tokens;
mod unblock;
mod verification;
mod waiting;
mod work;
mod worklist;

use std::sync::Arc;

use fallout_core::{catalogue::Catalogue, operation::Operation};
use fallout_store::{Scope, Store, Tx};

pub use access::{AttemptView, RunView, StepView};
pub use archive::Archived;
pub use audit::{Anchor, Finding, Tampering, Verified};
pub use bulk::Bulk;
pub use bulk_recovery::{BulkBegun, BulkCommand, BulkView, Turn};
pub use cancel::AskedOutside;
pub use case_command::{CaseCommand, Stands};
pub use closing::{CannotLink, Closing};
pub use context::{EventTaken, LineView, OrderView};
pub use controllers::ControllerLine;
pub use downstreams::{ClosedOperations, Declared as DeclaredOffline, Offline, WindowView};
pub use error::DeskError;
pub use evidence::{EVIDENCE_BYTES_MAX, EVIDENCE_FILES_MAX, File, Kept, NoEvidence};
pub use fallout_store::shift::{Happened, Load, Note, ProblemLine};
pub use fallout_store::{
    archive::Due,
    attempts::DueRead,
    bulks::{CaseOfBulk, Given},
    cases::CaseLine,
    commands::Pending,
    evidence::EvidenceLine,
    four_eyes::Switch,
    holds::Hold,
    listen::{Wakeups, Woken},
    modifications::Modification,
    orders::Run,
    outbox::Place,
    people::{ChangeLine, MemberLine},
    problems::{Problem, ProblemEntry},
    restore::Declared,
    roles::{RefusalLine, RoleLine},
    severity::Judgement,
    signals::SignalLine,
    steps::{Parked, Step},
    taxonomy::VersionLine,
    tokens::Token,
    verification::DueVerification,
};
pub use holds::{HoldAnswer, HoldCommand};
pub use intake::{Accepted, PROCESS};
pub use migrate::Moving;
pub use modify::Modify;
pub use outbox::EventsRead;
pub use people::Assignment;
pub use personal::Erased;
pub use problems::ProblemDetail;
pub use recovery::{Approved, FourEyesRules, NotRecovered, Plan, Recovery, Taken, Withdrawn};
pub use reference::Loaded;
pub use roles::NotGranted;
pub use shift::ShiftReport;
pub use show::{ActionView, CaseDetail, Change, Known, LineContext, OrderContext, UnderWay};
pub use signals::Answer;
pub use sla::{CaseClock, unknown_zones};
pub use tokens::{Caller, Made};
pub use unblock::Unblocked;
pub use waiting::{Wait, When};
pub use worklist::Page;

/// Cheap to clone: a pool and shared reference data.
#[derive(Clone, Debug)]
pub struct Desk {
    store: Store,
    catalogue: Arc<Catalogue>,
    /// Who reads; `None`: the program itself.
    viewer: Option<Arc<str>>,
}

impl Desk {
    pub fn new(store: Store, catalogue: Arc<Catalogue>) -> Self {
        Desk { store, catalogue, viewer: None }
    }

    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Whether the database answers: asked before anything is fetched that could not be recorded.
    pub async fn ready(&self) -> Result<(), DeskError> {
        self.system("ready").await?.commit().await.map_err(DeskError::from)
    }

    pub async fn wakeups(&self) -> Result<Wakeups, DeskError> {
        Ok(self.store.wakeups().await?)
    }

    async fn tenant(&self, tenant: &str) -> Result<Tx, DeskError> {
        Ok(self.store.begin(&Scope::Tenant(tenant.to_owned())).await?)
    }

    async fn system(&self, service: &'static str) -> Result<Tx, DeskError> {
        Ok(self.store.begin(&Scope::System(service)).await?)
    }

    fn operation(&self, name: &str) -> Result<&Operation, DeskError> {
        self.catalogue.operation(name).ok_or_else(|| DeskError::UnknownOperation(name.to_owned()))
    }
}
