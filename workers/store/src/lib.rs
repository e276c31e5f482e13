//! All SQL. `Store::begin(scope)` is the only way to a connection, every function takes the transaction it gives, and
//! rows stay inside: what comes out are core types and plain structs.
//!
//! Not here: decisions. A function says what it reads or writes, never what should happen.

pub mod access;
pub mod actions;
pub mod amendments;
pub mod approvals;
pub mod archive;
pub mod attempts;
pub mod audit;
pub mod batch;
pub mod bulks;
pub mod cases;
pub mod commands;
mod commit;
pub mod context;
pub mod controllers;
pub mod corrections;
pub mod customer;
pub mod definitions;
pub mod downstreams;
pub mod effects;
mod error;
pub mod evidence;
pub mod four_eyes;
pub mod holds;
mod join_one;
pub mod lifecycle;
pub mod listen;
pub mod modifications;
pub mod openings;
pub mod orders;
pub mod outbox;
pub mod people;
pub mod places;
pub mod policies;
pub mod problems;
pub mod recoveries;
pub mod requests;
pub mod restore;
pub mod roles;
pub mod server;
pub mod severity;
pub mod shift;
pub mod show;
pub mod signals;
pub mod sla;
pub mod steps;
pub mod taxonomy;
pub mod tokens;
mod tx;
pub mod verification;
pub mod worklist;

pub use error::StoreError;
pub use tx::{Scope, Store, Tx};
