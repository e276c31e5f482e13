//! A migrated database of one's own on the one server of this binary, and hand-written SQL on it.

use std::{
    path::Path,
    str::FromStr,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use fallout_embedded::{Postgres, PostgresOptions, suitable_dir};
use fallout_store::Store;
use sqlx::{
    AssertSqlSafe, Connection, PgConnection,
    postgres::{PgConnectOptions, PgDatabaseError},
};

pub struct Database {
    pub name: String,
    pub url: String,
}

/// What the database said to a statement: nothing, or the rule that refused it and why.
pub type Said = Result<(), (String, String)>;

fn server() -> &'static Mutex<Postgres> {
    static SERVER: OnceLock<Mutex<Postgres>> = OnceLock::new();
    SERVER.get_or_init(|| Mutex::new(own_server("ledger")))
}

/// One that a test may kill; it stops with this process.
pub fn own_server(name: &str) -> Postgres {
    let dir = suitable_dir(&Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    Postgres::start(PostgresOptions { dir, databases: Vec::new(), port: 0 }).unwrap()
}

/// `(port, password)` for TCP as the owner of `database`.
pub fn tcp(database: &Database) -> (u16, String) {
    let server = server().lock().unwrap();
    (server.tcp_port(), server.password(&database.name).unwrap())
}

impl Database {
    /// Migrated, with the short ways of database.sql.
    pub async fn new() -> Database {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ledger_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let url = {
            let server = server().lock().unwrap();
            server.add_database(&name).unwrap();
            server.socket_url(&name)
        };
        let store = Store::new(&url, 2).unwrap();
        store.migrate().await.unwrap();
        store.close().await;
        let database = Database { name, url };
        let mut conn = database.connect().await;
        sqlx::raw_sql(include_str!("database.sql")).execute(&mut conn).await.unwrap();
        database
    }

    /// The address for a role of this database's own that owns nothing.
    pub fn login(&self, purpose: &str) -> (String, String) {
        let role = format!("{}_{purpose}", self.name);
        let server = server().lock().unwrap();
        server.add_role(&self.name, &role).unwrap();
        (server.socket_url_as(&self.name, &role), role)
    }

    pub async fn connect(&self) -> PgConnection {
        // By hand, for every tenant: as a service of ours.
        let options = PgConnectOptions::from_str(&self.url).unwrap().options([("fallout.service", "test")]);
        PgConnection::connect_with(&options).await.unwrap()
    }
}

/// Runs hand-written statements; a refusal is the constraint that it names and its text.
pub async fn run(conn: &mut PgConnection, sql: &str) -> Said {
    match sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await {
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(e)) => {
            let rule = e.downcast_ref::<PgDatabaseError>().constraint().unwrap_or_default().to_owned();
            Err((rule, e.message().to_owned()))
        }
        Err(e) => panic!("{sql}: {e}"),
    }
}

/// What a statement must not do.
pub async fn legal(conn: &mut PgConnection, sql: &str) {
    if let Err((rule, why)) = run(conn, sql).await {
        panic!("refused by {rule} ({why}):\n{sql}");
    }
}
