//! The watch role: controllers, each in its own loop; woken by the database, ticking as fallback.

use std::{sync::Arc, time::Duration};

use fallout_fleet::Away;
use fallout_watch::{Controller, Ticker};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

use super::{setup::Setup, stop::stopped};
use crate::output::chain;

/// Runs these controllers until `stop` is true. `wake` is notified too when there is a new command for the engine.
pub async fn run(setup: &Setup, controllers: &[Controller], stop: watch::Receiver<bool>, wake: Arc<Notify>) {
    let relay = Arc::new(Notify::new());
    let mut loops = JoinSet::new();
    for &controller in controllers {
        let ticker = Ticker::new(setup.watch(), controller);
        let woken = if controller == Controller::Relay { Arc::clone(&relay) } else { Arc::new(Notify::new()) };
        loops.spawn(go(ticker, controller.name(), setup.settings.watch.tick(), stop.clone(), woken));
    }
    let listener = listen(setup.clone(), [relay, wake]);
    let mut stop = stop;
    tokio::select! {
        () = listener => {}
        () = stopped(&mut stop) => {}
    }
    while loops.join_next().await.is_some() {}
}

async fn go(
    mut ticker: Ticker,
    name: &'static str,
    tick: Duration,
    mut stop: watch::Receiver<bool>,
    woken: Arc<Notify>,
) {
    let mut away = Away::new(name_of_away(name));
    while !*stop.borrow() {
        let pause = match ticker.tick().await {
            Ok(0) => {
                away.answered();
                tick
            }
            Ok(_) => {
                away.answered();
                continue;
            }
            Err(e) if e.is_away() => away.failed(&e),
            Err(e) => {
                tracing::error!(controller = name, error = %chain(&e), "a tick did not end well; the next one goes on");
                tick
            }
        };
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
        "lookups" | "signals" | "seal" | "sla" | "waits" | "retention" => "the database",
        _ => "the engine or the database",
    }
}

/// Passes the database's notifications on. Never ends by itself: without them everything goes on by ticking.
async fn listen(setup: Setup, woken: [Arc<Notify>; 2]) {
    let mut away = Away::new("the database's notifications");
    loop {
        if let Ok(mut wakeups) = setup.desk.wakeups().await {
            away.answered();
            while wakeups.next().await.is_ok() {
                woken.iter().for_each(|w| w.notify_one());
            }
        }
        tokio::time::sleep(away.pause()).await;
    }
}
