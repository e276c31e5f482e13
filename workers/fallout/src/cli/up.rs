//! `fallout up`: servers, sandbox and every role in one process, until it is stopped.

use std::path::PathBuf;

use anyhow::Context as _;
use fallout_embedded::Product;

use super::{Context, check::preflight, deploy, worker};
use crate::{
    exit::Exit,
    roles::{
        intake, logins,
        running::Running,
        server,
        servers::{self, Servers, Wanted},
        setup::Setup,
        stop,
    },
};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    #[default]
    Camunda,
    Operaton,
}

/// Start servers, sandbox, workers and controllers, and keep them running until Ctrl-C
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which engine to start
    #[arg(long, value_enum, default_value_t)]
    pub engine: Engine,
    /// TMF622 product orders to take in, an array or one per line; an order that was taken in before is left alone
    #[arg(long, value_name = "FILE")]
    pub orders: Option<PathBuf>,
    /// Take events of orders over HTTP too, as `fallout serve` does
    #[arg(long)]
    pub serve: bool,
    /// Start a Kafka broker too, and publish events to it
    #[arg(long)]
    pub kafka: bool,
}

impl Engine {
    pub fn product(self) -> Product {
        match self {
            Engine::Camunda => Product::Camunda,
            Engine::Operaton => Product::Operaton,
        }
    }
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let orders = args.orders.as_deref().map(|file| intake::orders(Some(file))).transpose()?;
    let mut stopped = stop::on_signal().context("listening for signals")?;
    let mut settings = context.settings.clone();
    let faults = servers::faults(None, &settings)?;
    let wanted = Wanted { product: args.engine.product(), faults, fresh: false, name: "up", kafka: args.kafka };
    let servers = Servers::start(wanted, &mut settings, context.out).await?;
    let setup = Setup::new(settings)?;
    setup.store.migrate().await.context("creating our tables")?;
    setup.desk.load_reference("fallout up").await?;
    deploy::deploy(&setup.engine, &setup.settings).await?;
    preflight::fit(&setup.settings, &mut stopped).await?;
    let door = if args.serve { Some(server::open(&setup.settings.server, &setup.desk).await?) } else { None };
    let running = Running::start(&setup);
    let serving = door.map(|(server, address)| {
        context.out.note(&format!("listening on http://{address}"));
        tokio::spawn(server.run(stopped.clone()))
    });
    if let Some(orders) = orders {
        intake::accept(&setup.desk, &setup.settings.tenant.id, &orders, None).await?;
        context.out.note(&format!("{} orders taken in", orders.len()));
    }
    let psql = logins::reader_line(&servers.postgres, &setup.settings).await?;
    context.out.note(&format!(
        "everything runs; Ctrl-C ends it\n  Cockpit   {}   user demo, password demo\n  database  {psql}\n  cases     fallout case list",
        servers.engine.cockpit_url(),
    ));
    if let Some(broker) = &servers.broker {
        let topic = &setup.settings.kafka.topic;
        context.out.note(&format!("  Kafka     {}, topic {topic}", broker.address()));
    }
    stop::stopped(&mut stopped).await;
    context.out.note("stopping ...");
    if let Some(serving) = serving {
        serving.await.context("the HTTP door ended in a way it should not")?;
    }
    let drained = running.stop().await?;
    servers.stop().await?;
    if let Some(drained) = drained {
        context.out.note(&worker::told(&drained));
    }
    Ok(Exit::Done)
}
