//! What every command of a person about a case shares: who, which case, as of which version, and the answer.

use fallout_core::{
    action::catalogue::Authority,
    case::{CaseEvent, CaseState, next},
    ids::CaseNumber,
};
use fallout_store::{
    Tx,
    cases::{self, Actor, Case},
};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{Desk, DeskError, authority::At, sla::hold};

/// A person's command about one case.
#[derive(Clone, Copy, Debug)]
pub struct CaseCommand<'a> {
    pub tenant: &'a str,
    /// Who is authenticated.
    pub principal: &'a str,
    pub case: CaseNumber,
    /// The version that the person saw; another one is refused.
    pub if_version: Option<i32>,
    /// With this key it is done to the case once; its entry keeps the key.
    pub key: Option<&'a str>,
}

/// How the case stands after a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stands {
    pub case: CaseNumber,
    pub state: CaseState,
    pub version: i32,
    /// It stood like that before; nothing was written.
    pub already: bool,
}

impl Stands {
    pub(crate) fn already(case: &Case) -> Stands {
        Stands { case: case.number, state: case.state, version: case.version, already: true }
    }
}

impl Desk {
    /// The case, ours until the transaction ends. A case of a step changes only under its step's lock.
    pub(crate) async fn held(&self, ask: &CaseCommand<'_>) -> Result<(Tx, Case), DeskError> {
        self.held_for(ask, Authority::WorkCase).await
    }

    /// The same for what takes a right of its own.
    pub(crate) async fn held_for(&self, ask: &CaseCommand<'_>, right: Authority) -> Result<(Tx, Case), DeskError> {
        let mut tx = self.tenant(ask.tenant).await?;
        let found = cases::by_number(&mut tx, ask.tenant, ask.case).await?.ok_or(DeskError::NoSuchCase(ask.case))?;
        hold(&mut tx, &found).await?;
        let case = cases::held(&mut tx, found.id).await?;
        let number = case.number.to_string();
        let mut tx = self.authorised(tx, ask.tenant, ask.principal, right, At::Case(case.id, &number)).await?;
        self.asked_rightly(&mut tx, ask, &case).await?;
        Ok((tx, case))
    }

    /// Not done before with its key, and meant for the case as it is. The key comes first: what was done changed the version.
    pub(crate) async fn asked_rightly(&self, tx: &mut Tx, ask: &CaseCommand<'_>, case: &Case) -> Result<(), DeskError> {
        if let Some(key) = ask.key
            && cases::has_done(tx, case.id, key).await?
        {
            return Err(DeskError::DoneBefore(Stands::already(case)));
        }
        match ask.if_version {
            Some(asked) if asked != case.version => {
                Err(DeskError::StaleVersion { case: case.number, asked, has: case.version })
            }
            _ => Ok(()),
        }
    }
}

/// The state that the event leads to, before anything is written.
pub(crate) fn goes(case: &Case, event: CaseEvent) -> Result<CaseState, DeskError> {
    Ok(next(case.state, event)?)
}

/// The row was written with this state: the entry follows, and that is all of the command.
pub(crate) async fn done(mut tx: Tx, mut case: Case, entry: &Entry<'_>, state: CaseState) -> Result<Stands, DeskError> {
    written(&mut tx, &mut case, entry, state).await?;
    tx.commit().await?;
    Ok(Stands { case: case.number, state: case.state, version: case.version, already: false })
}

/// Whose entry it is, and the key that it keeps.
#[derive(Clone, Copy)]
pub(crate) struct By<'a> {
    principal: &'a str,
    key: Option<&'a str>,
}

impl<'a> From<&CaseCommand<'a>> for By<'a> {
    fn from(ask: &CaseCommand<'a>) -> By<'a> {
        By { principal: ask.principal, key: ask.key }
    }
}

impl<'a> From<&'a str> for By<'a> {
    fn from(principal: &'a str) -> By<'a> {
        By { principal, key: None }
    }
}

/// One entry by a person.
pub(crate) struct Entry<'a> {
    pub by: By<'a>,
    pub event: CaseEvent,
    pub reason: Option<&'a str>,
    pub payload: Value,
}

pub(crate) async fn written(
    tx: &mut Tx,
    case: &mut Case,
    entry: &Entry<'_>,
    state: CaseState,
) -> Result<(), DeskError> {
    case.version += 1;
    case.state = state;
    told(tx, case, entry).await
}

/// An entry that goes with no change of the row.
pub(crate) async fn told(tx: &mut Tx, case: &Case, entry: &Entry<'_>) -> Result<(), DeskError> {
    let (id, by) = (Uuid::now_v7(), Actor::User(entry.by.principal));
    let mut payload = entry.payload.clone();
    if let Some(key) = entry.by.key {
        payload["key"] = key.into();
    }
    Ok(cases::append_event(tx, id, case, entry.event, by, entry.reason, &payload).await?)
}
