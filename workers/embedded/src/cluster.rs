//! The data directory: made once by initdb, then given a role and a database per name.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::{Command, Stdio},
};

use crate::{account::Account, binaries::Binaries, child::die_with_us, directory::Directory, error::EmbeddedError};

/// The major version that made the data directory; `None` when there is none yet.
pub(crate) fn major_of(data: &Path) -> Option<u32> {
    fs::read_to_string(data.join("PG_VERSION")).ok()?.trim().parse().ok()
}

/// Makes `data` unless it is there. Built beside and renamed in, so that a kill in the middle leaves nothing half made.
/// The superuser gets no password: over TCP, where passwords are asked for, it cannot log in at all.
pub(crate) fn create(directory: &Directory, binaries: &Binaries, account: &Account) -> Result<(), EmbeddedError> {
    let data = directory.path.join("data");
    if data.exists() {
        return Ok(());
    }
    let beside = directory.emptied("data.new", account)?;
    let mut initdb = command(binaries, "initdb", account);
    initdb.args(["--auth-local=trust", "--auth-host=scram-sha-256", "-U", "postgres"]);
    initdb.args(["-E", "UTF8", "--locale=C.UTF-8", "-D"]).arg(&beside);
    die_with_us(&mut initdb, libc::SIGTERM);
    let output = initdb.output().map_err(EmbeddedError::io("run initdb"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let reason = said.lines().rev().find(|line| line.contains("error")).unwrap_or("initdb failed");
        return Err(EmbeddedError::PostgresDidNotStart { reason: reason.to_owned(), log: beside });
    }
    fs::rename(&beside, &data).map_err(EmbeddedError::io(format!("rename {}", beside.display())))?;
    Ok(())
}

/// A PostgreSQL program that runs as `account` and sees nothing of our environment.
pub(crate) fn command(binaries: &Binaries, program: &str, account: &Account) -> Command {
    let mut command = Command::new(binaries.program(program));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8").env("TZ", "UTC").current_dir("/");
    account.apply(&mut command);
    command
}

/// A role with the password of its file and a database of the same name that it owns. Idempotent.
pub(crate) fn add_database(psql: &mut Command, directory: &Directory, name: &str) -> Result<(), EmbeddedError> {
    let script = format!(
        r#"{}
select format('create database %I owner %I', :'role', :'role')
 where not exists (select from pg_database where datname = :'role') \gexec
revoke all on database :"role" from public;
"#,
        login(directory, name)?
    );
    run(psql, &script).map_err(EmbeddedError::io(format!("make the role and database {name}")))
}

/// A role with the password of its file that may connect to `database`. Idempotent.
pub(crate) fn add_role(
    psql: &mut Command,
    directory: &Directory,
    database: &str,
    role: &str,
) -> Result<(), EmbeddedError> {
    let database = plain(database)?;
    let script = format!("{}\ngrant connect on database \"{database}\" to :\"role\";\n", login(directory, role)?);
    run(psql, &script).map_err(EmbeddedError::io(format!("make the role {role}")))
}

fn plain(name: &str) -> Result<&str, EmbeddedError> {
    if !name.is_empty() && name.chars().all(|letter| matches!(letter, 'a'..='z' | '0'..='9' | '_')) {
        return Ok(name);
    }
    let source = io::Error::other("the name of a database or role has lower case letters, digits and _ only");
    Err(EmbeddedError::Io { doing: format!("make {name}"), source })
}

/// Makes the role `:role`.
fn login(directory: &Directory, role: &str) -> Result<String, EmbeddedError> {
    // The password goes in by standard input: arguments can be read by everyone on the machine.
    let password = directory.password(plain(role)?)?;
    Ok(format!(
        r#"\set role {role}
\set password {password}
select format('create role %I login', :'role') where not exists (select from pg_roles where rolname = :'role') \gexec
alter role :"role" password :'password';"#
    ))
}

fn run(psql: &mut Command, script: &str) -> io::Result<()> {
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"]);
    let mut child = psql.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(script.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
