//! One seeded database for all tests of this binary, which only read it; and the role that the program works as.

use std::path::Path;

use fallout_core::{catalogue::Catalogue, worklist::Filter};
use fallout_desk::Desk;
use fallout_embedded::{Postgres, PostgresOptions, suitable_dir};
use fallout_store::Store;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::sync::OnceCell;

pub const TENANT: &str = "t";
const CASES: u32 = 20_000;

/// Addresses: a runtime of one test must not keep the connections of another.
struct House {
    url: String,
    admin: String,
    _postgres: Postgres,
}

static HOUSE: OnceCell<House> = OnceCell::const_new();

async fn house() -> &'static House {
    HOUSE
        .get_or_init(|| async {
            let dir = suitable_dir(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("desk-worklist"));
            let _ = std::fs::remove_dir_all(&dir);
            std::fs::create_dir_all(&dir).unwrap();
            let postgres =
                Postgres::start(PostgresOptions { dir, databases: vec!["worklist".into()], port: 0 }).unwrap();
            postgres.add_role("worklist", "program").unwrap();
            let url = postgres.socket_url_as("worklist", "program");
            let store = Store::new(&url, 1).unwrap().owned_by(&postgres.socket_url("worklist")).unwrap();
            store.migrate().await.unwrap();
            store.close().await;
            let admin = postgres.admin_url("worklist");
            let mut hand = PgConnection::connect(&admin).await.unwrap();
            run(&mut hand, &format!("set seed.cases = {CASES}")).await;
            for statement in include_str!("../../../../tests/benches/desk/worklist.sql").split(";\n") {
                run(&mut hand, statement).await;
            }
            House { url, admin, _postgres: postgres }
        })
        .await
}

pub async fn run(hand: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(hand).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

pub async fn store() -> Store {
    Store::new(&house().await.url, 2).unwrap()
}

pub async fn desk() -> Desk {
    let catalogue = Catalogue {
        taxonomy: toml::from_str(include_str!("../../../../config/taxonomy.toml")).unwrap(),
        authority: toml::from_str(include_str!("../../../../config/authority.toml")).unwrap(),
        ..Catalogue::default()
    };
    Desk::new(store().await, catalogue.into())
}

/// By hand and past every policy.
pub async fn hand() -> PgConnection {
    PgConnection::connect(&house().await.admin).await.unwrap()
}

/// Case numbers that a hand-written query gives, in its order.
pub async fn numbers(sql: &str) -> Vec<String> {
    texts(&mut hand().await, &format!("select case_number from fallout_case c where {sql}")).await
}

/// The rows of a query of one text column.
pub async fn texts(hand: &mut PgConnection, sql: &str) -> Vec<String> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(hand).await;
    rows.unwrap_or_else(|e| panic!("{sql}: {e}")).iter().map(|row| row.get(0)).collect()
}

pub fn with(change: impl FnOnce(&mut Filter)) -> Filter {
    let mut filter = Filter::default();
    change(&mut filter);
    filter
}
