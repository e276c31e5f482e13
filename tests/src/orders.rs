//! Small orders for scenarios, in the shape of TMF622.

use fallout_core::order::{Order, read_orders};
use serde_json::{Value, json};

/// One line: id, action, and the ids it relies on.
pub type LineOf<'a> = (&'a str, &'a str, &'a [&'a str]);

/// An order with these lines.
pub fn order(id: &str, lines: &[LineOf<'_>]) -> Order {
    let item = |(line, action, needs): &LineOf<'_>| {
        let relationships: Vec<Value> =
            needs.iter().map(|n| json!({ "id": n, "relationshipType": "reliesOn" })).collect();
        json!({ "id": line, "action": action, "quantity": 1, "productOrderItemRelationship": relationships,
                "itemPrice": [{ "price": { "dutyFreeAmount": { "unit": "EUR", "value": 12.5 } } }] })
    };
    let items: Vec<Value> = lines.iter().map(item).collect();
    let document = json!({ "id": id, "@type": "ProductOrder", "productOrderItem": items,
                           "relatedParty": [{ "id": "c-1", "role": "Customer", "@referredType": "Individual" }] });
    read(&json!([document]).to_string()).remove(0)
}

/// An order with one line that is added.
pub fn simple(id: &str) -> Order {
    order(id, &[("1", "add", &[])])
}

/// Orders from a document.
pub fn read(text: &str) -> Vec<Order> {
    read_orders("scenario", text.as_bytes()).unwrap_or_else(|problems| panic!("{}", problems[0]))
}

/// One fault for a step of an order; what it does as TOML, with `;` between the keys.
pub fn fault(order: &str, step: &str, what: &str) -> String {
    format!("[[fault]]\norder = '{order}'\nstep = '{step}'\n{}\n", what.replace(';', "\n"))
}
