//! Every answer to a report, before and after one was lost, and every reading.

use fallout_camunda::EngineError;

use super::*;

fn errors() -> [ReportError; 10] {
    let away = || EngineError::Away { source: None };
    let text = String::new;
    [
        ReportError::Unknown { cause: away() },
        ReportError::Retry { cause: away() },
        ReportError::Gone,
        ReportError::Superseded { holder: None },
        ReportError::Expired,
        ReportError::Suspended,
        ReportError::Unauthorised { status: 403, message: text() },
        ReportError::CannotAdvance { code: 10_002, message: text() },
        ReportError::Refused { kind: text(), message: text() },
        ReportError::EngineFault { code: 0, message: text() },
    ]
}

#[test]
fn every_answer_to_a_report_has_its_next_step() {
    // at first, and after one that was lost
    let expected = [
        (Next::Read, Next::Read),
        (Next::Again, Next::Again),
        (Next::NotOurs, Next::Read),
        (Next::NotOurs, Next::Read),
        (Next::NotOurs, Next::NotOurs),
        (Next::Suspended, Next::Read),
        (Next::NotAllowed, Next::NotAllowed),
        (Next::Refused, Next::Refused),
        (Next::Read, Next::Read),
        (Next::Again, Next::Again),
    ];
    for (error, (first, later)) in errors().into_iter().zip(expected) {
        assert_eq!(after_error(&error, &mut SoFar::default()), first, "{error}");
        let mut lost = SoFar { unknown: true, ..SoFar::default() };
        assert_eq!(after_error(&error, &mut lost), later, "{error} after a lost one");
    }
}

#[test]
fn an_engine_that_cannot_go_on_is_asked_a_bounded_number_of_times() {
    let mut so_far = SoFar::default();
    let fault = ReportError::EngineFault { code: 0, message: String::new() };
    let said: Vec<Next> = (0..3).map(|_| after_error(&fault, &mut so_far)).collect();
    assert_eq!(said, [Next::Again, Next::Again, Next::Refused]);
}

#[test]
fn a_reading_decides_by_the_trace_first_and_then_by_who_holds_the_task() {
    use {Held::*, Verb::*};
    let table = [
        (Complete, Gone, true, Next::Applied),
        (Complete, Gone, false, Next::NotOurs),
        (Complete, Ours, false, Next::Again),
        (Complete, ByAnother, false, Next::NotOurs),
        (Complete, Held::Suspended, false, Next::Suspended),
        (BpmnError, Gone, true, Next::Applied),
        (BpmnError, Gone, false, Next::NotOurs),
        (BpmnError, Ours, false, Next::Again),
        (BpmnError, ByAnother, false, Next::NotOurs),
        (Failure, Ours, true, Next::Applied),
        (Failure, ByAnother, true, Next::Applied),
        (Failure, Held::Suspended, true, Next::Applied),
        (Failure, Gone, false, Next::NotOurs),
        (Failure, ByAnother, false, Next::NotOurs),
        (Failure, Held::Suspended, false, Next::Suspended),
    ];
    for (verb, task, traced, expected) in table {
        let next = after_reading(verb, Reading { task, traced }, &mut SoFar::default());
        assert_eq!(next, expected, "{verb:?} {task:?} {traced}");
    }
}

#[test]
fn a_refusal_that_is_not_known_here_is_final_only_when_the_task_is_ours() {
    let table = [
        (Held::Ours, Next::Refused),
        (Held::Gone, Next::NotOurs),
        (Held::ByAnother, Next::NotOurs),
        (Held::Suspended, Next::Suspended),
    ];
    for (task, expected) in table {
        let mut so_far = SoFar::default();
        let refused = ReportError::Refused { kind: String::new(), message: String::new() };
        assert_eq!(after_error(&refused, &mut so_far), Next::Read);
        assert_eq!(after_reading(Verb::Failure, Reading { task, traced: false }, &mut so_far), expected, "{task:?}");
    }
}

#[test]
fn a_lost_failure_is_said_again_only_after_two_readings_without_its_trace() {
    let mut so_far = SoFar::default();
    let untraced = Reading { task: Held::Ours, traced: false };
    assert_eq!(after_reading(Verb::Failure, untraced, &mut so_far), Next::Read);
    assert_eq!(after_reading(Verb::Failure, untraced, &mut so_far), Next::Again);
    after_error(&errors()[0], &mut so_far);
    assert_eq!(after_reading(Verb::Failure, untraced, &mut so_far), Next::Read, "lost again, read anew");
}
