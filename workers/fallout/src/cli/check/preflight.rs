//! What a role asks before it starts: waits for servers that are away, refuses those that could not keep the promise.

use std::time::Duration;

use fallout_fleet::Away;
use tokio::sync::watch;

use super::{Finding, database, engine};
use crate::{
    codes::Failure,
    config::{Settings, listed},
    roles::stop::stopped,
};

/// A server that is away comes back by itself; everything else needs a person.
const AWAY: [&str; 2] = ["FO-010", "FO-020"];

/// Returns when engine and database are fit, or when `stop` is true; refuses with the first code and every reason.
pub async fn fit(settings: &Settings, stop: &mut watch::Receiver<bool>) -> Result<(), Failure> {
    let mut away = Away::new("the engine and the database");
    while !*stop.borrow() {
        let (engine, database) = tokio::join!(engine::findings(settings), database::findings(settings));
        let (good, problems): (Vec<Finding>, Vec<Finding>) = engine.into_iter().chain(database).partition(|f| f.ok);
        let is_away = |f: &Finding| f.code.is_some_and(|code| AWAY.contains(&code));
        let told = |f: &Finding| format!("{} {}: {} ({})", f.area, f.subject, f.detail, f.code.unwrap_or_default());
        if let Some(worst) = problems.iter().find(|f| !is_away(f)) {
            let all: Vec<String> = problems.iter().map(told).collect();
            return Err(Failure::new(worst.code.unwrap_or("FO-001"), listed("this cannot be started:", &all)));
        }
        let Some(first) = problems.first() else {
            away.answered();
            good.iter().filter(|f| f.code.is_some()).for_each(|f| tracing::warn!("{}", told(f)));
            return Ok(());
        };
        let pause: Duration = away.failed(&told(first));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stopped(stop) => {}
        }
    }
    Ok(())
}
