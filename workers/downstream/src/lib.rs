//! Sends one operation to a downstream exactly once and says what the exchange proved.
//!
//! The way of one exchange: [`Downstreams::send`] finds the address and a client that repeats nothing by itself
//! (`client`), `request` builds what is sent, `exchange` runs it under its deadlines, `gate` watches how much of the body
//! left and stops it in time, `answer` reads what came back. [`Downstreams::look_up`] asks whether an effect exists.
//!
//! Not here: what evidence means (core decides), retries, storage. Nothing public is made from a `reqwest::Error`, so
//! that no transport error can be mistaken for an outcome.

mod address;
mod answer;
mod client;
mod downstreams;
mod exchange;
mod gate;
mod request;

pub use address::{Address, ConfigError, Secret};
pub use downstreams::Downstreams;
