//! How an order stands is said by a rule and, for whoever reads the views, by the database: the same, whatever the facts.

use fallout_core::context::{Attention, LineFacts, OrderFacts, RunState, Share};
use sqlx::Row;

use crate::database::Database;

const BOOLS: [bool; 2] = [false, true];

fn runs() -> impl Iterator<Item = Option<RunState>> {
    std::iter::once(None).chain(RunState::ALL.iter().copied().map(Some))
}

fn text(word: Option<&str>) -> String {
    word.map_or("null".into(), |w| format!("'{w}'"))
}

/// Every combination with what the rule says, as rows of SQL.
fn lines() -> Vec<String> {
    let mut rows = Vec::new();
    for (run, attention) in runs().flat_map(|r| Attention::ALL.iter().map(move |a| (r, *a))) {
        for bits in 0..64 {
            let bit = |n: usize| BOOLS[(bits >> n) & 1];
            let (cancelling, begun, parked, unknown, cancelled, held) =
                (bit(0), bit(1), bit(2), bit(3), bit(4), bit(5));
            let facts = LineFacts { run, cancelling, held, attention, begun, parked, unknown, cancelled };
            let (run, state) = (text(run.map(RunState::word)), text(facts.state().map(|s| s.word())));
            rows.push(format!("(order_line_state({run}, {cancelling}, '{attention}', {begun}, {parked}, {unknown}, {cancelled}, {held}), {state}, '{facts:?}')"));
        }
    }
    rows
}

fn orders() -> Vec<String> {
    let mut rows = Vec::new();
    for (run, attention) in runs().flat_map(|r| Attention::ALL.iter().map(move |a| (r, *a))) {
        for (bits, lines_cancelled) in (0..16).flat_map(|b| Share::ALL.iter().map(move |s| (b, *s))) {
            let bit = |n: usize| BOOLS[(bits >> n) & 1];
            let (cancelling, parked, unknown, held) = (bit(0), bit(1), bit(2), bit(3));
            let facts = OrderFacts { run, cancelling, held, attention, parked, unknown, lines_cancelled };
            let (run, state) = (text(run.map(RunState::word)), text(facts.state().map(|s| s.word())));
            rows.push(format!("(order_own_state({run}, {cancelling}, '{attention}', {parked}, {unknown}, '{lines_cancelled}', {held}), {state}, '{facts:?}')"));
        }
    }
    rows
}

#[tokio::test]
async fn the_database_says_how_an_order_and_its_lines_stand_as_the_rules_do() {
    let mut conn = Database::new().await.connect().await;
    for rows in [lines(), orders()] {
        assert!(rows.len() > 400);
        let sql = format!(
            "select concat_ws(' ', facts, 'is', said, 'not', expected) from (values {}) t (said, expected, facts)
             where said is distinct from expected",
            rows.join(", ")
        );
        let differ = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut conn).await.unwrap();
        let differ: Vec<String> = differ.iter().map(|r| r.get(0)).collect();
        assert!(differ.is_empty(), "{differ:#?}");
    }
}
