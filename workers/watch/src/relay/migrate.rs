//! Moving an instance to the newest version of its definition. It is read before every send, and the definition that it is
//! read back on is what guards go by afterwards.

use fallout_bpmn::{definition, unreadable};
use fallout_camunda::EngineError;
use fallout_desk::Pending;

use super::{Point, Sent, pause_s};
use crate::{Watch, WatchError};

pub(super) async fn send(watch: &Watch, instance: &str, source: &str, pending: &Pending) -> Result<Sent, WatchError> {
    let Some(running) = watch.engine.process_instance(instance).await? else {
        return refuse(watch, instance, "it has ended").await;
    };
    if running.definition_id != source {
        return read_back(watch, instance, source, &running.definition_id).await;
    }
    let key = source.split(':').next().unwrap_or(source);
    let newest = watch.engine.process_definitions(key, true).await?.into_iter().next();
    let Some(newest) = newest.filter(|newest| newest.id != source) else {
        return refuse(watch, instance, "it runs the newest version already; deploy one first (fallout deploy)").await;
    };
    watch.point(Point::BeforeSend, pending);
    let moved = watch.engine.migrate(source, &newest.id, instance).await;
    watch.point(Point::Sent, pending);
    match moved {
        Ok(()) => Ok(Sent::Again(0.0, "moved; not read back yet".into())),
        Err(e @ EngineError::Away { .. }) => Err(e.into()),
        // Its transaction may still be running, or another was first: the next read tells.
        Err(e @ (EngineError::Unknown { .. } | EngineError::Conflict { .. })) => {
            Ok(Sent::Again(pause_s(pending.tries).max(1.0), e.to_string()))
        }
        Err(e) => refuse(watch, instance, &format!("the engine does not move it to {}: {e}", newest.id)).await,
    }
}

async fn read_back(watch: &Watch, instance: &str, source: &str, target: &str) -> Result<Sent, WatchError> {
    let xml = watch.engine.process_definition_xml(target).await?.unwrap_or_default();
    let known = definition(target, &xml).unwrap_or_else(|_| unreadable(target));
    watch.desk.migrated(instance, source, &known).await?;
    Ok(Sent::Done(Some(format!("it runs {target}"))))
}

async fn refuse(watch: &Watch, instance: &str, why: &str) -> Result<Sent, WatchError> {
    watch.desk.not_migrated(instance, why).await?;
    Ok(Sent::Failed(why.to_owned()))
}
