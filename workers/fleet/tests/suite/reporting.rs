//! A verdict reaches the engine exactly once, whatever gets lost on the way.

use std::time::Duration;

use fallout_core::{
    attempt::StoredRequest,
    claim::{Claim, Recorded},
    decide::Verdict,
    ids::{AttemptId, CaseNumber},
    lookup::Said,
    step::Outputs,
};
use fallout_fleet::FleetConfig;
use uuid::Uuid;

use crate::{
    engine::{Engine, Lose},
    ledger::{Memory, recorded, request},
    rig::{Rig, config, until},
};

async fn reported_while_losing(verb: &'static str, lose: Lose, ledger: Memory) -> Rig {
    let (engine, url) = Engine::start().await;
    engine.state().lose.insert(verb, lose);
    let rig = Rig::with(engine, &url, config(), ledger).await;
    rig.let_answer();
    rig.engine.add("o");
    until("it is reported", || !rig.ledger.told().reported.is_empty()).await;
    rig
}

fn always(verdict: Verdict, case: Option<u64>) -> Memory {
    let recorded = Recorded { verdict: Some(verdict), case: case.map(CaseNumber) };
    Memory { on_record: Box::new(move |_| recorded.clone()), ..Memory::default() }
}

fn parked() -> Memory {
    always(Verdict::Park { classification: "DEFECT".into(), reason: "HTTP 400".into() }, Some(7))
}

#[tokio::test]
async fn a_complete_whose_answer_was_lost_is_read_back_and_not_sent_again() {
    let rig = reported_while_losing("complete", Lose::Answer, Memory::default()).await;
    assert_eq!(rig.engine.calls("complete").len(), 1);
}

#[tokio::test]
async fn a_complete_that_never_arrived_is_sent_again_unchanged() {
    let rig = reported_while_losing("complete", Lose::Request, Memory::default()).await;
    let sent = rig.engine.calls("complete");
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0], sent[1]);
    assert_eq!(sent[0]["variables"]["stepState"]["value"], "DONE");
}

#[tokio::test]
async fn a_failure_whose_answer_was_lost_is_found_in_the_log_and_not_sent_again() {
    let rig = reported_while_losing("failure", Lose::Answer, parked()).await;
    assert_eq!(rig.engine.calls("failure").len(), 1);
    assert_eq!(rig.engine.message("o"), "fc-7 DEFECT: HTTP 400");
}

#[tokio::test]
async fn a_failure_that_never_arrived_is_sent_again_after_two_readings() {
    let rig = reported_while_losing("failure", Lose::Request, parked()).await;
    assert_eq!(rig.engine.calls("failure").len(), 2);
    assert!(rig.engine.calls("external-task-log").len() >= 2);
    assert_eq!(rig.engine.retries("o"), Some(0));
}

#[tokio::test]
async fn an_error_whose_answer_was_lost_is_known_by_its_report_id() {
    let error = Verdict::RaiseError { code: "C".into(), message: "no".into(), handled: true };
    let rig = reported_while_losing("bpmnError", Lose::Answer, always(error, None)).await;
    assert_eq!(rig.engine.calls("bpmnError").len(), 1);
    assert!(!rig.engine.calls("detail").is_empty());
}

#[tokio::test]
async fn a_verdict_that_parks_waits_for_its_case() {
    let without_case = Verdict::Park { classification: "DEFECT".into(), reason: "HTTP 400".into() };
    let later = |_: &_, nth| match nth {
        0 => crate::ledger::fresh(),
        _ => Claim::Report {
            attempt: Some(AttemptId(Uuid::nil())),
            verdict: Verdict::Park { classification: "DEFECT".into(), reason: "HTTP 400".into() },
            case: Some(CaseNumber(7)),
        },
    };
    let rig = Rig::start(config(), Memory { on_claim: Box::new(later), ..always(without_case, None) }).await;
    rig.let_answer();
    rig.engine.add("o");
    until("it is parked", || rig.engine.retries("o") == Some(0)).await;
    assert_eq!(rig.engine.calls("failure").len(), 1, "nothing was reported before the case existed");
    assert!(rig.engine.message("o").starts_with("fc-7 "));
}

#[tokio::test]
async fn an_unknown_is_looked_up_and_not_sent() {
    let look_up = |_: &_, _| Claim::LookUp {
        attempt: AttemptId(Uuid::nil()),
        request: StoredRequest { body: None, ..request() },
        key: "k.1".into(),
    };
    let rig = Rig::start(config(), Memory { on_claim: Box::new(look_up), ..Memory::default() }).await;
    rig.let_answer();
    rig.engine.add("o");
    until("it is done", || rig.engine.all_ended()).await;
    assert!(matches!(rig.ledger.told().read[0], Said::Found { .. }));
    assert!(rig.ledger.told().recorded.is_empty());
}

#[tokio::test]
async fn a_parked_step_whose_retries_were_raised_is_parked_again_untried() {
    let still_parked = |_: &_, _| Claim::Parked { case: CaseNumber(9) };
    let rig = Rig::start(config(), Memory { on_claim: Box::new(still_parked), ..Memory::default() }).await;
    rig.engine.add("o");
    until("it is parked again", || rig.engine.retries("o") == Some(0)).await;
    assert!(rig.engine.message("o").starts_with("fc-9 "));
    assert!(rig.ledger.told().recorded.is_empty());
}

#[tokio::test]
async fn a_known_effect_is_only_reported() {
    let known =
        |_: &_, _| Claim::Report { attempt: None, verdict: Verdict::Complete { outputs: Outputs::new() }, case: None };
    let memory = Memory {
        on_claim: Box::new(known),
        on_record: Box::new(|_| recorded(Verdict::LookUpAfter { delay_ms: 0 })),
        ..Memory::default()
    };
    let rig = Rig::start(config(), memory).await;
    rig.engine.add("o");
    until("it is done", || rig.engine.ended("o") == Some("completed")).await;
    assert!(rig.ledger.told().recorded.is_empty());
}

#[tokio::test]
async fn a_report_that_the_engine_would_always_refuse_gets_an_owner_and_is_said_again() {
    for (times, status, kind, code) in [
        (1, 500, "ProcessEnginePersistenceException", 10_002),
        (1, 500, "OwnException", 20_000),
        (3, 500, "ProcessEngineException", 0),
        (1, 400, "InvalidRequestException", 0),
    ] {
        let (engine, url) = Engine::start().await;
        engine.state().refuse.insert("complete", (times, status, kind, code));
        let known = |_: &_, nth| match nth {
            0 => crate::ledger::fresh(),
            _ => Claim::Report { attempt: None, verdict: Verdict::Complete { outputs: Outputs::new() }, case: None },
        };
        let short = FleetConfig { lock_duration: Duration::from_millis(2_500), ..config() };
        let rig = Rig::with(engine, &url, short, Memory { on_claim: Box::new(known), ..Memory::default() }).await;
        rig.let_answer();
        rig.engine.add("o");
        until("it is reported in the end", || rig.engine.ended("o") == Some("completed")).await;
        assert_eq!(rig.ledger.told().refused.len(), 1, "{kind} {code}");
        assert_eq!(rig.engine.calls("complete").len(), times + 1, "{kind} {code}");
        assert_eq!(rig.ledger.told().recorded.len(), 1, "{kind} {code}: one exchange");
    }
}

#[tokio::test]
async fn a_credential_that_is_refused_is_nothing_that_a_case_could_own() {
    let (engine, url) = Engine::start().await;
    engine.state().refuse.insert("complete", (1, 401, "", 0));
    let rig =
        Rig::with(engine, &url, FleetConfig { lock_duration: Duration::from_secs(1), ..config() }, Memory::default())
            .await;
    rig.let_answer();
    rig.engine.add("o");
    until("it is reported in the end", || rig.engine.ended("o") == Some("completed")).await;
    assert!(rig.ledger.told().refused.is_empty());
}
