//! The rows of docs/OUTCOMES.md as data: each with its letters and exchanges that stand for it.

use serde_json::json;

use crate::{
    evidence::{Body, Evidence, Phase},
    operation::{Accepted, On408, On409, On500, On503, Operation},
};

/// The letters of the document. `NOT_HERE` marks a row that another test holds.
pub const S: &str = "S";
pub const B: &str = "B";
pub const T: &str = "T";
pub const D: &str = "D";
pub const P: &str = "P";
pub const U: &str = "U";
pub const UK: &str = "Uk";
const NOT_HERE: &str = "-";

const ALL_D: [&str; 3] = [D, D, D];
const ALL_T: [&str; 3] = [T, T, T];
const ALL_B: [&str; 3] = [B, B, B];
const ALL_S: [&str; 3] = [S, S, S];
const PROVES_NOTHING: [&str; 3] = [T, UK, U];
/// A stored 500 would only be repeated, so a replay would not tell.
const REPLAY_TELLS_NOTHING: [&str; 3] = [T, U, U];

pub struct Row {
    pub id: &'static str,
    /// For a read, a keyed effect and an effect without a key.
    pub expected: [&'static str; 3],
    pub exchanges: Vec<Evidence>,
    pub earlier_unknown: bool,
    pub declared: fn(&mut Operation),
}

fn row(id: &'static str, expected: [&'static str; 3], exchanges: impl Into<Vec<Evidence>>) -> Row {
    Row { id, expected, exchanges: exchanges.into(), earlier_unknown: false, declared: |_| {} }
}

pub fn rows() -> Vec<Row> {
    let mut rows = before_an_answer();
    rows.extend(successes());
    rows.extend(refusals());
    rows.extend(server_errors());
    rows.extend(without_an_exchange());
    rows
}

fn before_an_answer() -> Vec<Row> {
    vec![
        row("1", ALL_D, [Evidence::of(Phase::NotBuilt)]),
        row("1b", ALL_T, [Evidence::of(Phase::TooLate)]),
        row("2", ALL_T, [Evidence::of(Phase::NotConnected)]),
        row("3", ALL_T, [Evidence::of(Phase::NotSerialised)]),
        row("4", ALL_T, [Evidence::of(Phase::BodyNotPolled)]),
        // A refused stream was handed back: the same evidence as row 3.
        row("5", ALL_T, [Evidence::of(Phase::NotSerialised)]),
        row("6", PROVES_NOTHING, [Evidence::of(Phase::BodyPartlySent)]),
        row("7", PROVES_NOTHING, [Evidence::of(Phase::Sent)]),
    ]
}

fn successes() -> Vec<Row> {
    let unreadable = [Body::Cut, Body::TooLong, Body::Text("<html>".into())].map(|body| with_body(200, body));
    vec![
        // Even where no output is asked for: what was read may not be the answer.
        Row { declared: no_outputs, ..row("8", PROVES_NOTHING, unreadable) },
        row("8b", PROVES_NOTHING, [answer(200, json!({"other": 1})), answer(201, json!({"id": null})), empty(204)]),
        row("9", ALL_S, [200, 201, 203].map(|status| answer(status, json!({"id": "r-1"})))),
        row("9b", ALL_B, [200, 201, 202].map(|status| answer(status, rejection()))),
        Row { declared: declare_accepted, ..row("10", [P, P, P], [empty(202), answer(202, json!({"id": "r-1"}))]) },
        row("10b", PROVES_NOTHING, [empty(202), answer(202, json!({"id": "r-1"}))]),
        row("11", ALL_D, [301, 302, 307, 308].map(empty)),
        Row { declared: no_outputs, ..row("12", ALL_S, [empty(303), with_body(303, Body::Text("See other".into()))]) },
    ]
}

fn refusals() -> Vec<Row> {
    let no_code = [400, 404, 405, 406, 410, 411, 413, 414, 415, 417, 422, 428, 431];
    let catalogued = [400, 404, 412, 422, 429].map(|status| answer(status, rejection()));
    vec![
        row("13", ALL_B, catalogued),
        row(
            "14",
            ALL_D,
            no_code.map(empty).into_iter().chain([answer(400, json!({"code": "NEW"}))]).collect::<Vec<_>>(),
        ),
        row("15", ALL_D, [401, 403, 407, 421].map(empty)),
        row("16", ALL_T, [Evidence::of(Phase::Answered { status: 408, body: Body::Empty, request_sent: false })]),
        row("16b", PROVES_NOTHING, [empty(408)]),
        Row { declared: |op| op.answers.on_408 = On408::NotProcessed, ..row("16c", ALL_T, [empty(408)]) },
        // Whatever is declared: the earlier attempt may be what it is about.
        Row {
            earlier_unknown: true,
            declared: |op| op.answers.on_409 = On409::Refused,
            ..row("17", PROVES_NOTHING, [empty(409), answer(409, rejection()), empty(412), answer(412, rejection())])
        },
        row("18", ALL_B, [answer(409, rejection())]),
        row("18b", PROVES_NOTHING, no_known_code(409)),
        Row { declared: |op| op.answers.on_409 = On409::NotProcessed, ..row("18c", ALL_T, no_known_code(409)) },
        Row { declared: |op| op.answers.on_409 = On409::Refused, ..row("18d", ALL_D, no_known_code(409)) },
        row("19", ALL_B, [empty(412)]),
        row("20", ALL_D, [answer(422, json!({"code": "IDEMPOTENCY_KEY_REUSED"}))]),
        row("21", ALL_T, [423, 425, 429].map(empty)),
    ]
}

fn server_errors() -> Vec<Row> {
    vec![
        row("22", REPLAY_TELLS_NOTHING, [empty(500), answer(500, rejection())]),
        Row { declared: |op| op.answers.on_500 = On500::Replayable, ..row("22b", PROVES_NOTHING, [empty(500)]) },
        Row { declared: |op| op.answers.on_500 = On500::NotProcessed, ..row("22c", ALL_T, [empty(500)]) },
        // What is declared of 500 is said of 500 alone.
        Row {
            declared: |op| op.answers.on_500 = On500::NotProcessed,
            ..row("22d", REPLAY_TELLS_NOTHING, [300, 304, 402, 418, 451, 507, 599, 600].map(empty))
        },
        row("23", ALL_D, [501, 505].map(empty)),
        row("24", PROVES_NOTHING, [502, 504].map(empty)),
        Row { declared: |op| op.answers.on_503 = On503::NotProcessed, ..row("25", ALL_T, [empty(503)]) },
        row("26", PROVES_NOTHING, [empty(503)]),
    ]
}

fn without_an_exchange() -> Vec<Row> {
    vec![
        row("27", PROVES_NOTHING, [Evidence::of(Phase::Unproven)]),
        // Our own COMMIT: the store reads the row again. No exchange, nothing to classify.
        row("28", [NOT_HERE; 3], []),
        // The join judges the deadline; see outcome_table.rs.
        row("29", [NOT_HERE, U, U], []),
    ]
}

pub fn answer(status: u16, body: serde_json::Value) -> Evidence {
    Evidence::answered(status, body)
}

pub fn empty(status: u16) -> Evidence {
    with_body(status, Body::Empty)
}

fn with_body(status: u16, body: Body) -> Evidence {
    Evidence::of(Phase::Answered { status, body, request_sent: true })
}

fn no_known_code(status: u16) -> [Evidence; 2] {
    [empty(status), answer(status, json!({"code": "NEW"}))]
}

pub fn rejection() -> serde_json::Value {
    json!({"code": "NO_STOCK", "id": "r-1"})
}

pub fn declare_accepted(op: &mut Operation) {
    op.accepted = Some(Accepted { poll_after_ms: 1_000, callback_deadline_ms: 60_000 });
}

fn no_outputs(op: &mut Operation) {
    op.outputs.clear();
}
