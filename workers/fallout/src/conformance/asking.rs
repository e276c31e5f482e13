//! Whether the lookup says what is, and how late.

use std::time::Duration;

use fallout_core::{
    lookup::Said,
    operation::{Lookup, Operation},
    outcome::Outcome,
    step::Outputs,
};
use fallout_downstream::Downstreams;

use super::{
    measure::{Answer, Spread, Watched, send, watch},
    report::{Seen, Verdict},
    subject::{Probe, Subject},
};

/// Beyond what is declared, so that one can say how late it really was.
const MORE_PATIENCE: Duration = Duration::from_secs(5);
/// The time a request has to leave a socket whose connection is then cut.
const BEFORE_HANGING_UP: Duration = Duration::from_millis(1);

/// One request with the lookups around it.
pub struct Run {
    pub probe: Probe,
    pub before: Option<Said>,
    pub answer: Answer,
    pub shown: Option<Watched>,
    /// Read once more after it was found.
    pub later: Option<Said>,
}

pub async fn run(subject: &Subject, client: &Downstreams, name: &str) -> Run {
    let (op, probe) = (subject.operation(), subject.probe(name));
    let Some(lookup) = &op.lookup else {
        let answer = send(op, client, &probe.request).await;
        return Run { probe, before: None, answer, shown: None, later: None };
    };
    let before = Some(client.look_up(op, &probe.key, &probe.request).await);
    let answer = send(op, client, &probe.request).await;
    if !answer.is_taken() {
        return Run { probe, before, answer, shown: None, later: None };
    }
    let patience = bound(op, lookup) + MORE_PATIENCE;
    let shown = watch(op, client, &probe, answer.ended, patience).await;
    let later = Some(client.look_up(op, &probe.key, &probe.request).await);
    Run { probe, before, answer, shown: Some(shown), later }
}

/// Until when the lookup must show what was answered: what was done exists, what was taken on has its deadline.
pub fn bound(op: &Operation, lookup: &Lookup) -> Duration {
    let deadline = op.accepted.as_ref().map_or(0, |accepted| accepted.callback_deadline_ms);
    Duration::from_millis(u64::from(deadline) + u64::from(lookup.consistency_delay_ms))
}

fn bound_of(op: &Operation, lookup: &Lookup, answer: &Answer) -> Duration {
    match answer.outcome {
        Outcome::Pending => bound(op, lookup),
        _ => Duration::from_millis(lookup.consistency_delay_ms.into()),
    }
}

pub fn before(runs: &[Run]) -> Seen {
    let other = runs.iter().filter_map(|run| run.before.as_ref()).find(|said| **said != Said::NotFound);
    match other {
        None => (Verdict::Ok, format!("not found, in {0} of {0}", runs.len())),
        Some(said) => (Verdict::Differs, said.to_string()),
    }
}

pub fn after(op: &Operation, lookup: &Lookup, runs: &[Run]) -> Seen {
    let watched = || runs.iter().filter_map(|run| Some((run, run.shown.as_ref()?)));
    if let Some((_, shown)) = watched().find(|(_, shown)| shown.found().is_none()) {
        return (Verdict::Differs, format!("{}, {} ms after the answer", shown.last, shown.after.as_millis()));
    }
    let lost = runs.iter().filter_map(|run| run.later.as_ref()).find(|said| !matches!(said, Said::Found { .. }));
    if let Some(said) = lost {
        return (Verdict::Differs, format!("found, and read once more: {said}"));
    }
    let is_late = |run: &Run, shown: &Watched| shown.unseen.is_some_and(|at| at > bound_of(op, lookup, &run.answer));
    let late = watched().find(|(run, shown)| is_late(run, shown));
    let spread = spread(runs).map_or_else(String::new, |s| {
        format!("found after {} / {} / {} ms (least, median, most of {})", s.min, s.median, s.max, s.count)
    });
    match late.and_then(|(run, shown)| Some((run, shown.unseen?))) {
        None => (Verdict::Ok, spread),
        Some((run, at)) => {
            let bound = bound_of(op, lookup, &run.answer).as_millis();
            (
                Verdict::Differs,
                format!("{spread}; not yet in a read {} ms after an answer that gave it {bound} ms", at.as_millis()),
            )
        }
    }
}

pub fn spread(runs: &[Run]) -> Option<Spread> {
    let found = runs.iter().filter_map(|run| run.shown.as_ref()).filter(|shown| shown.found().is_some());
    Spread::of(&found.map(|shown| shown.after).collect::<Vec<_>>())
}

pub fn same_outputs(op: &Operation, runs: &[Run]) -> Seen {
    if op.outputs.is_empty() {
        return (Verdict::NotShown, "the operation has no outputs".into());
    }
    let pairs: Vec<(&Outputs, &Outputs)> =
        runs.iter().filter_map(|run| Some((run.answer.outputs()?, run.shown.as_ref()?.found()?))).collect();
    let differing = pairs.iter().flat_map(|(answered, found)| {
        answered.iter().filter(|(name, value)| found.get(*name) != Some(value)).map(|(name, _)| name.as_str())
    });
    let differing: Vec<&str> = differing.collect();
    match (pairs.len(), differing.first()) {
        (0, _) => (Verdict::NotShown, "there was no answer with outputs to compare with".into()),
        (n, None) => (Verdict::Ok, format!("the same, in {n} of {n}")),
        (_, Some(name)) => (Verdict::Differs, format!("another {name} than in the answer")),
    }
}

pub fn bound_of_hanging_up(op: &Operation) -> String {
    match &op.lookup {
        None => "no lookup".into(),
        Some(Lookup { max_late_arrival_ms: None, .. }) => "found, or nothing is proven".into(),
        Some(lookup) => format!("found or not found, within {} ms", latest(op, lookup).as_millis()),
    }
}

/// From the end of an exchange without an answer until the lookup shows what there is.
fn latest(op: &Operation, lookup: &Lookup) -> Duration {
    bound(op, lookup) + Duration::from_millis(lookup.max_late_arrival_ms.unwrap_or(0).into())
}

/// The sender cuts the connection once its request has left: does anyone know what became of it?
pub async fn hung_up(subject: &Subject, client: &Downstreams) -> Seen {
    let (op, probe) = (subject.operation(), subject.probe("hung-up"));
    let Some(lookup) = &op.lookup else {
        return (Verdict::NotShown, "only a lookup could tell, so nothing was sent".into());
    };
    let answer = Answer::of(op, client.hang_up(op, &probe.request, BEFORE_HANGING_UP).await);
    let cut = match answer.status() {
        Some(_) => "its answer was quicker and was thrown away; ",
        None => "",
    };
    let shown = watch(op, client, &probe, answer.ended, latest(op, lookup)).await;
    let seen = format!("{cut}{}, after {} ms", shown.last, shown.after.as_millis());
    let verdict = match (&shown.last, lookup.max_late_arrival_ms) {
        (Said::Found { .. } | Said::Rejected { .. }, _) => Verdict::Ok,
        // It was processed, and the lookup denies it for good.
        (Said::NotFound, Some(_)) if answer.is_taken() => Verdict::Differs,
        (Said::NotFound, Some(_)) => Verdict::Ok,
        (Said::NotFound, None) => Verdict::NotShown,
        (Said::InFlight | Said::Nothing { .. }, _) => Verdict::Differs,
    };
    (verdict, seen)
}
