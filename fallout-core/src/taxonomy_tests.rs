//! The shipped taxonomy is whole; what is wrong with another is said; which finding names a case.

use proptest::prelude::*;

use super::*;

fn shipped() -> Taxonomy {
    toml::from_str(include_str!("../../config/taxonomy.toml")).unwrap()
}

#[test]
fn the_shipped_taxonomy_is_whole_and_has_the_twelve_categories() {
    assert_eq!(shipped().check(), Vec::<String>::new());
    assert_eq!(shipped().categories.len(), 12);
}

#[test]
fn each_category_has_the_example_owner_and_recovery_that_were_agreed() {
    let table = [
        ("VALIDATION", "violates a downstream rule", "Order Ops", "revise or cancel"),
        ("BASELINE", "version mismatch", "Order Ops", "rebase, cancel, or manual decision"),
        ("PROVISIONING", "rejected the request", "Fulfillment Ops", "correct data and retry"),
        ("BILLING", "account invalid", "Billing Ops", "update the billing context and retry"),
        ("CONTRACT", "missing or invalid", "Legal Ops", "attach or correct the contract evidence"),
        ("PAYMENT", "authorization expired", "Finance Ops", "reauthorize or cancel"),
        ("TIMEOUT_UNKNOWN", "did not answer", "Technical Ops", "reconcile, then retry or continue"),
        ("CORRELATION", "cannot be correlated", "Engineering", "match or quarantine"),
        ("WORKFLOW_INCIDENT", "retries exhausted", "Platform Ops", "retry, fix, migrate, or compensate"),
        ("DATA_DRIFT", "differs from the downstream's", "Engineering", "reconcile and correct through commands"),
        ("POLICY", "policy changed", "Sales Ops", "reapprove or invalidate"),
        ("COMPENSATION", "is not undone", "Senior Ops", "manual recovery or escalation"),
    ];
    let taxonomy = shipped();
    let found = taxonomy.categories.iter().map(|c| c.code.as_str()).collect::<Vec<_>>();
    assert_eq!(found, table.map(|(code, ..)| code));
    for (category, (code, example, owner, recovery)) in taxonomy.categories.iter().zip(table) {
        assert!(category.example.contains(example), "{code}: {}", category.example);
        assert_eq!((category.owner_group.as_str(), category.recovery_style.as_str()), (owner, recovery), "{code}");
    }
}

#[test]
fn an_unknown_code_lands_with_whoever_triages() {
    let taxonomy = shipped();
    let triage = taxonomy.category_of(classification::UNCLASSIFIED).unwrap().code.clone();
    assert_eq!(taxonomy.category_of("NEVER_HEARD_OF").unwrap().code, triage);
}

#[test]
fn everything_wrong_is_said_at_once() {
    let mut taxonomy = shipped();
    taxonomy.categories[0].owner_group.clear();
    taxonomy.categories[1].sla_hours = 0;
    taxonomy.categories[2].allowed_actions.clear();
    taxonomy.version = 0;
    taxonomy.classifications[0].category = "NOWHERE".into();
    taxonomy.classifications.retain(|c| c.code != classification::DEFECT);
    taxonomy.classifications[1].code = "C".repeat(CODE_CHARS_MAX + 1);
    // The code that was made too long is missing too.
    assert_eq!(taxonomy.check().len(), 8, "{:?}", taxonomy.check());
}

#[test]
fn of_two_findings_about_one_step_the_one_that_knows_more_names_the_case() {
    let taxonomy = shipped();
    let check = |current, new, expected| assert_eq!(taxonomy.precedence(current, new), expected, "{current}, {new}");
    check(classification::OUTCOME_UNKNOWN, "ADDRESS_NOT_SERVICEABLE", Precedence::Replace);
    check("ADDRESS_NOT_SERVICEABLE", classification::RETRIES_EXHAUSTED, Precedence::Replace);
    check("ADDRESS_NOT_SERVICEABLE", "ADDRESS_NOT_SERVICEABLE", Precedence::Replace);
    check("ADDRESS_NOT_SERVICEABLE", "ENGINE_INCIDENT", Precedence::Keep);
    check("ENGINE_INCIDENT", "ADDRESS_NOT_SERVICEABLE", Precedence::Replace);
    check("ENGINE_INCIDENT", "ORDER_STUCK", Precedence::Keep);
    check(classification::APPLIED_TWICE, classification::RETRIES_EXHAUSTED, Precedence::Keep);
    check(classification::UNDO_REQUIRED, classification::APPLIED_TWICE, Precedence::Keep);
    check(classification::UNCLASSIFIED, "ORDER_STUCK", Precedence::Replace);
    check("ORDER_STUCK", "NEVER_HEARD_OF", Precedence::Keep);
    check("ADDRESS_NOT_SERVICEABLE", "APPROVAL_WITHDRAWN", Precedence::OwnCase);
}

proptest! {
    /// In whatever order findings come, the case is in the end named by one of the weightiest.
    #[test]
    fn no_order_of_findings_hides_the_weightiest(seen in prop::collection::vec(0..100_usize, 1..8)) {
        let taxonomy = shipped();
        let joins: Vec<&str> =
            taxonomy.classifications.iter().filter(|c| !c.own_case).map(|c| c.code.as_str()).collect();
        let codes: Vec<&str> = seen.iter().map(|n| joins[n % joins.len()]).collect();
        let named = codes.iter().copied().reduce(|case, new| match taxonomy.precedence(case, new) {
            Precedence::Replace => new,
            _ => case,
        });
        let most = codes.iter().map(|c| taxonomy.weight(c)).max();
        prop_assert_eq!(named.map(|c| taxonomy.weight(c)), most);
    }
}

#[test]
fn a_code_of_someone_else_stands_for_one_classification() {
    let taxonomy = shipped();
    let mapped = |source, code| taxonomy.mapped(source, code).map(|c| c.code.as_str());
    assert_eq!(mapped("engine", "failedJob"), Some("ENGINE_INCIDENT"));
    assert_eq!(mapped("callback", "AMBIGUOUS"), Some("CALLBACK_UNMATCHED"));
    assert_eq!(mapped("billing", "failedJob"), None);
    let mut twice = shipped();
    twice.classifications[0].maps = vec!["engine:failedJob".into(), "nothing".into(), ":x".into()];
    twice.classifications[0].own_case = true;
    assert_eq!(twice.check().len(), 4, "{:?}", twice.check());
}
