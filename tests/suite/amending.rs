//! `order.amend` sent to an order's process by somebody else: what its owner has told by then is what is sent from now on;
//! nothing that was sent is changed, and what was asked for its cases before is overtaken.

use anyhow::Context as _;
use fallout::demo::Standing;
use fallout_camunda::{Correlation, EngineError, EventSubscriptionQuery, MessageCorrelation, Variables};
use fallout_core::{
    action::{Action, ActionState},
    command::{AMEND_ANSWER_MESSAGE, AMEND_MESSAGE},
    order::{event_kind, read_event},
    step::Outputs,
};
use fallout_desk::{AskedOutside, EventTaken};
use fallout_store::{Scope, attempts};
use fallout_tests::{
    Scenario,
    orders::{fault, simple},
    scenario,
};
use serde_json::{Value, json};

use crate::{cancel_from_outside::reached, engine::root};

/// The owner tells what the order is now: its price.
async fn told(s: &Scenario<'_>, order: &str, price: f64) -> anyhow::Result<()> {
    let body = json!({ "eventId": format!("{order}-{price}"), "eventTime": "2026-01-01T00:00:00Z",
        "event": { "productOrder": { "id": order, "productOrderItem": [{ "id": "1",
            "itemPrice": [{ "price": { "dutyFreeAmount": { "unit": "EUR", "value": price } } }] }] } } });
    let kind = event_kind("ProductOrderAttributeValueChangeEvent").context("TMF622 has it")?;
    let event = read_event(kind, body.to_string().as_bytes()).map_err(|e| anyhow::anyhow!("{e}"))?;
    assert_eq!(s.setup.desk.order_event(&s.tenant, "owner", &event).await?, EventTaken::Applied);
    Ok(())
}

async fn send(s: &Scenario<'_>, order: &str) -> anyhow::Result<()> {
    let set = Variables::new().with("amendRequestedBy", "crm").with("amendReason", "the price was agreed anew");
    let none = Variables::new();
    let instance = root(s, order).await?;
    let message = MessageCorrelation {
        message_name: AMEND_MESSAGE,
        process_instance_id: &instance,
        correlation_keys: &none,
        process_variables: &set,
    };
    s.wait("the engine takes the message", async || match s.setup.engine.correlate_message(&message).await {
        Err(EngineError::Conflict { .. }) => Ok(false),
        sent => Ok(matches!(sent?, Correlation::Correlated(_))),
    })
    .await
}

/// The amount that the capture of an order asked for.
async fn captured(s: &Scenario<'_>, order: &str) -> anyhow::Result<Value> {
    let step = s.step(order, "", "capture").await?.context("it was captured")?.step.key;
    let mut tx = s.setup.store.begin(&Scope::System("test")).await?;
    let intent = attempts::latest_intent(&mut tx, step).await?.context("it was sent")?;
    let body: Value = serde_json::from_str(&intent.request.body.unwrap_or_default())?;
    Ok(body["amount"]["value"].clone())
}

#[test]
fn a_parked_order_is_amended_what_was_asked_before_is_overtaken_and_what_is_sent_next_is_the_new_order() {
    let faults = fault("parked", "bill", "attempt = '1'; behaviour = 'reject'; code = 'BILLING_ACCOUNT_INVALID'");
    scenario("amended", &faults, async |s| {
        s.start();
        s.accept(vec![simple("parked")]).await?;
        s.until("parked", Standing::Parked).await?;
        let case = s.case_of("parked").await?.case_number;
        // Taken, and not sent before the amendment is in the ledger: no relay runs.
        s.stop().await?;
        s.recover(&case, Action::RetryStep, None, Outputs::new()).await?;
        told(s, "parked", 99.5).await?;
        send(s, "parked").await?;
        let instance = root(s, "parked").await?;
        let query = EventSubscriptionQuery {
            process_instance_id: Some(&instance),
            event_name: Some(AMEND_ANSWER_MESSAGE),
            ..Default::default()
        };
        let waiting = s.setup.engine.event_subscriptions(&query).await?.remove(0);
        let asked = AskedOutside {
            process_instance_id: &instance,
            execution_id: waiting.execution_id.as_deref().context("an execution waits")?,
            by: Some("crm"),
            reason: Some("the price was agreed anew"),
        };
        s.setup.desk.amend_asked(&asked).await?;
        let action = s.setup.desk.actions(&s.tenant, case.parse()?).await?.remove(0);
        assert_eq!(action.state, ActionState::Withdrawn, "what was asked about the order as it was");
        let timeline = s.case(&case).await?.timeline;
        let told = |text: &str| timeline.iter().any(|e| e.reason.as_deref().is_some_and(|r| r.contains(text)));
        assert!(told("the order was amended before this action was sent") && told("by engine:crm"), "{timeline:?}");
        s.start();
        s.wait("the process is told", async || Ok(reached(s, "parked", "amendAccepted").await? == 1)).await?;
        s.until("parked", Standing::Parked).await?;
        s.retry("parked").await?;
        s.until("parked", Standing::Completed).await?;
        assert_eq!(captured(s, "parked").await?, json!(99.5));
        s.resolved(&case).await
    });
}

#[test]
fn an_order_under_way_is_amended_without_interrupting_what_is_being_sent() {
    let faults = "[[fault]]\nstep = 'reserve'\nbehaviour = 'slow'\nms = 1500";
    scenario("amended-under-way", faults, async |s| {
        s.start();
        s.accept(vec![simple("moving")]).await?;
        s.wait("an attempt is under way", async || Ok(s.attempts_at("moving", "reserve") == 1)).await?;
        told(s, "moving", 42.0).await?;
        send(s, "moving").await?;
        s.until("moving", Standing::Completed).await?;
        assert_eq!(reached(s, "moving", "amendAccepted").await?, 1);
        assert_eq!((s.attempts_at("moving", "reserve"), captured(s, "moving").await?), (1, json!(42.0)));
        assert!(s.cases().await?.is_empty());
        Ok(())
    });
}

#[test]
fn without_news_and_past_the_point_of_no_return_the_process_is_told_no_and_goes_on() {
    let faults = fault("late", "notify", "attempt = '1'; behaviour = 'bad_request'");
    scenario("amended-late", &faults, async |s| {
        s.start();
        s.accept(vec![simple("late")]).await?;
        s.until("late", Standing::Parked).await?;
        send(s, "late").await?;
        s.wait("it is told", async || Ok(reached(s, "late", "amendRefused").await? == 1)).await?;
        told(s, "late", 99.5).await?;
        send(s, "late").await?;
        s.wait("it is told again", async || Ok(reached(s, "late", "amendRefused").await? == 2)).await?;
        let why = s.setup.engine.historic_variables(&root(s, "late").await?, "amendWhy").await?;
        let why = why.iter().find_map(|v| v.value.as_text()).unwrap_or_default();
        assert!(why.contains("payment.capture") && why.contains("cannot be changed"), "{why}");
        s.retry("late").await?;
        s.until("late", Standing::Completed).await?;
        assert_eq!(captured(s, "late").await?, json!(12.5), "nothing has changed");
        Ok(())
    });
}
