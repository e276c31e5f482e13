//! `fallout access reader | token | role | four-eyes`: which logins of the database read which tenant, who may come in over
//! HTTP, who may do what, and what takes two.

mod four_eyes;
mod role;
mod token;

use anyhow::Context as _;
use clap::Subcommand;
use fallout_store::{
    Scope, Tx,
    access::{self, Fitness, Reader},
};
use serde_json::json;

use super::Context;
use crate::{codes::Failure, exit::Exit, output::table};

/// Say who may do what: roles, tokens, logins of the database that only read, and what takes two people
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fallout access role grant me platform_admin --reason 'sets this tenant up'
  fallout access role grant token:jane order_ops --group 'Order Ops' --reason 'new in the team'
  fallout access token add jane --scope cases.act --expires 90d
  fallout access four-eyes list

Before the first role of a tenant is granted, everybody has every right of one person. The first grant ends that, and has to
be of a role that gives roles. A second person always acts with a token (FALLOUT_TOKEN). All of it: docs/ACCESS.md.")]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Logins that only read: the views of fallout_v1, of one tenant each
    #[command(subcommand)]
    Reader(ReaderCommand),
    /// Tokens for whoever tells us something over HTTP, of this tenant
    #[command(subcommand)]
    Token(token::Command),
    /// Who has which role, for a tenant, group, customer or order
    #[command(subcommand)]
    Role(role::Command),
    /// Which actions take two people, and doing without for a while
    #[command(subcommand)]
    FourEyes(four_eyes::Command),
}

#[derive(Debug, Subcommand)]
pub enum ReaderCommand {
    /// Bind a login to a tenant; the login is made by whoever administers the server
    Add {
        /// A role of the database server that can log in
        #[arg(value_name = "LOGIN")]
        login: String,
        /// The tenant whose cases it reads; without it, the one of the settings
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
    },
    /// Every login and its tenant
    List,
    /// Let a login read nothing any more
    Remove {
        #[arg(value_name = "LOGIN")]
        login: String,
    },
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let command = match args.command {
        Command::Reader(command) => command,
        Command::Token(command) => {
            token::run(command, context).await?;
            return Ok(Exit::Done);
        }
        Command::Role(command) => {
            role::run(command, context).await?;
            return Ok(Exit::Done);
        }
        Command::FourEyes(command) => {
            four_eyes::run(command, context).await?;
            return Ok(Exit::Done);
        }
    };
    let owner = context.settings.database.store()?.owner();
    let mut tx = owner.begin(&Scope::System("access")).await.context("the database cannot be asked")?;
    match command {
        ReaderCommand::Add { login, tenant } => {
            let tenant = tenant.unwrap_or_else(|| context.settings.tenant.id.clone());
            add(&mut tx, &login, &tenant, context).await?;
        }
        ReaderCommand::List => {
            let readers = access::readers(&mut tx).await?;
            context.out.data(&readers, || list(&readers))?;
        }
        ReaderCommand::Remove { login } => {
            let removed = access::remove_reader(&mut tx, &login).await?;
            context.out.data(&json!({ "login": login, "removed": removed }), || match removed {
                true => format!("{login} reads nothing any more"),
                false => format!("already done: {login} is no reader"),
            })?;
        }
    }
    tx.commit().await?;
    owner.close().await;
    Ok(Exit::Done)
}

async fn add(tx: &mut Tx, login: &str, tenant: &str, context: &Context) -> anyhow::Result<()> {
    let refused = |what: String| Failure::new("FO-026", what);
    match access::fitness(tx, login).await? {
        Fitness::Fit => {}
        Fitness::NoSuchRole => {
            let what = format!("the database server has no role {login}");
            return Err(refused(what)
                .next(format!("make it first: create role \"{login}\" login password '...'"))
                .into());
        }
        Fitness::ReadsTables => {
            let what = format!("{login} may read the tables themselves, so no view binds it to a tenant");
            return Err(refused(what).next("name a role that was made for reading only").into());
        }
    }
    let added = access::add_reader(tx, login, tenant).await?;
    context.out.data(&json!({ "login": login, "tenant": tenant, "added": added }), || match added {
        true => format!("{login} reads the views of fallout_v1, tenant {tenant}"),
        false => format!("already done: {login} reads tenant {tenant}"),
    })?;
    Ok(())
}

fn list(readers: &[Reader]) -> String {
    if readers.is_empty() {
        return "no login reads".into();
    }
    let row = |r: &Reader| [r.login.clone(), r.tenant.clone(), r.added_at.to_rfc3339()];
    table(["login", "tenant", "since"], readers.iter().map(row))
}
