//! A TCP proxy that breaks what passes it: late, slow, or cut at a byte of a connection or at a message of them all. It
//! knows no protocol: a message is what one side says until the other side speaks, which is right for HTTP/1.1 and for
//! the way our database client talks.

use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::relay::{Pipe, relay};

/// How a connection ends that is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum End {
    /// An orderly close that nobody asked for.
    Fin,
    Reset,
    /// Open, and nothing passes any more.
    Hang,
}

impl End {
    pub const ALL: [End; 3] = [End::Fin, End::Reset, End::Hang];

    pub fn word(self) -> &'static str {
        match self {
            End::Fin => "FIN",
            End::Reset => "RST",
            End::Hang => "hang",
        }
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    Request,
    Answer,
}

/// After this many bytes of one side have passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    pub side: Side,
    pub after: usize,
    pub end: End,
}

/// What happens to one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Before the first byte of each side.
    pub delay: Duration,
    pub bytes_per_s: Option<u32>,
    pub cut: Option<Cut>,
}

/// A message that begins, on any connection.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// From 1, over all connections since the last reset.
    pub number: usize,
    pub connection: usize,
    pub side: Side,
    pub begins: &'a [u8],
}

/// What a watcher of messages wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// The message is not delivered.
    Before(End),
    /// It is, and nothing after it.
    After(End),
}

pub type Watcher = Box<dyn FnMut(&Message<'_>) -> Option<Strike> + Send>;

#[derive(Clone, Debug)]
pub enum Upstream {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

#[derive(Default)]
pub(super) struct State {
    plans: VecDeque<Plan>,
    watcher: Option<Watcher>,
    messages: usize,
    connections: usize,
    struck: usize,
    /// Bytes that passed, request and answer, of the connections that ended by themselves.
    passed: Vec<(usize, usize)>,
}

/// Dropped, it stops listening and resets what is open.
pub struct Proxy {
    port: u16,
    upstream: Arc<Mutex<Upstream>>,
    state: Arc<Mutex<State>>,
    /// Raised to let go of everything that is open.
    released: watch::Sender<u64>,
    accepting: JoinHandle<()>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.release();
    }
}

impl Proxy {
    /// `hang_for`: how long a connection that hangs does so before it is reset.
    pub async fn start(upstream: Upstream, hang_for: Duration) -> io::Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let (upstream, state) = (Arc::new(Mutex::new(upstream)), Arc::<Mutex<State>>::default());
        let (released, release) = watch::channel(0);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&upstream), Arc::clone(&state), release, hang_for));
        Ok(Proxy { port, upstream, state, released, accepting })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Base address for HTTP.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From here on connections go there.
    pub fn redirect(&self, to: Upstream) {
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    /// The next connections get these plans, those after them pass.
    pub fn arm(&self, plans: impl IntoIterator<Item = Plan>) {
        self.state().plans = plans.into_iter().collect();
    }

    /// Asked about every message from here on, until it strikes.
    pub fn watch(&self, watcher: impl FnMut(&Message<'_>) -> Option<Strike> + Send + 'static) {
        self.state().watcher = Some(Box::new(watcher));
    }

    /// Counts from zero, breaks nothing, and lets go of what is open.
    pub fn reset(&self) {
        *self.state() = State::default();
        self.release();
    }

    /// How many connections were struck since the last reset.
    pub fn struck(&self) -> usize {
        self.state().struck
    }

    pub fn messages(&self) -> usize {
        self.state().messages
    }

    pub fn passed(&self) -> Vec<(usize, usize)> {
        self.state().passed.clone()
    }

    fn release(&self) {
        self.released.send_modify(|times| *times += 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

pub(super) fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn connection(&mut self) -> (usize, Plan) {
        self.connections += 1;
        (self.connections, self.plans.pop_front().unwrap_or_default())
    }

    pub fn begins(&mut self, connection: usize, side: Side, begins: &[u8]) -> Option<Strike> {
        self.messages += 1;
        let message = Message { number: self.messages, connection, side, begins };
        let strike = self.watcher.as_mut()?(&message)?;
        self.watcher = None;
        Some(strike)
    }
}

async fn accept(
    listener: TcpListener,
    upstream: Arc<Mutex<Upstream>>,
    state: Arc<Mutex<State>>,
    release: watch::Receiver<u64>,
    hang_for: Duration,
) {
    while let Ok((client, _)) = listener.accept().await {
        let (connection, plan) = lock(&state).connection();
        let to = upstream.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (state, mut release) = (Arc::clone(&state), release.clone());
        // Only what is released from here on concerns this connection.
        release.mark_unchanged();
        tokio::spawn(async move {
            let Ok(server) = connect(to).await else { return };
            let _ = client.set_nodelay(true); // only speed
            let pipe = Pipe { client, server, connection, plan, passed: [0; 2], state };
            carry(pipe, release, hang_for).await;
        });
    }
}

/// One connection from its first byte to its end.
async fn carry(mut pipe: Pipe, mut release: watch::Receiver<u64>, hang_for: Duration) {
    let ended = tokio::select! {
        ended = relay(&mut pipe) => ended,
        _ = release.changed() => return pipe.reset(),
    };
    let Some(end) = ended else {
        return lock(&pipe.state).passed.push((pipe.passed[0], pipe.passed[1]));
    };
    lock(&pipe.state).struck += 1;
    let last = async {
        match end {
            End::Fin => pipe.close_and_drain().await,
            End::Hang => sleep(hang_for).await,
            End::Reset => {}
        }
    };
    tokio::select! {
        _ = timeout(hang_for, last) => {}
        _ = release.changed() => {}
    }
    if end != End::Fin {
        pipe.reset();
    }
}

async fn connect(to: Upstream) -> io::Result<super::relay::Stream> {
    Ok(match to {
        Upstream::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            super::relay::Stream::Tcp(stream)
        }
        Upstream::Unix(path) => super::relay::Stream::Unix(UnixStream::connect(path).await?),
    })
}
