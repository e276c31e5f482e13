//! The fleet role: workers of some topics until they are asked to stop.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use fallout_desk::{Desk, Woken};
use fallout_fleet::{Drained, Fleet, FleetConfig, Probes};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

use super::{listen::listen, setup::Setup};
use crate::{adapter::DeskLedger, handlers::handler};

/// Runs until `stop` is true.
pub async fn run(setup: &Setup, topics: &[String], probes: Probes, stop: watch::Receiver<bool>) -> Drained {
    let fleet = &setup.settings.fleet;
    let config = FleetConfig {
        permits: fleet.permits,
        lock_duration: fleet.lock_duration(),
        poll_timeout: fleet.poll_timeout(),
        worker_name: "fallout".into(),
        drain_timeout: fleet.drain_timeout(),
    };
    let operations: BTreeMap<_, _> = topics
        .iter()
        .filter_map(|topic| setup.catalogue.operation(topic).map(|op| (topic.clone(), (op.clone(), handler(op)))))
        .collect();
    let ledger = Arc::new(DeskLedger(setup.desk.clone()));
    let downstreams = Arc::clone(&setup.downstreams);
    let (closed, declared) = watch::channel(BTreeSet::new());
    let (wake, said) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    // Aborted when the fleet has ended.
    let mut beside = JoinSet::new();
    let sleepers = vec![(Woken::Command, Arc::clone(&wake)), (Woken::Downstream, Arc::clone(&said))];
    beside.spawn(listen(setup.desk.clone(), sleepers));
    beside.spawn(keep_closed(setup.desk.clone(), closed, said, setup.settings.watch.tick()));
    let fleet = Fleet::new(config, setup.engine.clone(), downstreams, operations, ledger, probes);
    fleet.leaving_out(declared).run(stop, wake).await
}

/// Operations that are declared offline, as they are now: told by the database, by the clock, and looked at every tick. While
/// the database is away what was known last holds; nothing is claimed then.
async fn keep_closed(desk: Desk, closed: watch::Sender<BTreeSet<String>>, said: Arc<Notify>, tick: Duration) {
    loop {
        let mut pause = tick;
        if let Ok(now) = desk.closed_operations().await {
            pause = now.changes_in.map_or(tick, |change| tick.min(change + Duration::from_millis(1)));
            closed.send_if_modified(|was| {
                let changes = *was != now.names;
                *was = now.names;
                changes
            });
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = said.notified() => {}
        }
    }
}
