//! The trial of an effect: what is asked, in which order.

use fallout_core::operation::Operation;
use fallout_downstream::Downstreams;

use super::{
    Plan,
    asking::{self, Run},
    keys,
    measure::{Answer, send},
    report::{Report, Seen, Verdict},
    subject::Subject,
};

pub async fn run(subject: &Subject, client: &Downstreams, plan: &Plan, progress: &dyn Fn(&str)) -> Report {
    let op = subject.operation();
    let mut report = Report::default();
    progress("sending valid requests and watching the lookup");
    let first = asking::run(subject, client, "run-1").await;
    report.add("a valid request", wanted(op), valid(op, &first.answer));
    if !first.answer.is_taken() {
        // Whatever else is asked would only fail in the same way.
        return report;
    }
    let mut runs = vec![first];
    for n in 2..=plan.count.max(1) {
        runs.push(asking::run(subject, client, &format!("run-{n}")).await);
    }
    lookups(op, &runs, &mut report);
    progress("repeating requests under the same key");
    keys(subject, client, &runs[0], &mut report).await;
    progress("hanging up on a request, and watching the lookup");
    let declared = asking::bound_of_hanging_up(op);
    report.add("a request whose sender hangs up", declared, asking::hung_up(subject, client).await);
    report.add("a request that cannot be understood", "4xx without a known code", malformed(subject, client).await);
    if let Some(retention_s) = op.idempotency.retention_s() {
        if !plan.retention_wait.is_zero() {
            progress("waiting before the key is asked for once more");
        }
        tokio::time::sleep(plan.retention_wait).await;
        let declared = format!("kept for {retention_s} s");
        report.add(
            "the first request once more at the end",
            declared,
            keys::kept(op, client, &runs[0], retention_s).await,
        );
    }
    report
}

fn wanted(op: &Operation) -> String {
    let taken = if op.accepted.is_some() { "2xx or 202" } else { "2xx" };
    let names: Vec<&str> = op.outputs.keys().map(String::as_str).collect();
    if names.is_empty() { taken.to_owned() } else { format!("{taken} with {}", names.join(", ")) }
}

fn valid(op: &Operation, answer: &Answer) -> Seen {
    let hint = match (answer.is_taken(), answer.status()) {
        (true, _) => "",
        (false, None) => "; nothing else was tried",
        (false, Some(_)) => "; nothing else was tried. Give values that your system knows with --set",
    };
    (Verdict::of(answer.is_taken()), format!("{}{hint}", answer.meant(op)))
}

fn lookups(op: &Operation, runs: &[Run], report: &mut Report) {
    let Some(lookup) = &op.lookup else {
        let none = (Verdict::NotShown, "it cannot be asked whether an effect exists".to_owned());
        return report.add("the lookup", "none", none);
    };
    report.add("the lookup before the request", "not found", asking::before(runs));
    let declared = format!("found, within {} ms", asking::bound(op, lookup).as_millis());
    report.add("the lookup after the answer", declared, asking::after(op, lookup, runs));
    report.add("the lookup's outputs", "those of the answer", asking::same_outputs(op, runs));
    report.visible_ms = asking::spread(runs);
}

async fn keys(subject: &Subject, client: &Downstreams, first: &Run, report: &mut Report) {
    if subject.operation().idempotency.retention_s().is_none() {
        let none = "a repetition would be another effect, so nothing was repeated";
        return report.add("the same request again", "no key", (Verdict::NotShown, none.to_owned()));
    }
    let op = subject.operation();
    report.add("the same request again", "the first answer", keys::again(op, client, first).await);
    report.add("the same key with another payload", "refused (4xx)", keys::other_payload(subject, client, first).await);
    let declared = "one effect, or in progress";
    report.add("the same request three times at once", declared, keys::at_once(subject, client).await);
}

async fn malformed(subject: &Subject, client: &Downstreams) -> Seen {
    let op = subject.operation();
    let Some(probe) = subject.malformed("malformed") else {
        return (Verdict::NotShown, "the request has no body that could be broken".into());
    };
    let answer = send(op, client, &probe.request).await;
    let known = op.rejection(answer.body()).map(|(code, _)| format!("; {code} is one of answers.business"));
    let refused = answer.is_refused() && known.is_none();
    (Verdict::of(refused), format!("{}{}", answer.said(op), known.unwrap_or_default()))
}
