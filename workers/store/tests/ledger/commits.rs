//! A connection that breaks at our own COMMIT: what was written is known, and said.

use std::sync::{Arc, Mutex};

use fallout_store::{Scope, Store, StoreError};
use sqlx::Connection;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::database::{Database, legal, tcp};

/// What the proxy does with the next COMMIT.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cut {
    /// The server never sees it.
    Before,
    /// The server has done it, and its answer is lost.
    After,
    /// As after, and nobody can connect any more.
    AfterAndAway,
}

type Armed = Arc<Mutex<Option<Cut>>>;

/// Between the store and the server; cuts the connection that sends a COMMIT while it is armed.
async fn proxy(server: u16) -> (u16, Armed) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let armed = Armed::default();
    let gun = Arc::clone(&armed);
    tokio::spawn(async move {
        let mut tasks = tokio::task::JoinSet::new();
        loop {
            let (client, _) = listener.accept().await.unwrap();
            if *gun.lock().unwrap() == Some(Cut::AfterAndAway) {
                continue;
            }
            let upstream = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
            tasks.spawn(pass(client, upstream, Arc::clone(&gun)));
        }
    });
    (port, armed)
}

async fn pass(mut client: TcpStream, mut server: TcpStream, armed: Armed) {
    let (mut said, mut answered) = (vec![0; 16_384], vec![0; 16_384]);
    loop {
        tokio::select! {
            read = client.read(&mut said) => {
                let Some(bytes) = read.ok().filter(|n| *n > 0).map(|n| &said[..n]) else { return };
                let cut = armed.lock().unwrap().filter(|_| bytes.windows(7).any(|w| w == b"COMMIT\0"));
                if cut == Some(Cut::Before) {
                    armed.lock().unwrap().take();
                    return;
                }
                server.write_all(bytes).await.unwrap();
                if let Some(cut) = cut {
                    // The answer says that it is done; nobody hears it.
                    assert!(server.read(&mut answered).await.unwrap() > 0);
                    if cut == Cut::After {
                        armed.lock().unwrap().take();
                    }
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Some(n) = read.ok().filter(|n| *n > 0) else { return };
                if client.write_all(&answered[..n]).await.is_err() {
                    return;
                }
            }
        }
    }
}

struct Line {
    database: Database,
    store: Store,
    armed: Armed,
}

async fn line() -> Line {
    let database = Database::new().await;
    let (port, password) = tcp(&database);
    let (through, armed) = proxy(port).await;
    let name = &database.name;
    let url = format!("postgres://{name}:{password}@127.0.0.1:{through}/{name}?sslmode=disable");
    Line { store: Store::new(&url, 3).unwrap(), database, armed }
}

impl Line {
    /// Writes one row through the proxy, whose next COMMIT meets `cut`; what was said, and how many rows there are.
    async fn write(&self, cut: Option<Cut>) -> (Result<(), StoreError>, i64) {
        let mut tx = self.store.begin(&Scope::System("test")).await.unwrap();
        let (from, to) = ("2020-01-01T00:00:00Z".parse().unwrap(), "2020-01-02T00:00:00Z".parse().unwrap());
        let lost = fallout_core::restore::LostWindow { from, to };
        fallout_store::restore::declare(&mut tx, lost, "a row like any other", "test").await.unwrap();
        *self.armed.lock().unwrap() = cut;
        let said = tx.commit().await;
        let mut conn = self.database.connect().await;
        let rows = sqlx::query_scalar("select count(*) from restore_window").fetch_one(&mut conn).await.unwrap();
        (said, rows)
    }
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_known_to_be_written() {
    let line = line().await;
    let (said, rows) = line.write(Some(Cut::After)).await;
    assert!(said.is_ok(), "{said:?}");
    assert_eq!(rows, 1);
    assert!(line.armed.lock().unwrap().is_none(), "nothing was cut");
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_known_not_to_be_written_and_can_be_repeated() {
    let line = line().await;
    let (said, rows) = line.write(Some(Cut::Before)).await;
    assert!(matches!(said, Err(StoreError::NotCommitted(_))), "{said:?}");
    assert!(said.unwrap_err().is_away());
    assert_eq!(rows, 0);
    let (said, rows) = line.write(None).await;
    assert!(said.is_ok() && rows == 1, "{said:?}");
}

/// A crash of the server makes the numbers of lost transactions free for others: they say nothing about ours any more.
#[tokio::test]
async fn after_a_crash_of_the_server_a_number_is_not_taken_for_the_transaction_it_was() {
    let line = line().await;
    let tx = line.store.begin(&Scope::System("test")).await.unwrap();
    // What recovery does to an unlogged table.
    legal(&mut line.database.connect().await, "truncate server_life; insert into server_life default values").await;
    *line.armed.lock().unwrap() = Some(Cut::After);
    let said = tx.commit().await;
    assert!(matches!(said, Err(StoreError::CommitUnknown(_))), "{said:?}");
}

#[tokio::test]
async fn a_commit_that_nobody_can_be_asked_about_is_called_unknown() {
    let line = line().await;
    let (said, rows) = line.write(Some(Cut::AfterAndAway)).await;
    assert!(matches!(said, Err(StoreError::CommitUnknown(_))), "{said:?}");
    assert!(said.unwrap_err().is_away());
    assert_eq!(rows, 1);
}

/// What the test above stands on: a clean stop keeps the server's life, a kill ends it.
#[tokio::test]
async fn a_killed_server_begins_another_life_and_a_stopped_one_goes_on() {
    let mut server = crate::database::own_server("ledger-killed");
    server.add_database("life").unwrap();
    let url = server.socket_url("life");
    let store = Store::new(&url, 1).unwrap();
    store.migrate().await.unwrap();
    store.close().await;
    let life = async || {
        let store = Store::new(&url, 1).unwrap();
        drop(store.begin(&Scope::System("test")).await.unwrap());
        let mut conn = sqlx::PgConnection::connect(&url).await.unwrap();
        let id = sqlx::query_scalar::<_, String>("select id::text from server_life");
        id.fetch_one(&mut conn).await.unwrap()
    };
    let first = life().await;
    server.restart().unwrap();
    assert_eq!(life().await, first);
    server.kill();
    server.restart().unwrap();
    assert_ne!(life().await, first);
}
