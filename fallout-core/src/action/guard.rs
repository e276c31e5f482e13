//! What may be done to a case as it stands, and why not: read from case, order, step, ledger and the branches of the
//! definition that this order runs.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{
    Action, Attestation, Refusal,
    catalogue::{Contact, Declaration, Relay, Wants},
    revision::{Agreement, Revised},
    terms::{Commercial, terms},
};
use crate::{
    attempt::AttemptFacts,
    case::CaseState,
    claim::StepFacts,
    decide::{Joined, join, key_is_kept},
    ids::AttemptId,
    offline::Stop,
    operation::Operation,
    outcome::Outcome,
    outputs::valid_until,
    step::{Outputs, StepState},
    template,
};

/// The case as the guard sees it.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    pub case: CaseState,
    /// The case asks for an applied effect of a cancelled order to be undone.
    pub is_undo: bool,
    /// A case may belong to no step.
    pub step: Option<OnStep<'a>>,
    pub now: DateTime<Utc>,
}

/// Its step, and what surrounds it.
#[derive(Clone, Debug)]
pub struct OnStep<'a> {
    pub op: &'a Operation,
    pub facts: &'a StepFacts,
    /// Actions that the definition this instance runs can take.
    pub branches: &'a BTreeSet<String>,
    /// Nothing in the engine waits for this step any more.
    pub is_gone: bool,
    /// The first earlier result that its request uses and that is no longer valid.
    pub expired: Option<Expired>,
    /// What the policies of the tenant are asked about.
    pub commercial: Commercial<'a>,
}

/// An output of an earlier step that may not be used any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    pub step: String,
    pub output: String,
    pub until: DateTime<Utc>,
}

/// What is given with a command.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub attested: Option<&'a Attestation>,
    /// Values that later steps need.
    pub outputs: &'a Outputs,
    /// What a force close means for the customer.
    pub impact: Option<&'a str>,
    /// Where it is unknown whether the effect exists: ask the downstream, and then decide.
    pub check: bool,
    /// The policy of the route to take; none: the highest that fits.
    pub route: Option<&'a str>,
    pub waive_penalty: bool,
    /// A price that the customer has agreed to.
    pub agreed: Option<&'a Agreement>,
}

impl<'a> Asked<'a> {
    /// Nothing is said but these values.
    pub fn of(outputs: &'a Outputs) -> Self {
        Asked { attested: None, outputs, impact: None, check: false, route: None, waive_penalty: false, agreed: None }
    }
}

/// What an accepted action does before anything is sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Accepted {
    /// Reserve the step and correlate the action; `settles` is the attested outcome of what was unknown.
    Correlate { settles: Option<Outcome> },
    /// The same where the model has no recovery branches: the parked task itself is handed out again.
    HandOut { settles: Option<Outcome> },
    /// An exchange is under way: wait for its end, let nothing follow it, and ask again then.
    Stop,
    /// The effect was undone outside: no message, the record is enough.
    RecordUndone,
    /// Ask the downstream about this attempt; what is asked for beside that is decided on its answer.
    Check(AttemptId),
    /// What was done outside is kept, and read or taken at its word; `settles` is what was unknown until now.
    SaidOutside { settles: Option<Outcome> },
    /// Make the action's own effect first, where it has one; the engine is not told.
    Perform { settles: Option<Outcome> },
    /// Nothing of the order changes; the case ends.
    EndCase,
}

/// Whether the action may be taken.
pub fn guard(action: Action, target: &Target<'_>, asked: &Asked<'_>) -> Result<Accepted, Refusal> {
    let declared = action.declaration();
    if target.case == CaseState::AwaitingApproval {
        return Err(Refusal::ApprovalUnderWay);
    }
    if action == Action::ForceClose {
        return force_close(target, asked);
    }
    if action == Action::ResolveOutside {
        return resolve_outside(target, asked);
    }
    let Some(step) = &target.step else { return Err(Refusal::NoStep) };
    if target.is_undo {
        return undo(action, asked.attested);
    }
    let open = step.facts.attempts.iter().any(AttemptFacts::is_open);
    let taken = step.facts.gate.is_some() || step.facts.stop.is_some() || target.case == CaseState::Recovering;
    let accepted = match step.facts.state {
        // Whatever else is known: a sender is at work.
        StepState::Parked if open => Err(Refusal::AttemptOpen),
        StepState::Parked | StepState::Running if taken => Err(Refusal::ActionUnderWay),
        StepState::Parked => parked(declared, step, asked, target.now),
        StepState::Running if declared.needs_branch() => at_work(declared, step, asked, target.now),
        _ if open => Err(Refusal::AttemptOpen),
        state => Err(Refusal::NotParked(state)),
    }?;
    terms(action, &step.commercial, asked)?;
    Ok(accepted)
}

/// Between two tries the step is as good as parked. While one is under way, or asked about, nobody can say what comes of it.
fn at_work(
    declared: &Declaration,
    step: &OnStep<'_>,
    asked: &Asked<'_>,
    now: DateTime<Utc>,
) -> Result<Accepted, Refusal> {
    // The task of a model without branches is handed out again by itself.
    has_branch(declared, step)?;
    match join(&step.facts.attempts) {
        Joined::Open(_) if asked.attested.is_some() => Err(Refusal::AttemptOpen),
        Joined::Open(_) => possible(declared, step, asked).map(|()| Accepted::Stop),
        Joined::Unresolved(..) => Err(Refusal::NotParked(StepState::Running)),
        Joined::Settled(..) | Joined::Nothing => parked(declared, step, asked, now),
    }
}

fn undo(action: Action, attested: Option<&Attestation>) -> Result<Accepted, Refusal> {
    match (action, attested) {
        (Action::SkipStep, Some(Attestation { applied: false, .. })) => Ok(Accepted::RecordUndone),
        (Action::SkipStep, _) => Err(Refusal::NotUndone),
        _ => Err(Refusal::OnlySkip(action)),
    }
}

/// A step that takes an effect back is left only when the effect is gone, however that came about.
fn undoing(action: Action, attested: Option<&Attestation>) -> Result<(), Refusal> {
    match (action, attested) {
        (Action::SkipStep, Some(Attestation { applied: false, .. })) => Ok(()),
        (Action::SkipStep, _) => Err(Refusal::NotUndone),
        (Action::CancelOrder, _) => Err(Refusal::OnlySkip(action)),
        _ => Ok(()),
    }
}

/// What was done outside frees no order that waits.
fn resolve_outside(target: &Target<'_>, asked: &Asked<'_>) -> Result<Accepted, Refusal> {
    if target.case == CaseState::Recovering {
        return Err(Refusal::ActionUnderWay);
    }
    if target.is_undo {
        return Err(Refusal::OnlySkip(Action::ResolveOutside));
    }
    if let Some(step) = &target.step {
        not_waiting(step)?;
    }
    let said = asked.attested.ok_or(Refusal::NotAttested)?;
    let settles = match target.step.as_ref().map(|step| (step, join(&step.facts.attempts))) {
        Some((step, Joined::Unresolved(..))) => Some(attest(step, said, asked.outputs)?.1),
        Some((_, Joined::Settled(_, Outcome::Success { .. }))) if !said.applied => {
            return Err(Refusal::NothingToAttest);
        }
        _ => None,
    };
    Ok(Accepted::SaidOutside { settles })
}

fn not_waiting(step: &OnStep<'_>) -> Result<(), Refusal> {
    let facts = step.facts;
    if facts.attempts.iter().any(AttemptFacts::is_open) {
        return Err(Refusal::AttemptOpen);
    }
    if facts.gate.is_some() || facts.stop.is_some() {
        return Err(Refusal::ActionUnderWay);
    }
    match facts.state {
        StepState::Parked if !step.is_gone => Err(Refusal::StillParked),
        state if state.is_live() => Err(Refusal::AtWork(state)),
        _ => Ok(()),
    }
}

/// A step that waits for a recovery always has a case, so its case cannot just end.
fn force_close(target: &Target<'_>, asked: &Asked<'_>) -> Result<Accepted, Refusal> {
    if let Some(step) = &target.step {
        if step.facts.attempts.iter().any(AttemptFacts::is_open) {
            return Err(Refusal::AttemptOpen);
        }
        let taken = step.facts.gate.is_some() || step.facts.stop.is_some();
        if taken || target.case == CaseState::Recovering {
            return Err(Refusal::ActionUnderWay);
        }
        if step.facts.state == StepState::Parked && !step.is_gone && !target.is_undo {
            return Err(Refusal::StillParked);
        }
    }
    match asked.impact.map(str::trim) {
        None | Some("") => Err(Refusal::NoImpact),
        Some(_) => Ok(Accepted::EndCase),
    }
}

fn parked(
    declared: &Declaration,
    step: &OnStep<'_>,
    asked: &Asked<'_>,
    now: DateTime<Utc>,
) -> Result<Accepted, Refusal> {
    let action = declared.action;
    stopped(declared, step)?;
    if declared.wants == Wants::Unknown {
        return check(step);
    }
    let runs_again = matches!(action, Action::RetryStep | Action::ResumeWorkflow);
    // A model without any branch leaves its parked token at the task, which the engine can hand out again.
    let hand_out = runs_again && step.branches.is_empty();
    if !hand_out {
        has_branch(declared, step)?;
    }
    in_time(declared, step)?;
    // What an action makes itself is decided at once or not at all.
    let check = asked.check && declared.performs.is_none();
    if let (Joined::Unresolved(attempt, _), None, true) = (join(&step.facts.attempts), asked.attested, check) {
        possible(declared, step, asked)?;
        return if step.op.lookup.is_some() { Ok(Accepted::Check(attempt.id)) } else { Err(Refusal::NoLookup) };
    }
    let (known, settles) = known(declared, step, asked, now)?;
    match (declared.wants, known) {
        (Wants::Absent, Known::Applied) => return Err(Refusal::Applied),
        (Wants::Present, Known::NotApplied) => return Err(Refusal::NotApplied),
        // Raised retries are taken back by nobody: only proof allows them, not a key that is still recognised.
        (_, Known::Recognised) if hand_out => return Err(Refusal::OutcomeUnknown),
        _ => {}
    }
    possible(declared, step, asked)?;
    if step.facts.undoes.is_some() {
        undoing(action, asked.attested)?;
    }
    if declared.performs.is_some() {
        return Ok(Accepted::Perform { settles });
    }
    match &step.expired {
        _ if (runs_again || action == Action::RerouteStep) && step.is_gone => Err(Refusal::InstanceGone),
        Some(Expired { step, output, until }) if declared.repeats() => {
            Err(Refusal::Expired { step: step.clone(), output: output.clone(), until: *until })
        }
        _ if hand_out => Ok(Accepted::HandOut { settles }),
        _ => Ok(Accepted::Correlate { settles }),
    }
}

/// What is begun for an order that is being cancelled would only have to be undone; undoing goes on.
fn in_time(declared: &Declaration, step: &OnStep<'_>) -> Result<(), Refusal> {
    // Also its undo needs no other price and no other baseline.
    let undoes = step.facts.undoes.is_some() && Revised::of(declared.action).is_none();
    let cancelled = step.facts.order_cancelled && !undoes;
    let begins = declared.wants == Wants::Absent || declared.performs.is_some();
    if begins && cancelled { Err(Refusal::OrderCancelled) } else { Ok(()) }
}

fn has_branch(declared: &Declaration, step: &OnStep<'_>) -> Result<(), Refusal> {
    let action = declared.action;
    if declared.needs_branch() && !step.branches.contains(action.word()) {
        Err(Refusal::NoBranch(action))
    } else {
        Ok(())
    }
}

/// What holds whatever becomes of the effect.
fn possible(declared: &Declaration, step: &OnStep<'_>, asked: &Asked<'_>) -> Result<(), Refusal> {
    let action = declared.action;
    in_time(declared, step)?;
    if action == Action::CompensateStep && step.op.undone_by().is_none() {
        return Err(Refusal::NoUndo(step.op.undone_by_hand().to_owned()));
    }
    if matches!(action, Action::SkipStep | Action::CompensateStep) {
        outputs_given(step, asked.outputs)?;
    }
    Ok(())
}

/// What would only wait is refused, so that nobody takes it for done. A cancellation sends nothing by itself, and is what
/// one may want to do with an order that stands still.
fn stopped(declared: &Declaration, step: &OnStep<'_>) -> Result<(), Refusal> {
    let goes_on = declared.relay == Relay::Recover && declared.action != Action::CancelOrder;
    let asks = declared.contact == Contact::Reads;
    match step.facts.stopped {
        Some(Stop::Held) if goes_on => Err(Refusal::Held),
        Some(Stop::Offline) if asks || goes_on && declared.contact == Contact::Sends => {
            Err(Refusal::Offline(step.op.downstream.clone()))
        }
        _ => Ok(()),
    }
}

/// What a lookup could still find out.
fn check(step: &OnStep<'_>) -> Result<Accepted, Refusal> {
    match join(&step.facts.attempts) {
        Joined::Unresolved(attempt, _) if step.op.lookup.is_some() => Ok(Accepted::Check(attempt.id)),
        Joined::Unresolved(..) => Err(Refusal::NoLookup),
        Joined::Open(_) => Err(Refusal::AttemptOpen),
        Joined::Settled(_, outcome) => {
            Err(Refusal::NothingUnknown { applied: matches!(outcome, Outcome::Success { .. }) })
        }
        Joined::Nothing => Err(Refusal::NothingUnknown { applied: false }),
    }
}

/// What is known about the effect, together with what is attested now.
enum Known {
    Applied,
    NotApplied,
    /// It may exist, and sending the same again cannot make another.
    Recognised,
}

fn known(
    declared: &Declaration,
    step: &OnStep<'_>,
    asked: &Asked<'_>,
    now: DateTime<Utc>,
) -> Result<(Known, Option<Outcome>), Refusal> {
    match (join(&step.facts.attempts), asked.attested) {
        (Joined::Open(_), _) => Err(Refusal::AttemptOpen),
        (Joined::Unresolved(_, outcome), None) => recognised(declared, step, outcome, now).map(|known| (known, None)),
        (Joined::Unresolved(..), Some(said)) => {
            let (known, outcome) = attest(step, said, asked.outputs)?;
            Ok((known, Some(outcome)))
        }
        (Joined::Settled(_, Outcome::Success { .. }), None) => Ok((Known::Applied, None)),
        (Joined::Settled(_, Outcome::Success { .. }), Some(said)) if said.applied => Ok((Known::Applied, None)),
        (Joined::Settled(_, Outcome::Success { .. }), Some(_)) => Err(Refusal::NothingToAttest),
        (Joined::Settled(..) | Joined::Nothing, Some(said)) if said.applied => Err(Refusal::NothingToAttest),
        (Joined::Settled(..) | Joined::Nothing, _) => Ok((Known::NotApplied, None)),
    }
}

/// Without a lookup the same key is the way to ask, while the downstream keeps it; where there is one, it is asked.
fn recognised(
    declared: &Declaration,
    step: &OnStep<'_>,
    outcome: &Outcome,
    now: DateTime<Utc>,
) -> Result<Known, Refusal> {
    let replayable = matches!(outcome, Outcome::Replayable { .. }) && step.op.lookup.is_none();
    match key_is_kept(step.op, &step.facts.attempts, now) {
        // By another route it would be another effect.
        _ if !declared.repeats() || declared.action == Action::RerouteStep || !replayable => {
            Err(Refusal::OutcomeUnknown)
        }
        true => Ok(Known::Recognised),
        false => Err(Refusal::KeyForgotten),
    }
}

fn attest(step: &OnStep<'_>, said: &Attestation, outputs: &Outputs) -> Result<(Known, Outcome), Refusal> {
    if said.applied {
        outputs_given(step, outputs)?;
        return Ok((Known::Applied, Outcome::Success { outputs: outputs.clone() }));
    }
    let reason = format!("attested as not applied: {}", said.reference);
    Ok((Known::NotApplied, Outcome::Technical { reason, retry_after_ms: None }))
}

/// No step relies on what an undo gives.
fn outputs_given(step: &OnStep<'_>, given: &Outputs) -> Result<(), Refusal> {
    let mut needed = step.op.outputs.keys().filter(|_| step.facts.undoes.is_none());
    match needed.find(|name| !given.contains_key(*name)) {
        Some(missing) => Err(Refusal::OutputMissing(missing.clone())),
        None => Ok(()),
    }
}

/// The first result of an earlier step that the operation's request names and that has ended by `now`.
pub fn expired<'a>(
    op: &Operation,
    earlier: impl IntoIterator<Item = (&'a str, &'a Outputs)> + Clone,
    now: DateTime<Utc>,
) -> Option<Expired> {
    let mut texts = vec![op.request.path.as_str()];
    op.request.body.iter().for_each(|body| texts_of(body, &mut texts));
    let used = texts.into_iter().flat_map(template::names).filter_map(|name| {
        let (step, output) = name.strip_prefix("outputs.")?.split_once('.')?;
        Some((step, output.split('.').next().unwrap_or(output)))
    });
    used.filter_map(|(step, output)| {
        let (_, outputs) = earlier.clone().into_iter().find(|(name, _)| *name == step)?;
        let until = valid_until(outputs, output).filter(|until| *until <= now)?;
        Some(Expired { step: step.to_owned(), output: output.to_owned(), until })
    })
    .next()
}

pub(super) fn texts_of<'a>(value: &'a serde_json::Value, found: &mut Vec<&'a str>) {
    use serde_json::Value;
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts_of(item, found)),
        Value::Object(map) => map.values().for_each(|value| texts_of(value, found)),
        _ => {}
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
