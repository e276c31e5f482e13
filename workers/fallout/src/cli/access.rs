//! `fallout access reader | token`: which logins of the database read which tenant, and who may tell us something over HTTP.

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

/// Say which logins of the database may read which tenant, and make tokens for the HTTP doors
#[derive(Debug, clap::Args)]
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
