//! A step that is drawn into its caller instead of called: what it offers, and what it must not be deployed without.

use std::collections::{BTreeMap, BTreeSet};

use fallout_bpmn::{Model, Rule, definition, lint};

const EMBEDDED: &str = include_str!("../../../tests/models/embedded-steps.bpmn");

/// The model with one text replaced breaks exactly these rules at these elements.
fn check(replace: &str, with: &str, expected: &[(Rule, &str)]) {
    assert!(EMBEDDED.contains(replace), "the model no longer contains {replace}");
    let model = Model::parse(&EMBEDDED.replacen(replace, with, 1)).expect("the change keeps it well-formed");
    let found = lint(&model, &BTreeMap::new());
    let found: Vec<_> = found.iter().map(|f| (f.rule, f.element.as_str())).collect();
    assert_eq!(found, expected, "after replacing {replace}");
}

#[test]
fn the_branches_of_an_embedded_step_are_those_of_its_own_subprocess() {
    let read = definition("embedded-steps:1:x", EMBEDDED).unwrap();
    assert!(read.branches.is_empty(), "directly in the process there are none");
    let offered: BTreeSet<&str> = read.branches_at("perform").iter().map(String::as_str).collect();
    let expected = ["CANCEL_ORDER", "COMPENSATE_STEP", "RESUME_WORKFLOW", "RETRY_STEP", "SKIP_STEP"];
    assert_eq!(offered, expected.into());
    assert!(read.embedded.contains_key("perform") && read.catches["perform"].catches("ANY_CODE"));
}

#[test]
fn a_whole_embedded_step_is_fit_to_deploy() {
    check("<bpmn:startEvent", "<bpmn:startEvent", &[]);
}

#[test]
fn an_embedded_step_without_its_identity_or_with_shared_variables_is_refused() {
    let parameter =
        |name: &str, value: &str| format!(r#"<camunda:inputParameter name="{name}">{value}</camunda:inputParameter>"#);
    check(&parameter("lineId", "${''}"), "", &[(Rule::CallIncomplete, "step")]);
    check(&parameter("recoveryActionId", "none"), "", &[(Rule::CallIncomplete, "step")]);
    for own in ["stepState", "callbackDeadline", "recoveryAction", "falloutCode", "stepEnding"] {
        check(&parameter(own, "${''}"), "", &[(Rule::StepSharesVariables, "step")]);
    }
}

#[test]
fn the_caller_of_an_embedded_step_looks_at_its_ending_too() {
    let ending = r#"<camunda:outputParameter name="oneEnding">${stepEnding}</camunda:outputParameter>"#;
    check(ending, "", &[(Rule::EndingWithoutBranch, "step")]);
    check("oneEnding == 'CANCELLED'", "oneEnding == 'GONE'", &[(Rule::EndingWithoutBranch, "step")]);
    check(
        r#"id="stepEnded" name"#,
        r#"id="stepEnded" default="stepGoesOn" name"#,
        &[(Rule::DefaultAfterStep, "stepEnded")],
    );
    check(
        r#"<camunda:inputParameter name="handledCodes">${''}</camunda:inputParameter>"#,
        r#"<camunda:inputParameter name="handledCodes">,NO,</camunda:inputParameter>"#,
        &[(Rule::HandledCodeWithoutBranch, "step")],
    );
}
