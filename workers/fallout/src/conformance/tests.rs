//! Trials against the sandbox: one that keeps every promise, and one broken promise at a time.

use std::collections::BTreeMap;

use fallout_core::operation::Idempotency;
use fallout_downstream::Address;
use fallout_sandbox::{Book, FaultScript, Sandbox, SandboxOptions};
use serde_json::json;

use super::*;
use crate::config::shipped;

fn shipped(name: &str) -> Operation {
    let file = format!("{name}.toml");
    let (_, text) = shipped::OPERATIONS.iter().find(|(known, _)| *known == file).unwrap();
    toml::from_str(text).unwrap()
}

struct Trial {
    report: Report,
    effects: usize,
}

/// A trial on a sandbox of its own that misbehaves by this script.
async fn trial(op: Operation, script: &str, plan: Plan) -> Trial {
    let folder = tempfile::tempdir().unwrap();
    let book = folder.path().join("book.ndjson");
    let script = FaultScript::parse(script).unwrap();
    let sandbox = Sandbox::start(SandboxOptions { book: book.clone(), script, ports: BTreeMap::new() }).await.unwrap();
    let address = Address { url: sandbox.urls()[op.downstream.as_str()].clone(), bearer: None };
    let client = Downstreams::new(BTreeMap::from([(op.downstream.clone(), address)])).unwrap();
    // Every order of a trial is new to its owner.
    let given = match op.name.as_str() {
        "order.correct" => vec![("action.orderVersion", json!(1))],
        "quote.revise" => vec![
            ("action.version", json!(1)),
            ("action.price", json!({ "unit": "EUR", "value": 10.0 })),
            ("action.limit", json!(11.0)),
        ],
        _ => Vec::new(),
    };
    let given: Given = given.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let subject = Subject::new(op, given).unwrap();
    let report = run(&subject, &client, &plan, &|_| {}).await;
    sandbox.drain().await;
    Trial { report, effects: Book::read(&book).unwrap().len() }
}

fn once() -> Plan {
    Plan { count: 1, retention_wait: Duration::ZERO }
}

impl Trial {
    fn line(&self, asked: &str) -> &Line {
        let found = self.report.lines.iter().find(|line| line.asked == asked);
        found.unwrap_or_else(|| panic!("{asked} was not asked: {:#?}", self.report.lines))
    }

    fn verdicts(&self) -> Vec<(&str, Verdict)> {
        self.report.lines.iter().map(|line| (line.asked, line.verdict)).collect()
    }
}

const AGAIN: &str = "the same request again";
const OTHER: &str = "the same key with another payload";
const AT_ONCE: &str = "the same request three times at once";
const AFTER: &str = "the lookup after the answer";
const HUNG_UP: &str = "a request whose sender hangs up";
const MALFORMED: &str = "a request that cannot be understood";
const KEPT: &str = "the first request once more at the end";

#[tokio::test]
async fn a_downstream_that_keeps_every_promise_agrees_with_every_shipped_operation() {
    for (file, _) in shipped::OPERATIONS {
        let op = shipped(file.trim_end_matches(".toml"));
        let plan = Plan { count: 3, ..once() };
        let expected_effects = plan.effects(&op) as usize;
        let tried = trial(op.clone(), "", plan).await;
        assert!(tried.report.agrees(), "{file}: {:#?}", tried.report.lines);
        // What no lookup and no key can show stays unshown; a retention of days as well. The rest is proven.
        let shown = tried.verdicts().into_iter().filter(|(_, verdict)| *verdict == Verdict::NotShown);
        let expected: &[&str] = match (op.kind, &op.lookup) {
            (Kind::Read, _) => &["something that does not exist"],
            (Kind::Effect, None) => &["the lookup", AGAIN, HUNG_UP],
            (Kind::Effect, Some(_)) => &[KEPT],
        };
        assert_eq!(shown.map(|(asked, _)| asked).collect::<Vec<_>>(), expected, "{file}");
        let hung_up = usize::from(op.kind == Kind::Effect && op.lookup.is_none());
        assert_eq!(tried.effects, expected_effects - hung_up, "{file}");
        assert_eq!(tried.report.visible_ms.map(|spread| spread.count), op.lookup.as_ref().map(|_| 3), "{file}");
    }
}

/// One promise is broken, by the downstream or by the file, and exactly the lines that ask for it say so.
async fn differs(op: Operation, script: &str, asked: &[(&str, &str)]) {
    let tried = trial(op, script, once()).await;
    let differing: Vec<_> = tried.verdicts().into_iter().filter(|(_, verdict)| *verdict == Verdict::Differs).collect();
    let expected: Vec<_> = asked.iter().map(|(asked, _)| (*asked, Verdict::Differs)).collect();
    assert_eq!(differing, expected, "{:#?}", tried.report.lines);
    for (asked, seen) in asked {
        assert!(tried.line(asked).seen.contains(seen), "{:#?}", tried.line(asked));
    }
}

fn reserve() -> Operation {
    shipped("inventory.reserve")
}

/// A fault of the script for the orders whose id ends so.
fn fault(order: &str, attempt: &str, rest: &str) -> String {
    format!("[[fault]]\norder = \"*{order}\"\nattempt = \"{attempt}\"\n{rest}\n")
}

#[tokio::test]
async fn a_key_that_is_not_honoured_differs() {
    let again = fault("run-1", "2", "behaviour = \"forget_key\"");
    differs(reserve(), &again, &[(AGAIN, "a second effect"), (KEPT, "other outputs")]).await;
    let at_once = fault("at-once", "*", "behaviour = \"forget_key\"");
    differs(reserve(), &at_once, &[(AT_ONCE, "3 effects")]).await;
    let stored = fault("run-1", "2", "behaviour = \"error_after\"");
    differs(reserve(), &stored, &[(AGAIN, "HTTP 500")]).await;
    let forgotten = fault("run-1", ">=4", "behaviour = \"forget_key\"");
    differs(reserve(), &forgotten, &[(KEPT, "a second effect")]).await;
}

#[tokio::test]
async fn another_payload_that_is_not_refused_differs() {
    let blind = fault("run-1", "3", "behaviour = \"ignore_payload\"");
    differs(reserve(), &blind, &[(OTHER, "taken for the first request")]).await;
    let mut known = reserve();
    let rejection = known.answers.business["PRODUCT_NOT_AVAILABLE"].clone();
    known.answers.business.insert("IDEMPOTENCY_KEY_REUSED".into(), rejection);
    differs(known, "", &[(OTHER, "looks like a rejection")]).await;
}

#[tokio::test]
async fn a_lookup_that_is_late_or_says_something_else_differs() {
    let late = fault("run-1", "1", "behaviour = \"ok\"\nlookup_after_ms = 1500");
    differs(reserve(), &late, &[(AFTER, "not yet in a read")]).await;
    let mut elsewhere = reserve();
    elsewhere.lookup.as_mut().unwrap().outputs.get_mut("reservationId").unwrap().at = "/state".into();
    let tried = trial(elsewhere, "", once()).await;
    assert_eq!(tried.line("the lookup's outputs").verdict, Verdict::Differs);
    assert!(tried.line("the lookup's outputs").seen.contains("another reservationId"));
    assert_eq!(tried.line(AGAIN).verdict, Verdict::Ok);
    let mut always = reserve();
    let lookup = always.lookup.as_mut().unwrap();
    (lookup.found, lookup.not_found) = (lookup.not_found.clone(), lookup.found.clone());
    lookup.outputs.values_mut().for_each(|output| output.at = "/code".into());
    let tried = trial(always, "", once()).await;
    assert_eq!(tried.line("the lookup before the request").verdict, Verdict::Differs);
}

#[tokio::test]
async fn what_was_cut_off_is_found_or_not_found_and_what_nobody_can_tell_differs() {
    let lost = fault("hung-up", "1", "behaviour = \"cut_before\"");
    let tried = trial(reserve(), &lost, once()).await;
    assert!(tried.report.agrees() && tried.line(HUNG_UP).seen.contains("not found"), "{:#?}", tried.report.lines);
    let for_ever = fault("hung-up", "1", "behaviour = \"accepted_never\"");
    differs(reserve(), &for_ever, &[(HUNG_UP, "no answer")]).await;
    let mut unbounded = reserve();
    unbounded.lookup.as_mut().unwrap().max_late_arrival_ms = None;
    let tried = trial(unbounded, &lost, once()).await;
    assert_eq!(tried.line(HUNG_UP).verdict, Verdict::NotShown);
}

#[tokio::test]
async fn a_request_that_cannot_be_understood_and_looks_like_a_rejection_differs() {
    let mut known = reserve();
    let rejection = known.answers.business["PRODUCT_NOT_AVAILABLE"].clone();
    known.answers.business.insert("MALFORMED".into(), rejection);
    differs(known, "", &[(MALFORMED, "one of answers.business")]).await;
}

#[tokio::test]
async fn when_not_even_a_valid_request_is_taken_nothing_else_is_tried() {
    for (rest, seen) in [
        ("behaviour = \"reject\"\ncode = \"PRODUCT_NOT_AVAILABLE\"", "business; nothing else was tried"),
        ("behaviour = \"missing_output\"", "without reservationId"),
        ("behaviour = \"unauthorised\"", "HTTP 401"),
        ("behaviour = \"accepted_never\"", "HTTP 202"),
    ] {
        let tried = trial(reserve(), &fault("", "*", rest), once()).await;
        assert_eq!(tried.verdicts(), [("a valid request", Verdict::Differs)]);
        assert!(tried.report.lines[0].seen.contains(seen), "{:#?}", tried.report.lines);
    }
}

#[tokio::test]
async fn what_is_taken_on_is_watched_until_its_deadline() {
    let mut op = shipped("provisioning.add");
    op.accepted.as_mut().unwrap().callback_deadline_ms = 2_000;
    let later = fault("", "1", "behaviour = \"accepted\"\nafter_ms = 300");
    let tried = trial(op.clone(), &later, once()).await;
    assert!(tried.report.agrees(), "{:#?}", tried.report.lines);
    assert!(tried.line("a valid request").seen.contains("HTTP 202"), "{:#?}", tried.report.lines);
    assert_eq!(tried.line("the lookup's outputs").verdict, Verdict::NotShown);
    op.accepted.as_mut().unwrap().callback_deadline_ms = 100;
    op.lookup.as_mut().unwrap().consistency_delay_ms = 1;
    let never = fault("run-1", "1", "behaviour = \"accepted_never\"");
    let tried = trial(op, &never, once()).await;
    assert_eq!(tried.line(AFTER).verdict, Verdict::Differs);
    assert!(tried.line(AFTER).seen.contains("still in progress"), "{:#?}", tried.line(AFTER));
}

#[tokio::test]
async fn a_retention_is_proven_only_when_it_was_waited_for() {
    let mut op = reserve();
    op.idempotency = Idempotency::KeyHeader { header: "Idempotency-Key".into(), retention_s: 1 };
    let waits = Plan { count: 1, retention_wait: Duration::from_millis(1_000) };
    assert_eq!(trial(op, "", waits).await.line(KEPT).verdict, Verdict::Ok);
}

#[tokio::test]
async fn a_report_as_json_names_every_line_and_the_times() {
    let json = serde_json::to_value(trial(reserve(), "", once()).await.report).unwrap();
    assert_eq!(json["lines"][0]["verdict"], "ok");
    assert_eq!(json["lines"].as_array().unwrap().last().unwrap()["verdict"], json!("not_shown"));
    assert_eq!(json["visible_ms"]["count"], 1);
}
