//! Orders that were asked to be amended in the engine: the desk takes in what their owner has told, or says why not. One that it
//! is too early to answer is asked again with the next look.

use fallout_camunda::EventSubscription;
use fallout_core::command::AMEND_ANSWER_MESSAGE;
use fallout_desk::AskedOutside;

use crate::{Watch, WatchError, cancellations::waiting_for, kept_going};

pub(crate) async fn tick(watch: &Watch) -> Result<usize, WatchError> {
    for asked in waiting_for(watch, AMEND_ANSWER_MESSAGE).await? {
        let instance = asked.process_instance_id.clone().unwrap_or_default();
        kept_going("amendments", &instance, take_up(watch, &asked).await)?;
    }
    Ok(0)
}

/// Whoever asked said who they are and why with the message, as far as they did.
async fn take_up(watch: &Watch, asked: &EventSubscription) -> Result<(), WatchError> {
    let (Some(instance), Some(execution)) = (&asked.process_instance_id, &asked.execution_id) else { return Ok(()) };
    let Some(variables) = watch.engine.process_instance_variables(instance).await? else { return Ok(()) };
    let text = |name| variables.get(name).and_then(|value| value.as_text());
    let asked = AskedOutside {
        process_instance_id: instance,
        execution_id: execution,
        by: text("amendRequestedBy"),
        reason: text("amendReason"),
    };
    Ok(watch.desk.amend_asked(&asked).await?)
}
