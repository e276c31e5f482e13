//! Letting an order run go on that the engine does not move. What is to be done is read before every send, so a replay finds
//! nothing left, and none of it makes an effect: what may be sent is decided by the ledger, at the claim.

use fallout_camunda::{EngineError, ProcessInstance, ProcessInstanceQuery};
use fallout_desk::Pending;

use super::{Point, Sent};
use crate::{Watch, WatchError};

/// Until it is looked at again what was asked for.
const LOOK_S: f64 = 1.0;

/// Those of the run and of everything that it has called, however deep and whatever key a model passes on.
async fn instances(watch: &Watch, business_key: &str) -> Result<Vec<ProcessInstance>, WatchError> {
    let query = ProcessInstanceQuery { business_key: Some(business_key), ..Default::default() };
    let mut found = watch.engine.process_instances(&query).await?;
    let mut at = 0;
    while at < found.len() {
        let caller = found[at].id.clone();
        let query = ProcessInstanceQuery { super_process_instance: Some(&caller), ..Default::default() };
        for called in watch.engine.process_instances(&query).await? {
            if found.iter().all(|known| known.id != called.id) {
                found.push(called);
            }
        }
        at += 1;
    }
    Ok(found)
}

pub(super) async fn activate(watch: &Watch, business_key: &str, pending: &Pending) -> Result<Sent, WatchError> {
    let suspended: Vec<_> = instances(watch, business_key).await?.into_iter().filter(|i| i.suspended).collect();
    if suspended.is_empty() {
        let note = if pending.tries == 0 { "nothing was suspended" } else { "nothing is suspended any more" };
        return Ok(Sent::Done(Some(note.into())));
    }
    for instance in &suspended {
        watch.point(Point::BeforeSend, pending);
        let answer = watch.engine.activate_process_instance(&instance.id).await;
        watch.point(Point::Sent, pending);
        if let Err(error) = gone_is_done(answer)? {
            return Ok(Sent::Again(LOOK_S, error));
        }
    }
    Ok(Sent::Again(LOOK_S, format!("{} activated; not seen yet", suspended.len())))
}

/// A job is given one more try each time that this is asked for, and the engine says by an incident when it fails again.
pub(super) async fn job_retries(watch: &Watch, business_key: &str, pending: &Pending) -> Result<Sent, WatchError> {
    let mut tried = 0;
    for instance in instances(watch, business_key).await? {
        for job in watch.engine.jobs(&instance.id).await?.into_iter().filter(|job| job.retries == 0) {
            watch.point(Point::BeforeSend, pending);
            let answer = watch.engine.set_job_retries(&job.id, 1).await;
            watch.point(Point::Sent, pending);
            if let Err(error) = gone_is_done(answer)? {
                return Ok(Sent::Again(LOOK_S, error));
            }
            tried += 1;
        }
    }
    Ok(Sent::Done(Some(format!("{tried} jobs are tried again"))))
}

/// The engine is asked again when it was busy or its answer is lost; what it does not have any more needs nothing.
fn gone_is_done(answer: Result<(), EngineError>) -> Result<Result<(), String>, WatchError> {
    match answer {
        Ok(()) | Err(EngineError::NotFound { .. }) => Ok(Ok(())),
        Err(e @ (EngineError::Unknown { .. } | EngineError::Conflict { .. })) => Ok(Err(e.to_string())),
        Err(e) => Err(e.into()),
    }
}
