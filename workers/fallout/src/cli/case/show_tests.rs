//! What a person reads of a case.

use chrono::DateTime;
use fallout_core::{
    action::ActionState,
    ids::{ActionId, CaseId},
};
use fallout_desk::CaseLine;
use fallout_store::cases::EventLine;
use serde_json::json;
use uuid::Uuid;

use super::*;

fn case(classification: &str) -> CaseDetail {
    let case = CaseLine {
        id: uuid::Uuid::nil(),
        case_number: "fc-12".into(),
        category: "PROVISIONING".into(),
        classification: Some(classification.into()),
        severity: "SEV2".into(),
        status: "classified".into(),
        order: Some("PO-1".into()),
        line: Some("1".into()),
        step: Some("provision".into()),
        group: None,
        assignee: None,
        recommended_action: Some("SKIP_STEP".into()),
        summary: None,
        external_system: None,
        external_reference: None,
        business_key: None,
        process_instance_id: None,
        customer: None,
        sla_due_at: None,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
        version: 1,
    };
    CaseDetail { case, timeline: Vec::new(), attempts: Vec::new(), actions: Vec::new() }
}

fn attempt(outcome: Outcome) -> AttemptView {
    AttemptView {
        number: 1,
        generation: 1,
        operation: "provisioning.add".into(),
        idempotency_key: "k-1".into(),
        opened_at: DateTime::UNIX_EPOCH,
        state: "settled".into(),
        outcome: Some(outcome),
        evidence: Vec::new(),
    }
}

#[track_caller]
fn says(text: &str, expected: &str) {
    assert!(text.contains(expected), "{text}\ndoes not say\n{expected}");
}

#[test]
fn a_rejection_is_told_in_the_words_of_the_downstream() {
    let rejected = Outcome::Business {
        code: "ADDRESS_NOT_SERVICEABLE".into(),
        classification: None,
        message: "no fibre in the street".into(),
    };
    let detail = CaseDetail { attempts: vec![attempt(rejected)], ..case("ADDRESS_NOT_SERVICEABLE") };
    says(&text(&detail, &[]), "     rejected: ADDRESS_NOT_SERVICEABLE: no fibre in the street\n");
}

#[test]
fn an_effect_to_be_undone_is_named_as_its_downstream_knows_it() {
    let outputs = Outputs::from([("serviceId".into(), json!("S-77"))]);
    let attempts = vec![attempt(Outcome::Success { outputs })];
    let undo = CaseDetail { attempts: attempts.clone(), ..case(classification::UNDO_REQUIRED) };
    says(&text(&undo, &[]), "  to undo       serviceId=S-77 (key k-1)\n");
    let other = CaseDetail { attempts, ..case("OUTCOME_UNKNOWN") };
    assert!(!text(&other, &[]).contains("to undo"));
}

#[test]
fn what_a_person_asked_for_stands_in_the_timeline_with_all_that_was_said() {
    let id = ActionId(Uuid::from_u128(7));
    let attestation = json!({ "applied": false, "reference": "INC-881" });
    let taken = StoredAction {
        id,
        case: CaseId(Uuid::nil()),
        action: Action::SkipStep,
        state: ActionState::Requested,
        reason: "set up by hand".into(),
        requested_by: "local:ops".into(),
        target: json!({ "outputs": { "serviceId": "S-77" }, "attestation": attestation }),
        result: None,
    };
    let event = EventLine {
        at: DateTime::UNIX_EPOCH,
        event: "FalloutRecoveryActionRequested".into(),
        actor: Some("local:ops".into()),
        reason: Some("set up by hand".into()),
        payload: Some(json!({ "action": id, "type": "SKIP_STEP", "attestation": attestation })),
    };
    let detail = CaseDetail { timeline: vec![event], ..case("ADDRESS_NOT_SERVICEABLE") };
    let text = text(&detail, &[taken]);
    says(&text, "FalloutRecoveryActionRequested (local:ops): set up by hand\n");
    says(&text, "    action skip, attested not applied (INC-881), with serviceId=S-77\n");
}

#[test]
fn the_recommended_action_is_what_a_person_types() {
    let mut detail = case("ADDRESS_NOT_SERVICEABLE");
    says(&text(&detail, &[]), "  recommended   skip\n");
    detail.case.recommended_action = Some("RECONCILE_STEP".into());
    says(&text(&detail, &[]), "  recommended   find out, then --attest\n");
    detail.case.recommended_action = Some("REBASE_CHANGE".into());
    says(&text(&detail, &[]), "  recommended   REBASE_CHANGE\n");
}
