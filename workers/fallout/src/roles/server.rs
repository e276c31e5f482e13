//! The server role: the HTTP doors, until it is stopped.

use std::net::SocketAddr;

use anyhow::Result;
use fallout_desk::Desk;
use fallout_server::Server;

use crate::{codes::Failure, config::ServerSettings};

/// Listens, and says where.
pub async fn open(settings: &ServerSettings, desk: &Desk) -> Result<(Server, SocketAddr)> {
    let address = settings.address().ok_or_else(|| Failure::new("FO-001", "server.listen is no address"))?;
    let refused = |e| Failure::new("FO-051", format!("nobody can be listened to at {address}")).because(e);
    let server = Server::bind(address, desk.clone()).await.map_err(refused)?;
    let address = server.address()?;
    Ok((server, address))
}
