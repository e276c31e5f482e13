//! The one test binary: scenarios against a real Postgres and a real engine, and the rules of the house.

mod happy;
mod house;
