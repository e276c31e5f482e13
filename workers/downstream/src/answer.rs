//! Reading what a downstream answered: at most so much of it, and never guessing at what did not arrive.

use chrono::DateTime;
use fallout_core::evidence::Body;
use reqwest::{
    Response,
    header::{DATE, HeaderMap, HeaderName, RETRY_AFTER},
};
use tokio::time::{Instant, timeout_at};

use crate::exchange::chain;

/// Answers hold ids and codes; whoever sends more is not speaking our interface.
const MOST_BYTES: usize = 64 * 1024;
/// Enough for a person to recognise a proxy's error page.
const TEXT_CHARS: usize = 500;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Body,
    pub(crate) retry_after_ms: Option<u64>,
    /// Why the body is not whole.
    pub(crate) error: Option<String>,
}

/// Reads to the end of the answer or to the deadline, whichever comes first.
pub(crate) async fn read(mut response: Response, deadline: Instant) -> Answer {
    let status = response.status().as_u16();
    let retry_after_ms = retry_after_ms(response.headers());
    let mut bytes = Vec::new();
    let (body, error) = loop {
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => bytes.extend_from_slice(&chunk),
            Ok(Ok(None)) => break (whole(&bytes), None),
            Ok(Err(error)) => break (Body::Cut, Some(chain(error))),
            Err(_) => break (Body::Cut, Some("the answer did not end in time".to_owned())),
        }
        if bytes.len() > MOST_BYTES {
            break (Body::TooLong, Some(format!("the answer is longer than {MOST_BYTES} bytes")));
        }
    };
    Answer { status, body, retry_after_ms, error }
}

fn whole(bytes: &[u8]) -> Body {
    match serde_json::from_slice(bytes) {
        _ if bytes.is_empty() => Body::Empty,
        Ok(value) => Body::Json(value),
        Err(_) => Body::Text(String::from_utf8_lossy(bytes).chars().take(TEXT_CHARS).collect()),
    }
}

/// RFC 9110 §10.2.3: seconds, or a date. A date counts from the answer's own `Date`, so no clock of ours is compared
/// with theirs; without one it says nothing.
fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let value = text(RETRY_AFTER)?;
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(seconds.saturating_mul(1_000));
    }
    let date = |text: &str| DateTime::parse_from_rfc2822(text).ok();
    let pause = date(value)? - date(text(DATE)?)?;
    u64::try_from(pause.num_milliseconds()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date_after_the_answers_own() {
        let now = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (value, date, expected) in [
            ("7", None, Some(7_000)),
            ("Sun, 06 Nov 1994 08:49:40 GMT", Some(now), Some(3_000)),
            ("Sun, 06 Nov 1994 08:49:30 GMT", Some(now), None),
            ("Sun, 06 Nov 1994 08:49:40 GMT", None, None),
            ("soon", Some(now), None),
            ("-1", Some(now), None),
            ("99999999999999999999", Some(now), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            date.map(|date: &str| headers.insert(DATE, date.parse().unwrap()));
            assert_eq!(retry_after_ms(&headers), expected, "{value}");
        }
    }
}
