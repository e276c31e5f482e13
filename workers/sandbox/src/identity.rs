//! Who a request says it is: the headers X-Order, X-Line, X-Step, X-Direction and X-Generation.

use axum::http::HeaderMap;

/// The step a request belongs to, as its sender states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) order: String,
    /// Empty: the step is one of the whole order.
    pub(crate) line: String,
    pub(crate) step: String,
    pub(crate) direction: String,
    pub(crate) generation: u32,
}

impl Identity {
    /// Says what is wrong with the headers when they name no step.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, String> {
        let text = |name| header(headers, name);
        let required = |name| match text(name)? {
            value if value.is_empty() => Err(format!("the header {name} is missing")),
            value => Ok(value),
        };
        Ok(Self {
            order: required("x-order")?,
            line: text("x-line")?,
            step: required("x-step")?,
            direction: direction(text("x-direction")?)?,
            generation: generation(&text("x-generation")?)?,
        })
    }
}

fn direction(value: String) -> Result<String, String> {
    match value.as_str() {
        "" => Ok("do".to_owned()),
        "do" | "undo" => Ok(value),
        _ => Err(format!("x-direction is {value}, expected do or undo")),
    }
}

fn generation(value: &str) -> Result<u32, String> {
    match value {
        "" => Ok(1),
        _ => value.parse().map_err(|_| format!("x-generation is {value}, expected a number")),
    }
}

/// An absent header is an empty one.
pub(crate) fn header(headers: &HeaderMap, name: &str) -> Result<String, String> {
    let raw = headers.get(name).map_or(&b""[..], |value| value.as_bytes());
    percent_decoded(raw).ok_or_else(|| format!("the header {name} is not percent-encoded UTF-8"))
}

/// Header values are percent-encoded UTF-8, because order ids may be any text and header values may not.
fn percent_decoded(raw: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.iter();
    while let Some(&byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<&u8>| (*byte? as char).to_digit(16);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_survives_percent_encoding() {
        for (raw, expected) in [
            ("ord-88210", Some("ord-88210")),
            ("PO%2F2026%2F0007", Some("PO/2026/0007")),
            ("%D0%B7%D0%B0-17", Some("за-17")),
            ("%zz", None),
            ("%4", None),
            ("%ff", None),
        ] {
            assert_eq!(percent_decoded(raw.as_bytes()).as_deref(), expected, "{raw}");
        }
    }
}
