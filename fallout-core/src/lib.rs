//! The rules of fallout management as pure functions, and the words they are said in.
//!
//! Nothing here reads a clock, opens a socket, asks a database or makes an id: what is decided depends only on what
//! is passed in, so every rule can be tested as a table. The way of one task through these files: an [`operation`]
//! says what a call is, a [`template`] renders it, [`claim`] says whether it may be sent now, [`evidence`] is what one
//! exchange proved, [`outcome`] what that means, [`decide`] what to do about it. Recovery: [`action`] guards,
//! [`case`] is the lifecycle, [`taxonomy`] the reference data.
//!
//! Not here: HTTP, SQL, the engine, configuration files, logging.

pub mod action;
pub mod answers;
pub mod attempt;
pub mod authority;
pub mod bulk;
pub mod calendar;
pub mod case;
pub mod catalogue;
pub mod check;
pub mod claim;
pub mod command;
pub mod context;
pub mod contradiction;
pub mod controller;
pub mod customer;
pub mod decide;
pub mod dedup;
pub mod event;
pub mod evidence;
#[cfg(test)]
mod fixtures;
pub mod ids;
pub mod lookup;
pub mod modification;
pub mod offline;
pub mod operation;
pub mod order;
pub mod outcome;
pub mod outputs;
pub mod people;
pub mod personal;
pub mod policy;
pub mod problem;
#[cfg(test)]
mod properties;
pub mod request;
pub mod restore;
pub mod retry;
pub mod severity;
mod short;
pub mod signal;
pub mod sla;
pub mod step;
pub mod task;
pub mod taxonomy;
pub mod template;
pub mod token;
pub mod undo;
pub mod verification;
mod warnings;
pub mod words;
pub mod worklist;
