//! The fleet: takes external tasks from the engine, performs them through downstreams, and tells the engine how each
//! ended. The way of one task is the one page of `flow`.
//!
//! Around it: `rounds` and `turn` decide when to fetch, `shares` how much of which topic, `lock` keeps what was fetched, `telling` and `report` speak to
//! the engine, `drain` ends it all. What is remembered and decided is behind [`Ledger`], what a step sends behind
//! [`Handler`]: the two traits of the house, so that the fleet also runs without our database.
//!
//! Not here: SQL, cases, how a request is rendered, the meaning of evidence, and any retry around an effect.

mod alarm;
mod away;
mod definitions;
mod drain;
mod errand;
mod fleet;
mod flow;
mod handler;
mod identity;
mod ledger;
mod life;
mod lock;
mod prepare;
mod probes;
mod readback;
mod record;
mod report;
mod rounds;
mod shares;
mod sweep;
mod telling;
mod together;
mod turn;
mod work;

pub use away::Away;
pub use drain::Drained;
pub use fleet::{Fleet, FleetConfig};
pub use handler::Handler;
pub use ledger::{Asked, Ledger, LedgerError, Proof};
pub use probes::{Point, Probes};
