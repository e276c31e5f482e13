//! What later steps need from a success answer, and until when it may be used.
//!
//! An authorization or a reservation expires. Where the operation says so, the time is kept with the outputs themselves,
//! under one reserved name, so that it goes wherever they go: `valid_until = {"authorizationId": "2026-02-01T10:00:00Z"}`.
//! Guards read it with [`valid_until`]; a template can name it (`{outputs.authorize.valid_until.authorizationId}`).

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::step::Outputs;

/// The reserved name; no operation may have an output that is called so.
pub const VALID_UNTIL: &str = "valid_until";

/// Where one output stands in an answer. The short form, one text, is `at` alone: valid without end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// JSON pointer (RFC 6901).
    pub at: String,
    /// Valid for so long. Counted from the first attempt, since the effect is not older than that.
    pub valid_for_s: Option<u32>,
    /// JSON pointer to the time (RFC 3339) from which it is no longer valid; as required as the output itself.
    pub valid_until_at: Option<String>,
}

impl From<String> for Output {
    fn from(at: String) -> Self {
        Output { at, valid_for_s: None, valid_until_at: None }
    }
}

/// Values by JSON pointer with the ends of their validity, or what is missing first.
pub(crate) fn pick(declared: &BTreeMap<String, Output>, body: &Value) -> Result<Outputs, String> {
    let mut found = Outputs::new();
    let mut ends = Map::new();
    for (name, output) in declared {
        match body.pointer(&output.at) {
            None | Some(Value::Null) => return Err(name.clone()),
            Some(value) => drop(found.insert(name.clone(), value.clone())),
        }
        if let Some(at) = &output.valid_until_at {
            let end = body.pointer(at).and_then(time).ok_or_else(|| format!("the time until which {name} is valid"))?;
            ends.insert(name.clone(), text(end));
        }
    }
    if !ends.is_empty() {
        found.insert(VALID_UNTIL.into(), ends.into());
    }
    Ok(found)
}

/// The outputs with the ends that follow from `valid_for_s`; an end that is already there stays.
pub(crate) fn with_validity(declared: &BTreeMap<String, Output>, outputs: &Outputs, since: DateTime<Utc>) -> Outputs {
    let mut outputs = outputs.clone();
    let lasting = declared.iter().filter_map(|(name, output)| Some((name, output.valid_for_s?)));
    let given: Vec<_> = lasting.filter(|(name, _)| outputs.contains_key(*name)).collect();
    for (name, seconds) in given {
        let ends = outputs.entry(VALID_UNTIL.into()).or_insert_with(|| Map::new().into());
        if let Some(ends) = ends.as_object_mut() {
            ends.entry(name.clone()).or_insert_with(|| text(since + Duration::seconds(i64::from(seconds))));
        }
    }
    outputs
}

/// Until when an output of a step may be used; `None`: nothing limits it.
pub fn valid_until(outputs: &Outputs, name: &str) -> Option<DateTime<Utc>> {
    outputs.get(VALID_UNTIL)?.get(name).and_then(time)
}

fn time(value: &Value) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(value.as_str()?).ok().map(|time| time.to_utc())
}

fn text(time: DateTime<Utc>) -> Value {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::at;

    fn declared(output: &str) -> BTreeMap<String, Output> {
        #[derive(Deserialize)]
        struct Outputs {
            #[serde(deserialize_with = "crate::short::map")]
            outputs: BTreeMap<String, Output>,
        }
        toml::from_str::<Outputs>(&format!("outputs = {{ auth = {output} }}")).unwrap().outputs
    }

    #[test]
    fn a_text_is_short_for_its_pointer_and_a_slip_in_a_table_is_named() {
        assert_eq!(declared(r#""/id""#), declared(r#"{ at = "/id" }"#));
        let slip = toml::from_str::<crate::operation::Operation>("outputs = { auth = { at = \"/id\", valid_s = 1 } }");
        let told = slip.unwrap_err().to_string();
        assert!(told.contains("unknown field `valid_s`"), "{told}");
    }

    #[test]
    fn an_end_in_the_answer_is_kept_with_the_output() {
        let outputs = declared(r#"{ at = "/id", valid_until_at = "/expires" }"#);
        let read = pick(&outputs, &json!({"id": "A-1", "expires": "2027-01-15T09:00:00+01:00"})).unwrap();
        assert_eq!(valid_until(&read, "auth"), Some(at(0)));
        assert_eq!(valid_until(&read, "other"), None);
        for bad in [json!({"id": "A-1"}), json!({"id": "A-1", "expires": "soon"}), json!({"id": "A-1", "expires": 7})] {
            assert_eq!(pick(&outputs, &bad), Err("the time until which auth is valid".into()));
        }
    }

    #[test]
    fn a_span_counts_from_the_first_attempt_and_never_moves_an_end_that_is_known() {
        let outputs = declared(r#"{ at = "/id", valid_for_s = 60 }"#);
        let read = pick(&outputs, &json!({"id": "A-1"})).unwrap();
        assert_eq!(valid_until(&read, "auth"), None);
        let first = with_validity(&outputs, &read, at(0));
        assert_eq!(valid_until(&first, "auth"), Some(at(60)));
        assert_eq!(with_validity(&outputs, &first, at(500)), first);
    }

    #[test]
    fn what_was_not_given_has_no_end() {
        let outputs = declared(r#"{ at = "/id", valid_for_s = 60 }"#);
        assert_eq!(with_validity(&outputs, &Outputs::new(), at(0)), Outputs::new());
        assert_eq!(
            with_validity(&declared(r#""/id""#), &crate::fixtures::outputs(), at(0)),
            crate::fixtures::outputs()
        );
    }
}
