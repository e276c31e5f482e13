//! The handover of a shift, and who has how much: what happened and what is open.

use chrono::{DateTime, Duration, Utc};
use fallout_core::worklist::{Clock, Filter, Sort};
use fallout_store::{
    cases::CaseLine,
    shift::{self, Happened, Load, Note, ProblemLine},
};
use serde::Serialize;

use crate::{Desk, DeskError, authority::At};

/// As many as are talked about one by one.
const NAMED: i64 = 10;

#[derive(Clone, Debug, Serialize)]
pub struct ShiftReport {
    pub since: DateTime<Utc>,
    pub now: DateTime<Utc>,
    pub group: Option<String>,
    pub happened: Vec<Happened>,
    pub open: Vec<Load>,
    pub problems: Vec<ProblemLine>,
    pub breached: Vec<CaseLine>,
    pub at_risk: Vec<CaseLine>,
    pub oldest: Vec<CaseLine>,
    /// Waiting ones that return within as long as the report goes back.
    pub returning: Vec<Note>,
    pub notes: Vec<Note>,
}

impl Desk {
    pub async fn shift_report(
        &self,
        tenant: &str,
        back: Duration,
        group: Option<&str>,
    ) -> Result<ShiftReport, DeskError> {
        let tx = self.tenant(tenant).await?;
        let mut tx = self.visible(tx, tenant, group.map_or(At::Tenant, At::Group)).await?;
        let now = tx.now().await?;
        let since = now - back;
        let happened = shift::happened(&mut tx, tenant, since, group).await?;
        let open = shift::workload(&mut tx, tenant, group).await?;
        let problems = shift::problems(&mut tx, tenant, group).await?;
        let returning = shift::returning(&mut tx, tenant, now + back, group).await?;
        let notes = shift::notes(&mut tx, tenant, since, group).await?;
        tx.commit().await?;
        let of = |clock| Filter { clock, group: group.map(str::to_owned), ..Filter::default() };
        let named =
            async |clock, sort| Ok::<_, DeskError>(self.worklist(tenant, &of(clock), sort, NAMED, None).await?.cases);
        Ok(ShiftReport {
            breached: named(Some(Clock::Breached), Sort::Due).await?,
            at_risk: named(Some(Clock::AtRisk), Sort::Due).await?,
            oldest: named(None, Sort::Age).await?,
            group: group.map(str::to_owned),
            since,
            now,
            happened,
            open,
            problems,
            returning,
            notes,
        })
    }

    pub async fn workload(&self, tenant: &str, group: Option<&str>) -> Result<Vec<Load>, DeskError> {
        let tx = self.tenant(tenant).await?;
        let mut tx = self.visible(tx, tenant, group.map_or(At::Tenant, At::Group)).await?;
        Ok(shift::workload(&mut tx, tenant, group).await?)
    }
}
