//! The judge: compares the sandbox's book of effects with the ledger, and says where each order stands. Pure.

use std::collections::{BTreeMap, BTreeSet};

use fallout_core::{
    operation::Kind,
    order::{ItemAction, Order},
    step::{Direction, StepState},
};
use fallout_desk::{RunView, StepView};
use fallout_sandbox::Effect;
use serde::Serialize;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Effects {
    /// Effects that were decided and tried.
    pub intended: usize,
    pub applied: usize,
    /// More than one for one step and generation.
    pub duplicated: usize,
    /// Applied, and no attempt knows of it; or done, and not in the book.
    pub unexplained: usize,
    /// Applied for a step that was cancelled or skipped, and neither undone nor in a case.
    pub orphaned: usize,
    /// What each finding is about, for people.
    #[serde(skip)]
    pub findings: Vec<String>,
}

/// Order, line, step, direction, generation: what one effect is for.
type Place = (String, String, String, String, i32);

fn place(effect: &Effect) -> Place {
    let Effect { order, line, step, direction, generation, .. } = effect;
    (order.clone(), line.clone(), step.clone(), direction.clone(), *generation as i32)
}

/// Every effect in the book against every attempt in the ledger, both ways.
pub fn effects(book: &[Effect], ledger: &[RunView]) -> Effects {
    let mut found = Effects { applied: book.len(), ..Effects::default() };
    let mut applied: BTreeMap<Place, Vec<&Effect>> = BTreeMap::new();
    book.iter().for_each(|effect| applied.entry(place(effect)).or_default().push(effect));
    let steps = || ledger.iter().flat_map(|run| run.steps.iter().map(move |step| (run, step)));
    let known: BTreeMap<Place, &str> = steps().flat_map(|(_, s)| places(s)).collect();
    found.intended = steps().filter(|(_, s)| s.kind == Kind::Effect).map(|(_, s)| s.keys.len()).sum();
    for (place, effects) in &applied {
        if effects.len() > 1 {
            found.duplicated += effects.len() - 1;
            found.say(place, &format!("{} effects", effects.len()));
        }
        let explained = known.get(place).is_some_and(|key| effects.iter().all(|e| e.key.is_empty() || e.key == *key));
        if !explained {
            found.unexplained += 1;
            found.say(place, "an effect that no attempt knows of");
        }
        let undoes = place.3 == Direction::Undo.word();
        let of_it = |p: &&Place| (&p.0, &p.1, &p.2, p.3.as_str()) == (&place.0, &place.1, &place.2, "do");
        if undoes && !applied.keys().any(|p| of_it(&p)) {
            found.unexplained += 1;
            found.say(place, "it takes back an effect that never was");
        }
    }
    for (run, step) in steps() {
        let own: Vec<Place> = places(step).map(|(place, _)| place).collect();
        let exists = own.iter().any(|place| applied.contains_key(place));
        found.weigh(run, step, exists);
    }
    found
}

fn places(step: &StepView) -> impl Iterator<Item = (Place, &str)> {
    let identity = &step.step.identity;
    step.keys.iter().map(move |(key, generation)| {
        let direction = identity.direction.word().to_owned();
        let place = (identity.order.clone(), identity.line.clone(), identity.step.clone(), direction, *generation);
        (place, key.as_str())
    })
}

impl Effects {
    fn weigh(&mut self, run: &RunView, view: &StepView, exists: bool) {
        let step = &view.step;
        let name = || step.identity.to_string();
        if view.kind == Kind::Effect && step.state == StepState::Done && !exists {
            self.unexplained += 1;
            self.findings.push(format!("{}: done, and its effect is not in the book", name()));
        }
        if step.identity.direction == Direction::Undo {
            return;
        }
        let ended_without =
            matches!(step.state, StepState::Cancelled | StepState::Skipped) || run.run.state == "cancelled";
        // What an action did to the order itself stays when the order is cancelled.
        let stays = step.identity.action().is_some();
        if exists && ended_without && !stays && !step.undone && step.case.is_none() {
            self.orphaned += 1;
            self.findings.push(format!("{}: {}, and its effect stands", name(), step.state));
        }
    }

    fn say(&mut self, (order, line, step, _, generation): &Place, what: &str) {
        self.findings.push(format!("order {order} line \"{line}\" step {step} generation {generation}: {what}"));
    }

    pub fn is_clean(&self) -> bool {
        self.duplicated + self.unexplained + self.orphaned == 0
    }
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The named end event was reached and every line has what it asked for.
    Completed,
    Cancelled,
    /// Nothing can move without a person, and a case says so.
    Parked,
    /// Something can still move by itself.
    Moving,
    /// Ended, and not as it should.
    Lost,
}

pub fn standing(order: &Order, view: &RunView) -> Standing {
    match view.run.state.as_str() {
        "completed" if lines_are_served(order, view) => Standing::Completed,
        "cancelled" => Standing::Cancelled,
        "completed" | "ended" => Standing::Lost,
        "running" if is_parked(order, view) => Standing::Parked,
        _ => Standing::Moving,
    }
}

fn line_steps(view: &RunView) -> BTreeMap<&str, &StepView> {
    let served = |s: &&StepView| !s.step.identity.line.is_empty() && s.step.identity.direction == Direction::Do;
    view.steps.iter().filter(served).map(|s| (s.step.identity.line.as_str(), s)).collect()
}

fn lines_are_served(order: &Order, view: &RunView) -> bool {
    let steps = line_steps(view);
    let served = |id: &str| steps.get(id).is_some_and(|s| matches!(s.step.state, StepState::Done | StepState::Skipped));
    order.lines.iter().all(|line| line.action == ItemAction::NoChange || served(&line.id))
}

/// A case is open, no step is at work, and every line has ended, is parked, or waits for one that is.
fn is_parked(order: &Order, view: &RunView) -> bool {
    let at_work = |s: &StepView| s.step.state.is_live();
    let with_action = |s: &StepView| s.step.gate.is_some();
    let ownerless = |s: &StepView| s.step.state == StepState::Parked && s.step.case.is_none();
    if view.steps.iter().any(|s| at_work(s) || with_action(s) || ownerless(s))
        || view.steps.iter().all(|s| s.step.case.is_none())
    {
        return false;
    }
    let order_waits = view.run.cancel_requested
        || view.steps.iter().any(|s| s.step.identity.line.is_empty() && s.step.state == StepState::Parked);
    order_waits || lines_wait(order, view)
}

fn lines_wait(order: &Order, view: &RunView) -> bool {
    let steps = line_steps(view);
    let mut blocked: BTreeSet<usize> = BTreeSet::new();
    loop {
        let before = blocked.len();
        for (index, line) in order.lines.iter().enumerate() {
            let parked = steps.get(line.id.as_str()).is_some_and(|s| s.step.state == StepState::Parked);
            if parked || line.relies_on.iter().any(|need| blocked.contains(need)) {
                blocked.insert(index);
            }
        }
        if blocked.len() == before {
            break;
        }
    }
    let ended = |index: usize| {
        let line = &order.lines[index];
        line.action == ItemAction::NoChange || steps.get(line.id.as_str()).is_some_and(|s| s.step.state.is_ended())
    };
    !blocked.is_empty() && (0..order.lines.len()).all(|index| blocked.contains(&index) || ended(index))
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
