//! `fallout order show | hold | release | unblock | migrate | modify | erase | archive`: how an order stands, and what goes of
//! orders that are over.

mod erase;
mod hold;
mod migrate;
mod modify;
mod show;
mod unblock;

use std::time::Duration;

use clap::Subcommand;
use fallout_desk::{Archived, Desk, Due};
use serde::Serialize;

use super::{
    Context,
    case::told,
    duration::parse_duration,
    who::{self, Need},
};
use crate::{exit::Exit, output::table};

/// Runs read at once.
const PAGE: i64 = 200;

/// Show an order, hold it, let it go on, erase its personal data, archive the ledger of ended orders
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// What is known of an order, and how it and its lines stand
    Show {
        /// The order's id, as the outside knows it
        #[arg(value_name = "ORDER")]
        order: String,
    },
    /// Send nothing for an order, or for one line of it, until it is released; what is under way ends
    Hold(hold::Hold),
    /// Let an order or line go on that was held
    Release(hold::Hold),
    Unblock(unblock::Unblock),
    Migrate(migrate::Migrate),
    #[command(flatten)]
    Modification(modify::Command),
    Erase(erase::Erase),
    Archive(Archive),
}

/// Delete attempts, requests and evidence of orders that ended long ago; a tombstone per step stays
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout order archive --older-than 90d --dry-run
  fallout order archive --older-than 90d --yes

An order with an open case or a step that is not over is kept. A step that was archived is never performed again: a task
of it that appears all the same gets a case.")]
pub struct Archive {
    /// How long ago they ended, e.g. 90d
    #[arg(long, value_name = "AGE", value_parser = parse_duration)]
    pub older_than: Duration,
    /// Only say what would go
    #[arg(long)]
    pub dry_run: bool,
    /// Do it: what is deleted is gone
    #[arg(long, required_unless_present = "dry_run")]
    pub yes: bool,
}

#[derive(Debug, Default, Serialize)]
struct Summary {
    dry_run: bool,
    orders: u64,
    steps: i64,
    kept: Vec<Kept>,
}

#[derive(Debug, Serialize)]
struct Kept {
    order: String,
    why: String,
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let need = if matches!(
        args.command,
        Command::Show { .. } | Command::Modification(modify::Command::Modifications { .. })
    ) {
        Need::Read
    } else {
        Need::Act
    };
    let (desk, me) = who::desk(context, need).await?;
    match args.command {
        Command::Show { order } => {
            let view = desk.order(&context.settings.tenant.id, &order).await.map_err(told)?;
            context.out.data(&view, || show::text(&view))?;
        }
        Command::Hold(args) => hold::hold(&args, &desk, &me, context).await?,
        Command::Release(args) => hold::release(&args, &desk, &me, context).await?,
        Command::Unblock(args) => unblock::run(&args, &desk, &me, context).await?,
        Command::Modification(command) => modify::run(command, &desk, &me, context).await?,
        Command::Migrate(args) => migrate::run(&args, &desk, &me, context).await?,
        Command::Erase(args) => erase::run(&args, &desk, &me, context).await?,
        Command::Archive(args) => archive(&args, &desk, context).await?,
    }
    Ok(Exit::Done)
}

async fn archive(archive: &Archive, desk: &Desk, context: &Context) -> anyhow::Result<()> {
    let mut summary = Summary { dry_run: archive.dry_run, ..Summary::default() };
    // Longer than any database keeps anything.
    let age = chrono::Duration::from_std(archive.older_than).unwrap_or(chrono::Duration::days(36_500));
    let tenant = &context.settings.tenant.id;
    let mut after = None;
    loop {
        let due = desk.archivable(tenant, age, after, PAGE).await.map_err(told)?;
        let Some(last) = due.last() else { break };
        after = Some(last.run);
        for run in due {
            summary.take(desk, tenant, run).await?;
        }
        context.out.note(&format!("{} orders so far", summary.orders));
    }
    context.out.data(&summary, || summary.text())?;
    Ok(())
}

impl Summary {
    async fn take(&mut self, desk: &Desk, tenant: &str, due: Due) -> anyhow::Result<()> {
        let archived = match self.dry_run {
            true => Archived::Done(i32::try_from(due.steps).unwrap_or(i32::MAX)),
            false => desk.archive(tenant, due.run).await.map_err(told)?,
        };
        match archived {
            Archived::Done(steps) => {
                self.orders += 1;
                self.steps += i64::from(steps);
            }
            Archived::Kept(why) => self.kept.push(Kept { order: due.business_key, why }),
        }
        Ok(())
    }

    fn text(&self) -> String {
        let did = if self.dry_run { "would archive at most" } else { "archived" };
        let head = match self.orders {
            0 => "nothing to archive".to_owned(),
            orders => format!("{did} {orders} orders with {} steps", self.steps),
        };
        match self.kept.is_empty() {
            true => head,
            false => {
                let rows = self.kept.iter().map(|k| [k.order.clone(), k.why.clone()]);
                format!("{head}\n\nkept, since something is not over:\n{}", table(["order", "why"], rows))
            }
        }
    }
}
