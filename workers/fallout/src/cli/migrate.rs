//! `fallout migrate`: brings our tables to what this program needs, and keeps its reference data in them.

use std::sync::Arc;

use anyhow::Context as _;
use fallout_core::catalogue::Catalogue;
use fallout_desk::{Desk, Loaded};
use fallout_store::{Scope, Store, StoreError, server};
use serde::Serialize;

use super::{
    Context,
    case::{principal, told},
    taxonomy::loaded_text,
};
use crate::{codes::Failure, exit::Exit};

/// The oldest server that our SQL is written for.
pub const OLDEST_POSTGRES: i32 = 15;

/// Bring the database to what this program needs
#[derive(Debug, clap::Args)]
pub struct Args {}

#[derive(Serialize)]
struct Done {
    migrations: i64,
    applied_now: i64,
    reference: Vec<Loaded>,
}

pub async fn run(_: Args, context: &Context) -> anyhow::Result<Exit> {
    let catalogue = Arc::new(context.settings.catalogue()?);
    let store = context.settings.database.store()?;
    let result = migrated(&store, catalogue).await;
    store.close().await;
    let done = result?;
    context.out.data(&done, || text(&done))?;
    Ok(Exit::Done)
}

fn text(done: &Done) -> String {
    let tables = match done.applied_now {
        0 => format!("already up to date ({})", done.migrations),
        n => format!("migrated: {n} applied now, {} in all", done.migrations),
    };
    let lines = done.reference.iter().filter(|loaded| loaded.now).map(loaded_text);
    [tables].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

async fn migrated(store: &Store, catalogue: Arc<Catalogue>) -> anyhow::Result<Done> {
    let (version, before) = facts(&store.owner()).await.context("the database cannot be asked")?;
    new_enough(version)?;
    let known = known_migrations();
    if before > known {
        return Err(newer(before, known).into());
    }
    // Also when no migration is missing: the program's role may be a new one.
    store.migrate().await?;
    let desk = Desk::new(store.clone(), catalogue);
    let reference = desk.load_reference(&principal()).await.map_err(told)?;
    Ok(Done { migrations: known, applied_now: known - before, reference })
}

/// Server version number and applied migrations.
pub async fn facts(store: &Store) -> Result<(i32, i64), StoreError> {
    let mut tx = store.begin(&Scope::System("check")).await?;
    Ok((server::version(&mut tx).await?, server::applied_migrations(&mut tx).await?))
}

pub fn known_migrations() -> i64 {
    i64::try_from(server::known_migrations()).unwrap_or(i64::MAX)
}

pub fn new_enough(version: i32) -> Result<(), Failure> {
    if version / 10_000 >= OLDEST_POSTGRES {
        return Ok(());
    }
    let what = format!("the server is PostgreSQL {}; {OLDEST_POSTGRES} or newer is needed", version / 10_000);
    Err(Failure::new("FO-023", what))
}

pub fn newer(applied: i64, known: i64) -> Failure {
    let what = format!("the database has {applied} migrations and this program knows {known}: a newer program made it");
    Failure::new("FO-022", what).next("use the newer program")
}
