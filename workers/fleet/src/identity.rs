//! Who a task is for, read from its variables, and who fetched it. Never derived from engine ids: those change on every
//! re-dispatch, and the effect must not.

use fallout_camunda::{LockedTask, Variable};
use fallout_core::{
    step::{Direction, StepIdentity},
    task::TaskRef,
};
use uuid::Uuid;

/// The only variables that are fetched; the model hands them down and nothing changes them but a recovery its own id.
pub(crate) const VARIABLES: [&str; 8] =
    ["tenantId", "orderId", "orderRun", "lineId", "stepId", "stepDirection", "handledCodes", "recoveryActionId"];

/// What `recoveryActionId` holds before the first recovery.
const NO_ACTION: &str = "none";

/// The task's model does not say which step it is: not a model of ours, or a broken one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("variable {variable} {problem}; a step is performed only when its model hands down its identity")]
pub(crate) struct NotAStep {
    pub variable: &'static str,
    pub problem: &'static str,
}

pub(crate) fn task_ref(task: &LockedTask) -> Result<TaskRef, NotAStep> {
    let step = step(task)?;
    // Variables can be changed in Cockpit, the key of an instance cannot.
    if task.business_key.as_ref().is_some_and(|key| *key != step.business_key()) {
        return Err(NotAStep { variable: "orderId", problem: "names another order run than the business key does" });
    }
    Ok(TaskRef {
        step,
        operation: task.topic_name.clone(),
        handled_codes: codes(text(task, "handledCodes")?),
        action: match text(task, "recoveryActionId")? {
            NO_ACTION => None,
            id => Some(parse("recoveryActionId", id, "is neither none nor the id of an action")?),
        },
        retries: task.retries.and_then(|left| u32::try_from(left).ok()),
        external_task_id: task.id.clone(),
        worker_id: task.worker_id.clone(),
        process_definition_id: task.process_definition_id.clone(),
        process_instance_id: task.process_instance_id.clone(),
        activity_id: task.activity_id.clone(),
    })
}

fn step(task: &LockedTask) -> Result<StepIdentity, NotAStep> {
    let name = |variable: &'static str| match text(task, variable)? {
        "" => Err(NotAStep { variable, problem: "is empty" }),
        name => Ok(name.to_owned()),
    };
    let step = StepIdentity {
        tenant: name("tenantId")?,
        order: name("orderId")?,
        run: run(task)?,
        // Some databases of the engine keep an empty text as null.
        line: match task.variables.get("lineId") {
            Some(Variable::Null) => String::new(),
            _ => text(task, "lineId")?.to_owned(),
        },
        step: name("stepId")?,
        direction: parse::<Direction>("stepDirection", text(task, "stepDirection")?, "is neither do nor undo")?,
    };
    match step.is_called_like_an_action() {
        true => Err(NotAStep { variable: "stepId", problem: "names the effect of an action, which no task performs" }),
        false => Ok(step),
    }
}

fn run(task: &LockedTask) -> Result<i32, NotAStep> {
    let number = task.variables.integer("orderRun").and_then(|run| i32::try_from(run).ok());
    number.ok_or(NotAStep { variable: "orderRun", problem: "is missing or not a whole number" })
}

fn text<'a>(task: &'a LockedTask, variable: &'static str) -> Result<&'a str, NotAStep> {
    task.variables.text(variable).ok_or(NotAStep { variable, problem: "is missing or not a text" })
}

fn parse<T: std::str::FromStr>(variable: &'static str, text: &str, problem: &'static str) -> Result<T, NotAStep> {
    text.parse().map_err(|_| NotAStep { variable, problem })
}

/// Each code stands between commas, so that an expression of the model can look for `,CODE,`.
fn codes(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|code| !code.is_empty()).map(str::to_owned).collect()
}

/// The engine's column; a longer id fails every fetch.
const MOST_CHARACTERS: usize = 255;
/// Two ids in text and the slashes before them.
const ID_CHARACTERS: usize = 2 * 37;

/// Worker ids of one process incarnation: `<name>/<boot>/<fetch>`. Unique per fetch, since the engine checks nothing else.
#[derive(Debug)]
pub(crate) struct WorkerIds(String);

impl WorkerIds {
    pub fn new(name: &str) -> Self {
        let name: String = name.chars().take(MOST_CHARACTERS - ID_CHARACTERS).collect();
        WorkerIds(format!("{name}/{}", Uuid::now_v7()))
    }

    pub fn next(&self) -> String {
        format!("{}/{}", self.0, Uuid::now_v7())
    }
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
