//! One listener: takes connections and serves HTTP/1.1 on each. Made by hand on hyper because a scripted cut must close
//! the connection before any byte of an answer, which a web framework never does.

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};

use crate::answer::Cut;

/// After a failed accept (out of file handles): long enough not to spin, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug, thiserror::Error)]
#[error("the script cuts this connection")]
struct CutByScript;

/// Serves until it is aborted; its connections go with it.
pub(crate) async fn listen(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(connection(stream, router.clone())); }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the sandbox cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, router: Router) {
    let router = TowerToHyperService::new(router);
    // hyper drops the connection without writing anything when the service fails: that is the cut.
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = router.call(request);
        async move {
            let Ok(response): Result<Response, std::convert::Infallible> = answer.await;
            if response.extensions().get::<Cut>().is_some() { Err(CutByScript) } else { Ok(response) }
        }
    });
    let _ = stream.set_nodelay(true); // only speed
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
    }
}
