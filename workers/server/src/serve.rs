//! Takes connections and serves HTTP/1.1 on each, so many at a time and none of them silent for long; stops by letting what
//! is in work end. By hand on hyper, since a server of axum bounds neither connections nor how long a header may take.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use fallout_desk::Desk;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::doors::router;

/// Each costs a few kilobytes and a file handle; a process has 1,024 of these by default. More wait in the kernel.
const CONNECTIONS_MAX: usize = 256;
/// From the first to the last byte of a header, and between two requests of a connection.
const HEADER_WITHIN: Duration = Duration::from_secs(10);
/// A request ends within 20 s; a little more for its answer.
const DRAIN_WITHIN: Duration = Duration::from_secs(25);
/// After a failed accept (out of file handles): long enough not to spin, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listening, not serving yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    router: Router,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Connections that were cut because their request did not end in time.
    pub cut: usize,
}

impl Server {
    pub async fn bind(address: SocketAddr, desk: Desk) -> io::Result<Server> {
        Ok(Server { listener: TcpListener::bind(address).await?, router: router(desk) })
    }

    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` is true, then lets requests in work end.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> Stopped {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                Some(_) = connections.join_next() => {}
                accepted = accept(&self.listener, &room) => match accepted {
                    Ok((stream, permit)) => {
                        let (router, stop) = (self.router.clone(), stop.clone());
                        connections.spawn(async move {
                            connection(stream, router, stop).await;
                            drop(permit);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "a connection cannot be taken");
                        sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
        drop(self.listener);
        let drained = timeout(DRAIN_WITHIN, async { while connections.join_next().await.is_some() {} }).await;
        let cut = if drained.is_ok() { 0 } else { connections.len() };
        Stopped { cut }
    }
}

/// Room before the connection: whoever waits, waits in the kernel.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

async fn connection(stream: TcpStream, router: Router, mut stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true); // only speed
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_WITHIN);
    let mut served = pin!(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stopped(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
    }
}

/// Until it is true or its sender is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
