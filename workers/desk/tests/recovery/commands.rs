//! The command: as the specification prints it, once, about the case it names, by who gives it, and always written down.

use fallout_core::{
    action::{Action, command::CommandTarget, command::RecoveryCommand},
    case::CaseState,
};
use fallout_desk::DeskError;

use crate::house::{ANN, House, TENANT, bare, command, refused};

/// §10 of the specification.
const PRINTED: &str = r#"{
"idempotencyKey": "e566d7a2-3e7f-4d60-b54b-a012ebd8e9a0",
"falloutCaseId": "fc-100912",
"action": "RETRY_STEP",
"target": {
"orderId": "ord-88210",
"stepId": "step-provision-router"
},
"reason": "Downstream outage resolved. Previous failure occurred before request was accepted.",
"requestedBy": "ops-user-44"
}"#;

#[tokio::test]
async fn the_command_of_the_specification_is_taken_as_it_is_printed() {
    let mut house = House::new(bare).await;
    house.sql("alter sequence fallout_case_number restart with 100912").await;
    let case = house.rejected("ord-88210").await;
    assert_eq!(case.to_string(), "fc-100912");
    let printed = PRINTED.replace("step-provision-router", "capture");
    let printed = RecoveryCommand::read(printed.as_bytes()).unwrap();
    let taken = house.desk.command(TENANT, "ops-user-44", &printed).await.unwrap();
    assert_eq!((taken.repeated, house.state(case).await), (false, CaseState::Recovering));
    let action = house.desk.actions(TENANT, case).await.unwrap().remove(0);
    assert_eq!(
        (action.id, action.action, action.requested_by.as_str()),
        (taken.action, Action::RetryStep, "ops-user-44")
    );
    // As it is printed, it is about a step that this case is not about.
    let printed = RecoveryCommand::read(PRINTED.replace("9a0", "9a1").as_bytes()).unwrap();
    let other = refused(house.desk.command(TENANT, "ops-user-44", &printed).await);
    assert!(other.contains("is about capture, and the command about step step-provision-router"), "{other}");
}

#[tokio::test]
async fn the_same_key_is_answered_as_before_and_never_hides_another_command() {
    let mut house = House::new(bare).await;
    let (case, other) = (house.rejected("o-1").await, house.rejected("o-2").await);
    let first = house.give(&command(case, Action::RetryStep, "k")).await.unwrap();
    let again = house.give(&command(case, Action::RetryStep, "k")).await.unwrap();
    assert_eq!((again.action, again.repeated), (first.action, true));
    let by_name = RecoveryCommand { action: "retry".into(), ..command(case, Action::RetryStep, "k") };
    assert_eq!(house.give(&by_name).await.unwrap().action, first.action, "however the action is spelt");

    let with = |change: fn(&mut RecoveryCommand)| {
        let mut command = command(case, Action::RetryStep, "k");
        change(&mut command);
        command
    };
    let others = [
        command(other, Action::RetryStep, "k"),
        command(case, Action::CancelOrder, "k"),
        with(|c| c.reason = "another".into()),
        with(|c| drop(c.outputs.insert("a".into(), 1.into()))),
        with(|c| c.target = Some(CommandTarget { order_id: Some("o-1".into()), ..Default::default() })),
    ];
    for command in others {
        let answer = house.give(&command).await;
        assert!(matches!(answer, Err(DeskError::KeyReused(_))), "{answer:?}");
    }
    let rows = house.requests(case).await;
    let answers: Vec<&str> = rows.iter().rev().map(|r| r.refusal.as_deref().unwrap_or(&r.answer)).collect();
    assert_eq!(answers, ["accepted", "repeated", "repeated", "key_reused", "key_reused", "key_reused", "key_reused"]);
    assert_eq!(house.count("select count(*) from fallout_recovery_action").await, 1);
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_name_with_nothing_changed_and_one_row() {
    let mut house = House::new(bare).await;
    let case = house.rejected("o-1").await;
    let target = |order: &str, line: Option<&str>, step: &str| {
        Some(CommandTarget {
            order_id: Some(order.into()),
            line_id: line.map(str::to_owned),
            step_id: Some(step.into()),
        })
    };
    let rows: Vec<(&str, RecoveryCommand)> = vec![
        ("no_reason", RecoveryCommand { reason: " ".into(), ..command(case, Action::RetryStep, "k") }),
        ("too_long", RecoveryCommand { reason: "x".repeat(1 << 20), ..command(case, Action::RetryStep, "k") }),
        ("control_characters", RecoveryCommand { reason: "a\0b".into(), ..command(case, Action::RetryStep, "k") }),
        ("unknown_action", RecoveryCommand { action: "PURGE".into(), ..command(case, Action::RetryStep, "k") }),
        ("missing", RecoveryCommand { idempotency_key: String::new(), ..command(case, Action::RetryStep, "k") }),
        (
            "other_target",
            RecoveryCommand { target: target("o-2", None, "capture"), ..command(case, Action::RetryStep, "k") },
        ),
        (
            "other_target",
            RecoveryCommand { target: target("o-1", Some("2"), "capture"), ..command(case, Action::RetryStep, "k") },
        ),
        (
            "other_target",
            RecoveryCommand { target: target("o-1", None, "reserve"), ..command(case, Action::RetryStep, "k") },
        ),
        ("nothing_set", command(case, Action::CorrectData, "k")),
        ("no_change", command(case, Action::RebaseChange, "k")),
        ("not_applied", command(case, Action::ResumeWorkflow, "k")),
        ("no_lookup_or_unknown", command(case, Action::ReconcileStep, "k")),
        ("still_parked", RecoveryCommand { impact: Some("none".into()), ..command(case, Action::ForceClose, "k") }),
    ];
    let before = house.desk.case(TENANT, case).await.unwrap();
    for (number, (name, command)) in rows.iter().enumerate() {
        let said = refused(house.give(command).await);
        let latest = house.latest(case).await;
        assert!(
            latest == *name || *name == "no_lookup_or_unknown" && latest == "nothing_unknown",
            "{name}: {latest}: {said}"
        );
        assert_eq!(house.requests(case).await.len(), number + 1, "one row each");
    }
    let after = house.desk.case(TENANT, case).await.unwrap();
    assert_eq!((after.case.status, after.timeline.len()), (before.case.status, before.timeline.len()));
    assert_eq!(house.count("select count(*) from fallout_recovery_action").await, 0);
    assert_eq!(house.count("select count(*) from engine_command where kind = 'recover'").await, 0);
}

#[tokio::test]
async fn nobody_commands_in_another_name_and_no_case_of_another_tenant() {
    let mut house = House::new(bare).await;
    let case = house.rejected("o-1").await;
    let said = refused(house.desk.command(TENANT, "local:bob", &command(case, Action::RetryStep, "k")).await);
    assert!(said.contains("local:ann") && said.contains("local:bob"), "{said}");
    assert_eq!(house.latest(case).await, "not_you");
    let foreign = house.desk.command("other", ANN, &command(case, Action::RetryStep, "k")).await;
    assert!(matches!(foreign, Err(DeskError::NoSuchCase(_))), "{foreign:?}");
    assert_eq!(
        house
            .count("select count(*) from recovery_request where tenant_id = 'other' and refusal = 'no_such_case'")
            .await,
        1
    );
    assert_eq!(house.state(case).await, CaseState::Classified);
}

#[tokio::test]
async fn a_dry_run_says_what_would_change_and_writes_nothing() {
    let mut house = House::new(bare).await;
    let case = house.rejected("o-1").await;
    let plan = house.desk.plan(TENANT, ANN, &command(case, Action::RetryStep, "k")).await.unwrap();
    assert_eq!(plan.declaration.action, Action::RetryStep);
    assert_eq!(plan.changes[0], "the case goes from classified to recovering");
    assert!(plan.changes.iter().any(|c| c == "the engine is told: recover with RETRY_STEP"), "{:?}", plan.changes);
    let said = refused(house.desk.plan(TENANT, ANN, &command(case, Action::ResumeWorkflow, "k")).await);
    assert!(said.contains("does not exist"), "{said}");
    assert_eq!(house.state(case).await, CaseState::Classified);
    for table in ["fallout_recovery_action", "recovery_request"] {
        assert_eq!(house.count(&format!("select count(*) from {table}")).await, 0, "{table}");
    }
}

#[tokio::test]
async fn what_was_asked_is_never_rewritten_not_even_by_hand() {
    let mut house = House::new(bare).await;
    let case = house.rejected("o-1").await;
    house.give(&command(case, Action::RetryStep, "k")).await.unwrap();
    let rows = [
        ("update fallout_recovery_action set reason = 'x'", "action_is_what_was_asked"),
        ("update fallout_recovery_action set content_hash = 'x'", "action_is_what_was_asked"),
        ("update fallout_recovery_action set status = 'failed'", "action_over_has_its_time"),
        ("update recovery_request set principal = 'x'", "append_only"),
        ("delete from recovery_request", "append_only"),
        ("update engine_command set state = 'withdrawn', ended_at = now(), tries = 1 where kind = 'recover'", "engine_command_withdrawn_unsent"),
        ("insert into fallout_recovery_action (id, tenant_id, fallout_case_id, action_type, requested_by, reason, idempotency_key, target_ref)
          select gen_random_uuid(), tenant_id, fallout_case_id, action_type, requested_by, reason, 'other', target_ref from fallout_recovery_action",
         "action_one_under_way"),
    ];
    for (sql, rule) in rows {
        let said = house.tried(sql).await.unwrap_err();
        assert!(said.starts_with(&format!("{rule}:")), "{sql}: {said}");
    }
}
