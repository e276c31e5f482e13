//! The fleet as it is put together and started.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use fallout_camunda::{Engine, Topic};
use fallout_core::{
    claim::{Claim, Recorded},
    ids::AttemptId,
    operation::Operation,
};
use fallout_downstream::Downstreams;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::{
    Asked, Drained, Handler, Ledger, Probes, Proof,
    alarm::{Alarms, Bell, alarms},
    definitions::Definitions,
    drain::drain,
    identity::{VARIABLES, WorkerIds},
    ledger::Gate,
    life::Life,
    rounds::Rounds,
    shares::Shares,
    together::Together,
    work::Performer,
};

#[derive(Clone, Debug)]
pub struct FleetConfig {
    /// Tasks in hand at most; at least 1.
    pub permits: u32,
    /// Extended at a third of it. Long against a database that stalls, short against waiting for a dead process.
    pub lock_duration: Duration,
    /// How long the engine keeps an empty fetch back. 15 to 25 s: what does not wake a poll is seen at its end.
    pub poll_timeout: Duration,
    /// Begins the worker id of every fetch; shown in Cockpit.
    pub worker_name: String,
    /// How long a stop waits for the work in hand.
    pub drain_timeout: Duration,
}

#[derive(Debug)]
pub struct Fleet<L> {
    flow: Flow<L>,
    alarms: Alarms,
    config: FleetConfig,
    declared: Option<watch::Receiver<BTreeSet<String>>>,
}

/// Everything that the way of a task needs (see `flow`); shared by all tasks in hand.
#[derive(Debug)]
pub(crate) struct Flow<L> {
    pub engine: Engine,
    pub downstreams: Arc<Downstreams>,
    pub performers: BTreeMap<String, Arc<Performer>>,
    pub shares: Arc<Shares>,
    pub ledger: Arc<L>,
    pub claims: Together<Asked, Claim>,
    pub records: Together<Proof, Recorded>,
    pub marks: Together<(AttemptId, Uuid), ()>,
    pub gate: Gate,
    pub definitions: Definitions,
    pub bell: Bell,
    pub life: Arc<Life>,
    pub lock_duration: Duration,
    pub probes: Probes,
}

impl<L: Ledger> Fleet<L> {
    /// `operations`: topic → what is called there and who renders and reads it.
    pub fn new(
        config: FleetConfig,
        engine: Engine,
        downstreams: Arc<Downstreams>,
        operations: BTreeMap<String, (Operation, Arc<dyn Handler>)>,
        ledger: Arc<L>,
        probes: Probes,
    ) -> Self {
        let (bell, alarms) = alarms();
        let topics = operations.iter().map(|(name, (op, _))| (fetched_topic(name, config.lock_duration), op)).collect();
        let shares = Shares::new(topics, &downstreams, config.permits.max(1));
        let performer = |(topic, (operation, handler))| (topic, Arc::new(Performer { operation, handler }));
        let flow = Flow {
            engine,
            downstreams,
            performers: operations.into_iter().map(performer).collect(),
            shares,
            ledger,
            claims: Together::default(),
            records: Together::default(),
            marks: Together::default(),
            gate: Gate::default(),
            definitions: Definitions::default(),
            bell,
            life: Life::new(),
            lock_duration: config.lock_duration,
            probes,
        };
        Fleet { flow, alarms, config, declared: None }
    }

    /// Topics that are not fetched for as long as they are among these.
    pub fn leaving_out(self, declared: watch::Receiver<BTreeSet<String>>) -> Self {
        Fleet { declared: Some(declared), ..self }
    }

    /// Works until `stop` turns true (or its sender is gone), then drains. `wake` means "look now": something was done to
    /// a task that wakes no poll. Dropping the future stops fetching at once; work in hand then ends by itself.
    pub async fn run(self, mut stop: watch::Receiver<bool>, wake: Arc<Notify>) -> Drained {
        let ids = WorkerIds::new(&self.config.worker_name);
        let mut rounds = Rounds::new(Arc::new(self.flow), self.alarms, wake, ids, &self.config);
        rounds.leave_out(self.declared);
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            never = rounds.run() => match never {},
        }
        drain(rounds, self.config.drain_timeout).await
    }
}

pub(crate) fn fetched_topic(name: &str, lock_duration: Duration) -> Topic {
    Topic {
        topic_name: name.to_owned(),
        lock_duration,
        variables: VARIABLES.map(str::to_owned).to_vec(),
        process_definition_key: None,
        business_key: None,
    }
}
