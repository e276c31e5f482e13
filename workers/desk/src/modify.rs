//! Process modifications: asked for with seven answers, checked against what stands there, agreed to by a second person, and
//! done when it is read back. Every request is kept, refused ones too, and told on every open case of the order.

use std::collections::BTreeSet;

use fallout_core::{
    action::{
        approval::{ApprovalState, Deciding, NotApprovable, Request, may_grant},
        catalogue::Authority,
    },
    attempt::AttemptFacts,
    case::CaseEvent,
    command::EngineCommand,
    ids::{CommandId, ModificationId, RunId},
    modification::{
        Answers, ModificationState, Move, NotModified, StepInWay, Token, check_moves, check_steps, resolve,
    },
    people::text,
};
use fallout_store::{
    Tx, attempts,
    cases::{self, Actor},
    commands, context,
    modifications::{self, Modification, NewModification},
    steps,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Desk, DeskError, NotRecovered, authority::At, tokens::persons};

/// The newest requests of an order; there are few.
const SHOWN: i64 = 50;

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct Modify<'a> {
    pub tenant: &'a str,
    /// Who is authenticated.
    pub principal: &'a str,
    pub order: &'a str,
    /// `None`: where the order's only parked step waits, else the order's own instance.
    pub instance: Option<&'a str>,
    pub moves: &'a [Move],
    pub answers: &'a Answers,
}

impl Desk {
    pub async fn modify_process(&self, ask: &Modify<'_>) -> Result<Modification, DeskError> {
        ask.answers.check()?;
        let tx = self.tenant(ask.tenant).await?;
        let right = Authority::ModifyProcess;
        let mut tx = self.authorised(tx, ask.tenant, ask.principal, right, At::Order(ask.order)).await?;
        let known = context::known(&mut tx, ask.tenant, ask.order, false).await?;
        let known = known.ok_or_else(|| DeskError::NoSuchOrder(ask.order.to_owned()))?;
        let run = context::latest_run(&mut tx, known.key).await?.filter(|run| run.ended_at.is_none());
        let run = run.ok_or_else(|| DeskError::NotUnderWay(ask.order.to_owned()))?;
        let not_started = || DeskError::NotUnderWay(ask.order.to_owned());
        let root = run.process_instance_id.ok_or_else(not_started)?;
        let instance = match ask.instance {
            Some(instance) => instance.to_owned(),
            None => waits_in(&mut tx, run.id).await?.unwrap_or(root),
        };
        let has_case = context::cases(&mut tx, known.key).await?.iter().any(|case| case.open);
        let checked = checked(&mut tx, run.id, &instance, ask.moves, has_case).await?;
        let refused = checked.as_ref().err().map(|why| (why.name(), why.to_string()));
        let id = ModificationId(Uuid::now_v7());
        let new = NewModification {
            id,
            tenant: ask.tenant,
            run: run.id,
            process_instance_id: &instance,
            moves: ask.moves,
            answers: ask.answers,
            requested_by: ask.principal,
            refused: refused.as_ref().map(|(name, message)| (*name, message.as_str())),
        };
        modifications::insert(&mut tx, &new).await?;
        let stored = held(&mut tx, id).await?;
        if checked.is_ok() {
            let command = EngineCommand::Inspect { modification: id, process_instance_id: instance.clone() };
            commands::insert(&mut tx, CommandId(Uuid::now_v7()), ask.tenant, &command, None).await?;
            let said = "a modification of its process was asked for";
            tell(&mut tx, &stored, Actor::User(ask.principal), &format!("{said}: {}", ask.answers.reason)).await?;
        }
        tx.commit().await?;
        checked.map_err(DeskError::NotModified)?;
        Ok(stored)
    }

    /// Every modification that was asked of an order.
    pub async fn modifications(&self, tenant: &str, order: &str) -> Result<Vec<Modification>, DeskError> {
        let tx = self.tenant(tenant).await?;
        let mut tx = self.visible(tx, tenant, At::Order(order)).await?;
        context::known(&mut tx, tenant, order, false).await?.ok_or_else(|| DeskError::NoSuchOrder(order.to_owned()))?;
        Ok(modifications::of_order(&mut tx, tenant, order, SHOWN).await?)
    }

    /// What stands in the instance was read: whether it can be done is known now, and a second person is asked.
    pub async fn modification_inspected(
        &self,
        id: ModificationId,
        tokens: Option<&[Token]>,
        activities: &BTreeSet<String>,
    ) -> Result<(), DeskError> {
        let mut tx = self.system("relay").await?;
        let asked = held(&mut tx, id).await?;
        if asked.state != ModificationState::Checking {
            return Ok(());
        }
        match possible(&mut tx, &asked, tokens, activities).await? {
            Err(why) => refuse(&mut tx, &asked, &why).await?,
            Ok(resolved) => {
                let before = tokens.unwrap_or_default();
                let hash = hash(&asked, &resolved, before);
                let valid_s = self.catalogue().approval_valid_s();
                modifications::await_approval(&mut tx, id, &resolved, before, &hash, valid_s).await?;
                let said =
                    format!("modification {id} waits for a second person: fallout order approve-modification {id}");
                tell(&mut tx, &asked, Actor::System("relay"), &said).await?;
            }
        }
        Ok(tx.commit().await?)
    }

    /// A second person agrees to exactly these moves of exactly these tokens; the engine is told.
    pub async fn approve_modification(
        &self,
        tenant: &str,
        principal: &str,
        id: ModificationId,
        reason: &str,
    ) -> Result<Modification, DeskError> {
        let reason = text("the reason", reason)?;
        let mut tx = self.tenant(tenant).await?;
        let asked = held(&mut tx, id).await?;
        let hash =
            hash(&asked, asked.resolved.as_deref().unwrap_or_default(), asked.before.as_deref().unwrap_or_default());
        let now = tx.now().await?;
        let (is, requester_is) =
            (persons(&mut tx, tenant, principal).await?, persons(&mut tx, tenant, &asked.requested_by).await?);
        let by = Deciding { principal, is: &is, command_hash: &hash, case_version: 0, now };
        may_grant(&request(&asked, &requester_is, now), &by).map_err(NotRecovered::from)?;
        self.second_for(&mut tx, tenant, principal, &asked).await?;
        check_steps(&in_way(&mut tx, &asked.process_instance_id).await?).map_err(DeskError::NotModified)?;
        modifications::approve(&mut tx, id, principal, reason).await?;
        let (process_instance_id, moves) =
            (asked.process_instance_id.clone(), asked.resolved.clone().unwrap_or_default());
        let before = asked.before.clone().unwrap_or_default();
        let command = EngineCommand::Modify { modification: id, process_instance_id, moves, before };
        commands::insert(&mut tx, CommandId(Uuid::now_v7()), tenant, &command, None).await?;
        tell(&mut tx, &asked, Actor::User(principal), &format!("modification {id} was agreed to: {reason}")).await?;
        let stored = held(&mut tx, id).await?;
        tx.commit().await?;
        Ok(stored)
    }

    /// Does not agree; whoever asked takes it back so as well.
    pub async fn refuse_modification(
        &self,
        tenant: &str,
        principal: &str,
        id: ModificationId,
        reason: &str,
    ) -> Result<Modification, DeskError> {
        let reason = text("the reason", reason)?;
        let mut tx = self.tenant(tenant).await?;
        let asked = held(&mut tx, id).await?;
        if !matches!(asked.state, ModificationState::Checking | ModificationState::AwaitingApproval) {
            return Err(NotRecovered::from(NotApprovable::Over(approval(asked.state))).into());
        }
        if principal != asked.requested_by {
            self.second_for(&mut tx, tenant, principal, &asked).await?;
        }
        let why = format!("{principal} did not agree: {reason}");
        modifications::end(&mut tx, id, ModificationState::NotApproved, None, &why).await?;
        tell(&mut tx, &asked, Actor::User(principal), &format!("modification {id} is not made: {reason}")).await?;
        let stored = held(&mut tx, id).await?;
        tx.commit().await?;
        Ok(stored)
    }

    /// Whether somebody may agree to this, or refuse it.
    async fn second_for(
        &self,
        tx: &mut Tx,
        tenant: &str,
        principal: &str,
        asked: &Modification,
    ) -> Result<(), DeskError> {
        self.may_agree(tx, tenant, principal, Authority::ModifyProcess, At::Order(&asked.order)).await
    }

    pub async fn expired_modifications(&self, limit: i64) -> Result<Vec<ModificationId>, DeskError> {
        let mut tx = self.system("approvals").await?;
        Ok(modifications::expired(&mut tx, limit).await?)
    }

    /// Ends a request whose time is over; nothing when somebody was first.
    pub async fn expire_modification(&self, id: ModificationId) -> Result<(), DeskError> {
        let mut tx = self.system("approvals").await?;
        let asked = held(&mut tx, id).await?;
        let now = tx.now().await?;
        if asked.state == ModificationState::AwaitingApproval && asked.expires_at.is_some_and(|until| until <= now) {
            let why = "nobody agreed in time; ask for it again if it is still wanted";
            modifications::end(&mut tx, id, ModificationState::NotApproved, None, why).await?;
            tell(&mut tx, &asked, Actor::System("approvals"), &format!("modification {id}: {why}")).await?;
        }
        Ok(tx.commit().await?)
    }

    /// It was read back from the engine.
    pub async fn modification_done(&self, id: ModificationId, after: &[Token]) -> Result<(), DeskError> {
        let mut tx = self.system("relay").await?;
        let asked = held(&mut tx, id).await?;
        if asked.state == ModificationState::Requested {
            modifications::done(&mut tx, id, after).await?;
            tell(&mut tx, &asked, Actor::System("relay"), &format!("modification {id} is made")).await?;
        }
        Ok(tx.commit().await?)
    }

    /// It was not made and will not be.
    pub async fn modification_failed(&self, id: ModificationId, why: &str) -> Result<(), DeskError> {
        let mut tx = self.system("relay").await?;
        let asked = held(&mut tx, id).await?;
        if !asked.state.is_over() {
            modifications::end(&mut tx, id, ModificationState::Failed, None, why).await?;
            tell(&mut tx, &asked, Actor::System("relay"), &format!("modification {id} is not made: {why}")).await?;
        }
        Ok(tx.commit().await?)
    }
}

async fn held(tx: &mut Tx, id: ModificationId) -> Result<Modification, DeskError> {
    modifications::hold(tx, id).await?.ok_or(DeskError::NoSuchModification(id))
}

/// The instance of the run's only parked step.
async fn waits_in(tx: &mut Tx, run: RunId) -> Result<Option<String>, DeskError> {
    let parked = steps::parked_of(tx, run).await?;
    let [only] = parked.as_slice() else { return Ok(None) };
    Ok(Some(steps::get(tx, *only).await?.process_instance_id))
}

/// What can be said before the engine is asked.
async fn checked(
    tx: &mut Tx,
    run: RunId,
    instance: &str,
    moves: &[Move],
    has_case: bool,
) -> Result<Result<(), NotModified>, DeskError> {
    if let Err(why) = check_moves(moves) {
        return Ok(Err(why));
    }
    if !has_case {
        return Ok(Err(NotModified::NoCase));
    }
    if !modifications::is_of_run(tx, run, instance).await? {
        return Ok(Err(NotModified::OtherInstance(instance.to_owned())));
    }
    if let Some(other) = modifications::under_way(tx, instance).await? {
        return Ok(Err(NotModified::UnderWay(other.to_string())));
    }
    Ok(check_steps(&in_way(tx, instance).await?))
}

async fn in_way(tx: &mut Tx, instance: &str) -> Result<Vec<StepInWay>, DeskError> {
    let mut found = Vec::new();
    for key in steps::of_instance(tx, instance).await? {
        let step = steps::lock(tx, key).await?;
        let attempts = attempts::of_latest_generation(tx, key).await?;
        let attempt_open = attempts.iter().any(AttemptFacts::is_open);
        found.push(StepInWay { key, attempt_open, reserved: step.gate.is_some() });
    }
    Ok(found)
}

async fn possible(
    tx: &mut Tx,
    asked: &Modification,
    tokens: Option<&[Token]>,
    activities: &BTreeSet<String>,
) -> Result<Result<Vec<Move>, NotModified>, DeskError> {
    let Some(tokens) = tokens else { return Ok(Err(NotModified::Ended)) };
    let free = check_steps(&in_way(tx, &asked.process_instance_id).await?);
    Ok(free.and_then(|()| resolve(&asked.moves, tokens, activities)))
}

async fn refuse(tx: &mut Tx, asked: &Modification, why: &NotModified) -> Result<(), DeskError> {
    let (id, message) = (asked.id, why.to_string());
    modifications::end(tx, id, ModificationState::Refused, Some(why.name()), &message).await?;
    tell(tx, asked, Actor::System("relay"), &format!("modification {id} is refused: {message}")).await
}

/// On the timeline of every open case of the order, and so in the sealed history.
async fn tell(tx: &mut Tx, of: &Modification, by: Actor<'_>, said: &str) -> Result<(), DeskError> {
    let Some(known) = context::known(tx, &of.tenant, &of.order, false).await? else { return Ok(()) };
    let payload = json!({ "modification": of.id, "instance": of.process_instance_id, "moves": of.moves });
    for open in context::cases(tx, known.key).await?.into_iter().filter(|case| case.open) {
        let Ok(number) = open.number.parse() else { continue };
        if let Some(case) = cases::by_number(tx, &of.tenant, number).await? {
            cases::append_event(tx, Uuid::now_v7(), &case, CaseEvent::Noted, by, Some(said), &payload).await?;
        }
    }
    Ok(())
}

/// Of what the second person sees: the moves, the answers, and where every token stood.
fn hash(asked: &Modification, resolved: &[Move], before: &[Token]) -> String {
    let content =
        json!(["v1", asked.id, asked.process_instance_id, asked.requested_by, resolved, asked.answers, before]);
    Sha256::digest(content.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As the rule about second persons sees it. What it is bound to is the tokens, not the version of a case.
fn request<'a>(asked: &'a Modification, requester_is: &'a [String], now: chrono::DateTime<chrono::Utc>) -> Request<'a> {
    Request {
        state: approval(asked.state),
        requester: &asked.requested_by,
        requester_is,
        command_hash: asked.content_hash.as_deref().unwrap_or_default(),
        case_version: 0,
        expires_at: asked.expires_at.unwrap_or(now),
    }
}

fn approval(state: ModificationState) -> ApprovalState {
    match state {
        ModificationState::AwaitingApproval => ApprovalState::Requested,
        ModificationState::Requested | ModificationState::Done => ApprovalState::Granted,
        ModificationState::NotApproved => ApprovalState::Refused,
        ModificationState::Checking | ModificationState::Failed | ModificationState::Refused => ApprovalState::Void,
    }
}
