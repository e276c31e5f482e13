//! Every verdict and what the engine is told.

use fallout_core::step::{Ending, Outputs};

use super::*;

const REPORT: Uuid = Uuid::from_u128(7);

fn told(verdict: Verdict, case: Option<u64>) -> Word {
    word(&Settled { attempt: None, verdict, case: case.map(CaseNumber) }, REPORT)
}

fn variables() -> Variables {
    Variables::new().with("reportId", REPORT.to_string())
}

fn failure(message: &str, retries: u32, timeout_ms: u64) -> Word {
    let retry_timeout = Duration::from_millis(timeout_ms);
    Word::Tell(Telling::Failure { message: message.into(), retries, retry_timeout, variables: variables() })
}

#[test]
fn every_complete_says_the_state_of_the_step() {
    let complete = |state: &str| Word::Tell(Telling::Complete { variables: variables().with("stepState", state) });
    assert_eq!(told(Verdict::Complete { outputs: Outputs::new() }, None), complete("DONE"));
    assert_eq!(told(Verdict::End { ending: Ending::Skipped }, None), complete("SKIPPED"));
    assert_eq!(told(Verdict::End { ending: Ending::Cancelled }, None), complete("CANCELLED"));
}

#[test]
fn a_pending_step_says_how_long_its_model_may_wait() {
    let pending = variables().with("stepState", "PENDING").with("callbackDeadline", "PT6.050S");
    assert_eq!(
        told(Verdict::AwaitCallback { deadline_ms: 6_050 }, None),
        Word::Tell(Telling::Complete { variables: pending })
    );
}

#[test]
fn what_parks_begins_with_its_case_and_waits_for_it() {
    let park = || Verdict::Park { classification: "DEFECT".into(), reason: "HTTP 400".into() };
    assert_eq!(told(park(), Some(7)), failure("fc-7 DEFECT: HTTP 400", 0, 0));
    assert_eq!(told(park(), None), Word::Wait(SOON));
}

#[test]
fn an_error_waits_for_its_case_unless_the_caller_handles_it() {
    let error = |handled| Verdict::RaiseError { code: "C".into(), message: "no".into(), handled };
    let raised = |message: &str| {
        Word::Tell(Telling::BpmnError { code: "C".into(), message: message.into(), variables: variables() })
    };
    assert_eq!(told(error(false), Some(7)), raised("fc-7 no"));
    assert_eq!(told(error(false), None), Word::Wait(SOON));
    assert_eq!(told(error(true), None), raised("no"));
}

#[test]
fn another_try_keeps_its_retries_and_a_lookup_spends_none() {
    let retry = |retries_left| Verdict::RetryAfter { delay_ms: 250, retries_left, reason: "no connection".into() };
    assert_eq!(told(retry(2), None), failure("no connection", 2, 250));
    assert_eq!(told(retry(0), None), failure("no connection", 1, 250), "a retry never parks without a case");
    assert_eq!(told(Verdict::LookUpAfter { delay_ms: 40 }, None), Word::Wait(Duration::from_millis(40)));
}
