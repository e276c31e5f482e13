//! The bytes of the chain, and what a walk along it finds. Pure: rows in, findings out. docs/AUDIT.md writes the same down
//! for whoever checks without this program.

use std::collections::{BTreeMap, BTreeSet};

use fallout_store::{
    audit::{Entry, Seal},
    outbox::Place,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Anchor, Finding, Tampering, Verified, hex};

/// Before the first seal.
pub(super) const NOTHING: [u8; 32] = [0; 32];

/// Who did it, why, and with what stand in it as hashes only: they may name people.
pub(super) fn digest(entry: &Entry) -> [u8; 32] {
    let hidden = |text: &Option<String>| text.as_ref().map(|t| hex(&Sha256::digest(t)));
    let bytes = json!([
        "fallout entry 1",
        entry.tenant,
        entry.about,
        entry.event_type,
        entry.actor_type,
        hidden(&entry.actor),
        hidden(&entry.reason),
        hidden(&entry.payload),
        entry.at.timestamp_micros(),
    ]);
    Sha256::digest(bytes.to_string()).into()
}

fn head(tenant: &str, seal: &Seal) -> [u8; 32] {
    let entries: Vec<String> =
        seal.entries.iter().zip(seal.digests.chunks(32)).map(|(id, digest)| format!("{id} {}", hex(digest))).collect();
    let Place { tx, position } = seal.up_to;
    let bytes = json!(["fallout seal 1", tenant, seal.seq, tx, position, hex(&seal.previous), entries]);
    Sha256::digest(bytes.to_string()).into()
}

/// The seal over these entries, after `last`.
pub(super) fn seal(tenant: &str, last: Option<&Seal>, entries: &[Entry]) -> Option<Seal> {
    let mut seal = Seal {
        seq: last.map_or(0, |s| s.seq) + 1,
        up_to: entries.last()?.place,
        entries: entries.iter().map(|e| e.id).collect(),
        digests: entries.iter().flat_map(digest).collect(),
        previous: last.map_or(NOTHING.to_vec(), |s| s.head.clone()),
        head: Vec::new(),
    };
    seal.head = head(tenant, &seal).to_vec();
    Some(seal)
}

/// A walk along one tenant's chain, seal by seal.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    tenant: &'a str,
    anchors: BTreeMap<i64, BTreeSet<&'a str>>,
    pub seq: i64,
    pub up_to: Place,
    head: Vec<u8>,
    entries: usize,
    findings: Vec<Finding>,
}

impl<'a> Walk<'a> {
    pub fn new(tenant: &'a str, anchors: &'a [Anchor]) -> Self {
        let mut of_tenant: BTreeMap<i64, BTreeSet<&str>> = BTreeMap::new();
        for anchor in anchors.iter().filter(|a| a.tenant == tenant) {
            of_tenant.entry(anchor.seq).or_default().insert(&anchor.head);
        }
        let (head, up_to) = (NOTHING.to_vec(), Place::default());
        Walk { tenant, anchors: of_tenant, seq: 0, up_to, head, entries: 0, findings: Vec::new() }
    }

    /// One seal, its entries as they stand now, and those that slipped in between.
    pub fn take(&mut self, seal: &Seal, now: &[Entry], slipped_in: Vec<Uuid>) {
        if seal.seq != self.seq + 1 {
            self.found(self.seq + 1, Tampering::SealDeleted, Vec::new());
        } else if seal.previous != self.head || head(self.tenant, seal)[..] != seal.head[..] {
            self.found(seal.seq, Tampering::SealChanged, Vec::new());
        }
        if self.anchors.remove(&seal.seq).is_some_and(|heads| heads.iter().any(|said| *said != hex(&seal.head))) {
            self.found(seal.seq, Tampering::Rewritten, Vec::new());
        }
        self.compare(seal, now);
        if !slipped_in.is_empty() {
            self.found(seal.seq, Tampering::Added, slipped_in);
        }
        (self.seq, self.up_to, self.head) = (seal.seq, seal.up_to, seal.head.clone());
        self.entries += seal.entries.len();
    }

    fn compare(&mut self, seal: &Seal, now: &[Entry]) {
        let now: BTreeMap<Uuid, [u8; 32]> = now.iter().map(|e| (e.id, digest(e))).collect();
        let sealed: BTreeMap<Uuid, &[u8]> = seal.entries.iter().copied().zip(seal.digests.chunks(32)).collect();
        for id in &seal.entries {
            match now.get(id) {
                None => self.found(seal.seq, Tampering::Deleted, vec![*id]),
                Some(stands) if stands[..] != *sealed[id] => {
                    // What one entry says now another one said when it was sealed.
                    let other =
                        sealed.iter().find(|(other, said)| *other != id && stands[..] == ***said).map(|(o, _)| *o);
                    let swapped = other.filter(|o| now.get(o).is_some_and(|there| there[..] == *sealed[id]));
                    match swapped {
                        // Told once, by the smaller id.
                        Some(other) if other < *id => {}
                        Some(other) => self.found(seal.seq, Tampering::Swapped, vec![*id, other]),
                        None => self.found(seal.seq, Tampering::Edited, vec![*id]),
                    }
                }
                Some(_) => {}
            }
        }
    }

    fn found(&mut self, seal: i64, what: Tampering, entries: Vec<Uuid>) {
        self.findings.push(Finding { seal, what, entries });
    }

    /// Anchors that no seal met are beyond the end of the chain, or in a gap that was told already.
    pub fn end(mut self, unsealed: i64) -> Verified {
        if self.anchors.keys().any(|seq| *seq > self.seq) {
            self.found(self.seq + 1, Tampering::CutOff, Vec::new());
        }
        Verified {
            tenant: self.tenant.to_owned(),
            seals: self.seq,
            entries: self.entries,
            unsealed,
            findings: self.findings,
        }
    }
}
