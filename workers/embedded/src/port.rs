//! Choosing a loopback port for a server that binds it itself, some seconds later.

use std::{fs, net::TcpListener, path::Path};

use crate::error::EmbeddedError;

/// Below the ports that Linux hands to outgoing connections (32768 and up): one of those could be taken between our
/// choice and the moment the engine binds, eight seconds later.
const LOWEST: u16 = 20_000;
const HIGHEST: u16 = 32_000;

/// `wanted`, or for 0 a free port. A chosen port is remembered in the file `memory`, so that addresses which people
/// wrote down stay good over restarts.
pub(crate) fn choose(wanted: u16, memory: &Path, what: &str) -> Result<u16, EmbeddedError> {
    if wanted != 0 {
        return if is_free(wanted) { Ok(wanted) } else { Err(taken(wanted, what)) };
    }
    let remembered = fs::read_to_string(memory).ok().and_then(|text| text.trim().parse().ok());
    if let Some(port) = remembered.filter(|port| is_free(*port)) {
        return Ok(port);
    }
    let port = candidates().find(|port| is_free(*port)).ok_or_else(|| taken(LOWEST, what))?;
    fs::write(memory, port.to_string()).map_err(EmbeddedError::io(format!("write {}", memory.display())))?;
    Ok(port)
}

/// Starts at a place of its own per process and call, so that two programs seldom choose alike.
fn candidates() -> impl Iterator<Item = u16> {
    let span = u128::from(HIGHEST - LOWEST);
    let start = uuid::Uuid::new_v4().as_u128() % span;
    (0..span).map(move |step| LOWEST + u16::try_from((start + step) % span).unwrap_or(0))
}

pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

fn taken(port: u16, what: &str) -> EmbeddedError {
    EmbeddedError::PortTaken { port, what: what.to_owned() }
}
