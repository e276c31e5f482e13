//! Waiting until every order has ended or is parked, and showing meanwhile how far it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{IsTerminal, Write},
    time::Duration,
};

use anyhow::Result;
use fallout_core::order::Order;
use fallout_desk::{CaseLine, Run};
use tokio::{sync::watch, time::Instant};

use super::judge::{Standing, standing};
use crate::{
    output::Output,
    roles::{setup::Setup, stop},
};

/// Often enough to look alive, seldom enough not to matter on two cores.
const LOOK: Duration = Duration::from_millis(500);
/// Without a terminal a line now and then is enough.
const SAY: Duration = Duration::from_secs(5);

/// Returns true when nothing moves by itself any more; false at the deadline, or when a person stops it.
pub async fn until_quiet(
    setup: &Setup,
    orders: &[Order],
    deadline: Duration,
    out: Output,
    stopped: &mut watch::Receiver<bool>,
) -> Result<bool> {
    let end = Instant::now() + deadline;
    let tenant = &setup.settings.tenant.id;
    let mut line = Line::new();
    while Instant::now() < end && !*stopped.borrow() {
        let runs = setup.desk.runs(tenant).await?;
        let cases = setup.desk.cases(tenant, true, None, 10_000).await?;
        line.show(&runs, &cases, orders.len());
        if may_be_quiet(&runs, &cases, orders.len()) && is_quiet(setup, orders).await? {
            line.end();
            return Ok(true);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop::stopped(stopped) => {}
        }
    }
    line.end();
    out.note(if *stopped.borrow() { "stopped before every order had ended" } else { "the deadline has passed" });
    Ok(false)
}

/// Every run that has not ended has a case: only then is the whole ledger worth reading.
fn may_be_quiet(runs: &[Run], cases: &[CaseLine], orders: usize) -> bool {
    let with_case: BTreeSet<&str> = cases.iter().filter_map(|c| c.order.as_deref()).collect();
    let settled = |run: &Run| run.ended() || with_case.contains(run.external_id.as_str());
    runs.len() == orders && runs.iter().all(settled)
}

async fn is_quiet(setup: &Setup, orders: &[Order]) -> Result<bool> {
    if setup.desk.pending_commands().await? > 0 {
        return Ok(false);
    }
    let ledger = setup.desk.ledger(&setup.settings.tenant.id).await?;
    let by_id: BTreeMap<&str, &Order> = orders.iter().map(|o| (o.id.as_str(), o)).collect();
    let moving = |view: &fallout_desk::RunView| {
        by_id.get(view.run.external_id.as_str()).is_some_and(|order| standing(order, view) == Standing::Moving)
    };
    Ok(!ledger.iter().any(moving))
}

/// One line that is written again and again on a terminal, and now and then elsewhere.
struct Line {
    live: bool,
    said: Option<Instant>,
    began: Instant,
}

impl Line {
    fn new() -> Self {
        Line { live: std::io::stderr().is_terminal(), said: None, began: Instant::now() }
    }

    fn show(&mut self, runs: &[Run], cases: &[CaseLine], orders: usize) {
        let of = |state: &str| runs.iter().filter(|r| r.state == state).count();
        let (completed, cancelled, running) = (of("completed"), of("cancelled"), of("running"));
        let seconds = self.began.elapsed().as_secs();
        let text = format!(
            "{seconds:>4} s   {completed} of {orders} completed, {cancelled} cancelled, {running} running, {} cases",
            cases.len()
        );
        if self.live {
            let _ = write!(std::io::stderr(), "\r\x1b[2K{text}");
        } else if self.said.is_none_or(|at| at.elapsed() >= SAY) {
            self.said = Some(Instant::now());
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    fn end(&self) {
        if self.live {
            let _ = writeln!(std::io::stderr());
        }
    }
}
