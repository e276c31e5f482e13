//! Personal data of orders: kept apart, gone by age with their partition, or erased before that for one order.

use fallout_core::{
    action::catalogue::Authority,
    case::CaseEvent,
    ids::{CaseId, RunId},
    people,
};
use fallout_store::{
    StoreError, archive,
    cases::{self, Actor},
    context::{self, Erasure},
    evidence,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Desk, DeskError, audit::hex, authority::At};

/// Partitions ahead of this month, so that no intake has to make one.
const MONTHS_AHEAD: i32 = 2;

/// What was erased.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Erased {
    pub order: String,
    /// False: it was done before.
    pub now: bool,
    pub fields: usize,
    pub archived_runs: usize,
}

impl Desk {
    /// Erases the personal data of an order that is over, and with them the requests and answers in which they stand.
    pub async fn erase_order(
        &self,
        tenant: &str,
        principal: &str,
        order: &str,
        reason: &str,
    ) -> Result<Erased, DeskError> {
        if reason.trim().is_empty() {
            return Err(DeskError::NoReason);
        }
        let reason = people::text("the reason", reason)?;
        let tx = self.tenant(tenant).await?;
        let mut tx = self.authorised(tx, tenant, principal, Authority::Administer, At::Order(order)).await?;
        let known = context::known(&mut tx, tenant, order, true).await?;
        let known = known.ok_or_else(|| DeskError::NoSuchOrder(order.to_owned()))?;
        if known.erased_at.is_some() {
            return Ok(Erased { order: order.to_owned(), now: false, fields: 0, archived_runs: 0 });
        }
        let kept = |why: String| DeskError::NotErasable { order: order.to_owned(), why };
        let of_order = context::cases(&mut tx, known.key).await?;
        if let Some(case) = of_order.iter().find(|case| case.open) {
            return Err(kept(format!("case {} is {}", case.number, case.status)));
        }
        let runs = context::runs_left(&mut tx, known.key).await?;
        if runs.iter().any(|(_, ended)| !ended) {
            return Err(kept("its fulfilment has not ended".into()));
        }
        for (run, _) in &runs {
            match archive::archive_run(&mut tx, *run).await {
                Err(StoreError::Refused(why, _)) => return Err(kept(why)),
                done => done.map(drop)?,
            }
        }
        let personal = context::personal(&mut tx, known.key).await?;
        let fields = personal.values().map(|cut| cut.len()).sum::<usize>();
        let content = json!(["fallout erasure 1", known.key, personal]).to_string();
        let hash = hex(&Sha256::digest(content));
        let erasure = Erasure {
            by: principal,
            reason,
            fields: i32::try_from(fields).unwrap_or(i32::MAX),
            content_hash: &hash,
            archived_runs: i32::try_from(runs.len()).unwrap_or(i32::MAX),
        };
        context::erase(&mut tx, tenant, known.key, &erasure).await?;
        evidence::erase(&mut tx, known.key).await?;
        // Into the sealed history, where there is one: that it was done and a hash, never what it was.
        for case in &of_order {
            let case = cases::by_id(&mut tx, CaseId(case.id)).await?;
            let said = format!("the personal data of order {order} were erased: {reason}");
            let (id, by, payload) = (Uuid::now_v7(), Actor::User(principal), json!({ "content_hash": hash }));
            cases::append_event(&mut tx, id, &case, CaseEvent::Noted, by, Some(&said), &payload).await?;
        }
        tx.commit().await?;
        Ok(Erased { order: order.to_owned(), now: true, fields, archived_runs: runs.len() })
    }

    /// Makes the partitions of the coming months; how many were missing.
    pub async fn make_personal_months(&self) -> Result<usize, DeskError> {
        let mut tx = self.system("retention").await?;
        let made = context::make_months(&mut tx, MONTHS_AHEAD).await?;
        tx.commit().await?;
        Ok(usize::try_from(made).unwrap_or_default())
    }

    /// Ended runs whose order's personal data are older than so many months: what is stored of their requests goes first.
    pub async fn runs_past(
        &self,
        months: u32,
        after: Option<RunId>,
        limit: i64,
    ) -> Result<Vec<(RunId, String)>, DeskError> {
        let mut tx = self.system("retention").await?;
        let runs = context::runs_past(&mut tx, bounded(months), after, limit).await?;
        tx.commit().await?;
        Ok(runs)
    }

    /// Drops the oldest month that is older than so many; what is still needed of it moves on. False: there is none.
    pub async fn drop_personal_month(&self, months: u32) -> Result<bool, DeskError> {
        let mut tx = self.system("retention").await?;
        let dropped = context::drop_month(&mut tx, bounded(months)).await?;
        tx.commit().await?;
        Ok(dropped)
    }

    /// Forgets ids of events that are older; how many.
    pub async fn forget_order_events(&self, months: u32, limit: i64) -> Result<u64, DeskError> {
        let mut tx = self.system("retention").await?;
        let gone = context::forget_events(&mut tx, bounded(months), limit).await?;
        tx.commit().await?;
        Ok(gone)
    }
}

/// A century is for ever.
fn bounded(months: u32) -> i32 {
    months.min(1_200) as i32
}
