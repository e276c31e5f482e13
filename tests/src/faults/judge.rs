//! The judge of one run: compares the book of effects, the ledger and what the process was told. It believes the book.

use std::collections::BTreeMap;

use anyhow::Result;
use fallout::roles::setup::Setup;
use fallout_core::{
    outcome::Outcome,
    step::{Direction, StepIdentity, StepState},
};
use fallout_sandbox::{Book, StepKey};
use fallout_store::{Scope, attempts};
use serde_json::Value;

use super::{place::Downstreams, tally::Row};

/// What the process heard last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Done,
    /// Rejected with a code that its caller handles.
    Rejected,
    /// A failure without retries: it waits for a person.
    Parked,
    /// It ended in any other way.
    Ended,
}

impl Told {
    /// What a `complete` with these variables says.
    pub fn of_state(body: &Value) -> Told {
        if body.pointer("/variables/stepState/value").is_some_and(|state| state == "DONE") {
            Told::Done
        } else {
            Told::Ended
        }
    }
}

/// One run that is over, to be judged.
#[derive(Clone, Debug)]
pub struct Run {
    /// The row of the table that it counts in.
    pub row: Row,
    /// Also its tenant: nothing else is in there.
    pub order: String,
    /// What was done to it, for a person who has to repeat it.
    pub what: String,
    pub told: Option<Told>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub duplicated: bool,
    pub lost: bool,
    pub misclassified: bool,
    pub unowned: bool,
    pub parked: bool,
}

/// Everything that one step left behind.
#[derive(Debug)]
pub struct Traces {
    pub told: Option<Told>,
    pub state: Option<StepState>,
    pub has_case: bool,
    /// Of every attempt, oldest first; `None` while it is open.
    pub outcomes: Vec<Option<Outcome>>,
    /// Requests that arrived whole.
    pub arrived: usize,
    /// Lines in the book.
    pub effects: usize,
}

/// Pure: what is wrong with a run that left this behind.
pub fn judge(traces: &Traces) -> Found {
    let Traces { told, state, has_case, outcomes, arrived, effects } = traces;
    let parked = *state == Some(StepState::Parked);
    let exists = *effects > 0;
    let said = match told {
        // Nobody told the process anything: it waits for ever.
        None => false,
        Some(Told::Done) => *state == Some(StepState::Done) && exists,
        Some(Told::Rejected) => *state == Some(StepState::Rejected) && !exists,
        Some(Told::Parked) => parked,
        Some(Told::Ended) => false,
    };
    let not_applied = |outcome: &&Option<Outcome>| outcome.as_ref().is_some_and(Outcome::is_not_applied);
    let refused = outcomes.iter().filter(|o| matches!(o, Some(Outcome::Business { .. }))).count();
    let proven_absent = outcomes.iter().filter(not_applied).count();
    let succeeded = outcomes.iter().any(|o| matches!(o, Some(Outcome::Success { .. })));
    let may_have_arrived = outcomes.len() - proven_absent + refused;
    Found {
        duplicated: *effects > 1,
        lost: !said,
        misclassified: *arrived > may_have_arrived
            || succeeded && !exists
            || exists && !outcomes.is_empty() && proven_absent == outcomes.len(),
        unowned: parked && !has_case,
        parked,
    }
}

/// What was found of each run, in their order. Waits until every sender's request is in the book.
pub async fn judge_all(setup: &Setup, downstreams: &Downstreams, runs: &[Run]) -> Result<Vec<(Found, Traces)>> {
    downstreams.sandbox.drain().await;
    let mut effects: BTreeMap<String, usize> = BTreeMap::new();
    for effect in Book::read(&downstreams.book)? {
        *effects.entry(effect.order).or_default() += 1;
    }
    let arrivals = downstreams.sandbox.arrivals();
    let mut found = Vec::with_capacity(runs.len());
    for run in runs {
        let key = StepKey {
            order: run.order.clone(),
            line: String::new(),
            step: "step".into(),
            direction: Direction::Do.word().into(),
        };
        let arrived = arrivals.get(&key).map_or(0, |n| n.attempts as usize);
        let effects = effects.get(&run.order).copied().unwrap_or(0);
        let traces = traces(setup, run, arrived, effects).await?;
        found.push((judge(&traces), traces));
    }
    Ok(found)
}

async fn traces(setup: &Setup, run: &Run, arrived: usize, effects: usize) -> Result<Traces> {
    let mut views = setup.desk.ledger(&run.order).await?;
    let step = views.pop().and_then(|mut view| view.steps.pop()).map(|view| view.step);
    let mut outcomes = Vec::new();
    if let Some(step) = &step {
        let mut tx = setup.store.begin(&Scope::Tenant(run.order.clone())).await?;
        outcomes = attempts::lines(&mut tx, step.key).await?.into_iter().map(|line| line.outcome).collect();
        tx.commit().await?;
    }
    Ok(Traces {
        told: run.told,
        state: step.as_ref().map(|step| step.state),
        has_case: step.as_ref().is_some_and(|step| step.case.is_some()),
        outcomes,
        arrived,
        effects,
    })
}

/// The identity of the one step of an order of the matrix.
pub fn identity(order: &str) -> StepIdentity {
    StepIdentity {
        tenant: order.to_owned(),
        order: order.to_owned(),
        run: 1,
        line: String::new(),
        step: "step".into(),
        direction: Direction::Do,
    }
}

#[cfg(test)]
mod tests {
    use fallout_core::step::Outputs;

    use super::*;

    fn traces() -> Traces {
        Traces {
            told: Some(Told::Done),
            state: Some(StepState::Done),
            has_case: false,
            outcomes: vec![Some(Outcome::Success { outputs: Outputs::new() })],
            arrived: 1,
            effects: 1,
        }
    }

    fn technical() -> Option<Outcome> {
        Some(Outcome::Technical { reason: String::new(), retry_after_ms: None })
    }

    #[test]
    fn each_way_in_which_book_ledger_and_process_disagree_is_found() {
        let clean = Found::default();
        let parked = Traces { state: Some(StepState::Parked), told: Some(Told::Parked), ..traces() };
        let unknown = vec![Some(Outcome::Unknown { reason: String::new() })];
        let table = [
            ("done once", traces(), clean.clone()),
            (
                "two effects",
                Traces { effects: 2, arrived: 2, outcomes: vec![None, None], ..traces() },
                Found { duplicated: true, ..clean.clone() },
            ),
            ("nobody was told", Traces { told: None, ..traces() }, Found { lost: true, ..clean.clone() }),
            (
                "told, and not in the ledger",
                Traces { state: Some(StepState::Running), outcomes: vec![None], ..traces() },
                Found { lost: true, ..clean.clone() },
            ),
            (
                "done, and no effect",
                Traces { effects: 0, arrived: 0, ..traces() },
                Found { lost: true, misclassified: true, ..clean.clone() },
            ),
            (
                "called technical, and it arrived",
                Traces { outcomes: vec![technical(), traces().outcomes.remove(0)], arrived: 2, ..traces() },
                Found { misclassified: true, ..clean.clone() },
            ),
            (
                "called technical, and it did not arrive",
                Traces { outcomes: vec![technical(), traces().outcomes.remove(0)], ..traces() },
                clean.clone(),
            ),
            (
                "parked unknown with a case",
                Traces { has_case: true, outcomes: unknown.clone(), ..parked },
                Found { parked: true, ..clean.clone() },
            ),
            (
                "parked without a case",
                Traces { state: Some(StepState::Parked), told: Some(Told::Parked), outcomes: unknown, ..traces() },
                Found { parked: true, unowned: true, ..clean },
            ),
        ];
        for (what, traces, expected) in table {
            assert_eq!(judge(&traces), expected, "{what}");
        }
    }
}
