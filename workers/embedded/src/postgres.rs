//! One Postgres server: unix socket for us, loopback TCP with passwords for the engine (JDBC knows no unix sockets).

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    account::Account,
    binaries::Binaries,
    child::Supervised,
    cluster,
    directory::{Directory, socket_folder},
    engine::EngineDatabase,
    error::EmbeddedError,
    postgres_launch::Place,
    postmaster,
};

/// A fast shutdown writes one checkpoint.
const STOPPED_WITHIN: Duration = Duration::from_secs(20);

#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Holds the data, the passwords and the log. Its parents must let others in when we run as root: see
    /// [`crate::suitable_dir`].
    pub dir: PathBuf,
    /// Each name becomes a login role and a database that it owns: lower case letters, digits and `_`.
    pub databases: Vec<String>,
    /// For TCP on 127.0.0.1; 0 takes a free one and keeps it over restarts.
    pub port: u16,
}

/// A running server. Dropping it stops it; if we die it stops by itself.
#[derive(Debug)]
pub struct Postgres {
    options: PostgresOptions,
    directory: Directory,
    binaries: Binaries,
    account: Account,
    socket_dir: PathBuf,
    data: PathBuf,
    port: u16,
    server: Supervised,
}

impl Postgres {
    /// Starts the server on `options.dir`, waits until it answers, and makes the roles and databases.
    ///
    /// # Errors
    /// Each with a code: no programs, other major version, no passwd entry, directory in use, not started, port taken.
    pub fn start(options: PostgresOptions) -> Result<Self, EmbeddedError> {
        let account = Account::for_servers()?;
        let directory = Directory::take(&options.dir, &account)?;
        let data = directory.path.join("data");
        let binaries = Binaries::find(&data, cluster::major_of(&data))?;
        postmaster::wait_out(&data)?;
        cluster::create(&directory, &binaries, &account)?;
        let socket_dir = socket_folder(&directory, &account)?;
        let place = Place { directory: &directory, binaries: &binaries, account: &account, socket_dir: &socket_dir };
        let (server, port) = place.launch(options.port)?;
        let postgres = Self { options, directory, binaries, account, socket_dir, data, port, server };
        for name in &postgres.options.databases {
            postgres.add_database(name)?;
        }
        Ok(postgres)
    }

    /// One more role and database of that name. Already there is fine.
    ///
    /// # Errors
    /// When the server is down or the name is not lower case letters, digits and `_`.
    pub fn add_database(&self, name: &str) -> Result<(), EmbeddedError> {
        cluster::add_database(&mut self.psql(), &self.directory, name)
    }

    /// As superuser.
    fn psql(&self) -> Command {
        let mut psql = Command::new(self.binaries.program("psql"));
        psql.env_clear().env("PGCLIENTENCODING", "UTF8").arg("-h").arg(&self.socket_dir);
        psql.args(["-p", &self.port.to_string(), "-U", "postgres", "-d", "postgres"]);
        psql
    }

    /// A login of its own that may connect to `database` and owns nothing. Already there is fine.
    ///
    /// # Errors
    /// As [`Self::add_database`].
    pub fn add_role(&self, database: &str, role: &str) -> Result<(), EmbeddedError> {
        cluster::add_role(&mut self.psql(), &self.directory, database, role)
    }

    /// For our own connections: over the socket, as the role of that name, which owns it; no password.
    #[must_use]
    pub fn socket_url(&self, database: &str) -> String {
        self.socket_url_as(database, database)
    }

    /// As [`Self::socket_url`], as another role.
    #[must_use]
    pub fn socket_url_as(&self, database: &str, role: &str) -> String {
        let host = percent_encoded(&self.socket_dir.to_string_lossy());
        format!("postgres:///{database}?host={host}&port={}&user={role}", self.port)
    }

    /// As [`Self::socket_url`], but as superuser: for tests that make databases of their own.
    #[must_use]
    pub fn admin_url(&self, database: &str) -> String {
        self.socket_url_as(database, "postgres")
    }

    /// The line that a person pastes into a shell to look at `database` as `role`.
    #[must_use]
    pub fn psql_line(&self, database: &str, role: &str) -> String {
        let on_path = std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join("psql").is_file()));
        let psql = if on_path { PathBuf::from("psql") } else { self.binaries.program("psql") };
        format!("{} '{}'", psql.display(), self.socket_url_as(database, role))
    }

    /// A program that came with the server: `psql`, `pgbench`.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.binaries.program(name)
    }

    /// What an engine needs to connect to `database` over TCP.
    ///
    /// # Errors
    /// When the password file can be neither read nor written.
    pub fn engine_database(&self, database: &str) -> Result<EngineDatabase, EmbeddedError> {
        let (name, role) = (database.to_owned(), database.to_owned());
        Ok(EngineDatabase { port: self.port, name, role, password: self.password(database)? })
    }

    /// # Errors
    /// When the password file can be neither read nor written.
    pub fn password(&self, role: &str) -> Result<String, EmbeddedError> {
        self.directory.password(role)
    }

    #[must_use]
    pub fn tcp_port(&self) -> u16 {
        self.port
    }

    /// Where the socket is: `<dir>/run`, or a folder in /tmp when that path is longer than a socket's may be.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// The major version of the server.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.binaries.major
    }

    /// The process id of the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Shuts down cleanly: sessions are cut, a checkpoint is written. Does nothing when it is down.
    pub fn stop(&mut self) {
        self.server.stop(libc::SIGINT, STOPPED_WITHIN);
    }

    /// For tests: as after a power cut of the server alone.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again on the same port, after [`Self::stop`] or [`Self::kill`]; a running one is stopped first.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restart(&mut self) -> Result<(), EmbeddedError> {
        self.stop();
        postmaster::wait_out(&self.data)?;
        let place = Place {
            directory: &self.directory,
            binaries: &self.binaries,
            account: &self.account,
            socket_dir: &self.socket_dir,
        };
        self.server = place.launch(self.port)?.0;
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::percent_encoded;

    #[test]
    fn a_socket_path_survives_as_part_of_a_url() {
        assert_eq!(percent_encoded("/srv/ä b/run"), "/srv/%C3%A4%20b/run");
    }
}
