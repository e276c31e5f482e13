//! Controllers: level-triggered background services, one file each. A controller takes no input, is idempotent, runs in
//! any number of processes (leases in the database keep them apart), and is the only code for its job: the same path for
//! the happy case and for recovery. `tick` does what is due now and says how much that was; who calls it decides when.
//!
//! Not here: SQL, decisions about cases or steps (the desk), what evidence means (core).

mod amendments;
mod approvals;
mod bulk;
mod cancellations;
mod downstreams;
mod effects;
mod gone_tasks;
mod lookups;
mod orders;
mod place;
mod probes;
mod problems;
mod publish;
mod relay;
mod retention;
mod seal;
mod signals;
mod sla;
mod verify;
mod waits;

use std::{str::FromStr, sync::Arc};

use fallout_camunda::{Engine, EngineError};
use fallout_desk::{Desk, DeskError, Pending};
use fallout_downstream::Downstreams;
use fallout_kafka::KafkaError;

pub use publish::Events;

pub use probes::{Point, Probes};

/// What controllers work with; cheap to clone.
#[derive(Clone, Debug)]
pub struct Watch {
    pub desk: Desk,
    pub engine: Engine,
    pub downstreams: Arc<Downstreams>,
    /// How long personal data of orders are kept.
    pub personal_months: u32,
    /// How long events can be read after they happened.
    pub event_days: u32,
    /// Where a test stops the relay.
    pub probes: Probes,
    /// Where events are published to; `None`: nowhere.
    pub events: Option<Arc<Events>>,
}

impl Watch {
    fn point(&self, point: Point, command: &Pending) {
        self.probes.at(point, command);
    }
}

#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// Wait with backoff; it goes on by itself.
    #[error("the engine is away")]
    EngineAway(#[source] EngineError),
    #[error("the database is away")]
    DatabaseAway(#[source] DeskError),
    #[error("the event brokers are away")]
    KafkaAway(#[source] KafkaError),
    #[error("an event could not be published")]
    Kafka(#[source] KafkaError),
    #[error("the engine did not do it")]
    Engine(#[source] EngineError),
    #[error("the desk did not do it")]
    Desk(#[source] DeskError),
}

impl WatchError {
    pub fn is_away(&self) -> bool {
        matches!(self, WatchError::EngineAway(_) | WatchError::DatabaseAway(_) | WatchError::KafkaAway(_))
    }
}

impl From<EngineError> for WatchError {
    fn from(e: EngineError) -> Self {
        match e {
            EngineError::Away { .. } | EngineError::Unknown { .. } => WatchError::EngineAway(e),
            other => WatchError::Engine(other),
        }
    }
}

impl From<DeskError> for WatchError {
    fn from(e: DeskError) -> Self {
        match e {
            DeskError::Away(_) => WatchError::DatabaseAway(e),
            other => WatchError::Desk(other),
        }
    }
}

/// Whether one item of many went well: one that does not is told and left, so that the others behind it are not; only a
/// server that is away ends the tick.
fn kept_going<E: Into<WatchError>>(
    controller: &str,
    item: &(dyn std::fmt::Display + Sync),
    result: Result<(), E>,
) -> Result<bool, WatchError> {
    match result.map_err(Into::into) {
        Ok(()) => Ok(true),
        Err(e) if e.is_away() => Err(e),
        Err(e) => {
            let cause = std::error::Error::source(&e).map(|c| format!(": {c}")).unwrap_or_default();
            tracing::error!(controller, item = %item, "left for the next tick: {e}{cause}");
            Ok(false)
        }
    }
}

/// Awaits every task of a set: the first error is told when all have ended, since cutting the others off would leave
/// them to their leases.
async fn all(controller: &str, mut tasks: tokio::task::JoinSet<Result<(), WatchError>>) -> Result<(), WatchError> {
    let mut first = Ok(());
    while let Some(done) = tasks.join_next().await {
        first = first.and(ended(controller, done));
    }
    first
}

/// One of many: a panic is told and left to its lease.
fn ended(controller: &str, done: Result<Result<(), WatchError>, tokio::task::JoinError>) -> Result<(), WatchError> {
    done.unwrap_or_else(|e| {
        tracing::error!(controller, error = %e, "ended without an answer; its lease brings it back");
        Ok(())
    })
}

/// Which controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Controller {
    /// Sends engine commands and reads their effect back.
    Relay,
    /// Asks downstreams about awaited results and parked unknowns.
    Lookups,
    /// Settles attempts whose task the engine does not have any more.
    GoneTasks,
    /// Opens cases that could not be written with their result.
    Signals,
    /// Ends cancelled orders once none of their effects is left.
    Cancellations,
    /// Takes in what the owners of orders under way have changed.
    Amendments,
    /// Notes which orders have ended, and where.
    Orders,
    /// Seals the history into its chain of hashes.
    Seal,
    /// Warns of cases that will be late, escalates those that are, and weighs again what has grown.
    Sla,
    /// Makes one problem of many cases with one cause.
    Problems,
    /// Brings back cases whose time of waiting or of review has come.
    Waits,
    /// Drops personal data whose time is over, and makes room for what comes.
    Retention,
    /// Ends requests for approval that nobody decided in time.
    Approvals,
    /// Reads what cases wait for before they are resolved.
    Verify,
    /// Lets cases wait for downstreams that people declare offline, and their steps go on with lookups first.
    Downstreams,
    /// Recovers many cases at the pace that was asked for.
    Bulk,
    /// Performs the effects that actions make themselves.
    Effects,
    /// Hands the events of the outbox on to Kafka.
    Publish,
}

impl Controller {
    pub const ALL: [Controller; 18] = [
        Controller::Relay,
        Controller::Lookups,
        Controller::GoneTasks,
        Controller::Signals,
        Controller::Cancellations,
        Controller::Amendments,
        Controller::Orders,
        Controller::Seal,
        Controller::Sla,
        Controller::Problems,
        Controller::Waits,
        Controller::Retention,
        Controller::Approvals,
        Controller::Verify,
        Controller::Downstreams,
        Controller::Bulk,
        Controller::Effects,
        Controller::Publish,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Controller::Relay => "relay",
            Controller::Lookups => "lookups",
            Controller::GoneTasks => "gone-tasks",
            Controller::Signals => "signals",
            Controller::Cancellations => "cancellations",
            Controller::Amendments => "amendments",
            Controller::Orders => "orders",
            Controller::Seal => "seal",
            Controller::Sla => "sla",
            Controller::Problems => "problems",
            Controller::Waits => "waits",
            Controller::Retention => "retention",
            Controller::Approvals => "approvals",
            Controller::Verify => "verify",
            Controller::Downstreams => "downstreams",
            Controller::Bulk => "bulk",
            Controller::Effects => "effects",
            Controller::Publish => "publish",
        }
    }
}

impl FromStr for Controller {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let names = Controller::ALL.map(Controller::name).join(", ");
        let found = Controller::ALL.into_iter().find(|c| c.name() == text);
        found.ok_or_else(|| format!("there is no controller {text}; there are {names}"))
    }
}

/// A controller with what it remembers between ticks: only ever where to look next, never what to do.
#[derive(Debug)]
pub struct Ticker {
    watch: Watch,
    controller: Controller,
    orders: orders::Cursor,
    retention: retention::Pace,
    bulk: bulk::Rhythm,
    publishing: publish::Publishing,
}

impl Ticker {
    pub fn new(watch: Watch, controller: Controller) -> Self {
        let (orders, retention, bulk, publishing) = Default::default();
        Ticker { watch, controller, orders, retention, bulk, publishing }
    }

    /// Does what is due; the number of things done, 0 when there was nothing.
    pub async fn tick(&mut self) -> Result<usize, WatchError> {
        match self.controller {
            Controller::Relay => relay::tick(&self.watch).await,
            Controller::Lookups => lookups::tick(&self.watch).await,
            Controller::GoneTasks => gone_tasks::tick(&self.watch).await,
            Controller::Signals => signals::tick(&self.watch).await,
            Controller::Cancellations => cancellations::tick(&self.watch).await,
            Controller::Amendments => amendments::tick(&self.watch).await,
            Controller::Orders => orders::tick(&self.watch, &mut self.orders).await,
            Controller::Seal => seal::tick(&self.watch).await,
            Controller::Sla => sla::tick(&self.watch).await,
            Controller::Problems => problems::tick(&self.watch).await,
            Controller::Waits => waits::tick(&self.watch).await,
            Controller::Retention => retention::tick(&self.watch, &mut self.retention).await,
            Controller::Approvals => approvals::tick(&self.watch).await,
            Controller::Verify => verify::tick(&self.watch).await,
            Controller::Downstreams => downstreams::tick(&self.watch).await,
            Controller::Bulk => bulk::tick(&self.watch, &mut self.bulk).await,
            Controller::Effects => effects::tick(&self.watch).await,
            Controller::Publish => publish::tick(&self.watch, &mut self.publishing).await,
        }
    }
}
