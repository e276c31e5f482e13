//! The guard of recovery actions: what is accepted on a step as it stands, and the name of each refusal.

use serde_json::json;

use super::*;
use crate::{
    attempt::AttemptFacts,
    fixtures::{action_id, attempts, business, defect, keyed, outputs, replayable, step, success, technical, unknown},
    undo::Left,
};

const RETRY: Action = Action::RetryStep;
const RESUME: Action = Action::ResumeWorkflow;
const SKIP: Action = Action::SkipStep;
const CANCEL: Action = Action::CancelOrder;
const BUILT: [Action; 4] = [RETRY, RESUME, SKIP, CANCEL];

/// What a person says and gives.
type Said = (Attestation, Outputs);
type Answer = Result<Accepted, Refusal>;

fn parked(outcomes: impl IntoIterator<Item = Option<Outcome>>) -> StepFacts {
    step(StepState::Parked, attempts(outcomes))
}

fn guarded(step: &StepFacts, action: Action, attested: Option<&Said>) -> Answer {
    guarded_with(step, &BUILT, false, action, attested)
}

fn guarded_with(step: &StepFacts, branches: &[Action], is_undo: bool, action: Action, said: Option<&Said>) -> Answer {
    let branches = branches.iter().map(|a| a.word().to_owned()).collect();
    guard(
        action,
        &Target { op: &keyed(), step, branches: &branches, is_undo },
        said.map(|s| &s.0),
        said.map_or(&Outputs::new(), |s| &s.1),
    )
}

fn said(applied: bool, outputs: Outputs) -> Option<Said> {
    let attested = Attestation { applied, reference: "TICKET-1".into() };
    Some((attested, outputs))
}

fn applied() -> Option<Said> {
    said(true, outputs())
}

fn not_applied() -> Option<Said> {
    said(false, Outputs::new())
}

fn ok() -> Answer {
    Ok(Accepted::Correlate { settles: None })
}

fn settles(outcome: Outcome) -> Answer {
    Ok(Accepted::Correlate { settles: Some(outcome) })
}

fn attested_absence() -> Outcome {
    Outcome::Technical { reason: "attested as not applied: TICKET-1".into(), retry_after_ms: None }
}

fn missing_id() -> Answer {
    Err(Refusal::OutputMissing("id".into()))
}

/// One row per action and attestation, on one step.
fn check(step: &StepFacts, rows: impl IntoIterator<Item = (Action, Option<Said>, Answer)>) {
    for (action, attested, expected) in rows {
        let said = attested.as_ref().map(|a| a.0.applied);
        assert_eq!(guarded(step, action, attested.as_ref()), expected, "{action}, applied: {said:?}");
    }
}

#[test]
fn a_step_proven_not_applied_may_be_retried_skipped_with_its_outputs_or_cancelled() {
    for history in [vec![], vec![Some(technical())], vec![Some(business())], vec![Some(defect())]] {
        check(
            &parked(history),
            [
                (RETRY, None, ok()),
                (RETRY, not_applied(), ok()),
                (RETRY, applied(), Err(Refusal::NothingToAttest)),
                (RESUME, None, Err(Refusal::NotApplied)),
                (RESUME, applied(), Err(Refusal::NothingToAttest)),
                (SKIP, None, missing_id()),
                (SKIP, not_applied(), missing_id()),
                (SKIP, said(false, outputs()), ok()),
                (CANCEL, None, ok()),
            ],
        );
    }
}

#[test]
fn an_unknown_step_takes_nothing_without_an_attestation() {
    for outcome in [unknown(), replayable(), Outcome::Pending] {
        let lost = parked([Some(outcome), Some(technical())]);
        check(&lost, BUILT.map(|action| (action, None, Err(Refusal::OutcomeUnknown))));
    }
}

#[test]
fn an_attestation_settles_what_was_unknown_and_allows_what_fits_it() {
    check(
        &parked([Some(unknown())]),
        [
            (RESUME, applied(), settles(success())),
            (RETRY, applied(), Err(Refusal::Applied)),
            (SKIP, applied(), Err(Refusal::Applied)),
            (CANCEL, applied(), settles(success())),
            (RETRY, not_applied(), settles(attested_absence())),
            (RESUME, not_applied(), Err(Refusal::NotApplied)),
            (SKIP, not_applied(), missing_id()),
            (SKIP, said(false, outputs()), settles(attested_absence())),
            (CANCEL, not_applied(), settles(attested_absence())),
        ],
    );
}

#[test]
fn an_effect_attested_as_applied_brings_every_output_that_later_steps_need() {
    let other = Outputs::from([("other".to_owned(), json!(1))]);
    for given in [Outputs::new(), other] {
        check(&parked([Some(unknown())]), [(RESUME, said(true, given), missing_id())]);
    }
}

#[test]
fn a_step_whose_effect_exists_may_be_resumed_or_cancelled_but_neither_retried_nor_skipped() {
    check(
        &parked([Some(unknown()), Some(success())]),
        [
            (RESUME, None, ok()),
            (RESUME, applied(), ok()),
            (RESUME, not_applied(), Err(Refusal::NothingToAttest)),
            (RETRY, None, Err(Refusal::Applied)),
            (SKIP, None, Err(Refusal::Applied)),
            (CANCEL, None, ok()),
        ],
    );
}

#[test]
fn nothing_is_accepted_while_an_attempt_is_open() {
    for state in [StepState::Running, StepState::Parked] {
        let open = step(state, attempts([Some(technical()), None]));
        for action in BUILT {
            assert_eq!(guarded(&open, action, applied().as_ref()), Err(Refusal::AttemptOpen));
        }
    }
}

#[test]
fn an_action_under_way_keeps_every_other_out() {
    let reserved = StepFacts { gate: Some(action_id(7)), ..parked([Some(technical())]) };
    check(&reserved, BUILT.map(|action| (action, None, Err(Refusal::ActionUnderWay))));
}

#[test]
fn only_a_parked_step_is_recovered() {
    for state in StepState::ALL.iter().copied().filter(|s| *s != StepState::Parked) {
        check(&step(state, settled()), BUILT.map(|action| (action, None, Err(Refusal::NotParked(state)))));
    }
}

fn settled() -> Vec<AttemptFacts> {
    attempts([Some(technical())])
}

#[test]
fn an_action_without_a_branch_in_the_running_definition_is_refused() {
    let step = step(StepState::Parked, settled());
    let answer = guarded_with(&step, &[SKIP, CANCEL], false, RETRY, None);
    assert_eq!(answer, Err(Refusal::NoBranch(RETRY)));
}

#[test]
fn what_is_not_built_says_so_before_anything_else() {
    let step = step(StepState::Done, attempts([None]));
    for action in Action::ALL.iter().copied().filter(|a| !BUILT.contains(a)) {
        assert_eq!(guarded(&step, action, None), Err(Refusal::NotBuilt(action)));
    }
}

#[test]
fn an_effect_to_be_undone_ends_only_by_a_skip_with_the_attestation_that_it_is_gone() {
    let done = step(StepState::Done, attempts([Some(success())]));
    let undo = |action, said: Option<Said>| guarded_with(&done, &[], true, action, said.as_ref());
    assert_eq!(undo(SKIP, not_applied()), Ok(Accepted::RecordUndone));
    assert_eq!(undo(SKIP, None), Err(Refusal::NotUndone));
    assert_eq!(undo(SKIP, applied()), Err(Refusal::NotUndone));
    for action in [RETRY, RESUME, CANCEL] {
        assert_eq!(undo(action, not_applied()), Err(Refusal::OnlySkip(action)));
    }
}

#[test]
fn a_missing_output_is_asked_for_in_the_words_of_the_command_line() {
    assert!(Refusal::OutputMissing("id".into()).to_string().contains("--output id=VALUE"));
}

#[test]
fn a_skip_of_what_is_proven_not_applied_needs_the_outputs_and_no_attestation() {
    let branches = [SKIP.word().to_owned()].into();
    let step = parked([Some(technical())]);
    let target = Target { op: &keyed(), step: &step, branches: &branches, is_undo: false };
    assert_eq!(guard(SKIP, &target, None, &outputs()), ok());
    assert_eq!(guard(SKIP, &target, None, &Outputs::new()), missing_id());
}

#[test]
fn a_step_that_takes_an_effect_back_ends_only_with_the_effect_gone() {
    let undoing = |history| StepFacts { undoes: Some(Left::Effect), order_cancelled: true, ..parked(history) };
    let rows = |step: &StepFacts, attested: Answer| {
        check(
            step,
            [
                (RETRY, not_applied(), attested.clone()),
                (SKIP, None, Err(Refusal::NotUndone)),
                (SKIP, not_applied(), attested),
                (CANCEL, None, Err(Refusal::OnlySkip(CANCEL))),
                (CANCEL, not_applied(), Err(Refusal::OnlySkip(CANCEL))),
            ],
        );
    };
    rows(&undoing(vec![Some(business())]), ok());
    check(&undoing(vec![Some(business())]), [(RETRY, None, ok()), (RESUME, None, Err(Refusal::NotApplied))]);
    let unknown = undoing(vec![Some(unknown())]);
    for action in [RETRY, RESUME, SKIP, CANCEL] {
        check(&unknown, [(action, None, Err(Refusal::OutcomeUnknown))]);
    }
    check(&unknown, [(SKIP, not_applied(), settles(attested_absence())), (SKIP, applied(), Err(Refusal::Applied))]);
    let by_hand = said(true, Outputs::new());
    check(&unknown, [(RESUME, by_hand, settles(Outcome::Success { outputs: Outputs::new() }))]);
    check(&undoing(vec![Some(success())]), [(SKIP, None, Err(Refusal::Applied)), (RESUME, None, ok())]);
}
