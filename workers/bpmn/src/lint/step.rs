//! The rules for calls: bound to their deployment, complete, and followed by a gateway that asks how the step ended.

use super::{Finding, Rule, find, unreadable};
use crate::model::{Flow, Handed, Node, Process};
use crate::{FALLOUT_CODE, STEP_ENDING, STEP_PROCESS};

/// Every step may end so; a handled code adds REJECTED.
const ENDINGS: [&str; 3] = ["DONE", "SKIPPED", "CANCELLED"];

/// What the step's model and its workers read; without one of them the step fails on the engine.
const INPUTS: [&str; 9] = [
    "tenantId",
    "orderId",
    "orderRun",
    "lineId",
    "stepId",
    "stepDirection",
    "stepTopic",
    "handledCodes",
    "recoveryActionId",
];

/// What worker, relay and engine set on the way of one step: of one's own, or a step beside it would go by it.
const OWN: [&str; 5] = ["stepState", "callbackDeadline", "recoveryAction", "falloutCode", "stepEnding"];

pub(super) fn calls(process: &Process, findings: &mut Vec<Finding>) {
    for (node, call) in process.calls() {
        if call.binding.as_deref() != Some("deployment") {
            let what = format!("the call of {} is not bound to its deployment", call.element);
            let advice = "set camunda:calledElementBinding=\"deployment\" and deploy both models together";
            findings.push(find(Rule::CallNotBound, node, what, advice));
        }
        if call.element == STEP_PROCESS {
            let mut missing: Vec<&str> = INPUTS.into_iter().filter(|name| call.handed.input(name).is_none()).collect();
            if call.business_key.is_none() {
                missing.push("businessKey");
            }
            if !missing.is_empty() {
                let what = format!("the step is called without {}", missing.join(", "));
                findings.push(find(Rule::CallIncomplete, node, what, "pass each with a camunda:in mapping"));
            }
            asked(process, node, &call.handed, findings);
        }
    }
}

/// A step that is drawn into its caller answers for the same as a called one. Its topic stands at its task.
pub(super) fn embedded(process: &Process, findings: &mut Vec<Finding>) {
    for (node, handed) in process.embedded_steps() {
        let identity = INPUTS.into_iter().filter(|name| *name != "stepTopic");
        let missing: Vec<&str> = identity.filter(|name| handed.input(name).is_none()).collect();
        if !missing.is_empty() {
            let what = format!("the embedded step is not handed {}", missing.join(", "));
            let advice = "give the subprocess a camunda:inputParameter for each: they tell it from the steps beside it";
            findings.push(find(Rule::CallIncomplete, node, what, advice));
        }
        let shared: Vec<&str> = OWN.into_iter().filter(|name| handed.input(name).is_none()).collect();
        if !shared.is_empty() {
            let what = format!("the embedded step shares {} with the steps beside it", shared.join(", "));
            let advice = "give the subprocess an empty camunda:inputParameter for each: what one step is told must not move another";
            findings.push(find(Rule::StepSharesVariables, node, what, advice));
        }
        asked(process, node, handed, findings);
    }
}

fn asked(process: &Process, node: &Node, handed: &Handed, findings: &mut Vec<Finding>) {
    gateways(process, node, findings);
    endings(process, node, handed, findings);
    handled(process, node, handed, findings);
}

fn gateways(process: &Process, node: &Node, findings: &mut Vec<Finding>) {
    for gateway in process.gateways_after(&node.id) {
        if gateway.default_flow.is_some() {
            let what = format!(
                "the gateway after step {} has a default flow, which takes every ending that nobody asks about",
                node.id
            );
            findings.push(find(
                Rule::DefaultAfterStep,
                gateway,
                what,
                "give each ending its own condition and remove the default",
            ));
        }
        unreadable(process, gateway, findings);
    }
}

fn endings(process: &Process, node: &Node, handed: &Handed, findings: &mut Vec<Finding>) {
    let variable = handed.receives(STEP_ENDING).unwrap_or_default();
    let missing: Vec<&str> =
        ENDINGS.into_iter().filter(|ending| !branches(process, node, &[(variable, ending)])).collect();
    if !missing.is_empty() {
        let name = if variable.is_empty() { "ending" } else { variable };
        let what = format!("the step may end {}, and no branch asks about it", missing.join(", "));
        let advice = format!(
            "map {STEP_ENDING} out, and let one flow lead straight to an exclusive gateway with conditions such as ${{{name} == 'DONE'}}"
        );
        findings.push(find(Rule::EndingWithoutBranch, node, what, advice));
    }
}

fn handled(process: &Process, node: &Node, handed: &Handed, findings: &mut Vec<Finding>) {
    let Some(codes) = handled_codes(handed) else {
        let advice = "write each code between commas, as in \",CREDIT_CHECK_FAILED,\", or ${''} for none";
        findings.push(find(Rule::HandledCodesUnreadable, node, "handledCodes is not a fixed list of codes", advice));
        return;
    };
    let ending = handed.receives(STEP_ENDING).unwrap_or_default();
    let variable = handed.receives(FALLOUT_CODE).unwrap_or_default();
    for code in codes {
        if !branches(process, node, &[(ending, "REJECTED"), (variable, code)]) {
            let what = format!("{code} is in handledCodes, but no branch asks about it");
            let advice = format!(
                "map {FALLOUT_CODE} out and add a flow for REJECTED with this code, or remove it from handledCodes"
            );
            findings.push(find(Rule::HandledCodeWithoutBranch, node, what, advice));
        }
    }
}

/// The codes of ",A,B,"; none when the text is computed or does not follow that form, which the model matches exactly.
fn handled_codes(handed: &Handed) -> Option<Vec<&str>> {
    let Some(mapping) = handed.input("handledCodes") else {
        return Some(Vec::new()); // found as incomplete
    };
    let text = mapping.literal()?;
    if text.is_empty() {
        return Some(Vec::new());
    }
    let codes: Vec<&str> = text.strip_prefix(',')?.strip_suffix(',')?.split(',').collect();
    codes.iter().all(|code| !code.is_empty() && code.trim() == *code).then_some(codes)
}

/// Whether the only way on from the call is a gateway with a flow that is surely taken for these values.
fn branches(process: &Process, node: &Node, values: &[(&str, &str)]) -> bool {
    let holds = |flow: &Flow| flow.condition.as_ref().is_some_and(|condition| condition.holds_for(values));
    let only_one = process.outgoing(&node.id).count() == 1;
    only_one && process.gateways_after(&node.id).any(|gateway| process.outgoing(&gateway.id).any(holds))
}
