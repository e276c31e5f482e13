//! What a cancelled order is sent to take back, one by one, and what it waits for. A real Postgres, no engine.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::{path::Path, sync::Arc};

use fallout_core::{
    attempt::{Prepared, StoredRequest, idempotency_key},
    catalogue::Catalogue,
    claim::Claim,
    command::EngineCommand,
    decide::Verdict,
    evidence::Evidence,
    ids::StepKey,
    operation::{Method, Operation},
    order::read_orders,
    step::{Direction, Ending, Outputs, StepIdentity},
    task::{Effect, TaskRef},
};
use fallout_desk::{Accepted, CaseLine, Desk};
use fallout_embedded::{Postgres, PostgresOptions, suitable_dir};
use fallout_store::Store;
use serde_json::json;

const TENANT: &str = "t";
const ROOT: &str = "instance-of-o";

struct Rig {
    desk: Desk,
    _postgres: Postgres,
}

fn catalogue() -> Catalogue {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/operations");
    let files = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let operations = files.map(|text| toml::from_str::<Operation>(&text).unwrap()).map(|op| (op.name.clone(), op));
    let catalogue = Catalogue {
        operations: operations.collect(),
        taxonomy: toml::from_str(include_str!("../../../config/taxonomy.toml")).unwrap(),
        customer: toml::from_str(include_str!("../../../config/customer-status.toml")).unwrap(),
        severity: toml::from_str(include_str!("../../../config/severity.toml")).unwrap(),
        sla: toml::from_str(include_str!("../../../config/sla.toml")).unwrap(),
        ..Catalogue::default()
    };
    assert_eq!(catalogue.check(), Vec::<String>::new());
    catalogue
}

fn task(step: &str, line: &str, operation: &str, direction: Direction) -> TaskRef {
    let (tenant, order) = (TENANT.into(), "o".into());
    TaskRef {
        step: StepIdentity { tenant, order, run: 1, line: line.into(), step: step.into(), direction },
        operation: operation.into(),
        handled_codes: Vec::new(),
        action: None,
        retries: None,
        external_task_id: format!("task-of-{step}-{line}-{direction}"),
        worker_id: "w".into(),
        process_definition_id: "d:1".into(),
        process_instance_id: format!("step-of-{step}-{line}"),
        activity_id: "perform".into(),
    }
}

fn request() -> Option<Result<Prepared, String>> {
    let request = StoredRequest { method: Method::Post, path: "/x".into(), headers: Vec::new(), body: None };
    Some(Ok(Prepared { request, generation: 1 }))
}

impl Rig {
    /// An order that runs.
    async fn new(name: &str) -> Rig {
        let dir = suitable_dir(&Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let postgres = Postgres::start(PostgresOptions { dir, databases: vec!["fallout".into()], port: 0 }).unwrap();
        let store = Store::new(&postgres.socket_url("fallout"), 4).unwrap();
        store.migrate().await.unwrap();
        let desk = Desk::new(store, Arc::new(catalogue()));
        let document = json!([{ "id": "o", "@type": "ProductOrder",
            "productOrderItem": [{ "id": "1", "action": "add", "quantity": 1 }] }]);
        let order = read_orders("test", document.to_string().as_bytes()).unwrap().remove(0);
        let Accepted::Started(run) = desk.accept_order(TENANT, &order, 1, "").await.unwrap() else { panic!() };
        desk.run_started(run, ROOT).await.unwrap();
        for command in desk.take_commands(10).await.unwrap() {
            desk.command_done(command.id, None).await.unwrap();
        }
        Rig { desk, _postgres: postgres }
    }

    async fn claim(&self, task: &TaskRef) -> Claim {
        self.desk.claim(task, request()).await.unwrap()
    }

    /// A step with this answer.
    async fn answered(&self, task: &TaskRef, status: u16, output: Option<&str>) {
        let Claim::Fresh(permission) = self.claim(task).await else { panic!("{} may not send", task.step) };
        let outputs = output.map(|name| (name.to_owned(), json!(format!("{name}-1"))));
        let read = if status < 300 { Ok(outputs.into_iter().collect()) } else { Err("an answer".into()) };
        let body = if status < 300 { json!({}) } else { json!({ "code": "PRODUCT_NOT_AVAILABLE" }) };
        let evidence = Evidence::answered(status, body);
        self.desk.record(permission.attempt, &evidence, &read).await.unwrap();
    }

    /// What the waiting order is told next; told and done.
    async fn told(&self, modelled: bool) -> Vec<EngineCommand> {
        // Level-triggered: asking twice tells once.
        for _ in 0..2 {
            self.desk.settle_cancellation(ROOT, modelled).await.unwrap();
        }
        let taken = self.desk.take_commands(10).await.unwrap();
        for command in &taken {
            self.desk.command_done(command.id, None).await.unwrap();
        }
        let shown = |command: &EngineCommand| matches!(command, EngineCommand::Incident { .. });
        taken.into_iter().map(|taken| taken.command).filter(|command| !shown(command)).collect()
    }

    async fn cases(&self) -> Vec<CaseLine> {
        self.desk.cases(TENANT, true, Some("o"), 10).await.unwrap()
    }
}

fn reserve(direction: Direction) -> TaskRef {
    let operation = if direction == Direction::Do { "inventory.reserve" } else { "inventory.release" };
    task("reserve", "", operation, direction)
}

fn provision(direction: Direction) -> TaskRef {
    let operation = if direction == Direction::Do { "provisioning.add" } else { "provisioning.cancel" };
    task("provision", "1", operation, direction)
}

/// The step, line and operation that a process is sent to, when it is one undo.
fn undo(told: &[EngineCommand]) -> (&str, &str, &str) {
    let [EngineCommand::Undo { step, line, operation, .. }] = told else { panic!("{told:?}") };
    (step, line, operation)
}

#[tokio::test]
async fn each_effect_is_taken_back_once_latest_first_and_then_the_order_may_end() {
    let rig = Rig::new("undo-loop").await;
    rig.answered(&reserve(Direction::Do), 201, Some("reservationId")).await;
    rig.answered(&provision(Direction::Do), 201, Some("serviceId")).await;
    assert_eq!(undo(&rig.told(true).await), ("provision", "1", "provisioning.cancel"));

    let task = provision(Direction::Undo);
    let context = rig.desk.contexts(std::slice::from_ref(&task)).await.unwrap().remove(0);
    let key = idempotency_key(StepKey::of(&provision(Direction::Do).step), 1);
    let outputs = Outputs::from([("serviceId".to_owned(), json!("serviceId-1"))]);
    assert_eq!(context.effect, Some(Effect { key, outputs }), "its request can name what it takes back");
    rig.answered(&task, 201, None).await;
    assert!(matches!(rig.claim(&task).await, Claim::Report { verdict: Verdict::Complete { .. }, .. }), "once");

    assert_eq!(undo(&rig.told(true).await), ("reserve", "", "inventory.release"));
    assert!(matches!(rig.claim(&reserve(Direction::Undo)).await, Claim::Fresh(_)));
    assert!(rig.told(true).await.is_empty(), "it is there already");
}

#[tokio::test]
async fn without_effects_the_order_ends_and_an_undo_of_nothing_sends_nothing() {
    let rig = Rig::new("undo-nothing").await;
    rig.answered(&reserve(Direction::Do), 422, None).await;
    assert!(matches!(&rig.told(true).await[..], [EngineCommand::Undone { .. }]));
    let ended = Verdict::End { ending: Ending::Cancelled };
    let claim = rig.claim(&reserve(Direction::Undo)).await;
    assert!(matches!(&claim, Claim::Report { verdict, .. } if *verdict == ended), "{claim:?}");
}

#[tokio::test]
async fn what_people_take_back_has_a_case_at_once_and_what_came_before_waits_for_them() {
    let rig = Rig::new("undo-by-hand").await;
    rig.answered(&reserve(Direction::Do), 201, Some("reservationId")).await;
    rig.answered(&task("notify", "", "contract.notify", Direction::Do), 200, None).await;
    assert!(rig.told(true).await.is_empty(), "the message to the customer came last");
    let cases = rig.cases().await;
    let [case] = cases.as_slice() else { panic!("{cases:?}") };
    assert_eq!((case.step.as_deref(), case.category.as_str()), (Some("notify"), "COMPENSATION"));
    let number = case.case_number.parse().unwrap();
    let summary = rig.desk.case(TENANT, number).await.unwrap().case.summary.unwrap_or_default();
    assert!(summary.contains("Legal Ops do it by hand"), "{summary}");
}

#[tokio::test]
async fn a_model_without_the_loop_leaves_every_effect_to_people() {
    let rig = Rig::new("undo-older").await;
    rig.answered(&reserve(Direction::Do), 201, Some("reservationId")).await;
    assert!(rig.told(false).await.is_empty());
    assert_eq!(rig.cases().await.len(), 1);
}

#[tokio::test]
async fn what_may_exist_is_waited_for() {
    let rig = Rig::new("undo-unsure").await;
    rig.answered(&provision(Direction::Do), 504, None).await;
    assert!(rig.told(true).await.is_empty(), "neither undone nor ended");
    assert!(matches!(rig.claim(&provision(Direction::Undo)).await, Claim::Withheld { .. }));
}
