//! Sending a cancelled order to its next undo: compare and set, like a recovery, with the undo it was sent to last.

use fallout_camunda::{Correlation, EngineError, MessageCorrelation, Variables};
use fallout_core::{
    command::{UNDO_MESSAGE, UNDO_VARIABLE},
    ids::StepKey,
};
use fallout_desk::Pending;

use super::{Point, Sent, missed, pause_s};
use crate::{Watch, WatchError};

/// The effect to take back, as the model hands it on to the step that does it.
pub(super) struct Undo<'a> {
    pub undoes: StepKey,
    pub line: &'a str,
    pub step: &'a str,
    pub operation: &'a str,
}

pub(super) async fn send(
    watch: &Watch,
    instance: &str,
    undo: &Undo<'_>,
    pending: &Pending,
) -> Result<Sent, WatchError> {
    let wanted = undo.undoes.to_string();
    let Some(seen) = last(watch, instance).await? else {
        return Ok(Sent::Done(Some("the instance does not know its undos".into())));
    };
    if pending.tries > 0 && seen == wanted {
        return Ok(Sent::Done(Some("read back".into())));
    }
    let keys = Variables::new().with(UNDO_VARIABLE, seen.as_str());
    let set = Variables::new()
        .with(UNDO_VARIABLE, wanted.as_str())
        .with("undoLineId", undo.line)
        .with("undoStepId", undo.step)
        .with("undoTopic", undo.operation);
    let correlation = MessageCorrelation {
        message_name: UNDO_MESSAGE,
        process_instance_id: instance,
        correlation_keys: &keys,
        process_variables: &set,
    };
    watch.point(Point::BeforeSend, pending);
    let correlated = watch.engine.correlate_message(&correlation).await;
    watch.point(Point::Sent, pending);
    match correlated {
        Ok(Correlation::Correlated(_)) => Ok(Sent::Done(None)),
        Ok(Correlation::NoMatch { message }) => no_match(watch, instance, &wanted, message, pending).await,
        Err(e @ EngineError::Away { .. }) => Err(e.into()),
        Err(e) => Ok(Sent::Again(pause_s(pending.tries), e.to_string())),
    }
}

/// The undo that the instance was sent to last.
async fn last(watch: &Watch, instance: &str) -> Result<Option<String>, WatchError> {
    let values = watch.engine.historic_variables(instance, UNDO_VARIABLE).await?;
    Ok(values.iter().find_map(|v| v.value.as_text()).map(str::to_owned))
}

/// Nobody waits: it is on its way to this undo, or the controller that asked for it has to look again.
async fn no_match(
    watch: &Watch,
    instance: &str,
    wanted: &str,
    message: String,
    pending: &Pending,
) -> Result<Sent, WatchError> {
    if last(watch, instance).await?.is_none_or(|seen| seen == wanted) {
        return Ok(Sent::Done(Some("it was sent there before".into())));
    }
    if pending.misses > 0 {
        return Ok(Sent::Done(Some("nobody waits for it any more".into())));
    }
    missed(watch, instance, message).await
}
