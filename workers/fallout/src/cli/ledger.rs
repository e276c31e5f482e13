//! `fallout ledger restored | restores`: telling the ledger what a restore or failover may have taken from it.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Subcommand;
use fallout_desk::{Declared, Desk};
use serde_json::json;

use super::{
    Context,
    case::{principal, told},
};
use crate::{exit::Exit, output::table};

/// Declare what a restore or failover may have lost
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Restored(Restored),
    /// Everything that was declared
    Restores,
}

/// What was written between two moments may be missing: steps of orders from then look up before they send
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example, before the workers are started again:
  fallout ledger restored --from 2026-11-20T10:00:00Z --to 2026-11-20T10:07:30Z --reason 'failover to db-2, 7 minutes behind'

--from is the last moment that the restored database surely has, --to the moment when the last worker of the old one had
stopped. Too long a time costs lookups; too short a one can cost an effect that is made twice.")]
pub struct Restored {
    /// The last moment of which nothing is missing (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub from: DateTime<Utc>,
    /// When nobody wrote to the lost database any more (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub to: DateTime<Utc>,
    /// Why; kept with your name
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let desk = Desk::new(context.settings.database.store()?, Arc::new(context.settings.catalogue()?));
    match args.command {
        Command::Restored(restored) => {
            let Restored { from, to, reason } = &restored;
            let runs = desk.declare_restored(*from, *to, reason, &principal()).await.map_err(told)?;
            context.out.data(&json!({ "declared": runs.is_some(), "orders": runs }), || match runs {
                None => "already done: the same was declared before".into(),
                Some(n) => {
                    format!("declared; the steps of {n} orders look up before they send (fallout ledger restores)")
                }
            })?;
        }
        Command::Restores => {
            let declared = desk.declared_restores().await.map_err(told)?;
            context.out.data(&declared, || list(&declared))?;
        }
    }
    Ok(Exit::Done)
}

fn list(declared: &[Declared]) -> String {
    if declared.is_empty() {
        return "nothing was declared".into();
    }
    let time = |at: &DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let row = |d: &Declared| {
        [time(&d.lost_from), time(&d.lost_to), d.declared_by.clone(), time(&d.declared_at), d.reason.clone()]
    };
    table(["from", "to", "declared by", "at", "reason"], declared.iter().map(row))
}
