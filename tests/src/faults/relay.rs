//! The way of the bytes through one connection of the proxy.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    time::sleep,
};

use super::proxy::{Cut, End, Plan, Side, State, Strike, lock};

/// More than any message of ours but the engine's model.
const CHUNK: usize = 64 * 1024;

#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer).await,
            Stream::Unix(stream) => stream.read(buffer).await,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.write_all(bytes).await,
            Stream::Unix(stream) => stream.write_all(bytes).await,
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown().await,
            Stream::Unix(stream) => stream.shutdown().await,
        }
    }
}

pub(super) struct Pipe {
    pub client: TcpStream,
    pub server: Stream,
    pub connection: usize,
    pub plan: Plan,
    /// Bytes of the request and of the answer.
    pub passed: [usize; 2],
    pub state: Arc<Mutex<State>>,
}

/// Until one side is gone (`None`) or the connection is to be cut.
pub(super) async fn relay(pipe: &mut Pipe) -> Option<End> {
    let (mut request, mut answer) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut speaks = None;
    loop {
        let (side, read) = tokio::select! {
            read = pipe.client.read(&mut request) => (Side::Request, read),
            read = pipe.server.read(&mut answer) => (Side::Answer, read),
        };
        let length = read.ok().filter(|length| *length > 0)?;
        let bytes = if side == Side::Request { &request[..length] } else { &answer[..length] };
        let begins = speaks.replace(side) != Some(side);
        let strike = begins.then(|| lock(&pipe.state).begins(pipe.connection, side, bytes)).flatten();
        if let Some(Strike::Before(end)) = strike {
            return Some(end);
        }
        match (pipe.pass(side, bytes).await, strike) {
            // Nobody is there to hear it.
            (Err(_), _) => return None,
            (Ok(Some(end)), _) | (Ok(None), Some(Strike::After(end))) => return Some(end),
            (Ok(None), _) => {}
        }
    }
}

impl Pipe {
    /// Passes on what may pass; says how to end when that was all.
    async fn pass(&mut self, side: Side, bytes: &[u8]) -> io::Result<Option<End>> {
        let at = side as usize;
        if self.passed[at] == 0 {
            sleep(self.plan.delay).await;
        }
        let cut = self.plan.cut.filter(|cut| cut.side == side);
        let room = cut.map_or(usize::MAX, |cut: Cut| cut.after - self.passed[at]);
        let bytes = &bytes[..bytes.len().min(room)];
        self.passed[at] += bytes.len();
        self.write(side, bytes).await?;
        Ok(cut.filter(|cut| self.passed[at] == cut.after).map(|cut| cut.end))
    }

    async fn write(&mut self, side: Side, bytes: &[u8]) -> io::Result<()> {
        let Some(per_second) = self.plan.bytes_per_s else { return self.write_now(side, bytes).await };
        for byte in bytes.chunks(16) {
            self.write_now(side, byte).await?;
            sleep(Duration::from_secs_f64(byte.len() as f64 / f64::from(per_second))).await;
        }
        Ok(())
    }

    async fn write_now(&mut self, side: Side, bytes: &[u8]) -> io::Result<()> {
        match side {
            Side::Request => self.server.write(bytes).await,
            Side::Answer => self.client.write_all(bytes).await,
        }
    }

    /// Tells both sides that nothing more comes, and throws away what they still say.
    pub async fn close_and_drain(&mut self) {
        let _ = (self.client.shutdown().await, self.server.close().await);
        let (mut theirs, mut ours) = ([0; 4096], [0; 4096]);
        let (mut client_open, mut server_open) = (true, true);
        while client_open || server_open {
            tokio::select! {
                read = self.client.read(&mut ours), if client_open => client_open = matches!(read, Ok(1..)),
                read = self.server.read(&mut theirs), if server_open => server_open = matches!(read, Ok(1..)),
            }
        }
    }

    /// What is dropped after this sends a reset. A unix socket knows none: its close has to do.
    pub fn reset(&self) {
        let _ = self.client.set_zero_linger();
        if let Stream::Tcp(server) = &self.server {
            let _ = server.set_zero_linger();
        }
    }
}
