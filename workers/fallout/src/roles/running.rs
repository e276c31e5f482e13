//! Roles at work in this process, to be stopped in order: senders first, then the controllers behind them.

use anyhow::{Context, Result};
use fallout_fleet::{Drained, Probes};
use fallout_watch::Controller;
use tokio::{sync::watch, task::JoinHandle};

use super::{fleet, setup::Setup, watch as controllers};

#[derive(Debug)]
pub struct Running {
    setup: Setup,
    fleet: Option<(watch::Sender<bool>, JoinHandle<Drained>)>,
    watch: (watch::Sender<bool>, JoinHandle<()>),
}

impl Running {
    /// Every worker and every controller.
    pub fn start(setup: &Setup) -> Self {
        Self::start_with(setup, &Controller::ALL)
    }

    /// Every worker, and these controllers.
    pub fn start_with(setup: &Setup, which: &[Controller]) -> Self {
        let which = which.to_vec();
        let (stop, stopped) = watch::channel(false);
        let task = {
            let setup = setup.clone();
            tokio::spawn(async move { controllers::run(&setup, &which, stopped).await })
        };
        let mut running = Running { setup: setup.clone(), fleet: None, watch: (stop, task) };
        running.start_fleet();
        running
    }

    /// Workers again, where they were stopped.
    pub fn keep_fleet(&mut self) {
        if self.fleet.is_none() {
            self.start_fleet();
        }
    }

    fn start_fleet(&mut self) {
        let (stop, stopped) = watch::channel(false);
        let setup = self.setup.clone();
        let topics: Vec<String> = setup.catalogue.topics().map(str::to_owned).collect();
        let task = tokio::spawn(async move { fleet::run(&setup, &topics, Probes::default(), stopped).await });
        self.fleet = Some((stop, task));
    }

    /// Drains the senders; after it nothing of ours reaches a downstream but lookups.
    pub async fn stop_fleet(&mut self) -> Result<Option<Drained>> {
        let Some((stop, task)) = self.fleet.take() else {
            return Ok(None);
        };
        stop.send_replace(true);
        Ok(Some(task.await.context("the fleet ended in a way it should not")?))
    }

    pub async fn stop(mut self) -> Result<Option<Drained>> {
        let drained = self.stop_fleet().await?;
        self.watch.0.send_replace(true);
        self.watch.1.await.context("the controllers ended in a way they should not")?;
        Ok(drained)
    }
}
