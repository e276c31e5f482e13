//! A new price and a new baseline: the quote system makes them first, within what was agreed, and then steps are rendered from
//! them; what is not possible is refused by name and changes nothing.

use fallout_core::{
    action::{Action, ActionState, command::RecoveryCommand, revision::Agreement},
    attempt::{Prepared, StoredRequest},
    case::{CaseEvent, CaseState},
    claim::Claim,
    evidence::Evidence,
    ids::{AttemptId, CaseNumber},
    operation::{Method, On503, Operation},
    request,
    step::StepIdentity,
    task::TaskRef,
    undo::Undo,
};
use serde_json::{Value, json};

use crate::{
    correcting::{action_state, sends},
    house::{ANN, House, TENANT, command, prepared, refused, task},
};

/// The step's request names the quote and the baseline, and a call takes its effect back.
fn uses_both(op: &mut Operation) {
    op.request.body =
        Some(json!({ "reference": "{key}", "quote": "{order.quote.0.id?}", "baseline": "{order.baseline.id?}" }));
    op.point_of_no_return = None;
    op.undo = Some(Undo::Operation("payment.void".into()));
}

/// A change of an enterprise customer who has accepted a quote of 100 EUR.
fn quoted(id: &str) -> Value {
    json!({ "id": id, "category": "enterprise", "baseline": { "id": "BSL-0" },
        "quote": [{ "id": "q-1", "state": "accepted", "name": "for Jane Roe" }],
        "productOrderItem": [{ "id": "1", "action": "modify",
            "itemPrice": [{ "price": { "dutyFreeAmount": { "unit": "EUR", "value": 100.0 } } }] }] })
}

/// The same, quoted to a business customer who has not accepted it.
fn offered(id: &str) -> Value {
    let mut document = quoted(id);
    document["category"] = json!("business");
    document["quote"][0]["state"] = json!("pending");
    document
}

async fn rejected(house: &House, document: Value) -> CaseNumber {
    let order = document["id"].as_str().unwrap().to_owned();
    house.order_of(document).await;
    house.rejected_line(&order, "1").await
}

fn reprice(case: CaseNumber, key: &str, agreed: Option<f64>) -> RecoveryCommand {
    let agreement = agreed.map(|price| Agreement { price, reference: "MAIL-5".into() });
    RecoveryCommand { agreement, ..command(case, Action::RepriceQuote, key) }
}

async fn answered(house: &House, operation: &str, attempt: AttemptId, status: u16, body: Value) {
    let op = house.desk.catalogue().operation(operation).unwrap();
    let evidence = Evidence::answered(status, body);
    house.desk.record(attempt, &evidence, &request::read(op, &evidence)).await.unwrap();
}

fn made(version: u64, price: f64) -> Value {
    json!({ "id": "QRV-1", "version": version, "price": { "unit": "EUR", "value": price }, "validUntil": "2026-12-27T00:00:00Z" })
}

async fn rendered(house: &House, order: &str) -> Value {
    house.desk.contexts(&[task(order, "1")]).await.unwrap().remove(0).document
}

fn body(request: &StoredRequest) -> Value {
    serde_json::from_str(request.body.as_deref().unwrap()).unwrap()
}

#[tokio::test]
async fn a_quote_is_revised_within_what_its_policy_allows_and_then_steps_are_rendered_from_it() {
    let house = House::new(uses_both).await;
    let case = rejected(&house, quoted("o-1")).await;
    let taken = house.give(&reprice(case, "k", None)).await.unwrap();
    assert_eq!(house.state(case).await, CaseState::Recovering);
    assert_eq!(action_state(&house, case).await, ActionState::Performing);

    let (attempt, request) = sends(&house, taken.action).await;
    assert_eq!((request.method, request.path.as_str()), (Method::Post, "/quotes/q-1/revisions"));
    let asked = body(&request);
    assert_eq!((&asked["version"], &asked["limit"]), (&json!(1), &json!(103.0)));
    assert_eq!((&asked["price"], &asked["order"]), (&json!({ "unit": "EUR", "value": 100.0 }), &json!("o-1")));
    assert_eq!(rendered(&house, "o-1").await["quote"], quoted("o-1")["quote"], "nothing is changed before it is made");
    answered(&house, "quote.revise", attempt, 201, made(2, 102.0)).await;

    assert_eq!(house.state(case).await, CaseState::Classified);
    assert_eq!(action_state(&house, case).await, ActionState::Completed);
    use CaseEvent as E;
    assert_eq!(house.since(case).await, [E::ActionRequested, E::ActionCompleted, E::DataCorrected]);
    let detail = house.desk.case(TENANT, case).await.unwrap();
    assert_eq!(detail.case.recommended_action.as_deref(), Some("RETRY_STEP"));
    let quote = rendered(&house, "o-1").await["quote"][0].clone();
    assert_eq!((&quote["id"], &quote["version"], &quote["state"]), (&json!("q-1"), &json!(2), &json!("accepted")));
    assert_eq!(quote["quoteTotalPrice"][0]["price"]["dutyFreeAmount"], json!({ "unit": "EUR", "value": 102.0 }));
    assert_eq!(quote["validFor"]["endDateTime"], "2026-12-27T00:00:00Z");
    assert_eq!(house.desk.due_effects(10).await.unwrap(), [], "there is nothing left to do");

    let order = house.desk.order(TENANT, "o-1").await.unwrap();
    let [c] = order.corrections.as_slice() else { panic!("{:?}", order.corrections) };
    assert_eq!((c.field.as_str(), c.by.as_str(), c.version), ("quote", ANN, Some(1)));
    assert_eq!(c.old, json!({ "id": "q-1", "state": "accepted" }), "what may be about a person is not kept with it");
    assert_eq!((&c.new, c.authority.as_str()), (&quote, "waive_penalty"));
    let terms = house.desk.actions(TENANT, case).await.unwrap().remove(0).terms.unwrap();
    assert_eq!(terms.policies[0].code, "FRAME_CONTRACT");

    // Again: from what came out, at its version.
    let again = house.give(&reprice(case, "k-2", None)).await.unwrap();
    let (attempt, request) = sends(&house, again.action).await;
    let asked = body(&request);
    assert_eq!((&asked["version"], &asked["limit"]), (&json!(2), &json!(105.06)));
    answered(&house, "quote.revise", attempt, 201, made(3, 104.0)).await;
    assert_eq!(rendered(&house, "o-1").await["quote"][0]["version"], 3);
}

#[tokio::test]
async fn what_the_quote_system_refuses_changes_nothing_and_the_case_says_why() {
    let dear = json!({ "code": "PRICE_ABOVE_LIMIT", "message": "the price would be 106.00 EUR, above 103.00" });
    let late = json!({ "code": "VERSION_CONFLICT", "message": "the quote is at version 4" });
    let gone = json!({ "code": "REBASE_CONFLICT", "message": "the product was ended" });
    let rows = [
        (Action::RepriceQuote, "quote.revise", 422, dear, "the price would be 106.00 EUR"),
        (Action::RepriceQuote, "quote.revise", 409, late, "at version 4"),
        (Action::RebaseChange, "quote.rebase", 422, gone, "the product was ended"),
        (Action::RebaseChange, "quote.rebase", 400, json!({ "message": "what?" }), "nothing was changed"),
    ];
    let mut house = House::new(uses_both).await;
    for (n, (action, operation, status, answer, says)) in rows.into_iter().enumerate() {
        let order = format!("o-{n}");
        let case = rejected(&house, quoted(&order)).await;
        let taken = house.give(&command(case, action, &order)).await.unwrap();
        let (attempt, _) = sends(&house, taken.action).await;
        answered(&house, operation, attempt, status, answer).await;
        assert_eq!(house.state(case).await, CaseState::Classified);
        let action = house.desk.actions(TENANT, case).await.unwrap().remove(0);
        assert_eq!(action.state, ActionState::Failed);
        let why = action.result.unwrap()["why"].to_string();
        assert!(why.contains(says) && why.contains("nothing was changed"), "{why}");
        let document = rendered(&house, &order).await;
        assert_eq!((&document["quote"], &document["baseline"]), (&quoted(&order)["quote"], &json!({ "id": "BSL-0" })));
        assert_eq!(house.desk.due_effects(10).await.unwrap(), [], "a refusal is not tried again");
    }
    assert_eq!(house.count("select count(*) from order_correction").await, 0);
    assert_eq!(house.count("select count(*) from fallout_case").await, 4, "no case beside the four");
}

#[tokio::test]
async fn a_price_above_the_policy_is_asked_for_only_with_the_agreement_of_the_customer() {
    let house = House::new(uses_both).await;
    let case = rejected(&house, offered("o-1")).await;
    let taken = house.give(&reprice(case, "k", None)).await.unwrap();
    let (attempt, request) = sends(&house, taken.action).await;
    assert_eq!(body(&request)["limit"], 100.0, "no price may rise");
    answered(&house, "quote.revise", attempt, 422, json!({ "code": "PRICE_ABOVE_LIMIT" })).await;

    let agreed = reprice(case, "k-2", Some(110.0));
    let taken = house.give(&agreed).await.unwrap();
    let (attempt, request) = sends(&house, taken.action).await;
    assert_eq!(body(&request)["limit"], 110.0);
    answered(&house, "quote.revise", attempt, 201, made(2, 108.0)).await;
    let kept = house.desk.order(TENANT, "o-1").await.unwrap().corrections.remove(0);
    assert_eq!(kept.source.as_deref(), Some("MAIL-5"), "where it can be seen that they agreed");
    // The key is of this agreement, and of no other.
    let other = reprice(case, "k-2", Some(120.0));
    house.give(&other).await.unwrap_err();
    assert_eq!(house.latest(case).await, "key_reused");
    assert!(house.give(&agreed).await.unwrap().repeated);
    // It is accepted now, which a business customer's quote may not be.
    house.give(&reprice(case, "k-3", Some(120.0))).await.unwrap_err();
    assert_eq!(house.latest(case).await, "quote_accepted");
}

#[tokio::test]
async fn a_change_is_rebased_before_anything_that_stays_and_its_steps_are_rendered_from_the_new_baseline() {
    let house = House::new(uses_both).await;
    let case = rejected(&house, quoted("o-1")).await;
    let taken = house.give(&command(case, Action::RebaseChange, "k")).await.unwrap();
    let (attempt, request) = sends(&house, taken.action).await;
    assert_eq!(request.path, "/product-orders/o-1/baselines");
    assert_eq!(body(&request)["baseline"], "BSL-0");
    answered(&house, "quote.rebase", attempt, 201, json!({ "id": "BSL-7", "version": 2 })).await;
    assert_eq!(action_state(&house, case).await, ActionState::Completed);
    assert_eq!(rendered(&house, "o-1").await["baseline"], json!({ "id": "BSL-7", "version": 2 }));
    let kept = house.desk.order(TENANT, "o-1").await.unwrap().corrections.remove(0);
    assert_eq!((kept.field.as_str(), kept.old), ("baseline", json!({ "id": "BSL-0" })));
}

#[tokio::test]
async fn what_cannot_be_made_anew_is_refused_by_name_and_changes_nothing() {
    let mut house = House::new(uses_both).await;
    let good = rejected(&house, quoted("o-1")).await;
    let plain = house.rejected("o-2").await;
    let mut free = quoted("o-3");
    free["productOrderItem"][0]["itemPrice"] = json!([]);
    let unpriced = rejected(&house, free).await;
    let mut sold = offered("o-4");
    sold["quote"][0]["state"] = json!("accepted");
    let accepted = rejected(&house, sold).await;
    let (unknown, _) = house.unknown("o-5").await;
    // Another line of the same order is at work with what would change.
    let mut two = quoted("o-6");
    let line = two["productOrderItem"][0].clone();
    two["productOrderItem"].as_array_mut().unwrap().push(line);
    two["productOrderItem"][1]["id"] = json!("2");
    let busy = rejected(&house, two).await;
    house.attempt(&task("o-6", "2")).await;
    let agreed = |case, action| RecoveryCommand { action, ..reprice(case, "k", Some(110.0)) };
    let rows = [
        ("no_quote", reprice(plain, "k", None)),
        ("no_change", command(plain, Action::RebaseChange, "k")),
        ("price_unknown", reprice(unpriced, "k", Some(110.0))),
        ("quote_accepted", reprice(accepted, "k", Some(110.0))),
        ("no_price_asked", agreed(good, "RETRY_STEP".into())),
        ("no_price_asked", agreed(good, "REBASE_CHANGE".into())),
        ("outcome_unknown", reprice(unknown, "k", None)),
        ("in_use", reprice(busy, "k", None)),
        ("in_use", command(busy, Action::RebaseChange, "k")),
    ];
    for (name, command) in rows {
        let about: CaseNumber = command.fallout_case_id.parse().unwrap();
        house.give(&command).await.unwrap_err();
        assert_eq!(house.latest(about).await, name);
        refused(house.desk.plan(TENANT, ANN, &command).await);
    }
    assert_eq!(house.desk.due_effects(10).await.unwrap(), []);
    assert_eq!(house.count("select count(*) from fallout_recovery_action").await, 0);
}

/// Nobody's call takes the effect of these steps back.
#[tokio::test]
async fn no_baseline_moves_under_an_effect_that_stays_nor_under_one_that_may_exist() {
    let house = House::new(|op| {
        let undo = op.undo.clone();
        uses_both(op);
        op.undo = undo;
    })
    .await;
    let other = |order: &str| {
        let at = task(order, "1");
        let step = StepIdentity { step: "capture-more".into(), ..at.step };
        let nowhere = format!("more-of-{order}");
        TaskRef { step, external_task_id: nowhere.clone(), process_instance_id: nowhere, ..at }
    };
    let case = rejected(&house, quoted("o-1")).await;
    let attempt = house.attempt(&other("o-1")).await;
    assert!(refused(house.give(&command(case, Action::RebaseChange, "k")).await).contains("still open"));
    assert_eq!(house.latest(case).await, "in_use");
    let op = house.desk.catalogue().operation("payment.capture").unwrap();
    let done = Evidence::answered(201, json!({ "id": "PAY-1" }));
    house.desk.record(attempt, &done, &request::read(op, &done)).await.unwrap();
    house.give(&command(case, Action::RebaseChange, "k")).await.unwrap_err();
    assert_eq!(house.latest(case).await, "irreversible");
    // The price is no matter of what was fulfilled.
    house.give(&reprice(case, "k-2", None)).await.unwrap();
}

#[tokio::test]
async fn a_dry_run_says_up_to_which_price_and_what_follows() {
    let house = House::new(uses_both).await;
    let case = rejected(&house, quoted("o-1")).await;
    let plan = house.desk.plan(TENANT, ANN, &reprice(case, "k", Some(110.0))).await.unwrap();
    let text = plan.changes.join("\n");
    for says in [
        "the quote system makes it first, by quote.revise; refused there, nothing is changed",
        "step capture of order o-1 line 1 is rendered from it when it is sent",
        "at most 110.00 EUR, as the customer has agreed (MAIL-5); it is 100.00 EUR now",
        "allowed by revision policy FRAME_CONTRACT",
        "verified when: the quote system shows the new revision",
    ] {
        assert!(text.contains(says), "{text}");
    }
    let plan = house.desk.plan(TENANT, ANN, &command(case, Action::RebaseChange, "k")).await.unwrap();
    assert!(plan.changes.join("\n").contains("by quote.rebase"), "{:?}", plan.changes);
    assert_eq!(house.desk.due_effects(10).await.unwrap(), [], "nothing is written");
}

#[tokio::test]
async fn a_request_with_the_old_price_is_not_sent_again_as_it_was() {
    let house = House::new(|op| {
        uses_both(op);
        op.answers.on_503 = On503::NotProcessed;
    })
    .await;
    house.order_of(quoted("o-1")).await;
    let at = task("o-1", "1");
    let case = house.exhausted(&at).await;
    let taken = house.give(&reprice(case, "k", None)).await.unwrap();
    let (effect, _) = sends(&house, taken.action).await;
    answered(&house, "quote.revise", effect, 201, made(2, 102.0)).await;
    let retry = house.give(&command(case, Action::RetryStep, "k-2")).await.unwrap();
    let again = TaskRef { action: Some(retry.action), ..at };
    let request = StoredRequest { body: Some("new".into()), ..prepared().request };
    let claim = house.desk.claim(&again, Some(Ok(Prepared { request, generation: 2 }))).await.unwrap();
    let Claim::Fresh(permission) = claim else { panic!("{claim:?}") };
    assert_eq!((permission.generation, permission.request.body.as_deref()), (2, Some("new")));
}
