//! The kinds of correction: each with a value that is taken and values that are not, and which requests use it.

use serde_json::json;

use super::*;

fn taxonomy() -> Taxonomy {
    toml::from_str(include_str!("../../../config/taxonomy.toml")).unwrap()
}

fn customer() -> CustomerPolicy {
    toml::from_str(include_str!("../../../config/customer-status.toml")).unwrap()
}

fn check(field: Field, line: Option<&str>, value: &Value, source: bool) -> Result<(), &'static str> {
    let (taxonomy, customer) = (taxonomy(), customer());
    let correction = Correction {
        field: field.word().to_owned(),
        line: line.map(str::to_owned),
        value: value.clone(),
        source: source.then(|| "CRM-7".to_owned()),
    };
    let reference = Reference { taxonomy: &taxonomy, customer: &customer };
    correction.check(&reference).map(drop).map_err(|e| e.name())
}

fn address() -> Value {
    json!({ "streetAddress": "Seestraße 1", "postcode": "8001", "city": "Zürich", "country": "CH" })
}

#[test]
fn each_of_the_eight_kinds_takes_what_it_can_be_and_refuses_the_rest_by_name() {
    let without = |name: &str| {
        let mut address = address();
        address.as_object_mut().unwrap().remove(name);
        address
    };
    let with = |name: &str, value: Value| {
        let mut address = address();
        address[name] = value;
        address
    };
    let long = "x".repeat(201);
    let rows: Vec<(Field, Option<&str>, Value, Vec<Value>)> = vec![
        (
            Field::BillingAccount,
            None,
            json!("ba-70001"),
            vec![json!(""), json!("a b"), json!(7), json!("x".repeat(65))],
        ),
        (
            Field::ServiceAddress,
            Some("1"),
            address(),
            vec![
                json!("Seestraße 1, Zürich"),
                without("postcode"),
                without("city"),
                with("country", json!("Switzerland")),
                with("floor", json!("3")),
                with("city", json!(" ")),
                with("streetAddress", json!(long)),
                with("streetAddress", json!("a\u{1b}[2J")),
            ],
        ),
        (Field::ContractArtifact, None, json!("DOC-2026/17"), vec![json!(""), json!({"id": "DOC"}), json!("<x>")]),
        (Field::ProvisioningRoute, Some("1"), json!("partner-north"), vec![json!("a/b"), json!(null), json!("ü")]),
        (Field::DeviceId, Some("1"), json!("CPE-00:1A:2B"), vec![json!("CPE 7"), json!("../x"), json!([])]),
        (Field::FalloutOwner, None, json!("Finance Ops"), vec![json!("Nobody"), json!("finance ops"), json!(1)]),
        (Field::DelayReason, None, json!("DELAY"), vec![json!("delay"), json!("Because of HTTP 500"), json!("")]),
        (Field::Acknowledgement, None, json!("SVC-000123"), vec![json!(""), json!("SVC 1"), json!({})]),
    ];
    assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), Field::ALL, "each kind has its row");
    for (field, line, valid, invalid) in rows {
        assert_eq!(check(field, line, &valid, true), Ok(()), "{field}");
        for value in invalid {
            assert_eq!(check(field, line, &value, true), Err("value_refused"), "{field}: {value}");
        }
        let unsourced = if field.declaration().needs_source { Err("no_source") } else { Ok(()) };
        assert_eq!(check(field, line, &valid, false), unsourced, "{field} without a source");
        if line.is_none() {
            assert_eq!(check(field, Some("1"), &valid, true), Err("of_the_order"), "{field} of a line");
        }
    }
    let reference = Reference { taxonomy: &taxonomy(), customer: &customer() };
    let other = Correction { field: "price".into(), line: None, value: json!(1), source: None };
    let said = other.check(&reference).unwrap_err();
    assert!(said.to_string().contains("the fields are billing-account, service-address"), "{said}");
}

#[test]
fn a_field_is_used_where_a_request_names_it_or_what_it_is_in() {
    let mut op = crate::fixtures::keyed();
    let mut uses = |body: Value, field: Field| {
        op.request.body = Some(body);
        field.declaration().at.is_used_by(&op)
    };
    let rows = [
        (json!({ "place": "{line.product.place.0?}" }), Field::ServiceAddress, true),
        (json!({ "places": "{line.product.place}" }), Field::ServiceAddress, true),
        (json!({ "all": ["{line}"] }), Field::ServiceAddress, true),
        (json!({ "zip": "{line.product.place.0.postcode}" }), Field::ServiceAddress, true),
        (json!({ "id": "{line.id}", "order": "{order.id}" }), Field::ServiceAddress, false),
        (json!({ "place": "{order.product.place}" }), Field::ServiceAddress, false),
        (json!({ "account": "{order.billingAccount.id?}" }), Field::BillingAccount, true),
        (json!({ "account": "{order.billingAccount.name}" }), Field::BillingAccount, false),
        (json!({ "everything": "{order}" }), Field::FalloutOwner, false),
    ];
    for (body, field, expected) in rows {
        assert_eq!(uses(body.clone(), field), expected, "{field} in {body}");
    }
}

#[test]
fn only_what_fits_the_effect_of_the_step_may_be_corrected() {
    let rows = [
        (Field::ServiceAddress, false, true),
        (Field::ServiceAddress, true, false),
        (Field::Acknowledgement, true, true),
        (Field::Acknowledgement, false, false),
        (Field::DelayReason, true, true),
        (Field::DelayReason, false, true),
    ];
    for (field, applied, allowed) in rows {
        assert_eq!(field.declaration().fits(applied).is_ok(), allowed, "{field} while applied is {applied}");
    }
}

#[test]
fn a_value_is_put_where_it_belongs_and_what_is_missing_on_the_way_is_made() {
    let rows = [
        (json!({}), "/billingAccount/id", json!({ "billingAccount": { "id": 7 } })),
        (
            json!({ "billingAccount": { "id": 1, "name": "n" } }),
            "/billingAccount/id",
            json!({ "billingAccount": { "id": 7, "name": "n" } }),
        ),
        (json!({}), "/agreement/0/id", json!({ "agreement": [{ "id": 7 }] })),
        (json!({ "a": [1, 2] }), "/a/1", json!({ "a": [1, 7] })),
        (json!({ "a": [1] }), "/a/9", json!({ "a": [1, 7] })),
        (json!({ "a": null }), "/a/b", json!({ "a": { "b": 7 } })),
        (json!({ "a": "text" }), "/a/b", json!({ "a": "text" })),
    ];
    for (mut document, pointer, expected) in rows {
        put(&mut document, pointer, &json!(7));
        assert_eq!(document, expected, "{pointer}");
    }
}

#[test]
fn an_address_is_laid_over_the_one_that_was_there() {
    let was = json!({ "id": "site-1", "name": "HQ", "role": "installationAddress", "@type": "GeographicAddress", "streetAddress": "Old 1",
        "postcode": "1", "city": "X", "country": "CH", "stateOrProvince": "ZH" });
    let becomes = Field::ServiceAddress.declaration().becomes(&was, &address());
    assert_eq!(becomes["role"], "installationAddress");
    assert_eq!(becomes["postcode"], "8001");
    for gone in ["id", "name", "stateOrProvince"] {
        assert!(becomes.get(gone).is_none(), "{gone} was of the other place");
    }
    assert_eq!(Field::BillingAccount.declaration().becomes(&json!("old"), &json!("new")), "new");
}

/// The table of docs/CORRECTIONS.md.
fn table() -> String {
    let mut out =
        String::from("| field | what | where | value | authority | effect of the step | source | variable |\n");
    out += "|---|---|---|---|---|---|---|---|\n";
    for field in Field::ALL {
        let d = field.declaration();
        let at = match d.at {
            At::Order(path) => format!("order: `{}`", path.join(".")),
            At::Line(path) => format!("line: `{}`", path.join(".")),
            At::Ours => "ours".to_owned(),
        };
        let shape = match d.shape {
            Shape::Id(beside, most) => format!("letters, digits, `{beside}`, at most {most}"),
            Shape::Address => format!("object: {}; the first {ADDRESS_NEEDED} are needed", ADDRESS.join(", ")),
            Shape::Group => "an `owner_group` of the taxonomy".to_owned(),
            Shape::DelayReason => "a reason's code of the customer policy".to_owned(),
        };
        let source = if d.needs_source { "needed" } else { "optional" };
        let variable = d.variable.map_or("none".to_owned(), |name| format!("`{name}_<index>`"));
        let authority = d.authority.word();
        out += &format!(
            "| `{field}` | {} | {at} | {shape} | {authority} | {} | {source} | {variable} |\n",
            d.meaning, d.fits
        );
    }
    out
}

#[test]
fn the_page_of_corrections_is_the_declarations() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/CORRECTIONS.md");
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(&table()), "docs/CORRECTIONS.md differs from the declarations; they say:\n{}", table());
}
