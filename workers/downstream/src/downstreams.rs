//! The way out: every downstream by name.

use std::{collections::BTreeMap, time::Duration};

use fallout_core::{
    attempt::{StoredRequest, body_json},
    evidence::{Body, Evidence, Phase},
    lookup::{self, Said},
    operation::{Lookup, Operation},
    template,
};
use reqwest::Url;
use serde_json::json;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tracing::Instrument;

use crate::{
    address::{self, Address, ConfigError, Target},
    client::{Clients, Kind},
    exchange::Exchange,
    request::{self, Outgoing},
};

/// What people have laid down for one downstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// It is not to be asked until somebody says otherwise.
    pub offline: bool,
    /// Tasks in hand at the same time, of all its operations together.
    pub in_flight: Option<u32>,
}

/// The downstreams that are configured, and the clients that reach them.
#[derive(Debug)]
pub struct Downstreams {
    targets: BTreeMap<String, Target>,
    declared: BTreeMap<String, Declared>,
    clients: Clients,
    in_process: Option<InProcess>,
}

/// An effect that happens in this process, and what it proved.
pub type InProcess = fn(&Operation, &StoredRequest) -> Evidence;

impl Downstreams {
    /// Refuses bad addresses, and a machine that cannot speak TLS where an address needs it.
    pub fn new(addresses: BTreeMap<String, Address>) -> Result<Self, ConfigError> {
        let targets = address::check_all(addresses)?;
        let clients = Clients::default();
        if targets.values().any(|target| target.https) {
            let any = Kind { https: true, connect_ms: 500, total_ms: 1_000 };
            clients.of(any).map_err(|problem| ConfigError { problems: vec![problem] })?;
        }
        Ok(Downstreams { targets, declared: BTreeMap::new(), clients, in_process: None })
    }

    /// The same downstreams with what was laid down for them. It binds whoever fetches tasks: what is sent is sent.
    pub fn declaring(self, declared: BTreeMap<String, Declared>) -> Self {
        Downstreams { declared, ..self }
    }

    pub fn declared(&self, downstream: &str) -> Declared {
        self.declared.get(downstream).copied().unwrap_or_default()
    }

    /// No network: every effect is made by `effect`. For benches, which measure what is around it.
    pub fn in_process(effect: InProcess) -> Self {
        Downstreams {
            targets: BTreeMap::new(),
            declared: BTreeMap::new(),
            clients: Clients::default(),
            in_process: Some(effect),
        }
    }

    /// The names that have an address, for checks against the operations.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.targets.keys().map(String::as_str)
    }

    /// Whether a connection to it comes about within this time; nothing is sent, and nothing is asked of it.
    pub async fn knock(&self, downstream: &str, within: Duration) -> bool {
        let url = self.targets.get(downstream).and_then(|target| Url::parse(&target.base).ok());
        let Some((host, port)) = url.as_ref().and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)))
        else {
            return false;
        };
        // The brackets of an IPv6 address belong to the URL.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        matches!(timeout(within, TcpStream::connect((host, port))).await, Ok(Ok(_)))
    }

    /// Sends the request once and says what that proved. No byte leaves after `send_until`; the exchange is over at the
    /// latest `timeouts.total_ms` after it began, and it runs to its end even when the caller stops waiting.
    pub async fn send(&self, op: &Operation, request: &StoredRequest, send_until: Instant) -> Evidence {
        if let Some(effect) = self.in_process {
            return effect(op, request);
        }
        let built = self.target(op).and_then(|target| Ok((target, request::outgoing(target, request)?)));
        let exchange = match built.and_then(|(target, outgoing)| self.exchange(op, target, outgoing, send_until)) {
            Ok(exchange) => exchange,
            Err(why) => {
                return Evidence { error: Some(why), ..Evidence::of(Phase::NotBuilt) };
            }
        };
        let running = tokio::spawn(exchange.run().in_current_span());
        running.await.unwrap_or_else(|error| {
            tracing::error!(operation = op.name, "an exchange ended without saying how far it came: {error}");
            Evidence { error: Some("the exchange itself failed".into()), ..Evidence::of(Phase::Unproven) }
        })
    }

    /// Sends the whole request and cuts the connection so long after it has left, unless its answer comes first: for
    /// those who try what a downstream does then.
    pub async fn hang_up(&self, op: &Operation, request: &StoredRequest, after: Duration) -> Evidence {
        let built = self.target(op).and_then(|target| Ok((target, request::outgoing(target, request)?)));
        let in_time = Instant::now() + total(op);
        match built.and_then(|(target, outgoing)| self.exchange(op, target, outgoing, in_time)) {
            Ok(exchange) => Exchange { hang_up_after: Some(after), ..exchange }.run().await,
            Err(why) => Evidence { error: Some(why), ..Evidence::of(Phase::NotBuilt) },
        }
    }

    /// Asks once whether the effect of a stored request exists. Harmless to repeat and to abandon.
    pub async fn look_up(&self, op: &Operation, key: &str, request: &StoredRequest) -> Said {
        let Some(declared) = &op.lookup else {
            return Said::Nothing { why: format!("operation {} has no lookup", op.name) };
        };
        match self.lookup_exchange(op, declared, key, request) {
            Ok(exchange) => said(op, declared, &exchange.run().await),
            Err(why) => Said::Nothing { why },
        }
    }

    fn lookup_exchange(
        &self,
        op: &Operation,
        declared: &Lookup,
        key: &str,
        request: &StoredRequest,
    ) -> Result<Exchange, String> {
        let target = self.target(op)?;
        let context = json!({"key": key, "body": body_json(request)});
        let path = template::render_path(&declared.path, &context).map_err(|error| error.to_string())?;
        let outgoing = request::question(target, op, &path, request)?;
        let at_any_time = Instant::now() + total(op);
        self.exchange(op, target, outgoing, at_any_time)
    }

    fn target(&self, op: &Operation) -> Result<&Target, String> {
        let target = self.targets.get(&op.downstream);
        target.ok_or_else(|| format!("downstream {} of operation {} has no address", op.downstream, op.name))
    }

    fn exchange(
        &self,
        op: &Operation,
        target: &Target,
        outgoing: Outgoing,
        send_until: Instant,
    ) -> Result<Exchange, String> {
        let kind = Kind { https: target.https, connect_ms: op.timeouts.connect_ms, total_ms: op.timeouts.total_ms };
        Ok(Exchange { client: self.clients.of(kind)?, outgoing, send_until, total: total(op), hang_up_after: None })
    }
}

fn total(op: &Operation) -> Duration {
    Duration::from_millis(op.timeouts.total_ms.into())
}

/// Only a whole answer says anything about an effect.
fn said(op: &Operation, declared: &Lookup, evidence: &Evidence) -> Said {
    match &evidence.phase {
        Phase::Answered { body: Body::Cut | Body::TooLong, .. } => Said::Nothing { why: evidence.summary() },
        Phase::Answered { status, body, .. } => lookup::read(op, declared, *status, body.json()),
        _ => Said::Nothing { why: evidence.summary() },
    }
}
