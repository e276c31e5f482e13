//! The lifecycle as a table, against its drawing, and over random histories against the model.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{CaseEvent, CaseState, IllegalTransition, Resolution, model::Model, next};
use crate::action::Action;

const PAGE: &str = include_str!("../../../docs/CASES.md");

type Move = (CaseState, CaseEvent, CaseState);

/// Everything that may happen.
fn legal() -> Vec<Move> {
    let all = CaseState::ALL.iter().flat_map(|state| CaseEvent::ALL.iter().map(move |event| (*state, *event)));
    all.filter_map(|(state, event)| Some((state, event, next(state, event).ok()?))).collect()
}

#[test]
fn a_case_is_classified_before_it_is_recovered_and_verified_before_it_is_resolved() {
    let illegal = |state, event| Err(IllegalTransition { state, event });
    for (state, event) in [
        (CaseState::Detected, CaseEvent::ActionRequested),
        (CaseState::Recovering, CaseEvent::Resolved),
        (CaseState::InProgress, CaseEvent::Resolved),
        (CaseState::InProgress, CaseEvent::ClosedAfterVerification),
    ] {
        assert_eq!(next(state, event), illegal(state, event));
    }
    let path = [CaseEvent::Classified, CaseEvent::ActionRequested, CaseEvent::ActionStarted, CaseEvent::Resolved];
    let end = path.iter().try_fold(CaseState::Detected, |state, event| next(state, *event));
    assert_eq!(end, Ok(CaseState::Resolved));
    let into = |end| legal().into_iter().filter(move |(from, _, to)| *to == end && *from != end);
    assert!(into(CaseState::Resolved).all(|(from, ..)| from == CaseState::Verifying));
    assert!(into(CaseState::Closed).all(|(from, ..)| from == CaseState::Resolved));
}

#[test]
fn an_action_that_is_taken_back_returns_the_case_to_its_people() {
    for was in CaseState::ALL.iter().copied().filter(|s| s.is_with_people()) {
        let taken = next(was, CaseEvent::ActionRequested).and_then(|s| next(s, CaseEvent::ActionWithdrawn));
        assert_eq!(taken, Ok(CaseState::Classified), "from {was}");
        assert!(was.returns_to().is_with_people(), "from {was}");
    }
    assert_eq!(CaseState::InProgress.returns_to(), CaseState::InProgress);
    assert_eq!(CaseState::Waiting.returns_to(), CaseState::Assigned, "its wait was ended for the action");
}

#[test]
fn a_recovery_that_did_not_help_makes_the_case_recoverable_again() {
    for state in [CaseState::Recovering, CaseState::Verifying] {
        assert_eq!(next(state, CaseEvent::ActionFailed), Ok(CaseState::Classified));
    }
}

#[test]
fn a_case_that_is_over_takes_a_note_and_what_brings_it_back_and_little_else() {
    let taken = |state| legal().into_iter().filter(move |(from, ..)| *from == state).map(|(_, event, _)| event.word());
    for (state, expected) in [
        (
            CaseState::Resolved,
            "FalloutSignalJoined FalloutNoteAdded FalloutVerificationRepeated FalloutCaseClosed FalloutCaseReopened",
        ),
        (CaseState::Closed, "FalloutSignalJoined FalloutNoteAdded FalloutVerificationRepeated FalloutCaseReopened"),
        (CaseState::ForceClosed, "FalloutSignalJoined FalloutNoteAdded FalloutCaseReopened"),
        (CaseState::Duplicate, "FalloutNoteAdded FalloutCaseReopened"),
    ] {
        assert_eq!(taken(state).collect::<Vec<_>>().join(" "), expected, "{state}");
    }
}

#[test]
fn nothing_that_is_under_way_ends_because_the_case_gets_another_owner() {
    use CaseState as S;
    for state in [S::Waiting, S::Unresolved, S::AwaitingApproval, S::Recovering, S::Verifying] {
        for event in [CaseEvent::Assigned, CaseEvent::Taken, CaseEvent::HandedOver, CaseEvent::Escalated] {
            assert_eq!(next(state, event), Ok(state));
        }
    }
}

#[test]
fn every_verified_action_resolves_its_case_as_something_and_a_force_close_as_nothing() {
    let resolved: Vec<_> = Action::ALL.iter().filter_map(|a| Resolution::of(*a)).collect();
    assert_eq!(resolved.iter().collect::<BTreeSet<_>>().len(), Action::ALL.len() - 1);
    assert_eq!(Resolution::of(Action::ForceClose), None);
}

/// The lines of the page's diagram.
fn drawn() -> BTreeSet<String> {
    let diagram = PAGE.split("```mermaid\n").nth(1).unwrap().split("```").next().unwrap();
    let lines = diagram.lines().map(str::trim).filter(|line| line.contains("-->") && !line.starts_with("[*]"));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_diagram_of_the_docs_draws_every_move_and_no_other() {
    let moves = legal().into_iter().filter(|(from, _, to)| from != to);
    let expected: BTreeSet<_> = moves.map(|(from, event, to)| format!("{from} --> {to}: {event}")).collect();
    let drawn = drawn();
    let missing: Vec<_> = expected.difference(&drawn).collect();
    let wrong: Vec<_> = drawn.difference(&expected).collect();
    assert!(missing.is_empty() && wrong.is_empty(), "not drawn: {missing:#?}\ndrawn and not so: {wrong:#?}");
}

#[test]
fn the_docs_say_which_entries_leave_a_case_where_it_stands() {
    for event in CaseEvent::ALL {
        let stays = legal().into_iter().filter(|(from, e, to)| e == event && from == to);
        let stays: Vec<_> = stays.map(|(from, ..)| from.word()).collect();
        if !stays.is_empty() {
            let row = format!("| `{event}` | {} |", stays.join(", "));
            assert!(PAGE.contains(&row), "docs/CASES.md has no row\n{row}");
        }
    }
}

fn any_event() -> impl Strategy<Value = CaseEvent> {
    prop::sample::select(CaseEvent::ALL)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_history_goes_as_the_model_says(events in prop::collection::vec(any_event(), 0..60)) {
        let (mut state, mut model) = (CaseState::Detected, Model::detected());
        for event in events {
            let before = state;
            match next(state, event) {
                Ok(to) => {
                    prop_assert!(model.take(event), "{} takes {}, and should not", state, event);
                    state = to;
                }
                Err(refused) => {
                    prop_assert_eq!(&refused, &IllegalTransition { state, event });
                    prop_assert!(!model.take(event), "{} refuses {}, and should not", state, event);
                }
            }
            prop_assert_eq!(state, model.state(), "after {}", event);
            prop_assert!(state != CaseState::Recovering || before != CaseState::Detected);
            prop_assert!(!matches!(state, CaseState::Resolved | CaseState::Closed) || model.proof_asked);
        }
    }
}
