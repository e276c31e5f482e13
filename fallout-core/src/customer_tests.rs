//! What a customer is told: the shipped policy is whole, tells the truth, and nothing internal can come out.

use proptest::prelude::*;

use super::*;

fn catalogue() -> Catalogue {
    let taxonomy = toml::from_str(include_str!("../../config/taxonomy.toml")).unwrap();
    let customer = toml::from_str(include_str!("../../config/customer-status.toml")).unwrap();
    let op = crate::fixtures::keyed();
    Catalogue { taxonomy, customer, operations: [(op.name.clone(), op)].into(), ..Catalogue::default() }
}

fn day(n: u32) -> NaiveDate {
    NaiveDate::from_num_days_from_ce_opt(740_000 + i32::try_from(n).unwrap()).unwrap()
}

fn case(classification: &str, state: CaseState) -> OpenCase {
    OpenCase { classification: classification.to_owned(), state, waits_for: None, due: Some(day(10)) }
}

fn told(progress: Progress, promised: Option<u32>, open: &[OpenCase]) -> CustomerStatus {
    let catalogue = catalogue();
    let order = OrderFacts { order: "4711", progress, promised: promised.map(day), delay_reason: None };
    catalogue.customer.status(&order, open, &catalogue.taxonomy).unwrap()
}

#[test]
fn a_reason_that_people_set_is_told_while_a_case_is_open() {
    let catalogue = catalogue();
    let reason = |set: Option<&str>, open: &[OpenCase]| {
        let order = OrderFacts { order: "1", progress: Progress::Running, promised: None, delay_reason: set };
        let told = catalogue.customer.status(&order, open, &catalogue.taxonomy).unwrap();
        told.delay_reason.map(|reason| reason.code)
    };
    let open = [case("ADDRESS_NOT_SERVICEABLE", CaseState::Classified)];
    let own = reason(None, &open);
    assert_ne!(own.as_deref(), Some("DELAY"));
    assert_eq!(reason(Some("DELAY"), &open).as_deref(), Some("DELAY"));
    assert_eq!(reason(Some("NO_SUCH_REASON"), &open), own);
    assert_eq!(reason(Some("DELAY"), &[]), None, "nothing is delayed");
}

#[test]
fn the_shipped_policy_is_whole() {
    let catalogue = catalogue();
    assert_eq!(catalogue.customer.check(&catalogue), Vec::<String>::new());
}

#[test]
fn what_could_lie_or_leak_is_refused_at_once() {
    let mut catalogue = catalogue();
    let states = &mut catalogue.customer.states;
    states[0].message.push("Step {step} is running.".into());
    states[1].label = "Waiting for inventory.reserve".into();
    states[3].message = vec!["We expect it on {new_date}.".into()];
    states[4].reason = Some(Reason { code: "TIMEOUT_UNKNOWN".into(), text: "A TimeOut of Legal Ops".into() });
    states[5].meanwhile = Some("COMPLETED".into());
    catalogue.taxonomy.categories[0].customer_state = "NOWHERE".into();
    let wrong = catalogue.customer.check(&catalogue).join("\n");
    for expected in [
        "{step} is not one of",
        "internal word inventory.reserve",
        "no sentence can be said without a date",
        "the code TIMEOUT_UNKNOWN is one of ours",
        "internal word Legal Ops",
        "COMPLETED is for orders without an open case",
        "category VALIDATION: customer_state: no state NOWHERE",
    ] {
        assert!(wrong.contains(expected), "{expected}\n{wrong}");
    }
}

#[test]
fn each_internal_state_of_the_specification_has_its_customer_state() {
    let check = |classification, state, expected| {
        assert_eq!(told(Progress::Running, None, &[case(classification, state)]).status, expected, "{classification}");
    };
    check("RETRIES_EXHAUSTED", CaseState::Classified, "PROCESSING_DELAYED");
    check("BILLING_ACCOUNT_INVALID", CaseState::Classified, "ACTION_REQUIRED_BILLING");
    check("ADDRESS_NOT_SERVICEABLE", CaseState::Assigned, "ACTION_REQUIRED_ADDRESS");
    check("ENGINE_INCIDENT", CaseState::InProgress, "PROCESSING_DELAYED");
    check("UNDO_REQUIRED", CaseState::Recovering, "CANCELLATION_FINALIZING");
    check("EFFECT_DISPUTED", CaseState::Classified, "UNDER_REVIEW");
    check("ADDRESS_NOT_SERVICEABLE", CaseState::AwaitingApproval, "UNDER_REVIEW");
    check("ADDRESS_NOT_SERVICEABLE", CaseState::Recovering, "PROCESSING_DELAYED");
}

#[test]
fn a_case_that_waits_for_a_downstream_asks_nothing_of_the_customer_meanwhile() {
    let needs_help = case("ADDRESS_NOT_SERVICEABLE", CaseState::Waiting);
    let told = |waits_for| told(Progress::Running, None, &[OpenCase { waits_for, ..needs_help.clone() }]).status;
    assert_eq!(told(Some(WaitsFor::Customer)), "ACTION_REQUIRED_ADDRESS");
    assert_eq!(told(Some(WaitsFor::Downstream)), "PROCESSING_DELAYED");
}

#[test]
fn the_weightiest_of_all_open_cases_is_shown_with_reason_and_new_date() {
    let delayed = case("RETRIES_EXHAUSTED", CaseState::Classified);
    let one = told(Progress::Running, Some(5), std::slice::from_ref(&delayed));
    let (promised, new) = (day(5), day(11));
    let expected = format!(
        "Your order 4711 takes longer than planned. It was promised for {promised}. We now expect it on {new}."
    );
    assert_eq!((one.message, one.new_date), (expected, Some(new)));
    assert_eq!(one.delay_reason.unwrap().code, "DELAY");
    let two = told(Progress::Running, Some(5), &[delayed, case("CREDIT_CHECK_FAILED", CaseState::Classified)]);
    assert_eq!((two.status.as_str(), two.new_date), ("ACTION_REQUIRED_PAYMENT", None));
}

#[test]
fn a_promise_that_still_holds_and_a_date_that_nobody_knows_are_not_spoken_of() {
    let delayed = [case("RETRIES_EXHAUSTED", CaseState::Classified)];
    assert_eq!(told(Progress::Running, Some(90), &delayed).new_date, None);
    let undated = told(Progress::Running, None, &[OpenCase { due: None, ..delayed[0].clone() }]);
    assert_eq!(undated.message, "Your order 4711 takes longer than planned.");
}

fn open_cases() -> impl Strategy<Value = Vec<OpenCase>> {
    let codes: Vec<String> = catalogue().taxonomy.classifications.iter().map(|c| c.code.clone()).collect();
    let code = prop_oneof![prop::sample::select(codes), "internal-[a-zA-Z{}:.]{1,20}"];
    let active: Vec<CaseState> = CaseState::ALL.iter().copied().filter(|s| s.is_active()).collect();
    let waits = prop::option::of(prop::sample::select(WaitsFor::ALL));
    let one = (code, prop::sample::select(active), waits, prop::option::of(0..100_u32));
    let one = one.prop_map(|(classification, state, waits_for, due)| OpenCase {
        classification,
        state,
        waits_for,
        due: due.map(day),
    });
    prop::collection::vec(one, 0..5)
}

proptest! {
    /// The message is made of whole sentences of the one state that is shown, and of nothing else.
    #[test]
    fn no_internal_name_id_code_or_text_can_come_out(
        open in open_cases(), order in "[0-9{}]{1,20}", promised in prop::option::of(0..100_u32), n in 0..4_usize,
    ) {
        let catalogue = catalogue();
        let progress = [Progress::Running, Progress::Completed, Progress::Cancelled, Progress::Unclear][n];
        let facts = OrderFacts { order: &order, progress, promised: promised.map(day), delay_reason: None };
        let told = catalogue.customer.status(&facts, &open, &catalogue.taxonomy).unwrap();
        let state = catalogue.customer.states.iter().find(|s| s.code == told.status).unwrap();
        prop_assert_eq!((&told.label, &told.delay_reason, &told.order), (&state.label, &state.reason, &order));
        let date = |date: Option<NaiveDate>| date.map(|d| d.to_string()).unwrap_or_default();
        let mut rest = told.message.as_str();
        for sentence in &state.message {
            let sentence = sentence.replace("{promised}", &date(told.promised)).replace("{new_date}", &date(told.new_date));
            rest = rest.strip_prefix(&sentence.replace("{order}", &order)).unwrap_or(rest).trim_start();
        }
        prop_assert_eq!(rest, "");
        let said = told.message.replace(&order, "") + &told.label + &told.delay_reason.map(|r| r.text).unwrap_or_default();
        for internal in catalogue.customer.internal_texts(&catalogue) {
            prop_assert!(!said.to_lowercase().contains(&internal), "{said}: {internal}");
            prop_assert!(!said.contains(&internal), "{said}: {internal}");
        }
        prop_assert!(!said.contains("internal-") && !said.contains("fc-"));
    }

    #[test]
    fn nothing_is_completed_while_a_case_is_open(open in open_cases()) {
        let status = told(Progress::Completed, None, &open).status;
        prop_assert_eq!(status == "COMPLETED", open.is_empty());
    }
}
