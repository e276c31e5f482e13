//! What is known of an order besides its steps: told by its owner's events, shown with how it stands here, and, as far as it
//! is personal, erased.

use chrono::{DateTime, Utc};
use fallout_core::{
    context::{Attention, ItemContext, ItemState, LineFacts, OrderContext, OrderFacts, OrderState, Share, of_steps},
    ids::OrderKey,
    order::{EventRefusal, OrderEvent, OrderEventKind, merged_within},
    step::Direction,
};
use fallout_store::{
    Tx,
    context::{self, Known, LatestRun, OrderCase, OrderStep, Part},
    corrections::{self, CorrectionLine},
    holds::{self, Hold},
    orders,
};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::{Desk, DeskError, authority::At};

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventTaken {
    Applied,
    /// One with this id was taken before; nothing changed.
    Already,
}

/// An order as `order show` tells it.
#[derive(Clone, Debug, Serialize)]
pub struct OrderView {
    pub order: String,
    /// As ledger and cases say; none: its fulfilment was never started here.
    pub state: Option<OrderState>,
    /// What its owner told or it came with.
    #[serde(flatten)]
    pub context: OrderContext,
    pub taken_in_at: DateTime<Utc>,
    /// The newest event of its owner.
    pub as_of: Option<DateTime<Utc>>,
    pub deleted_at: Option<DateTime<Utc>>,
    pub erased_at: Option<DateTime<Utc>>,
    pub run: Option<LatestRun>,
    /// What of it is held, and why.
    pub holds: Vec<Hold>,
    pub lines: Vec<LineView>,
    /// Of the whole order, not of a line.
    pub steps: Vec<OrderStep>,
    pub cases: Vec<OrderCase>,
    /// What was corrected of it, and what was asked to be.
    pub corrections: Vec<CorrectionLine>,
}

#[derive(Clone, Debug, Serialize)]
pub struct LineView {
    pub state: Option<ItemState>,
    #[serde(rename = "context")]
    pub item: ItemContext,
    pub steps: Vec<OrderStep>,
    /// Numbers of the open ones.
    pub cases: Vec<String>,
}

impl Desk {
    /// Takes an event of an order's owner: once, and only what is not older than what is known. It starts nothing and changes
    /// no request; it is what severity, customer status and lists go by from now on.
    pub async fn order_event(&self, tenant: &str, told_by: &str, event: &OrderEvent) -> Result<EventTaken, DeskError> {
        let mut tx = self.tenant(tenant).await?;
        if context::event_is_known(&mut tx, tenant, &event.id).await? {
            return Ok(EventTaken::Already);
        }
        let known = self.held_order(&mut tx, tenant, event).await?;
        event.in_order(known.as_of, tx.now().await?)?;
        if !context::take_event(&mut tx, tenant, known.key, event, told_by).await? {
            return Ok(EventTaken::Already);
        }
        self.keep_newest(&mut tx, tenant, &known, event).await?;
        if event.kind == OrderEventKind::Delete {
            context::set_deleted(&mut tx, known.key, event.at).await?;
        }
        context::look_at_cases(&mut tx, known.key).await?;
        tx.commit().await?;
        Ok(EventTaken::Applied)
    }

    /// The order that the event is about, held. One that is created is known from now on, without a run.
    async fn held_order(&self, tx: &mut Tx, tenant: &str, event: &OrderEvent) -> Result<Known, DeskError> {
        if let Some(known) = context::known(tx, tenant, &event.order, true).await? {
            return Ok(known);
        }
        if event.kind != OrderEventKind::Create {
            return Err(EventRefusal::UnknownOrder(event.order.clone()).into());
        }
        let (new, bare) = (OrderKey(Uuid::now_v7()), json!({ "id": event.order }));
        let customer = OrderContext::of(&event.resource, &self.catalogue.personal).customer;
        orders::upsert_order(tx, new, tenant, &event.order, customer.as_deref(), &bare).await?;
        let known = context::known(tx, tenant, &event.order, true).await?;
        known.ok_or_else(|| DeskError::NoSuchOrder(event.order.clone()))
    }

    async fn keep_newest(&self, tx: &mut Tx, tenant: &str, known: &Known, event: &OrderEvent) -> Result<(), DeskError> {
        let personal = &self.catalogue.personal;
        let mut document = merged_within(&known.document, &event.resource)?;
        let mut facts = OrderContext::of(&document, personal);
        let cut = personal.cut(&mut document);
        match known.erased_at {
            None => context::put_personal(tx, tenant, known.key, Part::Newest, &cut).await?,
            // What was erased does not come back.
            Some(_) => facts.items.iter_mut().for_each(|item| item.service_numbers.clear()),
        }
        context::put(tx, tenant, known.key, &facts, Some((&document, event.at))).await?;
        match document.get("version").and_then(serde_json::Value::as_i64) {
            Some(version) => Ok(context::set_owner_version(tx, known.key, version).await?),
            None => Ok(()),
        }
    }

    /// An order with its lines, steps and cases, and how each stands.
    pub async fn order(&self, tenant: &str, order: &str) -> Result<OrderView, DeskError> {
        let tx = self.tenant(tenant).await?;
        let mut tx = self.visible(tx, tenant, At::Order(order)).await?;
        let known = context::known(&mut tx, tenant, order, false).await?;
        let known = known.ok_or_else(|| DeskError::NoSuchOrder(order.to_owned()))?;
        let run = context::latest_run(&mut tx, known.key).await?;
        let (steps, holds) = match &run {
            Some(run) => (context::steps(&mut tx, run.id).await?, holds::of_run(&mut tx, run.id).await?),
            None => (Vec::new(), Vec::new()),
        };
        let cases = context::cases(&mut tx, known.key).await?;
        let corrections = corrections::of_order(&mut tx, known.key).await?;
        tx.commit().await?;
        let context = OrderContext::of(&known.document, &self.catalogue.personal);
        let line = |item: &ItemContext| line(item, run.as_ref(), &steps, &cases, &holds);
        let lines: Vec<LineView> = context.items.iter().map(line).collect();
        Ok(OrderView {
            order: order.to_owned(),
            state: own_state(run.as_ref(), &lines, &steps, &cases, &holds),
            taken_in_at: known.taken_in_at,
            as_of: known.as_of,
            deleted_at: known.deleted_at,
            erased_at: known.erased_at,
            steps: steps.into_iter().filter(|s| s.line.is_empty()).collect(),
            context: OrderContext { items: Vec::new(), ..context },
            run,
            holds,
            lines,
            cases,
            corrections,
        })
    }
}

fn line(
    item: &ItemContext,
    run: Option<&LatestRun>,
    steps: &[OrderStep],
    cases: &[OrderCase],
    holds: &[Hold],
) -> LineView {
    let steps: Vec<OrderStep> = steps.iter().filter(|s| s.line == item.line).cloned().collect();
    let open: Vec<&OrderCase> = cases.iter().filter(|c| c.open && c.line.as_deref() == Some(&item.line)).collect();
    let (begun, parked, cancelled) = of_steps(steps.iter().filter(|s| is_do(s)).map(|s| s.state));
    let facts = LineFacts {
        run: run.map(|r| r.state),
        cancelling: run.is_some_and(|r| r.cancel_requested),
        held: holds.iter().any(|h| h.line.is_empty() || h.line == item.line),
        attention: attention(open.iter().copied()),
        begun,
        parked,
        unknown: steps.iter().any(|s| s.unknown),
        cancelled,
    };
    let cases = open.iter().map(|c| c.number.clone()).collect();
    LineView { state: facts.state(), item: item.clone(), steps, cases }
}

fn own_state(
    run: Option<&LatestRun>,
    lines: &[LineView],
    steps: &[OrderStep],
    cases: &[OrderCase],
    holds: &[Hold],
) -> Option<OrderState> {
    let all = |line: &LineView| of_steps(line.steps.iter().filter(|s| is_do(s)).map(|s| s.state)).2;
    let facts = OrderFacts {
        run: run.map(|r| r.state),
        cancelling: run.is_some_and(|r| r.cancel_requested),
        held: holds.iter().any(|h| h.line.is_empty()),
        attention: attention(cases.iter().filter(|c| c.open)),
        parked: of_steps(steps.iter().map(|s| s.state)).1,
        unknown: steps.iter().any(|s| s.unknown),
        lines_cancelled: match lines.iter().filter(|l| all(l)).count() {
            0 => Share::None,
            n if n == lines.len() => Share::All,
            _ => Share::Some,
        },
    };
    facts.state()
}

/// What was taken back was made before: the state of a line follows from what was to be made.
fn is_do(step: &OrderStep) -> bool {
    step.direction == Direction::Do.word()
}

fn attention<'a>(mut open: impl Iterator<Item = &'a OrderCase>) -> Attention {
    let waits = |case: &OrderCase| case.status == fallout_core::case::CaseState::Waiting.word();
    match open.next() {
        None => Attention::None,
        Some(first) if waits(first) && open.all(waits) => Attention::Waits,
        Some(_) => Attention::Open,
    }
}
