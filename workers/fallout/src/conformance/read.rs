//! The trial of a read: it changes nothing, so only its answers matter.

use fallout_core::{operation::Operation, outcome::Outcome};
use fallout_downstream::Downstreams;

use super::{
    measure::{Answer, send},
    report::{Report, Seen, Verdict},
    subject::Subject,
};

pub async fn run(subject: &Subject, client: &Downstreams) -> Report {
    let op = subject.operation();
    let mut report = Report::default();
    let answer = send(op, client, &subject.probe("read").request).await;
    report.add("a valid request", "2xx with every output", valid(op, &answer));
    let answer = send(op, client, &subject.stranger("unknown").request).await;
    report.add("something that does not exist", "4xx, or a rejection that is known", unknown(op, &answer));
    report
}

fn valid(op: &Operation, answer: &Answer) -> Seen {
    match &answer.outcome {
        Outcome::Success { .. } => (Verdict::Ok, answer.meant(op)),
        Outcome::Business { code, .. } => {
            let seen = format!("{}: a known rejection, {code}; give a value that exists with --set", answer.said(op));
            (Verdict::NotShown, seen)
        }
        _ => (Verdict::Differs, format!("{}; give a value that exists with --set", answer.meant(op))),
    }
}

fn unknown(op: &Operation, answer: &Answer) -> Seen {
    match &answer.outcome {
        Outcome::Business { .. } => (Verdict::Ok, answer.meant(op)),
        Outcome::Success { .. } => (Verdict::NotShown, format!("{}: it knows everything", answer.said(op))),
        _ => (Verdict::of(answer.is_refused()), answer.meant(op)),
    }
}
