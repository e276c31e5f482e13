//! One exchange from the first byte to the last, and what its end proves.

use std::{error::Error, time::Duration};

use fallout_core::evidence::{Evidence, Phase};
use reqwest::{Body, Client, Request};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    answer::{self, Answer},
    gate::{Gate, Progress, gated},
    request::Outgoing,
};

/// For a log line and a table's cell.
const ERROR_CHARS: usize = 400;

#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) client: Client,
    pub(crate) outgoing: Outgoing,
    /// No byte leaves after it.
    pub(crate) send_until: Instant,
    /// From here to the end of the answer.
    pub(crate) total: Duration,
    /// Once the whole request has left, waits for so long and then cuts the connection.
    pub(crate) hang_up_after: Option<Duration>,
}

impl Exchange {
    pub(crate) async fn run(self) -> Evidence {
        let began = Instant::now();
        let mut evidence = if began > self.send_until { Evidence::of(Phase::TooLate) } else { self.send(began).await };
        evidence.elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        evidence
    }

    async fn send(self, began: Instant) -> Evidence {
        let Outgoing { method, url, headers, body } = self.outgoing;
        let deadline = began + self.total;
        let is_empty = body.as_ref().is_none_or(|body| body.is_empty());
        let has_body = body.is_some();
        let (gate, gated) = gated(body.unwrap_or_default(), self.send_until);
        let mut request = Request::new(method, url);
        *request.headers_mut() = headers;
        *request.body_mut() = has_body.then(|| Body::wrap(gated));
        let hung_up = hanging_up(&gate, self.hang_up_after);
        let answered_or_cut = async {
            tokio::select! { answer = self.client.execute(request) => Some(answer), () = hung_up => None }
        };
        let ended = match timeout_at(deadline, answered_or_cut).await {
            Ok(None) => Ended::without("we hung up".to_owned()),
            Ok(Some(Ok(response))) => {
                let answer = answer::read(response, deadline).await;
                return answered(answer, is_empty || gate.close() == Progress::Finished);
            }
            Ok(Some(Err(error))) => Ended::by(error),
            Err(_) => Ended::without(format!("no answer within {} ms", self.total.as_millis())),
        };
        Evidence { error: Some(ended.error), ..Evidence::of(phase(gate.close(), is_empty, ended.how)) }
    }
}

/// Ends when it is time to cut the connection; never, where nobody asked for it.
async fn hanging_up(gate: &Gate, after: Option<Duration>) {
    match after {
        Some(after) => {
            gate.finished().await;
            sleep(after).await;
        }
        None => std::future::pending().await,
    }
}

fn answered(answer: Answer, request_sent: bool) -> Evidence {
    let Answer { status, body, retry_after_ms, error } = answer;
    let phase = Phase::Answered { status, body, request_sent };
    Evidence { error, retry_after_ms, ..Evidence::of(phase) }
}

/// How an exchange without an answer ended, as far as the transport's error says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    NotBuilt,
    NotConnected,
    HandedBack,
    /// Anything else, also what we do not know: proves nothing.
    Lost,
}

struct Ended {
    how: How,
    error: String,
}

impl Ended {
    fn by(error: reqwest::Error) -> Self {
        let how = match () {
            () if error.is_builder() => How::NotBuilt,
            () if error.is_connect() => How::NotConnected,
            () if is_handed_back(&error) => How::HandedBack,
            () => How::Lost,
        };
        Ended { how, error: chain(error) }
    }

    fn without(error: String) -> Self {
        Ended { how: How::Lost, error }
    }
}

/// hyper says "canceled" only for a request that it never began to write.
fn is_handed_back(error: &reqwest::Error) -> bool {
    let hyper =
        |error: &(dyn Error + 'static)| error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled);
    causes(error).any(hyper)
}

/// What is proven: the gate's word first, the transport's error only where the gate saw nothing leave. "Not sent" thus
/// needs both to agree.
fn phase(progress: Progress, is_empty: bool, how: How) -> Phase {
    match (progress, how) {
        (Progress::Finished, _) => Phase::Sent,
        (Progress::Partly, _) => Phase::BodyPartlySent,
        (Progress::Refused, _) => Phase::BodyNotPolled,
        (Progress::Untouched, How::NotBuilt) => Phase::NotBuilt,
        (Progress::Untouched, How::NotConnected) => Phase::NotConnected,
        (Progress::Untouched, How::HandedBack) => Phase::NotSerialised,
        // Without a body the head alone is the whole request, and nobody saw whether it left.
        (Progress::Untouched, How::Lost) if is_empty => Phase::Sent,
        (Progress::Untouched, How::Lost) => Phase::BodyNotPolled,
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The whole chain as one line for people, without the URL: its query may hold what is nobody's business.
pub(crate) fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let said: Vec<String> = causes(&error).map(ToString::to_string).collect();
    let line = said.join(": ").replace(['\n', '\r'], " ");
    line.chars().take(ERROR_CHARS).collect()
}
