//! Each rule of the lint against a small model, or a shipped one, that breaks just this rule.

use std::collections::BTreeMap;

use fallout_bpmn::{BpmnError, Catches, Finding, Model, Rule, lint};

const STEP: &str = include_str!("../../../bpmn/recoverable-step.bpmn");
const ORDER: &str = include_str!("../../../bpmn/order-fulfilment.bpmn");

fn model(inside: &str) -> Model {
    let xml = format!(
        r#"<b:definitions xmlns:b="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn">
<b:error id="no" errorCode="NO"/><b:error id="never" errorCode="NEVER"/>
<b:process id="p" isExecutable="true" camunda:historyTimeToLive="P1D">{inside}</b:process></b:definitions>"#
    );
    Model::parse(&xml).expect("the small model is well-formed")
}

fn findings(model: &Model) -> Vec<Finding> {
    let codes = BTreeMap::from([("t".to_owned(), ["NO".to_owned(), "NEVER".to_owned()].into())]);
    lint(model, &codes)
}

/// A shipped model with one text replaced breaks exactly these rules at these elements.
fn check(xml: &str, replace: &str, with: &str, expected: &[(Rule, &str)]) {
    assert!(xml.contains(replace), "the model no longer contains {replace}");
    let model = Model::parse(&xml.replacen(replace, with, 1)).expect("the change keeps it well-formed");
    let found = findings(&model);
    let found: Vec<_> = found.iter().map(|f| (f.rule, f.element.as_str())).collect();
    assert_eq!(found, expected, "after replacing {replace}");
}

#[test]
fn an_ending_without_branch_is_refused() {
    check(
        ORDER,
        "validateEnding == 'CANCELLED'",
        "validateEnding == 'GONE'",
        &[(Rule::EndingWithoutBranch, "validate")],
    );
    check(ORDER, "lineEnding == 'DONE' || ", "", &[(Rule::EndingWithoutBranch, "provision")]);
    check(
        ORDER,
        r#"<camunda:out source="stepEnding" target="billEnding" />"#,
        "",
        &[(Rule::EndingWithoutBranch, "bill")],
    );
    check(
        ORDER,
        r#"sourceRef="bill" targetRef="billEnded""#,
        r#"sourceRef="bill" targetRef="authorize""#,
        &[(Rule::EndingWithoutBranch, "bill")],
    );
}

#[test]
fn a_flow_beside_the_gateway_is_refused() {
    let beside =
        r#"<bpmn:sequenceFlow id="beside" sourceRef="bill" targetRef="notify" /><bpmn:endEvent id="orderCompleted""#;
    check(ORDER, r#"<bpmn:endEvent id="orderCompleted""#, beside, &[(Rule::EndingWithoutBranch, "bill")]);
}

#[test]
fn a_default_flow_after_a_step_is_refused() {
    check(
        ORDER,
        r#"id="billEnded""#,
        r#"id="billEnded" default="billGoesOn""#,
        &[(Rule::DefaultAfterStep, "billEnded")],
    );
}

#[test]
fn a_condition_that_lets_unknown_values_through_is_refused() {
    check(
        ORDER,
        "${notifyEnding == 'CANCELLED'}",
        "${notifyEnding != 'DONE'}",
        &[(Rule::EndingWithoutBranch, "notify"), (Rule::ConditionUnreadable, "notifyEnded")],
    );
    check(
        STEP,
        "${recoveryAction == 'SKIP_STEP'}",
        "${recoveryAction != 'RETRY_STEP'}",
        &[(Rule::ConditionUnreadable, "action")],
    );
}

#[test]
fn a_gateway_with_one_flow_that_has_a_condition_is_refused() {
    let gateway = |flows: &str| {
        let inside = format!(
            r#"<b:startEvent id="s"/><b:sequenceFlow id="in" sourceRef="s" targetRef="g"/><b:exclusiveGateway id="g"/>
<b:endEvent id="e"/><b:endEvent id="o"/>{flows}"#
        );
        findings(&model(&inside)).into_iter().map(|f| (f.rule, f.element)).collect::<Vec<_>>()
    };
    let flow = |id: &str, to: &str, condition: &str| {
        format!(r#"<b:sequenceFlow id="{id}" sourceRef="g" targetRef="{to}">{condition}</b:sequenceFlow>"#)
    };
    let (one, any) = (
        "<b:conditionExpression>${a == 'X'}</b:conditionExpression>",
        "<b:conditionExpression>${f(a)}</b:conditionExpression>",
    );
    for condition in [one, any] {
        assert_eq!(gateway(&flow("f", "e", condition)), [(Rule::OneConditionalFlow, "g".to_owned())], "{condition}");
    }
    assert_eq!(gateway(&flow("f", "e", "")), []);
    assert_eq!(gateway(&(flow("f", "e", one) + &flow("h", "o", any))), []);
}

#[test]
fn a_handled_code_needs_a_branch_of_its_own() {
    check(
        ORDER,
        "authorizeCode == 'CREDIT_CHECK_FAILED'",
        "authorizeCode == 'CREDIT'",
        &[(Rule::HandledCodeWithoutBranch, "authorize")],
    );
    check(
        ORDER,
        ",CREDIT_CHECK_FAILED,",
        ",CREDIT_CHECK_FAILED,LIMIT,",
        &[(Rule::HandledCodeWithoutBranch, "authorize")],
    );
    check(ORDER, " && authorizeCode == 'CREDIT_CHECK_FAILED'".replace('&', "&amp;").as_str(), "", &[]);
}

#[test]
fn handled_codes_that_the_step_cannot_match_are_refused() {
    for wrong in ["CREDIT_CHECK_FAILED", "${codes}", ",CREDIT_CHECK_FAILED, ,", ",,"] {
        check(ORDER, ",CREDIT_CHECK_FAILED,", wrong, &[(Rule::HandledCodesUnreadable, "authorize")]);
    }
}

#[test]
fn a_default_flow_after_the_recovery_message_is_refused() {
    check(
        STEP,
        r#"id="action" name"#,
        r#"id="action" default="actionToPerform" name"#,
        &[(Rule::DefaultAfterRecovery, "action")],
    );
}

#[test]
fn a_recovery_message_that_leads_past_the_gateway_is_refused() {
    check(
        STEP,
        r#"sourceRef="recoverPerform" targetRef="action""#,
        r#"sourceRef="recoverPerform" targetRef="perform""#,
        &[(Rule::RecoveryWithoutBranch, "recoverPerform")],
    );
}

#[test]
fn a_model_without_history_time_to_live_is_refused() {
    check(STEP, r#" camunda:historyTimeToLive="P90D""#, "", &[(Rule::NoHistoryTimeToLive, "recoverable-step")]);
}

#[test]
fn a_call_that_is_not_bound_or_not_complete_is_refused() {
    check(ORDER, r#" camunda:calledElementBinding="deployment""#, "", &[(Rule::CallNotBound, "validate")]);
    check(ORDER, r#"<camunda:in source="tenantId" target="tenantId" />"#, "", &[(Rule::CallIncomplete, "validate")]);
}

#[test]
fn an_external_task_without_async_boundaries_is_refused() {
    check(STEP, r#" camunda:asyncAfter="true""#, "", &[(Rule::TaskNotAsync, "perform")]);
}

const TASK: &str = r#"<b:serviceTask id="a" camunda:type="external" camunda:topic="t" camunda:asyncBefore="true" camunda:asyncAfter="true"/>"#;

#[test]
fn a_code_that_nothing_catches_is_refused_and_says_where_and_what_to_do() {
    let found = findings(&model(&format!(
        r#"{TASK}<b:boundaryEvent id="e" attachedToRef="a"><b:errorEventDefinition errorRef="no"/></b:boundaryEvent>"#
    )));
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].to_string(),
        "3:71 a: topic t may raise NEVER, which nothing here catches: the path would end silently; \
         catch it with an error boundary event, or call recoverable-step instead"
    );
}

fn check_catches(inside: &str, expected: Catches) {
    assert_eq!(model(inside).processes[0].catches("a"), expected, "{inside}");
}

fn codes(codes: &[&str]) -> Catches {
    Catches::Codes(codes.iter().map(|code| (*code).to_owned()).collect())
}

#[test]
fn codes_are_caught_on_the_activity_around_it_and_beside_it() {
    let boundary = |on: &str, error: &str| {
        format!(
            r#"<b:boundaryEvent id="on-{on}" attachedToRef="{on}"><b:errorEventDefinition {error}/></b:boundaryEvent>"#
        )
    };
    let (no, never, all) = (r#"errorRef="no""#, r#"errorRef="never""#, "");
    let handler = |error: &str| {
        format!(
            r#"<b:subProcess id="h" triggeredByEvent="true"><b:startEvent id="hs"><b:errorEventDefinition {error}/></b:startEvent></b:subProcess>"#
        )
    };
    check_catches(TASK, Catches::None);
    check_catches(&format!("{TASK}{}", boundary("a", all)), Catches::All);
    check_catches(
        &format!(r#"<b:subProcess id="s">{TASK}{}</b:subProcess>{}"#, boundary("a", no), boundary("s", never)),
        codes(&["NEVER", "NO"]),
    );
    check_catches(&format!("{TASK}{}", handler(no)), codes(&["NO"]));
    check_catches(&format!(r#"<b:subProcess id="s">{TASK}</b:subProcess>{}"#, handler(all)), Catches::All);
}

#[test]
fn what_is_thrown_or_caught_elsewhere_is_not_caught_here() {
    let inside_handler =
        TASK.to_owned() + r#"<b:startEvent id="hs"><b:errorEventDefinition errorRef="no"/></b:startEvent>"#;
    check_catches(
        &format!(r#"<b:subProcess id="h" triggeredByEvent="true">{inside_handler}</b:subProcess>"#),
        Catches::None,
    );
    check_catches(
        &format!(r#"{TASK}<b:endEvent id="e"><b:errorEventDefinition errorRef="no"/></b:endEvent>"#),
        Catches::None,
    );
    check_catches(
        &format!(
            r#"{TASK}<b:task id="o"/><b:boundaryEvent id="e" attachedToRef="o"><b:errorEventDefinition/></b:boundaryEvent>"#
        ),
        Catches::None,
    );
}

#[test]
fn what_is_no_model_is_refused_by_name() {
    assert!(matches!(Model::parse("<b:definitions"), Err(BpmnError::Xml(_))));
    assert!(matches!(Model::parse("<definitions/>"), Err(BpmnError::NoProcess)));
    let nameless = r#"<b:definitions xmlns:b="http://www.omg.org/spec/BPMN/20100524/MODEL"><b:process isExecutable="true"/></b:definitions>"#;
    assert_eq!(Model::parse(nameless).unwrap_err().to_string(), "1:70: <process> has no attribute id");
}
