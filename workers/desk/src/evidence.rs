//! Evidence of what was done outside: files of a case, kept with their hash, and never more than people can look through.

use fallout_core::{ids::CaseNumber, people};
use fallout_store::{
    Tx,
    cases::{self, Case},
    evidence::{self, EvidenceLine, NewEvidence},
};
use sha2::{Digest, Sha256};

use crate::{
    Desk, DeskError,
    audit::hex,
    authority::At,
    case_command::{CaseCommand, Entry, told},
};
use fallout_core::case::CaseEvent;

/// A scan, a screen, a mail: what is larger belongs where it is kept, and its reference here.
pub const EVIDENCE_BYTES_MAX: usize = 1024 * 1024;
/// Of one case; together at most as much as a mail takes.
pub const EVIDENCE_FILES_MAX: usize = 20;

/// A file as it is given.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    pub name: &'a str,
    pub media_type: &'a str,
    pub content: &'a [u8],
}

/// Why a file is not taken, or not given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEvidence {
    #[error("the file is empty")]
    Empty,
    #[error("the file has {0} bytes, more than {EVIDENCE_BYTES_MAX}; keep it where it is and give its reference")]
    TooLarge(usize),
    #[error("case {0} has {EVIDENCE_FILES_MAX} files already; keep more where they are and give a reference")]
    TooMany(CaseNumber),
    #[error("\"{0}\" is no media type; they look like application/pdf")]
    NotAType(String),
    #[error("case {case} has no evidence {hash}; fallout case evidence list {case} shows what it has")]
    NotThere { case: CaseNumber, hash: String },
    #[error("evidence {0} of the case begins several hashes; give more of it")]
    Several(String),
    #[error("the content of evidence {0} was erased with the personal data of its order")]
    Erased(String),
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Kept {
    pub case: CaseNumber,
    pub sha256: String,
    /// The case had it.
    pub already: bool,
}

impl Desk {
    /// Keeps a file with a case, also with one that is over; the same file again changes nothing.
    pub async fn add_evidence(&self, ask: &CaseCommand<'_>, file: &File<'_>) -> Result<Kept, DeskError> {
        let name = people::name("the file's name", file.name)?;
        check(file)?;
        let sha256 = hex(&Sha256::digest(file.content));
        let (mut tx, case) = self.held(ask).await?;
        let has = evidence::of_case(&mut tx, case.id).await?;
        if has.iter().any(|line| line.sha256 == sha256) {
            return Ok(Kept { case: case.number, sha256, already: true });
        }
        if has.len() >= EVIDENCE_FILES_MAX {
            return Err(NoEvidence::TooMany(case.number).into());
        }
        let (media_type, content, by) = (file.media_type, file.content, ask.principal);
        let new = NewEvidence { id: uuid::Uuid::now_v7(), name, media_type, sha256: &sha256, content, by };
        evidence::add(&mut tx, &case.tenant, case.id, &new).await?;
        let payload = serde_json::json!({ "evidence": sha256, "bytes": content.len(), "mediaType": media_type });
        let said = format!("evidence added: {name}");
        told(&mut tx, &case, &Entry { by: ask.into(), event: CaseEvent::Noted, reason: Some(&said), payload }).await?;
        tx.commit().await?;
        Ok(Kept { case: case.number, sha256, already: false })
    }

    pub async fn evidence(&self, tenant: &str, number: CaseNumber) -> Result<Vec<EvidenceLine>, DeskError> {
        let mut tx = self.tenant(tenant).await?;
        let case = cases::by_number(&mut tx, tenant, number).await?.ok_or(DeskError::NoSuchCase(number))?;
        tx = self.visible(tx, tenant, At::Case(case.id, &number.to_string())).await?;
        Ok(evidence::of_case(&mut tx, case.id).await?)
    }

    /// A file by its hash, or by how that begins; its bytes are those that the hash was made of.
    pub async fn evidence_file(
        &self,
        tenant: &str,
        number: CaseNumber,
        hash: &str,
    ) -> Result<(EvidenceLine, Vec<u8>), DeskError> {
        let mut tx = self.tenant(tenant).await?;
        let case = cases::by_number(&mut tx, tenant, number).await?.ok_or(DeskError::NoSuchCase(number))?;
        tx = self.visible(tx, tenant, At::Case(case.id, &number.to_string())).await?;
        let line = named(&mut tx, &case, hash).await?;
        let content = evidence::content(&mut tx, case.id, &line.sha256).await?;
        let content = content.ok_or_else(|| NoEvidence::Erased(line.sha256.clone()))?;
        Ok((line, content))
    }
}

/// The evidence of a case that a hash, or the beginning of one, means.
pub(crate) async fn named(tx: &mut Tx, case: &Case, hash: &str) -> Result<EvidenceLine, DeskError> {
    let mut found = evidence::of_case(tx, case.id).await?;
    found.retain(|line| !hash.is_empty() && line.sha256.starts_with(hash));
    match (found.pop(), found.is_empty()) {
        (Some(line), true) => Ok(line),
        (Some(_), false) => Err(NoEvidence::Several(hash.to_owned()).into()),
        (None, _) => Err(NoEvidence::NotThere { case: case.number, hash: hash.to_owned() }.into()),
    }
}

fn check(file: &File<'_>) -> Result<(), NoEvidence> {
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let typed = file.media_type.split_once('/').is_some_and(|(kind, sub)| plain(kind) && plain(sub));
    match file.content.len() {
        0 => Err(NoEvidence::Empty),
        bytes if bytes > EVIDENCE_BYTES_MAX => Err(NoEvidence::TooLarge(bytes)),
        _ if !typed || file.media_type.len() > 100 => Err(NoEvidence::NotAType(file.media_type.to_owned())),
        _ => Ok(()),
    }
}
