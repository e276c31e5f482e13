//! The engine's way of writing an instant: `2026-01-31T12:00:00.000+0000`, milliseconds, no colon in the offset.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serializer, de::Error};

const FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.3f%z";

pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_str(text, FORMAT).ok().map(|t| t.with_timezone(&Utc))
}

pub(crate) fn format(time: &DateTime<Utc>) -> String {
    time.format(FORMAT).to_string()
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DateTime<Utc>, D::Error> {
    let text = String::deserialize(from)?;
    parse(&text).ok_or_else(|| D::Error::custom("not an instant as the engine writes it"))
}

pub(crate) mod option {
    //! The same for a field that may be null or absent.
    use super::*;

    #[expect(clippy::ref_option, reason = "the signature serde asks for")]
    pub(crate) fn serialize<S: Serializer>(time: &Option<DateTime<Utc>>, to: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => to.serialize_str(&format(time)),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<DateTime<Utc>>, D::Error> {
        match Option::<String>::deserialize(from)? {
            None => Ok(None),
            Some(text) => {
                parse(&text).map(Some).ok_or_else(|| D::Error::custom("not an instant as the engine writes it"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_survives_the_engines_format() {
        let time = parse("2026-01-31T14:00:00.250+0200").unwrap();
        assert_eq!(format(&time), "2026-01-31T12:00:00.250+0000");
        assert_eq!(parse(&format(&time)), Some(time));
        assert_eq!(parse("2026-01-31"), None);
    }
}
