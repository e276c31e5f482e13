//! Handing a parked task out again, where its model has no branch that a message could take. The task's own variable names
//! the action, so that its claim knows why it was handed out; whether it may send is decided there, by the ledger.

use fallout_camunda::{EngineError, Variable};
use fallout_core::{
    command::{ACTION_VARIABLE, NO_ACTION},
    ids::ActionId,
};
use fallout_desk::Pending;

use super::{SUSPENDED_S, Sent, give_up, pause_s};
use crate::{Watch, WatchError};

/// Until it is looked at again whether its claim was seen.
const LOOK_S: f64 = 0.3;

/// The parked task, and the action that it was handed out by last when the desk looked at it.
pub(super) struct Task<'a> {
    pub id: &'a str,
    pub seen: &'a str,
    /// What is given: the tries of a read are counted by the engine.
    pub retries: u32,
}

/// Everything is read before every send, and the claim is the proof: the ledger knows it before anything is sent.
pub(super) async fn retries(
    watch: &Watch,
    action: ActionId,
    parked: &Task<'_>,
    pending: &Pending,
) -> Result<Sent, WatchError> {
    if !watch.desk.action_waits(action).await? {
        return Ok(Sent::Done(Some("its claim was seen".into())));
    }
    let Some(task) = watch.engine.external_task(parked.id).await? else {
        return give_up(watch, action, "the task is gone from the engine").await;
    };
    if task.suspended {
        return Ok(Sent::Again(SUSPENDED_S, "the instance is suspended".into()));
    }
    let wanted = action.to_string();
    let Some(own) = watch.engine.local_variables(&task.execution_id).await? else {
        return Ok(Sent::Again(pause_s(pending.tries), "the task has just moved on".into()));
    };
    let holds = own.get(ACTION_VARIABLE).and_then(Variable::as_text).unwrap_or(NO_ACTION);
    if holds != wanted {
        // Whoever else handed it out meanwhile is told by its claim; what the desk saw is not what there is.
        if holds != parked.seen && own.get(ACTION_VARIABLE).is_some() {
            return give_up(watch, action, "the task was handed out by something else").await;
        }
        let value = Variable::from(wanted.as_str());
        watch.point(super::Point::BeforeSend, pending);
        if let Some(sent) = later(watch.engine.put_local_variable(&task.execution_id, ACTION_VARIABLE, &value).await)? {
            return Ok(sent);
        }
        watch.point(super::Point::Sent, pending);
    }
    if task.retries == Some(0) {
        watch.point(super::Point::BeforeSend, pending);
        if let Some(sent) = later(watch.engine.set_external_task_retries(parked.id, parked.retries).await)? {
            return Ok(sent);
        }
        watch.point(super::Point::Sent, pending);
    }
    Ok(Sent::Again(LOOK_S, "handed out; its claim is not seen yet".into()))
}

/// What was not taken is sent again after a look; `None` when it was.
fn later(answer: Result<(), EngineError>) -> Result<Option<Sent>, WatchError> {
    match answer {
        Ok(()) => Ok(None),
        Err(e @ EngineError::Away { .. }) => Err(e.into()),
        Err(e) => Ok(Some(Sent::Again(LOOK_S, e.to_string()))),
    }
}
