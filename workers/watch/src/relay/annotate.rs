//! The number of its case at an incident that the engine made, for whoever looks at Cockpit first.

use fallout_camunda::{EngineError, IncidentQuery};
use fallout_core::ids::CaseNumber;
use fallout_desk::Pending;

use super::{Point, Sent, pause_s};
use crate::{Watch, WatchError};

/// What people wrote there stays, behind the number. An incident of another tenant's order is left alone.
pub(super) async fn send(
    watch: &Watch,
    case: CaseNumber,
    tenant: &str,
    incident: &str,
    pending: &Pending,
) -> Result<Sent, WatchError> {
    let query = IncidentQuery { incident_id: Some(incident), ..Default::default() };
    let Some(found) = watch.engine.incidents(&query).await?.into_iter().next() else {
        return Ok(Sent::Done(Some("the engine does not have the incident any more".into())));
    };
    let says = found.annotation.unwrap_or_default();
    let number = case.to_string();
    if says.split([';', ' ']).any(|word| word == number) {
        return Ok(Sent::Done(Some("it is there already".into())));
    }
    let instance = found.process_instance_id.unwrap_or_default();
    let key = watch.engine.process_instance(&instance).await?.and_then(|i| i.business_key).unwrap_or_default();
    if !key.starts_with(&format!("{tenant}:")) {
        return Ok(Sent::Done(Some("the incident is not one of this tenant's orders".into())));
    }
    let text = if says.is_empty() { number } else { format!("{number}; {says}") };
    watch.point(Point::BeforeSend, pending);
    let annotated = watch.engine.annotate_incident(incident, &text).await;
    watch.point(Point::Sent, pending);
    match annotated {
        Ok(()) => Ok(Sent::Done(None)),
        Err(e @ EngineError::Away { .. }) => Err(e.into()),
        // Gone, or somebody else was first: the next read tells.
        Err(e) => Ok(Sent::Again(pause_s(pending.tries), e.to_string())),
    }
}
