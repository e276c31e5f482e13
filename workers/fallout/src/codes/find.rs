//! The code of an error: its own, or the one that a typed error of our crates stands for.

use fallout_camunda::{DeployError, EngineError};
use fallout_desk::DeskError;
use fallout_embedded::EmbeddedError;
use fallout_sandbox::SandboxError;
use fallout_store::StoreError;

use super::{Code, Failure, code};

/// The first link of the chain that has one. So a plain `?` on an engine or store call already ends with a code.
pub fn code_of(error: &anyhow::Error) -> Option<&'static Code> {
    error.chain().find_map(|link| {
        if let Some(failure) = link.downcast_ref::<Failure>() {
            return Some(failure.code);
        }
        id_of(link).and_then(code)
    })
}

fn id_of(link: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if let Some(error) = link.downcast_ref::<EmbeddedError>() {
        return Some(error.code());
    }
    match link.downcast_ref::<EngineError>() {
        Some(EngineError::Away { .. } | EngineError::NotFound { .. }) => return Some("FO-010"),
        // Something answers there, but not the engine's REST root: another server, or another path of its own.
        Some(EngineError::Refused { kind, .. }) if kind.starts_with("HTTP ") || kind == "NotFoundException" => {
            return Some("FO-010");
        }
        Some(EngineError::Unauthorised { .. }) => return Some("FO-011"),
        _ => {}
    }
    if let Some(DeskError::ReferenceDiffers { .. }) = link.downcast_ref() {
        return Some("FO-002");
    }
    if let Some(DeployError::Parse { .. }) = link.downcast_ref() {
        return Some("FO-015");
    }
    match link.downcast_ref::<StoreError>() {
        Some(error) if error.is_away() => return Some("FO-020"),
        Some(StoreError::Migrate(_)) => return Some("FO-022"),
        Some(StoreError::Other(error)) => return of_sqlstate(&error.as_database_error()?.code()?),
        _ => {}
    }
    match link.downcast_ref::<SandboxError>() {
        Some(SandboxError::Port { .. }) => Some("FO-031"),
        _ => None,
    }
}

/// What an operator does about an error of the server (PostgreSQL, appendix A: error codes).
pub(super) fn of_sqlstate(code: &str) -> Option<&'static str> {
    match code {
        // A table or column of ours is not there, or our role was not let at it.
        "42P01" | "42703" | "42501" => Some("FO-022"),
        // No such database; user or password refused.
        "3D000" => Some("FO-020"),
        code if code.starts_with("28") => Some("FO-020"),
        _ => None,
    }
}
