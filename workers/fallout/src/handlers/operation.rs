//! A step that is data: the request is rendered from the operation's template, the answer read by its pointers.

use fallout_core::{
    attempt::StoredRequest,
    evidence::Evidence,
    operation::Operation,
    request,
    step::Outputs,
    task::{StepContext, TaskRef},
};
use fallout_fleet::Handler;
use serde_json::Value;

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
        request::with_body(&self.op, &task.step, &values(task, context), context.next_generation, body)
    }
}

impl Handler for OperationHandler {
    fn prepare(&self, task: &TaskRef, context: &StepContext) -> Result<StoredRequest, String> {
        request::render(&self.op, &task.step, &values(task, context), context.next_generation)
    }

    fn read(&self, evidence: &Evidence) -> Result<Outputs, String> {
        request::read(&self.op, evidence)
    }
}

pub(super) fn values(task: &TaskRef, context: &StepContext) -> Value {
    request::values(&task.step, context)
}
