//! What a script is read as, and how a wrong one is refused.

use fallout_sandbox::{Direction, FaultScript, ScriptError};

#[test]
fn the_first_fault_that_meets_wins() {
    let script = FaultScript::parse(
        "[[fault]]\norder='ord-7*'\nstep='provision'\nline='2'\nattempt='2-3'\nbehaviour='cut_before'\n\
         [[fault]]\norder='ord-7*'\nattempt='>=4'\nbehaviour='garbage'\n\
         [[fault]]\norder='ord-7'\nbehaviour='error_after'",
    )
    .unwrap();
    for (order, line, step, attempt, expected) in [
        ("ord-7", "2", "provision", 1, Some("error_after")),
        ("ord-7", "2", "provision", 2, Some("cut_before")),
        ("ord-7", "1", "provision", 2, Some("error_after")),
        ("ord-7", "", "bill", 3, Some("error_after")),
        ("ord-71", "2", "provision", 3, Some("cut_before")),
        ("ord-71", "2", "provision", 4, Some("garbage")),
        ("ord-71", "", "bill", 1, None),
        ("ord-8", "2", "provision", 2, None),
    ] {
        let found = script.first(order, line, step, Direction::Do, attempt).map(|fault| fault.behaviour.name());
        assert_eq!(found, expected, "{order} {line} {step} {attempt}");
    }
}

#[test]
fn a_fault_meets_the_taking_back_of_an_effect_only_when_it_says_so() {
    let text = "[[fault]]\nstep='bill'\ndirection='undo'\nbehaviour='cut_after'\n[[fault]]\nbehaviour='garbage'";
    let script = FaultScript::parse(text).unwrap();
    let rows = [
        ("bill", Direction::Undo, Some("cut_after")),
        ("bill", Direction::Do, Some("garbage")),
        ("reserve", Direction::Undo, None),
    ];
    for (step, direction, expected) in rows {
        let found = script.first("o", "", step, direction, 1).map(|fault| fault.behaviour.name());
        assert_eq!(found, expected, "{step} {direction:?}");
    }
    let wrong = FaultScript::parse("[[fault]]\ndirection='back'\nbehaviour='ok'").unwrap_err();
    assert!(wrong.to_string().contains("expected do or undo"), "{wrong}");
}

#[test]
fn an_empty_script_means_that_everything_works() {
    assert!(FaultScript::parse("").unwrap().first("o", "", "s", Direction::Do, 1).is_none());
}

#[test]
fn every_problem_of_a_script_is_reported_at_once_with_its_place() {
    let text = "colour = 1\n\
                [[fault]]\n\
                ordr = 'x'\n\
                behaviour = 'explode'\n\
                [[fault]]\n\
                attempt = '0'\n\
                behaviour = 'slow'\n\
                [[fault]]\n\
                step = 5\n\
                share = { slice = [5, 5], of = 10 }\n\
                behaviour = 'ok'\n\
                ms = -1\n\
                [[fault]]\n\
                order = 'заказ' ; behaviour = 'ok'\n";
    let Err(ScriptError::Refused { problems }) = FaultScript::parse(text) else { panic!("not refused") };
    let places: Vec<_> = problems.iter().map(|problem| (problem.line, problem.what.as_str())).collect();
    for (line, what) in [
        (1, "unknown key `colour`"),
        (3, "unknown key `ordr`"),
        (4, "unknown behaviour"),
        (6, "expected \"*\""),
        (7, "this behaviour needs `ms`"),
        (9, "expected text"),
        (10, "expected { slice"),
        (12, "`ms` means nothing for ok"),
        (13, "`behaviour` is missing"),
        (14, ""),
    ] {
        assert!(places.iter().any(|(l, w)| *l == line && w.starts_with(what)), "{line} {what}: {places:#?}");
    }
}

#[test]
fn a_refused_script_reads_well() {
    let error = FaultScript::parse("[[fault]]\nbehaviour = 'reject'\n").unwrap_err();
    assert_eq!(error.to_string(), "the fault script is refused:\n  line 2, column 13: this behaviour needs `code`");
}
