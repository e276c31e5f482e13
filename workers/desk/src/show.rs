//! Everything about one case, for whoever has to decide what becomes of it: what it is, whom it touches, what is proven at
//! each downstream, what may be done now and why the rest may not.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use fallout_core::{
    action::{Action, ActionState, Declaration},
    case::CaseState,
    customer::CustomerStatus,
    ids::{ActionId, CaseId, CaseNumber},
    order::items,
    outcome::Outcome,
};
use fallout_store::{
    Tx,
    actions::{self, StoredAction},
    approvals::{self, Approval},
    attempts,
    cases::{self, CaseLine, EventLine},
    evidence::{self, EvidenceLine},
    show::{self, Fields, ProblemOf, RelatedCase, SignalLine, StepLine},
    steps,
};
use serde::Serialize;
use serde_json::Value;

use crate::{AttemptView, CaseClock, Desk, DeskError, authority::At, guarding::actions_without_step, work::Work};

/// Everything that `case show` tells.
#[derive(Clone, Debug, Serialize)]
pub struct CaseDetail {
    #[serde(flatten)]
    pub case: CaseLine,
    #[serde(flatten)]
    pub fields: Fields,
    /// The category's name and the runbook of its cases.
    pub category_name: String,
    pub runbook: String,
    /// The database's time when this was read.
    pub now: DateTime<Utc>,
    pub problem: Option<ProblemOf>,
    pub order_context: Option<OrderContext>,
    pub clock: CaseClock,
    /// What the customer may be told.
    pub customer_status: Option<CustomerStatus>,
    /// The last change that somebody gave a reason for.
    pub last_change: Option<Change>,
    /// Step by step of the order, what is known at its downstream.
    pub known: Vec<Known>,
    pub timeline: Vec<EventLine>,
    pub timeline_entries: i64,
    pub signals: Vec<SignalLine>,
    pub signals_received: i64,
    pub attempts: Vec<AttemptView>,
    /// Files that prove what was done outside.
    pub evidence: Vec<EvidenceLine>,
    /// What was asked for and has not taken effect.
    pub under_way: Option<UnderWay>,
    /// Actions that can be taken now, and why the others cannot.
    pub actions: Vec<ActionView>,
    pub related: Vec<RelatedCase>,
    /// What ends the case, where nothing is to be recovered any more: to be typed, with words in capitals to be replaced.
    pub next: Option<String>,
}

/// What of the order bears on a decision.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OrderContext {
    pub order: String,
    pub run: Option<i32>,
    pub run_state: Option<String>,
    pub segment: Option<String>,
    pub priority: Option<String>,
    /// With its currency.
    pub value: Option<String>,
    pub requested: Option<String>,
    pub promised: Option<String>,
    pub lines: Vec<LineContext>,
}

#[derive(Clone, Debug, Serialize)]
pub struct LineContext {
    pub line: String,
    pub action: String,
    pub product: String,
    /// The trouble touches it.
    pub affected: bool,
}

/// Who changed something last, and why: what an auditor asks first.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    pub at: DateTime<Utc>,
    pub event: String,
    pub by: String,
    pub reason: String,
}

/// What is known of one step at its downstream.
#[derive(Clone, Debug, Serialize)]
pub struct Known {
    pub downstream: String,
    pub operation: String,
    pub line: String,
    pub step: String,
    pub direction: String,
    pub state: String,
    pub tries: i64,
    pub lookups: i32,
    /// What that proves about the effect.
    pub proven: String,
    pub at: DateTime<Utc>,
}

/// An action that waits: for the end of an exchange, an answer, a second person or the engine.
#[derive(Clone, Debug, Serialize)]
pub struct UnderWay {
    pub action: ActionId,
    #[serde(rename = "type")]
    pub kind: Action,
    pub state: ActionState,
    pub requested_by: String,
    pub reason: String,
    /// What a second person has to decide on.
    pub approval: Option<Approval>,
}

/// What may be done, and what a person has to know before they choose it.
#[derive(Clone, Debug, Serialize)]
pub struct ActionView {
    pub action: Action,
    /// `None` when it is allowed.
    pub refused: Option<String>,
    pub declaration: &'static Declaration,
    /// The authority that it needs, in words.
    pub required: Option<String>,
    /// What to type for it, with words in capitals to be replaced; `None` where nothing that a person says would allow it.
    pub command: Option<String>,
    /// Why it takes a second person here; `None`: one is enough.
    pub second_person: Option<String>,
}

/// What a program reads of a timeline at once.
const ENTRIES: i64 = 1_000;

impl Desk {
    pub async fn case(&self, tenant: &str, number: CaseNumber) -> Result<CaseDetail, DeskError> {
        self.case_with(tenant, number, ENTRIES).await
    }

    /// With the newest `entries` of its timeline.
    pub async fn case_with(&self, tenant: &str, number: CaseNumber, entries: i64) -> Result<CaseDetail, DeskError> {
        let mut tx = self.tenant(tenant).await?;
        let line = cases::line(&mut tx, tenant, number).await?.ok_or(DeskError::NoSuchCase(number))?;
        let case = cases::by_number(&mut tx, tenant, number).await?.ok_or(DeskError::NoSuchCase(number))?;
        tx = self.visible(tx, tenant, At::Case(case.id, &number.to_string())).await?;
        let (timeline, timeline_entries) = cases::timeline(&mut tx, case.id, entries).await?;
        let (signals, signals_received) = show::signals(&mut tx, case.id).await?;
        let fields = show::fields(&mut tx, case.id).await?;
        let order = show::order(&mut tx, case.id).await?;
        let customer_status = match &order {
            // An empty policy says nothing to customers, and nothing here either.
            Some(order) => self.status_of(&mut tx, tenant, &order.external_id).await.ok().map(|(status, _)| status),
            None => None,
        };
        let category = self.taxonomy(tenant).categories.iter().find(|category| category.code == line.category);
        let mut detail = CaseDetail {
            category_name: category.map_or_else(|| line.category.clone(), |c| c.name.clone()),
            runbook: category.map(|c| c.runbook.clone()).unwrap_or_default(),
            now: tx.now().await?,
            problem: show::problem(&mut tx, case.id).await?,
            order_context: order.map(|order| context(&order, &fields.affected_line_ids)),
            clock: self.clock_as_it_stands(&mut tx, case.id).await?,
            customer_status,
            last_change: last_change(&timeline),
            known: self.known(&mut tx, line.business_key.as_deref()).await?,
            related: show::related(&mut tx, case.id).await?,
            evidence: evidence::of_case(&mut tx, case.id).await?,
            under_way: under_way(&mut tx, case.id).await?,
            attempts: Vec::new(),
            actions: Vec::new(),
            case: line,
            fields,
            timeline,
            timeline_entries,
            signals,
            signals_received,
            next: next_command(&case),
        };
        let two = if case.state.is_active() { self.second_persons(&mut tx, &case).await? } else { BTreeMap::new() };
        let lacking = self.lacking(&mut tx, &case).await?;
        let actions = match case.step {
            None if case.state.is_active() => actions_without_step(&case, detail.now),
            None => Vec::new(),
            Some(step) => {
                detail.attempts = attempts::lines(&mut tx, step).await?.into_iter().map(AttemptView::from).collect();
                let step = steps::get(&mut tx, step).await?;
                let mut work = Work::on(self, tx, step).await?;
                if case.state.is_active() { work.actions(&case).await? } else { Vec::new() }
            }
        };
        let required = |view: ActionView| {
            let lacks = lacking.get(&view.declaration.authority).cloned();
            ActionView {
                required: self.catalogue.authority.required(view.action).map(str::to_owned),
                second_person: two.get(&view.action).cloned(),
                command: view.command.filter(|_| lacks.is_none()),
                refused: view.refused.or(lacks),
                ..view
            }
        };
        detail.actions = actions.into_iter().map(required).collect();
        Ok(detail)
    }

    async fn known(&self, tx: &mut Tx, business_key: Option<&str>) -> Result<Vec<Known>, DeskError> {
        let Some(key) = business_key else { return Ok(Vec::new()) };
        let known = |s: StepLine| Known {
            // The operation may be gone from the catalogue since.
            downstream: self.operation(&s.operation).map_or_else(|_| "-".into(), |op| op.downstream.clone()),
            proven: proven(&s).into(),
            operation: s.operation,
            line: s.line,
            step: s.step,
            direction: s.direction,
            state: s.state,
            tries: s.tries,
            lookups: s.lookups,
            at: s.at,
        };
        Ok(show::steps(tx, key).await?.into_iter().map(known).collect())
    }
}

/// A resolved case waits for what was learnt from it.
fn next_command(case: &cases::Case) -> Option<String> {
    (case.state == CaseState::Resolved).then(|| format!("fallout case close {} --root-cause TEXT", case.number))
}

async fn under_way(tx: &mut Tx, case: CaseId) -> Result<Option<UnderWay>, DeskError> {
    let waits = |action: &StoredAction| !action.state.is_over() && action.state != ActionState::Started;
    let Some(action) = actions::of_case(tx, case).await?.into_iter().rfind(waits) else { return Ok(None) };
    let approval = match action.state {
        ActionState::AwaitingApproval => approvals::of_action(tx, action.id).await?,
        _ => None,
    };
    Ok(Some(UnderWay {
        action: action.id,
        kind: action.action,
        state: action.state,
        requested_by: action.requested_by,
        reason: action.reason,
        approval,
    }))
}

/// What the last try and the step's end prove about the effect.
fn proven(step: &StepLine) -> &'static str {
    if step.undone {
        return "its effect was undone outside, attested";
    }
    match step.outcome.as_ref().map(|outcome| &outcome.0) {
        None if step.tries > 0 => "a try is under way",
        None if step.state == "done" => "answered; a read changes nothing",
        None => "nothing was sent",
        Some(Outcome::Success { .. }) => "the effect exists",
        Some(Outcome::Business { .. }) => "rejected; there is no effect",
        Some(Outcome::Technical { .. } | Outcome::Defect { .. }) => "proven: there is no effect",
        Some(Outcome::Pending) => "accepted; the result is to come",
        Some(Outcome::Unknown { .. } | Outcome::Replayable { .. }) => "not known whether the effect exists",
    }
}

/// The newest entry with a person's or a service's reason.
fn last_change(timeline: &[EventLine]) -> Option<Change> {
    timeline.iter().rev().find_map(|entry| {
        let (by, reason) = (entry.actor.clone()?, entry.reason.clone()?);
        Some(Change { at: entry.at, event: entry.event.clone(), by, reason })
    })
}

fn context(order: &show::OrderOf, affected: &[String]) -> OrderContext {
    let text = |field: &str| order.document.get(field).and_then(Value::as_str).map(str::to_owned);
    let line = |item: &Value| {
        let of = |field: &str| item.get(field).and_then(Value::as_str).unwrap_or("-").to_owned();
        let offering = &item["productOffering"];
        let product = offering["name"].as_str().or(offering["id"].as_str()).unwrap_or("-").to_owned();
        let id = of("id");
        LineContext { affected: affected.contains(&id), line: id, action: of("action"), product }
    };
    OrderContext {
        order: order.external_id.clone(),
        run: order.run,
        run_state: order.run_state.clone(),
        segment: text("category"),
        priority: text("priority"),
        value: value(&order.document),
        requested: text("requestedCompletionDate"),
        promised: text("expectedCompletionDate"),
        lines: items(&order.document).into_iter().map(line).collect(),
    }
}

/// The first total that names an amount.
fn value(document: &Value) -> Option<String> {
    let prices = document["orderTotalPrice"].as_array()?;
    prices.iter().find_map(|price| {
        let money = &price["price"]["dutyFreeAmount"];
        Some(format!("{:.2} {}", money["value"].as_f64()?, money["unit"].as_str().unwrap_or_default()))
    })
}
