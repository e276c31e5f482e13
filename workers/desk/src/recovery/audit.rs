//! One row per request, whatever its answer: accepted ones in the transaction that acts, refused ones after it was rolled back.

use fallout_core::{action::command::RecoveryCommand, ids::ActionId};
use fallout_store::{
    Tx,
    requests::{self, NewRequest},
};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{ask::Ask, refused::name};
use crate::{Desk, DeskError, authority::At};

/// What is kept of what somebody typed; a refused command may hold anything.
const KEPT_CHARS: usize = 1_000;

pub(super) struct Asked<'a> {
    pub tenant: &'a str,
    pub kind: &'static str,
    pub principal: &'a str,
    pub requested_by: &'a str,
    pub case: String,
    pub action: String,
    pub reason: &'a str,
    pub key: &'a str,
    hash: String,
}

impl<'a> Asked<'a> {
    pub fn recovery(tenant: &'a str, principal: &'a str, command: &'a RecoveryCommand) -> Asked<'a> {
        Asked {
            tenant,
            kind: "recover",
            principal,
            requested_by: &command.requested_by,
            case: command.fallout_case_id.clone(),
            action: command.action.clone(),
            reason: &command.reason,
            key: &command.idempotency_key,
            hash: digest(&json!(command).to_string()),
        }
    }

    /// About an action or approval that exists, or is said to.
    pub fn about(
        tenant: &'a str,
        kind: &'static str,
        principal: &'a str,
        case: String,
        what: String,
        reason: &'a str,
    ) -> Asked<'a> {
        let hash = digest(&json!([kind, what, reason]).to_string());
        Asked { tenant, kind, principal, requested_by: principal, case, action: what, reason, key: "", hash }
    }

    fn kept(&self) -> Kept {
        Kept {
            requested_by: cut(self.requested_by),
            case: cut(&self.case),
            action: cut(&self.action),
            reason: cut(self.reason),
            key: cut(self.key),
            hash: self.hash.clone(),
            tenant: self.tenant.to_owned(),
            principal: self.principal.to_owned(),
        }
    }
}

/// As it is stored.
pub(crate) struct Kept {
    requested_by: String,
    case: String,
    action: String,
    reason: String,
    key: String,
    hash: String,
    tenant: String,
    principal: String,
}

impl Kept {
    /// Of a command that is given in a bulk.
    pub fn of(ask: &Ask<'_>) -> Kept {
        Asked::recovery(ask.tenant, ask.principal, &ask.command).kept()
    }
}

/// The row of one that is accepted with many others.
pub(crate) fn request_of(kept: &Kept, action: ActionId) -> NewRequest<'_> {
    NewRequest { action_id: Some(action), ..row(kept, "recover", "accepted") }
}

fn row<'a>(kept: &'a Kept, kind: &'a str, answer: &'a str) -> NewRequest<'a> {
    NewRequest {
        id: uuid::Uuid::now_v7(),
        tenant: &kept.tenant,
        kind,
        principal: &kept.principal,
        requested_by: &kept.requested_by,
        case: &kept.case,
        action: &kept.action,
        reason: &kept.reason,
        idempotency_key: &kept.key,
        content_hash: &kept.hash,
        answer,
        refusal: None,
        action_id: None,
    }
}

/// Postgres takes no zero byte in a text.
fn cut(text: &str) -> String {
    text.chars().map(|c| if c == '\0' { '\u{fffd}' } else { c }).take(KEPT_CHARS).collect()
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) async fn accepted(
    tx: &mut Tx,
    asked: &Asked<'_>,
    action: ActionId,
    repeated: bool,
) -> Result<(), DeskError> {
    let kept = asked.kept();
    let answer = if repeated { "repeated" } else { "accepted" };
    let row = NewRequest { action_id: Some(action), ..row(&kept, asked.kind, answer) };
    Ok(requests::insert(tx, &row).await?)
}

impl Desk {
    /// Passes the answer on; a refusal is written down first.
    pub(super) async fn audited<T>(&self, asked: &Asked<'_>, answer: Result<T, DeskError>) -> Result<T, DeskError> {
        let refusal = match &answer {
            Ok(_) => None,
            Err(e) => name(e).map(|name| (name, e.to_string())),
        };
        if let Some((name, message)) = refusal {
            let (kept, message) = (asked.kept(), cut(&message));
            let row = NewRequest { refusal: Some((name, &message)), ..row(&kept, asked.kind, "refused") };
            let mut tx = self.tenant(asked.tenant).await?;
            requests::insert(&mut tx, &row).await?;
            tx.commit().await?;
        }
        answer
    }

    /// The latest requests about a case, newest first.
    pub async fn requests(
        &self,
        tenant: &str,
        case: fallout_core::ids::CaseNumber,
        limit: i64,
    ) -> Result<Vec<requests::RequestLine>, DeskError> {
        let mut tx = self.tenant(tenant).await?;
        if let Some(found) = fallout_store::cases::by_number(&mut tx, tenant, case).await? {
            tx = self.visible(tx, tenant, At::Case(found.id, &case.to_string())).await?;
        }
        Ok(requests::of_case(&mut tx, tenant, &case.to_string(), limit).await?)
    }
}
