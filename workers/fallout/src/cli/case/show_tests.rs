//! What a person reads of a case.

use chrono::DateTime;
use fallout_core::{
    action::{Action, ActionState, approval::ApprovalState},
    authority::Authorities,
    case::Severity,
    customer::CustomerStatus,
    ids::{ActionId, CaseId},
    outcome::Outcome,
    severity::{Derived, Factor, Reason, Source},
    step::Outputs,
};
use fallout_desk::{AttemptView, CaseClock, CaseLine, Change, Judgement, Known, LineContext, OrderContext, UnderWay};
use fallout_store::{
    approvals::Approval,
    cases::EventLine,
    show::{Fields, ProblemOf, RelatedCase, SignalLine},
};
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
    let clock = CaseClock {
        severity: Severity::Sev2,
        judgement: None,
        policy: None,
        used_minutes: 0,
        response_due: None,
        jeopardy_at: None,
        due: None,
    };
    CaseDetail {
        case,
        fields: Fields { source: "fleet".into(), ..Fields::default() },
        category_name: "Provisioning Fallout".into(),
        runbook: "provisioning".into(),
        now: DateTime::UNIX_EPOCH,
        problem: None,
        order_context: None,
        clock,
        customer_status: None,
        last_change: None,
        known: Vec::new(),
        timeline: Vec::new(),
        timeline_entries: 0,
        signals: Vec::new(),
        signals_received: 0,
        evidence: Vec::new(),
        under_way: None,
        attempts: Vec::new(),
        actions: vec![view(Action::RetryStep, None)],
        related: Vec::new(),
        next: None,
    }
}

fn view(action: Action, refused: Option<&str>) -> ActionView {
    let authorities: Authorities = toml::from_str(crate::config::shipped::AUTHORITY).unwrap();
    ActionView {
        action,
        refused: refused.map(str::to_owned),
        declaration: action.declaration(),
        required: authorities.required(action).map(str::to_owned),
        command: refused
            .is_none()
            .then(|| format!("fallout case recover fc-12 --action {} --reason TEXT", action.declaration().name)),
        second_person: None,
    }
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
        idempotency_key: "k".into(),
        content_hash: None,
        answer: None,
        terms: None,
        case_was: None,
        created_at: DateTime::UNIX_EPOCH,
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
    says(&text(&detail, &[]), "  recommended   rebase\n");
}

#[test]
fn a_case_is_told_whole() {
    let moment = |s| DateTime::from_timestamp(s, 0).unwrap();
    let mut detail = case("ADDRESS_NOT_SERVICEABLE");
    detail.now = moment(7_200);
    detail.case.summary = Some("no fibre\u{1b}[2J in the street".into());
    detail.case.group = Some("Fulfillment Ops".into());
    detail.case.assignee = Some("local:ann".into());
    detail.case.recommended_action = Some("RETRY_STEP".into());
    detail.case.customer = Some("C-1".into());
    detail.case.sla_due_at = Some(moment(10_980));
    detail.case.external_system = Some("provisioning".into());
    detail.case.business_key = Some("t:PO-1:1".into());
    detail.case.process_instance_id = Some("called".into());
    detail.fields.root_process_instance_id = Some("root".into());
    detail.fields.waiting_for = Some("customer".into());
    detail.fields.wait_reason = Some("which street".into());
    let line = |line: &str, affected| LineContext {
        line: line.into(),
        action: "add".into(),
        product: "Fibre 250".into(),
        affected,
    };
    detail.order_context = Some(OrderContext {
        order: "PO-1".into(),
        run: Some(1),
        run_state: Some("running".into()),
        segment: Some("business".into()),
        value: Some("153.00 EUR".into()),
        promised: Some("2026-10-31".into()),
        lines: vec![line("1", true), line("2", false)],
        ..OrderContext::default()
    });
    detail.problem = Some(ProblemOf {
        number: "pr-1001".into(),
        state: "open".into(),
        severity: "SEV2".into(),
        cases: 12,
        orders: 11,
    });
    let reasons = vec![Reason {
        factor: Factor::CustomerSegment,
        source: Source::Order(vec!["category".into()]),
        value: Some("business".into()),
        severity: Severity::Sev2,
        assumed: false,
    }];
    detail.clock.judgement = Some(Judgement {
        derived: Derived { severity: Severity::Sev2, base: Severity::Sev3, reasons },
        derived_at: moment(0),
        lowered_to: None,
        lowered_by: None,
        lowered_reason: None,
    });
    detail.clock.policy = Some("same-day".into());
    detail.clock.due = Some(moment(10_980));
    detail.customer_status = Some(CustomerStatus {
        order: "PO-1".into(),
        status: "ACTION_REQUIRED".into(),
        label: "Action required".into(),
        message: "We need something from you.".into(),
        delay_reason: None,
        promised: None,
        new_date: None,
    });
    let known = |downstream: &str, state: &str, proven: &str| Known {
        downstream: downstream.into(),
        operation: format!("{downstream}.do"),
        line: "1".into(),
        step: "step".into(),
        direction: "do".into(),
        state: state.into(),
        tries: 1,
        lookups: 0,
        proven: proven.into(),
        at: moment(0),
    };
    detail.known = vec![
        known("inventory", "done", "the effect exists"),
        Known { lookups: 2, ..known("provisioning", "parked", "rejected; there is no effect") },
    ];
    detail.signals = vec![SignalLine {
        at: moment(0),
        source: "fleet".into(),
        event: None,
        kind: "ADDRESS_NOT_SERVICEABLE".into(),
        reason: Some("no fibre".into()),
    }];
    detail.signals_received = 3;
    let entry = |event: &str, actor: &str, payload| EventLine {
        at: moment(0),
        event: event.into(),
        actor: Some(actor.into()),
        reason: None,
        payload: Some(payload),
    };
    detail.timeline = vec![
        entry(
            "FalloutCaseClassified",
            "desk",
            json!({ "classification": "ADDRESS_NOT_SERVICEABLE", "group": "Fulfillment Ops" }),
        ),
        entry("FalloutCaseSeverityChanged", "sla", json!({ "from": "SEV3", "to": "SEV2" })),
    ];
    detail.timeline_entries = 12;
    detail.last_change = Some(Change {
        at: moment(0),
        event: "FalloutWaitStarted".into(),
        by: "local:ann".into(),
        reason: "which street".into(),
    });
    detail.actions.push(view(Action::ResumeWorkflow, Some("the effect does not exist")));
    let related = |number: &str, relation: &str| RelatedCase {
        case_number: number.into(),
        relation: relation.into(),
        status: "resolved".into(),
        severity: "SEV3".into(),
        classification: Some("OUTCOME_UNKNOWN".into()),
        summary: Some("no answer".into()),
    };
    detail.related = vec![related("fc-9", "same order"), related("fc-13", "same problem")];
    let expected = include_str!("show_expected.txt");
    assert_eq!(text(&detail, &[]), expected, "{}", text(&detail, &[]));
}

#[test]
fn what_waits_for_a_second_person_is_shown_with_the_commands_that_decide_it() {
    let id = Uuid::from_u128(7);
    let approval = Approval {
        id,
        tenant: "t".into(),
        action: ActionId(Uuid::from_u128(8)),
        case: CaseId(Uuid::nil()),
        command_hash: String::new(),
        case_version: 3,
        requester: "local:ann".into(),
        why: "FORCE_CLOSE always takes two".into(),
        state: ApprovalState::Requested,
        expires_at: DateTime::UNIX_EPOCH,
    };
    let waits = UnderWay {
        action: approval.action,
        kind: Action::ForceClose,
        state: ActionState::AwaitingApproval,
        requested_by: "local:ann".into(),
        reason: "CHG-7".into(),
        approval: Some(approval),
    };
    let detail = CaseDetail { under_way: Some(waits), ..case("DEFECT") };
    let expected = "\
Under way
  action        force-close, asked for by local:ann: CHG-7
  state         waits for a second person
  who agrees    another person, with a token of their own (FALLOUT_TOKEN), until 1970-01-01 00:00:00 UTC
  agree         fallout case approve 00000000-0000-0000-0000-000000000007 --reason TEXT
  refuse        fallout case refuse-approval 00000000-0000-0000-0000-000000000007 --reason TEXT
  take back     fallout case withdraw 00000000-0000-0000-0000-000000000008 --reason TEXT
";
    assert!(text(&detail, &[]).contains(expected), "{}", text(&detail, &[]));
}
