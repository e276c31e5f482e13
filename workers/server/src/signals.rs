//! What other services see: one signal or a batch of them. Each is kept and answered at its own place; a batch is one transaction.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use fallout_core::{signal::NewSignal, token::TokenScope};
use fallout_desk::{Answer, Desk};
use serde::Serialize;
use serde_json::Value;

use crate::{answer::Refused, caller::allowed, limits::whole};

/// As many as one transaction takes well inside a request's time.
const BATCH_MAX: usize = 500;
/// Before the name of the token, so that nobody outside speaks as one of our own detectors.
const FROM_OUTSIDE: &str = "api:";

/// What became of one signal.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    event: String,
    signal: String,
    result: String,
    repeated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Refusal>,
}

#[derive(Debug, Serialize)]
struct Refusal {
    code: String,
    reason: String,
}

/// 200 with an answer for each, in their order: that one is refused is its own answer, and takes no other with it. 400 when the
/// body is no signals at all: then nothing was kept.
pub(crate) async fn tell(
    State(desk): State<Desk>,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, Refused> {
    let caller = allowed(&desk, &headers, TokenScope::SignalsWrite).await?;
    let signals = read(&whole(body).await?, &format!("{FROM_OUTSIDE}{}", caller.name))?;
    let answers = desk.signals(&caller.tenant, &signals).await?;
    let told: Vec<Told> = signals.iter().zip(answers).map(|(signal, answer)| told(signal, answer)).collect();
    tracing::debug!(signals = told.len(), by = caller.name, "signals were told");
    Ok(Json(told))
}

fn told(signal: &NewSignal, answer: Answer) -> Told {
    let refusal = answer.refusal.map(|refusal| Refusal { code: refusal.to_string(), reason: refusal.why() });
    Told {
        event: signal.event.clone(),
        signal: answer.signal.to_string(),
        result: answer.state.to_string(),
        repeated: answer.repeated,
        case: answer.case.map(|case| case.to_string()),
        refusal,
    }
}

/// One object, or an array of them. The source is the caller, whatever a signal says of itself.
fn read(body: &[u8], source: &str) -> Result<Vec<NewSignal>, Refused> {
    let wrong = |code: &'static str, reason: String| {
        Refused::new(StatusCode::BAD_REQUEST, code, reason, "see docs/SIGNALS.md; nothing of it was kept")
    };
    let body: Value =
        serde_json::from_slice(body).map_err(|e| wrong("notJson", format!("the body is no JSON: {e}")))?;
    let all = match body {
        Value::Array(all) => all,
        one => vec![one],
    };
    if all.is_empty() || all.len() > BATCH_MAX {
        return Err(wrong("batchSize", format!("{} signals came, 1 to {BATCH_MAX} are taken at once", all.len())));
    }
    let signal = |(n, mut value): (usize, Value)| {
        if let Some(fields) = value.as_object_mut() {
            fields.insert("source".to_owned(), source.into());
        }
        serde_json::from_value(value).map_err(|e| wrong("notASignal", format!("signal {}: {e}", n + 1)))
    };
    all.into_iter().enumerate().map(signal).collect()
}
