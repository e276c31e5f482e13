//! What a signal may say, and which of two say the same.

use serde_json::json;

use super::*;
use crate::fixtures::at;

fn signal() -> NewSignal {
    NewSignal {
        source: "reconciliation".into(),
        event: "e-1".into(),
        finding: Finding::Code("STATE_DIFFERS".into()),
        place: Place { order: Some("o-1".into()), ..Place::default() },
        cause: Cause::default(),
        occurred_at: None,
        reason: "the states differ".into(),
        payload: json!({}),
    }
}

#[test]
fn what_cannot_be_taken_is_refused_by_name() {
    use SignalRefusal as R;
    type Change = fn(&mut NewSignal);
    let table: [(Change, Result<(), SignalRefusal>); 19] = [
        (|_| (), Ok(())),
        (|s| s.reason = "line one\n\tline two".into(), Ok(())),
        (|s| s.occurred_at = Some(at(300)), Ok(())),
        (|s| s.place = Place { downstream: Some("billing".into()), ..Place::default() }, Ok(())),
        (|s| s.source = " ".into(), Err(R::SourceUnfit)),
        (|s| s.source = "x".repeat(SOURCE_CHARS_MAX + 1), Err(R::SourceUnfit)),
        (|s| s.event = String::new(), Err(R::EventUnfit)),
        (|s| s.event = "x".repeat(10_000), Err(R::EventUnfit)),
        (|s| s.place.line = Some("x".repeat(10_000)), Err(R::KeyPartTooLong)),
        (|s| s.finding = Finding::Code("x".repeat(KEY_PART_CHARS_MAX + 1)), Err(R::KeyPartTooLong)),
        (|s| s.cause.incident_id = Some("x".repeat(10_000)), Err(R::KeyPartTooLong)),
        (|s| s.place.order = Some("o\u{0}1".into()), Err(R::ControlCharacters)),
        (|s| s.reason = "\u{1b}[31mred".into(), Err(R::ControlCharacters)),
        (|s| s.payload = json!({ "a": ["\u{0}"] }), Err(R::ControlCharacters)),
        (|s| s.reason = "  ".into(), Err(R::ReasonMissing)),
        (|s| s.reason = "x".repeat(REASON_CHARS_MAX + 1), Err(R::ReasonTooLong)),
        (|s| s.payload = json!("x".repeat(1_048_576)), Err(R::PayloadTooLarge)),
        (|s| s.occurred_at = Some(at(301)), Err(R::FromTheFuture)),
        (|s| s.place = Place { line: Some("1".into()), ..Place::default() }, Err(R::NoPlace)),
    ];
    for (change, expected) in table {
        let mut one = signal();
        change(&mut one);
        assert_eq!(one.check(at(0)), expected, "{:.200}", format!("{one:?}"));
    }
}

#[test]
fn every_part_of_a_match_key_keeps_its_place() {
    let key = MatchKey { tenant: "t", order: "o", classification: "C", downstream: "d", ..MatchKey::default() };
    assert_eq!(key.text(), "v1|t|o||||C|d");
    let others = [
        MatchKey { tenant: "t|o", order: "", ..key },
        MatchKey { line: "C", ..key },
        MatchKey { step: "C", ..key },
        MatchKey { run: Some(1), ..key },
        MatchKey { order: "", reference: "r", ..key },
    ];
    for other in others {
        assert_ne!(other.text(), key.text(), "{other:?}");
    }
    assert_eq!(MatchKey { reference: "r", ..key }.text(), key.text(), "the order is what it is about");
    assert_eq!(renamed(&key.text(), "D|E"), Some(MatchKey { classification: "D|E", ..key }.text()));
    let long = "x".repeat(10_000);
    assert!(MatchKey { order: &long, ..key }.text().len() < 100, "what no index holds goes by a digest");
}

#[test]
fn every_refusal_says_what_to_do() {
    for refusal in SignalRefusal::ALL {
        assert!(refusal.why().contains("; "), "{refusal}");
    }
}

#[test]
fn the_page_about_signals_names_every_answer_and_every_refusal() {
    let page = include_str!("../../docs/SIGNALS.md");
    let words = SignalState::ALL.iter().map(|s| s.word()).chain(SignalRefusal::ALL.iter().map(|r| r.word()));
    let missing: Vec<_> = words.filter(|word| !page.contains(&format!("`{word}`"))).collect();
    assert_eq!(missing, Vec::<&str>::new());
}
