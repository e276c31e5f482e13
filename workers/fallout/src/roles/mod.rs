//! What a process can be: a fleet, controllers, and the servers that the demo and `up` bring along.

mod diary;
pub mod fleet;
pub mod intake;
mod listen;
pub mod logins;
pub mod running;
pub mod server;
pub mod servers;
pub mod session;
pub mod setup;
pub mod stop;
pub mod watch;
