//! A migrated database of one's own on the one server of this binary, a desk on it, and hand-written SQL past the desk.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use fallout_core::{
    case::CaseEvent,
    ids::{CaseId, CaseNumber},
};
use fallout_desk::Desk;
use fallout_embedded::{Postgres, PostgresOptions, suitable_dir};
use fallout_store::{
    Scope, Store, Tx,
    cases::{self, Actor},
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use uuid::Uuid;

pub struct Database {
    url: String,
    pub store: Store,
    pub desk: Desk,
}

fn server() -> &'static Mutex<Postgres> {
    static SERVER: OnceLock<Mutex<Postgres>> = OnceLock::new();
    SERVER.get_or_init(|| {
        let dir = suitable_dir(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("history"));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Mutex::new(Postgres::start(PostgresOptions { dir, databases: Vec::new(), port: 0 }).unwrap())
    })
}

/// Scope of what these tests write.
pub const TEST: Scope = Scope::System("test");

impl Database {
    pub async fn new() -> Database {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("history_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let (url, admin) = {
            let server = server().lock().unwrap();
            server.add_database(&name).unwrap();
            (server.socket_url(&name), server.admin_url(&name))
        };
        let store = Store::new(&url, 4).unwrap();
        store.migrate().await.unwrap();
        Database { url: admin, desk: Desk::new(store.clone(), Arc::default()), store }
    }

    /// As superuser: nothing that the program may not do stops it.
    pub async fn admin(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    /// A case of tenant `t` about order `o-1`, by hand.
    pub async fn case(&self, n: u64) -> CaseId {
        let id = Uuid::from_u128(u128::from(n));
        let sql = format!(
            "insert into product_order (id, tenant_id, external_id, document)
             values ('{id}', 't', 'o-{n}', '{{\"customer\": \"Mrs Miller\"}}');
             insert into fallout_case (id, tenant_id, case_number, case_type, severity, status, source, classification_code,
                 customer_id, related_order_id, diagnostic_summary, assigned_group, match_key)
             values ('{id}', 't', 'fc-{n}', 'PROVISIONING', 'SEV3', 'classified', 'test', 'ADDRESS_NOT_SERVICEABLE',
                 'Mrs Miller', '{id}', 'Mrs Miller moved', 'fulfilment-ops', 'k-{n}')"
        );
        run(&mut self.admin().await, &sql).await;
        CaseId(id)
    }

    pub async fn begin(&self) -> Tx {
        self.store.begin(&TEST).await.unwrap()
    }

    /// Waits until everything that was written is below the oldest running transaction. That one may belong to another
    /// test: the whole server counts.
    pub async fn settled(&self) {
        let mut conn = self.admin().await;
        let mark = texts(&mut conn, "select pg_current_xact_id()::text").await.remove(0);
        let is_over = format!("select (pg_snapshot_xmin(pg_current_snapshot()) > '{mark}'::xid8)::text");
        for _ in 0..2000 {
            if texts(&mut conn, &is_over).await == ["true"] {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("a transaction older than {mark} does not end");
    }

    /// Seals tenant `t` once nothing keeps it from being sealed.
    pub async fn seal(&self) -> usize {
        self.settled().await;
        self.desk.seal("t").await.unwrap()
    }

    /// Entries of one case in one transaction, by a person who tells more than anyone outside should know.
    pub async fn tell(&self, case: CaseId, events: &[CaseEvent]) {
        let mut tx = self.begin().await;
        append(&mut tx, case, events).await;
        tx.commit().await.unwrap();
    }
}

pub async fn append(tx: &mut Tx, case: CaseId, events: &[CaseEvent]) {
    let case = cases::by_id(tx, case).await.unwrap();
    for event in events {
        let actor = Actor::User("jane.roe");
        let reason = format!("{event} of {}: Mrs Miller called", case.number);
        cases::append_event(tx, Uuid::now_v7(), &case, *event, actor, Some(&reason), &payload()).await.unwrap();
    }
}

/// Everything that any event may carry, and what none may.
pub fn payload() -> Value {
    json!({
        "from": "SEV3", "to": "SEV2", "policy": "standard", "step": 2, "problem": "pr-1", "resolution": "FIXED_OUTSIDE", "field": "serviceAddress",
        "action": Uuid::nil(), "type": "RETRY_STEP", "approval": Uuid::nil(), "downstream": "billing", "operation": "charge",
        "classification": "DEFECT", "severity": "SEV2", "cases": 12, "orders": 10, "until": "2026-11-22T10:00:00Z",
        "target": "resolution", "due": "2026-11-22T10:00:00Z", "channel": "email",
        "status": "PROCESSING_DELAYED", "delay_reason": "SUPPLIER", "promised_at": "2026-12-01", "new_date": "2026-12-08",
        "why": "Mrs Miller called", "token": "s3cr3t", "old": "Elm Street 1", "attestation": { "reference": "Mrs Miller" },
    })
}

/// Runs hand-written statements; `Err` is what the database says.
pub async fn try_run(conn: &mut PgConnection, sql: &str) -> Result<(), String> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await;
    done.map(drop).map_err(|e| e.as_database_error().map_or_else(|| e.to_string(), |e| e.message().to_owned()))
}

pub async fn run(conn: &mut PgConnection, sql: &str) {
    if let Err(why) = try_run(conn, sql).await {
        panic!("{why}:\n{sql}");
    }
}

/// The first column of every row, as text.
pub async fn texts(conn: &mut PgConnection, sql: &str) -> Vec<String> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(conn).await.unwrap();
    rows.iter().map(|r| r.get::<String, _>(0)).collect()
}

/// The number that `case(n)` gave.
pub fn number(n: u64) -> String {
    CaseNumber(n).to_string()
}
