//! Sends one operation to a downstream exactly once and says what the exchange proved.
//!
//! The way of one exchange: [`Downstreams::send`] finds the address and a client that repeats nothing by itself
//! (`client`), `request` builds what is sent, `exchange` runs it under its deadlines, `gate` watches how much of the body
//! left and stops it in time, `answer` reads what came back. [`Downstreams::look_up`] asks whether an effect exists.
//! Beside it `health` keeps how much a downstream bears, for whoever decides what to send.
//!
//! Not here: what evidence means (core decides), retries, storage. Nothing public is made from a `reqwest::Error`, so
//! that no transport error can be mistaken for an outcome.

mod address;
mod answer;
mod client;
mod downstreams;
mod exchange;
mod gate;
pub mod health;
mod request;

pub use address::{Address, ConfigError, Secret};
pub use downstreams::{Declared, Downstreams};
