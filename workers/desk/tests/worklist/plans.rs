//! Under row-level security and as the program's role every filter is served by an index, in every order.

use fallout_core::{
    case::{CaseState, Severity},
    ids::ProblemId,
    worklist::{Asked, Assignee, Clock, Search, Sort, search},
};
use fallout_store::{Scope, worklist};
use serde_json::Value;

use crate::seeded::{TENANT, store, with};

#[tokio::test]
async fn every_filter_in_every_order_has_an_index() {
    let text = |words: &str| search(words).unwrap();
    let filters = [
        with(|_| ()),
        with(|f| f.all = true),
        with(|f| f.state = Some(CaseState::Waiting)),
        with(|f| f.state = Some(CaseState::Closed)),
        with(|f| f.severity = Some(Severity::Sev1)),
        with(|f| f.category = Some("BILLING".into())),
        with(|f| f.group = Some("group-3".into())),
        with(|f| f.downstream = Some("payment".into())),
        with(|f| (f.order, f.all) = (Some("ord-20".into()), true)),
        with(|f| (f.customer, f.all) = (Some("C-12".into()), true)),
        with(|f| (f.external_reference, f.all) = (Some("ref-40".into()), true)),
        with(|f| f.service_number = Some("4711".into())),
        with(|f| f.assignee = Some(Assignee::Nobody)),
        with(|f| (f.assignee, f.all) = (Some(Assignee::User("local:u-9".into())), true)),
        with(|f| f.clock = Some(Clock::AtRisk)),
        with(|f| f.clock = Some(Clock::Breached)),
        with(|f| f.words = text("town-40")),
        with(|f| (f.words, f.all) = (text("street-4* code_12"), true)),
    ];
    let store = store().await;
    for filter in filters {
        for sort in Sort::ALL {
            let hidden = filter.of_problems().map(|_| ProblemId(uuid::Uuid::nil())).into_iter().collect();
            let asked = Asked { filter: filter.clone(), sort: *sort, limit: 50, after: None, hidden };
            let mut tx = store.begin(&Scope::Tenant(TENANT.into())).await.unwrap();
            let counts = worklist::frequencies(&mut tx, TENANT, &asked.filter).await.unwrap();
            let search = Search::of(&asked.filter, &counts).unwrap();
            let (_, plan) = worklist::plan(&mut tx, TENANT, &asked, &search).await.unwrap();
            let mut walked = Vec::new();
            scans(&plan, &mut walked);
            assert_eq!(walked, Vec::<String>::new(), "{filter:?} by {sort}: {plan}");
        }
    }
}

/// Tables with rows for each case that are read without an index; those of this seed that are empty do not count.
fn scans(plan: &Value, found: &mut Vec<String>) {
    let large = ["fallout_case", "case_word", "case_sla", "product_order"];
    let table = plan["Relation Name"].as_str().unwrap_or_default();
    if plan["Node Type"] == "Seq Scan" && large.contains(&table) {
        found.push(table.to_owned());
    }
    plan["Plans"].as_array().into_iter().flatten().for_each(|inner| scans(inner, found));
}
