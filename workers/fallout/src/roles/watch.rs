//! The watch role: controllers, each in its own loop; woken by the database, ticking as fallback.

use std::{sync::Arc, time::Duration};

use fallout_core::controller::{Run, RunOutcome};
use fallout_desk::Woken;
use fallout_fleet::Away;
use fallout_watch::{Controller, Ticker};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

use super::{diary::Diary, listen::listen, setup::Setup, stop::stopped};
use crate::output::chain;

/// Runs these controllers until `stop` is true.
pub async fn run(setup: &Setup, controllers: &[Controller], stop: watch::Receiver<bool>) {
    let (mut loops, mut sleepers) = (JoinSet::new(), Vec::new());
    for &controller in controllers {
        let ticker = Ticker::new(setup.watch(), controller);
        let diary = Diary::new(setup.desk.clone(), controller.name());
        let woken = Arc::new(Notify::new());
        sleepers.extend(wakes(controller).map(|of| (of, Arc::clone(&woken))));
        loops.spawn(go(ticker, diary, controller.name(), setup.settings.watch.tick(), stop.clone(), woken));
    }
    let listener = listen(setup.desk.clone(), sleepers);
    let mut stop = stop;
    tokio::select! {
        () = listener => {}
        () = stopped(&mut stop) => {}
    }
    while loops.join_next().await.is_some() {}
}

/// What the database tells a controller of; the others tick.
fn wakes(controller: Controller) -> Option<Woken> {
    match controller {
        // Effects of actions are told of in the same way.
        Controller::Relay | Controller::Effects => Some(Woken::Command),
        Controller::Downstreams => Some(Woken::Downstream),
        Controller::Bulk => Some(Woken::Bulk),
        _ => None,
    }
}

async fn go(
    mut ticker: Ticker,
    mut diary: Diary,
    name: &'static str,
    tick: Duration,
    mut stop: watch::Receiver<bool>,
    woken: Arc<Notify>,
) {
    let mut away = Away::new(name_of_away(name));
    while !*stop.borrow() {
        let run = match ticker.tick().await {
            Ok(0) => {
                away.answered();
                Run { outcome: RunOutcome::Idle, detail: None, changed: 0, pause: tick }
            }
            Ok(done) => {
                away.answered();
                Run { outcome: RunOutcome::Worked, detail: None, changed: done as u64, pause: Duration::ZERO }
            }
            Err(e) if e.is_away() => {
                let pause = away.failed(&e);
                Run { outcome: RunOutcome::Away, detail: Some(chain(&e)), changed: 0, pause }
            }
            Err(e) => {
                tracing::error!(controller = name, error = %chain(&e), "a tick did not end well; the next one goes on");
                Run { outcome: RunOutcome::Failed, detail: Some(chain(&e)), changed: 0, pause: tick }
            }
        };
        let pause = run.pause;
        diary.ran(run).await;
        if pause.is_zero() {
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = woken.notified() => {}
            () = stopped(&mut stop) => {}
        }
    }
}

/// What people are told is away: the controller cannot go on, whichever of the two it needs.
fn name_of_away(controller: &'static str) -> &'static str {
    match controller {
        "publish" => "Kafka or the database",
        "lookups" | "effects" | "signals" | "seal" | "sla" | "waits" | "retention" | "downstreams" | "bulk" => {
            "the database"
        }
        _ => "the engine or the database",
    }
}
