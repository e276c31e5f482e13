//! The only place where an HTTP client is built, and only the safe way: one request is one exchange on its own
//! connection, and nothing in the client repeats, redirects or detours it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use reqwest::{Client, redirect, retry};

/// What distinguishes clients: these are set per client, not per request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    pub(crate) https: bool,
    pub(crate) connect_ms: u32,
    pub(crate) total_ms: u32,
}

/// Made when first needed; operations share few distinct timeouts.
#[derive(Debug, Default)]
pub(crate) struct Clients(Mutex<HashMap<Kind, Client>>);

impl Clients {
    pub(crate) fn of(&self, kind: Kind) -> Result<Client, String> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = made.get(&kind) {
            return Ok(client.clone());
        }
        let client = build(kind)?;
        made.insert(kind, client.clone());
        Ok(client)
    }
}

fn build(kind: Kind) -> Result<Client, String> {
    let builder = Client::builder()
        // A 307 would send the body a second time, to whoever the answer names.
        .redirect(redirect::Policy::none())
        // reqwest repeats requests that it believes were not processed; that is not its decision here.
        .retry(retry::never())
        // A pooled connection may be closed by the other side just as we write: about one in a thousand, and it proves
        // nothing. A fresh one costs 0.2 ms (measured on loopback) and turns that case into "not connected".
        .pool_max_idle_per_host(0)
        // Nothing between us and the downstream that the configuration does not name.
        .no_proxy()
        .referer(false)
        .http1_only()
        .connect_timeout(Duration::from_millis(kind.connect_ms.into()))
        // Without it the kernel goes on delivering bytes of a request that we gave up on, for minutes; "not found" would
        // then prove nothing.
        .tcp_user_timeout(Duration::from_millis(kind.total_ms.into()));
    // Without TLS no certificates are needed, and loading them fails on machines that have none.
    let builder = if kind.https { builder } else { builder.tls_certs_only([]) };
    builder.build().map_err(|error| match kind.https {
        true => format!("no client for https ({}); install ca-certificates", crate::exchange::chain(error)),
        false => format!("no client for http ({})", crate::exchange::chain(error)),
    })
}
