//! One command for many cases: each in a transaction of its own, so that what one refuses does not undo the others.

use fallout_core::{case::CaseEvent, ids::CaseNumber, people::text};
use fallout_store::cases;
use serde_json::json;

use crate::{
    Assignment, Desk, DeskError, Wait,
    case_command::{CaseCommand, Entry, Stands, goes, told},
};

/// What is done to each of the cases.
#[derive(Clone, Copy, Debug)]
pub enum Bulk<'a> {
    Assign(Assignment<'a>),
    Classify { code: &'a str, reason: &'a str },
    Note { text: &'a str },
    Wait(Wait<'a>),
    Link { original: CaseNumber, reason: &'a str },
}

impl Desk {
    /// One of the cases. A second time changes nothing: a note is known by `key`, everything else by how the case stands.
    pub async fn bulk(&self, ask: &CaseCommand<'_>, what: &Bulk<'_>, key: &str) -> Result<Stands, DeskError> {
        match what {
            Bulk::Assign(to) => self.assign(ask, to).await,
            Bulk::Classify { code, reason } => self.classify(ask, code, reason).await,
            Bulk::Note { text } => self.note_once(ask, text, key).await,
            Bulk::Wait(wait) => self.wait(ask, wait).await,
            Bulk::Link { original, reason } => self.link(ask, *original, reason).await,
        }
    }

    async fn note_once(&self, ask: &CaseCommand<'_>, note: &str, key: &str) -> Result<Stands, DeskError> {
        let note = text("the note", note)?;
        let key = text("the idempotency key", key)?;
        let (mut tx, case) = self.held(ask).await?;
        if cases::has_noted(&mut tx, case.id, key).await? {
            return Ok(Stands::already(&case));
        }
        goes(&case, CaseEvent::Noted)?;
        let payload = json!({ "key": key });
        told(&mut tx, &case, &Entry { by: ask.principal, event: CaseEvent::Noted, reason: Some(note), payload })
            .await?;
        tx.commit().await?;
        Ok(Stands { case: case.number, state: case.state, version: case.version, already: false })
    }
}
