//! Simulated downstreams: inventory, contract, provisioning, billing, payment, the orders' owner and the quote system over
//! HTTP, which misbehave by a script and write every applied effect to an append-only, fsynced book. The sandbox is the judge of "no effect twice".
//!
//! What is not here: anything of the code under judgement. The sandbox depends on no other crate of the workspace,
//! counts attempts itself and believes only what arrives on its sockets.

mod answer;
mod book;
mod calls;
mod door;
mod fault;
mod glob;
mod identity;
mod operation;
mod orders;
mod reader;
mod records;
mod sandbox;
mod script;
mod serve;
mod share;
mod work;
mod world;

pub use book::{Book, BookError, Effect};
pub use fault::{Attempts, Behaviour, Direction, Fault};
pub use operation::Downstream;
pub use sandbox::{Sandbox, SandboxError, SandboxOptions};
pub use script::{FaultScript, Problem, ScriptError};
pub use share::{Share, stable_hash};
pub use world::{Arrivals, StepKey};
