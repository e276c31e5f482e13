//! A desk with the shipped rules on a database of its own, cases with and without a step, and commands about them.

use std::{
    path::Path,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use fallout_core::{
    action::Action,
    attempt::{Prepared, StoredRequest},
    case::{CaseEvent, CaseState},
    catalogue::Catalogue,
    claim::Claim,
    evidence::Evidence,
    ids::{ActionId, AttemptId, CaseNumber, RunId},
    operation::{Idempotency, Method, Operation},
    order::read_orders,
    people::{Member, Role},
    step::{Direction, Outputs, StepIdentity},
    task::{Definition, TaskRef},
};
use fallout_desk::{Accepted, CaseCommand, CaseDetail, Desk, DeskError, Recovery, Stands};
use fallout_embedded::{Postgres, PostgresOptions, suitable_dir};
use fallout_store::Store;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

pub const TENANT: &str = "t";
pub const ANN: &str = "local:ann";
pub const BOB: &str = "local:bob";
pub const CID: &str = "local:cid";
pub const EVE: &str = "local:eve";

pub struct House {
    pub desk: Desk,
    hand: PgConnection,
}

fn server() -> &'static Mutex<Postgres> {
    static SERVER: OnceLock<Mutex<Postgres>> = OnceLock::new();
    SERVER.get_or_init(|| {
        let dir = suitable_dir(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("desk-cases"));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Mutex::new(Postgres::start(PostgresOptions { dir, databases: Vec::new(), port: 0 }).unwrap())
    })
}

fn catalogue() -> Catalogue {
    let mut op: Operation = toml::from_str(include_str!("../../../../config/operations/payment.capture.toml")).unwrap();
    op.answers.business = [("BILLING_ACCOUNT_INVALID".to_owned(), "BILLING_ACCOUNT_INVALID".to_owned().into())].into();
    op.lookup = None;
    op.idempotency = Idempotency::None;
    Catalogue {
        operations: [(op.name.clone(), op)].into(),
        taxonomy: toml::from_str(include_str!("../../../../config/taxonomy.toml")).unwrap(),
        severity: toml::from_str(include_str!("../../../../config/severity.toml")).unwrap(),
        sla: toml::from_str(include_str!("../../../../config/sla.toml")).unwrap(),
        ..Catalogue::default()
    }
}

impl House {
    pub async fn new() -> House {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cases_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let role = format!("{name}_program");
        let (url, owner, admin) = {
            let server = server().lock().unwrap();
            server.add_database(&name).unwrap();
            server.add_role(&name, &role).unwrap();
            (server.socket_url_as(&name, &role), server.socket_url(&name), server.admin_url(&name))
        };
        let store = Store::new(&url, 8).unwrap().owned_by(&owner).unwrap();
        store.migrate().await.unwrap();
        let desk = Desk::new(store, catalogue().into());
        let branches = ["RETRY_STEP".to_owned(), "SKIP_STEP".to_owned()].into();
        let (id, key) = ("d:1".to_owned(), "d".to_owned());
        let definition = Definition { id, key, catches: Default::default(), branches, embedded: Default::default() };
        desk.learn(&definition).await.unwrap();
        House { desk, hand: PgConnection::connect(&admin).await.unwrap() }
    }

    pub async fn sql(&mut self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut self.hand)
            .await
            .unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    pub async fn text(&mut self, sql: &str) -> Option<String> {
        let row = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_one(&mut self.hand).await;
        row.unwrap_or_else(|e| panic!("{sql}: {e}")).get(0)
    }

    async fn order(&self, id: &str) -> RunId {
        let document = json!([{ "id": id, "productOrderItem": [
            { "id": "1", "action": "add", "productOffering": { "id": "PO-MOB-M" } },
            { "id": "2", "action": "add", "productOrderItemRelationship": [{ "relationshipType": "reliesOn", "id": "1" }] },
            { "id": "3", "action": "add" } ] }]);
        let order = read_orders("test", document.to_string().as_bytes()).unwrap().remove(0);
        let accepted = self.desk.accept_order(TENANT, &order, 1, "").await.unwrap();
        let Accepted::Started(run) = accepted else { panic!("{id} was taken in before") };
        self.desk.run_started(run, &format!("instance-of-{id}")).await.unwrap();
        run
    }

    /// A case that belongs to no step: the order's process ended as it must not.
    pub async fn trouble(&self, id: &str) -> CaseNumber {
        let run = self.order(id).await;
        self.desk.ended_silently(run, "in a test").await.unwrap()
    }

    /// A case whose step is parked: the downstream rejected it.
    pub async fn rejected(&self, order: &str) -> CaseNumber {
        self.order(order).await;
        let attempt = self.attempt(&task(order), 1).await;
        self.answered(attempt, 422, json!({ "code": "BILLING_ACCOUNT_INVALID" })).await;
        let mut cases = self.desk.cases(TENANT, true, Some(order), 10).await.unwrap();
        assert_eq!(cases.len(), 1);
        cases.remove(0).case_number.parse().unwrap()
    }

    pub async fn attempt(&self, task: &TaskRef, generation: i32) -> AttemptId {
        let body = Some("{}".to_owned());
        let request = StoredRequest { method: Method::Post, path: "/captures".into(), headers: Vec::new(), body };
        let claim = self.desk.claim(task, Some(Ok(Prepared { request, generation }))).await.unwrap();
        let Claim::Fresh(permission) = claim else { panic!("{claim:?}") };
        permission.attempt
    }

    pub async fn answered(&self, attempt: AttemptId, status: u16, body: Value) {
        let read = match status {
            201 => Ok(Outputs::from([("receiptId".to_owned(), json!("R-1"))])),
            _ => Err("an answer".to_owned()),
        };
        self.desk.record(attempt, &Evidence::answered(status, body), &read).await.unwrap();
    }

    /// Ann leads Billing Ops, Bob and Cid belong to it; Eve belongs to nothing.
    pub async fn with_billing_ops(self) -> House {
        for (who, role) in [(ANN, Role::Lead), (BOB, Role::Member), (CID, Role::Member)] {
            let member = Member { principal: who.into(), role };
            assert!(self.desk.add_member(TENANT, ANN, "Billing Ops", &member).await.unwrap());
        }
        self
    }

    pub async fn case(&self, number: CaseNumber) -> CaseDetail {
        self.desk.case(TENANT, number).await.unwrap()
    }

    /// Group and person that have it.
    pub async fn owner(&mut self, number: CaseNumber) -> String {
        let sql = format!(
            "select concat_ws('/', assigned_group, assigned_user) from fallout_case where case_number = '{number}'"
        );
        self.text(&sql).await.unwrap()
    }

    pub async fn timeline(&self, number: CaseNumber) -> Vec<String> {
        self.case(number).await.timeline.into_iter().map(|line| line.event).collect()
    }

    /// The entries since the opening, without the first two, and how the case stands.
    pub async fn since(&self, number: CaseNumber) -> (Vec<CaseEvent>, CaseState) {
        let events = self.timeline(number).await.into_iter().skip(2).map(|event| event.parse().unwrap()).collect();
        (events, self.case(number).await.case.status.parse().unwrap())
    }

    /// As if the times for which cases stand still had come; then three controllers look at once.
    pub async fn time_comes(&mut self) -> usize {
        self.sql(
            "update fallout_case set wait_until = case when wait_until is not null then now() - interval '1 s' end,
                review_at = case when review_at is not null then now() - interval '1 s' end",
        )
        .await;
        let due = self.desk.returning(None, 100).await.unwrap();
        let looks = due.iter().flat_map(|case| [*case; 3]).map(|case| {
            let desk = self.desk.clone();
            tokio::spawn(async move { desk.bring_back(case).await.unwrap() })
        });
        let mut back = 0;
        for look in looks.collect::<Vec<_>>() {
            back += usize::from(look.await.unwrap());
        }
        assert_eq!(self.desk.returning(None, 100).await.unwrap(), []);
        back
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

/// A command about a case as it stands.
pub fn by(principal: &'static str, case: CaseNumber) -> CaseCommand<'static> {
    CaseCommand { tenant: TENANT, principal, case, if_version: None, key: None }
}

/// The refusal's words.
pub fn refused(result: Result<Stands, DeskError>) -> String {
    match result {
        Ok(stands) => panic!("not refused: {stands:?}"),
        Err(e) => e.to_string(),
    }
}

impl House {
    pub async fn retry(&self, case: CaseNumber) -> ActionId {
        self.recover(case, Action::RetryStep, "key").await
    }

    /// One more retry needs another key.
    pub async fn retry_with(&self, case: CaseNumber, key: &str) -> ActionId {
        self.recover(case, Action::RetryStep, key).await
    }

    pub async fn skip(&self, case: CaseNumber) -> ActionId {
        self.recover(case, Action::SkipStep, "key").await
    }

    async fn recover(&self, case: CaseNumber, action: Action, key: &str) -> ActionId {
        let ask = Recovery {
            tenant: TENANT,
            principal: BOB,
            case,
            action,
            reason: "the account was corrected",
            attestation: None,
            outputs: Outputs::from([("receiptId".to_owned(), json!("R-0"))]),
            idempotency_key: &format!("{case}:{action}:{key}"),
        };
        self.desk.recover(&ask).await.unwrap().action
    }
}
