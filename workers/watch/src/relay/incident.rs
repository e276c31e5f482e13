//! Showing a case in Cockpit where its token waits.

use fallout_camunda::{EngineError, IncidentQuery};
use fallout_core::{
    command::{INCIDENT_TYPE, Place},
    ids::{CaseNumber, StepKey},
};
use fallout_desk::Pending;

use super::{MISSES_MAX, Point, Sent, pause_s};
use crate::{Watch, WatchError, place};

/// Until it is asked again whether a task is gone whose report the engine refuses: a person has to act first.
const UNREPORTED_S: f64 = 5.0;

async fn is_shown(watch: &Watch, number: &str) -> Result<bool, WatchError> {
    let query = IncidentQuery { incident_type: Some(INCIDENT_TYPE), configuration: Some(number), ..Default::default() };
    Ok(!watch.engine.incidents(&query).await?.is_empty())
}

/// At the task whose report the engine refuses, until the task is gone.
pub(super) async fn unreported(
    watch: &Watch,
    case: CaseNumber,
    step: StepKey,
    task: &str,
    summary: &str,
    pending: &Pending,
) -> Result<Sent, WatchError> {
    let Some(task) = watch.engine.external_task(task).await? else {
        watch.desk.went_on(step, "the engine does not have the task any more").await?;
        return Ok(Sent::Done(None));
    };
    let number = case.to_string();
    if !is_shown(watch, &number).await? {
        watch.point(Point::BeforeSend, pending);
        let made = watch.engine.create_incident(&task.execution_id, INCIDENT_TYPE, &number, summary).await;
        watch.point(Point::Sent, pending);
        match made {
            Err(e @ EngineError::Away { .. }) => return Err(e.into()),
            Err(e) => return Ok(Sent::Again(UNREPORTED_S, e.to_string())),
            Ok(_) => {}
        }
    }
    Ok(Sent::Again(UNREPORTED_S, "the engine does not take the report yet".into()))
}

/// Where the token waits for `message`, once its task is gone.
pub(super) async fn show(
    watch: &Watch,
    case: CaseNumber,
    (instance, message, at): (&str, &str, Option<&Place>),
    task: &str,
    summary: &str,
    pending: &Pending,
) -> Result<Sent, WatchError> {
    let (number, tries) = (case.to_string(), pending.tries);
    if tries > 0 && is_shown(watch, &number).await? {
        return Ok(Sent::Done(Some("it is there already".into())));
    }
    if let Some(task) = watch.engine.external_task(task).await? {
        if task.retries == Some(0) {
            return Ok(Sent::Done(Some("it is shown as the incident of its task".into())));
        }
        return Ok(Sent::Again(pause_s(tries), "the rejection is not reported yet".into()));
    }
    let Some(execution) = place::one_waiting(watch, instance, message, at).await? else {
        return Ok(Sent::Done(Some("nobody waits there any more".into())));
    };
    watch.point(Point::BeforeSend, pending);
    let made = watch.engine.create_incident(&execution.id, INCIDENT_TYPE, &number, summary).await;
    watch.point(Point::Sent, pending);
    match made {
        Ok(_) => Ok(Sent::Done(None)),
        Err(e @ EngineError::Away { .. }) => Err(e.into()),
        Err(e) if tries <= MISSES_MAX => Ok(Sent::Again(pause_s(tries), e.to_string())),
        Err(e) => Ok(Sent::Failed(e.to_string())),
    }
}
