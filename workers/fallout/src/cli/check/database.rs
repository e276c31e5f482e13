//! What `check` asks the database: is it there, new enough, durable, migrated.

use fallout_store::{Scope, Store, StoreError, server};

use super::Finding;
use crate::{
    cli::migrate::{known_migrations, new_enough, newer},
    codes::code_of,
    config::Settings,
    output::chain,
};

const AREA: &str = "database";

pub async fn findings(settings: &Settings) -> Vec<Finding> {
    let store = match settings.database.store() {
        Ok(store) => store,
        Err(failure) => {
            return vec![Finding::bad(AREA, "address", failure.code.id, format!("{failure}; {}", failure.next_step()))];
        }
    };
    let mut findings = Vec::new();
    if let Err(error) = facts(&store, &mut findings).await {
        let text = chain(&error);
        let code = code_of(&error.into()).map_or("FO-020", |code| code.id);
        findings.push(Finding::bad(AREA, "address", code, text));
    }
    store.close().await;
    findings
}

async fn facts(store: &Store, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
    let mut tx = store.begin(&Scope::System("check")).await?;
    let version = server::version(&mut tx).await?;
    findings.push(match new_enough(version) {
        Ok(()) => Finding::good(AREA, "version", format!("PostgreSQL {}.{}", version / 10_000, version % 10_000)),
        Err(failure) => Finding::bad(AREA, "version", failure.code.id, failure.to_string()),
    });
    for setting in server::durability(&mut tx).await? {
        findings.push(durable(&setting.name, &setting.value));
    }
    findings.push(migrations(server::applied_migrations(&mut tx).await?));
    Ok(())
}

/// `synchronous_commit` may be on, local, remote_write or remote_apply: each waits at least for our own disk.
fn durable(name: &str, value: &str) -> Finding {
    match value {
        "off" => Finding::bad(AREA, name, "FO-021", "off: a crash could lose an intent whose request was already sent"),
        value => Finding::good(AREA, name, value),
    }
}

fn migrations(applied: i64) -> Finding {
    let known = known_migrations();
    if applied > known {
        return Finding::bad(AREA, "migrations", "FO-022", newer(applied, known).to_string());
    }
    match known - applied {
        0 => Finding::good(AREA, "migrations", format!("all {known} applied")),
        missing => {
            Finding::bad(AREA, "migrations", "FO-022", format!("{missing} of {known} not applied; run fallout migrate"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_off_endangers_a_commit() {
        for (value, ok) in [("on", true), ("local", true), ("remote_apply", true), ("off", false)] {
            assert_eq!(durable("synchronous_commit", value).ok, ok, "{value}");
        }
    }
}
