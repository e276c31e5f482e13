//! What the quote system makes anew: the price of an order, or the baseline of a change. How far it may go without the customer,
//! and what stands in the order once it has answered.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Action, correction::At};
use crate::{
    outputs::valid_until,
    policy::{OrderFacts, Revision, money},
    step::Outputs,
    words::words,
};

words! {
    /// As it stands among the corrections of an order.
    Revised {
        /// TMF648 Quote, as far as it is known here: version, state, `validFor`, `quoteTotalPrice`.
        Quote = "quote",
        /// What the change was computed for, by the quote system's id.
        Baseline = "baseline",
    }
}

/// A price that the customer has agreed to, beside what the policy lets it rise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// At most, in the order's currency.
    pub price: f64,
    /// Where that can be seen: a mail, a signed offer.
    pub reference: String,
}

/// Up to which price a quote may be revised, as the action keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PriceLimit {
    pub was: f64,
    pub unit: String,
    pub limit: f64,
    /// Who agreed, where that allows more than the policy does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed: Option<String>,
}

impl PriceLimit {
    /// Of an order whose price is known. Without a policy that says otherwise no price may rise.
    pub fn of(order: &OrderFacts, policy: Option<&Revision>, agreed: Option<&Agreement>) -> Option<PriceLimit> {
        let (was, unit) = (order.value?, order.unit.clone()?);
        let free = policy.and_then(|policy| policy.free_rise_percent).unwrap_or(0.0);
        // Whole hundredths, and never one more than the share; the first term makes up for what fractions lose.
        let risen = (1e-6 + was * (100.0 + free)).floor() / 100.0;
        Some(match agreed.filter(|agreed| agreed.price > risen) {
            Some(agreed) => PriceLimit { was, unit, limit: agreed.price, agreed: Some(agreed.reference.clone()) },
            None => PriceLimit { was, unit, limit: risen, agreed: None },
        })
    }

    /// For people.
    pub fn told(&self) -> String {
        let money = |amount| money(Some(amount), Some(&self.unit));
        let by = self.agreed.as_ref().map_or_else(String::new, |at| format!(", as the customer has agreed ({at})"));
        format!("the new price is at most {}{by}; it is {} now", money(self.limit), money(self.was))
    }
}

impl Revised {
    pub fn of(action: Action) -> Option<Revised> {
        match action {
            Action::RepriceQuote => Some(Revised::Quote),
            Action::RebaseChange => Some(Revised::Baseline),
            _ => None,
        }
    }

    /// Where it stands in the order.
    pub fn at(self) -> At {
        match self {
            Revised::Quote => At::Order(&["quote", "0"]),
            Revised::Baseline => At::Order(&["baseline"]),
        }
    }

    pub fn pointer(self) -> &'static str {
        match self {
            Revised::Quote => "/quote/0",
            Revised::Baseline => "/baseline",
        }
    }

    /// Of what stands there only what has a meaning here: the rest may be about a person.
    pub fn known(self, is: &Value) -> Value {
        let names: &[&str] = match self {
            Revised::Quote => &["id", "version", "state", "validFor", "quoteTotalPrice"],
            Revised::Baseline => &["id", "version"],
        };
        let Some(is) = is.as_object() else { return Value::Null };
        let known = is.iter().filter(|(name, _)| names.contains(&name.as_str()));
        Value::Object(known.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// What stands there once the quote system has answered; a quote keeps its id.
    pub fn becomes(self, was: &Value, outputs: &Outputs) -> Value {
        let given = |name: &str| outputs.get(name).cloned().unwrap_or(Value::Null);
        match self {
            Revised::Baseline => json!({ "id": given("baselineId"), "version": given("version") }),
            Revised::Quote => {
                let mut quote = Map::from_iter(was.get("id").map(|id| ("id".to_owned(), id.clone())));
                let amount = json!({ "unit": given("unit"), "value": number(&given("price")) });
                quote.insert("version".into(), number(&given("version")));
                // It was made within what policy or customer had agreed to before.
                quote.insert("state".into(), "accepted".into());
                quote.insert("quoteTotalPrice".into(), json!([{ "price": { "dutyFreeAmount": amount } }]));
                if let Some(until) = valid_until(outputs, "price") {
                    quote.insert("validFor".into(), json!({ "endDateTime": until }));
                }
                Value::Object(quote)
            }
        }
    }
}

/// The version that is known of what stands there; the first where none is told.
pub fn version(was: &Value) -> Value {
    Some(number(&was["version"])).filter(Value::is_number).unwrap_or_else(|| json!(1))
}

/// What a person attests is typed, and so is a text; TMF648 has its versions as text.
fn number(value: &Value) -> Value {
    let typed = value.as_str().and_then(|text| serde_json::from_str::<serde_json::Number>(text).ok());
    typed.map_or_else(|| value.clone(), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(value: Option<f64>) -> OrderFacts {
        OrderFacts { value, unit: Some("EUR".into()), ..OrderFacts::default() }
    }

    fn policy(free_rise_percent: Option<f64>) -> Revision {
        let text = "code = 'P'\nsummary = 's'\naccepted = true";
        Revision { free_rise_percent, ..toml::from_str(text).unwrap() }
    }

    #[test]
    fn a_price_may_rise_as_far_as_the_policy_lets_it_or_the_customer_has_agreed() {
        let agreed = |price: f64| Agreement { price, reference: "MAIL-1".into() };
        let rows = [
            (100.0, Some(3.0), None, (103.0, false)),
            (12.5, Some(3.0), None, (12.87, false)),
            (0.1, None, None, (0.1, false)),
            (19.99, None, None, (19.99, false)),
            (12.5, None, Some(agreed(13.0)), (13.0, true)),
            // Less than the policy allows anyway.
            (100.0, Some(3.0), Some(agreed(101.0)), (103.0, false)),
        ];
        for (was, free, agreed, expected) in rows {
            let limit = PriceLimit::of(&order(Some(was)), Some(&policy(free)), agreed.as_ref()).unwrap();
            assert_eq!((limit.limit, limit.agreed.is_some()), expected, "{was} {free:?} {agreed:?}");
        }
        assert_eq!(PriceLimit::of(&order(Some(10.0)), None, None).unwrap().limit, 10.0, "without a policy none rises");
        assert_eq!(PriceLimit::of(&order(None), Some(&policy(Some(3.0))), Some(&agreed(13.0))), None);
        let told = PriceLimit::of(&order(Some(12.5)), None, Some(&agreed(13.0))).unwrap().told();
        assert_eq!(
            told,
            "the new price is at most 13.00 EUR, as the customer has agreed (MAIL-1); it is 12.50 EUR now"
        );
    }

    #[test]
    fn what_the_quote_system_answers_stands_in_the_order_and_nothing_of_a_person_beside_it() {
        let outputs = |text: Value| serde_json::from_value::<Outputs>(text).unwrap();
        let made = outputs(json!({ "version": 2, "price": 12.75, "unit": "EUR",
            "valid_until": { "price": "2026-12-27T00:00:00Z" } }));
        let was = json!({ "id": "q-1", "state": "pending", "validFor": { "endDateTime": "2026-01-01T00:00:00Z" },
            "name": "for Jane Roe" });
        let mut known = was.clone();
        known.as_object_mut().unwrap().remove("name");
        assert_eq!(Revised::Quote.known(&was), known);
        assert_eq!(Revised::Baseline.known(&Value::Null), Value::Null);
        let price = json!([{ "price": { "dutyFreeAmount": { "unit": "EUR", "value": 12.75 } } }]);
        let expected = json!({ "id": "q-1", "version": 2, "state": "accepted", "quoteTotalPrice": price,
            "validFor": { "endDateTime": "2026-12-27T00:00:00Z" } });
        assert_eq!(Revised::Quote.becomes(&was, &made), expected);
        // As somebody attests it, without a date.
        let typed = outputs(json!({ "version": "2", "price": "12.75", "unit": "EUR" }));
        let mut undated = expected;
        undated.as_object_mut().unwrap().remove("validFor");
        assert_eq!(Revised::Quote.becomes(&was, &typed), undated);
        let based = outputs(json!({ "baselineId": "BSL-7", "version": 3 }));
        assert_eq!(Revised::Baseline.becomes(&Value::Null, &based), json!({ "id": "BSL-7", "version": 3 }));
    }

    #[test]
    fn a_version_is_a_number_and_the_first_where_none_is_told() {
        let rows = [
            (json!({ "version": 3 }), 3),
            (json!({ "version": "3" }), 3),
            (json!({ "version": "b" }), 1),
            (Value::Null, 1),
        ];
        for (was, expected) in rows {
            assert_eq!(version(&was), json!(expected), "{was}");
        }
    }

    #[test]
    fn it_stands_where_its_path_leads() {
        for revised in Revised::ALL {
            let At::Order(path) = revised.at() else { panic!("{revised}") };
            assert_eq!(revised.pointer(), format!("/{}", path.join("/")));
        }
    }
}
