//! Requests rendered from data: `{name}` in a string is replaced from the context.
//!
//! A string that is one placeholder takes the value with its type; a placeholder inside text takes its text. In a path
//! every value is percent-encoded, so no order id can change which resource is called. Names are JSON pointers with dots:
//! `{order.id}`, `{line.product.name}`, `{outputs.reserve.reservationId}`, `{key}`. A field of an object that is one placeholder
//! with a question mark, `{line.product.place.0?}`, is left out where there is no value.

use serde_json::{Map, Value};

/// A placeholder that has no value, or text that is no template.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TemplateError {
    #[error("{{{0}}} has no value for this step")]
    Missing(String),
    #[error("{{{0}}} is not a single value and cannot stand inside text")]
    NotText(String),
    #[error("\"{0}\" has an opening brace without a closing one")]
    Unclosed(String),
}

/// The value with every placeholder replaced.
pub fn render(template: &Value, context: &Value) -> Result<Value, TemplateError> {
    match template {
        Value::String(text) => render_string(text, context),
        Value::Array(items) => {
            items.iter().map(|item| render(item, context)).collect::<Result<_, _>>().map(Value::Array)
        }
        Value::Object(map) => {
            let there = |(_, value): &(&String, &Value)| optional(value).is_none_or(|name| find(context, name).is_ok());
            let one = |(key, value): (&String, &Value)| Ok((key.clone(), render(value, context)?));
            map.iter().filter(there).map(one).collect::<Result<Map<_, _>, _>>().map(Value::Object)
        }
        other => Ok(other.clone()),
    }
}

fn render_string(text: &str, context: &Value) -> Result<Value, TemplateError> {
    let whole = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).filter(|name| !name.contains(['{', '}']));
    match whole {
        Some(name) => find(context, name.strip_suffix('?').unwrap_or(name)).cloned(),
        None => fill(text, context, str::to_owned).map(Value::String),
    }
}

/// A path: every value percent-encoded as one segment.
pub fn render_path(path: &str, context: &Value) -> Result<String, TemplateError> {
    fill(path, context, encode)
}

/// The name in a field that is left out where it has no value.
pub fn optional(value: &Value) -> Option<&str> {
    let name = value.as_str()?.strip_prefix('{')?.strip_suffix("?}")?;
    (!name.contains(['{', '}'])).then_some(name)
}

/// The names used in a template, for checks.
pub fn names(text: &str) -> Vec<&str> {
    let given = text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name));
    given.map(|name| name.strip_suffix('?').unwrap_or(name)).collect()
}

/// Whether every opening brace has its closing one.
pub fn is_closed(text: &str) -> bool {
    text.split('{').skip(1).all(|rest| rest.contains('}'))
}

fn fill(text: &str, context: &Value, escape: fn(&str) -> String) -> Result<String, TemplateError> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or_else(|| TemplateError::Unclosed(text.to_owned()))?;
        out.push_str(before);
        out.push_str(&escape(&scalar(find(context, name)?, name)?));
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn find<'a>(context: &'a Value, name: &str) -> Result<&'a Value, TemplateError> {
    let step = |at: &'a Value, part: &str| match part.parse::<usize>() {
        Ok(index) if at.is_array() => at.get(index),
        _ => at.get(part),
    };
    let found = name.split('.').try_fold(context, step);
    found.filter(|v| !v.is_null()).ok_or_else(|| TemplateError::Missing(name.to_owned()))
}

fn scalar(value: &Value, name: &str) -> Result<String, TemplateError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => Err(TemplateError::NotText(name.to_owned())),
    }
}

/// Percent-encoding of everything but RFC 3986's unreserved characters.
pub fn encode(text: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if keep(b) { (b as char).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_whole_placeholder_keeps_its_type_and_one_inside_text_becomes_text() {
        let context = json!({"order": {"id": "a/b", "items": [{"n": 3}]}, "key": "k"});
        let template =
            json!({"order": "{order.id}", "items": "{order.items}", "ref": "x-{key}-{order.items.0.n}", "n": 1});
        let expected = json!({"order": "a/b", "items": [{"n": 3}], "ref": "x-k-3", "n": 1});
        assert_eq!(render(&template, &context), Ok(expected));
    }

    #[test]
    fn a_field_that_may_be_left_out_is_there_only_with_a_value() {
        let template = json!({"place": "{line.place?}", "key": "{key}"});
        assert_eq!(render(&template, &json!({"key": 1, "line": {"place": [2]}})), Ok(json!({"place": [2], "key": 1})));
        assert_eq!(render(&template, &json!({"key": 1, "line": null})), Ok(json!({"key": 1})));
        assert_eq!(names("{line.place?}"), ["line.place"]);
        assert_eq!(render_path("/{a?}", &json!({})), Err(TemplateError::Missing("a?".into())));
    }

    #[test]
    fn a_value_cannot_change_which_resource_a_path_names() {
        let context = json!({"order": {"id": "../x?y=1 ж"}});
        assert_eq!(render_path("/orders/{order.id}", &context), Ok("/orders/..%2Fx%3Fy%3D1%20%D0%B6".into()));
    }

    #[test]
    fn what_has_no_value_is_named() {
        assert_eq!(render(&json!(["{a.b}"]), &json!({"a": 1})), Err(TemplateError::Missing("a.b".into())));
        assert_eq!(render_path("/{a", &json!({})), Err(TemplateError::Unclosed("/{a".into())));
        assert_eq!(render_path("/{a}", &json!({"a": []})), Err(TemplateError::NotText("a".into())));
    }
}
