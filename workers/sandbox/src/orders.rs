//! What the simulated systems look at in a request: the owner of orders at versions and values, provisioning at the address and
//! the baseline, billing at how long a price holds, the quote system at the price that is allowed.

use chrono::{DateTime, Days, NaiveTime, Utc};
use serde_json::{Map, Value, json};

use crate::answer::{Reply, conflict, rejected, rejected_since};
use crate::operation::{self, Operation};

/// No place of ours: neither provisioning nor the owner of orders takes it.
const NOWHERE: &str = "00000";
/// What is installed has moved on from this one.
const STALE: &str = "BSL-0";
/// Prices have risen by so much since they were quoted.
const RISEN_PERCENT: f64 = 2.0;
/// How long a new price holds.
const HOLDS_DAYS: u64 = 30;

/// What the request is refused with, whatever the script says. `version` is that of the order at its owner, or of its quote.
pub(crate) fn refusal(operation: &Operation, body: &Value, version: u64, now: DateTime<Utc>) -> Option<Reply> {
    let is = |other: &Operation| operation == other;
    let other_version = body["version"].as_u64() != Some(version);
    if is(&operation::CORRECT) {
        return match other_version {
            true => Some(conflict("order", version)),
            false => nowhere(&body["value"]).then(|| rejected("VALUE_REFUSED")),
        };
    }
    if is(&operation::REVISE) {
        return if other_version { Some(conflict("quote", version)) } else { too_dear(body) };
    }
    if is(&operation::ACTIVATE) {
        return expired(&body["priceValidUntil"], now).then(|| rejected("PRICE_EXPIRED"));
    }
    if (is(&operation::ADD) || is(&operation::MODIFY)) && nowhere(&body["place"]) {
        return Some(rejected("ADDRESS_NOT_SERVICEABLE"));
    }
    let changes = is(&operation::MODIFY) || is(&operation::CEASE);
    (changes && body["baseline"].as_str() == Some(STALE)).then(|| rejected("BASELINE_STALE"))
}

/// What an effect counts up and says in its answer beside its id; `version`: that it has become.
pub(crate) fn gives(operation: &Operation, body: &Value, version: u64, at: DateTime<Utc>) -> Map<String, Value> {
    let mut given = Map::from_iter([("version".to_owned(), json!(version))]);
    if operation == &operation::REVISE {
        let until = at.date_naive() + Days::new(HOLDS_DAYS);
        given.insert("price".into(), json!({ "unit": body["price"]["unit"], "value": price(body) }));
        given.insert("validUntil".into(), json!(until.and_time(NaiveTime::MIN).and_utc()));
    }
    given
}

fn price(body: &Value) -> f64 {
    let was = body["price"]["value"].as_f64().unwrap_or_default();
    (was * (100.0 + RISEN_PERCENT)).round() / 100.0
}

fn too_dear(body: &Value) -> Option<Reply> {
    let (price, limit) = (price(body), body["limit"].as_f64()?);
    let unit = body["price"]["unit"].as_str().unwrap_or_default();
    let message = format!("the price would be {price:.2} {unit}, above {limit:.2}");
    (price > limit).then(|| rejected_since("PRICE_ABOVE_LIMIT", message))
}

fn expired(until: &Value, now: DateTime<Utc>) -> bool {
    let until = until.as_str().and_then(|until| DateTime::parse_from_rfc3339(until).ok());
    until.is_some_and(|until| until <= now)
}

fn nowhere(place: &Value) -> bool {
    place["postcode"].as_str() == Some(NOWHERE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In 2023.
    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    fn answer(operation: &Operation, body: &Value) -> Option<Reply> {
        refusal(operation, body, 1, now())
    }

    #[test]
    fn an_owner_refuses_what_it_has_not_seen_and_what_it_cannot_take() {
        let at = |version: u64, postcode: &str| json!({ "version": version, "value": { "postcode": postcode } });
        let rows = [
            (at(1, "8001"), None),
            (at(2, "8001"), Some(conflict("order", 1))),
            (at(1, NOWHERE), Some(rejected("VALUE_REFUSED"))),
            (json!({}), Some(conflict("order", 1))),
        ];
        for (body, expected) in rows {
            assert_eq!(answer(&operation::CORRECT, &body), expected, "{body}");
        }
        let delivery = json!({ "place": { "postcode": NOWHERE } });
        assert_eq!(answer(&operation::ADD, &delivery), Some(rejected("ADDRESS_NOT_SERVICEABLE")));
        assert_eq!(answer(&operation::CEASE, &delivery), None);
        assert_eq!(answer(&operation::ADD, &json!({})), None);
    }

    #[test]
    fn a_change_on_a_baseline_that_is_gone_and_a_price_that_has_ended_are_refused() {
        let on = |baseline: &str| json!({ "baseline": baseline });
        for change in [&operation::MODIFY, &operation::CEASE] {
            assert_eq!(answer(change, &on(STALE)), Some(rejected("BASELINE_STALE")));
            assert_eq!(answer(change, &on("BSL-000001")), None);
        }
        assert_eq!(answer(&operation::ADD, &on(STALE)), None, "what is new changes nothing that is there");
        let until = |until: &str| json!({ "priceValidUntil": until });
        let rows = [
            (until("2023-01-01T00:00:00Z"), Some(rejected("PRICE_EXPIRED"))),
            (until("2024-01-01T00:00:00Z"), None),
            (json!({}), None),
        ];
        for (body, expected) in rows {
            assert_eq!(answer(&operation::ACTIVATE, &body), expected, "{body}");
        }
    }

    #[test]
    fn a_price_rises_by_two_percent_and_not_above_what_is_allowed() {
        let asked = |limit: f64| json!({ "version": 1, "price": { "unit": "EUR", "value": 12.5 }, "limit": limit });
        assert_eq!(answer(&operation::REVISE, &asked(12.75)), None);
        let dear = rejected_since("PRICE_ABOVE_LIMIT", "the price would be 12.75 EUR, above 12.74".into());
        assert_eq!(answer(&operation::REVISE, &asked(12.74)), Some(dear));
        let given = gives(&operation::REVISE, &asked(20.0), 2, now());
        let expected =
            json!({ "version": 2, "price": { "unit": "EUR", "value": 12.75 }, "validUntil": "2023-12-14T00:00:00Z" });
        assert_eq!(Value::from(given), expected);
        assert_eq!(Value::from(gives(&operation::REBASE, &asked(0.0), 2, now())), json!({ "version": 2 }));
    }
}
