//! The logins of a database that we bring ourselves: its owner migrates, the program works, people read.

use anyhow::{Context as _, Result};
use fallout_embedded::{EmbeddedError, Postgres};
use fallout_store::{Scope, access};

use crate::config::{DatabaseSettings, Secret, Settings};

/// The database, and the role that owns it.
const OWNER: &str = "fallout";
const PROGRAM: &str = "fallout_app";
const READER: &str = "fallout_reader";

/// Makes the roles beside the owner.
pub fn make(postgres: &Postgres) -> Result<(), EmbeddedError> {
    [PROGRAM, READER].iter().try_for_each(|role| postgres.add_role(OWNER, role))
}

/// Leads `settings` to the database: the program as its own role, migrations as the owner.
pub fn settle(postgres: &Postgres, settings: &mut DatabaseSettings) {
    settings.url = Secret::new(postgres.socket_url_as(OWNER, PROGRAM));
    settings.owner_url = Secret::new(postgres.socket_url(OWNER));
}

/// Binds the reader to the tenant of `settings`, and the line to paste into a shell: the open cases by age, through it.
pub async fn reader_line(postgres: &Postgres, settings: &Settings) -> Result<String> {
    let owner = settings.database.store()?.owner();
    let mut tx = owner.begin(&Scope::System("access")).await?;
    access::add_reader(&mut tx, READER, &settings.tenant.id).await.context("binding the reader to its tenant")?;
    tx.commit().await?;
    owner.close().await;
    Ok(format!("{} -c 'table fallout_v1.open_by_age'", postgres.psql_line(OWNER, READER)))
}
