//! What must not be deployed: models that would lose a step's ending, a rejection or a recovery without anybody seeing it.

mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::model::{Model, Node, Position, Process};
use crate::reach::{Catches, is_expression};
use crate::{RECOVERY_ACTION, STEP_PROCESS};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    EndingWithoutBranch,
    HandledCodeWithoutBranch,
    HandledCodesUnreadable,
    ConditionUnreadable,
    OneConditionalFlow,
    DefaultAfterStep,
    DefaultAfterRecovery,
    RecoveryWithoutBranch,
    NoHistoryTimeToLive,
    CallNotBound,
    CallIncomplete,
    StepSharesVariables,
    TaskNotAsync,
    CodeNotCaught,
}

/// One reason to refuse a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub rule: Rule,
    pub at: Position,
    pub element: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}; {}", self.at, self.element, self.what, self.advice)
    }
}

/// The error codes that the operation behind each topic may raise.
pub type TopicCodes = BTreeMap<String, BTreeSet<String>>;

/// All findings at once, in the order of the file; empty means fit to deploy.
pub fn lint(model: &Model, topic_codes: &TopicCodes) -> Vec<Finding> {
    let mut findings = Vec::new();
    for process in &model.processes {
        history(process, &mut findings);
        external_tasks(process, topic_codes, &mut findings);
        step::calls(process, &mut findings);
        step::embedded(process, &mut findings);
        recovery(process, &mut findings);
        only_flow(process, &mut findings);
    }
    findings.sort_by_key(|finding| (finding.at, finding.rule));
    findings.dedup(); // several events may lead to one gateway
    findings
}

fn find(rule: Rule, node: &Node, what: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { rule, at: node.at, element: node.id.clone(), what: what.into(), advice: advice.into() }
}

fn history(process: &Process, findings: &mut Vec<Finding>) {
    if process.history_time_to_live.as_deref().unwrap_or("").is_empty() {
        findings.push(Finding {
            rule: Rule::NoHistoryTimeToLive,
            at: process.at,
            element: process.id.clone(),
            what: "historyTimeToLive is missing".into(),
            advice: "set camunda:historyTimeToLive on the process, for example P90D".into(),
        });
    }
}

fn external_tasks(process: &Process, topic_codes: &TopicCodes, findings: &mut Vec<Finding>) {
    for (node, topic) in process.external_tasks() {
        for (set, name) in [(node.async_before, "camunda:asyncBefore"), (node.async_after, "camunda:asyncAfter")] {
            if !set {
                let advice = format!("set {name}=\"true\": a failure beside the task must not undo or repeat it");
                findings.push(find(Rule::TaskNotAsync, node, format!("the external task has no {name}"), advice));
            }
        }
        let advice = format!("catch it with an error boundary event, or call {STEP_PROCESS} instead");
        for what in uncaught(&process.catches(&node.id), topic, topic_codes) {
            findings.push(find(Rule::CodeNotCaught, node, what, &*advice));
        }
    }
}

/// An uncaught BPMN error ends the path silently, and the instance may look well.
fn uncaught(catches: &Catches, topic: &str, topic_codes: &TopicCodes) -> Vec<String> {
    if is_expression(topic) {
        let any = "the topic is an expression, so any code may be raised, but not every code is caught";
        return if *catches == Catches::All { Vec::new() } else { vec![any.to_owned()] };
    }
    let codes = topic_codes.get(topic).into_iter().flatten();
    let what =
        |code| format!("topic {topic} may raise {code}, which nothing here catches: the path would end silently");
    codes.filter(|code| !catches.contains(code)).map(what).collect()
}

fn recovery(process: &Process, findings: &mut Vec<Finding>) {
    for gateway in process.recovery_gateways() {
        if gateway.default_flow.is_some() {
            let what =
                "the recovery gateway has a default flow: an action the model does not know would erase the incident";
            findings.push(find(
                Rule::DefaultAfterRecovery,
                gateway,
                what,
                "remove the default, so that an unknown action is refused",
            ));
        }
        unreadable(process, gateway, findings);
    }
    for node in process.recovery_waits() {
        if process.branches_after(node).is_empty() {
            let advice = format!(
                "lead it straight to an exclusive gateway with conditions such as ${{{RECOVERY_ACTION} == 'RETRY_STEP'}}"
            );
            findings.push(find(
                Rule::RecoveryWithoutBranch,
                node,
                "the recovery message leads to no gateway that asks which action",
                advice,
            ));
        }
    }
}

/// The engine does not parse a gateway that asks a question with one answer.
fn only_flow(process: &Process, findings: &mut Vec<Finding>) {
    for gateway in process.exclusive_gateways() {
        let flows: Vec<_> = process.outgoing(&gateway.id).collect();
        if let [only] = flows.as_slice()
            && only.is_conditional
        {
            let what = format!("flow {} is the only one of the gateway and has a condition", only.id);
            let advice = "give the gateway a flow for every other answer, or remove the condition";
            findings.push(find(Rule::OneConditionalFlow, gateway, what, advice));
        }
    }
}

/// A condition that nobody can read may let an unknown value through, just as a default flow does.
fn unreadable(process: &Process, gateway: &Node, findings: &mut Vec<Finding>) {
    for flow in process.outgoing(&gateway.id) {
        let is_default = gateway.default_flow.as_deref() == Some(&flow.id);
        if flow.condition.is_none() && !is_default {
            let what = format!("flow {} has no condition, or one that says more than comparisons with text", flow.id);
            let advice = "write it like ${name == 'A' || name == 'B'}, and ask anything else in a gateway of its own";
            findings.push(find(Rule::ConditionUnreadable, gateway, what, advice));
        }
    }
}
