//! The gate in the body of a request: every byte of it passes here, so how much left is known, and nothing leaves after
//! the time to send has passed or the exchange is over.
//!
//! The transport asks for the body only after a connection exists, and needs its length before it can write the head.
//! A body that was never asked for, and never will be, means that no complete request can have arrived: that is the
//! proof, and it does not depend on reading error values.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{sync::Notify, time::Instant};

/// The clock is looked at before each piece, so a slow large body stops within one of them.
const PIECE_BYTES: usize = 16 * 1024;

/// How much of the body was handed to the transport. What was handed over may have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Untouched,
    /// Asked for first when it was too late: nothing was given, nothing ever will be.
    Refused,
    Partly,
    Finished,
}

#[derive(Debug)]
struct State {
    progress: Progress,
    closed: bool,
    finished: Arc<Notify>,
}

/// Our end: says how far it came.
#[derive(Debug)]
pub(crate) struct Gate(Arc<Mutex<State>>);

/// The transport's end.
#[derive(Debug)]
pub(crate) struct GatedBody {
    rest: Bytes,
    send_until: Instant,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the time to send has passed")]
pub(crate) struct Refusal;

pub(crate) fn gated(body: Bytes, send_until: Instant) -> (Gate, GatedBody) {
    let state = State { progress: Progress::Untouched, closed: false, finished: Arc::default() };
    let state = Arc::new(Mutex::new(state));
    (Gate(Arc::clone(&state)), GatedBody { rest: body, send_until, state })
}

impl Gate {
    /// Ends it: what has not left by now never will. One lock with the body's side, so there is no moment between
    /// looking and closing.
    pub(crate) fn close(&self) -> Progress {
        let mut state = lock(&self.0);
        state.closed = true;
        state.progress
    }

    /// Ends when the whole body was handed to the transport.
    pub(crate) async fn finished(&self) {
        let finished = Arc::clone(&lock(&self.0).finished);
        finished.notified().await;
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl GatedBody {
    fn is_late(&self) -> bool {
        Instant::now() > self.send_until
    }
}

impl Body for GatedBody {
    type Data = Bytes;
    type Error = Refusal;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Refusal>>> {
        let this = self.get_mut();
        let mut state = lock(&this.state);
        if state.progress == Progress::Finished {
            return Poll::Ready(None);
        }
        if state.closed || this.is_late() {
            if state.progress == Progress::Untouched {
                state.progress = Progress::Refused;
            }
            return Poll::Ready(Some(Err(Refusal)));
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE_BYTES));
        state.progress = if this.rest.is_empty() { Progress::Finished } else { Progress::Partly };
        if state.progress == Progress::Finished {
            state.finished.notify_one();
        }
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    /// Never at once: an empty body, too, has to pass the gate.
    fn is_end_stream(&self) -> bool {
        lock(&self.state).progress == Progress::Finished
    }

    /// Exact, so that a length is announced; except for an empty body that is too late: its request would be complete
    /// with its head, so it is announced as a stream, which then refuses its first piece.
    fn size_hint(&self) -> SizeHint {
        match self.rest.is_empty() && self.is_late() {
            true => SizeHint::default(),
            false => SizeHint::with_exact(self.rest.len() as u64),
        }
    }
}
