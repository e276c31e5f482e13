//! The sandbox as its clients see it, over real sockets, and what its book says about it.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy.toml does not know as tests")]

mod behaviours;
mod demo;
mod keys;
mod rig;
mod script;
