//! Opening, joining and resolving the case of a step: one trouble, one case.

use fallout_core::{
    action::{Action, ActionState},
    case::{CaseEvent, CaseState, next},
    command::{EngineCommand, RECOVERY_MESSAGE},
    decide::classification::UNCLASSIFIED,
    ids::{ActionId, CaseId, CaseNumber, CommandId, SignalId},
    step::Outputs,
    task::TaskRef,
    taxonomy::{Category, Precedence, Taxonomy},
};
use fallout_store::{
    Tx, actions,
    cases::{self, Actor, Case, Finding, NewCase},
    commands,
    signals::{self, Signal},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Desk, DeskError,
    lifecycle::{Fixed, resolve},
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
    /// Keeps the signal, then opens or joins the case. When the case cannot be written the signal stays, unprocessed, for
    /// its controller; what was decided about the step is kept in any case.
    pub async fn detect(
        &mut self,
        source: &str,
        event: &str,
        detection: &Detection,
    ) -> Result<Option<CaseNumber>, DeskError> {
        let signal = Signal {
            id: SignalId(Uuid::now_v7()),
            tenant: self.step.identity.tenant.clone(),
            source: source.to_owned(),
            kind: detection.classification.clone(),
            step: Some(self.step.key),
            payload: serde_json::to_value(detection).unwrap_or(Value::Null),
        };
        if !signals::insert(&mut self.tx, &signal, event).await? {
            return Ok(self.step.case);
        }
        self.tx.savepoint().await?;
        match self.handle(&signal, detection).await {
            Ok(case) => Ok(Some(case)),
            Err(DeskError::Away(e)) => Err(DeskError::Away(e)),
            Err(e) => {
                tracing::error!(step = %self.step.key, error = &e as &dyn std::error::Error, "the case could not be written; its signal is kept");
                self.tx.back_to_savepoint().await?;
                Ok(None)
            }
        }
    }

    /// Joins the active case of the step, whatever its classification, or opens one. What is about something else than the
    /// step stands beside it.
    pub async fn handle(&mut self, signal: &Signal, detection: &Detection) -> Result<CaseNumber, DeskError> {
        let active = cases::active_of_step(&mut self.tx, self.step.key).await?;
        let named = active.as_ref().map_or(UNCLASSIFIED, |case| &case.classification);
        let taxonomy = self.desk.taxonomy(&self.step.identity.tenant);
        let precedence = taxonomy.precedence(named, &detection.classification);
        let case = match (active, precedence) {
            (_, Precedence::OwnCase) => self.stand_alone(&signal.source, detection).await?,
            (Some(case), _) => self.join(case, detection, precedence).await?,
            (None, _) => self.open_own(&signal.source, detection, Some(self.step.key)).await?,
        };
        if detection.waits {
            let command = EngineCommand::Incident {
                case: case.number,
                process_instance_id: self.step.process_instance_id.clone(),
                external_task_id: self.step.external_task_id.clone(),
                message: RECOVERY_MESSAGE.to_owned(),
                summary: format!("{} {}: {}", case.number, detection.classification, detection.reason),
            };
            commands::insert(&mut self.tx, CommandId(Uuid::now_v7()), &case.tenant, &command, None).await?;
        }
        signals::set_processed(&mut self.tx, signal.id, Some(case.id)).await?;
        Ok(case.number)
    }

    async fn join(&mut self, mut case: Case, detection: &Detection, precedence: Precedence) -> Result<Case, DeskError> {
        // After an action it is another try: what was found before it is history.
        let names = precedence == Precedence::Replace || case.state == CaseState::Verifying;
        // Recovering: the pending action has the step, and its own effect decides.
        if case.state == CaseState::Verifying {
            if let Some(action) = self.step.last_action {
                fail_action(&mut self.tx, &case, action, &detection.reason).await?;
            }
            move_case(&mut self.tx, &mut case, CaseEvent::ActionFailed).await?;
        }
        let payload = json!({ "classification": detection.classification });
        event(&mut self.tx, &case, CaseEvent::SignalJoined, "fleet", Some(&detection.reason), &payload).await?;
        if names {
            self.reclassify(&mut case, detection).await?;
        }
        Ok(case)
    }

    /// The case of what was seen at the step and is about something else: found by its key, since the step is not its own.
    async fn stand_alone(&mut self, source: &str, detection: &Detection) -> Result<Case, DeskError> {
        let identity = self.step.identity.clone();
        let key = match_key(&identity, &detection.classification, &self.op.downstream);
        let Some(case) = cases::active_by_key(&mut self.tx, &identity.tenant, &key).await? else {
            return self.open_own(source, detection, None).await;
        };
        let payload = json!({ "classification": detection.classification });
        event(&mut self.tx, &case, CaseEvent::SignalJoined, source, Some(&detection.reason), &payload).await?;
        Ok(case)
    }

    async fn reclassify(&mut self, case: &mut Case, detection: &Detection) -> Result<(), DeskError> {
        let finding = self.desk.finding(&case.tenant, detection)?;
        cases::set_finding(&mut self.tx, case.id, &finding).await?;
        case.version += 1;
        if case.classification != detection.classification {
            let taxonomy = self.desk.taxonomy(&case.tenant).label();
            let payload = json!({ "from": case.classification, "to": detection.classification, "taxonomy": taxonomy });
            event(&mut self.tx, case, CaseEvent::Classified, "fleet", None, &payload).await?;
            self.desk.follow_group(&mut self.tx, case, finding.group).await?;
            self.desk.rederive(&mut self.tx, case).await?;
        }
        Ok(())
    }

    async fn open_own(
        &mut self,
        source: &str,
        detection: &Detection,
        step: Option<fallout_core::ids::StepKey>,
    ) -> Result<Case, DeskError> {
        let identity = self.step.identity.clone();
        let match_key = match_key(&identity, &detection.classification, &self.op.downstream);
        let reference = fallout_store::attempts::latest_intent(&mut self.tx, self.step.key).await?.map(|i| i.key);
        let new = Opening {
            tenant: &identity.tenant,
            source,
            order: Some(self.run.order),
            customer: self.run.customer.as_deref(),
            step,
            line: Some(identity.line.as_str()).filter(|line| !line.is_empty()),
            root_process_instance_id: self.run.process_instance_id.as_deref(),
            process_instance_id: &self.step.process_instance_id,
            source_event: None,
            business_key: &self.run.business_key,
            external_system: &self.op.downstream,
            external_reference: reference.as_deref(),
            match_key: &match_key,
        };
        self.desk.open_case(&mut self.tx, &new, detection).await
    }

    /// Once per fetch.
    pub async fn note_handed_out(&mut self, task: &TaskRef) -> Result<(), DeskError> {
        let Some(case) = cases::active_of_step(&mut self.tx, self.step.key).await? else { return Ok(()) };
        let reason = "the parked task was handed out again without an action; it is parked again, nothing was sent";
        let said = format!("{}:{}", task.external_task_id, task.worker_id);
        let payload = json!({ "externalTaskId": task.external_task_id });
        self.note(&case, "HANDED_OUT_AGAIN", &said, reason, &payload).await
    }

    /// A signal that changes nothing about the case, kept on its timeline; once per `said`.
    pub async fn note(
        &mut self,
        case: &Case,
        kind: &str,
        said: &str,
        reason: &str,
        payload: &Value,
    ) -> Result<(), DeskError> {
        let signal = Signal {
            id: SignalId(Uuid::now_v7()),
            tenant: case.tenant.clone(),
            source: "fleet".into(),
            kind: kind.into(),
            step: Some(self.step.key),
            payload: payload.clone(),
        };
        if signals::insert(&mut self.tx, &signal, said).await? {
            signals::set_processed(&mut self.tx, signal.id, Some(case.id)).await?;
            event(&mut self.tx, case, CaseEvent::SignalJoined, "fleet", Some(reason), payload).await?;
        }
        Ok(())
    }

    /// The step's success is recorded after an action: the case's verification.
    pub async fn resolve_case(&mut self, why: &str) -> Result<(), DeskError> {
        let Some(mut case) = cases::active_of_step(&mut self.tx, self.step.key).await? else {
            return Ok(());
        };
        if case.state != CaseState::Verifying {
            event(&mut self.tx, &case, CaseEvent::SignalJoined, "desk", Some(why), &Value::Null).await?;
            return Ok(());
        }
        if let Some(action) = self.step.last_action {
            complete_action(&mut self.tx, &case, action, why).await?;
        }
        let fixed = self.fixed(&case).await?;
        let fixed = Fixed { by: fixed.by.or_else(|| Some(why.to_owned())), ..fixed };
        resolve(&mut self.tx, &mut case, &fixed, "desk", why).await?;
        self.step.case = None;
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
    pub source: &'a str,
    pub order: Option<fallout_core::ids::OrderKey>,
    pub customer: Option<&'a str>,
    pub step: Option<fallout_core::ids::StepKey>,
    /// `None`: it is about the whole order.
    pub line: Option<&'a str>,
    pub root_process_instance_id: Option<&'a str>,
    pub process_instance_id: &'a str,
    /// The signal's own id at its source.
    pub source_event: Option<&'a str>,
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

    pub(crate) async fn open_case(
        &self,
        tx: &mut Tx,
        at: &Opening<'_>,
        detection: &Detection,
    ) -> Result<Case, DeskError> {
        let taxonomy = self.taxonomy(at.tenant);
        let category = category(taxonomy, &detection.classification)?;
        let weighed = self.weigh(tx, at, &category.code, &detection.classification).await?;
        let id = CaseId(Uuid::now_v7());
        let new = NewCase {
            id,
            tenant: at.tenant,
            category: &category.code,
            classification: &detection.classification,
            severity: weighed.derived.severity,
            source: at.source,
            order: at.order,
            customer: at.customer,
            step: at.step,
            root_process_instance_id: at.root_process_instance_id,
            process_instance_id: at.process_instance_id,
            source_event: at.source_event,
            affected_lines: &weighed.affected_lines,
            business_key: at.business_key,
            external_system: at.external_system,
            external_reference: at.external_reference,
            summary: &detection.reason,
            recommended: detection.recommended.or_else(|| taxonomy.recommended(&detection.classification)),
            group: &category.owner_group,
            sla_due: weighed.standing.due,
            match_key: at.match_key,
        };
        cases::open(tx, &new).await?;
        let case = cases::by_id(tx, id).await?;
        self.start_clock(tx, &case, at, &weighed).await?;
        event(tx, &case, CaseEvent::Created, at.source, Some(&detection.reason), &Value::Null).await?;
        let classified = json!({ "category": category.code, "classification": detection.classification, "group": category.owner_group, "taxonomy": taxonomy.label() });
        event(tx, &case, CaseEvent::Classified, "desk", None, &classified).await?;
        Ok(case)
    }
}

fn category<'a>(taxonomy: &'a Taxonomy, code: &str) -> Result<&'a Category, DeskError> {
    let found = taxonomy.category_of(code);
    found.ok_or_else(|| DeskError::Store(fallout_store::StoreError::Corrupt("the taxonomy is empty".into())))
}

/// The key of §13 with every part explicit; versioned, so that another rule never finds old cases by accident.
pub(crate) fn match_key(step: &fallout_core::step::StepIdentity, classification: &str, downstream: &str) -> String {
    let parts =
        ["v1", &step.tenant, &step.order, &step.run.to_string(), &step.line, &step.step, classification, downstream];
    parts.map(fallout_core::template::encode).join("|")
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
