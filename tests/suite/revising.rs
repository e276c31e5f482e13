//! New prices and new baselines on the real engine: the quote system makes them first, and the retried step sends them.

use fallout::demo::Standing;
use fallout_core::{
    action::{Action, ActionState, command::RecoveryCommand, revision::Agreement},
    order::Order,
};
use fallout_sandbox::Effect;
use fallout_tests::{
    Scenario,
    orders::{fault, read},
    scenario,
};
use serde_json::{Value, json};

use crate::correcting::over;

/// One line for 12.50 EUR, quoted and accepted; the price held until 2023.
fn quoted(id: &str, segment: &str) -> Order {
    let price = json!([{ "price": { "dutyFreeAmount": { "unit": "EUR", "value": 12.5 } } }]);
    let quote = json!({ "id": format!("q-{id}"), "state": if segment == "enterprise" { "accepted" } else { "pending" },
        "validFor": { "endDateTime": "2023-06-30T00:00:00Z" } });
    let line = json!({ "id": "1", "action": "add", "quantity": 1, "itemPrice": price });
    let document = json!([{ "id": id, "@type": "ProductOrder", "category": segment, "quote": [quote],
        "productOrderItem": [line], "relatedParty": [{ "id": "c-1", "role": "Customer" }] }]);
    read(&document.to_string()).remove(0)
}

/// A change that was computed for what is installed no longer.
pub fn stale(id: &str) -> Order {
    let line = json!({ "id": "1", "action": "modify", "quantity": 1 });
    let document = json!([{ "id": id, "@type": "ProductOrder", "baseline": { "id": "BSL-0" },
        "productOrderItem": [line], "relatedParty": [{ "id": "c-1", "role": "Customer" }] }]);
    read(&document.to_string()).remove(0)
}

pub async fn revised(s: &Scenario<'_>, case: &str, action: Action, agreed: Option<f64>) -> anyhow::Result<ActionState> {
    let command = RecoveryCommand {
        action: action.word().into(),
        reason: "agreed with sales".into(),
        agreement: agreed.map(|price| Agreement { price, reference: "MAIL-5".into() }),
        ..Default::default()
    };
    over(s, case, command).await
}

/// What the quote system was made to do for an order.
pub fn at_quote(s: &Scenario<'_>, order: &str) -> anyhow::Result<Vec<Effect>> {
    Ok(s.book()?.into_iter().filter(|e| e.order == order && e.downstream == "quote").collect())
}

async fn parked(s: &Scenario<'_>, order: &str) -> anyhow::Result<String> {
    s.until(order, Standing::Parked).await?;
    let case = s.case_of(order).await?;
    assert_eq!(case.classification.as_deref(), Some("PRICE_EXPIRED"), "{order}");
    assert_eq!(case.recommended_action.as_deref(), Some("REPRICE_QUOTE"), "{order}");
    Ok(case.case_number)
}

/// Retried, it is billed and paid at the new price.
async fn goes_on(s: &Scenario<'_>, order: &str, case: &str) -> anyhow::Result<()> {
    let shown = s.case(case).await?.case;
    assert_eq!((shown.status.as_str(), shown.recommended_action.as_deref()), ("classified", Some("RETRY_STEP")));
    assert!(s.book_of(order, "bill")?.is_empty(), "a new price dispatches nothing");
    assert_eq!(at_quote(s, order)?.len(), 1, "{order}: one revision, however often it was asked for");
    s.retry(order).await?;
    s.until(order, Standing::Completed).await?;
    let billed = s.book_of(order, "bill")?;
    let asked = billed.iter().map(|e| (e.generation, &e.asked["quote"], &e.asked["quoteVersion"]));
    assert_eq!(asked.collect::<Vec<_>>(), [(2, &json!(format!("q-{order}")), &json!(2))]);
    let paid: Vec<Value> = s.book_of(order, "capture")?.iter().map(|e| e.asked["amount"].clone()).collect();
    assert_eq!(paid, [json!({ "unit": "EUR", "value": 12.75 })]);
    s.resolved(case).await
}

#[test]
fn expired_price_before_billing() {
    let faults = [
        fault("silent", "action:*", "attempt = '1'; behaviour = 'timeout_after'"),
        fault("cut", "action:*", "attempt = '1'; behaviour = 'cut_before'"),
    ];
    scenario("s-price", &faults.concat(), async |s| {
        s.start();
        s.accept(["plain", "silent", "cut"].map(|order| quoted(order, "enterprise")).into()).await?;
        for order in ["plain", "silent", "cut"] {
            let case = parked(s, order).await?;
            let came_to = revised(s, &case, Action::RepriceQuote, None).await?;
            assert_eq!(came_to, ActionState::Completed, "{order}");
            goes_on(s, order, &case).await?;
        }
        Ok(())
    });
}

#[test]
fn a_price_above_what_was_agreed_changes_nothing_until_the_customer_agrees() {
    scenario("s-agreed", "", async |s| {
        s.start();
        s.accept(vec![quoted("dear", "business")]).await?;
        let case = parked(s, "dear").await?;
        assert_eq!(revised(s, &case, Action::RepriceQuote, None).await?, ActionState::Failed);
        assert!(at_quote(s, "dear")?.is_empty());
        assert!(s.setup.desk.order(&s.tenant, "dear").await?.corrections.is_empty());
        let actions = s.setup.desk.actions(&s.tenant, case.parse()?).await?;
        let why = json!(actions[0].result).to_string();
        assert!(why.contains("12.75 EUR"), "what it would be is told, so that it can be agreed: {why}");
        assert_eq!(revised(s, &case, Action::RepriceQuote, Some(12.75)).await?, ActionState::Completed);
        goes_on(s, "dear", &case).await
    });
}
