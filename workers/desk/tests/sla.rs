//! Severity and clocks against a real Postgres: what a new case weighs, what changes it, and who is told when.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::{
    path::Path,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use chrono::Duration;
use fallout_core::{
    case::{CaseEvent, Severity},
    catalogue::Catalogue,
    ids::CaseNumber,
    order::read_orders,
    severity::Factor,
};
use fallout_desk::{Accepted, CaseDetail, Desk, DeskError};
use fallout_embedded::{Postgres, PostgresOptions, suitable_dir};
use fallout_store::Store;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgDatabaseError};

const TENANT: &str = "t";

/// A desk with the shipped rules on a database of its own.
struct House {
    desk: Desk,
    hand: PgConnection,
}

fn server() -> &'static Mutex<Postgres> {
    static SERVER: OnceLock<Mutex<Postgres>> = OnceLock::new();
    SERVER.get_or_init(|| {
        let dir = suitable_dir(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("desk-sla"));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Mutex::new(Postgres::start(PostgresOptions { dir, databases: Vec::new(), port: 0 }).unwrap())
    })
}

fn catalogue() -> Catalogue {
    Catalogue {
        taxonomy: toml::from_str(include_str!("../../../config/taxonomy.toml")).unwrap(),
        severity: toml::from_str(include_str!("../../../config/severity.toml")).unwrap(),
        sla: toml::from_str(include_str!("../../../config/sla.toml")).unwrap(),
        ..Catalogue::default()
    }
}

impl House {
    async fn new() -> House {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("sla_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let (url, admin) = {
            let server = server().lock().unwrap();
            server.add_database(&name).unwrap();
            (server.socket_url(&name), server.admin_url(&name))
        };
        let store = Store::new(&url, 8).unwrap();
        store.migrate().await.unwrap();
        let desk = Desk::new(store, catalogue().into());
        House { desk, hand: PgConnection::connect(&admin).await.unwrap() }
    }

    /// What the database said: nothing, or the rule that refused it.
    async fn run(&mut self, sql: &str) -> Result<(), String> {
        match sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.hand).await {
            Ok(_) => Ok(()),
            Err(sqlx::Error::Database(e)) => {
                Err(e.downcast_ref::<PgDatabaseError>().constraint().unwrap_or(e.message()).to_owned())
            }
            Err(e) => panic!("{sql}: {e}"),
        }
    }

    /// An order with these fields besides a plain item, whose process ended as it must not.
    async fn trouble(&mut self, id: &str, fields: Value) -> CaseNumber {
        let mut document = json!({ "id": id, "productOrderItem": [
            { "id": "1", "action": "add", "productOffering": { "id": "PO-MOB-M" } } ] });
        document.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let order = read_orders("test", json!([document]).to_string().as_bytes()).unwrap().remove(0);
        let Accepted::Started(run) = self.desk.accept_order(TENANT, &order, 1, "").await.unwrap() else {
            panic!("{id} was taken in before");
        };
        let started = format!(
            "update order_run set state = 'running', process_instance_id = 'p-{id}', started_at = now() where id = '{run}'"
        );
        self.run(&started).await.unwrap();
        self.desk.ended_silently(run, "in a test").await.unwrap()
    }

    /// Every case, by hand, with what that state needs.
    async fn moved(&mut self, state: &str) {
        let moved = format!(
            "begin;
             update fallout_case set status = '{state}', resolution_code = 'X', resolved_at = now(),
                 waiting_for = case '{state}' when 'waiting' then 'customer' end,
                 wait_reason = case '{state}' when 'waiting' then 'papers' end;
             insert into fallout_event (id, tenant_id, fallout_case_id, event_type, actor_type)
                 select gen_random_uuid(), tenant_id, id, 'by hand', 'system' from fallout_case;
             commit"
        );
        self.run(&moved).await.unwrap();
    }

    async fn case(&self, number: CaseNumber) -> CaseDetail {
        self.desk.case(TENANT, number).await.unwrap()
    }

    /// As if that much more time had passed since everything that is known of the clocks; then they are looked at.
    async fn later(&mut self, minutes: u32) {
        let earlier = format!(
            "begin;
             alter table case_sla_segment disable trigger case_sla_segment_is_history;
             update case_sla_segment set from_at = from_at - interval '{minutes} min', to_at = to_at - interval '{minutes} min';
             alter table case_sla_segment enable trigger case_sla_segment_is_history;
             update case_sla set next_at = now();
             commit"
        );
        self.run(&earlier).await.unwrap();
        self.look().await;
    }

    /// By three controllers at once.
    async fn look(&self) {
        let due = self.desk.clocks_due(None, 1_000).await.unwrap();
        let looks = due.iter().flat_map(|case| [*case, *case, *case]).map(|case| {
            let desk = self.desk.clone();
            tokio::spawn(async move { desk.look_at_clock(case).await.unwrap() })
        });
        let mut looked = 0;
        for look in looks.collect::<Vec<_>>() {
            looked += usize::from(look.await.unwrap());
        }
        assert_eq!(looked, due.len(), "one of the three looks, the others have nothing to do");
        assert_eq!(self.desk.clocks_due(None, 1).await.unwrap(), []);
    }
}

/// How often it stands on the timeline, for each of these.
fn times(case: &CaseDetail, events: &[CaseEvent]) -> Vec<usize> {
    events.iter().map(|e| case.timeline.iter().filter(|line| line.event == e.word()).count()).collect()
}

#[tokio::test]
async fn a_case_opens_with_a_severity_a_reason_for_each_factor_and_a_running_clock() {
    let mut house = House::new().await;
    let number = house.trouble("o-1", json!({ "category": "government" })).await;
    let case = house.case(number).await.case;
    assert_eq!(case.severity, "SEV2");
    let clock = house.desk.case_clock(TENANT, number).await.unwrap();
    let derived = clock.judgement.unwrap().derived;
    assert_eq!(derived.reasons.len(), Factor::ALL.len());
    let assumed: Vec<Factor> = derived.reasons.iter().filter(|r| r.assumed).map(|r| r.factor).collect();
    assert_eq!(assumed, [Factor::OrderValue, Factor::PromisedDate]);
    assert_eq!(clock.policy.as_deref(), Some("urgent"));
    // What is stored is what the segments say.
    assert_eq!(case.sla_due_at, clock.due);
    assert_eq!(clock.due.unwrap() - clock.jeopardy_at.unwrap(), Duration::minutes(60));
    assert_eq!(clock.due.unwrap() - clock.response_due.unwrap(), Duration::minutes(210));
}

#[tokio::test]
async fn a_severity_rises_by_itself_with_the_orders_affected_and_the_target_shrinks() {
    let mut house = House::new().await;
    let first = house.trouble("o-1", json!({ "category": "residential" })).await;
    let before = house.case(first).await.case;
    assert_eq!(before.severity, "SEV3");
    let mut last = first;
    for n in 2..=20 {
        last = house.trouble(&format!("o-{n}"), json!({ "category": "residential" })).await;
    }
    assert_eq!(house.case(last).await.case.severity, "SEV2", "the twentieth knows of the others at once");
    house.look().await;
    let after = house.case(first).await;
    assert_eq!(after.case.severity, "SEV2");
    assert_eq!(before.sla_due_at.unwrap() - after.case.sla_due_at.unwrap(), Duration::minutes(240));
    let why = after.timeline.iter().find(|e| e.event == CaseEvent::SeverityChanged.word()).unwrap();
    assert_eq!(why.reason.as_deref(), Some("affected_orders 20"));
    house.later(0).await;
    assert_eq!(times(&house.case(first).await, &[CaseEvent::SeverityChanged]), [1], "said once");
}

#[tokio::test]
async fn only_a_named_person_with_a_reason_lowers_a_severity_and_it_rises_again_only_over_what_they_saw() {
    let mut house = House::new().await;
    let number = house.trouble("o-1", json!({ "category": "government" })).await;
    let lowered = house.run("update fallout_case set severity = 'SEV4'").await;
    assert_eq!(lowered, Err("severity_is_lowered_by_a_person".to_owned()));
    let desk = house.desk.clone();
    let lower = async |tenant: &str, to, reason: &str| desk.lower_severity(tenant, "local:a", number, to, reason).await;
    assert!(matches!(lower(TENANT, Severity::Sev4, " ").await, Err(DeskError::NoReason)));
    assert!(matches!(lower("other", Severity::Sev4, "a test order").await, Err(DeskError::NoSuchCase(_))));
    for not_lower in [Severity::Sev1, Severity::Sev2] {
        let refused = lower(TENANT, not_lower, "a test order").await;
        assert!(matches!(refused, Err(DeskError::NotLower(_, Severity::Sev2))), "{refused:?}");
    }
    lower(TENANT, Severity::Sev4, "a test order").await.unwrap();
    house.later(0).await;
    let case = house.case(number).await;
    assert_eq!(case.case.severity, "SEV4");
    let said = case.timeline.iter().find(|e| e.event == CaseEvent::SeverityChanged.word()).unwrap();
    assert_eq!((said.actor.as_deref(), said.reason.as_deref()), (Some("local:a"), Some("a test order")));
    let clock = house.desk.case_clock(TENANT, number).await.unwrap();
    assert_eq!(clock.judgement.unwrap().derived.severity, Severity::Sev2, "what the factors say stays beside it");
    // Now they say more than that person knew.
    let outage = "insert into product_order (id, tenant_id, external_id, document)
            select gen_random_uuid(), 't', 'x-' || n, '{}' from generate_series(1, 99) n;
        insert into fallout_case (id, tenant_id, case_number, case_type, severity, status, source, classification_code,
            related_order_id, external_system, match_key)
            select gen_random_uuid(), 't', external_id, 'WORKFLOW_INCIDENT', 'SEV3', 'classified', 'test',
                'ENGINE_CANNOT_ADVANCE', id, 'engine', external_id from product_order where external_id like 'x-%'";
    house.run(outage).await.unwrap();
    house.later(0).await;
    assert_eq!(house.case(number).await.case.severity, "SEV1");
}

#[tokio::test]
async fn people_are_warned_before_a_breach_and_each_step_of_an_escalation_hands_the_case_over_once() {
    use CaseEvent::{Escalated, SlaAtRisk, SlaBreached};
    let events = [SlaAtRisk, SlaBreached, Escalated];
    let mut house = House::new().await;
    let number = house.trouble("o-1", json!({ "category": "residential" })).await;
    // SEV3, urgent: an hour to answer, eight in all, warned and escalated at six.
    for (minutes, expected, group) in [
        (59, [0, 0, 0], "Platform Ops"),
        (2, [0, 1, 0], "Platform Ops"),
        (300, [1, 1, 1], "Senior Ops"),
        (0, [1, 1, 1], "Senior Ops"),
        (120, [1, 2, 2], "Engineering"),
        (10_000, [1, 2, 2], "Engineering"),
    ] {
        house.later(minutes).await;
        let case = house.case(number).await;
        assert_eq!(times(&case, &events), expected, "{minutes} min later: {:?}", case.timeline);
        assert_eq!(case.case.group.as_deref(), Some(group), "{minutes} min later");
    }
}

#[tokio::test]
async fn the_clock_follows_the_state_of_its_case_whoever_changes_it() {
    let mut house = House::new().await;
    let number = house.trouble("o-1", json!({ "category": "residential" })).await;
    house.later(100).await;
    house.moved("waiting").await;
    house.look().await;
    house.later(1_000).await;
    let waiting = house.desk.case_clock(TENANT, number).await.unwrap();
    assert!((100..1_000).contains(&waiting.used_minutes), "{}", waiting.used_minutes);
    assert_eq!((waiting.due, waiting.jeopardy_at), (None, None));
    assert_eq!(house.case(number).await.case.sla_due_at, None);
    house.moved("assigned").await;
    house.moved("in_progress").await;
    house.look().await;
    house.later(50).await;
    let going_on = house.desk.case_clock(TENANT, number).await.unwrap();
    assert_eq!(
        (going_on.used_minutes, going_on.response_due),
        (150, None),
        "the wait was an answer, and did not count"
    );
    let left = going_on.due.unwrap() - house.desk.now().await.unwrap();
    assert!(left <= Duration::minutes(330), "{left}");
    house.moved("verifying").await;
    house.moved("resolved").await;
    house.later(10_000).await;
    let over = house.desk.case_clock(TENANT, number).await.unwrap().used_minutes;
    assert!((150..1_000).contains(&over), "over is over: {over}");
    let said = [CaseEvent::SlaAtRisk, CaseEvent::Escalated];
    assert_eq!(times(&house.case(number).await, &said), [0, 0]);
    house.moved("reopened").await;
    house.look().await;
    house.later(220).await;
    assert_eq!(times(&house.case(number).await, &said), [1, 1], "it goes on where it stopped");
}

#[tokio::test]
async fn the_segments_of_a_clock_cannot_be_rewritten() {
    let mut house = House::new().await;
    house.trouble("o-1", json!({})).await;
    house.moved("waiting").await;
    for rewriting in [
        "delete from case_sla_segment",
        "update case_sla_segment set from_at = from_at - interval '1 h'",
        "update case_sla_segment set to_at = to_at + interval '1 h' where to_at is not null",
        "update case_sla_segment set to_at = null where to_at is not null",
        "update case_sla_segment set kind = 'running', to_at = now() where to_at is null",
    ] {
        assert_eq!(house.run(rewriting).await, Err("case_sla_segment_is_history".to_owned()), "{rewriting}");
    }
}

#[test]
fn a_calendar_in_a_zone_that_does_not_exist_is_found() {
    let mut rules = catalogue().sla;
    assert_eq!(fallout_desk::unknown_zones(&rules), Vec::<String>::new());
    rules.calendars[0].zone = "Europe/Berlni".into();
    assert_eq!(fallout_desk::unknown_zones(&rules).len(), 1);
}
