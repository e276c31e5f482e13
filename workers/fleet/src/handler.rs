//! What is particular to one step: rendering its request and reading its answer. Neither sees a socket, the engine or a
//! clock. Both may fail or panic without harm: before the intent that is a defect, after the exchange an unread answer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fallout_core::{
    attempt::{Prepared, StoredRequest},
    evidence::Evidence,
    step::Outputs,
    task::{StepContext, TaskRef},
};

pub trait Handler: Send + Sync {
    /// The request of a new intent, without its idempotency key. An error is a defect: it says what is missing or wrong.
    fn prepare(&self, task: &TaskRef, context: &StepContext) -> Result<StoredRequest, String>;

    /// The outputs of a complete success answer, or what is missing in it. Called for every evidence.
    fn read(&self, evidence: &Evidence) -> Result<Outputs, String>;
}

/// `None` when the stored request of an earlier intent will be sent: rendering it again could only differ.
pub(crate) fn render(handler: &dyn Handler, task: &TaskRef, context: &StepContext) -> Option<Result<Prepared, String>> {
    if context.has_intent && task.action.is_none() {
        return None;
    }
    let request = guarded(|| handler.prepare(task, context));
    Some(request.map(|request| Prepared { request, generation: context.next_generation }))
}

pub(crate) fn read(handler: &dyn Handler, evidence: &Evidence) -> Result<Outputs, String> {
    guarded(|| handler.read(evidence))
}

fn guarded<T>(call: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("the handler panicked: {}", text.unwrap_or("no message")))
    })
}
