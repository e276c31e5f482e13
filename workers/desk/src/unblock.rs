//! An order that the engine does not move: suspended, or at a job that the engine has given up. No message reaches such a
//! token, so no recovery action can; the engine is told to go on, and who wanted that is kept.

use fallout_core::{
    action::catalogue::Authority,
    case::CaseEvent,
    command::EngineCommand,
    ids::{CaseNumber, CommandId},
    people::text,
};
use fallout_store::{cases, commands, context};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::{
    Desk, DeskError,
    authority::At,
    case_command::{Entry, told},
};

/// What was asked of the engine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unblocked {
    pub order: String,
    /// It was asked before and has not been answered yet.
    pub already: bool,
    /// The open cases whose timelines say so.
    pub cases: Vec<CaseNumber>,
}

impl Desk {
    pub async fn unblock_order(
        &self,
        tenant: &str,
        principal: &str,
        order: &str,
        reason: &str,
    ) -> Result<Unblocked, DeskError> {
        let reason = text("the reason", reason)?;
        let tx = self.tenant(tenant).await?;
        let mut tx = self.authorised(tx, tenant, principal, Authority::RetrySafeStep, At::Order(order)).await?;
        let known = context::known(&mut tx, tenant, order, false).await?;
        let known = known.ok_or_else(|| DeskError::NoSuchOrder(order.to_owned()))?;
        let run = context::latest_run(&mut tx, known.key).await?.filter(|run| run.ended_at.is_none());
        let run = run.ok_or_else(|| DeskError::NotUnderWay(order.to_owned()))?;
        let business_key = fallout_core::step::business_key(tenant, order, run.run);
        let mut unblocked = Unblocked { order: order.to_owned(), already: false, cases: Vec::new() };
        if commands::is_pending_for_run(&mut tx, "job_retries", &business_key).await? {
            unblocked.already = true;
            return Ok(unblocked);
        }
        let said = || (business_key.clone(), principal.to_owned(), reason.to_owned());
        let activate = {
            let (business_key, by, reason) = said();
            EngineCommand::Activate { business_key, by, reason }
        };
        let retries = {
            let (business_key, by, reason) = said();
            EngineCommand::JobRetries { business_key, by, reason }
        };
        for command in [activate, retries] {
            commands::insert(&mut tx, CommandId(Uuid::now_v7()), tenant, &command, None).await?;
        }
        for open in context::cases(&mut tx, known.key).await?.into_iter().filter(|case| case.open) {
            let number: CaseNumber = open.number.parse().map_err(|_| DeskError::NoSuchOrder(order.to_owned()))?;
            let Some(case) = cases::by_number(&mut tx, tenant, number).await? else { continue };
            let payload = json!({ "engine": "activate, job retries" });
            let entry = Entry { by: principal.into(), event: CaseEvent::Noted, reason: Some(reason), payload };
            told(&mut tx, &case, &entry).await?;
            unblocked.cases.push(number);
        }
        tx.commit().await?;
        Ok(unblocked)
    }
}
