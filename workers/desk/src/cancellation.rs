//! A cancelled order whose lines have drained: every effect that still exists gets a case, and with none left it ends.

use fallout_core::{
    command::{EngineCommand, UNDONE_MESSAGE},
    decide::{Joined, classification, join},
    ids::CommandId,
    operation::Kind,
    outcome::Outcome,
};
use fallout_store::{cases, commands, orders, steps};
use uuid::Uuid;

use crate::{Desk, DeskError, cases::Detection, work::Work};

impl Desk {
    /// The token of this root instance waits for its effects to be undone.
    pub async fn settle_cancellation(&self, process_instance_id: &str) -> Result<(), DeskError> {
        let mut tx = self.system("cancellations").await?;
        let Some(run) = orders::run_of_instance(&mut tx, process_instance_id).await? else {
            return Ok(());
        };
        let Some(run) = orders::run(&mut tx, run).await? else {
            return Ok(());
        };
        let mut left = 0;
        for step in steps::of_run(&mut tx, run.id).await? {
            let step = steps::lock(&mut tx, step.key).await?;
            let mut work = Work::on(self, tx, step).await?;
            if work.has_effect() {
                left += 1;
                work.require_undo(process_instance_id).await?;
            }
            tx = work.tx;
        }
        if left == 0 && !commands::is_pending(&mut tx, "undone", process_instance_id).await? {
            let command = EngineCommand::Undone { run: run.id, process_instance_id: process_instance_id.to_owned() };
            commands::insert(&mut tx, CommandId(Uuid::now_v7()), &run.tenant, &command, None).await?;
        }
        Ok(tx.commit().await?)
    }
}

impl Work<'_> {
    fn has_effect(&self) -> bool {
        let applied = matches!(join(&self.attempts), Joined::Settled(_, Outcome::Success { .. }));
        applied && self.op.kind == Kind::Effect && !self.step.undone
    }

    /// A case for the effect, shown in Cockpit at the instance that waits.
    async fn require_undo(&mut self, waiting: &str) -> Result<(), DeskError> {
        let active = cases::active_of_step(&mut self.tx, self.step.key).await?;
        if active.is_some_and(|case| case.classification == classification::UNDO_REQUIRED) {
            return Ok(());
        }
        let reason =
            format!("order {} is cancelled and the effect of {} still exists", self.step.identity.order, self.op.name);
        let detection = Detection::new(classification::UNDO_REQUIRED, reason);
        let event = format!("{}:undo", self.step.key);
        let summary = detection.reason.clone();
        let Some(case) = self.detect("cancellations", &event, &detection).await? else { return Ok(()) };
        let command = EngineCommand::Incident {
            case,
            process_instance_id: waiting.to_owned(),
            external_task_id: self.step.external_task_id.clone(),
            message: UNDONE_MESSAGE.to_owned(),
            summary: format!("{case} {}: {summary}", detection.classification),
        };
        commands::insert(&mut self.tx, CommandId(Uuid::now_v7()), &self.step.identity.tenant, &command, None).await?;
        Ok(())
    }
}
