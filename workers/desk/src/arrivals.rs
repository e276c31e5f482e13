//! Signals as they come in: checked, named by the taxonomy, their places found; or refused by name.

use std::collections::BTreeMap;

use fallout_core::{
    dedup::Voice,
    ids::SignalId,
    signal::{EVENT_CHARS_MAX, Finding, NewSignal, SOURCE_CHARS_MAX, SignalRefusal},
};
use fallout_store::{
    Tx,
    places::{self, Found, Sought},
    signals::Signal,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    Desk, DeskError,
    cases::Detection,
    placing::{Arrival, Where},
};

/// A signal that may be taken, or is refused for its own sake.
pub(crate) type Checked = Result<Arrival, Box<(Signal, SignalRefusal)>>;

impl Desk {
    /// Each signal with its place found, or refused by name.
    pub(crate) async fn arrivals(
        &self,
        tx: &mut Tx,
        tenant: &str,
        new: &[NewSignal],
    ) -> Result<Vec<Checked>, DeskError> {
        // Only times of the source need one of the database.
        let now = match new.iter().any(|signal| signal.occurred_at.is_some()) {
            true => tx.now().await?,
            false => chrono::DateTime::UNIX_EPOCH,
        };
        let checks: Vec<Result<(), SignalRefusal>> = new.iter().map(|signal| signal.check(now)).collect();
        let sought: Vec<Sought<'_>> = new
            .iter()
            .zip(0..)
            .zip(&checks)
            .filter(|((signal, _), check)| check.is_ok() && signal.place.step.is_none())
            .map(|((signal, n), _)| sought(signal, n))
            .collect();
        let mut found: BTreeMap<i32, Found> = BTreeMap::new();
        if !sought.is_empty() {
            found = places::find(tx, tenant, &sought).await?.into_iter().map(|place| (place.n, place)).collect();
        }
        let each = new.iter().zip(0..).zip(checks);
        Ok(each.map(|((new, n), check)| self.arrival(tenant, new, check, found.remove(&n))).collect())
    }

    fn arrival(
        &self,
        tenant: &str,
        new: &NewSignal,
        check: Result<(), SignalRefusal>,
        found: Option<Found>,
    ) -> Checked {
        let refused = |refusal| Err(Box::new((unfit(new), refusal)));
        if let Err(refusal) = check {
            return refused(refusal);
        }
        let (code, kind) = match &new.finding {
            Finding::Code(code) => (Some(code.clone()), self.classified(tenant, &new.source, code)),
            Finding::Classification(kind) if self.taxonomy(tenant).classification(kind).is_none() => {
                return refused(SignalRefusal::UnknownClassification);
            }
            Finding::Classification(kind) => (None, kind.as_str()),
        };
        let place = &new.place;
        if place.step.is_none() && place.order.is_some() && found.as_ref().is_none_or(|found| found.order.is_none()) {
            return refused(SignalRefusal::UnknownOrder);
        }
        let step = place.step.or(found.as_ref().and_then(|found| found.step));
        let at = whereabouts(new, found.unwrap_or_default());
        let reference = place.external_reference.clone();
        let key = step.is_none().then(|| at.key(tenant, kind, reference.as_deref()));
        let signal = Signal {
            id: SignalId(Uuid::now_v7()),
            source: new.source.clone(),
            event: new.event.clone(),
            kind: kind.to_owned(),
            code,
            step,
            key,
            reference,
            reason: new.reason.clone(),
            payload: new.payload.clone(),
            occurred_at: new.occurred_at,
            cause: new.cause.clone(),
        };
        let detection = Detection::new(kind, new.reason.as_str());
        Ok(Arrival { tenant: tenant.to_owned(), signal, voice: Voice::Outside, detection, at })
    }
}

/// Of a refused signal what can be kept: nothing that is too long or not plain text. An event id that is unfit goes by its
/// digest, so that the same again has the same answer.
fn unfit(new: &NewSignal) -> Signal {
    let (Finding::Code(code) | Finding::Classification(code)) = &new.finding;
    let event = match new.event.chars().count() <= EVENT_CHARS_MAX && !new.event.chars().any(char::is_control) {
        true => new.event.clone(),
        false => format!("sha256:{:x}", Sha256::digest(new.event.as_bytes())),
    };
    Signal {
        id: SignalId(Uuid::now_v7()),
        source: plain(&new.source, SOURCE_CHARS_MAX),
        event,
        kind: plain(code, SOURCE_CHARS_MAX),
        code: None,
        step: None,
        key: None,
        reference: None,
        reason: plain(&new.reason, EVENT_CHARS_MAX),
        payload: Value::Null,
        occurred_at: None,
        cause: Default::default(),
    }
}

fn plain(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}

fn sought(new: &NewSignal, n: i32) -> Sought<'_> {
    let place = &new.place;
    Sought {
        n,
        order: place.order.as_deref(),
        run: place.run,
        line: place.line.as_deref(),
        step_code: place.step_code.as_deref(),
        business_key: place.business_key.as_deref(),
        reference: place.external_reference.as_deref(),
    }
}

fn whereabouts(new: &NewSignal, found: Found) -> Where {
    let place = &new.place;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Where {
        order: found.order,
        external_id: found.external_id.unwrap_or_default(),
        customer: found.customer,
        run: found.run,
        line: text(&place.line),
        step_code: text(&place.step_code),
        business_key: found.business_key.or_else(|| place.business_key.clone()).unwrap_or_default(),
        root_process_instance_id: found.process_instance_id.clone(),
        process_instance_id: found.process_instance_id.unwrap_or_default(),
        downstream: text(&place.downstream),
        operation: String::new(),
    }
}
