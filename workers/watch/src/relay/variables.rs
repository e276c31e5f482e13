//! Variables of an order's instance that its gateways read: read before every write, and done when they are read back.

use std::collections::BTreeMap;

use fallout_camunda::{EngineError, Variables};
use fallout_core::command::StartValue;
use fallout_desk::Pending;

use super::{Point, Sent, pause_s, start_variables};
use crate::{Watch, WatchError};

pub(super) async fn set(
    watch: &Watch,
    instance: &str,
    wanted: &BTreeMap<String, StartValue>,
    pending: &Pending,
) -> Result<Sent, WatchError> {
    let wanted = start_variables(wanted);
    let Some(has) = watch.engine.process_instance_variables(instance).await? else { return Ok(ended()) };
    let missing = differing(&wanted, &has);
    for (name, value) in missing.iter() {
        watch.point(Point::BeforeSend, pending);
        let put = watch.engine.put_variable(instance, name, value).await;
        watch.point(Point::Sent, pending);
        match put {
            Ok(()) => {}
            Err(EngineError::NotFound { .. }) => return Ok(ended()),
            Err(e @ EngineError::Away { .. }) => return Err(e.into()),
            Err(e) => return Ok(Sent::Again(pause_s(pending.tries), e.to_string())),
        }
    }
    let Some(has) = watch.engine.process_instance_variables(instance).await? else { return Ok(ended()) };
    Ok(match differing(&wanted, &has).iter().next() {
        Some((name, _)) => Sent::Again(pause_s(pending.tries), format!("{name} is not as it was set")),
        None if missing.iter().next().is_none() => Sent::Done(Some("they were so already".into())),
        None => Sent::Done(None),
    })
}

fn ended() -> Sent {
    Sent::Done(Some("the instance has ended".into()))
}

fn differing(wanted: &Variables, has: &Variables) -> Variables {
    let mut all = Variables::new();
    for (name, value) in wanted.iter().filter(|(name, value)| has.get(name) != Some(value)) {
        all.insert(name.as_str(), value.clone());
    }
    all
}
