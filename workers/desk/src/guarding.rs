//! What the guard of recovery actions reads: the case's step under its lock, and what surrounds it.

use chrono::{DateTime, Utc};
use fallout_core::{
    action::guard::expired,
    action::revision::Revised,
    action::{Accepted, Action, Asked, Commercial, OnStep, Refusal, Target, Terms, guard, terms},
    claim::StepFacts,
    decide::classification,
    ids::CaseNumber,
    operation::{Kind, Operation, PerformedBy},
    policy::{OrderFacts, Policies},
    step::{Direction, Outputs, StepState},
    undo::PastReturn,
};
use fallout_store::{actions, batch, cases::Case, policies};

use crate::{Desk, DeskError, show::ActionView, work::Work};

/// Actions that a policy is about; the others need no facts of the order.
const BY_POLICY: [Action; 4] = [Action::CancelOrder, Action::RerouteStep, Action::RepriceQuote, Action::RebaseChange];

pub(crate) fn is_by_policy(action: Action) -> bool {
    BY_POLICY.contains(&action)
}

/// Read once per case, for however many actions are asked about.
pub(crate) struct Surroundings {
    facts: StepFacts,
    is_gone: bool,
    /// Results of earlier steps.
    earlier: Vec<(String, Outputs)>,
    order: OrderFacts,
    past_return: Option<String>,
    irreversible: Option<String>,
    uses: Vec<Revised>,
}

impl Desk {
    /// The effect past which a run can no longer be cancelled, by the name of its operation.
    pub(crate) fn past_return(&self, order: &OrderFacts) -> Option<String> {
        let refuses = |name: &&String| {
            self.catalogue.operation(name).is_some_and(|op| op.point_of_no_return == Some(PastReturn::Refuse))
        };
        order.effects.iter().find(refuses).cloned()
    }

    /// The effect under which a baseline cannot move, by the name of its operation.
    fn irreversible(&self, order: &OrderFacts) -> Option<String> {
        let stays = |name: &&String| self.catalogue.operation(name).is_some_and(stays);
        order.effects.iter().find(stays).cloned()
    }
}

/// What no call takes back once it is done. What an action did to the order itself is no fulfilment.
pub(crate) fn stays(op: &Operation) -> bool {
    let fulfils = op.kind == Kind::Effect && op.performed_by == PerformedBy::Step && op.direction == Direction::Do;
    fulfils && op.undone_by().is_none()
}

impl Surroundings {
    /// Of a step that an action has waited for: what counts is what is known of it.
    pub fn if_parked(mut self) -> Surroundings {
        self.facts.state = StepState::Parked;
        self
    }
}

impl Work<'_> {
    /// For this action, or for all.
    pub(crate) async fn surroundings(&mut self, action: Option<Action>) -> Result<Surroundings, DeskError> {
        let line = self.step.identity.line.clone();
        let outputs = batch::outputs(&mut self.tx, &[self.run.id]).await?;
        let earlier = outputs.into_iter().filter(|o| o.line.is_empty() || o.line == line);
        let earlier = earlier.map(|o| (o.step, o.outputs)).collect();
        let is_gone = actions::is_stranded(&mut self.tx, self.step.key, &self.step.external_task_id).await?;
        let order = match action.is_none_or(is_by_policy) {
            true => policies::order(&mut self.tx, self.run.id).await?,
            false => OrderFacts::default(),
        };
        let past_return = self.desk.past_return(&order);
        let irreversible = self.desk.irreversible(&order);
        let op = self.desk.catalogue.operation(self.performed_by()).unwrap_or(self.op);
        let uses = Revised::ALL.iter().copied().filter(|revised| revised.at().is_used_by(op)).collect();
        Ok(Surroundings { facts: self.facts(), is_gone, earlier, order, past_return, irreversible, uses })
    }

    pub(crate) fn guarded(
        &self,
        case: &Case,
        around: &Surroundings,
        action: Action,
        asked: &Asked<'_>,
    ) -> Result<Accepted, Refusal> {
        let commercial = self.commercial(case, around);
        // Another route asks for other results.
        let route = terms(action, &commercial, asked).ok().and_then(|terms| terms.route);
        let op = route.and_then(|by| self.desk.catalogue.operation(&by)).unwrap_or(self.op);
        let step = OnStep {
            op: self.op,
            facts: &around.facts,
            branches: &self.branches,
            is_gone: around.is_gone,
            expired: expired(op, around.earlier.iter().map(|(step, outputs)| (step.as_str(), outputs)), self.now),
            commercial,
        };
        let is_undo = case.classification == classification::UNDO_REQUIRED;
        guard(action, &Target { case: case.state, is_undo, step: Some(step), now: self.now }, asked)
    }

    /// What the policies say of an action that was accepted.
    pub(crate) async fn terms(&mut self, case: &Case, action: Action, asked: &Asked<'_>) -> Result<Terms, DeskError> {
        if !is_by_policy(action) || case.classification == classification::UNDO_REQUIRED {
            return Ok(Terms::default());
        }
        let around = self.surroundings(Some(action)).await?;
        Ok(terms(action, &self.commercial(case, &around), asked)?)
    }

    fn commercial<'b>(&'b self, case: &'b Case, around: &'b Surroundings) -> Commercial<'b> {
        let policies: &Policies = self.desk.policies(&self.step.identity.tenant);
        Commercial {
            policies,
            order: &around.order,
            operation: self.performed_by(),
            classification: &case.classification,
            past_return: around.past_return.as_deref(),
            irreversible: around.irreversible.as_deref(),
            uses: &around.uses,
        }
    }

    /// Every action that can be done here, with why not where it cannot be done now.
    pub(crate) async fn actions(&mut self, case: &Case) -> Result<Vec<ActionView>, DeskError> {
        let around = self.surroundings(None).await?;
        let none = Outputs::new();
        let answer = |action| self.guarded(case, &around, action, &unsaid(&none));
        let needed: Vec<&str> = self.op.outputs.keys().map(String::as_str).collect();
        let needed = if self.undoes.is_some() { &[] } else { needed.as_slice() };
        Ok(views(case, needed, answer))
    }
}

/// As if everything that a person has to say in words were said: whether the rest allows it.
fn unsaid(outputs: &Outputs) -> Asked<'_> {
    Asked { impact: Some("to be said"), ..Asked::of(outputs) }
}

/// The same for a case that belongs to no step.
pub(crate) fn guarded_without_step(
    case: &Case,
    action: Action,
    asked: &Asked<'_>,
    now: DateTime<Utc>,
) -> Result<Accepted, Refusal> {
    guard(action, &Target { case: case.state, is_undo: false, step: None, now }, asked)
}

pub(crate) fn actions_without_step(case: &Case, now: DateTime<Utc>) -> Vec<ActionView> {
    let none = Outputs::new();
    views(case, &[], |action| guarded_without_step(case, action, &unsaid(&none), now))
}

fn views(case: &Case, needed: &[&str], answer: impl Fn(Action) -> Result<Accepted, Refusal>) -> Vec<ActionView> {
    let view = |action: &Action| {
        let answer = answer(*action);
        ActionView {
            action: *action,
            declaration: action.declaration(),
            required: None,
            second_person: None,
            command: command(case.number, *action, answer.as_ref().err(), needed),
            refused: answer.err().map(|refusal| refusal.to_string()),
        }
    };
    Action::ALL.iter().map(view).collect()
}

/// What to type, with everything that the rules ask a person to say.
fn command(case: CaseNumber, action: Action, refused: Option<&Refusal>, needed: &[&str]) -> Option<String> {
    let attested = match refused {
        None => None,
        Some(Refusal::OutcomeUnknown | Refusal::KeyForgotten) => Some(match action {
            Action::ResumeWorkflow | Action::CompensateStep => "applied",
            // Both are possible; which one is true decides what becomes of the effect.
            Action::CancelOrder => "applied|not-applied",
            _ => "not-applied",
        }),
        Some(Refusal::NotUndone) => Some("not-applied"),
        Some(Refusal::OutputMissing(_)) => None,
        Some(_) => return None,
    };
    let gives = match action {
        Action::SkipStep | Action::CompensateStep => true,
        Action::ResumeWorkflow | Action::CancelOrder => attested.is_some_and(|said| said.starts_with("applied")),
        _ => false,
    };
    let mut line = format!("fallout case recover {case} --action {} --reason TEXT", action.declaration().name);
    if let Some(said) = attested {
        line += &format!(" --attest {said} --reference TEXT");
    }
    for name in needed.iter().filter(|_| gives) {
        line += &format!(" --output {name}=VALUE");
    }
    if action == Action::ForceClose {
        line += " --impact TEXT";
    }
    if action == Action::CorrectData {
        line += " --set FIELD=VALUE --source TEXT";
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_typed_says_everything_that_the_rules_ask_a_person_for() {
        use Action as A;
        use Refusal as R;
        let rows = [
            (A::RetryStep, None, Some("--action retry --reason TEXT")),
            (
                A::RetryStep,
                Some(R::OutcomeUnknown),
                Some("--action retry --reason TEXT --attest not-applied --reference TEXT"),
            ),
            (
                A::ResumeWorkflow,
                Some(R::OutcomeUnknown),
                Some("--action resume --reason TEXT --attest applied --reference TEXT --output id=VALUE"),
            ),
            (A::ResumeWorkflow, None, Some("--action resume --reason TEXT")),
            (A::ResumeWorkflow, Some(R::NotApplied), None),
            (A::SkipStep, Some(R::OutputMissing("id".into())), Some("--action skip --reason TEXT --output id=VALUE")),
            (A::ReconcileStep, Some(R::NoLookup), None),
            (A::ForceClose, None, Some("--action force-close --reason TEXT --impact TEXT")),
            (A::ForceClose, Some(R::StillParked), None),
            (A::CorrectData, None, Some("--action correct --reason TEXT --set FIELD=VALUE --source TEXT")),
        ];
        let case: CaseNumber = "fc-12".parse().unwrap();
        for (action, refused, expected) in rows {
            let said = command(case, action, refused.as_ref(), &["id"]);
            let expected = expected.map(|rest| format!("fallout case recover fc-12 {rest}"));
            assert_eq!(said, expected, "{action} {refused:?}");
        }
    }
}
