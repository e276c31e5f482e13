//! The taxonomy at work: every category is met and lands on its owner, precedence names a case, a customer is told the truth.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

#[expect(dead_code, reason = "the tests of signals share it, and these need no connection of their own")]
mod rig;

use std::collections::BTreeSet;

use fallout_core::{
    action::Action,
    evidence::{Evidence, Phase},
    taxonomy::Taxonomy,
};
use fallout_desk::{DeskError, Recovery};
use rig::{Rig, TENANT, rejected, task};
use serde_json::json;

/// Rejections of the operation, and the category of each.
const REJECTIONS: [(&str, &str); 6] = [
    ("PRODUCT_NOT_AVAILABLE", "VALIDATION"),
    ("ADDRESS_NOT_SERVICEABLE", "PROVISIONING"),
    ("BILLING_ACCOUNT_INVALID", "BILLING"),
    ("CONTRACT_NOT_SIGNED", "CONTRACT"),
    ("PAYMENT_AUTHORIZATION_EXPIRED", "PAYMENT"),
    ("POLICY_CHANGED", "POLICY"),
];

async fn rig(name: &str) -> Rig {
    Rig::new(name, &REJECTIONS.map(|(code, _)| code), |_| {}).await
}

/// One order per category, each in another trouble; what was expected of each.
async fn one_of_each(rig: &Rig) -> Vec<(&'static str, &'static str, &'static str)> {
    let mut expected: Vec<_> = REJECTIONS.iter().map(|(code, category)| (*code, *category, *code)).collect();
    for (code, _) in REJECTIONS {
        rig.order(code).await;
        rig.said(rig.attempt(code).await, &rejected(code)).await;
    }
    let exchanges = [
        ("stale", Evidence::answered(412, json!({})), "BASELINE", "PRECONDITION_FAILED"),
        ("silent", Evidence::of(Phase::Sent), "TIMEOUT_UNKNOWN", "OUTCOME_UNKNOWN"),
        ("broken", Evidence::answered(400, json!({})), "WORKFLOW_INCIDENT", "DEFECT"),
    ];
    for (order, evidence, category, classification) in exchanges {
        rig.order(order).await;
        rig.said(rig.attempt(order).await, &evidence).await;
        expected.push((order, category, classification));
    }
    // Settled, and then evidence says otherwise.
    rig.order("late").await;
    let late = rig.attempt("late").await;
    rig.said(late, &Evidence::answered(400, json!({}))).await;
    rig.done(late, "R-1").await;
    expected.push(("late", "CORRELATION", "APPLIED_AFTER_ALL"));
    rig.order("drift").await;
    let drift = rig.attempt("drift").await;
    rig.done(drift, "R-1").await;
    rig.done(drift, "R-2").await;
    expected.push(("drift", "DATA_DRIFT", "EFFECT_DISPUTED"));
    rig.order("undo").await;
    rig.done(rig.attempt("undo").await, "R-1").await;
    rig.desk.settle_cancellation("instance-of-undo", true).await.unwrap();
    expected.push(("undo", "COMPENSATION", "UNDO_REQUIRED"));
    expected
}

#[tokio::test]
async fn each_of_the_twelve_categories_is_met_and_lands_on_its_owner() {
    let rig = rig("taxonomy-twelve").await;
    let expected = one_of_each(&rig).await;
    let taxonomy = rig.desk.taxonomy(TENANT);
    for (order, category, classification) in &expected {
        let owner = &taxonomy.categories.iter().find(|c| c.code == *category).unwrap().owner_group;
        let expected = ((*category).to_owned(), (*classification).to_owned(), owner.clone());
        assert_eq!(rig.case(order).await, expected, "{order}");
    }
    let met: BTreeSet<&str> = expected.iter().map(|(_, category, _)| *category).collect();
    assert_eq!(met, taxonomy.categories.iter().map(|c| c.code.as_str()).collect());
}

#[tokio::test]
async fn who_only_notices_does_not_rename_the_case_of_who_knows() {
    let rig = rig("taxonomy-precedence").await;
    rig.order("o").await;
    rig.said(rig.attempt("o").await, &rejected("BILLING_ACCOUNT_INVALID")).await;
    let known = rig.case("o").await;
    for (source, code) in [("engine", "failedJob"), ("sla", "STUCK"), ("nobody", "NEVER_HEARD_OF")] {
        rig.noticed("o", source, code).await;
    }
    assert_eq!(rig.case("o").await, known);
    let number = rig.cases("o").await[0].case_number.parse().unwrap();
    let timeline = rig.desk.case(TENANT, number).await.unwrap().timeline;
    let joined = timeline.iter().filter(|e| e.event == "FalloutSignalJoined");
    let reasons: Vec<_> = joined.filter_map(|e| e.reason.as_deref()).collect();
    assert_eq!(reasons, ["failedJob", "STUCK", "NEVER_HEARD_OF"], "every signal is on the timeline");
}

#[tokio::test]
async fn what_is_about_something_else_stands_as_its_own_case_and_only_once() {
    let rig = rig("taxonomy-own").await;
    rig.order("o").await;
    rig.said(rig.attempt("o").await, &rejected("BILLING_ACCOUNT_INVALID")).await;
    let known = rig.case("o").await;
    rig.noticed("o", "approval", "WITHDRAWN").await;
    rig.noticed("o", "approval", "WITHDRAWN").await;
    let mut cases = rig.cases("o").await;
    cases.retain(|case| case.category != known.0);
    let [own] = cases.as_slice() else { panic!("{cases:?}") };
    assert_eq!((own.classification.as_deref(), own.group.as_deref()), (Some("APPROVAL_WITHDRAWN"), Some("Sales Ops")));
    assert_eq!(own.step, None, "the step has one case, and it is another");
    let timeline = rig.desk.case(TENANT, own.case_number.parse().unwrap()).await.unwrap().timeline;
    assert_eq!(timeline.iter().filter(|e| e.event == "FalloutSignalJoined").count(), 1);
}

#[tokio::test]
async fn after_an_action_the_new_finding_names_the_case_whatever_it_was_before() {
    let weighty = |taxonomy: &mut Taxonomy| {
        let address = taxonomy.classifications.iter_mut().find(|c| c.code == "ADDRESS_NOT_SERVICEABLE").unwrap();
        address.precedence = Some(99);
    };
    let codes = REJECTIONS.map(|(code, _)| code);
    let rig = Rig::new("taxonomy-action", &codes, |catalogue| weighty(&mut catalogue.taxonomy)).await;
    rig.order("o").await;
    rig.said(rig.attempt("o").await, &rejected("ADDRESS_NOT_SERVICEABLE")).await;
    let case = rig.cases("o").await[0].case_number.parse().unwrap();
    let ask = Recovery {
        tenant: TENANT,
        principal: "local:test",
        case,
        action: Action::RetryStep,
        reason: "the address was corrected",
        attestation: None,
        outputs: Default::default(),
        idempotency_key: "k",
    };
    let taken = rig.desk.recover(&ask).await.unwrap();
    let mut again = task("o");
    again.action = Some(taken.action);
    rig.said(rig.attempt_of(&again, 2).await, &rejected("BILLING_ACCOUNT_INVALID")).await;
    assert_eq!(rig.case("o").await.1, "BILLING_ACCOUNT_INVALID");
}

#[tokio::test]
async fn a_tenant_with_a_taxonomy_of_its_own_has_other_owners_and_clocks() {
    let rig = Rig::new("taxonomy-tenant", &REJECTIONS.map(|(code, _)| code), |catalogue| {
        let mut own = catalogue.taxonomy.clone();
        own.tenant_version = 1;
        own.categories.iter_mut().for_each(|c| {
            c.owner_group = "Our Own Desk".into();
            c.sla_policy = "office".into();
        });
        catalogue.tenants.insert(TENANT.into(), own);
    })
    .await;
    rig.order("o").await;
    rig.said(rig.attempt("o").await, &rejected("BILLING_ACCOUNT_INVALID")).await;
    assert_eq!(rig.case("o").await.2, "Our Own Desk");
    let number = rig.cases("o").await[0].case_number.parse().unwrap();
    let clock = rig.desk.case_clock(TENANT, number).await.unwrap();
    assert_eq!(clock.policy.as_deref(), Some("office"), "everybody else's is operations");
    assert_ne!(
        rig.desk.taxonomy("another").category_of("BILLING_ACCOUNT_INVALID").unwrap().owner_group,
        "Our Own Desk"
    );
}

#[tokio::test]
async fn a_taxonomy_is_kept_once_per_version_and_another_content_needs_another_version() {
    let rig = rig("taxonomy-load").await;
    let version = rig.desk.catalogue().taxonomy.label();
    let policies = rig.desk.catalogue().policies.label();
    let loaded = rig.desk.load_reference("test").await.unwrap();
    assert_eq!(
        loaded.iter().map(|l| (l.what, l.tenant.as_str(), l.version.as_str(), l.now)).collect::<Vec<_>>(),
        [("taxonomy", "", version.as_str(), true), ("policies", "", policies.as_str(), true)]
    );
    assert!(rig.desk.load_reference("test").await.unwrap().iter().all(|l| !l.now), "the same again is already done");
    let mut changed = rig.desk.catalogue().clone();
    changed.taxonomy.categories[0].owner_group = "Others".into();
    let desk = |catalogue| fallout_desk::Desk::new(rig.store.clone(), std::sync::Arc::new(catalogue));
    let refused = desk(changed.clone()).load_reference("test").await;
    assert!(matches!(refused, Err(DeskError::ReferenceDiffers { what: "taxonomy", version: kept }) if kept == version));
    let first = changed.taxonomy.version;
    changed.taxonomy.version += 1;
    assert!(desk(changed).load_reference("test").await.unwrap()[0].now);
    let versions = rig.desk.taxonomy_versions().await.unwrap();
    assert_eq!(versions.iter().map(|v| v.version.unsigned_abs()).collect::<Vec<_>>(), [first + 1, first]);
}

#[tokio::test]
async fn policies_are_kept_like_the_taxonomy_each_as_a_row_of_its_version() {
    let rig = rig("taxonomy-policies").await;
    let mut changed = rig.desk.catalogue().clone();
    let mut own = changed.policies.clone();
    own.tenant_version = 1;
    own.penalties[1].percent = 25.0;
    changed.own_policies.insert(TENANT.into(), own);
    let desk = |catalogue| fallout_desk::Desk::new(rig.store.clone(), std::sync::Arc::new(catalogue));
    let loaded = desk(changed.clone()).load_reference("test").await.unwrap();
    let policies = loaded.iter().filter(|l| l.what == "policies");
    assert_eq!(
        policies.map(|l| (l.tenant.as_str(), l.version.as_str())).collect::<Vec<_>>(),
        [("", "1"), (TENANT, "1.1")]
    );
    assert_eq!(desk(changed.clone()).policies(TENANT).penalties[1].percent, 25.0);
    assert_eq!(desk(changed.clone()).policies("another").penalties[1].percent, 10.0);
    changed.policies.penalties[0].summary = "Nothing is due.".into();
    let refused = desk(changed).load_reference("test").await;
    assert!(matches!(refused, Err(DeskError::ReferenceDiffers { what: "policies", .. })));
    assert_eq!(rig.desk.policy_versions().await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_customer_is_told_of_the_weightiest_case_and_never_that_it_is_completed_meanwhile() {
    let rig = rig("taxonomy-customer").await;
    let run = rig.order("4711").await;
    let status = async || rig.desk.customer_status(TENANT, "4711").await.unwrap();
    assert_eq!(status().await.message, "We are working on your order 4711. It is promised for 2026-01-05.");
    rig.said(rig.attempt("4711").await, &rejected("BILLING_ACCOUNT_INVALID")).await;
    rig.noticed("4711", "approval", "WITHDRAWN").await;
    assert_eq!(status().await.status, "ACTION_REQUIRED_BILLING", "of two open cases");
    rig.desk.run_ended(run, "completed", "orderCompleted").await.unwrap();
    let told = status().await;
    assert_eq!(
        (told.status.as_str(), told.delay_reason.unwrap().code.as_str()),
        ("ACTION_REQUIRED_BILLING", "BILLING_DETAILS")
    );
    assert!(matches!(rig.desk.customer_status("another", "4711").await, Err(DeskError::NoSuchOrder(_))));
}

#[tokio::test]
async fn an_order_whose_cases_are_over_is_what_it_is() {
    let rig = rig("taxonomy-over").await;
    let run = rig.order("4711").await;
    rig.done(rig.attempt("4711").await, "R-1").await;
    rig.desk.run_ended(run, "completed", "orderCompleted").await.unwrap();
    assert_eq!(rig.desk.customer_status(TENANT, "4711").await.unwrap().status, "COMPLETED");
    let silent = rig.order("4712").await;
    rig.desk.run_ended(silent, "ended", "").await.unwrap();
    assert_eq!(rig.desk.customer_status(TENANT, "4712").await.unwrap().status, "UNDER_REVIEW");
}

#[tokio::test]
async fn what_the_customer_was_told_stands_on_the_timeline_of_every_open_case() {
    let rig = rig("taxonomy-told").await;
    rig.order("4711").await;
    rig.said(rig.attempt("4711").await, &rejected("BILLING_ACCOUNT_INVALID")).await;
    rig.noticed("4711", "approval", "WITHDRAWN").await;
    let (status, noted) = rig.desk.tell_customer(TENANT, "4711", "local:test", "mail").await.unwrap();
    assert_eq!(noted.len(), 2);
    for case in noted {
        let timeline = rig.desk.case(TENANT, case).await.unwrap().timeline;
        let entry = timeline.iter().find(|e| e.event == "FalloutCustomerTold").unwrap();
        let said = entry.payload.as_ref().unwrap();
        assert_eq!((said["message"].as_str(), said["channel"].as_str()), (Some(status.message.as_str()), Some("mail")));
        assert_eq!(entry.actor.as_deref(), Some("local:test"));
    }
}
