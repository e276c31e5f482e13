//! A desk with the shipped taxonomy over a Postgres of its own, and a step of one order to be in trouble. No engine.

use std::{path::Path, sync::Arc};

use fallout_core::{
    attempt::{Prepared, StoredRequest},
    catalogue::Catalogue,
    claim::Claim,
    evidence::Evidence,
    ids::{AttemptId, RunId, StepKey},
    operation::{Idempotency, Method, Operation},
    order::read_orders,
    signal::{Cause, Finding, NewSignal, Place},
    step::{Direction, Outputs, StepIdentity},
    task::{Definition, TaskRef},
};
use fallout_desk::{Accepted, CaseLine, Desk};
use fallout_embedded::{Postgres, PostgresOptions, suitable_dir};
use fallout_store::Store;
use serde_json::json;
use uuid::Uuid;

pub const TENANT: &str = "t";
const OPERATION: &str = "payment.capture";

pub struct Rig {
    pub desk: Desk,
    pub store: Store,
    pub postgres: Postgres,
}

/// What is shipped, with an operation that knows these rejections, no key and no lookup.
fn catalogue(rejections: &[&str]) -> Catalogue {
    let mut op: Operation = toml::from_str(include_str!("../../../../config/operations/payment.capture.toml")).unwrap();
    op.answers.business = rejections.iter().map(|code| ((*code).to_owned(), (*code).to_owned().into())).collect();
    op.lookup = None;
    op.idempotency = Idempotency::None;
    Catalogue {
        operations: [(op.name.clone(), op)].into(),
        taxonomy: toml::from_str(include_str!("../../../../config/taxonomy.toml")).unwrap(),
        customer: toml::from_str(include_str!("../../../../config/customer-status.toml")).unwrap(),
        severity: toml::from_str(include_str!("../../../../config/severity.toml")).unwrap(),
        sla: toml::from_str(include_str!("../../../../config/sla.toml")).unwrap(),
        problems: toml::from_str(include_str!("../../../../config/problems.toml")).unwrap(),
        policies: toml::from_str(include_str!("../../../../config/policies.toml")).unwrap(),
        ..Catalogue::default()
    }
}

impl Rig {
    pub async fn new(name: &str, rejections: &[&str], change: impl FnOnce(&mut Catalogue)) -> Rig {
        let dir = suitable_dir(&Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let postgres = Postgres::start(PostgresOptions { dir, databases: vec!["fallout".into()], port: 0 }).unwrap();
        let store = Store::new(&postgres.socket_url("fallout"), 16).unwrap();
        store.migrate().await.unwrap();
        let mut catalogue = catalogue(rejections);
        change(&mut catalogue);
        assert_eq!(catalogue.customer.check(&catalogue), Vec::<String>::new());
        let desk = Desk::new(store.clone(), Arc::new(catalogue));
        let branches = ["RETRY_STEP".to_owned()].into();
        let (id, key) = ("d:1".to_owned(), "d".to_owned());
        let definition = Definition { id, key, catches: Default::default(), branches, embedded: Default::default() };
        desk.learn(&definition).await.unwrap();
        Rig { desk, store, postgres }
    }

    /// An order whose fulfilment runs.
    pub async fn order(&self, id: &str) -> RunId {
        let document = json!([{ "id": id, "@type": "ProductOrder", "expectedCompletionDate": "2026-01-05T08:00:00Z",
            "productOrderItem": [{ "id": "1", "action": "add", "quantity": 1 }] }]);
        let order = read_orders("test", document.to_string().as_bytes()).unwrap().remove(0);
        let accepted = self.desk.accept_order(TENANT, &order, 1, "").await.unwrap();
        let Accepted::Started(run) = accepted else { panic!("{id} was taken in before") };
        self.desk.run_started(run, &format!("instance-of-{id}")).await.unwrap();
        run
    }

    /// The attempt of the order's step, claimed and not yet answered.
    pub async fn attempt(&self, order: &str) -> AttemptId {
        self.attempt_of(&task(order), 1).await
    }

    pub async fn attempt_of(&self, task: &TaskRef, generation: i32) -> AttemptId {
        let body = Some("{}".to_owned());
        let request = StoredRequest { method: Method::Post, path: "/captures".into(), headers: Vec::new(), body };
        let claim = self.desk.claim(task, Some(Ok(Prepared { request, generation }))).await.unwrap();
        let Claim::Fresh(permission) = claim else { panic!("{claim:?}") };
        permission.attempt
    }

    pub async fn said(&self, attempt: AttemptId, evidence: &Evidence) {
        let read = Err("an answer".to_owned());
        self.desk.record(attempt, evidence, &read).await.unwrap();
    }

    pub async fn done(&self, attempt: AttemptId, receipt: &str) {
        let evidence = Evidence::answered(201, json!({ "id": receipt }));
        let read = Ok(Outputs::from([("receiptId".to_owned(), json!(receipt))]));
        self.desk.record(attempt, &evidence, &read).await.unwrap();
    }

    /// Somebody else noticed something about the order's step.
    pub async fn noticed(&self, order: &str, source: &str, code: &str) {
        let signal = NewSignal {
            source: source.into(),
            event: Uuid::now_v7().to_string(),
            finding: Finding::Code(code.into()),
            place: Place { step: Some(StepKey::of(&task(order).step)), ..Place::default() },
            cause: Cause::default(),
            occurred_at: None,
            reason: code.into(),
            payload: json!({}),
        };
        let answer = self.desk.signal(TENANT, &signal).await.unwrap();
        assert_eq!(answer.refusal, None);
    }

    pub async fn cases(&self, order: &str) -> Vec<CaseLine> {
        self.desk.cases(TENANT, true, Some(order), 10).await.unwrap()
    }

    /// Category, classification and owner of the order's only open case.
    pub async fn case(&self, order: &str) -> (String, String, String) {
        let cases = self.cases(order).await;
        let [case] = cases.as_slice() else { panic!("{order}: {cases:?}") };
        (case.category.clone(), case.classification.clone().unwrap_or_default(), case.group.clone().unwrap_or_default())
    }
}

pub fn task(order: &str) -> TaskRef {
    let (step, line) = ("capture".to_owned(), "1".to_owned());
    TaskRef {
        step: StepIdentity { tenant: TENANT.into(), order: order.into(), run: 1, line, step, direction: Direction::Do },
        operation: OPERATION.into(),
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

pub fn rejected(code: &str) -> Evidence {
    Evidence::answered(422, json!({ "code": code }))
}
