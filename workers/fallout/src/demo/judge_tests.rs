//! The judge must be able to say no: one row per way in which book and ledger can disagree.

use fallout_core::{
    ids::{CaseNumber, OrderKey, RunId, StepKey},
    order::Line,
    step::{Direction, Outputs, StepIdentity},
};
use fallout_desk::Run;
use serde_json::json;
use uuid::Uuid;

use super::*;

fn step(line: &str, name: &str, state: StepState) -> StepView {
    let identity = StepIdentity {
        tenant: "t".into(),
        order: "o-1".into(),
        run: 1,
        line: line.into(),
        step: name.into(),
        direction: Direction::Do,
    };
    let step = fallout_desk::Step {
        key: StepKey::of(&identity),
        run: RunId(Uuid::nil()),
        operation: "op".into(),
        route: None,
        state,
        epoch: 0,
        gate: None,
        stop: None,
        last_action: None,
        seen_action: None,
        handled_codes: Vec::new(),
        outputs: Outputs::new(),
        rejected_code: None,
        undone: false,
        process_definition_id: String::new(),
        process_instance_id: String::new(),
        activity_id: String::new(),
        external_task_id: String::new(),
        order_cancelled: false,
        held: false,
        lost: None,
        restored_to: None,
        case: (state == StepState::Parked).then_some(CaseNumber(1)),
        identity,
    };
    StepView { keys: vec![(format!("key-{line}-{name}"), 1)], kind: Kind::Effect, step }
}

fn view(state: &str, steps: Vec<StepView>) -> RunView {
    let created_at = chrono::DateTime::UNIX_EPOCH;
    let run = Run {
        id: RunId(Uuid::nil()),
        order: OrderKey(Uuid::nil()),
        tenant: "t".into(),
        external_id: "o-1".into(),
        customer: None,
        business_key: "t:o-1:1".into(),
        process_instance_id: Some("p".into()),
        state: state.into(),
        cancel_requested: false,
        end_event: None,
        created_at,
    };
    RunView { run, steps }
}

fn effect(line: &str, name: &str, generation: u32, key: &str) -> Effect {
    let of = json!({
        "seq": 1, "at": "2026-11-22T00:00:00Z", "downstream": "d", "operation": "op", "order": "o-1", "line": line,
        "step": name, "direction": "do", "generation": generation, "key": key, "reference": "R-1",
    });
    serde_json::from_value(of).unwrap()
}

fn own(line: &str, name: &str) -> Effect {
    effect(line, name, 1, &format!("key-{line}-{name}"))
}

/// (duplicated, unexplained, orphaned)
#[track_caller]
fn check(book: &[Effect], ledger: RunView, expected: (usize, usize, usize)) {
    let found = effects(book, &[ledger]);
    assert_eq!((found.duplicated, found.unexplained, found.orphaned), expected, "{:?}", found.findings);
    assert_eq!(found.is_clean(), expected == (0, 0, 0));
    assert_eq!(found.findings.len(), expected.0.min(1) + expected.1 + expected.2);
}

#[test]
fn a_step_that_is_done_has_its_one_effect() {
    check(&[own("1", "a")], view("completed", vec![step("1", "a", StepState::Done)]), (0, 0, 0));
    check(&[], view("completed", vec![step("1", "a", StepState::Done)]), (0, 1, 0));
    let twice = [own("1", "a"), own("1", "a")];
    check(&twice, view("completed", vec![step("1", "a", StepState::Done)]), (1, 0, 0));
}

#[test]
fn an_effect_that_no_attempt_knows_of_is_unexplained() {
    let done = || view("completed", vec![step("1", "a", StepState::Done)]);
    check(&[own("1", "a"), own("1", "b")], done(), (0, 1, 0));
    check(&[own("1", "a"), effect("1", "a", 2, "key-1-a")], done(), (0, 1, 0));
    check(&[effect("1", "a", 1, "another key")], done(), (0, 1, 0));
    // A downstream without keys writes none.
    check(&[effect("1", "a", 1, "")], done(), (0, 0, 0));
}

#[test]
fn an_effect_of_a_step_that_is_over_without_it_needs_an_undo_or_a_case() {
    for state in [StepState::Cancelled, StepState::Skipped] {
        check(&[own("1", "a")], view("running", vec![step("1", "a", state)]), (0, 0, 1));
        let mut undone = step("1", "a", state);
        undone.step.undone = true;
        check(&[own("1", "a")], view("running", vec![undone]), (0, 0, 0));
        let mut owned = step("1", "a", state);
        owned.step.case = Some(CaseNumber(7));
        check(&[own("1", "a")], view("running", vec![owned]), (0, 0, 0));
        check(&[], view("running", vec![step("1", "a", state)]), (0, 0, 0));
    }
    check(&[own("1", "a")], view("cancelled", vec![step("1", "a", StepState::Done)]), (0, 0, 1));
}

/// The step that takes the effect of another back, and what the book says of it.
fn undo(line: &str, name: &str, state: StepState) -> (StepView, Effect) {
    let mut undo = step(line, name, state);
    undo.step.identity.direction = Direction::Undo;
    undo.step.key = StepKey::of(&undo.step.identity);
    undo.keys = vec![(format!("undo-{line}-{name}"), 1)];
    let mut effect = effect(line, name, 1, &format!("undo-{line}-{name}"));
    effect.direction = Direction::Undo.word().into();
    (undo, effect)
}

#[test]
fn what_is_taken_back_was_there_and_is_taken_back_once() {
    let made = || {
        let mut made = step("1", "a", StepState::Done);
        made.step.undone = true;
        made
    };
    let (back, effect) = undo("1", "a", StepState::Done);
    let run = || view("cancelled", vec![made(), back.clone()]);
    check(&[own("1", "a"), effect.clone()], run(), (0, 0, 0));
    check(&[own("1", "a"), effect.clone(), effect.clone()], run(), (1, 0, 0));
    check(&[own("1", "a")], run(), (0, 1, 0));
    let never = view("cancelled", vec![step("1", "a", StepState::Cancelled), back.clone()]);
    check(&[effect], never, (0, 1, 0));
}

#[test]
fn a_read_expects_no_effect() {
    let mut read = step("", "validate", StepState::Done);
    read.kind = Kind::Read;
    check(&[], view("completed", vec![read]), (0, 0, 0));
}

fn order(lines: &[(&str, ItemAction, &[usize])]) -> Order {
    let line = |(id, action, needs): &(&str, ItemAction, &[usize])| Line {
        id: (*id).into(),
        action: *action,
        relies_on: needs.to_vec(),
    };
    let lines = lines.iter().map(line).collect();
    Order { id: "o-1".into(), customer: None, requested_start: None, lines, document: json!({}) }
}

#[test]
fn an_order_is_completed_only_when_every_line_has_what_it_asked_for() {
    let two = order(&[("1", ItemAction::Add, &[]), ("2", ItemAction::NoChange, &[])]);
    let served = view("completed", vec![step("1", "provision", StepState::Done)]);
    assert_eq!(standing(&two, &served), Standing::Completed);
    assert_eq!(standing(&two, &view("completed", Vec::new())), Standing::Lost);
    assert_eq!(standing(&two, &view("ended", Vec::new())), Standing::Lost);
    assert_eq!(standing(&two, &view("accepted", Vec::new())), Standing::Moving);
}

#[test]
fn an_order_is_parked_when_every_line_has_ended_or_waits_for_one_that_is() {
    let three = order(&[("1", ItemAction::Add, &[]), ("2", ItemAction::Add, &[0]), ("3", ItemAction::Add, &[])]);
    let parked = || step("1", "provision", StepState::Parked);
    let of = |third: StepState| view("running", vec![parked(), step("3", "provision", third)]);
    assert_eq!(standing(&three, &of(StepState::Done)), Standing::Parked);
    assert_eq!(standing(&three, &of(StepState::Running)), Standing::Moving);
    assert_eq!(standing(&three, &view("running", vec![parked()])), Standing::Moving, "line 3 has not begun");
    let mut ownerless = parked();
    ownerless.step.case = None;
    let view = view("running", vec![ownerless, step("3", "provision", StepState::Parked)]);
    assert_eq!(standing(&three, &view), Standing::Moving, "parked without a case is not parked");
}
