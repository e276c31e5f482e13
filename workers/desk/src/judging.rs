//! What people know better than the program: the classification of a case, and notes.

use fallout_core::{case::CaseEvent, people::text};
use fallout_store::cases::{self, Classified};
use serde_json::{Value, json};

use crate::{
    Desk, DeskError,
    case_command::{CaseCommand, Entry, Stands, goes, told, written},
    placing::also_called,
};

impl Desk {
    /// Owner, clock and severity follow the classification. What was found stays as it was said.
    pub async fn classify(&self, ask: &CaseCommand<'_>, code: &str, reason: &str) -> Result<Stands, DeskError> {
        let reason = text("the reason", reason)?;
        let taxonomy = self.taxonomy(ask.tenant);
        let unknown = || DeskError::UnknownClassification(code.chars().take(CODE_SHOWN).collect());
        let known = taxonomy.classification(code).ok_or_else(unknown)?;
        let category = taxonomy.category_of(code).ok_or_else(unknown)?;
        let (mut tx, mut case) = self.held(ask).await?;
        let state = goes(&case, CaseEvent::Classified)?;
        if case.classification == known.code {
            return Ok(Stands::already(&case));
        }
        let recommended = taxonomy.recommended(code);
        let new = Classified { category: &category.code, classification: &known.code, recommended, state };
        cases::classify(&mut tx, &case, &new).await?;
        let from = std::mem::replace(&mut case.classification, known.code.clone());
        let payload = json!({
            "from": from, "to": known.code, "category": category.code, "group": category.owner_group,
            "taxonomy": taxonomy.label(),
        });
        let entry = Entry { by: ask.into(), event: CaseEvent::Classified, reason: Some(reason), payload };
        written(&mut tx, &mut case, &entry, state).await?;
        also_called(&mut tx, &case, code).await?;
        self.follow_group(&mut tx, &mut case, &category.owner_group).await?;
        self.rederive(&mut tx, &mut case).await?;
        tx.commit().await?;
        Ok(Stands { case: case.number, state: case.state, version: case.version, already: false })
    }

    /// Kept on the timeline, of a case that is over too: what is learnt afterwards belongs there.
    pub async fn note(&self, ask: &CaseCommand<'_>, note: &str) -> Result<Stands, DeskError> {
        let note = text("the note", note)?;
        let (mut tx, case) = self.held(ask).await?;
        goes(&case, CaseEvent::Noted)?;
        let entry = Entry { by: ask.into(), event: CaseEvent::Noted, reason: Some(note), payload: Value::Null };
        told(&mut tx, &case, &entry).await?;
        tx.commit().await?;
        Ok(Stands { case: case.number, state: case.state, version: case.version, already: false })
    }
}

/// An unknown code is said back, but not a page of it.
const CODE_SHOWN: usize = 64;
