//! The demo: real orders through a real engine against systems that misbehave, and the proof afterwards.

mod judge;
mod progress;
mod published;
mod summary;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use fallout_core::order::Order;
use fallout_desk::RunView;
use fallout_embedded::Product;
use fallout_sandbox::Book;
use tokio::sync::watch;

pub use judge::{Effects, Standing, effects, standing};
pub use published::Published;
pub use summary::{Cases, Summary, WhereNext};

use crate::{
    cli::deploy,
    config::Settings,
    output::Output,
    roles::{
        intake, logins,
        running::Running,
        servers::{self, Servers, Wanted},
        setup::Setup,
        stop,
    },
};

/// A start in the future waits in a timer; people in front of a demo do not wait that long.
const SOON_S: i64 = 2;

#[derive(Clone, Debug)]
pub struct Demo {
    pub orders: Option<PathBuf>,
    pub faults: Option<PathBuf>,
    pub product: Product,
    pub deadline: Duration,
    pub keep: bool,
    pub kafka: bool,
}

impl Demo {
    /// `None` when a person stopped it before there was anything to weigh.
    pub async fn run(self, mut settings: Settings, out: Output) -> Result<Option<Summary>> {
        let orders = intake::orders(self.orders.as_deref())?;
        let faults = servers::faults(self.faults.as_deref(), &settings)?;
        let wanted = Wanted { product: self.product, faults, fresh: true, name: "demo", kafka: self.kafka };
        let mut stopped = stop::on_signal().context("listening for signals")?;
        let starting = Instant::now();
        let mut servers = tokio::select! {
            servers = Servers::start(wanted, &mut settings, out) => servers?,
            // What was started dies with this process.
            () = stop::stopped(&mut stopped) => return Ok(None),
        };
        let (began, startup) = (Instant::now(), starting.elapsed());
        let setup = Setup::new(settings)?;
        setup.store.migrate().await.context("creating our tables")?;
        setup.desk.load_reference("fallout demo").await?;
        deploy::deploy(&setup.engine, &setup.settings).await?;
        let (seconds, count, cockpit) = (startup.as_secs_f64(), orders.len(), servers.engine.cockpit_url());
        out.note(&format!("ready after {seconds:.1} s; {count} orders, Cockpit at {cockpit}"));
        let work = Work { demo: &self, setup: &setup, orders: &orders, out, began, startup };
        let summary = work.run(&mut servers, &mut stopped).await;
        if !matches!(&summary, Ok(None)) && !matches!(&summary, Ok(Some(summary)) if summary.is_clean()) {
            servers.keep_folder()?;
            out.note(&format!("everything of this run is kept in {}", servers.dir.display()));
        }
        servers.stop().await?;
        summary
    }
}

/// From the engine being ready to the summary.
struct Work<'a> {
    demo: &'a Demo,
    setup: &'a Setup,
    orders: &'a [Order],
    out: Output,
    began: Instant,
    startup: Duration,
}

impl Work<'_> {
    async fn run(&self, servers: &mut Servers, stopped: &mut watch::Receiver<bool>) -> Result<Option<Summary>> {
        let mut running = Running::start(self.setup);
        intake::accept(&self.setup.desk, self.tenant(), self.orders, Some(SOON_S)).await?;
        let quiet = progress::until_quiet(self.setup, self.orders, self.demo.deadline, self.out, stopped).await?;
        // Nothing is weighed while a sender is at work. Where nothing moves none is, and workers that go on are left alone:
        // one that stops leaves a long poll behind, which would keep the first recovery waiting.
        let drained = if quiet && self.demo.keep { None } else { running.stop_fleet().await? };
        if *stopped.borrow() {
            running.stop().await?;
            return Ok(None);
        }
        servers.sandbox.drain().await;
        let mut summary = self.summary(servers).await?;
        summary.undrained = drained.map_or(0, |d| d.left);
        self.tell(&summary, servers).await?;
        if self.demo.keep {
            running.keep_fleet();
            self.out.note("\neverything keeps running; Ctrl-C ends it");
            stop::stopped(stopped).await;
            self.out.note("stopping ...");
        }
        running.stop().await?;
        Ok(Some(summary))
    }

    async fn tell(&self, summary: &Summary, servers: &Servers) -> Result<()> {
        let next = WhereNext {
            cockpit: servers.engine.cockpit_url(),
            psql: logins::reader_line(&servers.postgres, &self.setup.settings).await?,
            kafka: servers.broker.as_ref().map(|b| (b.address(), self.setup.settings.kafka.topic.clone())),
            kept: self.demo.keep,
        };
        self.out.data(summary, || summary.text(&next))?;
        if self.out.is_json() {
            summary.troubles().iter().for_each(|trouble| self.out.note(trouble));
        }
        Ok(())
    }

    fn tenant(&self) -> &str {
        &self.setup.settings.tenant.id
    }

    async fn published(&self, servers: &Servers) -> Result<Option<Published>> {
        match &servers.broker {
            None => Ok(None),
            Some(broker) => {
                let topic = self.setup.settings.kafka.topic.clone();
                Published::count(&self.setup.desk, broker.address(), topic).await.map(Some)
            }
        }
    }

    async fn summary(&self, servers: &Servers) -> Result<Summary> {
        let ledger = self.setup.desk.ledger(self.tenant()).await?;
        let book = Book::read(&servers.book).context("reading the sandbox's book of effects")?;
        let open = self.setup.desk.cases(self.tenant(), true, None, CASES_SHOWN).await?;
        let mut by_category: BTreeMap<String, usize> = BTreeMap::new();
        open.iter().for_each(|case| *by_category.entry(case.category.clone()).or_default() += 1);
        let engine =
            summary::Product { product: self.demo.product.name().into(), version: servers.engine.version().into() };
        let mut summary = Summary {
            orders: self.orders.len(),
            completed: 0,
            cancelled: 0,
            parked: 0,
            lost: 0,
            cases: Cases { open: open.len(), by_category },
            effects: effects(&book, &ledger),
            engine,
            startup_seconds: tenths(self.startup),
            seconds: tenths(self.began.elapsed()),
            open,
            lost_orders: Vec::new(),
            undrained: 0,
            events: self.published(servers).await?,
        };
        summary.count(self.orders, &ledger);
        Ok(summary)
    }
}

/// A demo with more open cases than this is looked at with `fallout case list`.
const CASES_SHOWN: usize = 10_000;

fn tenths(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10.0).round() / 10.0
}

impl Summary {
    /// Whoever is still moving at the deadline, or has no run at all, is lost.
    fn count(&mut self, orders: &[Order], ledger: &[RunView]) {
        let runs: BTreeMap<&str, &RunView> = ledger.iter().map(|v| (v.run.external_id.as_str(), v)).collect();
        for order in orders {
            let view = runs.get(order.id.as_str());
            match view.map_or(Standing::Lost, |view| standing(order, view)) {
                Standing::Completed => self.completed += 1,
                Standing::Cancelled => self.cancelled += 1,
                Standing::Parked => self.parked += 1,
                Standing::Moving | Standing::Lost => {
                    self.lost += 1;
                    let state = view.map_or("not started", |v| v.run.state.as_str());
                    self.lost_orders.push(format!("order {}: {state}", order.id));
                }
            }
        }
    }
}
