//! The models that ship: what the reader finds in them, and that the lint has nothing to say.

use std::collections::{BTreeMap, BTreeSet};

use fallout_bpmn::{Catches, Model, Process, STEP_PROCESS, lint};

const STEP: &str = include_str!("../../../bpmn/recoverable-step.bpmn");
const ORDER: &str = include_str!("../../../bpmn/order-fulfilment.bpmn");

fn process(xml: &str, id: &str) -> Process {
    let model = Model::parse(xml).expect("the shipped model is well-formed");
    model.process(id).expect("the file holds this process").clone()
}

fn ids<'a>(nodes: impl Iterator<Item = &'a fallout_bpmn::Node>) -> BTreeSet<&'a str> {
    nodes.map(|node| node.id.as_str()).collect()
}

#[test]
fn shipped_models_are_fit_to_deploy() {
    for xml in [STEP, ORDER] {
        let findings = lint(&Model::parse(xml).unwrap(), &BTreeMap::new());
        assert!(findings.is_empty(), "{findings:#?}");
    }
}

#[test]
fn the_step_catches_every_code_and_only_at_the_external_task() {
    let step = process(STEP, STEP_PROCESS);
    assert_eq!(
        step.external_tasks().map(|(node, topic)| (node.id.as_str(), topic)).collect::<Vec<_>>(),
        [("perform", "${stepTopic}")]
    );
    assert_eq!(step.catches("perform"), Catches::All);
    assert_eq!(step.catches("awaitCallback"), Catches::None);
}

#[test]
fn the_step_offers_retry_resume_reroute_skip_compensate_and_cancel() {
    let offered = process(STEP, STEP_PROCESS).recovery_branches();
    let expected = ["CANCEL_ORDER", "COMPENSATE_STEP", "REROUTE_STEP", "RESUME_WORKFLOW", "RETRY_STEP", "SKIP_STEP"];
    assert_eq!(offered, expected.map(String::from).into());
}

#[test]
fn a_task_whose_topic_is_fixed_takes_no_other_route_whatever_its_model_says() {
    let fixed = STEP.replace("camunda:topic=\"${stepTopic}\"", "camunda:topic=\"payment.capture\"");
    assert_ne!(fixed, STEP);
    let offered = process(&fixed, STEP_PROCESS).recovery_branches();
    assert!(!offered.contains("REROUTE_STEP") && offered.contains("RETRY_STEP"), "{offered:?}");
}

#[test]
fn the_order_offers_no_recovery_of_its_own() {
    assert!(process(ORDER, "order-fulfilment").recovery_branches().is_empty());
}

#[test]
fn end_events_are_known_by_id() {
    assert_eq!(
        ids(process(STEP, STEP_PROCESS).end_events()),
        ["cancelled", "ended", "rejectedToCaller", "skipped"].into()
    );
    let order = process(ORDER, "order-fulfilment");
    assert!(ids(order.end_events()).is_superset(&["orderCompleted", "orderCancelled"].into()));
}

#[test]
fn every_effect_of_the_order_is_a_call_of_the_step_whose_activity_id_is_its_step_id() {
    let order = process(ORDER, "order-fulfilment");
    assert_eq!(order.external_tasks().count(), 0);
    for (node, call) in order.calls().filter(|(node, _)| node.id != "undo") {
        assert_eq!(call.element, STEP_PROCESS);
        assert_eq!(call.handed.input("stepDirection").unwrap().literal(), Some("do"));
        assert_eq!(call.handed.input("stepId").unwrap().literal(), Some(node.id.as_str()));
    }
}

#[test]
fn what_a_cancelled_order_takes_back_is_told_one_by_one_and_in_the_other_direction() {
    let order = process(ORDER, "order-fulfilment");
    let (_, undo) = order.calls().find(|(node, _)| node.id == "undo").unwrap();
    assert_eq!(undo.element, STEP_PROCESS);
    assert_eq!(undo.handed.input("stepDirection").unwrap().literal(), Some("undo"));
    let told = ["lineId", "stepId", "stepTopic"].map(|name| undo.handed.input(name).unwrap().source.as_str());
    assert_eq!(told, ["undoLineId", "undoStepId", "undoTopic"]);
    let after: BTreeSet<_> = order.outgoing("undoEnded").map(|flow| flow.target.as_str()).collect();
    assert_eq!(after, ["awaitUndo"].into(), "whatever an undo comes to, what is left is asked anew");
}

#[test]
fn the_order_names_its_topics() {
    let expected = [
        "billing.activate",
        "contract.check",
        "contract.notify",
        "inventory.check",
        "inventory.reserve",
        "payment.authorize",
        "payment.capture",
        "payment.deposit",
        "provisioning.add",
        "provisioning.cease",
        "provisioning.modify",
    ];
    assert_eq!(Model::parse(ORDER).unwrap().topics(), expected.into());
}

/// Without a shape Modeler and Cockpit do not draw an element, and say nothing.
#[test]
fn every_element_is_drawn() {
    for (xml, id) in [(STEP, STEP_PROCESS), (ORDER, "order-fulfilment")] {
        let process = process(xml, id);
        for id in process.nodes.iter().map(|n| &n.id).chain(process.flows.iter().map(|f| &f.id)) {
            assert_eq!(xml.matches(&format!("bpmnElement=\"{id}\"")).count(), 1, "{id}");
        }
    }
}
