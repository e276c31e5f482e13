//! The request of a step as an operation's data describe it, and its answer read by them: for handlers, and for the effects
//! that actions make themselves.

use serde_json::{Value, json};

use crate::{
    attempt::{StoredRequest, idempotency_key},
    evidence::{Body, Evidence, Phase},
    ids::StepKey,
    operation::{Idempotency, Operation},
    order,
    step::{Outputs, StepIdentity},
    task::StepContext,
    template::{self, encode},
};

/// What templates can name.
pub fn values(step: &StepIdentity, context: &StepContext) -> Value {
    let effect = context.effect.as_ref();
    json!({
        "order": context.document,
        "line": order::item(&context.document, &step.line),
        "step": { "tenant": step.tenant, "order": step.order, "line": step.line, "step": step.step },
        "outputs": context.outputs,
        "effect": effect.map(|e| json!({ "key": e.key, "outputs": e.outputs })),
        "key": idempotency_key(StepKey::of(step), context.next_generation),
    })
}

/// The request rendered from the operation's templates; an error says what has no value.
pub fn render(op: &Operation, step: &StepIdentity, values: &Value, generation: i32) -> Result<StoredRequest, String> {
    let body = op.request.body.as_ref().map(|body| template::render(body, values)).transpose();
    with_body(op, step, values, generation, body.map_err(|e| e.to_string())?)
}

/// The request with this body, or with none.
pub fn with_body(
    op: &Operation,
    step: &StepIdentity,
    values: &Value,
    generation: i32,
    body: Option<Value>,
) -> Result<StoredRequest, String> {
    let path = template::render_path(&op.request.path, values).map_err(|e| e.to_string())?;
    let mut headers = identity(step, generation);
    if let Idempotency::KeyHeader { header, .. } = &op.idempotency {
        headers.push((header.clone(), idempotency_key(StepKey::of(step), generation)));
    }
    if body.is_some() {
        headers.push(("Content-Type".into(), "application/json".into()));
    }
    Ok(StoredRequest { method: op.request.method, path, headers, body: body.map(|b| b.to_string()) })
}

/// The outputs of a whole success answer, or what is missing in it.
pub fn read(op: &Operation, evidence: &Evidence) -> Result<Outputs, String> {
    match &evidence.phase {
        Phase::Answered { body: Body::Json(value), .. } => op.read_outputs(value),
        _ => op.read_outputs(&Value::Null),
    }
}

/// Who is asking, for the downstream's own log and for the judge: ids may be any text, headers may not.
fn identity(step: &StepIdentity, generation: i32) -> Vec<(String, String)> {
    let of = |name: &str, value: &str| (name.to_owned(), encode(value));
    vec![
        of("X-Order", &step.order),
        of("X-Line", &step.line),
        of("X-Step", &step.step),
        of("X-Direction", step.direction.word()),
        of("X-Generation", &generation.to_string()),
    ]
}
