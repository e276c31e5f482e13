//! The harness: one real Postgres and one real engine for all scenarios, a tenant and a sandbox for each.
//!
//! Scenarios run one after the other: they share the engine's topics, and two cores are not enough for more. Each runs
//! inside `scenario(name, …)`, which afterwards fails it for whatever it left behind.

pub mod faults;
pub mod figures;
pub mod orders;
mod scenario;
pub mod usage;
mod world;

pub use fallout_desk::PROCESS;
pub use scenario::{Scenario, scenario};
pub use world::{World, nowhere, product};
