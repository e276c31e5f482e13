//! What the simulated systems look at in a request: the owner of orders at versions and values, provisioning at the address.

use serde_json::Value;

use crate::operation::{self, Operation};

/// No place of ours: neither provisioning nor the owner of orders takes it.
const NOWHERE: &str = "00000";

/// The code that the request is refused with, whatever the script says. `version` is the order's at its owner.
pub(crate) fn refusal(operation: &Operation, body: &Value, version: u64) -> Option<&'static str> {
    if operation == &operation::CORRECT {
        return match body["version"].as_u64() {
            Some(known) if known == version => nowhere(&body["value"]).then_some("VALUE_REFUSED"),
            _ => Some("VERSION_CONFLICT"),
        };
    }
    let delivers = operation == &operation::ADD || operation == &operation::MODIFY;
    (delivers && nowhere(&body["place"])).then_some("ADDRESS_NOT_SERVICEABLE")
}

fn nowhere(place: &Value) -> bool {
    place["postcode"].as_str() == Some(NOWHERE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_owner_refuses_what_it_has_not_seen_and_what_it_cannot_take() {
        let at = |version: u64, postcode: &str| json!({ "version": version, "value": { "postcode": postcode } });
        let rows = [
            (at(1, "8001"), None),
            (at(2, "8001"), Some("VERSION_CONFLICT")),
            (at(1, NOWHERE), Some("VALUE_REFUSED")),
            (json!({}), Some("VERSION_CONFLICT")),
        ];
        for (body, expected) in rows {
            assert_eq!(refusal(&operation::CORRECT, &body, 1), expected, "{body}");
        }
        let delivery = json!({ "place": { "postcode": NOWHERE } });
        assert_eq!(refusal(&operation::ADD, &delivery, 1), Some("ADDRESS_NOT_SERVICEABLE"));
        assert_eq!(refusal(&operation::CEASE, &delivery, 1), None);
        assert_eq!(refusal(&operation::ADD, &json!({}), 1), None);
    }
}
