//! The state that all downstreams share: script, records, counters and work under way.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::calls::Call;
use crate::identity::Identity;
use crate::records::Records;
use crate::script::FaultScript;
use crate::work::Work;

/// What the sandbox counts by. Generations are not told apart: an attempt after a recovery is the next attempt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepKey {
    pub order: String,
    pub line: String,
    pub step: String,
    pub direction: String,
}

/// How many requests arrived for one step since the sandbox started: a restart begins again at 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Attempts: effects and reads that the step consists of.
    pub attempts: u32,
    pub lookups: u32,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) script: FaultScript,
    pub(crate) work: Work,
    records: Mutex<Records>,
    arrivals: Mutex<BTreeMap<StepKey, Arrivals>>,
}

impl World {
    pub(crate) fn new(script: FaultScript, records: Records) -> Self {
        Self { script, work: Work::new(), records: Mutex::new(records), arrivals: Mutex::default() }
    }

    pub(crate) fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an attempt and says which one it is, from 1.
    pub(crate) fn attempt(&self, call: &Call) -> u32 {
        self.count(&call.identity, |arrivals| arrivals.attempts += 1).attempts
    }

    pub(crate) fn looked_up(&self, identity: &Identity) {
        self.count(identity, |arrivals| arrivals.lookups += 1);
    }

    pub(crate) fn arrivals(&self) -> BTreeMap<StepKey, Arrivals> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, identity: &Identity, add: impl FnOnce(&mut Arrivals)) -> Arrivals {
        let Identity { order, line, step, direction, .. } = identity.clone();
        let mut all = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let arrivals = all.entry(StepKey { order, line, step, direction }).or_default();
        add(arrivals);
        *arrivals
    }
}
