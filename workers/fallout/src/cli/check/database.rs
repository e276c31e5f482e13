//! What `check` asks the database: is it there, new enough, durable, migrated.

use fallout_store::{
    Scope, Store, StoreError,
    server::{self, Role, Standbys},
};

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
    let durability = server::durability(&mut tx).await?;
    findings.extend(durability.iter().map(|setting| durable(&setting.name, &setting.value)));
    let waits =
        durability.iter().any(|s| s.name == "synchronous_commit" && !["off", "local"].contains(&s.value.as_str()));
    findings.push(standbys(&server::standbys(&mut tx).await?, waits));
    findings.push(migrations(server::applied_migrations(&mut tx).await?));
    findings.push(role(&server::role(&mut tx).await?));
    Ok(())
}

/// `synchronous_commit` may be on, local, remote_write or remote_apply: each waits at least for our own disk.
fn durable(name: &str, value: &str) -> Finding {
    match value {
        "off" => Finding::bad(AREA, name, "FO-021", "off: a crash could lose an intent whose request was already sent"),
        value => Finding::good(AREA, name, value),
    }
}

/// Whether a promoted standby may lack what was confirmed; `waits` when our commits wait for synchronous ones.
fn standbys(found: &Standbys, waits: bool) -> Finding {
    let Standbys { connected, asynchronous, hidden, .. } = found;
    let may_lack = "a failover to one could lose intents whose requests were sent";
    match (*connected, waits && !found.synchronous_names.is_empty()) {
        (0, _) => Finding::good(AREA, "standbys", "none"),
        (_, false) => {
            Finding::warning(AREA, "standbys", "FO-024", format!("no commit waits for one of {connected}: {may_lack}"))
        }
        _ if *asynchronous > 0 => Finding::warning(
            AREA,
            "standbys",
            "FO-024",
            format!("{asynchronous} of {connected} are asynchronous: {may_lack}"),
        ),
        _ if *hidden > 0 => {
            Finding::warning(AREA, "standbys", "FO-024", format!("{connected}, their state only visible to pg_monitor"))
        }
        _ => Finding::good(AREA, "standbys", format!("{connected}, synchronous")),
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

/// Whether row-level security binds us.
fn role(role: &Role) -> Finding {
    let Role { name, unbound, owns, unguarded } = role;
    if *unbound {
        return Finding::bad(AREA, "role", "FO-025", format!("row-level security does not hold for {name}"));
    }
    if !unguarded.is_empty() {
        let what = format!("no row-level security on {}; run fallout migrate", unguarded.join(", "));
        return Finding::bad(AREA, "role", "FO-022", what);
    }
    match owns {
        true => {
            Finding::warning(AREA, "role", "FO-025", format!("{name} owns the tables and could take policies away"))
        }
        false => Finding::good(AREA, "role", format!("{name}, bound by row-level security")),
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
    #[test]
    fn a_role_that_no_policy_binds_is_refused_and_one_that_owns_the_tables_is_warned_of() {
        let told = |unbound, owns, unguarded: &[&str]| {
            let unguarded = unguarded.iter().map(|t| (*t).to_owned()).collect();
            let finding = role(&Role { name: "app".to_owned(), unbound, owns, unguarded });
            (finding.ok, finding.code)
        };
        assert_eq!(told(false, false, &[]), (true, None));
        assert_eq!(told(false, true, &[]), (true, Some("FO-025")));
        assert_eq!(told(true, true, &[]), (false, Some("FO-025")));
        assert_eq!(told(false, false, &["step"]), (false, Some("FO-022")));
    }

    #[test]
    fn a_standby_that_may_lack_a_commit_is_warned_of() {
        let told = |names: &str, (connected, asynchronous, hidden), waits| {
            let synchronous_names = names.to_owned();
            let finding = standbys(&Standbys { synchronous_names, connected, asynchronous, hidden }, waits);
            assert!(finding.ok, "a warning stops nothing");
            finding.code.map(|code| (code, finding.detail))
        };
        assert_eq!(told("", (0, 0, 0), true), None);
        assert_eq!(told("a", (1, 0, 0), true), None);
        let cases = [
            ("", (2, 2, 0), true, "no commit"),
            ("a", (1, 0, 0), false, "no commit"),
            ("a", (2, 1, 0), true, "1 of 2"),
            ("a", (2, 0, 2), true, "pg_monitor"),
        ];
        for (names, counts, waits, says) in cases {
            let (code, detail) = told(names, counts, waits).unwrap();
            assert!(code == "FO-024" && detail.contains(says), "{detail}");
        }
    }
}
