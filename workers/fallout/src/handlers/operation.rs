//! A step that is data: the request is rendered from the operation's template, the answer read by its pointers.

use fallout_core::{
    attempt::{StoredRequest, idempotency_key},
    evidence::{Body, Evidence, Phase},
    ids::StepKey,
    operation::{Idempotency, Operation},
    order,
    step::Outputs,
    task::{StepContext, TaskRef},
    template::{self, encode},
};
use fallout_fleet::Handler;
use serde_json::{Value, json};

pub struct OperationHandler {
    op: Operation,
}

impl OperationHandler {
    pub fn new(op: Operation) -> Self {
        OperationHandler { op }
    }

    /// The request with this body, or with none.
    pub(super) fn request(
        &self,
        task: &TaskRef,
        context: &StepContext,
        body: Option<Value>,
    ) -> Result<StoredRequest, String> {
        let values = values(task, context);
        let path = template::render_path(&self.op.request.path, &values).map_err(|e| e.to_string())?;
        let generation = context.next_generation;
        let key = idempotency_key(StepKey::of(&task.step), generation);
        let mut headers = identity(task, generation);
        if let Idempotency::KeyHeader { header, .. } = &self.op.idempotency {
            headers.push((header.clone(), key));
        }
        if body.is_some() {
            headers.push(("Content-Type".into(), "application/json".into()));
        }
        Ok(StoredRequest { method: self.op.request.method, path, headers, body: body.map(|b| b.to_string()) })
    }
}

impl Handler for OperationHandler {
    fn prepare(&self, task: &TaskRef, context: &StepContext) -> Result<StoredRequest, String> {
        let values = values(task, context);
        let body = self.op.request.body.as_ref().map(|b| template::render(b, &values)).transpose();
        self.request(task, context, body.map_err(|e| e.to_string())?)
    }

    fn read(&self, evidence: &Evidence) -> Result<Outputs, String> {
        match &evidence.phase {
            Phase::Answered { body: Body::Json(value), .. } => self.op.read_outputs(value),
            _ => self.op.read_outputs(&Value::Null),
        }
    }
}

/// What templates can name.
pub(super) fn values(task: &TaskRef, context: &StepContext) -> Value {
    let step = &task.step;
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

/// Who is asking, for the downstream's own log and for the judge: ids may be any text, headers may not.
fn identity(task: &TaskRef, generation: i32) -> Vec<(String, String)> {
    let step = &task.step;
    let of = |name: &str, value: &str| (name.to_owned(), encode(value));
    vec![
        of("X-Order", &step.order),
        of("X-Line", &step.line),
        of("X-Step", &step.step),
        of("X-Direction", step.direction.word()),
        of("X-Generation", &generation.to_string()),
    ]
}
