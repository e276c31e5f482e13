//! Corrections on the real engine: the owner has the new value first, and the retried step sends it.

use fallout::demo::Standing;
use fallout_core::{
    action::{ActionState, command::RecoveryCommand, correction::Correction},
    order::{Order, OrderEvent, OrderEventKind},
};
use fallout_sandbox::Effect;
use fallout_tests::{
    Scenario,
    orders::{fault, read},
    scenario,
};
use serde_json::{Value, json};

/// One line, delivered at a place that provisioning does not serve.
fn nowhere(id: &str) -> Order {
    let place = json!([{ "role": "installationAddress", "postcode": "00000", "city": "Nowhere", "country": "CH" }]);
    let line = json!({ "id": "1", "action": "add", "quantity": 1, "product": { "place": place },
        "itemPrice": [{ "price": { "dutyFreeAmount": { "unit": "EUR", "value": 12.5 } } }] });
    let document = json!([{ "id": id, "@type": "ProductOrder", "productOrderItem": [line],
        "relatedParty": [{ "id": "c-1", "role": "Customer" }] }]);
    read(&document.to_string()).remove(0)
}

fn served() -> Value {
    json!({ "streetAddress": "Bahnhofstrasse 77", "postcode": "8001", "city": "Zürich", "country": "CH" })
}

/// Corrects a field of the order whose case this is; the action's state once it is over.
pub async fn corrected(s: &Scenario<'_>, case: &str, field: &str, value: Value) -> anyhow::Result<ActionState> {
    let correction = Correction { field: field.into(), line: None, value, source: Some("CRM-7".into()) };
    let command = RecoveryCommand {
        action: "correct".into(),
        reason: "checked with the customer".into(),
        correction: Some(correction),
        ..Default::default()
    };
    over(s, case, command).await
}

/// Gives the command for this case; the state of its action once it is over.
pub async fn over(s: &Scenario<'_>, case: &str, command: RecoveryCommand) -> anyhow::Result<ActionState> {
    let command = RecoveryCommand {
        idempotency_key: uuid::Uuid::now_v7().to_string(),
        fallout_case_id: case.to_owned(),
        requested_by: "test".into(),
        ..command
    };
    let taken = s.setup.desk.command(&s.tenant, "test", &command).await?;
    let state = async || -> anyhow::Result<ActionState> {
        let actions = s.setup.desk.actions(&s.tenant, case.parse()?).await?;
        Ok(actions.into_iter().find(|action| action.id == taken.action).map_or(ActionState::Checking, |a| a.state))
    };
    s.wait("the action is over", async || Ok(state().await?.is_over())).await?;
    state().await
}

/// What the owner of orders was made to change.
fn at_owner(s: &Scenario<'_>, order: &str) -> anyhow::Result<Vec<Effect>> {
    Ok(s.book()?.into_iter().filter(|e| e.order == order && e.operation == "order.correct").collect())
}

#[test]
fn a_rejected_address_is_corrected_at_its_owner_and_the_retried_order_is_delivered_there() {
    scenario("corrected", "", async |s| {
        s.start();
        s.accept(vec![nowhere("moved")]).await?;
        s.until("moved", Standing::Parked).await?;
        let case = s.case_of("moved").await?;
        assert_eq!(case.classification.as_deref(), Some("ADDRESS_NOT_SERVICEABLE"));
        assert_eq!(corrected(s, &case.case_number, "service-address", served()).await?, ActionState::Completed);
        let shown = s.case(&case.case_number).await?.case;
        assert_eq!((shown.status.as_str(), shown.recommended_action.as_deref()), ("classified", Some("RETRY_STEP")));
        assert!(s.book_of("moved", "provision")?.is_empty(), "a correction dispatches nothing");
        s.retry("moved").await?;
        s.until("moved", Standing::Completed).await?;
        let delivered = s.book_of("moved", "provision")?;
        assert_eq!(
            delivered.iter().map(|e| (e.generation, &e.asked["place"]["city"])).collect::<Vec<_>>(),
            [(2, &json!("Zürich"))]
        );
        assert_eq!(at_owner(s, "moved")?.len(), 1);
        s.resolved(&case.case_number).await
    });
}

#[test]
fn what_the_owner_refuses_leaves_the_order_as_it_was_and_what_it_does_not_answer_is_looked_up() {
    let faults = [
        fault("silent", "action:*", "attempt = '1'; behaviour = 'timeout_after'"),
        fault("cut", "action:*", "attempt = '1'; behaviour = 'cut_before'"),
        fault("busy", "action:*", "attempt = '1-2'; behaviour = 'unavailable_before'"),
    ];
    scenario("owner", &faults.concat(), async |s| {
        s.start();
        s.accept(["refused", "changed", "silent", "cut", "busy"].map(nowhere).into()).await?;
        // What is known here is not what its owner has.
        let event = OrderEvent {
            id: "e-1".into(),
            kind: OrderEventKind::AttributeValueChange,
            at: chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            order: "changed".into(),
            resource: json!({ "id": "changed", "version": 7 }),
        };
        s.setup.desk.order_event(&s.tenant, "owner", &event).await?;

        let mut bad = served();
        bad["postcode"] = json!("00000");
        bad["city"] = json!("Elsewhere");
        let rows = [
            ("refused", bad, ActionState::Failed, 0),
            ("changed", served(), ActionState::Failed, 0),
            ("silent", served(), ActionState::Completed, 1),
            ("cut", served(), ActionState::Completed, 1),
            ("busy", served(), ActionState::Completed, 1),
        ];
        for (order, value, expected, at_the_owner) in rows {
            s.until(order, Standing::Parked).await?;
            let case = s.case_of(order).await?.case_number;
            assert_eq!(corrected(s, &case, "service-address", value).await?, expected, "{order}");
            assert_eq!(at_owner(s, order)?.len(), at_the_owner, "{order}: nothing is written twice");
            let kept = s.setup.desk.order(&s.tenant, order).await?.corrections.remove(0);
            assert_eq!(kept.version.is_some(), expected == ActionState::Completed, "{order}");
            assert_eq!(s.case(&case).await?.case.status, "classified", "{order}");
        }
        for order in ["silent", "cut", "busy"] {
            s.retry(order).await?;
            s.until(order, Standing::Completed).await?;
            assert_eq!(s.book_of(order, "provision")?[0].asked["place"]["city"], "Zürich", "{order}");
        }
        Ok(())
    });
}

#[test]
fn what_gateways_may_read_is_set_at_the_orders_instance() {
    scenario("gateways", "", async |s| {
        s.start();
        s.accept(vec![nowhere("routed")]).await?;
        s.until("routed", Standing::Parked).await?;
        let case = s.case_of("routed").await?.case_number;
        assert_eq!(corrected(s, &case, "provisioning-route", json!("partner-north")).await?, ActionState::Completed);
        let order = s.setup.desk.order(&s.tenant, "routed").await?;
        let root = order.run.and_then(|run| run.process_instance_id).unwrap();
        s.wait("the variable is read back", async || {
            let variables = s.setup.engine.process_instance_variables(&root).await?.unwrap();
            Ok(variables.text("lineRoute_0") == Some("partner-north") && s.setup.desk.pending_commands().await? == 0)
        })
        .await?;
        corrected(s, &case, "service-address", served()).await?;
        s.retry("routed").await?;
        s.until("routed", Standing::Completed).await?;
        assert_eq!(s.book_of("routed", "provision")?[0].asked["route"], "partner-north");
        Ok(())
    });
}
