//! A desk with the shipped rules as the program's role, orders with everything in them, and hand-written SQL past the desk.

use std::{
    path::Path,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use fallout_core::{
    attempt::{Prepared, StoredRequest},
    catalogue::Catalogue,
    claim::Claim,
    evidence::Evidence,
    ids::{AttemptId, CaseNumber, RunId},
    operation::{Method, Operation},
    order::{OrderEvent, event_kind, read_event, read_orders},
    step::{Direction, Outputs, StepIdentity},
    task::{Definition, TaskRef},
};
use fallout_desk::{Accepted, Desk, DeskError, EventTaken};
use fallout_embedded::{Postgres, PostgresOptions, suitable_dir};
use fallout_store::Store;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, postgres::PgDatabaseError};

pub const TENANT: &str = "t";
pub const OTHER: &str = "other";

/// Personal values of `document`, and nothing else in it.
pub const PERSONAL: [&str; 5] =
    ["Jane Q. Roe", "Elm Street 99", "ring twice please", "+49 171 555 01", "Bundle for Mrs Roe"];

pub struct House {
    pub desk: Desk,
    /// As superuser: nothing that the program may not do stops it.
    pub hand: PgConnection,
    pub program_url: String,
}

fn server() -> &'static Mutex<Postgres> {
    static SERVER: OnceLock<Mutex<Postgres>> = OnceLock::new();
    SERVER.get_or_init(|| {
        let dir = suitable_dir(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("desk-orders"));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Mutex::new(Postgres::start(PostgresOptions { dir, databases: Vec::new(), port: 0 }).unwrap())
    })
}

fn catalogue() -> Catalogue {
    let op: Operation = toml::from_str(include_str!("../../../../config/operations/payment.capture.toml")).unwrap();
    Catalogue {
        operations: [(op.name.clone(), op)].into(),
        taxonomy: toml::from_str(include_str!("../../../../config/taxonomy.toml")).unwrap(),
        customer: toml::from_str(include_str!("../../../../config/customer-status.toml")).unwrap(),
        severity: toml::from_str(include_str!("../../../../config/severity.toml")).unwrap(),
        sla: toml::from_str(include_str!("../../../../config/sla.toml")).unwrap(),
        personal: toml::from_str(include_str!("../../../../config/personal-data.toml")).unwrap(),
        ..Catalogue::default()
    }
}

/// An order with something in every place.
pub fn document(id: &str) -> Value {
    json!({
        "id": id, "externalId": format!("WEB-{id}"), "category": "residential", "priority": "2",
        "description": "Bundle for Mrs Roe", "note": [{ "text": "ring twice please" }],
        "expectedCompletionDate": "2090-01-05T08:00:00Z",
        "relatedParty": [{ "id": "c-1", "role": "customer", "name": "Jane Q. Roe" }],
        "orderTotalPrice": [{ "price": { "dutyFreeAmount": { "unit": "EUR", "value": 20.0 } } }],
        "productOrderItem": [
            { "id": "1", "action": "add", "quantity": 1, "productOffering": { "id": "PO-MOB-M", "name": "Mobile M" },
              "product": { "place": [{ "streetAddress": "Elm Street 99" }],
                           "productCharacteristic": [{ "name": "msisdn", "value": "+49 171 555 01" }] } },
            { "id": "2", "action": "add", "productOffering": { "id": "PO-TV-XL", "name": "TV" } },
        ],
    })
}

impl House {
    pub async fn new() -> House {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("orders_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let role = format!("{name}_app");
        let (program_url, owner, admin) = {
            let server = server().lock().unwrap();
            server.add_database(&name).unwrap();
            server.add_role(&name, &role).unwrap();
            (server.socket_url_as(&name, &role), server.socket_url(&name), server.admin_url(&name))
        };
        let store = Store::new(&program_url, 8).unwrap().owned_by(&owner).unwrap();
        store.migrate().await.unwrap();
        let desk = Desk::new(store, catalogue().into());
        let branches = ["RETRY_STEP".to_owned()].into();
        let (id, key) = ("d:1".to_owned(), "d".to_owned());
        let definition = Definition { id, key, catches: Default::default(), branches, embedded: Default::default() };
        desk.learn(&definition).await.unwrap();
        House { desk, hand: PgConnection::connect(&admin).await.unwrap(), program_url }
    }

    /// What the database said to hand-written statements: nothing, or the rule that refused it.
    pub async fn run(&mut self, sql: &str) -> Result<(), String> {
        run(&mut self.hand, sql).await
    }

    /// The first column of every row.
    pub async fn texts(&mut self, sql: &str) -> Vec<String> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.hand).await.unwrap();
        rows.iter().map(|r| r.get::<Option<String>, _>(0).unwrap_or_default()).collect()
    }

    pub async fn accept(&self, document: Value) -> Result<Accepted, DeskError> {
        let order = read_orders("test", json!([document]).to_string().as_bytes()).unwrap().remove(0);
        self.desk.accept_order(TENANT, &order, 1, "").await
    }

    /// An order whose fulfilment runs.
    pub async fn order(&self, id: &str) -> RunId {
        let Accepted::Started(run) = self.accept(document(id)).await.unwrap() else {
            panic!("{id} was taken in before")
        };
        self.desk.run_started(run, &format!("instance-of-{id}")).await.unwrap();
        run
    }

    /// The order's fulfilment ended as it must not: an open case about the whole order.
    pub async fn trouble(&self, run: RunId) -> CaseNumber {
        self.desk.ended_silently(run, "in a test").await.unwrap()
    }

    /// The step of the order's first line, sent with what its handler would render from the order.
    pub async fn send(&self, order: &str) -> AttemptId {
        let task = task(order);
        let context = self.desk.contexts(std::slice::from_ref(&task)).await.unwrap().remove(0);
        let body = Some(json!({ "all": context.document }).to_string());
        let request = StoredRequest { method: Method::Post, path: "/captures".into(), headers: Vec::new(), body };
        let claim = self.desk.claim(&task, Some(Ok(Prepared { request, generation: 1 }))).await.unwrap();
        let Claim::Fresh(permission) = claim else { panic!("{claim:?}") };
        permission.attempt
    }

    /// The downstream did it, and repeats what it was told.
    pub async fn done(&self, attempt: AttemptId) {
        let evidence = Evidence::answered(201, json!({ "id": "r-1", "for": PERSONAL[0], "at": PERSONAL[1] }));
        let outputs =
            Outputs::from([("receiptId".to_owned(), json!("r-1")), ("holder".to_owned(), json!(PERSONAL[0]))]);
        self.desk.record(attempt, &evidence, &Ok(outputs)).await.unwrap();
    }

    /// An event of the order's owner, `minutes` after the database's now.
    pub async fn event(&self, id: &str, kind: &str, minutes: i64, order: Value) -> Result<EventTaken, DeskError> {
        let event = self.read(id, kind, minutes, order).await;
        self.desk.order_event(TENANT, "owner", &event).await
    }

    pub async fn read(&self, id: &str, kind: &str, minutes: i64, order: Value) -> OrderEvent {
        let at = self.desk.now().await.unwrap() + chrono::Duration::minutes(minutes);
        let body = json!({ "eventId": id, "eventTime": at.to_rfc3339(), "event": { "productOrder": order } });
        read_event(event_kind(&format!("ProductOrder{kind}Event")).unwrap(), body.to_string().as_bytes()).unwrap()
    }

    /// Every place of the database in which a text stands: table and column.
    pub async fn places_of(&mut self, text: &str) -> Vec<String> {
        let columns = self
            .texts(
                "select format('select %L where exists (select from %I where %I::text like %%s)', c.table_name || '.' || c.column_name,
                        c.table_name, c.column_name)
                 from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
                 where c.table_schema = 'public' and t.table_type = 'BASE TABLE'
                   and (c.data_type in ('text', 'jsonb', 'ARRAY') or c.data_type like 'char%')",
            )
            .await;
        let like = format!("'%{}%'", text.replace('\'', "''"));
        let all = columns.iter().map(|sql| sql.replace("%s", &like)).collect::<Vec<_>>().join(" union all ");
        self.texts(&all).await
    }
}

pub async fn run(conn: &mut PgConnection, sql: &str) -> Result<(), String> {
    match sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await {
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(e)) => {
            Err(e.downcast_ref::<PgDatabaseError>().constraint().unwrap_or(e.message()).to_owned())
        }
        Err(e) => panic!("{sql}: {e}"),
    }
}

pub fn task(order: &str) -> TaskRef {
    let (step, line) = ("capture".to_owned(), "1".to_owned());
    TaskRef {
        step: StepIdentity { tenant: TENANT.into(), order: order.into(), run: 1, line, step, direction: Direction::Do },
        operation: "payment.capture".into(),
        handled_codes: Vec::new(),
        action: None,
        retries: None,
        external_task_id: format!("task-of-{order}"),
        worker_id: "w".into(),
        process_definition_id: "d:1".into(),
        process_instance_id: format!("step-of-{order}"),
        activity_id: "perform".into(),
    }
}
