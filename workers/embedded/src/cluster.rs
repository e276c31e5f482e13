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

/// A role with the password of its file and a database of the same name that it alone may connect to. Idempotent.
pub(crate) fn add_database(psql: &mut Command, directory: &Directory, name: &str) -> Result<(), EmbeddedError> {
    let plain = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '_');
    if name.is_empty() || !name.chars().all(plain) {
        let source = io::Error::other("a database name has lower case letters, digits and _ only");
        return Err(EmbeddedError::Io { doing: format!("make the database {name}"), source });
    }
    let password = directory.password(name)?;
    // The password goes in by standard input: arguments can be read by everyone on the machine.
    let script = format!(
        r#"\set name {name}
\set password {password}
select format('create role %I login', :'name') where not exists (select from pg_roles where rolname = :'name') \gexec
alter role :"name" password :'password';
select format('create database %I owner %I', :'name', :'name')
 where not exists (select from pg_database where datname = :'name') \gexec
revoke all on database :"name" from public;
"#
    );
    let failed = EmbeddedError::io(format!("make the role and database {name}"));
    run(psql, &script).map_err(failed)
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
