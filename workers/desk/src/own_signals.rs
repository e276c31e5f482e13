//! Signals of the program itself: a case that could not be written with its result, and troubles that belong to no step.

use fallout_core::{
    decide::classification,
    dedup::Voice,
    ids::{CaseNumber, SignalId},
    signal::SignalState,
    step::StepState,
    task::TaskRef,
};
use fallout_store::{
    StoreError, Tx, orders,
    signals::{self, Signal},
    steps,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Desk, DeskError,
    cases::Detection,
    placing::{Arrival, Where},
    work::Work,
};

impl Desk {
    /// The next signal after `after` that has no case yet, oldest first.
    pub async fn next_signal(&self, after: Option<SignalId>) -> Result<Option<SignalId>, DeskError> {
        let mut tx = self.system("signals").await?;
        let next = signals::next_unprocessed(&mut tx, after).await?;
        tx.commit().await?;
        Ok(next)
    }

    /// Opens or joins the case that could not be written with the signal.
    pub async fn process_signal(&self, id: SignalId) -> Result<(), DeskError> {
        let mut tx = self.system("signals").await?;
        let Some((tenant, mut signal)) = signals::take(&mut tx, id).await? else { return Ok(()) };
        let detection: Detection =
            serde_json::from_value(signal.payload.clone()).map_err(fallout_store::StoreError::from)?;
        let Some(step) = signal.step else {
            signals::keep(&mut tx, &tenant, &signal, SignalState::History, None, None).await?;
            return Ok(tx.commit().await?);
        };
        let step = steps::lock(&mut tx, step).await?;
        let mut work = Work::on(self, tx, step).await?;
        let is_over = |at: i32| work.step.state != StepState::Parked || work.step.epoch != at;
        if detection.parked_at.is_some_and(is_over) {
            signals::keep(&mut work.tx, &tenant, &signal, SignalState::History, None, None).await?;
        } else {
            signal.reason.clone_from(&detection.reason);
            let at = Where::default();
            work.handle(&Arrival { tenant, signal, voice: Voice::Ledger, detection, at }).await?;
        }
        work.commit().await
    }

    /// A task whose order was never taken in here: no step can be known, but someone must own it.
    pub(crate) async fn unknown_run(&self, tx: &mut Tx, task: &TaskRef) -> Result<CaseNumber, DeskError> {
        let reason = format!("{} is not in our database: it was started past the intake", task.step);
        self.stepless(tx, task, &reason).await
    }

    /// A task of a step that was archived: its effect was decided long ago, and whoever made it run again must look.
    pub(crate) async fn archived_step(&self, tx: &mut Tx, task: &TaskRef) -> Result<CaseNumber, DeskError> {
        let reason = format!("{} was archived with its order run; it is never performed again", task.step);
        self.stepless(tx, task, &reason).await
    }

    async fn stepless(&self, tx: &mut Tx, task: &TaskRef, reason: &str) -> Result<CaseNumber, DeskError> {
        let at = Where {
            external_id: task.step.order.clone(),
            run: Some(task.step.run),
            line: task.step.line.clone(),
            step_code: task.step.step.clone(),
            business_key: task.step.business_key(),
            process_instance_id: task.process_instance_id.clone(),
            downstream: "engine".into(),
            ..Where::default()
        };
        let detection = Detection::new(classification::UNCLASSIFIED, reason);
        let said = (&task.external_task_id, Some(&task.external_task_id));
        self.case_without_step(tx, &task.step.tenant, "fleet", at, detection, said).await
    }

    /// An instance that merely ended, without one of its named end events: someone deleted it, or a path ended silently.
    pub async fn ended_silently(&self, run: fallout_core::ids::RunId, how: &str) -> Result<CaseNumber, DeskError> {
        let mut tx = self.system("orders").await?;
        let run = orders::run(&mut tx, run).await?.ok_or(fallout_store::StoreError::Stale("the order run"))?;
        orders::set_ended(&mut tx, run.id, "ended", None).await?;
        let reason = format!("order {} ended {how}, not at a named end event", run.external_id);
        let at = Where {
            order: Some(run.order),
            // One run of it, as the business key says.
            external_id: run.business_key.clone(),
            customer: run.customer,
            business_key: run.business_key.clone(),
            root_process_instance_id: run.process_instance_id.clone(),
            process_instance_id: run.process_instance_id.unwrap_or_default(),
            downstream: "engine".into(),
            ..Where::default()
        };
        let detection = Detection::new(classification::ENGINE_CANNOT_ADVANCE, reason);
        let said = (&run.business_key, None);
        let number = self.case_without_step(&mut tx, &run.tenant, "orders", at, detection, said).await?;
        tx.commit().await?;
        Ok(number)
    }

    /// `said` is the event's id, and by what else the trouble is known.
    async fn case_without_step(
        &self,
        tx: &mut Tx,
        tenant: &str,
        source: &str,
        at: Where,
        detection: Detection,
        said: (&String, Option<&String>),
    ) -> Result<CaseNumber, DeskError> {
        let (event, reference) = said;
        let signal = Signal {
            id: SignalId(Uuid::now_v7()),
            source: source.to_owned(),
            event: event.clone(),
            kind: detection.classification.clone(),
            code: None,
            step: None,
            key: Some(at.key(tenant, &detection.classification, reference.map(String::as_str))),
            reference: reference.cloned(),
            reason: detection.reason.clone(),
            payload: json!(detection),
            occurred_at: None,
            cause: Default::default(),
        };
        if let Some(told) = signals::told_before(tx, tenant, source, event).await?
            && let Some(case) = told.case
        {
            return Ok(case);
        }
        let arrival = Arrival { tenant: tenant.to_owned(), signal, voice: Voice::Ledger, detection, at };
        let placed = self.place(tx, &arrival).await?;
        Ok(placed.ok_or(DeskError::Store(StoreError::Stale("the case")))?.number)
    }
}
