//! Retention: the ledger of order runs that ended long ago goes, a tombstone per step stays.

use chrono::Duration;
use fallout_core::{action::catalogue::Authority, ids::RunId};
use fallout_store::{
    StoreError, Tx,
    archive::{self, Due},
};

use crate::{Desk, DeskError, authority::At};

/// What became of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Archived {
    /// With this many steps.
    Done(i32),
    /// Something of it is not over; why, as the database says.
    Kept(String),
}

impl Desk {
    /// Runs that ended longer ago than `age`, after `after`.
    pub async fn archivable(
        &self,
        tenant: &str,
        age: Duration,
        after: Option<RunId>,
        limit: i64,
    ) -> Result<Vec<Due>, DeskError> {
        let mut tx = self.keeper(tenant).await?;
        let due = archive::due(&mut tx, tenant, age, after, limit).await?;
        tx.commit().await?;
        Ok(due)
    }

    pub async fn archive(&self, tenant: &str, run: RunId) -> Result<Archived, DeskError> {
        let mut tx = self.keeper(tenant).await?;
        match archive::archive_run(&mut tx, run).await {
            Ok(steps) => {
                tx.commit().await?;
                Ok(Archived::Done(steps))
            }
            Err(StoreError::Refused(why, _)) => Ok(Archived::Kept(why)),
            Err(e) => Err(e.into()),
        }
    }

    /// Who archives gives roles too; without a viewer it is the program itself.
    async fn keeper(&self, tenant: &str) -> Result<Tx, DeskError> {
        let tx = self.tenant(tenant).await?;
        match &self.viewer {
            Some(viewer) => self.authorised(tx, tenant, viewer, Authority::Administer, At::Tenant).await,
            None => Ok(tx),
        }
    }
}
