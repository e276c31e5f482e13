//! Every HTTP door of ours: what others may tell us. Each request names a token, is bounded in size, time and number, and
//! becomes one call of the desk.
//!
//! Not here: TLS (a proxy in front ends it), decisions about orders and cases (the desk), the engine.

mod answer;
mod caller;
mod doors;
mod events;
mod limits;
mod orders;
mod serve;
mod signals;

pub use doors::router;
pub use serve::{Server, Stopped};
