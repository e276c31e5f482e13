//! Whether a downstream keeps what its operation file promises, measured with real requests on a test system.
//!
//! What is sent is what the fleet would send: rendered by the operation's own handler, through our own client. `subject`
//! makes the requests, `effect` and `read` ask, `keys` and `asking` judge what came back, `report` is what is said of it.
//! Not here: the decision what an answer means; that is core's, as always.

mod asking;
mod effect;
mod keys;
mod measure;
mod read;
mod report;
mod subject;

#[cfg(test)]
mod tests;

use std::time::Duration;

use fallout_core::operation::{Kind, Operation};
use fallout_downstream::Downstreams;

pub use measure::Spread;
pub use report::{Line, Report, Verdict};
pub use subject::{Given, Subject};

/// How much is asked.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How often the time until a lookup shows an effect is measured; each is an effect.
    pub count: u32,
    /// Waited before the key is asked for the last time.
    pub retention_wait: Duration,
}

impl Plan {
    /// How many test effects a downstream that keeps its promises will have afterwards.
    pub fn effects(&self, op: &Operation) -> u32 {
        match (op.kind, op.idempotency.retention_s()) {
            (Kind::Read, _) => 0,
            // One whose sender hangs up, and one that is asked for three times at once.
            (Kind::Effect, Some(_)) => self.count + 2,
            (Kind::Effect, None) => self.count + 1,
        }
    }
}

/// Asks everything that the file promises; `progress` hears what is done now.
pub async fn run(subject: &Subject, client: &Downstreams, plan: &Plan, progress: &dyn Fn(&str)) -> Report {
    match subject.operation().kind {
        Kind::Read => read::run(subject, client).await,
        Kind::Effect => effect::run(subject, client, plan, progress).await,
    }
}
