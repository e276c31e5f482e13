//! Process variables with their engine types. Small values only: documents live in our own database, and a text over
//! 4,000 characters fails the whole call.

use std::collections::{BTreeMap, btree_map};
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Wire", into = "Wire")]
pub enum Variable {
    String(String),
    Integer(i32),
    Long(i64),
    Boolean(bool),
    Double(f64),
    Date(DateTime<Utc>),
    Null,
    /// Any type that we read but do not interpret (Json, Object, File, Bytes …).
    Other {
        type_name: String,
        value: Value,
    },
}

/// As it stands in the engine's JSON.
#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(default)]
    value: Value,
    #[serde(rename = "type", default)]
    type_name: Option<String>,
}

impl Variable {
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Variable::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Variable::Integer(number) => Some(i64::from(*number)),
            Variable::Long(number) => Some(*number),
            _ => None,
        }
    }

    pub fn as_boolean(&self) -> Option<bool> {
        match self {
            Variable::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// From the engine's type name and JSON value; what does not fit its type is kept as it came.
    pub(crate) fn typed(type_name: String, value: Value) -> Self {
        let typed = match (type_name.as_str(), &value) {
            // A typed null (`{"type": "String", "value": null}`) reads as null whatever its type.
            (_, Value::Null) => Some(Variable::Null),
            ("String", Value::String(text)) => Some(Variable::String(text.clone())),
            ("Integer" | "Short", number) => number.as_i64().and_then(|n| n.try_into().ok()).map(Variable::Integer),
            ("Long", number) => number.as_i64().map(Variable::Long),
            ("Boolean", Value::Bool(value)) => Some(Variable::Boolean(*value)),
            ("Double", number) => number.as_f64().map(Variable::Double),
            ("Date", Value::String(text)) => crate::time::parse(text).map(Variable::Date),
            _ => None,
        };
        typed.unwrap_or(Variable::Other { type_name, value })
    }

    fn type_name(&self) -> &str {
        match self {
            Variable::String(_) => "String",
            Variable::Integer(_) => "Integer",
            Variable::Long(_) => "Long",
            Variable::Boolean(_) => "Boolean",
            Variable::Double(_) => "Double",
            Variable::Date(_) => "Date",
            Variable::Null => "Null",
            Variable::Other { type_name, .. } => type_name,
        }
    }
}

impl From<Wire> for Variable {
    fn from(wire: Wire) -> Self {
        Variable::typed(wire.type_name.unwrap_or_default(), wire.value)
    }
}

impl From<Variable> for Wire {
    fn from(variable: Variable) -> Self {
        let type_name = Some(variable.type_name().to_owned());
        let value = match variable {
            Variable::String(text) => Value::from(text),
            Variable::Integer(number) => Value::from(number),
            Variable::Long(number) => Value::from(number),
            Variable::Boolean(value) => Value::from(value),
            Variable::Double(number) => Value::from(number),
            Variable::Date(time) => Value::from(crate::time::format(&time)),
            Variable::Null => Value::Null,
            Variable::Other { value, .. } => value,
        };
        Wire { value, type_name }
    }
}

macro_rules! from_plain {
    ($($plain:ty => $variant:ident),*) => {$(
        impl From<$plain> for Variable {
            fn from(value: $plain) -> Self {
                Variable::$variant(value.into())
            }
        }
    )*};
}
from_plain!(&str => String, String => String, i32 => Integer, i64 => Long, bool => Boolean, f64 => Double, DateTime<Utc> => Date);

/// Named variables. `Debug` lists the names only: values may be personal data.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variables(BTreeMap<String, Variable>);

impl Variables {
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Variable>) -> Self {
        self.insert(name, value);
        self
    }

    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Variable>) {
        self.0.insert(name.into(), value.into());
    }

    pub fn get(&self, name: &str) -> Option<&Variable> {
        self.0.get(name)
    }

    /// The value of a String variable; `None` when absent, null or of another type.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_text()
    }

    pub fn integer(&self, name: &str) -> Option<i64> {
        self.get(name)?.as_integer()
    }

    pub fn boolean(&self, name: &str) -> Option<bool> {
        self.get(name)?.as_boolean()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> btree_map::Iter<'_, String, Variable> {
        self.0.iter()
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<N: Into<String>, V: Into<Variable>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl<'a> IntoIterator for &'a Variables {
    type Item = (&'a String, &'a Variable);
    type IntoIter = btree_map::Iter<'a, String, Variable>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_type_survives_the_engines_json() {
        let date = crate::time::parse("2026-01-01T00:00:00.000+0000").unwrap();
        let all = Variables::new()
            .with("text", "Überlänge")
            .with("integer", 7)
            .with("long", 7_i64)
            .with("yes", true)
            .with("ratio", 0.5)
            .with("date", date)
            .with("null", Variable::Null)
            .with("json", Variable::Other { type_name: "Json".into(), value: json!("{}") });
        let read: Variables = serde_json::from_value(serde_json::to_value(&all).unwrap()).unwrap();
        assert!(read == all, "{read:?}");
        assert_eq!(serde_json::to_value(Variable::from("x")).unwrap(), json!({"type": "String", "value": "x"}));
    }

    #[test]
    fn what_does_not_fit_its_type_is_kept_as_it_came() {
        let read: Variable = serde_json::from_value(json!({"type": "Integer", "value": 3_000_000_000_i64})).unwrap();
        assert_eq!(read, Variable::Other { type_name: "Integer".into(), value: json!(3_000_000_000_i64) });
        let null: Variable = serde_json::from_value(json!({"type": "String", "value": null})).unwrap();
        assert_eq!(null, Variable::Null);
    }

    #[test]
    fn values_are_not_in_the_debug_output() {
        assert_eq!(format!("{:?}", Variables::new().with("iban", "DE02")), r#"{"iban"}"#);
    }
}
