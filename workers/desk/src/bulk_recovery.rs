//! A recovery of many cases: asked for once, agreed to where it has to be, given case by case at its pace, each with the same
//! guard and the same gate as if it had been asked for alone.

use fallout_core::{
    action::{
        Action,
        approval::{ApprovalState, Deciding, Request, may_grant},
        catalogue::Authority,
        command::RecoveryCommand,
    },
    bulk::{BulkCaseState, BulkEvent, BulkState, CASES_MAX, Pace, next},
    ids::{BulkNumber, CaseId, CaseNumber},
    people::text,
};
use fallout_store::{
    Tx,
    bulks::{self, Bulk, CaseOfBulk, Entry, Given, NewBulk, TakenCase},
};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Desk, DeskError, NotRecovered, Taken, authority::At, tokens::persons};

/// Whoever took a case and says nothing for so long is given up. Too short costs nothing but a second look: a command is taken
/// once, whoever gives it.
const LEASE_S: f64 = 15.0;
/// What is said by whoever takes a bulk back that nobody agreed to.
const NOT_IN_TIME: &str = "nobody agreed in time; ask again if it is still wanted";

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct BulkCommand<'a> {
    pub tenant: &'a str,
    /// Who is authenticated.
    pub principal: &'a str,
    pub action: Action,
    pub reason: &'a str,
    /// How the cases were found, for people.
    pub selection: &'a Value,
    /// `None`: as config/bulk.toml says.
    pub pace: Option<Pace>,
    pub idempotency_key: &'a str,
    /// Those with a reason are excluded, and shown with it.
    pub cases: &'a [(CaseNumber, Option<String>)],
}

/// How a bulk stands.
#[derive(Clone, Debug, Serialize)]
pub struct BulkView {
    #[serde(flatten)]
    pub bulk: Bulk,
    /// How many of its cases stand how.
    pub cases: Vec<(BulkCaseState, i64)>,
    pub history: Vec<Entry>,
}

/// What became of asking for one.
#[derive(Clone, Debug, Serialize)]
pub struct BulkBegun {
    #[serde(flatten)]
    pub view: BulkView,
    /// The same was asked for before with this key.
    pub repeated: bool,
}

/// Cases of a bulk whose command is to be given now.
#[derive(Clone, Debug)]
pub struct Turn {
    pub bulk: Bulk,
    pub cases: Vec<TakenCase>,
}

impl Desk {
    /// Whether a case would be recovered so, asked before anything is stored.
    pub async fn bulk_fits(
        &self,
        tenant: &str,
        principal: &str,
        action: Action,
        reason: &str,
        case: CaseNumber,
    ) -> Result<(), DeskError> {
        self.plan(tenant, principal, &command_of(case, action, reason, principal, "preview")).await.map(drop)
    }

    pub async fn begin_bulk(&self, ask: &BulkCommand<'_>) -> Result<BulkBegun, DeskError> {
        let reason = text("the reason", ask.reason)?;
        let key = text("the idempotency key", ask.idempotency_key)?;
        let pace = ask.pace.unwrap_or(self.catalogue.bulk.pace);
        if let Some(wrong) = pace.check().into_iter().next() {
            return Err(DeskError::BadBulk(wrong));
        }
        let hash = hash(ask, &pace);
        let mut tx = self.tenant(ask.tenant).await?;
        if let Some(known) = bulks::by_key(&mut tx, ask.tenant, key).await? {
            if known.content_hash != hash {
                return Err(DeskError::KeyReused(key.to_owned()));
            }
            return Ok(BulkBegun { view: view(&mut tx, known).await?, repeated: true });
        }
        let included = ask.cases.iter().filter(|(_, why)| why.is_none()).count();
        if included == 0 || ask.cases.len() > CASES_MAX {
            let what = if included == 0 {
                "no case is left to recover".into()
            } else {
                format!("more than {CASES_MAX} cases")
            };
            return Err(DeskError::BadBulk(what));
        }
        let waits = self.catalogue.bulk.needs_second_person(ask.action, included);
        let new = NewBulk {
            id: Uuid::now_v7(),
            tenant: ask.tenant,
            action: ask.action,
            reason,
            requested_by: ask.principal,
            idempotency_key: key,
            content_hash: &hash,
            selection: ask.selection,
            pace,
            state: if waits { BulkState::AwaitingApproval } else { BulkState::Running },
            approval_s: waits.then(|| self.catalogue.approval_valid_s()),
        };
        bulks::insert(&mut tx, &new).await?;
        if !bulks::insert_cases(&mut tx, new.id, ask.tenant, ask.cases).await? {
            return Err(DeskError::BadBulk("a case is named twice, or is not of this tenant".into()));
        }
        let bulk = bulks::held(&mut tx, new.id).await?;
        bulks::note(&mut tx, &bulk, "request", Some(ask.principal), Some(reason)).await?;
        let view = view(&mut tx, bulk).await?;
        tx.commit().await?;
        Ok(BulkBegun { view, repeated: false })
    }

    /// Pause, resume, stop; said again it changes nothing.
    pub async fn control_bulk(
        &self,
        tenant: &str,
        principal: &str,
        number: BulkNumber,
        event: BulkEvent,
        reason: &str,
    ) -> Result<BulkView, DeskError> {
        let reason = text("the reason", reason)?;
        let (mut tx, bulk) = self.held_bulk(tenant, number).await?;
        let stands = matches!(
            (bulk.state, event),
            (BulkState::Paused, BulkEvent::Paused)
                | (BulkState::Running, BulkEvent::Resumed)
                | (BulkState::Stopped, BulkEvent::Stopped)
        );
        if bulk.requested_by != principal {
            self.may(&mut tx, tenant, principal, Authority::AssignCase, At::Tenant).await?;
        }
        if !stands {
            moved(&mut tx, &bulk, event, Some((principal, reason))).await?;
        }
        let bulk = bulks::held(&mut tx, bulk.id).await?;
        let view = view(&mut tx, bulk).await?;
        tx.commit().await?;
        Ok(view)
    }

    /// A second person agrees to exactly these cases, or does not; a requester takes it back so as well.
    pub async fn decide_bulk(
        &self,
        tenant: &str,
        principal: &str,
        number: BulkNumber,
        agrees: bool,
        reason: &str,
    ) -> Result<BulkView, DeskError> {
        let reason = text("the reason", reason)?;
        let (mut tx, bulk) = self.held_bulk(tenant, number).await?;
        if agrees {
            let state = match bulk.state {
                BulkState::AwaitingApproval => ApprovalState::Requested,
                BulkState::NotApproved => ApprovalState::Refused,
                _ => ApprovalState::Granted,
            };
            let now = tx.now().await?;
            let (is, requester_is) =
                (persons(&mut tx, tenant, principal).await?, persons(&mut tx, tenant, &bulk.requested_by).await?);
            let request = Request {
                state,
                requester: &bulk.requested_by,
                requester_is: &requester_is,
                command_hash: &bulk.content_hash,
                case_version: 0,
                expires_at: bulk.approval_until.unwrap_or(now),
            };
            let by = Deciding { principal, is: &is, command_hash: &bulk.content_hash, case_version: 0, now };
            may_grant(&request, &by).map_err(NotRecovered::from)?;
        }
        // Whoever asked for it may take it back.
        if agrees || principal != bulk.requested_by {
            let right = bulk.action.declaration().authority;
            self.may_agree(&mut tx, tenant, principal, right, At::Tenant).await?;
        }
        let event = if agrees { BulkEvent::Approved } else { BulkEvent::NotApproved };
        moved(&mut tx, &bulk, event, Some((principal, reason))).await?;
        let bulk = bulks::held(&mut tx, bulk.id).await?;
        let view = view(&mut tx, bulk).await?;
        tx.commit().await?;
        Ok(view)
    }

    pub async fn bulks(&self, tenant: &str, limit: i64) -> Result<Vec<BulkView>, DeskError> {
        let tx = self.tenant(tenant).await?;
        let mut tx = self.visible(tx, tenant, At::Tenant).await?;
        let mut views = Vec::new();
        for bulk in bulks::list(&mut tx, tenant, limit).await? {
            views.push(view(&mut tx, bulk).await?);
        }
        Ok(views)
    }

    pub async fn bulk_view(&self, tenant: &str, number: BulkNumber) -> Result<BulkView, DeskError> {
        let tx = self.tenant(tenant).await?;
        let mut tx = self.visible(tx, tenant, At::Tenant).await?;
        let bulk = bulks::by_number(&mut tx, tenant, number).await?.ok_or(DeskError::NoSuchBulk(number))?;
        view(&mut tx, bulk).await
    }

    /// Its cases in their order, after a place that counts from 0.
    pub async fn bulk_cases(
        &self,
        tenant: &str,
        number: BulkNumber,
        after: i32,
        limit: i64,
    ) -> Result<Vec<CaseOfBulk>, DeskError> {
        let tx = self.tenant(tenant).await?;
        let mut tx = self.visible(tx, tenant, At::Tenant).await?;
        let bulk = bulks::by_number(&mut tx, tenant, number).await?.ok_or(DeskError::NoSuchBulk(number))?;
        Ok(bulks::cases(&mut tx, bulk.id, after, limit).await?)
    }

    async fn held_bulk(&self, tenant: &str, number: BulkNumber) -> Result<(Tx, Bulk), DeskError> {
        let mut tx = self.tenant(tenant).await?;
        let bulk = bulks::by_number(&mut tx, tenant, number).await?.ok_or(DeskError::NoSuchBulk(number))?;
        let bulk = bulks::held(&mut tx, bulk.id).await?;
        Ok((tx, bulk))
    }

    /// For their controller.
    pub async fn bulks_at_work(&self) -> Result<Vec<Uuid>, DeskError> {
        let mut tx = self.system("bulk").await?;
        Ok(bulks::at_work(&mut tx).await?)
    }

    /// Takes the results of what was begun, and what follows for the bulk; then the next cases whose turn it is. Nothing when
    /// another process is at it.
    pub async fn turn_of_bulk(&self, id: Uuid, most: u32) -> Result<(u64, Option<Turn>), DeskError> {
        let mut tx = self.system("bulk").await?;
        let Some(bulk) = bulks::held_if_free(&mut tx, id).await? else { return Ok((0, None)) };
        let collected = bulks::collect(&mut tx, id).await?;
        let mut done = bulks::settle_left_behind(&mut tx, &bulk).await? + collected;
        let event = self.owed(&mut tx, &bulk, collected > 0).await?;
        if let Some((event, why)) = event {
            done += 1;
            moved(&mut tx, &bulk, event, None).await?;
            tracing::info!(bulk = %bulk.number, "{event}: {why}");
        }
        let cases = match (bulk.state, event) {
            (BulkState::Running, None) => begin(&mut tx, &bulk, most).await?,
            _ => Vec::new(),
        };
        tx.commit().await?;
        Ok((done, (!cases.is_empty()).then_some(Turn { bulk, cases })))
    }

    /// What it does by itself as it stands now; only new results can make it halt.
    async fn owed(&self, tx: &mut Tx, bulk: &Bulk, news: bool) -> Result<Option<(BulkEvent, &'static str)>, DeskError> {
        Ok(match bulk.state {
            BulkState::AwaitingApproval if bulk.approval_until.is_some_and(|until| until <= bulk.read_at) => {
                Some((BulkEvent::NotApproved, NOT_IN_TIME))
            }
            BulkState::Running | BulkState::Paused | BulkState::Halted
                if !bulks::has_open_cases(tx, bulk.id).await? =>
            {
                Some((BulkEvent::Finished, "each of its cases has its result"))
            }
            BulkState::Running if news && self.catalogue.bulk.halts(&bulk.pace, bulks::ended(tx, bulk.id).await?) => {
                Some((BulkEvent::Halted, "too many of its recoveries failed"))
            }
            _ => None,
        })
    }

    /// Gives the command of one of its cases. By its key it is given once, whoever asks and however often.
    pub async fn give_of_bulk(&self, bulk: &Bulk, case: CaseNumber) -> Result<Given, DeskError> {
        let key = bulks::key(bulk.id, case);
        let command = command_of(case, bulk.action, &bulk.reason, &bulk.requested_by, &key);
        let taken = match self.command(&bulk.tenant, &bulk.requested_by, &command).await {
            Ok(taken) => taken,
            Err(DeskError::Away(e)) => return Err(DeskError::Away(e)),
            Err(refused) => return Ok(Given::Refused(refused.to_string())),
        };
        self.agreed_with_the_bulk(bulk, &taken).await?;
        Ok(Given::Recovering(taken.action))
    }

    /// Whoever agreed to the bulk agreed to the command of each of its cases.
    async fn agreed_with_the_bulk(&self, bulk: &Bulk, taken: &Taken) -> Result<(), DeskError> {
        let (Some(approval), Some(approver), false) = (taken.approval, &bulk.approver, taken.repeated) else {
            return Ok(());
        };
        let reason = format!("with {}", bulk.number);
        match self.approve(&bulk.tenant, approver, approval, &reason).await {
            Err(DeskError::Away(e)) => Err(DeskError::Away(e)),
            // It waits for another second person then, or expires; the bulk shows what came of it.
            _ => Ok(()),
        }
    }

    pub async fn given_of_bulk(&self, bulk: Uuid, all: &[(CaseId, Given)]) -> Result<(), DeskError> {
        let mut tx = self.system("bulk").await?;
        bulks::given(&mut tx, bulk, all).await?;
        Ok(tx.commit().await?)
    }
}

/// As many as its pace allows now.
async fn begin(tx: &mut Tx, bulk: &Bulk, most: u32) -> Result<Vec<TakenCase>, DeskError> {
    let under_way = u32::try_from(bulks::under_way(tx, bulk.id).await?).unwrap_or(u32::MAX);
    let (allowed, filled) = bulk.pace.allows(bulk.tokens, under_way, bulk.read_at);
    let allowed = allowed.min(most);
    if allowed == 0 {
        return Ok(Vec::new());
    }
    let cases = bulks::take(tx, bulk.id, LEASE_S, i64::from(allowed)).await?;
    if bulk.pace.per_second > 0 {
        let left = (filled - cases.len() as f64).max(0.0);
        bulks::set_tokens(tx, bulk.id, fallout_core::bulk::Tokens { left, at: bulk.read_at }).await?;
    }
    Ok(cases)
}

/// The state that follows, with its entry; without a person the program did it.
async fn moved(tx: &mut Tx, bulk: &Bulk, event: BulkEvent, said: Option<(&str, &str)>) -> Result<(), DeskError> {
    let state = next(bulk.state, event)?;
    let decider = said.map(|(who, _)| who).filter(|_| matches!(event, BulkEvent::Approved | BulkEvent::NotApproved));
    bulks::set_state(tx, bulk.id, state, decider).await?;
    let (who, why) = said.map_or((None, None), |(who, why)| (Some(who), Some(why)));
    Ok(bulks::note(tx, bulk, event.word(), who, why).await?)
}

async fn view(tx: &mut Tx, bulk: Bulk) -> Result<BulkView, DeskError> {
    let cases = bulks::counts(tx, bulk.id).await?;
    let history = bulks::entries(tx, bulk.id).await?;
    Ok(BulkView { bulk, cases, history })
}

pub(crate) fn command_of(case: CaseNumber, action: Action, reason: &str, by: &str, key: &str) -> RecoveryCommand {
    RecoveryCommand {
        idempotency_key: key.to_owned(),
        fallout_case_id: case.to_string(),
        action: action.word().to_owned(),
        reason: reason.to_owned(),
        requested_by: by.to_owned(),
        ..Default::default()
    }
}

/// Of what is asked for, whatever the order of its cases.
fn hash(ask: &BulkCommand<'_>, pace: &Pace) -> String {
    let mut cases: Vec<String> =
        ask.cases.iter().filter(|(_, why)| why.is_none()).map(|(case, _)| case.to_string()).collect();
    cases.sort();
    let content = json!(["v1", ask.action, ask.reason.trim(), ask.principal, pace, cases]);
    Sha256::digest(content.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}
