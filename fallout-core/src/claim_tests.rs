//! Whether a fetched task may send: every state and situation of a step.

use super::*;
use crate::{
    decide::{Catches, classification},
    fixtures::{
        action_id, at, attempt, attempts, business, defect, keyed, outputs, replayable, step, success, technical,
        unkeyed, unknown, with_lookup,
    },
};

fn claimed(op: &Operation, step: &StepFacts, second: i64) -> Decision {
    claimed_for(op, step, None, second)
}

fn claimed_for(op: &Operation, step: &StepFacts, task_action: Option<ActionId>, second: i64) -> Decision {
    let catches = Catches::none();
    decide_claim(
        op,
        step,
        task_action,
        &Situation { epoch: step.epoch, catches: &catches, handled: &[], now: at(second) },
    )
}

fn running(outcomes: impl IntoIterator<Item = Option<Outcome>>) -> StepFacts {
    step(StepState::Running, attempts(outcomes))
}

fn report_of_park(decision: Decision) -> String {
    match decision {
        Decision::Report(Verdict::Park { classification, .. }) => classification,
        other => panic!("not a report of parking: {other:?}"),
    }
}

#[test]
fn an_ended_step_only_repeats_its_report_whatever_its_attempts_say() {
    let ended =
        |state| StepFacts { outputs: outputs(), rejected_code: Some("X".into()), ..step(state, attempts([None])) };
    let end = |ending| Decision::Report(Verdict::End { ending });
    let rejected = Verdict::RaiseError { code: "X".into(), message: "rejected with X".into(), handled: true };
    let cases = [
        (StepState::Done, Decision::Report(Verdict::Complete { outputs: outputs() })),
        (StepState::Skipped, end(Ending::Skipped)),
        (StepState::Cancelled, end(Ending::Cancelled)),
        (StepState::Rejected, Decision::Report(rejected)),
    ];
    for (state, expected) in cases {
        assert_eq!(claimed(&keyed(), &ended(state), 99), expected, "{state}");
    }
}

#[test]
fn a_parked_step_sends_nothing_whatever_raised_its_retries() {
    for outcome in [technical(), unknown(), replayable(), business(), defect()] {
        let parked = step(StepState::Parked, attempts([Some(outcome)]));
        assert_eq!(claimed(&keyed(), &parked, 99), Decision::Parked);
    }
}

#[test]
fn a_step_that_an_action_has_reserved_waits_for_that_action() {
    let reserved = StepFacts { gate: Some(action_id(7)), ..step(StepState::Parked, attempts([Some(technical())])) };
    for stranger in [None, Some(action_id(8))] {
        assert_eq!(claimed_for(&keyed(), &reserved, stranger, 99), Decision::Withheld);
    }
}

#[test]
fn where_nothing_is_sent_for_now_a_step_waits_with_what_it_would_send_and_goes_on_with_what_is_known() {
    let (offline, held) = (Decision::Stopped(Stop::Offline), Decision::Stopped(Stop::Held));
    let new = step(StepState::New, attempts([]));
    let retried = running([Some(technical())]);
    let asks = running([Some(unknown())]);
    let done = StepFacts { outputs: outputs(), ..step(StepState::Done, attempts([Some(success())])) };
    let asking = |stopped| claimed(&with_lookup(keyed()), &StepFacts { stopped, ..asks.clone() }, 99);
    for (stop, expected) in [(Stop::Offline, offline), (Stop::Held, held)] {
        for sends in [&new, &retried] {
            let stopped = StepFacts { stopped: Some(stop), ..sends.clone() };
            assert_eq!(claimed(&keyed(), &stopped, 99), expected, "{stop}");
            let cancelled = StepFacts { order_cancelled: true, ..stopped };
            assert!(matches!(claimed(&keyed(), &cancelled, 99), Decision::Report(_)), "{stop}: it ends all the same");
        }
        let known = StepFacts { stopped: Some(stop), ..done.clone() };
        assert_eq!(claimed(&keyed(), &known, 99), claimed(&keyed(), &done, 99), "{stop}");
        let parked = StepFacts { stopped: Some(stop), ..step(StepState::Parked, attempts([Some(technical())])) };
        assert_eq!(claimed(&keyed(), &parked, 99), Decision::Parked, "{stop}");
    }
    assert!(matches!(asking(None), Decision::LookUp(_)));
    assert!(matches!(asking(Some(Stop::Held)), Decision::LookUp(_)), "to ask changes nothing");
    assert_eq!(asking(Some(Stop::Offline)), Decision::Stopped(Stop::Offline));
}

#[test]
fn a_new_step_sends_its_first_generation_unless_the_order_is_being_cancelled() {
    let new = step(StepState::New, attempts([]));
    assert_eq!(claimed(&keyed(), &new, 0), Decision::Send { generation: 1 });
    let cancelled = StepFacts { order_cancelled: true, ..new };
    let end = Decision::Report(Verdict::End { ending: Ending::Cancelled });
    assert_eq!(claimed(&keyed(), &cancelled, 0), end);
}

#[test]
fn a_generation_without_an_attempt_is_the_one_to_send() {
    let redone = StepFacts { generation: 3, ..running([]) };
    assert_eq!(claimed(&keyed(), &redone, 0), Decision::Send { generation: 3 });
}

#[test]
fn another_route_is_another_generation_over_whatever_the_first_proved_not_to_have_made() {
    let rerouted = |outcomes: Vec<Option<Outcome>>| StepFacts { rerouted: true, ..running(outcomes) };
    for outcome in [technical(), business(), defect()] {
        assert_eq!(claimed(&keyed(), &rerouted(vec![Some(outcome)]), 99), Decision::Send { generation: 2 });
    }
    let untried = StepFacts { generation: 3, ..rerouted(vec![]) };
    assert_eq!(claimed(&keyed(), &untried, 0), Decision::Send { generation: 4 });
    // What came to light since wins: the effect exists, or may exist, or a sender is at work.
    let complete = Decision::Report(Verdict::Complete { outputs: outputs() });
    assert_eq!(claimed(&keyed(), &rerouted(vec![Some(technical()), Some(success())]), 99), complete);
    let unsure = claimed(&keyed(), &rerouted(vec![Some(unknown())]), 99);
    assert!(!matches!(unsure, Decision::Send { .. }), "{unsure:?}");
    assert_eq!(claimed(&keyed(), &rerouted(vec![None]), 0), Decision::Wait { until: at(16) });
}

#[test]
fn an_open_attempt_is_waited_for_until_its_sender_is_certainly_gone() {
    let open = running([Some(technical()), None]);
    assert_eq!(claimed(&keyed(), &open, 0), Decision::Wait { until: at(16) });
    assert_eq!(claimed(&keyed(), &open, 15), Decision::Wait { until: at(16) });
    assert_eq!(claimed(&keyed(), &open, 16), Decision::Orphaned(open.attempts[1].id));
}

#[test]
fn a_known_effect_is_only_reported() {
    let complete = Decision::Report(Verdict::Complete { outputs: outputs() });
    for state in [StepState::New, StepState::Running, StepState::AwaitingCallback] {
        let applied = step(state, attempts([Some(unknown()), Some(success())]));
        assert_eq!(claimed(&keyed(), &applied, 99), complete, "{state}");
    }
}

#[test]
fn a_failure_with_tries_left_sends_the_same_generation_again_and_an_exhausted_one_reports() {
    assert_eq!(claimed(&keyed(), &running([Some(technical())]), 20), Decision::Send { generation: 1 });
    let exhausted = running(vec![Some(technical()); 3]);
    assert_eq!(report_of_park(claimed(&keyed(), &exhausted, 20)), classification::RETRIES_EXHAUSTED);
    let acted_on = StepFacts { epoch: 1, ..exhausted };
    assert_eq!(claimed(&keyed(), &acted_on, 20), Decision::Send { generation: 1 });
}

#[test]
fn an_unknown_is_looked_up_when_it_is_time_and_otherwise_reported() {
    let mut lost = running([Some(replayable())]);
    let id = lost.attempts[0].id;
    assert_eq!(claimed(&with_lookup(unkeyed()), &lost, 20), Decision::LookUp(id));
    lost.attempts[0].reads = crate::fixtures::reads(&[(20, crate::lookup::Said::NotFound)]);
    assert_eq!(claimed(&with_lookup(unkeyed()), &lost, 20), Decision::Wait { until: at(21) });
    assert_eq!(report_of_park(claimed(&unkeyed(), &running([Some(unknown())]), 20)), classification::OUTCOME_UNKNOWN);
}

#[test]
fn a_replayable_is_sent_again_while_its_key_is_kept_and_then_never() {
    let lost = running([Some(replayable())]);
    assert_eq!(claimed(&keyed(), &lost, 899), Decision::Send { generation: 1 });
    assert_eq!(report_of_park(claimed(&keyed(), &lost, 900)), classification::OUTCOME_UNKNOWN);
}

#[test]
fn an_accepted_effect_is_awaited_and_after_its_deadline_read_once() {
    let mut op = with_lookup(unkeyed());
    op.accepted = Some(crate::operation::Accepted { poll_after_ms: 1, callback_deadline_ms: 60_000 });
    let mut accepted = attempt(1, Outcome::Pending);
    accepted.callback_deadline = Some(at(60));
    let waiting = step(StepState::AwaitingCallback, vec![accepted.clone()]);
    assert_eq!(claimed(&op, &waiting, 59), Decision::Report(Verdict::AwaitCallback { deadline_ms: 1_000 }));
    assert_eq!(claimed(&op, &waiting, 60), Decision::LookUp(accepted.id));
}

#[test]
fn a_rejection_or_defect_is_sent_as_a_new_generation_only_after_an_action() {
    for outcome in [business(), defect()] {
        let refused = running([Some(outcome)]);
        assert!(matches!(claimed(&keyed(), &refused, 20), Decision::Report(Verdict::Park { .. })));
        let acted_on = StepFacts { epoch: 1, ..refused };
        assert_eq!(claimed(&keyed(), &acted_on, 20), Decision::Send { generation: 2 });
    }
}

#[test]
fn what_was_corrected_since_is_rendered_anew_after_an_action_where_the_old_was_not_applied_and_nowhere_else() {
    let rows = [
        (technical(), 1, Decision::Send { generation: 2 }),
        (business(), 1, Decision::Send { generation: 2 }),
        (technical(), 0, Decision::Send { generation: 1 }),
    ];
    for (outcome, epoch, expected) in rows {
        let corrected = StepFacts { outdated: true, epoch, ..running([Some(outcome)]) };
        assert_eq!(claimed(&keyed(), &corrected, 20), expected);
    }
    for outcome in [Some(unknown()), Some(replayable()), Some(success()), None] {
        let corrected = StepFacts { outdated: true, epoch: 1, ..running([outcome.clone()]) };
        let decided = claimed(&keyed(), &corrected, 20);
        assert!(!matches!(decided, Decision::Send { generation: 2 }), "{outcome:?}: {decided:?}");
    }
}

#[test]
fn a_rejection_before_the_action_is_no_leave_for_what_was_refused_after_it() {
    let since = |outcome| AttemptFacts { epoch: 1, ..attempt(2, outcome) };
    let mut refused_again = running([Some(business())]);
    refused_again.attempts.push(since(defect()));
    let refused_again = StepFacts { epoch: 1, ..refused_again };
    assert!(matches!(claimed(&keyed(), &refused_again, 20), Decision::Report(_)));
}

#[test]
fn an_action_alone_makes_no_unknown_sendable() {
    let acted_on = StepFacts { epoch: 5, ..running([Some(unknown())]) };
    assert_eq!(report_of_park(claimed(&keyed(), &acted_on, 20)), classification::OUTCOME_UNKNOWN);
    let with_defect = StepFacts { epoch: 5, ..running([Some(unknown()), Some(defect())]) };
    assert_eq!(report_of_park(claimed(&keyed(), &with_defect, 20)), classification::OUTCOME_UNKNOWN);
}

#[test]
fn a_cancelled_order_begins_nothing_but_undoing_what_is_left() {
    let ended = || Decision::Report(Verdict::End { ending: Ending::Cancelled });
    let rows = [
        (None, false, Decision::Send { generation: 1 }),
        (None, true, ended()),
        (Some(Left::Effect), true, Decision::Send { generation: 1 }),
        (Some(Left::Effect), false, Decision::Send { generation: 1 }),
        (Some(Left::Unsure), true, Decision::Withheld),
        (Some(Left::Nothing), true, ended()),
        (Some(Left::Nothing), false, ended()),
    ];
    for (undoes, order_cancelled, expected) in rows {
        let facts = StepFacts { undoes, order_cancelled, ..step(StepState::New, vec![]) };
        assert_eq!(claimed(&keyed(), &facts, 0), expected, "{undoes:?} {order_cancelled}");
    }
}

#[test]
fn after_a_cancellation_nothing_is_tried_anew_and_what_may_be_applied_is_still_asked_for() {
    let ended = || Decision::Report(Verdict::End { ending: Ending::Cancelled });
    let cancelled = |facts: StepFacts| StepFacts { order_cancelled: true, ..facts };
    for outcome in [technical(), business(), defect()] {
        // As a retry that fell due, and as one that an action asked for.
        let facts = StepFacts { epoch: 1, ..running([Some(outcome.clone())]) };
        assert_eq!(claimed(&keyed(), &cancelled(facts.clone()), 60), ended(), "{outcome:?}");
        assert!(matches!(claimed(&keyed(), &facts, 60), Decision::Send { .. }), "{outcome:?}");
    }
    assert_eq!(claimed(&keyed(), &cancelled(running([Some(technical())])), 60), ended());
    let replay = claimed(&keyed(), &cancelled(running([Some(replayable())])), 60);
    assert_eq!(replay, Decision::Send { generation: 1 }, "the same key is the way to ask");
    let undoing = StepFacts { undoes: Some(Left::Effect), ..running([Some(technical())]) };
    assert_eq!(claimed(&keyed(), &cancelled(undoing), 60), Decision::Send { generation: 1 });
}
