//! Signals that are refused: by name, kept, and nothing else written. What is kept stays as it came.

use chrono::Duration;
use fallout_core::signal::{Finding, NewSignal, Place, SignalRefusal, SignalState};
use serde_json::json;

use super::{
    house::{House, seen, step},
    rig::TENANT,
};

#[tokio::test]
async fn what_is_refused_is_kept_with_a_name_and_nothing_else_is_written() {
    use SignalRefusal as R;
    let mut house = House::new("signals-refused").await;
    house.rig.order("o").await;
    house.rig.attempt("o").await;
    let tomorrow = house.rig.desk.now().await.unwrap() + Duration::days(1);
    let good = seen("o", "engine", "failedJob");
    let order = |order: &str| Place { order: Some(order.into()), ..Place::default() };
    let unknown = Finding::Classification("NEVER_HEARD_OF".into());
    let table: [(NewSignal, SignalRefusal); 11] = [
        (NewSignal { source: "x".repeat(10_000), ..good.clone() }, R::SourceUnfit),
        (NewSignal { event: "x".repeat(10_000), ..good.clone() }, R::EventUnfit),
        (NewSignal { place: order(&"x".repeat(10_000)), ..seen("o", "a", "b") }, R::KeyPartTooLong),
        (NewSignal { reason: "a\u{0}b".into(), ..seen("o", "a", "b") }, R::ControlCharacters),
        (NewSignal { reason: String::new(), ..seen("o", "a", "b") }, R::ReasonMissing),
        (NewSignal { reason: "x".repeat(1_048_576), ..seen("o", "a", "b") }, R::ReasonTooLong),
        (NewSignal { payload: json!("x".repeat(1_048_576)), ..seen("o", "a", "b") }, R::PayloadTooLarge),
        (NewSignal { occurred_at: Some(tomorrow), ..seen("o", "a", "b") }, R::FromTheFuture),
        (NewSignal { finding: unknown, ..seen("o", "a", "b") }, R::UnknownClassification),
        (NewSignal { place: order("never"), ..seen("o", "a", "b") }, R::UnknownOrder),
        (seen("never", "a", "b"), R::UnknownStep),
    ];
    let all: Vec<NewSignal> = table.iter().map(|(signal, _)| signal.clone()).collect();
    let answers = house.rig.desk.signals(TENANT, &all).await.unwrap();
    for ((_, expected), answer) in table.iter().zip(&answers) {
        assert_eq!((answer.state, answer.refusal, answer.case), (SignalState::Refused, Some(*expected), None));
    }
    assert!(house.rig.desk.signals(TENANT, &all).await.unwrap().iter().all(|answer| answer.repeated), "refused once");
    let kept = house.rig.desk.signals_told(TENANT, None, true, 100).await.unwrap();
    assert_eq!(kept.len(), table.len());
    for table in ["fallout_case", "fallout_event", "event_outbox", "case_alias"] {
        assert_eq!(house.count(table).await, 0, "{table}");
    }
    assert_eq!(house.tell(&good).await.state, SignalState::Opened, "the same place takes a good one");
}

#[tokio::test]
async fn the_step_or_order_of_another_tenant_does_not_exist() {
    let mut house = House::new("signals-foreign").await;
    house.rejected("o").await;
    let foreign = |place: Place| NewSignal { place, ..seen("o", "engine", "failedJob") };
    let by_step = foreign(Place { step: Some(step("o")), ..Place::default() });
    let by_order = foreign(Place { order: Some("o".into()), ..Place::default() });
    let answers = house.rig.desk.signals("other", &[by_step, by_order]).await.unwrap();
    let refusals: Vec<_> = answers.iter().map(|answer| answer.refusal.unwrap()).collect();
    assert_eq!(refusals, [SignalRefusal::UnknownStep, SignalRefusal::UnknownOrder]);
    assert_eq!(house.count("fallout_case where tenant_id = 'other'").await, 0);
    assert_eq!(house.became(house.number("o").await).await.len(), 1, "its case learns nothing");
}

#[tokio::test]
async fn a_code_that_nobody_knows_is_triaged_with_an_owner_and_a_clock() {
    let house = House::new("signals-triage").await;
    house.rig.order("o").await;
    house.rig.attempt("o").await;
    let case = house.tell(&seen("o", "nobody", "NEVER_HEARD_OF")).await.case.unwrap();
    let detail = house.rig.desk.case(TENANT, case).await.unwrap().case;
    assert_eq!(
        (detail.classification.as_deref(), detail.group.as_deref()),
        (Some("UNCLASSIFIED"), Some("Platform Ops"))
    );
    assert!(detail.sla_due_at.is_some());
    assert!(house.rig.desk.case_clock(TENANT, case).await.unwrap().policy.is_some());
}

#[tokio::test]
async fn a_signal_is_kept_as_it_came() {
    let mut house = House::new("signals-kept").await;
    house.rejected("o").await;
    for (change, rule) in [
        ("delete from fallout_external_signal", "signal_is_kept"),
        ("update fallout_external_signal set payload = '{}'", "signal_is_kept"),
        ("update fallout_external_signal set state = 'history'", "signal_is_kept"),
        ("update fallout_external_signal set fallout_case_id = null", "signal_is_kept"),
        ("update fallout_external_signal set refusal = 'no_place'", "signal_is_kept"),
        ("delete from case_alias", "append_only"),
        ("update case_alias set match_key = 'x'", "append_only"),
    ] {
        assert_eq!(house.run(change).await, Err(rule.to_owned()), "{change}");
    }
}
