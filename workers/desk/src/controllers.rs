//! How the controllers get on, written down by their loops and read by people.

use chrono::{DateTime, Utc};
use fallout_core::controller::{Run, RunOutcome, lag};
use fallout_store::controllers;
use serde::Serialize;

use crate::{Desk, DeskError};

/// The last run of one controller, of whichever process.
#[derive(Clone, Debug, Serialize)]
pub struct ControllerLine {
    #[serde(skip)]
    pub controller: String,
    pub last_run: DateTime<Utc>,
    pub found: RunOutcome,
    pub detail: Option<String>,
    /// Things done by the last run that did something, when that was, and by all of them.
    pub changed: u64,
    pub changed_at: Option<DateTime<Utc>>,
    pub changed_total: u64,
    pub next_run: DateTime<Utc>,
    /// How long ago a word of it was due.
    pub lag_s: u64,
    pub process: String,
}

impl Desk {
    /// A controller has run.
    pub async fn controller_ran(&self, controller: &str, process: &str, run: &Run) -> Result<(), DeskError> {
        let mut tx = self.system("watch").await?;
        controllers::ran(&mut tx, controller, process, run).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Every controller that ever ran.
    pub async fn controllers(&self) -> Result<Vec<ControllerLine>, DeskError> {
        let mut tx = self.system("watch").await?;
        let (now, all) = (tx.now().await?, controllers::all(&mut tx).await?);
        tx.commit().await?;
        let line = |last: controllers::Last| {
            Ok(ControllerLine {
                found: last.outcome.parse().map_err(fallout_store::StoreError::from)?,
                lag_s: lag(last.next_at, now).as_secs(),
                controller: last.controller,
                last_run: last.ran_at,
                detail: last.detail,
                changed: last.changed.unsigned_abs(),
                changed_at: last.changed_at,
                changed_total: last.changed_total.unsigned_abs(),
                next_run: last.next_at,
                process: last.process,
            })
        };
        all.into_iter().map(line).collect()
    }
}
