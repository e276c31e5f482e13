//! Holding an order or one of its lines: nothing is sent for it until it is released. What is under way ends, what is known
//! is told to the engine, and siblings of a line go on.

use fallout_core::{
    action::catalogue::Authority, case::CaseEvent, context::OrderContext, ids::CaseNumber, people::text,
};
use fallout_store::{Tx, cases, context, holds};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::{
    Desk, DeskError,
    authority::At,
    case_command::{Entry, told},
};

/// What is held, or let go on.
#[derive(Clone, Copy, Debug)]
pub struct HoldCommand<'a> {
    pub tenant: &'a str,
    pub principal: &'a str,
    /// The order's id, as the outside knows it.
    pub order: &'a str,
    /// `None`: the whole order.
    pub line: Option<&'a str>,
    pub reason: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HoldAnswer {
    pub order: String,
    pub line: Option<String>,
    pub held: bool,
    /// It stood like that before.
    pub already: bool,
    /// The open cases whose timelines say so.
    pub cases: Vec<CaseNumber>,
}

impl Desk {
    pub async fn hold_order(&self, ask: &HoldCommand<'_>) -> Result<HoldAnswer, DeskError> {
        self.set_hold(ask, true).await
    }

    pub async fn release_order(&self, ask: &HoldCommand<'_>) -> Result<HoldAnswer, DeskError> {
        self.set_hold(ask, false).await
    }

    async fn set_hold(&self, ask: &HoldCommand<'_>, held: bool) -> Result<HoldAnswer, DeskError> {
        let reason = text("the reason", ask.reason)?;
        let tx = self.tenant(ask.tenant).await?;
        let at = At::Order(ask.order);
        let mut tx = self.authorised(tx, ask.tenant, ask.principal, Authority::RetrySafeStep, at).await?;
        let known = context::known(&mut tx, ask.tenant, ask.order, false).await?;
        let known = known.ok_or_else(|| DeskError::NoSuchOrder(ask.order.to_owned()))?;
        let run = context::latest_run(&mut tx, known.key).await?.filter(|run| run.ended_at.is_none());
        let run = run.ok_or_else(|| DeskError::NotUnderWay(ask.order.to_owned()))?;
        let line = ask.line.unwrap_or_default();
        let lines = OrderContext::of(&known.document, &self.catalogue.personal).items;
        if !line.is_empty() && !lines.iter().any(|item| item.line == line) {
            return Err(DeskError::NoSuchLine { order: ask.order.to_owned(), line: line.to_owned() });
        }
        let changed = match held {
            true => holds::insert(&mut tx, Uuid::now_v7(), ask.tenant, run.id, line, reason, ask.principal).await?,
            false => holds::release(&mut tx, run.id, line, reason, ask.principal).await?,
        };
        let answer = HoldAnswer {
            order: ask.order.to_owned(),
            line: ask.line.map(str::to_owned),
            held,
            already: !changed,
            cases: Vec::new(),
        };
        if !changed {
            return Ok(answer);
        }
        let cases = note(&mut tx, ask, known.key, reason, held).await?;
        tx.commit().await?;
        Ok(HoldAnswer { cases, ..answer })
    }
}

/// Every open case of what is held says so.
async fn note(
    tx: &mut Tx,
    ask: &HoldCommand<'_>,
    order: fallout_core::ids::OrderKey,
    reason: &str,
    held: bool,
) -> Result<Vec<CaseNumber>, DeskError> {
    let mut noted = Vec::new();
    let open = context::cases(tx, order).await?.into_iter().filter(|case| case.open);
    for open in open.filter(|case| ask.line.is_none_or(|line| case.line.as_deref() == Some(line))) {
        let number: CaseNumber = open.number.parse().map_err(|_| DeskError::NoSuchOrder(ask.order.to_owned()))?;
        let Some(case) = cases::by_number(tx, ask.tenant, number).await? else { continue };
        let payload = json!({ "order": if held { "held" } else { "released" }, "line": ask.line });
        let entry = Entry { by: ask.principal.into(), event: CaseEvent::Noted, reason: Some(reason), payload };
        told(tx, &case, &entry).await?;
        noted.push(number);
    }
    Ok(noted)
}
