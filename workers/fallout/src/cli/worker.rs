//! `fallout worker list | run`: the topics this program serves.

use std::collections::BTreeSet;

use anyhow::Context as _;
use clap::Subcommand;
use fallout_core::{
    catalogue::Catalogue,
    operation::{Kind, Operation},
};
use fallout_fleet::{Drained, Probes};
use serde::Serialize;

use super::{Context, check::preflight};
use crate::{
    codes::Failure,
    config::{listed, suggest},
    exit::Exit,
    output::table,
    roles::{fleet, setup::Setup, stop},
};

/// List the topics that can be served, or serve them
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Topics with their operation and downstream
    List,
    /// Fetch and perform external tasks until stopped (SIGTERM drains)
    Run {
        /// Which topics [default: all]
        #[arg(value_name = "TOPIC")]
        topics: Vec<String>,
    },
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let catalogue = context.settings.catalogue()?;
    match args.command {
        Command::List => list(&catalogue, context),
        Command::Run { topics } => {
            let topics: Vec<String> = served(&catalogue, &topics)?.into_iter().collect();
            serve(&topics, context).await
        }
    }
}

async fn serve(topics: &[String], context: &Context) -> anyhow::Result<Exit> {
    let setup = Setup::new(context.settings.clone())?;
    let mut stopped = stop::on_signal().context("listening for signals")?;
    preflight::fit(&setup.settings, &mut stopped).await?;
    context.out.note(&format!("serving {} from {}", topics.join(", "), setup.engine.base_url()));
    let drained = fleet::run(&setup, topics, Probes::default(), stopped).await;
    context.out.note(&told(&drained));
    Ok(Exit::Done)
}

/// How a fleet ended, for people.
pub fn told(drained: &Drained) -> String {
    match drained {
        Drained { finished: 0, given_back: 0, left: 0 } => "stopped: nothing was in work".to_owned(),
        Drained { left: 0, .. } => format!("stopped: {drained}"),
        _ => format!("stopped: {drained} to their locks, and the next worker looks them up"),
    }
}

/// The topics to fetch; FO-030 for those that no operation stands behind.
pub fn served(catalogue: &Catalogue, wanted: &[String]) -> Result<BTreeSet<String>, Failure> {
    let known = || catalogue.topics();
    let unknown: Vec<String> = wanted
        .iter()
        .filter(|topic| !known().any(|known| known == topic.as_str()))
        .map(|topic| format!("{topic}{}", suggest::did_you_mean(suggest::closest(topic, known()))))
        .collect();
    if !unknown.is_empty() {
        return Err(Failure::new("FO-030", listed("no operation stands behind these topics:", &unknown)));
    }
    Ok(if wanted.is_empty() { known().map(str::to_owned).collect() } else { wanted.iter().cloned().collect() })
}

#[derive(Serialize)]
struct Topic<'a> {
    topic: &'a str,
    operation: String,
    downstream: &'a str,
    kind: Kind,
}

fn list(catalogue: &Catalogue, context: &Context) -> anyhow::Result<Exit> {
    let topics: Vec<Topic> = catalogue.topics().filter_map(|name| catalogue.operation(name)).map(topic).collect();
    let kind = |kind| match kind {
        Kind::Effect => "effect",
        Kind::Read => "read",
    };
    let row = |t: &Topic| [t.topic.to_owned(), t.operation.clone(), t.downstream.to_owned(), kind(t.kind).to_owned()];
    context.out.data(&topics, || table(["topic", "operation", "downstream", "kind"], topics.iter().map(row)))?;
    Ok(Exit::Done)
}

fn topic(op: &Operation) -> Topic<'_> {
    Topic {
        topic: &op.name,
        operation: format!("{} v{}", op.name, op.version),
        downstream: &op.downstream,
        kind: op.kind,
    }
}
