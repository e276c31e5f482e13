//! What the desk answers where the ledger refuses or may have lost something: archived steps and declared restores. A real
//! Postgres, no engine.

use std::{path::Path, sync::Arc};

use fallout::{config::Settings, roles::logins};
use fallout_core::{
    attempt::{Prepared, StoredRequest},
    catalogue::Catalogue,
    claim::Claim,
    decide::Verdict,
    evidence::Evidence,
    ids::RunId,
    lookup::Said,
    operation::{Idempotency, Method},
    step::{Direction, Outputs, StepIdentity},
    task::TaskRef,
};
use fallout_desk::{Accepted, Archived, Desk, DeskError};
use fallout_embedded::{Postgres, PostgresOptions, suitable_dir};
use fallout_tests::orders::simple;
use serde_json::json;

pub(crate) const TENANT: &str = "rules";
const OPERATION: &str = "payment.capture";

pub(crate) struct House {
    pub desk: Desk,
    pub settings: Settings,
    pub postgres: Postgres,
}

/// A desk over an empty database; `change` is what its operation is like.
pub(crate) async fn house(name: &str, change: impl FnOnce(&mut Catalogue)) -> House {
    let dir = suitable_dir(&Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let postgres = Postgres::start(PostgresOptions { dir, databases: vec!["fallout".into()], port: 0 }).unwrap();
    let mut settings = Settings::default();
    logins::make(&postgres).unwrap();
    logins::settle(&postgres, &mut settings.database);
    let store = settings.database.store().unwrap();
    store.migrate().await.unwrap();
    let mut catalogue = settings.catalogue().unwrap();
    change(&mut catalogue);
    House { desk: Desk::new(store, Arc::new(catalogue)), settings, postgres }
}

fn without_lookup(catalogue: &mut Catalogue) {
    catalogue.operations.get_mut(OPERATION).unwrap().lookup = None;
}

pub(crate) fn bare(catalogue: &mut Catalogue) {
    without_lookup(catalogue);
    catalogue.operations.get_mut(OPERATION).unwrap().idempotency = Idempotency::None;
}

impl House {
    /// An order whose fulfilment runs.
    pub async fn order(&self, id: &str) -> RunId {
        let Accepted::Started(run) = self.desk.accept_order(TENANT, &simple(id), 1, "").await.unwrap() else {
            panic!("{id} was taken in before")
        };
        self.desk.run_started(run, &format!("instance-of-{id}")).await.unwrap();
        run
    }

    /// As the fleet does it: together where it is plain, else alone.
    pub async fn claim(&self, order: &str) -> Claim {
        let (task, prepared) = (task(order), Ok(prepared()));
        let plain = self.desk.claim_all(&[(&task, Some(&prepared))]).await.unwrap().remove(0);
        match plain {
            Some(claim) => claim,
            None => self.desk.claim(&task, Some(prepared)).await.unwrap(),
        }
    }

    /// The last minute may be lost.
    pub async fn restored(&self) -> Option<u64> {
        let to = self.desk.now().await.unwrap();
        self.desk.declare_restored(to - chrono::Duration::minutes(1), to, "failover", "local:test").await.unwrap()
    }
}

fn task(order: &str) -> TaskRef {
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

fn prepared() -> Prepared {
    let body = Some("{}".to_owned());
    let request = StoredRequest { method: Method::Post, path: "/captures".into(), headers: Vec::new(), body };
    Prepared { request, generation: 1 }
}

fn outputs() -> Outputs {
    Outputs::from([("receiptId".to_owned(), json!("R-1"))])
}

#[tokio::test]
async fn a_step_that_may_have_been_sent_in_a_lost_window_is_looked_up_before_it_is_sent() {
    let house = house("rules-lookup", |_| {}).await;
    house.order("old").await;
    assert_eq!(house.restored().await, Some(1));
    let Claim::LookUp { attempt, key, .. } = house.claim("old").await else { panic!("it must be looked up") };
    let done =
        house.desk.record_read(attempt, Said::Found { outputs: outputs() }, std::time::Instant::now()).await.unwrap();
    assert_eq!(done.verdict, Some(Verdict::Complete { outputs: outputs() }));
    assert!(key.ends_with(".1"), "the key of the lost attempt: {key}");
    // An order of afterwards has lost nothing.
    house.order("new").await;
    assert!(matches!(house.claim("new").await, Claim::Fresh(_)));
}

#[tokio::test]
async fn without_a_lookup_the_same_key_asks_and_the_step_is_assumed_sent_only_once() {
    let house = house("rules-replay", without_lookup).await;
    house.order("old").await;
    house.restored().await;
    let Claim::Fresh(permission) = house.claim("old").await else { panic!("its key is kept: it may be replayed") };
    let evidence = Evidence::answered(201, json!({ "id": "R-1" }));
    house.desk.record(permission.attempt, &evidence, &Ok(outputs())).await.unwrap();
    // As after a commit whose answer was lost.
    let repeated = house.desk.record(permission.attempt, &evidence, &Ok(outputs())).await.unwrap();
    assert_eq!(repeated.verdict, None);
    let ledger = house.desk.ledger(TENANT).await.unwrap();
    assert_eq!(ledger[0].steps[0].keys.len(), 1, "the lost attempt and the replay have one key");
    assert!(matches!(house.claim("old").await, Claim::Report { verdict: Verdict::Complete { .. }, .. }));
}

#[tokio::test]
async fn without_key_and_lookup_a_person_decides_about_what_a_restore_lost() {
    let house = house("rules-bare", bare).await;
    house.order("old").await;
    house.restored().await;
    let Claim::Report { verdict: Verdict::Park { classification, .. }, case, .. } = house.claim("old").await else {
        panic!("it must park")
    };
    assert_eq!(classification, "OUTCOME_UNKNOWN");
    let shown = house.desk.case(TENANT, case.unwrap()).await.unwrap();
    assert!(shown.case.summary.unwrap_or_default().contains("the ledger was restored"));
    assert!(matches!(house.claim("old").await, Claim::Parked { .. }));
}

#[tokio::test]
async fn a_known_failure_of_before_the_window_is_no_proof_any_more() {
    let house = house("rules-technical", |_| {}).await;
    house.order("old").await;
    let Claim::Fresh(permission) = house.claim("old").await else { panic!("nothing is lost yet") };
    let refused = Evidence::of(fallout_core::evidence::Phase::NotConnected);
    house.desk.record(permission.attempt, &refused, &Err("an answer".into())).await.unwrap();
    house.restored().await;
    assert!(matches!(house.claim("old").await, Claim::LookUp { attempt, .. } if attempt != permission.attempt));
}

#[tokio::test]
async fn an_order_that_is_found_running_may_have_been_lost_with_its_steps() {
    let house = house("rules-found", |_| {}).await;
    house.order("other").await;
    house.restored().await;
    let accepted = house.desk.accept_order(TENANT, &simple("again"), 1, "").await.unwrap();
    let Accepted::Started(run) = accepted else { panic!("its row was lost") };
    let commands = house.desk.take_commands(10).await.unwrap();
    assert!(commands.iter().all(|c| c.tries > 0), "every start is read back before it is sent");
    house.desk.run_found(run, "instance-of-again").await.unwrap();
    assert!(matches!(house.claim("again").await, Claim::LookUp { .. }));
}

#[tokio::test]
async fn a_window_is_declared_once_and_lies_in_the_past() {
    let house = house("rules-window", |_| {}).await;
    let now = house.desk.now().await.unwrap();
    let (from, later) = (now - chrono::Duration::hours(1), now + chrono::Duration::hours(1));
    let declare = async |from, to, reason| house.desk.declare_restored(from, to, reason, "local:test").await;
    assert_eq!(declare(from, now, "failover").await.unwrap(), Some(0));
    assert_eq!(declare(from, now, "failover").await.unwrap(), None);
    assert!(matches!(declare(now, from, "failover").await, Err(DeskError::NoWindow)));
    assert!(matches!(declare(from, later, "failover").await, Err(DeskError::NoWindow)));
    assert!(matches!(declare(from, now, " ").await, Err(DeskError::NoReason)));
    assert_eq!(house.desk.declared_restores().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_task_of_an_archived_step_gets_a_case_and_is_never_sent() {
    let house = house("rules-archive", |_| {}).await;
    let run = house.order("old").await;
    let Claim::Fresh(permission) = house.claim("old").await else { panic!("a first try") };
    let evidence = Evidence::answered(201, json!({ "id": "R-1" }));
    house.desk.record(permission.attempt, &evidence, &Ok(outputs())).await.unwrap();
    assert!(matches!(house.desk.archive(TENANT, run).await.unwrap(), Archived::Kept(why) if why.contains("not ended")));
    house.desk.run_ended(run, "completed", "orderCompleted").await.unwrap();
    let due = house.desk.archivable(TENANT, chrono::Duration::zero(), None, 10).await.unwrap();
    assert_eq!(due.iter().map(|d| (d.run, d.steps)).collect::<Vec<_>>(), [(run, 1)]);
    assert_eq!(house.desk.archive(TENANT, run).await.unwrap(), Archived::Done(1));
    assert!(house.desk.archivable(TENANT, chrono::Duration::zero(), None, 10).await.unwrap().is_empty());
    let Claim::Parked { case } = house.claim("old").await else { panic!("it must not be sent") };
    let again = house.claim("old").await;
    assert!(matches!(again, Claim::Parked { case: same } if same == case), "one trouble, one case");
    let shown = house.desk.case(TENANT, case).await.unwrap();
    assert!(shown.case.summary.unwrap_or_default().contains("archived"));
}
