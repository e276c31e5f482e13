//! One exchange, one lookup, and how long it takes until a lookup says something definite.

use std::time::Duration;

use fallout_core::{
    attempt::StoredRequest,
    evidence::{Body, Evidence, Phase},
    lookup::Said,
    operation::Operation,
    outcome::{Outcome, classify},
    step::Outputs,
};
use fallout_downstream::Downstreams;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::subject::Probe;

/// The first pause between two reads; short, since what is measured may be milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest: a downstream under test is not to be flooded.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What an exchange came to, as the fleet would see it at a first attempt.
#[derive(Clone, Debug)]
pub struct Answer {
    pub evidence: Evidence,
    pub outcome: Outcome,
    pub ended: Instant,
}

impl Answer {
    pub fn of(op: &Operation, evidence: Evidence) -> Self {
        let read = match &evidence.phase {
            Phase::Answered { body: Body::Json(value), .. } => op.read_outputs(value),
            _ => op.read_outputs(&Value::Null),
        };
        let outcome = classify(op, &evidence, &read, false);
        Answer { evidence, outcome, ended: Instant::now() }
    }

    pub fn outputs(&self) -> Option<&Outputs> {
        match &self.outcome {
            Outcome::Success { outputs } => Some(outputs),
            _ => None,
        }
    }

    /// Done, or taken on where the file says how the result comes.
    pub fn is_taken(&self) -> bool {
        matches!(self.outcome, Outcome::Success { .. } | Outcome::Pending)
    }

    pub fn status(&self) -> Option<u16> {
        match self.evidence.phase {
            Phase::Answered { status, .. } => Some(status),
            _ => None,
        }
    }

    pub fn is_refused(&self) -> bool {
        self.status().is_some_and(|status| (400..500).contains(&status))
    }

    pub fn body(&self) -> &Value {
        match &self.evidence.phase {
            Phase::Answered { body, .. } => body.json(),
            _ => &Value::Null,
        }
    }

    /// For people: the status, and the code that came with it.
    pub fn said(&self, op: &Operation) -> String {
        let code = self.body().pointer(&op.answers.code_at).and_then(Value::as_str);
        let code = code.map(|code| format!(" {code}")).unwrap_or_default();
        format!("{}{code}", self.evidence.summary())
    }

    /// As `said`, and what Fallout would make of it.
    pub fn meant(&self, op: &Operation) -> String {
        let meaning = match &self.outcome {
            Outcome::Success { outputs } if outputs.is_empty() => "done".to_owned(),
            Outcome::Success { outputs } => format!("done, with {}", names(outputs)),
            Outcome::Unknown { reason } | Outcome::Replayable { reason } => format!("an unknown outcome ({reason})"),
            other => other.word().to_owned(),
        };
        format!("{}: {meaning}", self.said(op))
    }
}

pub fn names(outputs: &Outputs) -> String {
    outputs.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

pub async fn send(op: &Operation, client: &Downstreams, request: &StoredRequest) -> Answer {
    let in_time = Instant::now() + Duration::from_millis(op.timeouts.send_within_ms.into());
    Answer::of(op, client.send(op, request, in_time).await)
}

/// A lookup that was asked until it said something definite, or for as long as there was patience.
#[derive(Clone, Debug)]
pub struct Watched {
    pub last: Said,
    /// From the beginning to the start of the last read.
    pub after: Duration,
    /// The latest read that began and did not show the effect.
    pub unseen: Option<Duration>,
}

impl Watched {
    pub fn found(&self) -> Option<&Outputs> {
        match &self.last {
            Said::Found { outputs } => Some(outputs),
            _ => None,
        }
    }
}

/// Reads until the effect shows or was refused after all, or a read that began after `patience` did not show it.
pub async fn watch(op: &Operation, client: &Downstreams, probe: &Probe, since: Instant, patience: Duration) -> Watched {
    let (mut pause, mut unseen) = (FIRST_PAUSE, None);
    loop {
        let after = since.elapsed();
        let last = client.look_up(op, &probe.key, &probe.request).await;
        if matches!(last, Said::Found { .. } | Said::Rejected { .. }) {
            return Watched { last, after, unseen };
        }
        unseen = Some(after);
        if after > patience {
            return Watched { last, after, unseen };
        }
        sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// Of several measurements, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Spread {
    pub min: u64,
    pub median: u64,
    pub max: u64,
    pub count: usize,
}

impl Spread {
    pub fn of(durations: &[Duration]) -> Option<Self> {
        let mut ms: Vec<u64> = durations.iter().map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)).collect();
        ms.sort_unstable();
        let (min, max) = (*ms.first()?, *ms.last()?);
        Some(Spread { min, median: ms[ms.len() / 2], max, count: ms.len() })
    }
}
