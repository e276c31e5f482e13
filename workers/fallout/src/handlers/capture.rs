//! Capturing the payment: the amount is the order's total, taken from its authorization or, where the credit check
//! failed, from the deposit that replaced it. Arithmetic and alternatives are what templates are not for.

use fallout_core::{
    attempt::StoredRequest,
    evidence::Evidence,
    operation::Operation,
    order,
    step::Outputs,
    task::{StepContext, TaskRef},
};
use fallout_fleet::Handler;
use serde_json::{Value, json};

use super::operation::{OperationHandler, values};

pub struct CaptureHandler {
    by_data: OperationHandler,
}

impl CaptureHandler {
    pub fn new(op: Operation) -> Self {
        CaptureHandler { by_data: OperationHandler::new(op) }
    }
}

impl Handler for CaptureHandler {
    fn prepare(&self, task: &TaskRef, context: &StepContext) -> Result<StoredRequest, String> {
        let source = |step: &str, name: &str| context.outputs.get(step).and_then(|o| o.get(name)).cloned();
        let from = source("authorize", "authorizationId").or_else(|| source("deposit", "depositId"));
        let from = from.ok_or("the order has neither an authorization nor a deposit to capture from")?;
        let mut body = json!({
            "reference": values(task, context)["key"],
            "order": task.step.order,
            "from": from,
            "amount": { "unit": unit(&context.document), "value": cents(&context.document) as f64 / 100.0 },
        });
        if let Some(quote) = context.document.pointer("/quote/0/id") {
            body["quote"] = quote.clone();
        }
        self.by_data.request(task, context, Some(body))
    }

    fn read(&self, evidence: &Evidence) -> Result<Outputs, String> {
        self.by_data.read(evidence)
    }
}

/// What the quote came to when it was revised.
const REVISED: &str = "/quote/0/quoteTotalPrice/0/price/dutyFreeAmount";

/// The price of the quote where that was revised, else the sum of what each item costs. In cents: quantities are whole, and
/// money is not added up in fractions.
fn cents(document: &Value) -> i64 {
    if let Some(revised) = document.pointer(REVISED).and_then(|money| money.get("value")?.as_f64()) {
        return (revised * 100.0).round() as i64;
    }
    let items = order::items(document);
    items.into_iter().map(|item| quantity(item).saturating_mul(item_cents(item))).fold(0, i64::saturating_add)
}

fn quantity(item: &Value) -> i64 {
    item.get("quantity").and_then(Value::as_i64).unwrap_or(1)
}

fn item_cents(item: &Value) -> i64 {
    let prices = item.get("itemPrice").and_then(Value::as_array).into_iter().flatten();
    let value = |price: &Value| price.pointer("/price/dutyFreeAmount/value").and_then(Value::as_f64).unwrap_or(0.0);
    prices.map(|price| (value(price) * 100.0).round() as i64).fold(0, i64::saturating_add)
}

fn unit(document: &Value) -> String {
    let revised = document.pointer(REVISED).and_then(|money| money.get("unit")?.as_str());
    let items = order::items(document);
    let found = items.iter().find_map(|i| i.pointer("/itemPrice/0/price/dutyFreeAmount/unit").and_then(Value::as_str));
    revised.or(found).unwrap_or("EUR").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_amount_is_the_sum_over_all_items_nested_ones_included_and_cents_do_not_drift() {
        let price = |value: f64| json!([{ "price": { "dutyFreeAmount": { "unit": "CHF", "value": value } } }]);
        let document = json!({ "productOrderItem": [
            { "id": "1", "quantity": 3, "itemPrice": price(0.1), "productOrderItem": [{ "id": "2", "itemPrice": price(0.2) }] },
            { "id": "3" },
        ]});
        assert_eq!(cents(&document), 50);
        assert_eq!(unit(&document), "CHF");
        assert_eq!(cents(&json!({})), 0);
        let mut revised = document.clone();
        revised["quote"] =
            json!([{ "quoteTotalPrice": [{ "price": { "dutyFreeAmount": { "unit": "GBP", "value": 0.57 } } }] }]);
        assert_eq!((cents(&revised), unit(&revised).as_str()), (57, "GBP"), "what was agreed for all of it counts");
    }
}
