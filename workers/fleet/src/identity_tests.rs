//! Reading a task's identity, one broken variable at a time, and the length of worker ids.

use fallout_camunda::{LockedTask, Variable, Variables};
use serde_json::json;

use super::*;

const ACTION: &str = "0192f0aa-0000-7000-8000-000000000001";

fn variables() -> Variables {
    Variables::new()
        .with("tenantId", "t")
        .with("orderId", "ord-1")
        .with("orderRun", 1)
        .with("lineId", "")
        .with("stepId", "inventory.reserve")
        .with("stepDirection", "do")
        .with("handledCodes", ",CREDIT_CHECK_FAILED,")
        .with("recoveryActionId", "none")
}

fn task(variables: Variables) -> LockedTask {
    let mut task: LockedTask = serde_json::from_value(json!({
        "id": "e", "workerId": "w", "topicName": "inventory.reserve", "activityId": "perform", "activityInstanceId": "a",
        "executionId": "x", "processInstanceId": "p", "processDefinitionId": "recoverable-step:1:d",
        "processDefinitionKey": "recoverable-step", "priority": 0,
        "lockExpirationTime": "2026-01-01T00:00:00.000+0000", "variables": {},
    }))
    .unwrap();
    task.variables = variables;
    task
}

#[test]
fn a_step_is_read_from_its_variables() {
    let read = task_ref(&task(variables())).unwrap();
    assert_eq!((read.step.order.as_str(), read.step.run, read.step.line.as_str()), ("ord-1", 1, ""));
    assert_eq!(read.handled_codes, ["CREDIT_CHECK_FAILED"]);
    assert_eq!(read.action, None);
    let recovered = task_ref(&task(variables().with("recoveryActionId", ACTION))).unwrap();
    assert_eq!(recovered.action.unwrap().to_string(), ACTION);
    assert!(task_ref(&task(variables().with("handledCodes", ","))).unwrap().handled_codes.is_empty());
}

#[test]
fn no_task_performs_the_effect_of_an_action() {
    let named = variables().with("stepId", format!("action:{ACTION}").as_str());
    assert_eq!(task_ref(&task(named)).unwrap_err().variable, "stepId");
}

#[test]
fn a_task_whose_variables_were_changed_to_another_order_is_not_performed() {
    let keyed = |key: &str| LockedTask { business_key: Some(key.into()), ..task(variables()) };
    assert!(task_ref(&keyed("t:ord-1:1")).is_ok());
    for other in ["t:ord-2:1", "t:ord-1:2", "u:ord-1:1"] {
        assert_eq!(task_ref(&keyed(other)).unwrap_err().variable, "orderId", "{other}");
    }
}

#[test]
fn a_task_that_is_no_step_says_which_variable_is_wrong() {
    for variable in VARIABLES {
        let others = variables()
            .into_iter()
            .filter(|(name, _)| *name != variable)
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect();
        assert_eq!(task_ref(&task(others)).unwrap_err().variable, variable);
    }
    for (variable, value) in [
        ("orderId", Variable::from("")),
        ("orderRun", Variable::from("one")),
        ("stepDirection", Variable::from("sideways")),
        ("recoveryActionId", Variable::from("soon")),
        ("handledCodes", Variable::Null),
    ] {
        assert_eq!(task_ref(&task(variables().with(variable, value))).unwrap_err().variable, variable);
    }
}

#[test]
fn an_order_without_line_may_come_with_null() {
    assert_eq!(task_ref(&task(variables().with("lineId", Variable::Null))).unwrap().step.line, "");
}

#[test]
fn a_worker_id_is_unique_and_never_too_long_for_the_engine() {
    let ids = WorkerIds::new(&"ä".repeat(400));
    let (one, other) = (ids.next(), ids.next());
    assert_ne!(one, other);
    assert_eq!(one.chars().count(), 255);
    assert!(WorkerIds::new("fleet").next().starts_with("fleet/"));
}
