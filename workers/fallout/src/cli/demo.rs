//! `fallout demo`: orders end to end, with servers of its own.

use std::{path::PathBuf, time::Duration};

use super::{Context, duration::parse_duration, up::Engine};
use crate::{codes::Failure, demo::Demo, exit::Exit};

/// Run orders end to end on servers of its own and say how each ended
#[derive(Debug, clap::Args)]
pub struct Args {
    /// TMF622 product orders, an array or one per line [default: 100 orders that are built in]
    #[arg(long, value_name = "FILE")]
    pub orders: Option<PathBuf>,
    /// What the simulated downstreams do wrong [default: a script in which one order in five meets trouble]
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// Which engine to start
    #[arg(long, value_enum, default_value_t)]
    pub engine: Engine,
    /// How long all orders together may take
    #[arg(long, default_value = "5m", value_parser = parse_duration)]
    pub deadline: Duration,
    /// Leave everything running until Ctrl-C
    #[arg(long)]
    pub keep: bool,
    /// Start a Kafka broker too, and publish events to it
    #[arg(long)]
    pub kafka: bool,
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let demo = Demo {
        orders: args.orders,
        faults: args.faults,
        product: args.engine.product(),
        deadline: args.deadline,
        keep: args.keep,
        kafka: args.kafka,
    };
    match demo.run(context.settings.clone(), context.out).await? {
        None => {
            context.out.note("nothing was weighed, so nothing is proven");
            Ok(Exit::Interrupted)
        }
        Some(summary) if summary.is_clean() => Ok(Exit::Done),
        Some(_) => Err(Failure::new("FO-050", "the demo lost an order, or its effects do not add up").into()),
    }
}
