//! What a person reads after a demo.

use super::*;

fn case(recommended: &str) -> CaseLine {
    CaseLine {
        id: uuid::Uuid::nil(),
        case_number: format!("fc-{recommended}"),
        category: "PROVISIONING".into(),
        classification: None,
        severity: "SEV2".into(),
        status: "classified".into(),
        order: None,
        line: None,
        step: None,
        group: None,
        assignee: None,
        recommended_action: Some(recommended.into()),
        summary: None,
        external_system: None,
        external_reference: None,
        business_key: None,
        process_instance_id: None,
        customer: None,
        sla_due_at: None,
        created_at: chrono::DateTime::UNIX_EPOCH,
        updated_at: chrono::DateTime::UNIX_EPOCH,
        version: 1,
    }
}

fn summary(open: Vec<CaseLine>) -> Summary {
    Summary {
        orders: 1,
        completed: 0,
        cancelled: 0,
        parked: 1,
        lost: 0,
        cases: Cases { open: open.len(), by_category: BTreeMap::from([("PROVISIONING".into(), open.len())]) },
        effects: Effects::default(),
        engine: Product { product: "camunda".into(), version: "7.24.0".into() },
        startup_seconds: 1.0,
        seconds: 2.0,
        open,
        lost_orders: Vec::new(),
        undrained: 0,
        events: None,
    }
}

fn text(summary: &Summary) -> String {
    summary.text(&WhereNext { cockpit: "http://e".into(), psql: "psql fallout".into(), kafka: None, kept: true })
}

#[test]
fn a_retry_is_proposed_only_for_a_case_that_asks_for_one() {
    let found = text(&summary(vec![case("CANCEL_ORDER"), case("RETRY_STEP")]));
    assert!(found.contains("case recover fc-RETRY_STEP --action retry"), "{found}");
    let found = text(&summary(vec![case("RECONCILE_STEP")]));
    assert!(found.contains("case show fc-RECONCILE_STEP") && !found.contains("case recover"), "{found}");
}

#[test]
fn one_is_one_and_the_program_is_named_as_it_was_called() {
    let found = text(&summary(vec![case("RETRY_STEP")]));
    assert!(found.contains("\n1 order in 2.0 s on camunda 7.24.0\n") && found.contains("\n1 open case\n"), "{found}");
    assert!(found.contains(&format!("  cases     {} case list\n", output::program())), "{found}");
}

#[test]
fn whatever_keeps_a_run_from_being_clean_is_told_in_both_forms() {
    let mut unclean = summary(Vec::new());
    assert!(unclean.is_clean() && unclean.troubles().is_empty());
    unclean.lost = 1;
    unclean.lost_orders = vec!["order PO-1: running".into()];
    unclean.effects.findings = vec!["order PO-2: 2 effects".into()];
    unclean.undrained = 3;
    let found = text(&unclean);
    assert_eq!(unclean.troubles().len(), 3);
    assert!(unclean.troubles().iter().all(|trouble| found.contains(trouble)), "{found}");
    let json = serde_json::to_string(&unclean).unwrap();
    assert!(!json.contains("PO-1") && !json.contains("PO-2"), "{json}");
}

#[test]
fn an_event_that_did_not_arrive_is_told_and_the_run_is_not_clean() {
    let told = |arrived| Summary {
        parked: 0,
        events: Some(Published { told: 3, arrived, messages: 3 }),
        ..summary(Vec::new())
    };
    assert!(told(3).is_clean() && text(&told(3)).contains("told 3, arrived 3, in 3 messages"));
    assert!(!told(2).is_clean());
    assert_eq!(told(2).troubles(), ["events that are not on the Kafka topic: 1"]);
}
