//! Every signal's way to its case, whoever saw it: what stands at its place is read, the rule asked, and its decision done.
//! The step of a signal must be held; a key is held here.

use fallout_core::{
    case::CaseEvent,
    dedup::{Decision, Order, Position, Standing, Voice, decide, order},
    ids::{CaseId, CaseNumber, OrderKey},
    signal::{MatchKey, SignalState, renamed},
    step::StepState,
};
use fallout_store::{
    StoreError, Tx,
    cases::{self, Case},
    openings,
    places::{self, Over, Scene},
    signals::{self, Signal},
    steps,
};
use serde_json::{Value, json};

use crate::{
    Desk, DeskError,
    cases::{Detection, Opening, event, fail_action, move_case},
    lifecycle::{Fixed, resolve},
};

/// A signal with what is decided by.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub tenant: String,
    pub signal: Signal,
    pub voice: Voice,
    pub detection: Detection,
    /// Where a case of it would belong; what its step tells goes before.
    pub at: Where,
}

/// What is known of a place without the ledger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Where {
    pub order: Option<OrderKey>,
    pub external_id: String,
    pub customer: Option<String>,
    pub run: Option<i32>,
    pub line: String,
    pub step_code: String,
    pub business_key: String,
    pub root_process_instance_id: Option<String>,
    pub process_instance_id: String,
    pub downstream: String,
    pub operation: String,
}

impl Where {
    pub fn key(&self, tenant: &str, classification: &str, reference: Option<&str>) -> String {
        let key = MatchKey {
            tenant,
            order: &self.external_id,
            run: self.run,
            line: &self.line,
            step: &self.step_code,
            classification,
            downstream: &self.downstream,
            reference: reference.unwrap_or_default(),
        };
        key.text()
    }
}

/// Where a signal came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    pub state: SignalState,
    pub number: CaseNumber,
}

impl Desk {
    /// `None`: this tenant has no such step.
    pub(crate) async fn place(&self, tx: &mut Tx, arrival: &Arrival) -> Result<Option<Placed>, DeskError> {
        let tenant = &arrival.tenant;
        let own_case = arrival.voice != Voice::Remark && self.taxonomy(tenant).own_case(&arrival.signal.kind);
        let Some(step) = arrival.signal.step else { return self.by_key(tx, arrival).await.map(Some) };
        let Some(scene) = places::of_step(tx, tenant, step).await? else { return Ok(None) };
        if own_case {
            // What was seen at the step and is about something else: the step is not its own.
            let beside = Arrival { at: self.place_of(&scene), ..arrival.clone() };
            return self.by_key(tx, &beside).await.map(Some);
        }
        self.at_step(tx, arrival, &scene).await.map(Some)
    }

    /// What the ledger knows of the place.
    fn place_of(&self, scene: &Scene) -> Where {
        let op = self.catalogue.operation(&scene.operation);
        Where {
            order: Some(scene.order),
            external_id: scene.external_id.clone(),
            customer: scene.customer.clone(),
            run: Some(scene.run),
            line: scene.line.clone(),
            step_code: scene.step_code.clone(),
            business_key: scene.business_key.clone(),
            root_process_instance_id: scene.root_process_instance_id.clone(),
            process_instance_id: scene.process_instance_id.clone(),
            downstream: op.map(|op| op.downstream.clone()).unwrap_or_default(),
            operation: scene.operation.clone(),
        }
    }

    async fn at_step(&self, tx: &mut Tx, arrival: &Arrival, scene: &Scene) -> Result<Placed, DeskError> {
        let (active, over) = match (&scene.active, &scene.over) {
            (Some(active), _) => (Some(active.clone()), None),
            (None, Some(over)) => self.original(tx, arrival.voice, over).await?,
            (None, None) => (None, None),
        };
        let standing = match (&active, &over) {
            (Some(case), _) => self.active(case, arrival),
            (None, Some(over)) => {
                let comes_back = self.comes_back(tx, arrival, over).await?;
                Standing::Over { state: over.state, order: cause_of(tx, arrival, scene, over).await?, comes_back }
            }
            (None, None) => Standing::Nothing,
        };
        let at = self.place_of(scene);
        let case = active.map(|case| Stood { id: case.id, active: Some(case) });
        let case = case.or(over.map(|over| Stood { id: over.id, active: None }));
        self.act(tx, arrival, standing, case, &at, Some(scene)).await
    }

    /// What a duplicate stands for takes the signals of its step. The ledger's own findings stay with the step: it is
    /// recovered by its own case.
    async fn original(
        &self,
        tx: &mut Tx,
        voice: Voice,
        over: &Over,
    ) -> Result<(Option<Case>, Option<Over>), DeskError> {
        let Some(original) = over.duplicate_of.filter(|_| voice != Voice::Ledger) else {
            return Ok((None, Some(over.clone())));
        };
        let found = places::original(tx, original).await?;
        if found.state.is_active() {
            return Ok((Some(cases::by_id(tx, found.id).await?), None));
        }
        Ok((None, Some(found)))
    }

    async fn by_key(&self, tx: &mut Tx, arrival: &Arrival) -> Result<Placed, DeskError> {
        let (tenant, signal) = (&arrival.tenant, &arrival.signal);
        let key = arrival.at.key(tenant, &signal.kind, signal.reference.as_deref());
        signals::hold_key(tx, tenant, &key).await?;
        let Some(found) = places::of_key(tx, tenant, &key).await? else {
            return self.act(tx, arrival, Standing::Nothing, None, &arrival.at, None).await;
        };
        let found = if found.duplicate_of.is_some() { places::original(tx, found.id).await? } else { found };
        if let Some(step) = cases::by_id(tx, found.id).await?.step {
            // The case of a step changes only under its lock.
            steps::hold(tx, step).await?;
        }
        let case = cases::held(tx, found.id).await?;
        let standing = if case.state.is_active() {
            self.active(&case, arrival)
        } else {
            let told = told_before(tx, arrival, case.id).await?;
            // Nothing tells that it came after; it is verified again.
            Standing::Over { state: case.state, order: order(None, None, told), comes_back: false }
        };
        let stood = Stood { id: case.id, active: case.state.is_active().then_some(case) };
        self.act(tx, arrival, standing, Some(stood), &arrival.at, None).await
    }

    fn active(&self, case: &Case, arrival: &Arrival) -> Standing {
        let kind = &arrival.signal.kind;
        let precedence = self.taxonomy(&arrival.tenant).precedence(&case.classification, kind);
        Standing::Active { state: case.state, precedence, same: case.classification == *kind }
    }

    async fn act(
        &self,
        tx: &mut Tx,
        arrival: &Arrival,
        standing: Standing,
        case: Option<Stood>,
        at: &Where,
        scene: Option<&Scene>,
    ) -> Result<Placed, DeskError> {
        match (decide(arrival.voice, standing), case) {
            (Decision::Join { names, fails_action }, Some(Stood { active: Some(mut case), .. })) => {
                let action = scene.and_then(|scene| scene.last_action).filter(|_| fails_action);
                if fails_action {
                    if let Some(action) = action {
                        fail_action(tx, &case, action, &arrival.signal.reason).await?;
                    }
                    move_case(tx, &mut case, CaseEvent::ActionFailed).await?;
                }
                self.attach(tx, arrival, &case, SignalState::Joined).await?;
                if names {
                    self.reclassify(tx, &mut case, arrival).await?;
                }
                Ok(Placed { state: SignalState::Joined, number: case.number })
            }
            (Decision::History, Some(stood)) => {
                let case = cases::by_id(tx, stood.id).await?;
                self.attach(tx, arrival, &case, SignalState::History).await?;
                Ok(Placed { state: SignalState::History, number: case.number })
            }
            (Decision::VerifyAgain, Some(stood)) => {
                let case = cases::by_id(tx, stood.id).await?;
                self.verify_again(tx, arrival, case, scene).await
            }
            (Decision::Reopen, Some(stood)) => {
                let case = cases::by_id(tx, stood.id).await?;
                self.came_back(tx, arrival, case).await
            }
            _ => self.open(tx, arrival, at, scene).await,
        }
    }

    /// The same trouble, soon after it was resolved.
    async fn comes_back(&self, tx: &mut Tx, arrival: &Arrival, over: &Over) -> Result<bool, DeskError> {
        let Some(resolved_at) = over.resolved_at.filter(|_| over.classification == arrival.signal.kind) else {
            return Ok(false);
        };
        Ok(self.catalogue.verification.comes_back(resolved_at, tx.now().await?))
    }

    /// What resolved it did not last.
    async fn came_back(&self, tx: &mut Tx, arrival: &Arrival, mut case: Case) -> Result<Placed, DeskError> {
        let state = SignalState::Reopened;
        self.attach(tx, arrival, &case, state).await?;
        let why = format!("it came back soon after it was resolved: {}", arrival.signal.reason);
        event(tx, &case, CaseEvent::Reopened, "desk", Some(&why), &json!({ "was": case.state })).await?;
        move_case(tx, &mut case, CaseEvent::Reopened).await?;
        cases::count_verification_failure(tx, case.id).await?;
        let finding = self.finding(&case.tenant, &arrival.detection)?;
        cases::set_finding(tx, case.id, &finding).await?;
        Ok(Placed { state, number: case.number })
    }

    /// Keeps the signal with this case, and tells of it on the timeline.
    async fn attach(&self, tx: &mut Tx, arrival: &Arrival, case: &Case, state: SignalState) -> Result<(), DeskError> {
        let signal = &arrival.signal;
        signals::keep(tx, &arrival.tenant, signal, state, Some(case.id), None).await?;
        let said = said(signal, arrival.voice);
        event(tx, case, CaseEvent::SignalJoined, &signal.source, Some(&signal.reason), &said).await
    }

    /// Nothing tells whether the signal belongs before the resolution, so what the ledger says of the step now decides. A
    /// case without a step has nobody to ask.
    async fn verify_again(
        &self,
        tx: &mut Tx,
        arrival: &Arrival,
        mut case: Case,
        scene: Option<&Scene>,
    ) -> Result<Placed, DeskError> {
        let step = self.step_of(tx, &case, scene).await?;
        let holds = step.is_some_and(StepState::is_ended);
        let state = if holds { SignalState::VerifiedAgain } else { SignalState::Reopened };
        self.attach(tx, arrival, &case, state).await?;
        let why = "a signal came after the resolution and does not say what brought it about";
        event(tx, &case, CaseEvent::VerifyAgain, "desk", Some(why), &Value::Null).await?;
        move_case(tx, &mut case, CaseEvent::VerifyAgain).await?;
        let why = match step {
            Some(step) if holds => format!("verified again: the ledger has the step as {step}"),
            Some(step) => format!("the ledger has the step as {step}: the resolution does not hold"),
            None => "it belongs to no step, so nothing can prove the resolution again".to_owned(),
        };
        if holds {
            resolve(tx, &mut case, &Fixed { how: None, by: None, proof: None }, "desk", &why).await?;
        } else {
            event(tx, &case, CaseEvent::Reopened, "desk", Some(&why), &Value::Null).await?;
            move_case(tx, &mut case, CaseEvent::Reopened).await?;
        }
        Ok(Placed { state, number: case.number })
    }

    /// Where the step of the case stands, held; a signal may have come by another step, whose case is a duplicate.
    async fn step_of(&self, tx: &mut Tx, case: &Case, scene: Option<&Scene>) -> Result<Option<StepState>, DeskError> {
        match (case.step, scene) {
            (Some(step), Some(scene)) if scene.step == step => Ok(Some(scene.state)),
            (Some(step), _) => {
                steps::hold(tx, step).await?;
                Ok(places::of_step(tx, &case.tenant, step).await?.map(|scene| scene.state))
            }
            (None, _) => Ok(None),
        }
    }

    async fn open(
        &self,
        tx: &mut Tx,
        arrival: &Arrival,
        at: &Where,
        scene: Option<&Scene>,
    ) -> Result<Placed, DeskError> {
        let (tenant, signal) = (&arrival.tenant, &arrival.signal);
        let own_reference = scene.and_then(|scene| scene.reference.as_deref());
        let match_key = at.key(tenant, &signal.kind, signal.reference.as_deref());
        let new = Opening {
            tenant,
            order: at.order,
            customer: at.customer.as_deref(),
            step: scene.map(|scene| scene.step),
            operation: &at.operation,
            line: Some(at.line.as_str()).filter(|line| !line.is_empty()),
            root_process_instance_id: at.root_process_instance_id.as_deref(),
            process_instance_id: &at.process_instance_id,
            business_key: &at.business_key,
            external_system: &at.downstream,
            external_reference: signal.reference.as_deref().or(own_reference),
            match_key: &match_key,
        };
        let number = self.open_case(tx, &new, &arrival.detection, signal).await?;
        Ok(Placed { state: SignalState::Opened, number })
    }

    async fn reclassify(&self, tx: &mut Tx, case: &mut Case, arrival: &Arrival) -> Result<(), DeskError> {
        let detection = &arrival.detection;
        let finding = self.finding(&case.tenant, detection)?;
        cases::set_finding(tx, case.id, &finding).await?;
        case.version += 1;
        if case.classification != detection.classification {
            let taxonomy = self.taxonomy(&case.tenant).label();
            let payload = json!({ "from": case.classification, "to": detection.classification, "taxonomy": taxonomy });
            event(tx, case, CaseEvent::Classified, &arrival.signal.source, None, &payload).await?;
            also_called(tx, case, &detection.classification).await?;
            self.follow_group(tx, case, finding.group).await?;
            self.rederive(tx, case).await?;
        }
        Ok(())
    }
}

/// Signals without a step find the case by its new name as well.
pub(crate) async fn also_called(tx: &mut Tx, case: &Case, classification: &str) -> Result<(), DeskError> {
    let key = openings::match_key(tx, case.id).await?;
    if let Some(key) = renamed(&key, classification) {
        openings::add_alias(tx, &case.tenant, case.id, &key).await?;
    }
    Ok(())
}

/// The case at a place; `active` while it is.
struct Stood {
    id: CaseId,
    active: Option<Case>,
}

/// What an entry of a timeline carries of a signal.
pub(crate) fn said(signal: &Signal, voice: Voice) -> Value {
    match voice {
        Voice::Remark => signal.payload.clone(),
        _ => match &signal.code {
            Some(code) => json!({ "classification": signal.kind, "code": code, "signal": signal.id }),
            None => json!({ "classification": signal.kind, "signal": signal.id }),
        },
    }
}

/// How the signal's cause stands to what resolved the case. An epoch that the step has not reached is none.
async fn cause_of(tx: &mut Tx, arrival: &Arrival, scene: &Scene, over: &Over) -> Result<Order, DeskError> {
    let cause = &arrival.signal.cause;
    let mut at = cause.epoch.filter(|epoch| (0..=scene.epoch).contains(epoch));
    let mut attempt = None;
    let names_one = cause.attempt.is_some() || cause.external_task_id.is_some();
    if names_one && let Some((epoch, number)) = signals::attempt_of_cause(tx, scene.step, cause).await? {
        (at, attempt) = (Some(epoch), Some(number));
    }
    let position = at.map(|epoch| Position { epoch, attempt });
    Ok(order(position, over.resolved, told_before(tx, arrival, over.id).await?))
}

async fn told_before(tx: &mut Tx, arrival: &Arrival, case: CaseId) -> Result<bool, StoreError> {
    match &arrival.signal.cause.incident_id {
        Some(incident) => signals::named_before(tx, case, incident).await,
        None => Ok(false),
    }
}
