//! Signals whose case could not be written with their result, and troubles that belong to no step.

use fallout_core::{
    decide::classification,
    ids::{CaseNumber, SignalId},
    step::StepState,
    task::TaskRef,
};
use fallout_store::{Tx, cases as stored, orders, signals, signals::Signal, steps};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Desk, DeskError,
    cases::{Detection, Opening, match_key},
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
        let Some(signal) = signals::take(&mut tx, id).await? else { return Ok(()) };
        let detection: Detection =
            serde_json::from_value(signal.payload.clone()).map_err(fallout_store::StoreError::from)?;
        let Some(step) = signal.step else {
            signals::set_processed(&mut tx, signal.id, None).await?;
            return Ok(tx.commit().await?);
        };
        let step = steps::lock(&mut tx, step).await?;
        let mut work = Work::on(self, tx, step).await?;
        let is_over = |at: i32| work.step.state != StepState::Parked || work.step.epoch != at;
        if detection.parked_at.is_some_and(is_over) {
            signals::set_processed(&mut work.tx, signal.id, None).await?;
        } else {
            work.handle(&signal, &detection).await?;
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
        let detection = Detection::new(classification::UNCLASSIFIED, reason);
        let key = match_key(&task.step, &detection.classification, "engine");
        let at = Opening {
            tenant: &task.step.tenant,
            source: "fleet",
            order: None,
            customer: None,
            step: None,
            line: Some(task.step.line.as_str()).filter(|line| !line.is_empty()),
            root_process_instance_id: None,
            process_instance_id: &task.process_instance_id,
            source_event: Some(&task.external_task_id),
            business_key: &task.step.business_key(),
            external_system: "engine",
            external_reference: Some(&task.external_task_id),
            match_key: &key,
        };
        self.case_without_step(tx, &at, &detection, &task.external_task_id).await
    }

    /// An instance that merely ended, without one of its named end events: someone deleted it, or a path ended silently.
    pub async fn ended_silently(&self, run: fallout_core::ids::RunId, how: &str) -> Result<CaseNumber, DeskError> {
        let mut tx = self.system("orders").await?;
        let run = orders::run(&mut tx, run).await?.ok_or(fallout_store::StoreError::Stale("the order run"))?;
        orders::set_ended(&mut tx, run.id, "ended", None).await?;
        let reason = format!("order {} ended {how}, not at a named end event", run.external_id);
        let detection = Detection::new(classification::ENGINE_CANNOT_ADVANCE, reason);
        let key = ["v1", &run.business_key, &detection.classification].map(fallout_core::template::encode).join("|");
        let at = Opening {
            tenant: &run.tenant,
            source: "orders",
            order: Some(run.order),
            customer: run.customer.as_deref(),
            step: None,
            line: None,
            root_process_instance_id: run.process_instance_id.as_deref(),
            process_instance_id: run.process_instance_id.as_deref().unwrap_or_default(),
            source_event: Some(&run.business_key),
            business_key: &run.business_key,
            external_system: "engine",
            external_reference: None,
            match_key: &key,
        };
        let number = self.case_without_step(&mut tx, &at, &detection, &run.business_key).await?;
        tx.commit().await?;
        Ok(number)
    }

    async fn case_without_step(
        &self,
        tx: &mut Tx,
        at: &Opening<'_>,
        detection: &Detection,
        event: &str,
    ) -> Result<CaseNumber, DeskError> {
        let signal = Signal {
            id: SignalId(Uuid::now_v7()),
            tenant: at.tenant.to_owned(),
            source: at.source.to_owned(),
            kind: detection.classification.clone(),
            step: None,
            payload: json!(detection),
        };
        let is_new = signals::insert(tx, &signal, event).await?;
        let case = match stored::active_by_key(tx, at.tenant, at.match_key).await? {
            Some(case) => case,
            None => self.open_case(tx, at, detection).await?,
        };
        if is_new {
            signals::set_processed(tx, signal.id, Some(case.id)).await?;
        }
        Ok(case.number)
    }
}
