//! Who sees what: one tenant nothing of another, the program no more than it needs, a reader its views only.

use std::collections::BTreeSet;

use fallout_store::{
    Scope, Store, StoreError,
    access::{self, Fitness},
    orders, server,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::database::{Database, legal, run};

/// Every table that has rows of tenants since the first migrations; later ones may come on top.
const FILLED: [&str; 21] = [
    "product_order",
    "order_run",
    "step",
    "step_tombstone",
    "intent",
    "attempt",
    "evidence",
    "fallout_case",
    "fallout_event",
    "case_severity",
    "case_sla",
    "case_sla_segment",
    "fallout_recovery_action",
    "fallout_external_signal",
    "engine_command",
    "order_context",
    "order_item",
    "order_event",
    "order_personal",
    "order_erasure",
    "access_token",
];
const MINE: &str = "select set_config('fallout.tenant', 't', false), set_config('fallout.service', '', false)";
const ALL: &str = "select set_config('fallout.tenant', '', false), set_config('fallout.service', 'test', false)";
const NONE: &str = "select set_config('fallout.tenant', '', false), set_config('fallout.service', '', false)";

async fn texts(conn: &mut PgConnection, sql: &str) -> BTreeSet<String> {
    let rows = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql.to_owned())).fetch_all(conn).await;
    rows.unwrap_or_else(|e| panic!("{sql}: {e}")).into_iter().collect()
}

async fn tables_of_tenants(conn: &mut PgConnection) -> BTreeSet<String> {
    let sql = "select table_name::text from information_schema.columns join information_schema.tables using (table_schema, table_name)
               where table_schema = 'public' and column_name = 'tenant_id' and table_type = 'BASE TABLE'";
    texts(conn, sql).await
}

/// A database with rows of `t` and `u`, and the address of the role that the program works as.
async fn two_tenants() -> (Database, String, String) {
    let database = Database::new().await;
    let (url, role) = database.login("app");
    let store = Store::new(&url, 1).unwrap().owned_by(&database.url).unwrap();
    store.migrate().await.unwrap();
    store.close().await;
    let mut conn = database.connect().await;
    legal(&mut conn, "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1)").await;
    legal(&mut conn, include_str!("tenancy.sql")).await;
    (database, url, role)
}

async fn refused(conn: &mut PgConnection, sql: &str, says: &str) {
    let (_, why) = run(conn, sql).await.expect_err(sql);
    assert!(why.contains(says), "{sql}: {why}");
}

#[tokio::test]
async fn every_table_with_tenants_forces_the_same_policy_and_the_next_migrate_finds_a_new_one() {
    let database = Database::new().await;
    let mut conn = database.connect().await;
    let unguarded = async || {
        let store = Store::new(&database.url, 1).unwrap();
        let role = server::role(&mut store.begin(&Scope::System("test")).await.unwrap()).await.unwrap();
        assert!(role.owns && !role.unbound);
        role.unguarded
    };
    assert_eq!(unguarded().await, [""; 0]);
    let policies = "select distinct qual from pg_policies where policyname = 'tenant_scope'";
    assert_eq!(texts(&mut conn, policies).await.len(), 1);
    let with_policy = "select tablename::text from pg_policies where policyname = 'tenant_scope' and cmd = 'ALL'";
    assert_eq!(texts(&mut conn, with_policy).await, tables_of_tenants(&mut conn).await);

    legal(&mut conn, "create table later (tenant_id text not null)").await;
    assert_eq!(unguarded().await, ["later"]);
    let owner = Store::new(&database.url, 1).unwrap();
    owner.migrate().await.unwrap();
    owner.migrate().await.unwrap();
    assert_eq!(unguarded().await, [""; 0]);
}

#[tokio::test]
async fn a_tenant_sees_no_row_of_another_in_any_table() {
    let (_database, url, _) = two_tenants().await;
    let mut conn = PgConnection::connect(&url).await.unwrap();
    let tables = tables_of_tenants(&mut conn).await;
    for table in FILLED {
        assert!(tables.contains(table), "{table}");
    }
    for table in &tables {
        let tenants = format!("select distinct tenant_id from {table}");
        legal(&mut conn, ALL).await;
        let all = texts(&mut conn, &tenants).await;
        assert!(!FILLED.contains(&table.as_str()) || all.contains("u"), "{table} has no row that could be seen");
        legal(&mut conn, MINE).await;
        let mine = texts(&mut conn, &tenants).await;
        assert!(!mine.contains("u"), "{table}: {mine:?}");
        legal(&mut conn, NONE).await;
        assert!(texts(&mut conn, &tenants).await.is_empty(), "{table} without a scope");
    }
}

#[tokio::test]
async fn a_tenant_changes_no_row_of_another() {
    let (_database, url, _) = two_tenants().await;
    let mut conn = PgConnection::connect(&url).await.unwrap();
    legal(&mut conn, MINE).await;
    let foreign = "insert into product_order (id, tenant_id, external_id, document) values (id(92), 'u', 'o-92', '{}')";
    refused(&mut conn, foreign, "row-level security").await;
    refused(&mut conn, "update product_order set tenant_id = 'u' where tenant_id = 't'", "row-level security").await;
    legal(&mut conn, "update product_order set customer_id = 'changed'; update fallout_case set severity = 'SEV1'")
        .await;
    refused(&mut conn, "select archive_run(id(91))", "has not ended").await;
    legal(&mut conn, ALL).await;
    let changed = texts(&mut conn, "select tenant_id from product_order where customer_id = 'changed'").await;
    assert_eq!(changed, ["t".to_owned()].into());
    assert!(texts(&mut conn, "select tenant_id from fallout_case where severity = 'SEV1'").await.is_empty());
}

#[tokio::test]
async fn a_scope_of_the_store_is_what_the_policies_go_by() {
    let (_database, url, role) = two_tenants().await;
    let store = Store::new(&url, 1).unwrap();
    assert_eq!(store.role(), role);
    for (scope, seen) in [(Scope::Tenant("u".into()), 2), (Scope::Tenant("t".into()), 0), (Scope::System("test"), 2)] {
        let mut tx = store.begin(&scope).await.unwrap();
        assert_eq!(orders::of_tenant(&mut tx, "u").await.unwrap().len(), seen, "{scope:?}");
    }
    let mut tx = store.begin(&Scope::System("test")).await.unwrap();
    let role = server::role(&mut tx).await.unwrap();
    assert!(!role.owns && !role.unbound && role.unguarded.is_empty(), "{role:?}");
}

#[tokio::test]
async fn the_role_of_the_program_may_do_what_the_program_does_and_no_more() {
    let (database, url, _) = two_tenants().await;
    let mut conn = PgConnection::connect(&url).await.unwrap();
    legal(&mut conn, ALL).await;
    for sql in [
        "delete from evidence",
        "delete from fallout_case",
        "update evidence set detail = '{}'",
        "update fallout_event set reason = 'another'",
        "truncate fallout_case cascade",
        "select * from reader_login",
        "update _sqlx_migrations set success = false",
        "alter table step disable trigger all",
        "drop policy tenant_scope on step",
        "create table own (id int)",
    ] {
        let (_, why) = run(&mut conn, sql).await.expect_err(sql);
        assert!(why.contains("permission denied") || why.contains("must be owner"), "{sql}: {why}");
    }
    legal(&mut database.connect().await, "call settle(1, 1, 'success'); update step set state = 'running' where id = id(1); update step set state = 'done' where id = id(1); call end_run()").await;
    legal(&mut conn, MINE).await;
    legal(&mut conn, "select archive_run(id(1))").await;
    assert_eq!(texts(&mut conn, "select identity from step_tombstone").await, ["t:o-1:1/step-1/do".to_owned()].into());
}

/// Grants of DELETE stand in access.sql; what the program deletes stands in its statements.
#[test]
fn the_program_may_delete_exactly_where_it_does() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut statements = BTreeSet::new();
    for file in
        std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path()).filter(|f| f.extension().unwrap() == "rs")
    {
        let text = std::fs::read_to_string(&file).unwrap();
        let tables = text
            .split("delete from ")
            .skip(1)
            .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap());
        statements.extend(tables.map(str::to_owned));
    }
    // The owner's alone.
    assert!(statements.remove("reader_login"));
    let access = include_str!("../../src/access.sql");
    let list = access.split("deletes constant text[] := array[").nth(1).unwrap().split(']').next().unwrap();
    let granted: BTreeSet<String> = list.split('\'').skip(1).step_by(2).map(str::to_owned).collect();
    // Only of tables that there are.
    let migrations = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let texts = std::fs::read_dir(migrations).unwrap().map(|f| std::fs::read_to_string(f.unwrap().path()).unwrap());
    let made: String = texts.collect();
    let granted: BTreeSet<String> =
        granted.into_iter().filter(|t| made.contains(&format!("create table {t} ("))).collect();
    assert_eq!(granted, statements, "the list `deletes` in workers/store/src/access.sql");
}

#[tokio::test]
async fn a_reader_sees_the_views_of_its_tenant_whatever_it_sets() {
    let (database, _, _) = two_tenants().await;
    let (url, login) = database.login("reader");
    let owner = Store::new(&database.url, 2).unwrap();
    let mut tx = owner.begin(&Scope::System("access")).await.unwrap();
    assert_eq!(access::fitness(&mut tx, &login).await.unwrap(), Fitness::Fit);
    assert!(access::add_reader(&mut tx, &login, "u").await.unwrap());
    assert!(!access::add_reader(&mut tx, &login, "u").await.unwrap());
    tx.commit().await.unwrap();

    let mut conn = PgConnection::connect(&url).await.unwrap();
    let one = |word: &str| BTreeSet::from([word.to_owned()]);
    for scope in ["select 1", MINE, ALL, NONE] {
        legal(&mut conn, scope).await;
        assert_eq!(texts(&mut conn, "select order_id from fallout_v1.cases where open").await, one("o-90"), "{scope}");
        assert_eq!(texts(&mut conn, "select case_number from fallout_v1.timeline").await, one("fc-90"));
        assert_eq!(texts(&mut conn, "select order_id || state from fallout_v1.attempts").await, one("o-90open"));
        let by_age =
            "select cases || ' ' || under_a_day || ' ' || under_a_week || ' ' || older from fallout_v1.open_by_age";
        assert_eq!(texts(&mut conn, by_age).await, one("1 1 0 0"));
        assert_eq!(texts(&mut conn, "select order_id || ' ' || state from fallout_v1.orders").await, one("o-90 held"));
        assert_eq!(texts(&mut conn, "select order_id || line_id from fallout_v1.order_items").await, one("o-901"));
    }
    for sql in ["select * from fallout_case", "select * from reader_login", "select archive_run(id(90))"] {
        refused(&mut conn, sql, "permission denied").await;
    }

    let mut tx = owner.begin(&Scope::System("access")).await.unwrap();
    assert!(access::add_reader(&mut tx, &login, "t").await.unwrap(), "another tenant");
    tx.commit().await.unwrap();
    assert!(texts(&mut conn, "select case_number from fallout_v1.cases").await.is_empty());
    assert_eq!(texts(&mut conn, "select order_id from fallout_v1.attempts").await, one("o-1"));

    let mut tx = owner.begin(&Scope::System("access")).await.unwrap();
    let readers = access::readers(&mut tx).await.unwrap();
    assert_eq!((readers.len(), readers[0].login.as_str(), readers[0].tenant.as_str()), (1, login.as_str(), "t"));
    assert!(access::remove_reader(&mut tx, &login).await.unwrap());
    assert!(!access::remove_reader(&mut tx, &login).await.unwrap());
    tx.commit().await.unwrap();
    refused(&mut conn, "select * from fallout_v1.attempts", "permission denied").await;
}

/// The columns are a promise to whoever reads them.
#[tokio::test]
async fn the_views_have_the_columns_of_their_page() {
    let mut conn = Database::new().await.connect().await;
    let sql = "select format('| `%s` | %s |', table_name, string_agg(column_name, ', ' order by ordinal_position))
               from information_schema.columns where table_schema = 'fallout_v1' group by table_name";
    let page = include_str!("../../../../docs/ACCESS.md");
    let told = page.lines().skip_while(|l| !l.starts_with("| view of")).skip(2).take_while(|l| l.starts_with('|'));
    assert_eq!(texts(&mut conn, sql).await, told.map(str::to_owned).collect());
}

#[tokio::test]
async fn a_login_without_a_tenant_sees_nothing_and_one_that_reads_tables_is_not_fit() {
    let (database, _, program) = two_tenants().await;
    let (url, login) = database.login("stray");
    let mut owner = database.connect().await;
    legal(
        &mut owner,
        &format!(
            "grant usage on schema fallout_v1 to {login}; grant select on all tables in schema fallout_v1 to {login}"
        ),
    )
    .await;
    let mut conn = PgConnection::connect(&url).await.unwrap();
    legal(&mut conn, ALL).await;
    for view in ["cases", "timeline", "attempts", "open_by_age"] {
        let rows = texts(&mut conn, &format!("select v::text from fallout_v1.{view} v")).await;
        assert!(rows.is_empty(), "{view}: {rows:?}");
    }
    let store = Store::new(&database.url, 1).unwrap();
    let mut tx = store.begin(&Scope::System("access")).await.unwrap();
    let unfit = [
        (program.as_str(), Fitness::ReadsTables),
        (database.name.as_str(), Fitness::ReadsTables),
        ("postgres", Fitness::ReadsTables),
        ("nobody_of_that_name", Fitness::NoSuchRole),
    ];
    for (name, expected) in unfit {
        assert_eq!(access::fitness(&mut tx, name).await.unwrap(), expected, "{name}");
    }
}

/// Only its owner migrates.
#[tokio::test]
async fn the_role_of_the_program_cannot_migrate() {
    let (_database, url, _) = two_tenants().await;
    assert!(matches!(Store::new(&url, 1).unwrap().migrate().await, Err(StoreError::Other(_) | StoreError::Migrate(_))));
}
