//! Starting and stopping the sandbox.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::book::BookError;
use crate::door;
use crate::operation::Downstream;
use crate::records::Records;
use crate::script::FaultScript;
use crate::serve;
use crate::world::{Arrivals, StepKey, World};

/// What a sandbox needs to start.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// The file of the effect book: made when it is not there, read back when it is.
    pub book: PathBuf,
    pub script: FaultScript,
    /// Ports on the loopback address; a downstream that is not named takes a free one.
    pub ports: BTreeMap<Downstream, u16>,
}

#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error(transparent)]
    Book(#[from] BookError),
    #[error("the simulated {downstream} cannot listen on port {port}: stop what uses it or name another one")]
    Port { downstream: Downstream, port: u16, source: io::Error },
}

/// Running downstreams. Dropped, it stops at once; [`Sandbox::drain`] first to keep delayed effects.
#[derive(Debug)]
pub struct Sandbox {
    world: Arc<World>,
    urls: BTreeMap<&'static str, String>,
    listeners: JoinSet<()>,
}

impl Sandbox {
    /// # Errors
    /// When the book is damaged, in use or cannot be opened, or a port is taken.
    pub async fn start(options: SandboxOptions) -> Result<Self, SandboxError> {
        let world = Arc::new(World::new(options.script, Records::open(&options.book)?));
        let mut sandbox = Self { world, urls: BTreeMap::new(), listeners: JoinSet::new() };
        for downstream in Downstream::ALL {
            let port = options.ports.get(&downstream).copied().unwrap_or(0);
            sandbox.open(downstream, port).await.map_err(|source| SandboxError::Port { downstream, port, source })?;
        }
        Ok(sandbox)
    }

    async fn open(&mut self, downstream: Downstream, port: u16) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        self.urls.insert(downstream.as_str(), format!("http://{}", listener.local_addr()?));
        self.listeners.spawn(serve::listen(listener, door::router(downstream, Arc::clone(&self.world))));
        Ok(())
    }

    /// The base address of each downstream, without a slash at the end.
    #[must_use]
    pub fn urls(&self) -> &BTreeMap<&'static str, String> {
        &self.urls
    }

    /// How many requests arrived for each step since the start.
    #[must_use]
    pub fn arrivals(&self) -> BTreeMap<StepKey, Arrivals> {
        self.world.arrivals()
    }

    /// Waits until every request that arrived has been processed and every delayed effect stands in the book.
    pub async fn drain(&self) {
        self.world.work.drained().await;
    }

    /// Stops: when this returns, nothing listens and nothing is written to the book any more. Effects still delayed never
    /// happen.
    pub async fn stop(mut self) {
        self.listeners.shutdown().await;
        self.halt();
        self.drain().await;
    }

    fn halt(&self) {
        self.world.records().close();
        self.world.work.abort();
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.halt();
    }
}
