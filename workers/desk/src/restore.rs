//! Restores and failovers: declaring what may be lost, and assuming it of every step before that step sends again.

use chrono::{DateTime, Utc};
use fallout_core::{
    ids::{AttemptId, IntentId, RunId},
    restore::{LostWindow, assumed},
};
use fallout_store::{
    attempts, orders,
    restore::{self, Declared, Missing},
};
use serde_json::json;
use uuid::Uuid;

use crate::{Desk, DeskError, work::Work};

impl Desk {
    /// Declares that what was written between the two may be missing. `None` when the same was declared before, else how
    /// many order runs it touches.
    pub async fn declare_restored(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        reason: &str,
        principal: &str,
    ) -> Result<Option<u64>, DeskError> {
        if reason.trim().is_empty() {
            return Err(DeskError::NoReason);
        }
        let mut tx = self.system("restore").await?;
        if from >= to || to > tx.now().await? {
            return Err(DeskError::NoWindow);
        }
        let runs = restore::declare(&mut tx, LostWindow { from, to }, reason, principal).await?;
        tx.commit().await?;
        Ok(runs)
    }

    /// Every declaration, oldest first.
    pub async fn declared_restores(&self) -> Result<Vec<Declared>, DeskError> {
        let mut tx = self.system("restore").await?;
        let declared = restore::declared(&mut tx).await?;
        tx.commit().await?;
        Ok(declared)
    }

    /// The engine ran the order before this start was sent: perhaps a restore lost that it was taken in.
    pub async fn run_found(&self, run: RunId, process_instance_id: &str) -> Result<(), DeskError> {
        let mut tx = self.system("relay").await?;
        orders::set_started(&mut tx, run, process_instance_id).await?;
        restore::found_running(&mut tx, run).await?;
        Ok(tx.commit().await?)
    }
}

impl Work<'_> {
    /// Whether an attempt that may be missing was put into the ledger: then what is known has changed, and nothing may be
    /// sent before it is decided anew.
    pub(crate) async fn assume_sent(&mut self, intent: IntentId) -> Result<bool, DeskError> {
        let Some((lost, assumed)) = self.step.lost.zip(assumed(self.op, self.step.lost, self.step.restored_to)) else {
            return Ok(false);
        };
        let missing = Missing {
            tenant: &self.step.identity.tenant,
            step: self.step.key,
            intent,
            epoch: self.step.epoch,
            external_task_id: &self.step.external_task_id,
            lost_to: lost.to,
        };
        let detail =
            json!({ "reached": "unproven", "why": "the ledger was restored", "from": lost.from, "to": lost.to });
        restore::assume(&mut self.tx, AttemptId(Uuid::now_v7()), &missing, &assumed, &detail).await?;
        self.step.restored_to = Some(lost.to);
        self.reload().await?;
        Ok(true)
    }

    /// The same for a step whose task is gone: what is known of it may be too little to call it not applied.
    pub(crate) async fn assume_last_sent(&mut self) -> Result<(), DeskError> {
        if self.step.lost.is_some()
            && let Some(intent) = attempts::latest_intent(&mut self.tx, self.step.key).await?
        {
            self.assume_sent(intent.id).await?;
        }
        Ok(())
    }
}
