//! The fleet role: workers of some topics until they are asked to stop.

use std::{collections::BTreeMap, sync::Arc};

use fallout_fleet::{Drained, Fleet, FleetConfig, Probes};
use tokio::sync::{Notify, watch};

use super::setup::Setup;
use crate::{adapter::DeskLedger, handlers::handler};

/// Runs until `stop` is true; `wake` makes it look at once.
pub async fn run(
    setup: &Setup,
    topics: &[String],
    probes: Probes,
    stop: watch::Receiver<bool>,
    wake: Arc<Notify>,
) -> Drained {
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
    Fleet::new(config, setup.engine.clone(), downstreams, operations, ledger, probes).run(stop, wake).await
}
