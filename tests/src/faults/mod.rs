//! The fault matrix: links that are cut at every place, processes killed at every point, and the judge that counts what
//! came of it. How to read its table: docs/FAULTS.md.

pub mod accidents;
pub mod broken;
pub mod crashes;
pub mod downstream;
mod engine;
mod judge;
mod lanes;
pub mod links;
mod pairs;
mod place;
pub mod proxy;
mod relay;
pub mod servers;
mod stand_in;
mod tally;
pub mod victim;

pub use place::{Ground, without_engine};
pub use tally::Tally;
