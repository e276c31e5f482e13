//! A TCP server without any HTTP library: it reads exactly as much of a request as it is told, writes exactly the bytes
//! it is told, ends the connection as it is told, and counts what really arrived.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep_until},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Fin,
    Rst,
}

#[derive(Clone, Copy, Debug)]
pub enum Take {
    /// The whole request, as its own head announces it.
    All,
    /// That many bytes at most.
    Bytes(usize),
}

#[derive(Clone, Debug)]
pub enum Then {
    Answer {
        bytes: Vec<u8>,
        end: End,
    },
    /// Keeps the connection open until the client ends it.
    Silence {
        bytes: Vec<u8>,
    },
    /// Reads nothing before that time, then to the end.
    ReadOn {
        from: Instant,
    },
}

#[derive(Clone, Debug)]
pub struct Script {
    pub take: Take,
    pub then: Then,
}

/// What really arrived on one connection.
#[derive(Clone, Debug, Default)]
pub struct Arrived {
    pub bytes: Vec<u8>,
}

impl Arrived {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Whether a server could act on it.
    pub fn is_complete(&self) -> bool {
        let text = self.text().to_ascii_lowercase();
        let Some((head, _)) = text.split_once("\r\n\r\n") else {
            return false;
        };
        let body = &self.bytes[head.len() + 4..];
        if head.contains("transfer-encoding: chunked") {
            return body.ends_with(b"0\r\n\r\n");
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        body.len() >= length.map_or(0, |length| length.trim().parse().unwrap())
    }
}

#[derive(Debug)]
pub struct Server {
    pub url: String,
    script: Arc<Mutex<Script>>,
    arrived: mpsc::UnboundedReceiver<Arrived>,
    accepting: JoinHandle<()>,
}

impl Server {
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(script));
        let (sender, arrived) = mpsc::unbounded_channel();
        let scripts = Arc::clone(&script);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let script = scripts.lock().unwrap().clone();
                let sender = sender.clone();
                tokio::spawn(async move { drop(sender.send(serve(stream, script).await)) });
            }
        });
        Server { url, script, arrived, accepting }
    }

    pub fn now(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }

    /// What arrived on the next connection that has ended.
    pub async fn arrived(&mut self) -> Arrived {
        self.arrived.recv().await.unwrap()
    }

    /// Whether no further connection has ended.
    pub fn is_quiet(&mut self) -> bool {
        self.arrived.try_recv().is_err()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, script: Script) -> Arrived {
    let mut arrived = Arrived::default();
    take(&mut stream, script.take, &mut arrived).await;
    match script.then {
        Then::Answer { bytes, end } => {
            let _ = stream.write_all(&bytes).await;
            if end == End::Rst {
                stream.set_zero_linger().unwrap();
            }
        }
        Then::Silence { bytes } => {
            let _ = stream.write_all(&bytes).await;
            take(&mut stream, Take::Bytes(usize::MAX), &mut arrived).await;
        }
        Then::ReadOn { from } => {
            sleep_until(from).await;
            take(&mut stream, Take::Bytes(usize::MAX), &mut arrived).await;
        }
    }
    arrived
}

async fn take(stream: &mut TcpStream, take: Take, arrived: &mut Arrived) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let room = match take {
            Take::All if arrived.is_complete() => return,
            Take::All => buffer.len(),
            Take::Bytes(most) => buffer.len().min(most.saturating_sub(arrived.bytes.len())),
        };
        match stream.read(&mut buffer[..room]).await {
            Ok(0) | Err(_) => return,
            Ok(count) => arrived.bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

pub fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
        .into_bytes()
}

pub fn answering(bytes: Vec<u8>) -> Script {
    Script { take: Take::All, then: Then::Answer { bytes, end: End::Fin } }
}
