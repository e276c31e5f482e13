//! Which execution of an instance is a step's. A called step has its instance to itself; steps that are embedded in their
//! order's process wait beside each other, and are told apart by what their model handed down to each.

use fallout_camunda::{ActivityInstance, Execution, ScopedVariable};
use fallout_core::{
    command::{ACTION_VARIABLE, Place},
    ids::ActionId,
};

use crate::{Watch, WatchError};

/// The execution of the step that waits for this message, and the action that its token holds.
pub(crate) async fn waiting(
    watch: &Watch,
    instance: &str,
    message: &str,
    at: &Place,
) -> Result<Option<(Execution, String)>, WatchError> {
    let executions = watch.engine.executions(instance, message).await?;
    if executions.is_empty() {
        return Ok(None);
    }
    let Some(tree) = watch.engine.activity_instances(instance).await? else { return Ok(None) };
    let variables = watch.engine.scoped_variables(instance).await?;
    let find = |execution: Execution| {
        let scope = Scope { path: tree.path_of(&execution.id), variables: &variables };
        scope.is_at(at).then(|| (execution, scope.text(ACTION_VARIABLE).unwrap_or_default().to_owned()))
    };
    Ok(executions.into_iter().find_map(find))
}

/// The same where it need not be said whose token is meant: whoever waits there is the step's.
pub(crate) async fn one_waiting(
    watch: &Watch,
    instance: &str,
    message: &str,
    at: Option<&Place>,
) -> Result<Option<Execution>, WatchError> {
    match at {
        Some(at) => Ok(waiting(watch, instance, message, at).await?.map(|(execution, _)| execution)),
        None => Ok(watch.engine.executions(instance, message).await?.into_iter().next()),
    }
}

/// What an execution sees: the nearest scope goes before those around it.
struct Scope<'a> {
    path: Vec<&'a ActivityInstance>,
    variables: &'a [ScopedVariable],
}

impl Scope<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        let own = |scope: &&ActivityInstance| {
            let is = |v: &&ScopedVariable| v.name == name && v.activity_instance_id.as_deref() == Some(&scope.id);
            self.variables.iter().find(is).and_then(|v| v.value.as_text())
        };
        self.path.iter().rev().find_map(own)
    }

    fn is_at(&self, at: &Place) -> bool {
        let is = |name, value| self.text(name).unwrap_or_default() == value;
        is("stepId", at.step.as_str()) && is("lineId", at.line.as_str()) && is("stepDirection", at.direction.word())
    }
}

/// How far an action has come, by the engine's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The token has the action's id.
    pub branch: bool,
    /// What the action was given to is over: the called instance, or the subprocess in which the step is embedded.
    pub ended: bool,
}

pub(crate) async fn taken(watch: &Watch, instance: &str, action: ActionId) -> Result<Taken, WatchError> {
    let id = action.to_string();
    let values = watch.engine.historic_variables(instance, ACTION_VARIABLE).await?;
    let token = values.iter().find(|v| v.value.as_text() == Some(&id));
    let scope = token.and_then(|v| v.activity_instance_id.as_deref()).filter(|scope| *scope != instance);
    let is_over = watch.engine.historic_process_instance(instance).await?.is_none_or(|i| i.end_time.is_some());
    let ended = match scope {
        Some(scope) if !is_over => {
            watch.engine.historic_activity_instance(scope).await?.is_none_or(|a| a.end_time.is_some())
        }
        _ => is_over,
    };
    Ok(Taken { branch: token.is_some(), ended })
}

#[cfg(test)]
mod tests {
    use fallout_camunda::Variable;
    use fallout_core::step::Direction;

    use super::*;

    fn activity(id: &str, executions: &[&str], inside: Vec<ActivityInstance>) -> ActivityInstance {
        ActivityInstance {
            id: id.to_owned(),
            activity_id: id.to_owned(),
            activity_type: String::new(),
            execution_ids: executions.iter().map(|e| (*e).to_owned()).collect(),
            child_activity_instances: inside,
            child_transition_instances: Vec::new(),
        }
    }

    fn variable(scope: &str, name: &str, value: &str) -> ScopedVariable {
        let activity_instance_id = Some(scope.to_owned());
        ScopedVariable { name: name.to_owned(), value: Variable::from(value), activity_instance_id }
    }

    #[test]
    fn two_embedded_steps_are_told_apart_by_what_each_was_handed() {
        let line = |id: &str, e: &str| activity(id, &[], vec![activity(&format!("wait-{id}"), &[e], vec![])]);
        let tree = activity("root", &[], vec![line("a", "1"), line("b", "2")]);
        let mut variables = vec![variable("root", "lineId", "outside")];
        for (scope, of_line) in [("a", "A"), ("b", "B")] {
            variables.push(variable(scope, "stepId", "provision"));
            variables.push(variable(scope, "stepDirection", "do"));
            variables.push(variable(scope, "lineId", of_line));
        }
        let place = |line: &str| Place { line: line.into(), step: "provision".into(), direction: Direction::Do };
        let at = |execution: &str| Scope { path: tree.path_of(execution), variables: &variables };
        for (execution, own, other) in [("1", "A", "B"), ("2", "B", "A")] {
            assert!(at(execution).is_at(&place(own)) && !at(execution).is_at(&place(other)), "{execution}");
        }
        assert!(!at("gone").is_at(&place("A")));
    }
}
