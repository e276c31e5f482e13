//! What downstreams do, each to its right ending: how the order ends, and how many effects its step has.

use fallout::demo::Standing;
use fallout_tests::{
    Scenario,
    orders::{fault, simple},
    scenario,
};

use End::{Completes, Parks};

#[derive(Clone, Copy, PartialEq)]
enum End {
    /// By itself, and no case was ever opened.
    Completes,
    /// With one case of this classification at the step.
    Parks(&'static str),
}

/// Order, step, what the sandbox does there, how it ends, and how many effects the step then has.
type Row = (&'static str, &'static str, &'static str, End, usize);

/// A key makes a repetition safe and a lookup possible, so everything but a rejection or a defect ends by itself.
const KEYED: &[Row] = &[
    ("ok", "reserve", "behaviour = 'ok'", Completes, 1),
    ("slow", "reserve", "behaviour = 'slow'; ms = 300", Completes, 1),
    ("unavailable", "reserve", "attempt = '1-2'; behaviour = 'unavailable_before'", Completes, 1),
    ("unavailable-unproven", "authorize", "attempt = '1'; behaviour = 'unavailable_before'", Completes, 1),
    ("unavailable-always", "reserve", "behaviour = 'unavailable_before'", Parks("RETRIES_EXHAUSTED"), 0),
    ("error-after", "reserve", "attempt = '1'; behaviour = 'error_after'", Completes, 1),
    ("timeout-before", "reserve", "attempt = '1'; behaviour = 'timeout_before'", Completes, 1),
    ("timeout-after", "reserve", "attempt = '1'; behaviour = 'timeout_after'", Completes, 1),
    ("cut-before", "reserve", "attempt = '1'; behaviour = 'cut_before'", Completes, 1),
    ("cut-after", "reserve", "attempt = '1'; behaviour = 'cut_after'", Completes, 1),
    ("garbage", "reserve", "attempt = '1'; behaviour = 'garbage'", Completes, 1),
    ("missing-output", "reserve", "attempt = '1'; behaviour = 'missing_output'", Completes, 1),
    ("bad-request", "reserve", "attempt = '1'; behaviour = 'bad_request'", Parks("DEFECT"), 0),
    ("unauthorised", "reserve", "attempt = '1'; behaviour = 'unauthorised'", Parks("DEFECT"), 0),
    ("late", "provision", "attempt = '1'; behaviour = 'timeout_after'; lookup_after_ms = 3000", Completes, 1),
    ("named-by-its-path", "bill", "attempt = '1'; behaviour = 'cut_after'", Completes, 1),
];

const ACCEPTED: &[Row] = &[
    ("accepted", "provision", "behaviour = 'accepted'; after_ms = 1000", Completes, 1),
    ("accepted-late", "provision", "behaviour = 'accepted'; after_ms = 1000; lookup_after_ms = 1000", Completes, 1),
    ("accepted-never", "provision", "behaviour = 'accepted_never'", Parks("OUTCOME_UNKNOWN"), 0),
    (
        "accepted-rejected",
        "provision",
        "behaviour = 'accepted'; after_ms = 500; code = 'PRODUCT_NOT_AVAILABLE'",
        Parks("PRODUCT_NOT_AVAILABLE"),
        0,
    ),
];

/// Neither a key nor a lookup: what is not proven waits for a person, and is never sent again.
const BARE: &[Row] = &[
    ("notify-unavailable", "notify", "attempt = '1'; behaviour = 'unavailable_before'", Completes, 1),
    ("notify-timeout-before", "notify", "attempt = '1'; behaviour = 'timeout_before'", Parks("OUTCOME_UNKNOWN"), 0),
    ("notify-timeout-after", "notify", "attempt = '1'; behaviour = 'timeout_after'", Parks("OUTCOME_UNKNOWN"), 1),
    ("notify-cut-after", "notify", "attempt = '1'; behaviour = 'cut_after'", Parks("OUTCOME_UNKNOWN"), 1),
    ("notify-error-after", "notify", "attempt = '1'; behaviour = 'error_after'", Parks("OUTCOME_UNKNOWN"), 1),
    ("notify-garbage", "notify", "attempt = '1'; behaviour = 'garbage'", Parks("OUTCOME_UNKNOWN"), 1),
    ("read-timeout", "validate", "attempt = '1'; behaviour = 'timeout_before'", Completes, 0),
    ("read-cut", "contract", "attempt = '1'; behaviour = 'cut_before'", Completes, 0),
];

const REJECTIONS: &[(&str, &str)] = &[
    ("validate", "ADDRESS_NOT_SERVICEABLE"),
    ("contract", "CONTRACT_NOT_SIGNED"),
    ("reserve", "PRODUCT_NOT_AVAILABLE"),
    ("provision", "ADDRESS_NOT_SERVICEABLE"),
    ("bill", "BILLING_ACCOUNT_INVALID"),
    ("capture", "PAYMENT_AUTHORIZATION_EXPIRED"),
];

/// Runs one order per row, and compares how each ended.
fn check(name: &str, rows: &[Row], more: impl AsyncFnOnce(&mut Scenario<'_>)) {
    let faults: String = rows.iter().map(|(order, step, what, ..)| fault(order, step, what)).collect();
    scenario(name, &faults, async |s| {
        s.start();
        s.accept(rows.iter().map(|(order, ..)| simple(order)).collect()).await?;
        for row in rows {
            let wanted = if row.3 == Completes { Standing::Completed } else { Standing::Parked };
            s.until(row.0, wanted).await?;
        }
        s.effects().await?;
        for row in rows {
            ended_as(s, row).await?;
        }
        more(s).await;
        Ok(())
    });
}

async fn ended_as(s: &Scenario<'_>, (order, step, what, end, effects): &Row) -> anyhow::Result<()> {
    assert_eq!(s.book_of(order, step)?.len(), *effects, "{order}: effects of {step}");
    let cases = s.cases_of(order).await?;
    match end {
        Completes => assert!(cases.is_empty(), "{order}: {what} opened {cases:?}"),
        Parks(classification) => {
            assert_eq!(cases.len(), 1, "{order}: {what} is one trouble: {cases:?}");
            assert_eq!(cases[0].classification.as_deref(), Some(*classification), "{order}: {what}");
            assert_eq!((cases[0].step.as_deref(), cases[0].status.as_str()), (Some(*step), "classified"), "{order}");
        }
    }
    Ok(())
}

#[test]
fn what_a_downstream_does_to_a_step_with_a_key_ends_with_at_most_one_effect() {
    check("keyed", KEYED, async |s| {
        assert_eq!(s.attempts_at("unavailable-always", "reserve"), 4, "as many attempts as the operation allows");
        assert_eq!(s.attempts_at("timeout-after", "reserve"), 1, "an unknown outcome is looked up, not tried again");
        assert_eq!(s.attempts_at("cut-before", "reserve"), 2, "proven not applied, so it may be tried again");
    });
}

#[test]
fn an_accepted_request_goes_on_when_its_result_is_found_and_parks_when_none_comes() {
    check("accepted", ACCEPTED, async |s| {
        assert_eq!(s.attempts_at("accepted-never", "provision"), 1, "an accepted request is never sent again");
    });
}

#[test]
fn an_unknown_outcome_without_key_and_lookup_is_never_tried_again() {
    check("bare", BARE, async |s| {
        for (order, step, _, end, _) in BARE {
            let attempts = if *end == Completes { 2 } else { 1 };
            assert_eq!(s.attempts_at(order, step), attempts, "{order}");
        }
    });
}

#[test]
fn every_rejection_parks_its_order_at_its_own_step_without_an_effect() {
    let name = |step: &str| -> &'static str { format!("rejected-{step}").leak() };
    let what = |code: &str| -> &'static str { format!("behaviour = 'reject'; code = '{code}'").leak() };
    let rows: Vec<Row> =
        REJECTIONS.iter().map(|(step, code)| (name(step), *step, what(code), Parks(code), 0)).collect();
    check("rejections", &rows, async |_| {});
}

#[test]
fn a_rejection_that_the_model_handles_takes_its_own_branch_and_opens_no_case() {
    let faults = fault("credit", "authorize", "behaviour = 'reject'; code = 'CREDIT_CHECK_FAILED'");
    scenario("credit", &faults, async |s| {
        s.start();
        s.accept(vec![simple("credit")]).await?;
        s.until("credit", Standing::Completed).await?;
        let effects = ["authorize", "deposit", "capture"].map(|step| s.book_of("credit", step).unwrap().len());
        assert_eq!(effects, [0, 1, 1]);
        assert!(s.cases_of("credit").await?.is_empty());
        Ok(())
    });
}
