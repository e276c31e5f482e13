//! How an effect is taken back: what an operation says about it, and which effect of a cancelled order is next.
//!
//! Nothing is guessed: an effect that no call can take back names the people who do it by hand.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    attempt::AttemptFacts,
    catalogue::Catalogue,
    check::{Finding, Findings, request_texts},
    decide::{Joined, join},
    ids::StepKey,
    operation::{Kind, Operation, PerformedBy},
    outcome::Outcome,
    step::Direction,
    taxonomy::Taxonomy,
    template,
    words::words,
};

/// Who or what takes an effect back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Undo {
    /// An operation with `direction = "undo"`, rendered from the effect.
    Operation(String),
    /// A group of the taxonomy: no call does it, so a case asks them and waits.
    ByHand(String),
}

words! {
    /// What becomes of a cancellation once the operation's effect exists.
    PastReturn {
        /// The order cannot be cancelled any more.
        Refuse = "refuse",
        /// It can, and people see to this effect: no call takes it back, even if there is one.
        Compensate = "compensate",
    }
}

/// What is left of the effect of a step, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It exists.
    Effect,
    /// It may exist.
    Unsure,
    Nothing,
}

/// What attempts and the mark of the step say together.
pub fn left(op: &Operation, attempts: &[AttemptFacts], undone: bool) -> Left {
    match join(attempts) {
        _ if op.kind == Kind::Read => Left::Nothing,
        Joined::Settled(_, Outcome::Success { .. }) if !undone => Left::Effect,
        Joined::Open(_) | Joined::Unresolved(..) => Left::Unsure,
        Joined::Settled(..) | Joined::Nothing => Left::Nothing,
    }
}

/// One step of a cancelled order that something is left of.
#[derive(Clone, Debug, PartialEq)]
pub struct Remains {
    pub step: StepKey,
    pub left: Left,
    /// When its latest attempt began: those that rely on it began later.
    pub since: DateTime<Utc>,
    /// The operation that takes it back; none: people do, or the call for it was given up.
    pub by: Option<String>,
}

/// What a cancelled order waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Nothing is left of it.
    End,
    /// Perform this undo: of all that is left, its effect came last.
    Undo { step: StepKey, operation: String },
    /// Something that came later has to go first, and that is not for us.
    Wait,
}

/// Latest effect first, strictly: what came later may rely on what came before, whoever undoes it.
pub fn next(remains: &[Remains]) -> Next {
    let latest = remains.iter().max_by_key(|one| (one.since, one.step));
    match latest {
        None => Next::End,
        Some(Remains { left: Left::Effect, by: Some(operation), step, .. }) => {
            Next::Undo { step: *step, operation: operation.clone() }
        }
        Some(_) => Next::Wait,
    }
}

impl Operation {
    /// The call that takes its effect back, where a machine may do it.
    pub fn undone_by(&self) -> Option<&str> {
        match (&self.undo, self.point_of_no_return) {
            (Some(Undo::Operation(name)), None) => Some(name),
            _ => None,
        }
    }

    /// Who takes its effect back where no call does.
    pub fn undone_by_hand(&self) -> &str {
        match &self.undo {
            Some(Undo::ByHand(group)) => group,
            _ => &self.owner_group,
        }
    }
}

/// What is wrong with what an operation says about undoing, as far as it can be seen in its own file.
pub(crate) fn check(op: &Operation, taxonomy: &Taxonomy, found: &mut Findings) {
    if op.performed_by == PerformedBy::Action {
        return of_an_action(op, found);
    }
    let effect = (op.kind, op.direction) == (Kind::Effect, Direction::Do);
    let what = "nothing says how its effect is taken back when the order is cancelled";
    let next = "give { operation = \"…\" }, or { by_hand = \"…\" } with the group that does it";
    found.add_if(effect && op.undo.is_none(), "undo", what, next);
    let next = "leave it out";
    found.add_if(!effect && op.undo.is_some(), "undo", "only an effect that is no undo itself is undone", next);
    let what = "a read changes nothing, so it takes nothing back";
    found.add_if(op.kind == Kind::Read && op.direction == Direction::Undo, "direction", what, next);
    let what = "only an effect that is no undo itself has one";
    found.add_if(!effect && op.point_of_no_return.is_some(), "point_of_no_return", what, next);
    if let Some(Undo::ByHand(group)) = &op.undo {
        let known = taxonomy.categories.iter().any(|c| c.owner_group == *group);
        let what = format!("the taxonomy knows no group {group}");
        found.add_if(!known, "undo", what, "name an owner_group of the taxonomy's categories");
    }
}

/// What an action does to an order stays when the order is cancelled: it fulfilled nothing.
fn of_an_action(op: &Operation, found: &mut Findings) {
    let what = "an action makes effects; a read needs no action";
    found.add_if(op.kind == Kind::Read, "performed_by", what, "leave it out, or call the operation an effect");
    let what = "what an action itself does is not undone with the order";
    let unfit = op.direction == Direction::Undo || op.undo.is_some() || op.point_of_no_return.is_some();
    found.add_if(unfit, "performed_by", what, "leave out direction, undo and point_of_no_return");
}

/// What is wrong between an operation and the one that undoes it.
pub fn check_pair(op: &Operation, catalogue: &Catalogue) -> Option<Finding> {
    let Some(Undo::Operation(name)) = &op.undo else { return None };
    let finding = |what: String, next: &str| Some(Finding { field: "undo", what, next: next.to_owned() });
    let Some(by) = catalogue.operation(name) else {
        return finding(format!("there is no operation {name}"), "add its file, or give by_hand");
    };
    if by.direction != Direction::Undo {
        return finding(format!("{name} makes effects"), "name one with direction = \"undo\"");
    }
    let needed = request_texts(by).into_iter().flat_map(template::names);
    let mut needed = needed.filter_map(|name| name.strip_prefix("effect.outputs."));
    let missing = needed.find(|name| !op.outputs.contains_key(*name))?;
    finding(format!("{name} needs the output {missing} of the effect, which this has not"), "add the output")
}

#[cfg(test)]
#[path = "undo_tests.rs"]
mod tests;
