//! Correcting a field: its owner has it first, then it is so here and steps are rendered from it; everything about it is
//! recorded, and what is personal lies where it can be erased.

use fallout_core::{
    action::{Action, ActionState, command::RecoveryCommand, correction::Correction},
    attempt::{Prepared, StoredRequest},
    case::{CaseEvent, CaseState},
    claim::Claim,
    evidence::Evidence,
    ids::{ActionId, AttemptId, CaseNumber},
    operation::{Method, On503, Operation},
    request,
    step::Outputs,
    task::TaskRef,
};
use serde_json::{Value, json};

use crate::house::{ANN, House, TENANT, command, refused, task};

/// The step's request names the address of its line.
pub fn uses_address(op: &mut Operation) {
    op.request.body = Some(json!({ "reference": "{key}", "place": "{line.product.place.0?}" }));
}

pub fn address(city: &str) -> Value {
    json!({ "streetAddress": "Bahnhofstrasse 77", "postcode": "8001", "city": city, "country": "CH" })
}

pub fn correct(case: CaseNumber, key: &str, field: &str, value: Value) -> RecoveryCommand {
    let correction = Correction { field: field.into(), line: None, value, source: Some("CRM-7".into()) };
    RecoveryCommand { correction: Some(correction), ..command(case, Action::CorrectData, key) }
}

/// The controller's turn: it may send.
pub async fn sends(house: &House, action: ActionId) -> (AttemptId, StoredRequest) {
    assert_eq!(house.desk.due_effects(10).await.unwrap(), [action]);
    match house.desk.claim_effect(action, "w").await.unwrap() {
        Some((_, Claim::Fresh(permission))) => (permission.attempt, permission.request),
        other => panic!("{other:?}"),
    }
}

pub async fn answered(house: &House, attempt: AttemptId, status: u16, body: Value) {
    let op = house.desk.catalogue().operation("order.correct").unwrap();
    let evidence = Evidence::answered(status, body);
    house.desk.record(attempt, &evidence, &request::read(op, &evidence)).await.unwrap();
}

pub async fn action_state(house: &House, case: CaseNumber) -> ActionState {
    house.desk.actions(TENANT, case).await.unwrap().pop().unwrap().state
}

pub async fn city_rendered(house: &House, order: &str) -> Value {
    let context = house.desk.contexts(&[task(order, "1")]).await.unwrap().remove(0);
    context.document["productOrderItem"][0]["product"]["place"][0]["city"].clone()
}

#[tokio::test]
async fn a_corrected_field_is_with_its_owner_first_and_then_steps_are_rendered_from_it() {
    let mut house = House::new(uses_address).await;
    let case = house.rejected("o-1").await;
    let taken = house.give(&correct(case, "k", "service-address", address("Zürich"))).await.unwrap();
    assert_eq!(house.state(case).await, CaseState::Recovering);
    assert_eq!(action_state(&house, case).await, ActionState::Performing);
    assert_eq!(city_rendered(&house, "o-1").await, Value::Null, "nothing is changed before the owner has it");

    let (attempt, request) = sends(&house, taken.action).await;
    assert_eq!((request.method, request.path.as_str()), (Method::Post, "/product-orders/o-1/corrections"));
    let body: Value = serde_json::from_str(request.body.as_deref().unwrap()).unwrap();
    assert_eq!(
        (body["version"].clone(), body["field"].clone(), body["line"].clone()),
        (json!(1), json!("service-address"), json!("1"))
    );
    assert_eq!(
        (body["value"]["city"].clone(), body["value"]["role"].clone()),
        (json!("Zürich"), json!("installationAddress"))
    );
    answered(&house, attempt, 201, json!({ "id": "COR-1", "version": 2 })).await;

    assert_eq!(house.state(case).await, CaseState::Classified);
    assert_eq!(action_state(&house, case).await, ActionState::Completed);
    use CaseEvent as E;
    assert_eq!(house.since(case).await, [E::ActionRequested, E::ActionCompleted, E::DataCorrected]);
    let detail = house.desk.case(TENANT, case).await.unwrap();
    assert_eq!(detail.case.recommended_action.as_deref(), Some("RETRY_STEP"));
    assert_eq!(city_rendered(&house, "o-1").await, json!("Zürich"));
    assert_eq!(house.desk.due_effects(10).await.unwrap(), [], "there is nothing left to do");

    // The ten items, in the order of the specification.
    let order = house.desk.order(TENANT, "o-1").await.unwrap();
    let [c] = order.corrections.as_slice() else { panic!("{:?}", order.corrections) };
    assert_eq!((c.by.as_str(), c.field.as_str(), c.line.as_str()), (ANN, "service-address", "1"));
    assert!(c.personal && c.old != c.new && c.new.as_str().is_some_and(|hash| hash.len() == 64), "{c:?}");
    assert_eq!((c.reason.as_str(), c.authority.as_str()), ("the account was corrected", "correct_address"));
    assert_eq!((c.case.clone(), c.process.as_str()), (case.to_string(), "t:o-1:1"));
    assert_eq!(c.transition.as_ref().unwrap()["case"], json!(["recovering", "classified"]));
    assert_eq!((c.version, c.owner_version), (Some(1), Some(2)));

    // A correction of the same is another version, from what the first one made of it, at the owner's present version.
    let again = house.give(&correct(case, "k-2", "service-address", address("Bern"))).await.unwrap();
    let (attempt, request) = sends(&house, again.action).await;
    assert!(request.body.unwrap().contains("\"version\":2"));
    answered(&house, attempt, 201, json!({ "id": "COR-2", "version": 3 })).await;
    assert_eq!(city_rendered(&house, "o-1").await, json!("Bern"));
    let kept = house.count("select count(*) from order_correction where version is not null").await;
    assert_eq!(kept, 2);
}

#[tokio::test]
async fn what_the_owner_refuses_changes_nothing_and_the_case_says_why() {
    let rows = [
        (409, json!({ "code": "VERSION_CONFLICT", "message": "the order is at version 4" }), "at version 4"),
        (422, json!({ "code": "VALUE_REFUSED", "message": "no such street" }), "no such street"),
        (400, json!({ "message": "what?" }), "nothing was changed"),
    ];
    let mut house = House::new(uses_address).await;
    for (n, (status, body, says)) in rows.into_iter().enumerate() {
        let order = format!("o-{n}");
        let case = house.rejected(&order).await;
        let taken = house.give(&correct(case, &order, "service-address", address("Zürich"))).await.unwrap();
        let (attempt, _) = sends(&house, taken.action).await;
        answered(&house, attempt, status, body).await;
        assert_eq!(house.state(case).await, CaseState::Classified);
        let action = house.desk.actions(TENANT, case).await.unwrap().remove(0);
        assert_eq!(action.state, ActionState::Failed);
        let why = action.result.unwrap()["why"].to_string();
        assert!(why.contains(says) && why.contains("nothing was changed"), "{why}");
        assert_eq!(city_rendered(&house, &order).await, Value::Null);
        assert_eq!(house.since(case).await, [CaseEvent::ActionRequested, CaseEvent::ActionFailed]);
        assert_eq!(house.desk.due_effects(10).await.unwrap(), [], "a refusal is not tried again");
    }
    assert_eq!(house.count("select count(*) from order_correction where version is not null").await, 0);
    assert_eq!(house.count("select count(*) from fallout_case").await, 3, "no case beside the three");
}

#[tokio::test]
async fn what_may_not_be_corrected_is_refused_by_name_and_changes_nothing() {
    let mut house = House::new(uses_address).await;
    let case = house.rejected("o-1").await;
    let (unknown, _) = house.unknown("o-2").await;
    let good = || address("Zürich");
    let of_line = |line: &str| {
        let mut command = correct(case, "k", "service-address", good());
        command.correction.as_mut().unwrap().line = Some(line.into());
        command
    };
    let mut unsourced = correct(case, "k", "service-address", good());
    unsourced.correction.as_mut().unwrap().source = None;
    let rows = [
        ("nothing_set", command(case, Action::CorrectData, "k")),
        (
            "not_this_action",
            RecoveryCommand { action: "RETRY_STEP".into(), ..correct(case, "k", "device-id", json!("X")) },
        ),
        ("no_such_field", correct(case, "k", "price", json!("1"))),
        ("value_refused", correct(case, "k", "service-address", json!("Zürich"))),
        ("no_source", unsourced),
        ("no_such_line", of_line("9")),
        (
            "of_the_order",
            RecoveryCommand {
                correction: of_line("1").correction.map(|c| Correction {
                    field: "billing-account".into(),
                    value: json!("ba"),
                    ..c
                }),
                ..of_line("1")
            },
        ),
        ("effect_does_not_fit", correct(case, "k", "acknowledgement", json!("SVC-1"))),
        ("outcome_unknown", correct(unknown, "k", "service-address", good())),
        ("key_reused", correct(case, "k-0", "service-address", good())),
    ];
    house.give(&command(case, Action::RetryStep, "k-0")).await.unwrap();
    let first = house.desk.actions(TENANT, case).await.unwrap().remove(0).id;
    house.desk.withdraw(TENANT, ANN, first, "not yet").await.unwrap();
    for (name, command) in rows {
        let about: CaseNumber = command.fallout_case_id.parse().unwrap();
        house.give(&command).await.unwrap_err();
        assert_eq!(house.latest(about).await, name);
        if !["key_reused", "nothing_set"].contains(&name) {
            refused(house.desk.plan(TENANT, ANN, &command).await);
        }
    }
    assert_eq!(house.count("select count(*) from order_correction").await, 0);
    assert_eq!(house.desk.due_effects(10).await.unwrap(), []);
}

#[tokio::test]
async fn a_dry_run_says_what_changes_and_repeats_nothing_personal() {
    let house = House::new(uses_address).await;
    let case = house.rejected("o-1").await;
    let plan = house.desk.plan(TENANT, ANN, &correct(case, "k", "service-address", address("Zürich"))).await.unwrap();
    let text = plan.changes.join("\n");
    for says in [
        "service-address of line 1 goes from a personal value to a personal value",
        "owner has it first, by order.correct",
        "step capture of order o-1 line 1 is rendered from it",
    ] {
        assert!(text.contains(says), "{text}");
    }
    assert!(!text.contains("Zürich"), "{text}");
    let plan = house.desk.plan(TENANT, ANN, &correct(case, "k", "billing-account", json!("ba-1"))).await.unwrap();
    assert!(plan.changes.join("\n").contains("billing-account goes from nothing to \"ba-1\""), "{:?}", plan.changes);
}

#[tokio::test]
async fn a_step_that_uses_the_field_and_is_not_known_stands_in_the_way_whosever_case_it_is() {
    let house = House::new(|op| {
        op.request.body = Some(json!({ "reference": "{key}", "account": "{order.billingAccount.id?}" }));
    })
    .await;
    let case = house.rejected("o-1").await;
    house.attempt(&task("o-1", "2")).await;
    let said = refused(house.give(&correct(case, "k", "billing-account", json!("ba-2"))).await);
    assert!(
        said.contains("step capture of order o-1 line 2 uses billing-account, and what it has sent is still open"),
        "{said}"
    );
    assert_eq!(house.latest(case).await, "field_in_use");
}

#[tokio::test]
async fn a_personal_value_is_nowhere_but_where_it_can_be_erased() {
    let mut house = House::new(uses_address).await;
    let case = house.rejected("o-1").await;
    let taken = house.give(&correct(case, "k", "service-address", address("Zumikon"))).await.unwrap();
    let (attempt, _) = sends(&house, taken.action).await;
    answered(&house, attempt, 201, json!({ "id": "COR-1", "version": 2 })).await;
    let tables = [
        "fallout_recovery_action",
        "fallout_event",
        "order_correction",
        "order_context",
        "recovery_request",
        "engine_command",
        "event_outbox",
        "fallout_case",
        "fallout_external_signal",
        "product_order",
    ];
    for table in tables {
        let found = house.count(&format!("select count(*) from {table} t where t::text like '%Zumikon%'")).await;
        assert_eq!(found, 0, "{table}");
    }
    let apart = "select count(*) from order_personal p where p::text like '%Zumikon%'";
    assert_eq!(house.count(apart).await, 2, "what stands there, and what it was corrected to");
    // The request to the owner goes with the ledger of its run.
    assert_eq!(house.count("select count(*) from intent i where i::text like '%Zumikon%'").await, 1);
}

#[tokio::test]
async fn what_concerns_only_us_is_so_at_once_and_asks_nobody() {
    let mut house = House::new(uses_address).await;
    let case = house.rejected("o-1").await;
    house.give(&correct(case, "k-1", "delay-reason", json!("DELAY"))).await.unwrap();
    assert_eq!(house.state(case).await, CaseState::Classified);
    let status = house.desk.customer_status(TENANT, "o-1").await.unwrap();
    assert_eq!(status.delay_reason.unwrap().code, "DELAY");
    assert!(
        refused(house.give(&correct(case, "k-2", "delay-reason", json!("DELAY"))).await).contains("is that already")
    );

    house.give(&correct(case, "k-3", "fallout-owner", json!("Legal Ops"))).await.unwrap();
    let detail = house.desk.case(TENANT, case).await.unwrap();
    assert_eq!((detail.case.group.as_deref(), detail.case.status.as_str()), (Some("Legal Ops"), "assigned"));
    let recommended = detail.case.recommended_action.clone();
    let order = house.desk.order(TENANT, "o-1").await.unwrap();
    let from_to: Vec<_> = order.corrections.iter().map(|c| (c.old.clone(), c.new.clone())).collect();
    assert_eq!(from_to, [(Value::Null, json!("DELAY")), (json!("Billing Ops"), json!("Legal Ops"))]);
    assert_ne!(recommended.as_deref(), Some("RESUME_WORKFLOW"));
    assert_eq!(house.desk.due_effects(10).await.unwrap(), []);

    let (unknown, attempt) = house.unknown("o-2").await;
    let outputs = Outputs::from([("receiptId".to_owned(), json!("R-1"))]);
    house.read(attempt, fallout_core::lookup::Said::Found { outputs }).await;
    house.give(&correct(unknown, "k-4", "acknowledgement", json!("SVC-000123"))).await.unwrap();
    let detail = house.desk.case(TENANT, unknown).await.unwrap();
    assert_eq!(house.count("select count(*) from fallout_case where external_reference = 'SVC-000123'").await, 1);
    assert_eq!(detail.case.recommended_action.as_deref(), Some("RESUME_WORKFLOW"));
}

#[tokio::test]
async fn what_was_corrected_is_sent_with_a_new_key_once_the_step_is_retried() {
    let house = House::new(|op| {
        uses_address(op);
        op.answers.on_503 = On503::NotProcessed;
    })
    .await;
    house.order("o-1").await;
    let at = task("o-1", "1");
    let case = house.exhausted(&at).await;
    let taken = house.give(&correct(case, "k", "service-address", address("Zürich"))).await.unwrap();
    let (effect, _) = sends(&house, taken.action).await;
    answered(&house, effect, 201, json!({ "id": "COR-1", "version": 2 })).await;
    let retry = house.give(&command(case, Action::RetryStep, "k-2")).await.unwrap();
    let again = TaskRef { action: Some(retry.action), ..at };
    let request =
        StoredRequest { method: Method::Post, path: "/captures".into(), headers: Vec::new(), body: Some("new".into()) };
    let claim = house.desk.claim(&again, Some(Ok(Prepared { request, generation: 2 }))).await.unwrap();
    let Claim::Fresh(permission) = claim else { panic!("{claim:?}") };
    assert_eq!((permission.generation, permission.request.body.as_deref()), (2, Some("new")));
}
