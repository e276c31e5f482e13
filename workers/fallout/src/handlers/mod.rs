//! What a topic's task becomes: most are described by data alone, one has a handler in Rust.

mod capture;
mod operation;

use std::sync::Arc;

use fallout_core::operation::Operation;
use fallout_fleet::Handler;

pub use capture::CaptureHandler;
pub use operation::OperationHandler;

/// The handler of an operation: its own where there is one, else the operation's data.
pub fn handler(op: &Operation) -> Arc<dyn Handler> {
    match op.name.as_str() {
        "payment.capture" => Arc::new(CaptureHandler::new(op.clone())),
        _ => Arc::new(OperationHandler::new(op.clone())),
    }
}
