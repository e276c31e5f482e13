//! Opening, joining and resolving the case of a step: one trouble, one case.

use fallout_core::{
    action::{Action, ActionState},
    case::{CaseEvent, CaseState, next},
    command::{EngineCommand, RECOVERY_MESSAGE},
    dedup::Voice,
    ids::{ActionId, CaseId, CaseNumber, CommandId, OrderKey, SignalId, StepKey},
    signal::{Cause, SignalState},
    step::Outputs,
    task::TaskRef,
    taxonomy::{Category, Taxonomy},
};
use fallout_store::{
    StoreError, Tx, actions,
    cases::{self, Actor, Case, Finding},
    commands,
    openings::{self, NewCase},
    signals::{self, Signal},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Desk, DeskError,
    placing::{Arrival, Where},
    recovery::asked_in_vain,
    work::Work,
};

/// What was detected about a step; also the payload of its signal, so that a controller can go on from it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Detection {
    pub classification: String,
    pub reason: String,
    /// The token waits in the model (not at the task): the case is shown there as an incident.
    pub waits: bool,
    /// What became the thing to do, where that is known better than the taxonomy can.
    #[serde(default)]
    pub recommended: Option<Action>,
    /// The step's epoch when it parked: a signal that is handled later must not speak of another.
    #[serde(default)]
    pub parked_at: Option<i32>,
}

impl Detection {
    pub fn new(classification: &str, reason: impl Into<String>) -> Self {
        Detection {
            classification: classification.to_owned(),
            reason: reason.into(),
            waits: false,
            recommended: None,
            parked_at: None,
        }
    }
}

impl Work<'_> {
    /// Keeps the signal and opens or joins the case. When the case cannot be written the signal stays, unprocessed, for
    /// its controller; what was decided about the step is kept in any case.
    pub async fn detect(
        &mut self,
        source: &str,
        event: &str,
        detection: &Detection,
    ) -> Result<Option<CaseNumber>, DeskError> {
        let arrival = self.arrival(source, event, detection, Voice::Ledger);
        let tenant = arrival.tenant.as_str();
        if signals::told_before(&mut self.tx, tenant, source, event).await?.is_some() {
            return Ok(self.step.case);
        }
        self.tx.savepoint().await?;
        match self.handle(&arrival).await {
            Ok(case) => Ok(Some(case)),
            Err(DeskError::Away(e)) => Err(DeskError::Away(e)),
            Err(e) => {
                tracing::error!(step = %self.step.key, error = &e as &dyn std::error::Error, "the case could not be written; its signal is kept");
                self.tx.back_to_savepoint().await?;
                signals::keep(&mut self.tx, tenant, &arrival.signal, SignalState::Received, None, None).await?;
                Ok(None)
            }
        }
    }

    /// What the ledger found about its own step; the finding is the payload, so that a controller can go on from it.
    fn arrival(&self, source: &str, event: &str, detection: &Detection, voice: Voice) -> Arrival {
        let cause = Cause { epoch: Some(self.step.epoch), ..Cause::default() };
        let signal = Signal {
            id: SignalId(Uuid::now_v7()),
            source: source.to_owned(),
            event: event.to_owned(),
            kind: detection.classification.clone(),
            code: None,
            step: Some(self.step.key),
            key: None,
            reference: None,
            reason: detection.reason.clone(),
            payload: json!(detection),
            occurred_at: None,
            cause,
        };
        let tenant = self.step.identity.tenant.clone();
        Arrival { tenant, signal, voice, detection: detection.clone(), at: Where::default() }
    }

    /// The signal's way to its case; a token that waits in the model is shown there as an incident.
    pub async fn handle(&mut self, arrival: &Arrival) -> Result<CaseNumber, DeskError> {
        let detection = &arrival.detection;
        let placed = self.desk.place(&mut self.tx, arrival).await?;
        let case = placed.ok_or(DeskError::Store(StoreError::Stale("the step")))?.number;
        if detection.waits {
            let command = EngineCommand::Incident {
                case,
                process_instance_id: self.step.process_instance_id.clone(),
                external_task_id: self.step.external_task_id.clone(),
                message: RECOVERY_MESSAGE.to_owned(),
                summary: format!("{case} {}: {}", detection.classification, detection.reason),
                at: self.place(),
            };
            commands::insert(&mut self.tx, CommandId(Uuid::now_v7()), &arrival.tenant, &command, None).await?;
        }
        Ok(case)
    }

    /// Once per fetch.
    pub async fn note_handed_out(&mut self, task: &TaskRef) -> Result<(), DeskError> {
        if self.step.case.is_none() {
            return Ok(());
        }
        let reason = "the parked task was handed out again without an action; it is parked again, nothing was sent";
        let said = format!("{}:{}", task.external_task_id, task.worker_id);
        let payload = json!({ "externalTaskId": task.external_task_id });
        self.note("HANDED_OUT_AGAIN", &said, reason, &payload).await
    }

    /// A signal that changes nothing about the step's case, kept on its timeline; once per `said`.
    pub async fn note(&mut self, kind: &str, said: &str, reason: &str, payload: &Value) -> Result<(), DeskError> {
        let mut arrival = self.arrival("fleet", said, &Detection::new(kind, reason), Voice::Remark);
        arrival.signal.payload = payload.clone();
        if signals::told_before(&mut self.tx, &arrival.tenant, "fleet", said).await?.is_none() {
            self.desk.place(&mut self.tx, &arrival).await?;
        }
        Ok(())
    }

    /// The outputs that a parked or cancelled step was given by a person.
    pub fn attested_outputs(target: &Value) -> Outputs {
        target.get("outputs").cloned().and_then(|o| serde_json::from_value(o).ok()).unwrap_or_default()
    }
}

/// Where a new case belongs.
pub(crate) struct Opening<'a> {
    pub tenant: &'a str,
    pub order: Option<OrderKey>,
    pub customer: Option<&'a str>,
    pub step: Option<StepKey>,
    pub operation: &'a str,
    /// `None`: it is about the whole order.
    pub line: Option<&'a str>,
    pub root_process_instance_id: Option<&'a str>,
    pub process_instance_id: &'a str,
    pub business_key: &'a str,
    pub external_system: &'a str,
    pub external_reference: Option<&'a str>,
    pub match_key: &'a str,
}

impl Desk {
    /// What the taxonomy says about a detection.
    pub(crate) fn finding<'a>(&'a self, tenant: &str, detection: &'a Detection) -> Result<Finding<'a>, DeskError> {
        let taxonomy = self.taxonomy(tenant);
        let category = category(taxonomy, &detection.classification)?;
        Ok(Finding {
            category: &category.code,
            classification: &detection.classification,
            summary: &detection.reason,
            recommended: detection.recommended.or_else(|| taxonomy.recommended(&detection.classification)),
            group: &category.owner_group,
        })
    }

    /// The case of a signal, with its clock and the first entries of its timeline.
    pub(crate) async fn open_case(
        &self,
        tx: &mut Tx,
        at: &Opening<'_>,
        detection: &Detection,
        signal: &Signal,
    ) -> Result<CaseNumber, DeskError> {
        let taxonomy = self.taxonomy(at.tenant);
        let category = category(taxonomy, &detection.classification)?;
        let weighed = self.weigh(tx, at, &category.code, &detection.classification).await?;
        let new = NewCase {
            id: CaseId(Uuid::now_v7()),
            tenant: at.tenant,
            category: &category.code,
            order: at.order,
            customer: at.customer,
            step: at.step,
            operation: at.operation,
            root_process_instance_id: at.root_process_instance_id,
            process_instance_id: at.process_instance_id,
            affected_lines: &weighed.affected_lines,
            business_key: at.business_key,
            external_system: at.external_system,
            external_reference: at.external_reference,
            recommended: detection.recommended.or_else(|| taxonomy.recommended(&detection.classification)),
            group: &category.owner_group,
            match_key: at.match_key,
            clock: self.clock_of(&weighed),
        };
        let said = json!({ "category": category.code, "classification": detection.classification, "group": category.owner_group, "taxonomy": taxonomy.label() });
        let number = openings::open(tx, &new, signal, [Uuid::now_v7(), Uuid::now_v7()], &said).await?;
        self.tell_of_growth(tx, at, &detection.classification, &weighed).await?;
        Ok(number)
    }
}

fn category<'a>(taxonomy: &'a Taxonomy, code: &str) -> Result<&'a Category, DeskError> {
    let found = taxonomy.category_of(code);
    found.ok_or_else(|| DeskError::Store(fallout_store::StoreError::Corrupt("the taxonomy is empty".into())))
}

pub(crate) async fn event(
    tx: &mut Tx,
    case: &Case,
    event: CaseEvent,
    service: &str,
    reason: Option<&str>,
    payload: &Value,
) -> Result<(), DeskError> {
    Ok(cases::append_event(tx, Uuid::now_v7(), case, event, Actor::System(service), reason, payload).await?)
}

pub(crate) async fn move_case(tx: &mut Tx, case: &mut Case, event: CaseEvent) -> Result<(), DeskError> {
    let state = next(case.state, event)?;
    if case.state == CaseState::Verifying && state != case.state {
        asked_in_vain(tx, case).await?;
    }
    cases::set_state(tx, case, state).await?;
    case.state = state;
    case.version += 1;
    Ok(())
}

pub(crate) async fn complete_action(tx: &mut Tx, case: &Case, action: ActionId, why: &str) -> Result<(), DeskError> {
    let payload = json!({ "action": action, "verified": why });
    actions::set_state(tx, action, ActionState::Completed, &payload).await?;
    event(tx, case, CaseEvent::ActionCompleted, "desk", Some(why), &payload).await
}

pub(crate) async fn fail_action(tx: &mut Tx, case: &Case, action: ActionId, why: &str) -> Result<(), DeskError> {
    let payload = json!({ "action": action, "why": why });
    actions::set_state(tx, action, ActionState::Failed, &payload).await?;
    event(tx, case, CaseEvent::ActionFailed, "desk", Some(why), &payload).await
}
