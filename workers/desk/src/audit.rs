//! Whether the history is still what was written: sealing it into a chain of hashes per tenant, heads for keeping outside,
//! and the check of both.

mod chain;

use std::fmt;

use fallout_store::{audit, outbox::Place};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Desk, DeskError};

/// Entries in one seal: some milliseconds of hashing, and what one finding narrows down to when a seal itself is gone.
const ENTRIES: i64 = 500;
/// Seals checked in one transaction: a long one would hold back every reader that stays below the oldest running one.
const SEALS: i64 = 20;
/// Named when entries were put in afterwards; more would not help anyone.
const NAMED: i64 = 20;

/// A head to be kept where the database's owner cannot write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    pub tenant: String,
    pub seq: i64,
    /// In hexadecimal.
    pub head: String,
}

/// What was done to the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tampering {
    /// An entry does not say what it said when it was sealed.
    Edited,
    Deleted,
    /// Two entries say what the other one said.
    Swapped,
    /// An entry stands between sealed ones that no seal covers.
    Added,
    /// A seal does not follow from what it covers and the seal before.
    SealChanged,
    SealDeleted,
    /// A seal has another head than the anchor that was exported from it.
    Rewritten,
    /// An anchor is beyond the end of the chain.
    CutOff,
}

impl fmt::Display for Tampering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tampering::Edited => "edited",
            Tampering::Deleted => "deleted",
            Tampering::Swapped => "swapped with each other",
            Tampering::Added => "put in afterwards",
            Tampering::SealChanged => "the seal was changed",
            Tampering::SealDeleted => "the seal was deleted",
            Tampering::Rewritten => "the chain was written anew: another head than its anchor",
            Tampering::CutOff => "the end was cut off: an anchor knows of more",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub seal: i64,
    pub what: Tampering,
    /// Ids in `fallout_event`; none when it is about the seal.
    pub entries: Vec<Uuid>,
}

/// What the check of one tenant's history says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    pub tenant: String,
    /// The number of the last seal.
    pub seals: i64,
    pub entries: usize,
    /// Written since, and not proven by anything yet.
    pub unsealed: i64,
    pub findings: Vec<Finding>,
}

impl Desk {
    /// Everyone who has a history.
    pub async fn audited_tenants(&self) -> Result<Vec<String>, DeskError> {
        let mut tx = self.system("audit").await?;
        let tenants = audit::tenants(&mut tx).await?;
        tx.commit().await?;
        Ok(tenants)
    }

    /// As many entries as one seal takes: there may be more.
    pub const FULL_SEAL: usize = ENTRIES as usize;

    /// Seals what was written since the last seal, at most one seal's worth; the number of entries.
    pub async fn seal(&self, tenant: &str) -> Result<usize, DeskError> {
        let mut tx = self.system("seal").await?;
        let last = audit::last_seal(&mut tx, tenant).await?;
        let from = last.as_ref().map_or(Place::default(), |s| s.up_to);
        let entries = audit::unsealed(&mut tx, tenant, from, ENTRIES).await?;
        let Some(seal) = chain::seal(tenant, last.as_ref(), &entries) else { return Ok(0) };
        // Another process sealed the same: it goes on from there.
        let is_ours = audit::insert_seal(&mut tx, tenant, &seal).await?;
        tx.commit().await?;
        Ok(if is_ours { entries.len() } else { 0 })
    }

    /// The present head of every chain.
    pub async fn heads(&self) -> Result<Vec<Anchor>, DeskError> {
        let mut tx = self.system("audit").await?;
        let mut heads = Vec::new();
        for tenant in audit::tenants(&mut tx).await? {
            if let Some(seal) = audit::last_seal(&mut tx, &tenant).await? {
                heads.push(Anchor { tenant, seq: seal.seq, head: hex(&seal.head) });
            }
        }
        tx.commit().await?;
        Ok(heads)
    }

    /// Walks one tenant's chain and compares it with its entries and with heads that were kept outside.
    pub async fn verify_history(&self, tenant: &str, anchors: &[Anchor]) -> Result<Verified, DeskError> {
        let mut walk = chain::Walk::new(tenant, anchors);
        loop {
            let mut tx = self.system("audit").await?;
            let seals = audit::seals(&mut tx, tenant, walk.seq, SEALS).await?;
            for seal in &seals {
                let now = audit::entries(&mut tx, &seal.entries).await?;
                let slipped_in = audit::slipped_in(&mut tx, tenant, walk.up_to, seal, NAMED).await?;
                walk.take(seal, &now, slipped_in);
            }
            if seals.is_empty() {
                let unsealed = audit::count_unsealed(&mut tx, tenant, walk.up_to).await?;
                tx.commit().await?;
                return Ok(walk.end(unsealed));
            }
            tx.commit().await?;
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
