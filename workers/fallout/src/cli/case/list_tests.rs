//! What a person and a spreadsheet read of a worklist, whole.

use fallout_core::{
    ids::{ProblemId, ProblemNumber},
    problem::ProblemState,
};
use fallout_desk::Problem;

use super::*;

fn case(number: &str) -> CaseLine {
    CaseLine {
        id: uuid::Uuid::nil(),
        case_number: number.into(),
        category: "PROVISIONING".into(),
        classification: Some("ADDRESS_NOT_SERVICEABLE".into()),
        severity: "SEV2".into(),
        status: "classified".into(),
        order: Some("ord-1".into()),
        line: Some("1".into()),
        step: Some("provision".into()),
        group: Some("Fulfillment Ops".into()),
        assignee: None,
        recommended_action: Some("RETRY_STEP".into()),
        summary: Some("no fibre in \"Main\u{1b}[31m street\", town".into()),
        external_system: Some("provisioning".into()),
        external_reference: Some("=k-1".into()),
        business_key: Some("t:ord-1:1".into()),
        process_instance_id: Some("p".into()),
        customer: Some("C-1".into()),
        sla_due_at: DateTime::from_timestamp(3_600, 0),
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
        version: 3,
    }
}

#[test]
fn a_page_is_a_table_that_people_scan() {
    let other = CaseLine { assignee: Some("local:ann".into()), sla_due_at: None, ..case("fc-100002") };
    let page = Page { problems: Vec::new(), cases: vec![case("fc-1"), other], next: None };
    let expected = "\
case       severity  status      category      classification           order  line  step       owner            due                   recommended
fc-1       SEV2      classified  PROVISIONING  ADDRESS_NOT_SERVICEABLE  ord-1  1     provision  Fulfillment Ops  1970-01-01 01:00 UTC  retry
fc-100002  SEV2      classified  PROVISIONING  ADDRESS_NOT_SERVICEABLE  ord-1  1     provision  local:ann        -                     retry";
    assert_eq!(text(&page, &Filter::default()), expected);
}

fn problem() -> Problem {
    let at = DateTime::UNIX_EPOCH;
    Problem {
        id: ProblemId(uuid::Uuid::nil()),
        tenant: "t".into(),
        number: ProblemNumber(1001),
        downstream: "billing".into(),
        operation: "billing.activate".into(),
        classification: "RETRIES_EXHAUSTED".into(),
        category: "WORKFLOW_INCIDENT".into(),
        state: ProblemState::Open,
        severity: Severity::Sev1,
        cases: 120,
        orders: 100,
        group: "Platform Ops".into(),
        user: None,
        opened_at: at,
        joined_at: at,
        takes_until: at,
        taking: true,
        closed_at: None,
    }
}

#[test]
fn problems_stand_above_the_cases_as_one_row_each() {
    let page = Page { problems: vec![problem()], cases: vec![case("fc-1")], next: None };
    let expected = "\
PROBLEM  SEVERITY  STATE  CAUSE                         CASES / ORDERS  OWNER
pr-1001  SEV1      open   RETRIES_EXHAUSTED at billing  120 / 100       Platform Ops

case  severity  status      category      classification           order  line  step       owner            due                   recommended
fc-1  SEV2      classified  PROVISIONING  ADDRESS_NOT_SERVICEABLE  ord-1  1     provision  Fulfillment Ops  1970-01-01 01:00 UTC  retry";
    assert_eq!(text(&page, &Filter::default()), expected);
    let alone = text(&Page { cases: Vec::new(), ..page }, &Filter::default());
    assert!(alone.ends_with("\n\nno open cases beside their members (--members shows those)"), "{alone}");
}

#[test]
fn an_empty_page_says_where_else_to_look() {
    let of = |filter: Filter| text(&Page { problems: Vec::new(), cases: Vec::new(), next: None }, &filter);
    assert_eq!(of(Filter::default()), "no open cases (--all shows resolved ones too)");
    let some = Filter { order: Some("o".into()), ..Filter::default() };
    assert_eq!(of(some.clone()), "no open case is like that (--all looks among resolved ones too)");
    assert_eq!(of(Filter { all: true, ..some }), "no case is like that");
    assert_eq!(of(Filter { all: true, ..Filter::default() }), "no cases");
}

#[test]
fn a_spreadsheet_gets_every_column_and_computes_nothing() {
    let expected = "case,version,severity,state,category,classification,order,line,step,customer,group,assignee,recommended,\
downstream,external_reference,business_key,due,created,updated,summary\r\n\
fc-1,3,SEV2,classified,PROVISIONING,ADDRESS_NOT_SERVICEABLE,ord-1,1,provision,C-1,Fulfillment Ops,,RETRY_STEP,\
provisioning,'=k-1,t:ord-1:1,1970-01-01T01:00:00Z,1970-01-01T00:00:00Z,1970-01-01T00:00:00Z,\
\"no fibre in \"\"Main\u{fffd}[31m street\"\", town\"\r\n";
    assert_eq!(csv_of(&[case("fc-1")]), expected);
}

#[test]
fn a_clock_is_a_word_or_a_moment() {
    let at = |s| Ok(Clock::DueBefore(DateTime::from_timestamp(s, 0).unwrap_or_default()));
    assert_eq!(clock("at-risk"), Ok(Clock::AtRisk));
    assert_eq!(clock("1970-01-02"), at(86_400));
    assert_eq!(clock("1970-01-01T01:00:00+01:00"), at(0));
    assert!(clock("tomorrow").is_err());
}
