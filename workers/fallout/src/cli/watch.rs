//! `fallout watch [NAME]`: the controllers.

use anyhow::Context as _;
use fallout_watch::Controller;

use super::{Context, check::preflight};
use crate::{
    codes::Failure,
    exit::Exit,
    roles::{setup::Setup, stop, watch},
};

/// Run the controllers: relay, lookups, gone-tasks, signals, cancellations, orders, seal, sla, problems, waits, retention,
/// approvals, verify, downstreams, bulk, effects, publish
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this one
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let controllers = match args.name.as_deref().map(str::parse::<Controller>) {
        None => Controller::ALL.to_vec(),
        Some(Ok(controller)) => vec![controller],
        Some(Err(unknown)) => return Err(Failure::new("FO-032", unknown).into()),
    };
    let setup = Setup::new(context.settings.clone())?;
    let mut stopped = stop::on_signal().context("listening for signals")?;
    preflight::fit(&setup.settings, &mut stopped).await?;
    let names: Vec<&str> = controllers.iter().map(|c| c.name()).collect();
    context.out.note(&format!("watching: {}", names.join(", ")));
    watch::run(&setup, &controllers, stopped).await;
    context.out.note("stopped");
    Ok(Exit::Done)
}
