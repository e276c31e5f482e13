//! Downstreams that people declare offline: what is said of them, and what its controller does about it. Nothing is sent
//! meanwhile; their cases wait with their clocks; at the end lookups come first.

use std::{collections::BTreeSet, time::Duration};

use fallout_core::{
    action::catalogue::Authority,
    case::{CaseEvent, WaitsFor, next},
    event::EventType,
    ids::CaseId,
    offline::{Phase, Window, is_closed, is_silent},
    people::text,
};
use fallout_store::{
    Tx, attempts,
    cases::{self, Case},
    downstreams::{self, Entry, Kept},
    lifecycle, outbox,
};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::{Desk, DeskError, When, authority::At, cases::event, sla::hold};

/// Windows that are over and are shown.
const OVER_SHOWN: i64 = 100;

/// What a person says about a downstream.
#[derive(Clone, Copy, Debug)]
pub struct Offline<'a> {
    pub downstream: &'a str,
    /// `None`: all of them.
    pub operation: Option<&'a str>,
    pub reason: &'a str,
    /// `None`: now.
    pub from: Option<When>,
    pub until: When,
}

/// The time that a downstream is offline, as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct WindowView {
    #[serde(flatten)]
    pub window: Window,
    pub phase: Phase,
    pub reason: String,
    pub declared_by: String,
    pub history: Vec<Entry>,
}

/// What became of a declaration.
#[derive(Clone, Debug, Serialize)]
pub struct Declared {
    #[serde(flatten)]
    pub view: WindowView,
    /// It stood like that before.
    pub already: bool,
}

/// What the fleet leaves out of its fetches, and how soon that changes by the clock alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClosedOperations {
    pub names: BTreeSet<String>,
    pub changes_in: Option<Duration>,
}

impl Desk {
    /// Offline from a moment on; said again while it is, the end moves.
    pub async fn declare_offline(
        &self,
        tenant: &str,
        principal: &str,
        ask: &Offline<'_>,
    ) -> Result<Declared, DeskError> {
        let reason = text("the reason", ask.reason)?;
        self.known_downstream(ask.downstream, ask.operation)?;
        let tx = self.tenant(tenant).await?;
        let mut tx = self.authorised(tx, tenant, principal, Authority::AssignCase, At::Tenant).await?;
        downstreams::lock(&mut tx).await?;
        let now = tx.now().await?;
        let starts_at = match ask.from {
            Some(from) => from.moment(&mut tx).await?,
            None => now,
        };
        let ends_at = ask.until.moment(&mut tx).await?;
        if ends_at <= starts_at {
            return Err(DeskError::NotToCome(ends_at));
        }
        let (downstream, operation) = (ask.downstream.to_owned(), ask.operation.map(str::to_owned));
        let window = Window { downstream, operation, starts_at, ends_at, released_at: None };
        let (kept, already) = match meets(&mut tx, &window).await? {
            None => (self.insert_window(&mut tx, window, tenant, principal, reason).await?, false),
            Some(other) if ask.from.is_none() && other.window.starts_at <= now => {
                let already = other.window.ends_at == ends_at;
                if !already {
                    downstreams::move_end(&mut tx, other.id, ends_at, reason).await?;
                    downstreams::note(&mut tx, other.id, "moved", Some((principal, reason))).await?;
                }
                (downstreams::held(&mut tx, other.id).await?, already)
            }
            Some(Kept { window, .. }) => return Err(DeskError::DeclaredAlready(window)),
        };
        let view = view(&mut tx, kept).await?;
        tx.commit().await?;
        Ok(Declared { view, already })
    }

    async fn insert_window(
        &self,
        tx: &mut Tx,
        window: Window,
        tenant: &str,
        principal: &str,
        reason: &str,
    ) -> Result<Kept, DeskError> {
        let kept = Kept {
            id: Uuid::now_v7(),
            window,
            reason: reason.to_owned(),
            declared_by: principal.to_owned(),
            declared_for: tenant.to_owned(),
            began: false,
            ended: false,
        };
        downstreams::insert(tx, &kept).await?;
        downstreams::note(tx, kept.id, "declared", Some((principal, reason))).await?;
        Ok(kept)
    }

    /// It is back, or does not go: whatever of it is declared for now or for later ends. What is unknown is looked up, then
    /// its steps go on.
    pub async fn declare_online(
        &self,
        tenant: &str,
        principal: &str,
        downstream: &str,
        operation: Option<&str>,
        reason: &str,
    ) -> Result<Vec<WindowView>, DeskError> {
        let reason = text("the reason", reason)?;
        self.known_downstream(downstream, operation)?;
        let tx = self.tenant(tenant).await?;
        let mut tx = self.authorised(tx, tenant, principal, Authority::AssignCase, At::Tenant).await?;
        downstreams::lock(&mut tx).await?;
        let now = tx.now().await?;
        let mut ended = Vec::new();
        for kept in downstreams::open(&mut tx).await? {
            let meant = kept.window.downstream == downstream
                && operation.is_none_or(|op| kept.window.operation.as_deref() == Some(op));
            if meant && matches!(kept.window.phase(now), Phase::Planned | Phase::Offline) {
                downstreams::note(&mut tx, kept.id, "ended_early", Some((principal, reason))).await?;
                downstreams::end_now(&mut tx, kept.id).await?;
                let kept = downstreams::held(&mut tx, kept.id).await?;
                ended.push(view(&mut tx, kept).await?);
            }
        }
        tx.commit().await?;
        Ok(ended)
    }

    /// What is declared now and for later, and with `all` what was.
    pub async fn declared_offline(&self, tenant: &str, all: bool) -> Result<Vec<WindowView>, DeskError> {
        let mut tx = self.tenant(tenant).await?;
        let mut kept = downstreams::open(&mut tx).await?;
        if all {
            kept.extend(downstreams::over(&mut tx, OVER_SHOWN).await?);
        }
        let mut views = Vec::new();
        for one in kept {
            views.push(view(&mut tx, one).await?);
        }
        views.retain(|view| all || view.phase != Phase::Over);
        Ok(views)
    }

    /// What nothing is sent for now.
    pub async fn closed_operations(&self) -> Result<ClosedOperations, DeskError> {
        let mut tx = self.system("fleet").await?;
        let now = tx.now().await?;
        let windows: Vec<Window> = downstreams::open(&mut tx).await?.into_iter().map(|kept| kept.window).collect();
        let closed = self.catalogue.operations.values().filter(|op| is_closed(&windows, op, now));
        let next = windows.iter().filter_map(|w| w.next_change(now)).min();
        Ok(ClosedOperations {
            names: closed.map(|op| op.name.clone()).collect(),
            changes_in: next.map(|at| (at - now).to_std().unwrap_or_default()),
        })
    }

    /// Operations that are not even to be asked about an effect.
    pub(crate) async fn silent_operations(&self, tx: &mut Tx) -> Result<Vec<String>, DeskError> {
        let (now, windows) = downstreams::moment(tx).await?;
        let silent = self.catalogue.operations.values().filter(|op| is_silent(&windows, op, now));
        Ok(silent.map(|op| op.name.clone()).collect())
    }

    fn known_downstream(&self, downstream: &str, operation: Option<&str>) -> Result<(), DeskError> {
        let mut of = self.catalogue.operations.values().filter(|op| op.downstream == downstream).peekable();
        if of.peek().is_none() {
            return Err(DeskError::NoSuchDownstream(downstream.to_owned()));
        }
        match operation {
            Some(name) if !of.any(|op| op.name == name) => {
                Err(DeskError::NoSuchOperation { downstream: downstream.to_owned(), operation: name.to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// Windows that something is to be done for; for their controller.
    pub async fn windows_to_attend(&self) -> Result<Vec<Uuid>, DeskError> {
        let mut tx = self.system("downstreams").await?;
        Ok(downstreams::to_attend(&mut tx).await?)
    }

    /// Says what has come since: that it began, that it ended, that its steps go on. True when something was said.
    pub async fn tell_window(&self, id: Uuid) -> Result<bool, DeskError> {
        let mut tx = self.system("downstreams").await?;
        let kept = downstreams::held(&mut tx, id).await?;
        let phase = kept.window.phase(tx.now().await?);
        let told = match phase {
            Phase::Offline if !kept.began => self.began(&mut tx, &kept).await?,
            Phase::Releasing | Phase::Over if kept.window.released_at.is_none() => self.ended(&mut tx, &kept).await?,
            _ => false,
        };
        tx.commit().await?;
        Ok(told)
    }

    async fn began(&self, tx: &mut Tx, kept: &Kept) -> Result<bool, DeskError> {
        downstreams::set_began(tx, kept.id).await?;
        downstreams::note(tx, kept.id, "began", None).await?;
        tracing::warn!(
            downstream = kept.window.downstream,
            operation = kept.window.operation,
            until = %kept.window.ends_at,
            "declared offline: its steps wait"
        );
        self.publish(tx, kept, EventType::DownstreamOffline).await?;
        Ok(true)
    }

    /// First what was left unknown is asked about; then, or when that takes too long, its steps go on.
    async fn ended(&self, tx: &mut Tx, kept: &Kept) -> Result<bool, DeskError> {
        let about = self.catalogue.operations.values().filter(|op| kept.window.is_about(op));
        let operations: Vec<String> = about.map(|op| op.name.clone()).collect();
        if !kept.ended {
            downstreams::set_ended(tx, kept.id).await?;
            downstreams::note(tx, kept.id, "ended", None).await?;
            attempts::read_now(tx, &operations).await?;
            return Ok(true);
        }
        if attempts::has_due_reads(tx, &operations).await? && !downstreams::is_past_lookups(tx, kept.id).await? {
            return Ok(false);
        }
        downstreams::set_released(tx, kept.id).await?;
        downstreams::note(tx, kept.id, "released", None).await?;
        tracing::info!(
            downstream = kept.window.downstream,
            operation = kept.window.operation,
            "not declared offline any more: its steps go on"
        );
        if kept.began {
            self.publish(tx, kept, EventType::DownstreamOnline).await?;
        }
        Ok(true)
    }

    /// To everybody who has orders under way. Of one operation among others nothing is said: the downstream is there.
    async fn publish(&self, tx: &mut Tx, kept: &Kept, kind: EventType) -> Result<(), DeskError> {
        if kept.window.operation.is_some() {
            return Ok(());
        }
        let mut tenants: BTreeSet<String> = downstreams::tenants_at_work(tx).await?.into_iter().collect();
        tenants.insert(kept.declared_for.clone());
        let until = (kind == EventType::DownstreamOffline).then_some(kept.window.ends_at);
        let payload = json!({ "downstream": kept.window.downstream, "until": until });
        for tenant in tenants {
            outbox::append(tx, Uuid::now_v7(), &tenant, kind, &kept.window.downstream, &payload).await?;
        }
        Ok(())
    }

    /// Cases that are with their people although what they are about is offline.
    pub async fn cases_to_wait(&self, id: Uuid, limit: i64) -> Result<Vec<CaseId>, DeskError> {
        let mut tx = self.system("downstreams").await?;
        let kept = downstreams::held(&mut tx, id).await?;
        if kept.window.phase(tx.now().await?) != Phase::Offline {
            return Ok(Vec::new());
        }
        let (downstream, operation) = (kept.window.downstream, kept.window.operation);
        Ok(downstreams::cases_to_wait(&mut tx, id, &downstream, operation.as_deref(), limit).await?)
    }

    /// Lets a case wait for the downstream, once: whoever goes on with it all the same is not overruled.
    pub async fn wait_for_downstream(&self, id: Uuid, case: CaseId) -> Result<bool, DeskError> {
        let (mut tx, mut case) = self.held_case(case).await?;
        let kept = downstreams::held(&mut tx, id).await?;
        let taken = downstreams::take_case(&mut tx, id, case.id, &case.tenant).await?;
        let with_people = case.state.is_with_people() && !stands_still(&case);
        if !taken || !with_people || kept.window.phase(tx.now().await?) != Phase::Offline {
            return Ok(false);
        }
        let state = next(case.state, CaseEvent::Waiting)?;
        let why = format!("{} is declared offline: {}", kept.window.downstream, kept.reason);
        lifecycle::wait(&mut tx, &case, WaitsFor::Downstream, &why, None).await?;
        (case.state, case.version) = (state, case.version + 1);
        let payload = json!({ "for": WaitsFor::Downstream, "until": kept.window.ends_at });
        event(&mut tx, &case, CaseEvent::Waiting, "downstreams", Some(&why), &payload).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Cases that wait for a window that is over.
    pub async fn cases_to_return(&self, id: Uuid, limit: i64) -> Result<Vec<CaseId>, DeskError> {
        let mut tx = self.system("downstreams").await?;
        let kept = downstreams::held(&mut tx, id).await?;
        match kept.window.released_at {
            Some(_) => Ok(downstreams::cases_to_return(&mut tx, id, limit).await?),
            None => Ok(Vec::new()),
        }
    }

    /// Its owner's again, unless it waits for something else by now.
    pub async fn return_from_downstream(&self, id: Uuid, case: CaseId) -> Result<bool, DeskError> {
        let (mut tx, mut case) = self.held_case(case).await?;
        if !downstreams::return_case(&mut tx, id, case.id).await? {
            return Ok(false);
        }
        let kept = downstreams::held(&mut tx, id).await?;
        if downstreams::waits(&mut tx, case.id).await? {
            let (was, state) = (case.state, next(case.state, CaseEvent::WaitEnded)?);
            cases::set_state(&mut tx, &case, state).await?;
            (case.state, case.version) = (state, case.version + 1);
            let why = format!("{} is not declared offline any more", kept.window.downstream);
            event(&mut tx, &case, CaseEvent::WaitEnded, "downstreams", Some(&why), &json!({ "was": was })).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// The case under its step's lock, for a controller.
    async fn held_case(&self, case: CaseId) -> Result<(Tx, Case), DeskError> {
        let mut tx = self.system("downstreams").await?;
        let found = cases::by_id(&mut tx, case).await?;
        hold(&mut tx, &found).await?;
        let case = cases::held(&mut tx, found.id).await?;
        Ok((tx, case))
    }
}

/// It waits, or was left unresolved: a person said so.
fn stands_still(case: &Case) -> bool {
    use fallout_core::case::CaseState as S;
    matches!(case.state, S::Waiting | S::Unresolved)
}

async fn meets(tx: &mut Tx, window: &Window) -> Result<Option<Kept>, DeskError> {
    Ok(downstreams::open(tx).await?.into_iter().find(|other| other.window.meets(window)))
}

async fn view(tx: &mut Tx, kept: Kept) -> Result<WindowView, DeskError> {
    let phase = kept.window.phase(tx.now().await?);
    let history = downstreams::entries(tx, kept.id).await?;
    Ok(WindowView { window: kept.window, phase, reason: kept.reason, declared_by: kept.declared_by, history })
}
