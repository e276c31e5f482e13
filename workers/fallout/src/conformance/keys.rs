//! Whether a key is honoured: the same request is the same effect, and nothing else is.

use fallout_core::{operation::Operation, outcome::Outcome, step::Outputs};
use fallout_downstream::Downstreams;
use tokio::time::Instant;

use super::{
    asking::Run,
    measure::{Answer, send},
    report::{Seen, Verdict},
    subject::Subject,
};

pub async fn again(op: &Operation, client: &Downstreams, first: &Run) -> Seen {
    let answer = send(op, client, &first.probe.request).await;
    let (verdict, seen) = same(op, first, &answer);
    if verdict == Verdict::Differs || op.lookup.is_none() {
        return (verdict, seen);
    }
    let known = first.shown.as_ref().and_then(|shown| shown.found());
    let now = client.look_up(op, &first.probe.key, &first.probe.request).await;
    match (known, now) {
        (Some(known), fallout_core::lookup::Said::Found { outputs }) if outputs == *known => {
            (verdict, format!("{seen}; the lookup shows one effect, the first"))
        }
        (Some(_), now) => (Verdict::Differs, format!("{seen}; but the lookup no longer shows the first effect: {now}")),
        (None, _) => (verdict, seen),
    }
}

/// Whether this is the first answer again.
fn same(op: &Operation, first: &Run, answer: &Answer) -> Seen {
    let known = first.answer.outputs().or_else(|| first.shown.as_ref().and_then(|shown| shown.found()));
    let said = answer.said(op);
    match (&answer.outcome, known) {
        // Still, or again, on its way: the lookup tells what becomes of it.
        (Outcome::Pending, _) => (Verdict::Ok, said),
        (Outcome::Success { outputs }, Some(known)) if !known.is_empty() => match outputs == known {
            true => (Verdict::Ok, format!("{said}, with the same outputs")),
            false => (Verdict::Differs, format!("{said}, with other outputs: a second effect")),
        },
        (Outcome::Success { .. }, _) if answer.body() == first.answer.body() => {
            (Verdict::Ok, format!("{said}, with the same body"))
        }
        (Outcome::Success { .. }, _) => {
            (Verdict::NotShown, format!("{said}; without outputs nothing tells one effect from two"))
        }
        _ => (Verdict::Differs, answer.meant(op)),
    }
}

pub async fn other_payload(subject: &Subject, client: &Downstreams, first: &Run) -> Seen {
    let op = subject.operation();
    let Some(other) = subject.other_payload("run-1") else {
        return (Verdict::NotShown, "the request has no payload besides its key".into());
    };
    let answer = send(op, client, &other.request).await;
    let said = answer.said(op);
    match &answer.outcome {
        Outcome::Success { outputs } if Some(outputs) == first.answer.outputs() => {
            (Verdict::Differs, format!("{said}, with the first outputs: it is taken for the first request"))
        }
        Outcome::Success { .. } | Outcome::Pending => (Verdict::Differs, format!("{said}: taken for a new request")),
        Outcome::Business { code, .. } => {
            (Verdict::Differs, format!("{said}: looks like a rejection for a reason of business, {code}"))
        }
        _ if answer.is_refused() => (Verdict::Ok, said),
        _ => (Verdict::Differs, answer.meant(op)),
    }
}

pub async fn at_once(subject: &Subject, client: &Downstreams) -> Seen {
    let (op, probe) = (subject.operation(), subject.probe("at-once"));
    let one = || send(op, client, &probe.request);
    let (a, b, c) = tokio::join!(one(), one(), one());
    let answers = [a, b, c];
    let mut effects: Vec<&Outputs> = Vec::new();
    for outputs in answers.iter().filter_map(Answer::outputs) {
        if !effects.contains(&outputs) {
            effects.push(outputs);
        }
    }
    let said = answers.iter().map(|answer| answer.said(op)).collect::<Vec<_>>().join(", ");
    if effects.len() > 1 {
        return (Verdict::Differs, format!("{said}: {} effects", effects.len()));
    }
    if !answers.iter().any(Answer::is_taken) || answers.iter().any(|answer| !one_of_many(answer)) {
        return (Verdict::Differs, said);
    }
    if effects.first().is_none_or(|outputs| outputs.is_empty()) {
        return (Verdict::NotShown, format!("{said}; without outputs nothing tells one effect from two"));
    }
    (Verdict::Ok, format!("{said}: one effect"))
}

/// Done, taken on, or "another request with this key is at work".
fn one_of_many(answer: &Answer) -> bool {
    answer.is_taken() || matches!(answer.status(), Some(409 | 425 | 429))
}

/// The last question about the first key. A retention is proven only as far as it was waited for.
pub async fn kept(op: &Operation, client: &Downstreams, first: &Run, retention_s: u32) -> Seen {
    let age = Instant::now().duration_since(first.answer.ended);
    let answer = send(op, client, &first.probe.request).await;
    match same(op, first, &answer) {
        (Verdict::Ok, said) if age.as_secs() >= u64::from(retention_s) => (Verdict::Ok, said),
        (Verdict::Ok, _) => {
            let seen = format!("recognised after {} ms; no longer time was waited for", age.as_millis());
            (Verdict::NotShown, seen)
        }
        other => other,
    }
}
