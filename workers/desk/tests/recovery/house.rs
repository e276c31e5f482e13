//! A desk on a database of its own, orders whose step is in trouble, and commands about their cases.

use std::{
    path::Path,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use fallout_core::{
    action::{Action, command::RecoveryCommand},
    attempt::{Prepared, StoredRequest},
    authority::{Authorities, Extent, Grant},
    case::{CaseEvent, CaseState},
    catalogue::Catalogue,
    claim::Claim,
    evidence::{Evidence, Phase},
    ids::{AttemptId, CaseNumber, RunId},
    operation::{Idempotency, Method, Operation},
    order::read_orders,
    step::{Direction, StepIdentity},
    task::{Definition, TaskRef},
    token::TokenScope,
};
use fallout_desk::{Accepted, Desk, DeskError, Taken};
use fallout_embedded::{Postgres, PostgresOptions, suitable_dir};
use fallout_store::{Store, requests::RequestLine};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

pub const TENANT: &str = "t";
pub const ANN: &str = "local:ann";
pub const ADMIN: &str = "local:admin";

pub fn shipped() -> Authorities {
    toml::from_str(include_str!("../../../../config/authority.toml")).unwrap()
}

pub struct House {
    pub desk: Desk,
    hand: PgConnection,
}

fn server() -> &'static Mutex<Postgres> {
    static SERVER: OnceLock<Mutex<Postgres>> = OnceLock::new();
    SERVER.get_or_init(|| {
        let dir = suitable_dir(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("desk-recovery"));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Mutex::new(Postgres::start(PostgresOptions { dir, databases: Vec::new(), port: 0 }).unwrap())
    })
}

fn catalogue(change: fn(&mut Operation), authority: Authorities) -> Catalogue {
    let mut op: Operation = toml::from_str(include_str!("../../../../config/operations/payment.capture.toml")).unwrap();
    op.answers.business = [("BILLING_ACCOUNT_INVALID".to_owned(), "BILLING_ACCOUNT_INVALID".to_owned().into())].into();
    change(&mut op);
    let own = [
        include_str!("../../../../config/operations/order.correct.toml"),
        include_str!("../../../../config/operations/quote.revise.toml"),
        include_str!("../../../../config/operations/quote.rebase.toml"),
    ];
    let own = own.into_iter().map(|text| toml::from_str::<Operation>(text).unwrap());
    Catalogue {
        policies: toml::from_str(include_str!("../../../../config/policies.toml")).unwrap(),
        operations: own.chain([op]).map(|op| (op.name.clone(), op)).collect(),
        customer: toml::from_str(include_str!("../../../../config/customer-status.toml")).unwrap(),
        personal: toml::from_str(include_str!("../../../../config/personal-data.toml")).unwrap(),
        taxonomy: toml::from_str(include_str!("../../../../config/taxonomy.toml")).unwrap(),
        severity: toml::from_str(include_str!("../../../../config/severity.toml")).unwrap(),
        sla: toml::from_str(include_str!("../../../../config/sla.toml")).unwrap(),
        authority,
        ..Catalogue::default()
    }
}

/// Nobody can be asked, and no key is recognised.
pub fn bare(op: &mut Operation) {
    op.lookup = None;
    op.idempotency = Idempotency::None;
}

impl House {
    /// `change`: what the operation of every step is like.
    pub async fn new(change: fn(&mut Operation)) -> House {
        House::under(change, Authorities::default()).await
    }

    /// Under the shipped rules of who may do what.
    pub async fn guarded(change: fn(&mut Operation)) -> House {
        House::under(change, shipped()).await
    }

    pub async fn under(change: fn(&mut Operation), authority: Authorities) -> House {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("recovery_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let role = format!("{name}_program");
        let (url, owner, admin) = {
            let server = server().lock().unwrap();
            server.add_database(&name).unwrap();
            server.add_role(&name, &role).unwrap();
            (server.socket_url_as(&name, &role), server.socket_url(&name), server.admin_url(&name))
        };
        let store = Store::new(&url, 8).unwrap().owned_by(&owner).unwrap();
        store.migrate().await.unwrap();
        let desk = Desk::new(store, catalogue(change, authority).into());
        let branches = ["RETRY_STEP", "SKIP_STEP", "RESUME_WORKFLOW", "CANCEL_ORDER"];
        let branches = branches.into_iter().map(str::to_owned).collect();
        let (id, key) = ("d:1".to_owned(), "d".to_owned());
        let definition = Definition { id, key, catches: Default::default(), branches, embedded: Default::default() };
        desk.learn(&definition).await.unwrap();
        House { desk, hand: PgConnection::connect(&admin).await.unwrap() }
    }

    pub async fn sql(&mut self, sql: &str) {
        self.tried(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    /// A statement by hand; the error's text names the rule.
    pub async fn tried(&mut self, sql: &str) -> Result<(), String> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.hand).await;
        done.map(drop).map_err(|e| {
            let rule = e.as_database_error().and_then(|e| e.constraint()).unwrap_or_default().to_owned();
            format!("{rule}: {e}")
        })
    }

    pub async fn count(&mut self, sql: &str) -> i64 {
        let row = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_one(&mut self.hand).await;
        row.unwrap_or_else(|e| panic!("{sql}: {e}")).get(0)
    }

    pub async fn order(&self, id: &str) -> RunId {
        let place = json!([{ "role": "installationAddress", "postcode": "00000" }]);
        let lines =
            json!([{ "id": "1", "action": "add", "product": { "place": place } }, { "id": "2", "action": "add" }]);
        self.order_of(json!({ "id": id, "productOrderItem": lines })).await
    }

    pub async fn order_of(&self, document: Value) -> RunId {
        let order = read_orders("test", json!([document]).to_string().as_bytes()).unwrap().remove(0);
        let id = document["id"].as_str().unwrap();
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
        self.rejected_line(order, "1").await
    }

    pub async fn rejected_line(&self, order: &str, line: &str) -> CaseNumber {
        let attempt = self.attempt(&task(order, line)).await;
        let evidence = Evidence::answered(422, json!({ "code": "BILLING_ACCOUNT_INVALID" }));
        let recorded = self.desk.record(attempt, &evidence, &Err("an answer".into())).await.unwrap();
        recorded.case.unwrap()
    }

    /// A case whose step is parked: every try was answered with 503, which its operation takes as proof that nothing was done.
    pub async fn exhausted(&self, at: &TaskRef) -> CaseNumber {
        let mut attempt = self.attempt(at).await;
        let failed = Evidence::answered(503, json!({}));
        for _ in 0..10 {
            let recorded = self.desk.record(attempt, &failed, &Err("an answer".into())).await.unwrap();
            if let Some(case) = recorded.case {
                return case;
            }
            let claim = self.desk.claim(at, None).await.unwrap();
            let Claim::Fresh(permission) = claim else { panic!("{claim:?}") };
            attempt = permission.attempt;
        }
        panic!("it never parked")
    }

    /// A case whose step is parked with an outcome that nobody knows.
    pub async fn unknown(&mut self, order: &str) -> (CaseNumber, AttemptId) {
        self.order(order).await;
        let attempt = self.attempt(&task(order, "1")).await;
        let evidence = Evidence::of(Phase::Sent);
        self.desk.record(attempt, &evidence, &Err("an answer".into())).await.unwrap();
        // Its lookups said nothing until they were given up; as far as they go here.
        for _ in 0..40 {
            if let Some(case) = self.desk.cases(TENANT, true, Some(order), 10).await.unwrap().first() {
                return (case.case_number.parse().unwrap(), attempt);
            }
            self.read(attempt, fallout_core::lookup::Said::Nothing { why: "HTTP 500".into() }).await;
        }
        panic!("it never parked")
    }

    pub async fn read(&self, attempt: AttemptId, said: fallout_core::lookup::Said) {
        self.desk.record_read(attempt, said, std::time::Instant::now()).await.unwrap();
    }

    pub async fn attempt(&self, task: &TaskRef) -> AttemptId {
        let claim = self.desk.claim(task, Some(Ok(prepared()))).await.unwrap();
        let Claim::Fresh(permission) = claim else { panic!("{claim:?}") };
        permission.attempt
    }

    pub async fn give(&self, command: &RecoveryCommand) -> Result<Taken, DeskError> {
        self.desk.command(TENANT, &command.requested_by, command).await
    }

    pub async fn state(&self, case: CaseNumber) -> CaseState {
        self.desk.case(TENANT, case).await.unwrap().case.status.parse().unwrap()
    }

    /// The entries since the opening.
    pub async fn since(&self, case: CaseNumber) -> Vec<CaseEvent> {
        let timeline = self.desk.case(TENANT, case).await.unwrap().timeline;
        timeline.into_iter().skip(2).map(|line| line.event.parse().unwrap()).collect()
    }

    pub async fn requests(&self, case: CaseNumber) -> Vec<RequestLine> {
        self.desk.requests(TENANT, case, 100).await.unwrap()
    }

    /// What the latest request came to: its answer, or the name of its refusal.
    pub async fn latest(&self, case: CaseNumber) -> String {
        let latest = self.requests(case).await.remove(0);
        latest.refusal.unwrap_or(latest.answer)
    }

    /// Somebody with a token that `by` made for them.
    pub async fn person(&self, name: &str, by: &str) -> String {
        self.token(name, None, by).await
    }

    /// The same for somebody who is called otherwise than the token.
    pub async fn token(&self, name: &str, person: Option<&str>, by: &str) -> String {
        let made = self.desk.add_token_for(TENANT, by, (name, person), &[TokenScope::CasesAct], None).await.unwrap();
        self.desk.caller(&made.secret).await.unwrap().unwrap().principal()
    }

    /// Rights are asked for from here on: Admin gives them.
    pub async fn enforced(&self) {
        self.grant(ADMIN, "platform_admin", Extent::Tenant).await;
    }

    pub async fn grant(&self, principal: &str, role: &str, extent: Extent) {
        let new = Grant { principal: principal.into(), role: role.into(), extent };
        self.desk.grant_role(TENANT, ADMIN, &new, "in a test").await.unwrap();
    }
}

/// The request of every step here.
pub fn prepared() -> Prepared {
    let body = Some("{}".to_owned());
    let request = StoredRequest { method: Method::Post, path: "/captures".into(), headers: Vec::new(), body };
    Prepared { request, generation: 1 }
}

pub fn task(order: &str, line: &str) -> TaskRef {
    let step = "capture".to_owned();
    TaskRef {
        step: StepIdentity {
            tenant: TENANT.into(),
            order: order.into(),
            run: 1,
            line: line.into(),
            step,
            direction: Direction::Do,
        },
        operation: "payment.capture".into(),
        handled_codes: Vec::new(),
        action: None,
        retries: None,
        external_task_id: format!("task-of-{order}-{line}"),
        worker_id: "w".into(),
        process_definition_id: "d:1".into(),
        process_instance_id: format!("step-of-{order}-{line}"),
        activity_id: "perform".into(),
    }
}

/// A command of Ann's.
pub fn command(case: CaseNumber, action: Action, key: &str) -> RecoveryCommand {
    RecoveryCommand {
        idempotency_key: key.into(),
        fallout_case_id: case.to_string(),
        action: action.word().into(),
        reason: "the account was corrected".into(),
        requested_by: ANN.into(),
        ..Default::default()
    }
}

/// The refusal's words.
pub fn refused<T: std::fmt::Debug>(result: Result<T, DeskError>) -> String {
    result.unwrap_err().to_string()
}
