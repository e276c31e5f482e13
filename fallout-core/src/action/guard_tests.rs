//! The guard of recovery actions: what is accepted on a step as it stands, and the name of each refusal.

use std::sync::LazyLock;

use serde_json::json;

use super::*;
use crate::fixtures::{
    action_id, at, attempts, business, defect, keyed, outputs, replayable, step, success, technical, unknown,
    with_lookup,
};
use crate::policy::{OrderFacts, Policies};
use crate::undo::{Left, Undo};

const RETRY: Action = Action::RetryStep;
const RESUME: Action = Action::ResumeWorkflow;
const SKIP: Action = Action::SkipStep;
const CANCEL: Action = Action::CancelOrder;
const BUILT: [Action; 4] = [RETRY, RESUME, SKIP, CANCEL];

/// What a person says and gives.
type Said = (Attestation, Outputs);
type Answer = Result<Accepted, Refusal>;

fn parked(outcomes: impl IntoIterator<Item = Option<Outcome>>) -> StepFacts {
    step(StepState::Parked, attempts(outcomes))
}

fn guarded(step: &StepFacts, action: Action, attested: Option<&Said>) -> Answer {
    guarded_with(step, &BUILT, false, action, attested)
}

/// An operation with a lookup, so that the key is not what is asked with.
fn guarded_with(step: &StepFacts, branches: &[Action], is_undo: bool, action: Action, said: Option<&Said>) -> Answer {
    let op = with_lookup(keyed());
    let branches = branches.iter().map(|a| a.word().to_owned()).collect();
    let none = Outputs::new();
    let asked = Asked {
        attested: said.map(|s| &s.0),
        impact: Some("no service until May"),
        ..Asked::of(said.map_or(&none, |s| &s.1))
    };
    guard(action, &Target { is_undo, ..on(&op, step, &branches) }, &asked)
}

/// A classified case of the step.
fn on<'a>(op: &'a Operation, facts: &'a StepFacts, branches: &'a BTreeSet<String>) -> Target<'a> {
    let step = OnStep { op, facts, branches, is_gone: false, expired: None, commercial: commercial() };
    Target { case: CaseState::Classified, is_undo: false, step: Some(step), now: at(100) }
}

/// One route around the operation of these tests, and nothing else.
fn commercial() -> Commercial<'static> {
    static POLICIES: LazyLock<(Policies, OrderFacts)> = LazyLock::new(|| {
        let route = "version = 1\n[[route]]\ncode = 'BY_OTHERS'\nsummary = 's'\noperation = 'inventory.reserve'\nby = 'partner.reserve'";
        (toml::from_str(route).unwrap(), OrderFacts::default())
    });
    let (policies, order) = &*POLICIES;
    Commercial {
        policies,
        order,
        operation: "inventory.reserve",
        classification: "DEFECT",
        past_return: None,
        irreversible: None,
        uses: Revised::ALL,
    }
}

fn all_branches() -> BTreeSet<String> {
    BUILT.iter().map(|a| a.word().to_owned()).collect()
}

fn said(applied: bool, outputs: Outputs) -> Option<Said> {
    let attested = Attestation { applied, reference: "TICKET-1".into() };
    Some((attested, outputs))
}

fn applied() -> Option<Said> {
    said(true, outputs())
}

fn not_applied() -> Option<Said> {
    said(false, Outputs::new())
}

fn ok() -> Answer {
    Ok(Accepted::Correlate { settles: None })
}

fn settles(outcome: Outcome) -> Answer {
    Ok(Accepted::Correlate { settles: Some(outcome) })
}

fn attested_absence() -> Outcome {
    Outcome::Technical { reason: "attested as not applied: TICKET-1".into(), retry_after_ms: None }
}

fn missing_id() -> Answer {
    Err(Refusal::OutputMissing("id".into()))
}

/// One row per action and attestation, on one step.
fn check(step: &StepFacts, rows: impl IntoIterator<Item = (Action, Option<Said>, Answer)>) {
    for (action, attested, expected) in rows {
        let said = attested.as_ref().map(|a| a.0.applied);
        assert_eq!(guarded(step, action, attested.as_ref()), expected, "{action}, applied: {said:?}");
    }
}

#[test]
fn a_step_proven_not_applied_may_be_retried_skipped_with_its_outputs_or_cancelled() {
    for history in [vec![], vec![Some(technical())], vec![Some(business())], vec![Some(defect())]] {
        check(
            &parked(history),
            [
                (RETRY, None, ok()),
                (RETRY, not_applied(), ok()),
                (RETRY, applied(), Err(Refusal::NothingToAttest)),
                (RESUME, None, Err(Refusal::NotApplied)),
                (RESUME, applied(), Err(Refusal::NothingToAttest)),
                (SKIP, None, missing_id()),
                (SKIP, not_applied(), missing_id()),
                (SKIP, said(false, outputs()), ok()),
                (CANCEL, None, ok()),
            ],
        );
    }
}

#[test]
fn an_unknown_step_takes_nothing_without_an_attestation() {
    for outcome in [unknown(), replayable(), Outcome::Pending] {
        let lost = parked([Some(outcome), Some(technical())]);
        check(&lost, BUILT.map(|action| (action, None, Err(Refusal::OutcomeUnknown))));
    }
}

#[test]
fn an_attestation_settles_what_was_unknown_and_allows_what_fits_it() {
    check(
        &parked([Some(unknown())]),
        [
            (RESUME, applied(), settles(success())),
            (RETRY, applied(), Err(Refusal::Applied)),
            (SKIP, applied(), Err(Refusal::Applied)),
            (CANCEL, applied(), settles(success())),
            (RETRY, not_applied(), settles(attested_absence())),
            (RESUME, not_applied(), Err(Refusal::NotApplied)),
            (SKIP, not_applied(), missing_id()),
            (SKIP, said(false, outputs()), settles(attested_absence())),
            (CANCEL, not_applied(), settles(attested_absence())),
        ],
    );
}

#[test]
fn an_effect_attested_as_applied_brings_every_output_that_later_steps_need() {
    let other = Outputs::from([("other".to_owned(), json!(1))]);
    for given in [Outputs::new(), other] {
        check(&parked([Some(unknown())]), [(RESUME, said(true, given), missing_id())]);
    }
}

#[test]
fn a_step_whose_effect_exists_may_be_resumed_or_cancelled_but_neither_retried_nor_skipped() {
    check(
        &parked([Some(unknown()), Some(success())]),
        [
            (RESUME, None, ok()),
            (RESUME, applied(), ok()),
            (RESUME, not_applied(), Err(Refusal::NothingToAttest)),
            (RETRY, None, Err(Refusal::Applied)),
            (SKIP, None, Err(Refusal::Applied)),
            (CANCEL, None, ok()),
        ],
    );
}

#[test]
fn nothing_is_accepted_while_an_attempt_is_open() {
    for state in [StepState::Running, StepState::Parked] {
        let open = step(state, attempts([Some(technical()), None]));
        for action in BUILT {
            assert_eq!(guarded(&open, action, applied().as_ref()), Err(Refusal::AttemptOpen));
        }
    }
}

#[test]
fn what_stands_still_on_purpose_takes_no_action_that_would_only_wait() {
    let stopped = |stop, outcome| StepFacts { stopped: Some(stop), ..parked([Some(outcome)]) };
    let offline = Err(Refusal::Offline(keyed().downstream));
    let rows = [
        (Stop::Offline, technical(), RETRY, offline.clone()),
        (Stop::Offline, unknown(), Action::ReconcileStep, offline),
        (Stop::Offline, success(), RESUME, ok()),
        (Stop::Offline, technical(), SKIP, Err(Refusal::OutputMissing("id".into()))),
        (Stop::Offline, technical(), CANCEL, ok()),
        (Stop::Held, technical(), RETRY, Err(Refusal::Held)),
        (Stop::Held, success(), RESUME, Err(Refusal::Held)),
        (Stop::Held, technical(), SKIP, Err(Refusal::Held)),
        (Stop::Held, technical(), CANCEL, ok()),
    ];
    for (stop, outcome, action, expected) in rows {
        let answer = guarded(&stopped(stop, outcome), action, None);
        assert_eq!(answer, expected, "{stop}: {action}");
    }
    let asks = guarded(&stopped(Stop::Held, unknown()), Action::ReconcileStep, None);
    assert!(matches!(asks, Ok(Accepted::Check(_))), "{asks:?}");
}

#[test]
fn an_action_under_way_keeps_every_other_out() {
    let reserved = StepFacts { gate: Some(action_id(7)), ..parked([Some(technical())]) };
    check(&reserved, BUILT.map(|action| (action, None, Err(Refusal::ActionUnderWay))));
}

#[test]
fn only_a_parked_step_is_recovered_or_one_between_two_tries() {
    use StepState as S;
    for state in StepState::ALL.iter().copied().filter(|s| ![S::Parked, S::Running].contains(s)) {
        check(&step(state, settled()), BUILT.map(|action| (action, None, Err(Refusal::NotParked(state)))));
    }
}

/// The outcome of the last try, `None` while it is open; what is asked for; what the guard says.
#[test]
fn a_step_at_work_is_stopped_after_its_exchange_and_taken_between_two_tries() {
    let at_work = |last| step(StepState::Running, attempts([Some(technical()), last]));
    let asking = Err(Refusal::NotParked(StepState::Running));
    let rows = [
        (None, RETRY, None, Ok(Accepted::Stop)),
        (None, RESUME, None, Ok(Accepted::Stop)),
        (None, CANCEL, None, Ok(Accepted::Stop)),
        (None, SKIP, None, missing_id()),
        (None, RETRY, not_applied(), Err(Refusal::AttemptOpen)),
        (None, Action::ReconcileStep, None, Err(Refusal::AttemptOpen)),
        (None, Action::ForceClose, None, Err(Refusal::AttemptOpen)),
        (Some(technical()), RETRY, None, ok()),
        (Some(technical()), RESUME, None, Err(Refusal::NotApplied)),
        (Some(technical()), CANCEL, None, ok()),
        (Some(unknown()), RETRY, None, asking.clone()),
        (Some(unknown()), RETRY, not_applied(), asking.clone()),
        (Some(unknown()), Action::ReconcileStep, None, asking),
    ];
    for (last, action, attested, expected) in rows {
        let facts = at_work(last.clone());
        assert_eq!(guarded(&facts, action, attested.as_ref()), expected, "{last:?} {action}");
        let waited_for = StepFacts { stop: Some(action_id(7)), ..facts };
        let second = guarded(&waited_for, action, attested.as_ref());
        let force_close = action == Action::ForceClose;
        assert!(force_close || second == Err(Refusal::ActionUnderWay), "{action}: {second:?}");
    }
    let cancelled = StepFacts { order_cancelled: true, ..at_work(None) };
    check(&cancelled, [(RETRY, None, Err(Refusal::OrderCancelled)), (CANCEL, None, Ok(Accepted::Stop))]);
    let answer = guarded_with(&at_work(None), &[CANCEL], false, RETRY, None);
    assert_eq!(answer, Err(Refusal::NoBranch(RETRY)));
}

fn settled() -> Vec<AttemptFacts> {
    attempts([Some(technical())])
}

#[test]
fn an_action_without_a_branch_in_the_running_definition_is_refused() {
    let step = step(StepState::Parked, settled());
    let answer = guarded_with(&step, &[SKIP, CANCEL], false, RETRY, None);
    assert_eq!(answer, Err(Refusal::NoBranch(RETRY)));
}

/// Of a model that leaves its parked token at the task.
#[test]
fn without_any_branch_the_task_itself_is_handed_out_again_and_only_with_proof() {
    let bare = |step: &StepFacts, action, said: Option<Said>| guarded_with(step, &[], false, action, said.as_ref());
    let handed = |settles| Ok(Accepted::HandOut { settles });
    let absent = parked([Some(technical())]);
    let applied_before = parked([Some(unknown()), Some(success())]);
    let rows = [
        (&absent, RETRY, None, handed(None)),
        (&parked([]), RETRY, None, handed(None)),
        (&absent, RESUME, None, Err(Refusal::NotApplied)),
        (&absent, SKIP, said(false, outputs()), Err(Refusal::NoBranch(SKIP))),
        (&absent, CANCEL, None, Err(Refusal::NoBranch(CANCEL))),
        (&applied_before, RESUME, None, handed(None)),
        (&applied_before, RETRY, None, Err(Refusal::Applied)),
        (&parked([Some(unknown())]), RETRY, None, Err(Refusal::OutcomeUnknown)),
        (&parked([Some(unknown())]), RETRY, not_applied(), handed(Some(attested_absence()))),
        (&parked([Some(unknown())]), RESUME, applied(), handed(Some(success()))),
        (&step(StepState::Parked, attempts([None])), RETRY, None, Err(Refusal::AttemptOpen)),
    ];
    for (step, action, said, expected) in rows {
        assert_eq!(bare(step, action, said), expected, "{action} of {:?}", step.attempts);
    }
}

/// A key that is still recognised is enough for a message that is compared and set, and not for raised retries.
#[test]
fn a_key_that_is_recognised_is_no_proof_to_hand_a_task_out_by() {
    let op = keyed();
    let step = parked([Some(replayable())]);
    let none = Outputs::new();
    let asked = Asked::of(&none);
    let answer = |branches: &BTreeSet<String>| guard(RETRY, &on(&op, &step, branches), &asked);
    assert_eq!(answer(&all_branches()), ok());
    assert_eq!(answer(&BTreeSet::new()), Err(Refusal::OutcomeUnknown));
}

#[test]
fn another_route_needs_the_proof_that_the_first_left_nothing_and_a_policy_that_permits_it() {
    let reroute = Action::RerouteStep;
    let branches = [reroute.word().to_owned()].into();
    let around = |op: &Operation, outcome: Outcome, said: Option<Said>| {
        let (step, none) = (parked([Some(outcome)]), Outputs::new());
        let attested = said.as_ref().map(|said| &said.0);
        let asked = Asked { attested, ..Asked::of(&none) };
        guard(reroute, &on(op, &step, &branches), &asked)
    };
    let found = with_lookup(keyed());
    for outcome in [technical(), business(), defect()] {
        assert_eq!(around(&found, outcome, None), ok());
    }
    assert_eq!(around(&found, success(), None), Err(Refusal::Applied));
    assert_eq!(around(&found, unknown(), None), Err(Refusal::OutcomeUnknown));
    assert_eq!(around(&found, unknown(), not_applied()), settles(attested_absence()));
    // The key that would make a repetition harmless says nothing to the other route.
    assert_eq!(around(&keyed(), replayable(), None), Err(Refusal::OutcomeUnknown));
    let (op, step, none) = (found, parked([Some(technical())]), Outputs::new());
    let asked = Asked::of(&none);
    let mut unknown_way = on(&op, &step, &branches);
    unknown_way.step.as_mut().unwrap().commercial.operation = "billing.activate";
    assert_eq!(guard(reroute, &unknown_way, &asked), Err(Refusal::NoRoute("billing.activate".into())));
    assert_eq!(guard(reroute, &on(&op, &step, &BTreeSet::new()), &asked), Err(Refusal::NoBranch(reroute)));
    let mut gone = on(&op, &step, &branches);
    gone.step.as_mut().unwrap().is_gone = true;
    assert_eq!(guard(reroute, &gone, &asked), Err(Refusal::InstanceGone));
}

#[test]
fn what_the_quote_system_makes_anew_needs_no_branch_and_the_proof_that_the_step_left_nothing() {
    let branches = BTreeSet::new();
    let op = with_lookup(keyed());
    let (policies, order) = (Policies::default(), quoted_change());
    let answer = |action, facts: &StepFacts, said: Option<&Said>| {
        let none = Outputs::new();
        let mut target = on(&op, facts, &branches);
        let commercial = Commercial { policies: &policies, order: &order, ..commercial() };
        target.step.as_mut().unwrap().commercial = commercial;
        guard(action, &target, &Asked { attested: said.map(|s| &s.0), ..Asked::of(&none) })
    };
    let may = |settles| Ok(Accepted::Perform { settles });
    let cancelled = |facts| StepFacts { order_cancelled: true, ..facts };
    let undoing = StepFacts { undoes: Some(Left::Effect), ..cancelled(parked([Some(technical())])) };
    let rows = [
        (parked([Some(business())]), None, may(None)),
        (parked([Some(technical())]), None, may(None)),
        (parked([Some(success())]), None, Err(Refusal::Applied)),
        (parked([Some(unknown())]), None, Err(Refusal::OutcomeUnknown)),
        (parked([Some(unknown())]), not_applied(), may(Some(attested_absence()))),
        (parked([None]), None, Err(Refusal::AttemptOpen)),
        (step(StepState::Done, attempts([Some(success())])), None, Err(Refusal::NotParked(StepState::Done))),
        (cancelled(parked([Some(business())])), None, Err(Refusal::OrderCancelled)),
        (undoing, None, Err(Refusal::OrderCancelled)),
    ];
    for (facts, said, expected) in rows {
        for action in [Action::RepriceQuote, Action::RebaseChange] {
            assert_eq!(answer(action, &facts, said.as_ref()), expected, "{action} of {:?}", facts.attempts);
        }
    }
}

fn quoted_change() -> OrderFacts {
    let (quote, value, unit) = (Some("q-1".into()), Some(10.0), Some("EUR".into()));
    OrderFacts { quote, value, unit, is_change: true, ..OrderFacts::default() }
}

#[test]
fn a_correction_needs_no_branch_and_to_know_what_became_of_the_step() {
    let branches = BTreeSet::new();
    let op = with_lookup(keyed());
    let answer = |facts: &StepFacts, said: Option<&Said>| {
        let none = Outputs::new();
        let (attested, outputs) = (said.map(|s| &s.0), said.map_or(&none, |s| &s.1));
        guard(Action::CorrectData, &on(&op, facts, &branches), &Asked { attested, ..Asked::of(outputs) })
    };
    let may = |settles| Ok(Accepted::Perform { settles });
    let rows = [
        (parked([Some(business())]), None, may(None)),
        (parked([Some(technical())]), None, may(None)),
        (parked([Some(success())]), None, may(None)),
        (parked([Some(unknown())]), None, Err(Refusal::OutcomeUnknown)),
        (parked([Some(unknown())]), not_applied(), may(Some(attested_absence()))),
        (parked([None]), None, Err(Refusal::AttemptOpen)),
        (step(StepState::Running, attempts([Some(technical())])), None, Err(Refusal::NotParked(StepState::Running))),
        (StepFacts { order_cancelled: true, ..parked([Some(business())]) }, None, Err(Refusal::OrderCancelled)),
        (StepFacts { gate: Some(action_id(7)), ..parked([Some(business())]) }, None, Err(Refusal::ActionUnderWay)),
    ];
    for (facts, said, expected) in rows {
        assert_eq!(answer(&facts, said.as_ref()), expected, "{facts:?}");
    }
}

#[test]
fn an_effect_is_taken_back_alone_only_by_the_call_that_its_operation_names() {
    let called = Operation { undo: Some(Undo::Operation("inventory.release".into())), ..with_lookup(keyed()) };
    let by_hand = with_lookup(keyed());
    let branches = [Action::CompensateStep.word().to_owned()].into();
    let answer = |op: &Operation, outcome: Outcome, outputs: &Outputs| {
        let step = parked([Some(outcome)]);
        guard(Action::CompensateStep, &on(op, &step, &branches), &Asked::of(outputs))
    };
    assert_eq!(answer(&called, success(), &outputs()), ok());
    assert_eq!(answer(&called, success(), &Outputs::new()), missing_id());
    assert_eq!(answer(&called, business(), &outputs()), Err(Refusal::NotApplied));
    assert_eq!(answer(&called, unknown(), &outputs()), Err(Refusal::OutcomeUnknown));
    assert_eq!(answer(&by_hand, success(), &outputs()), Err(Refusal::NoUndo("Technical Ops".into())));
}

#[test]
fn an_effect_to_be_undone_ends_only_by_a_skip_with_the_attestation_that_it_is_gone() {
    let done = step(StepState::Done, attempts([Some(success())]));
    let undo = |action, said: Option<Said>| guarded_with(&done, &[], true, action, said.as_ref());
    assert_eq!(undo(SKIP, not_applied()), Ok(Accepted::RecordUndone));
    assert_eq!(undo(SKIP, None), Err(Refusal::NotUndone));
    assert_eq!(undo(SKIP, applied()), Err(Refusal::NotUndone));
    for action in [RETRY, RESUME, CANCEL] {
        assert_eq!(undo(action, not_applied()), Err(Refusal::OnlySkip(action)));
    }
}

#[test]
fn a_missing_output_is_asked_for_in_the_words_of_the_command_line() {
    assert!(Refusal::OutputMissing("id".into()).to_string().contains("--output id=VALUE"));
}

#[test]
fn a_skip_of_what_is_proven_not_applied_needs_the_outputs_and_no_attestation() {
    let step = parked([Some(technical())]);
    assert_eq!(plainly(SKIP, &keyed(), &step, &outputs()), ok());
    assert_eq!(plainly(SKIP, &keyed(), &step, &Outputs::new()), missing_id());
}

fn plainly(action: Action, op: &Operation, step: &StepFacts, outputs: &Outputs) -> Answer {
    let asked = Asked::of(outputs);
    guard(action, &on(op, step, &all_branches()), &asked)
}

static NOTHING: Outputs = Outputs::new();

#[test]
fn without_a_lookup_the_same_key_may_ask_again_while_it_is_kept() {
    // Kept for 1,000 s; a tenth of it is margin.
    let rows = [(replayable(), 899, ok()), (replayable(), 900, Err(Refusal::KeyForgotten))];
    let rows = rows.into_iter().chain([(unknown(), 1, Err(Refusal::OutcomeUnknown))]);
    for (outcome, now, expected) in rows {
        let (op, step, branches) = (keyed(), parked([Some(outcome.clone())]), all_branches());
        let asked = Asked::of(&NOTHING);
        let target = Target { now: at(now), ..on(&op, &step, &branches) };
        assert_eq!(guard(RETRY, &target, &asked), expected, "{outcome:?} at {now}");
        for action in [RESUME, SKIP, CANCEL] {
            assert_eq!(guard(action, &target, &asked), Err(Refusal::OutcomeUnknown), "{action} does not ask");
        }
    }
    let step = parked([Some(replayable())]);
    assert_eq!(plainly(RETRY, &with_lookup(keyed()), &step, &NOTHING), Err(Refusal::OutcomeUnknown));
}

#[test]
fn reconciling_needs_a_lookup_and_something_unknown() {
    let (looked_up, asked_nobody) = (with_lookup(keyed()), keyed());
    let checks = Ok(Accepted::Check(crate::ids::AttemptId(uuid::Uuid::from_u128(1))));
    let rows = [
        (&looked_up, parked([Some(unknown())]), checks),
        (&asked_nobody, parked([Some(unknown())]), Err(Refusal::NoLookup)),
        (&looked_up, parked([Some(success())]), Err(Refusal::NothingUnknown { applied: true })),
        (&looked_up, parked([Some(technical())]), Err(Refusal::NothingUnknown { applied: false })),
        (&looked_up, parked([]), Err(Refusal::NothingUnknown { applied: false })),
        (&looked_up, parked([Some(unknown()), None]), Err(Refusal::AttemptOpen)),
        (
            &looked_up,
            step(StepState::Running, attempts([Some(unknown())])),
            Err(Refusal::NotParked(StepState::Running)),
        ),
    ];
    for (op, step, expected) in rows {
        assert_eq!(plainly(Action::ReconcileStep, op, &step, &NOTHING), expected, "{step:?}");
    }
    // It asks no branch of the model and does not mind a cancelled order: it only reads.
    let cancelled = StepFacts { order_cancelled: true, ..parked([Some(unknown())]) };
    let asked = Asked::of(&NOTHING);
    let none = BTreeSet::new();
    assert!(guard(Action::ReconcileStep, &on(&looked_up, &cancelled, &none), &asked).is_ok());
}

#[test]
fn a_cancelled_order_takes_nothing_new() {
    let cancelled = StepFacts { order_cancelled: true, ..parked([Some(technical())]) };
    let overtaken = || Err(Refusal::OrderCancelled);
    check(
        &cancelled,
        [
            (RETRY, None, overtaken()),
            (RETRY, not_applied(), overtaken()),
            (SKIP, said(false, outputs()), overtaken()),
            (CANCEL, None, ok()),
        ],
    );
    let applied = StepFacts { order_cancelled: true, ..parked([Some(success())]) };
    check(&applied, [(RESUME, None, ok()), (CANCEL, None, ok())]);
}

#[test]
fn a_step_that_nothing_waits_for_any_more_cannot_run_again() {
    let (op, absent, present) = (keyed(), parked([Some(technical())]), parked([Some(success())]));
    let rows = [
        (RETRY, &absent, Err(Refusal::InstanceGone)),
        (RESUME, &present, Err(Refusal::InstanceGone)),
        (SKIP, &absent, ok()),
        (CANCEL, &absent, ok()),
    ];
    for (action, step, expected) in rows {
        let branches = all_branches();
        let mut target = on(&op, step, &branches);
        target.step.as_mut().unwrap().is_gone = true;
        let given = outputs();
        let asked = Asked::of(&given);
        assert_eq!(guard(action, &target, &asked), expected, "{action}");
    }
}

#[test]
fn an_expired_result_of_an_earlier_step_names_the_step_that_renews_it() {
    let mut op = keyed();
    op.request.body = Some(json!({ "auth": "{outputs.authorize.authorizationId}", "of": ["{order.id}"] }));
    let of = |until: i64| {
        let until = at(until).to_rfc3339();
        Outputs::from([
            ("authorizationId".to_owned(), json!("A-1")),
            ("valid_until".to_owned(), json!({ "authorizationId": until, "other": at(0).to_rfc3339() })),
        ])
    };
    let found = |earlier: &[(&str, &Outputs)]| expired(&op, earlier.iter().copied(), at(100));
    let ended = Expired { step: "authorize".into(), output: "authorizationId".into(), until: at(100) };
    assert_eq!(found(&[("reserve", &of(1)), ("authorize", &of(100))]), Some(ended.clone()));
    assert_eq!(found(&[("authorize", &of(101))]), None, "still valid");
    assert_eq!(found(&[("reserve", &of(1))]), None, "not of a step that the request names");
    assert_eq!(found(&[]), None);

    let (step, done) = (parked([Some(technical())]), parked([Some(success())]));
    let branches = all_branches();
    for (action, step, refused) in
        [(RETRY, &step, true), (SKIP, &step, false), (CANCEL, &step, false), (RESUME, &done, false)]
    {
        let mut target = on(&op, step, &branches);
        target.step.as_mut().unwrap().expired = Some(ended.clone());
        let answer = guard(action, &target, &Asked::of(&outputs()));
        let Expired { step, output, until } = ended.clone();
        let expected = if refused { Err(Refusal::Expired { step, output, until }) } else { ok() };
        assert_eq!(answer, expected, "{action}: only what sends uses it");
    }
    let told =
        Refusal::Expired { step: "authorize".into(), output: "authorizationId".into(), until: at(100) }.to_string();
    assert!(told.contains("renewed by step authorize"), "{told}");
}

#[test]
fn a_force_close_needs_its_impact_and_a_step_that_no_order_waits_at() {
    let (op, branches) = (keyed(), all_branches());
    let close = |step: Option<(&StepFacts, bool)>, impact: Option<&str>, case: CaseState| {
        let on_step = step.map(|(facts, is_gone)| OnStep {
            op: &op,
            facts,
            branches: &branches,
            is_gone,
            expired: None,
            commercial: commercial(),
        });
        let target = Target { case, is_undo: false, step: on_step, now: at(100) };
        guard(Action::ForceClose, &target, &Asked { impact, ..Asked::of(&NOTHING) })
    };
    let (waits, done) = (parked([Some(unknown())]), step(StepState::Done, attempts([Some(success())])));
    let open = step(StepState::Running, attempts([None]));
    let some = Some("the customer keeps the old line");
    let rows = [
        (None, some, Ok(Accepted::EndCase)),
        (None, None, Err(Refusal::NoImpact)),
        (None, Some("  "), Err(Refusal::NoImpact)),
        (Some((&done, false)), some, Ok(Accepted::EndCase)),
        (Some((&waits, false)), some, Err(Refusal::StillParked)),
        (Some((&waits, true)), some, Ok(Accepted::EndCase)),
        (Some((&open, false)), some, Err(Refusal::AttemptOpen)),
    ];
    for (step, impact, expected) in rows {
        assert_eq!(close(step, impact, CaseState::Classified), expected, "{step:?} {impact:?}");
    }
    assert_eq!(close(None, some, CaseState::AwaitingApproval), Err(Refusal::ApprovalUnderWay));
    assert_eq!(close(Some((&done, false)), some, CaseState::Recovering), Err(Refusal::ActionUnderWay));
}

#[test]
fn a_case_without_a_step_is_force_closed_or_resolved_by_a_word_and_takes_nothing_else() {
    let target = Target { case: CaseState::Classified, is_undo: false, step: None, now: at(0) };
    let asked = Asked { impact: Some("none"), ..Asked::of(&NOTHING) };
    for action in Action::ALL.iter().copied() {
        let expected = match action {
            Action::ForceClose => Ok(Accepted::EndCase),
            Action::ResolveOutside => Err(Refusal::NotAttested),
            _ => Err(Refusal::NoStep),
        };
        assert_eq!(guard(action, &target, &asked), expected, "{action}");
    }
}

#[test]
fn a_case_that_is_being_recovered_or_waits_for_approval_takes_no_other_action() {
    let (op, step, branches) = (keyed(), parked([Some(technical())]), all_branches());
    let given = outputs();
    let asked = Asked::of(&given);
    for action in BUILT {
        for (case, refusal) in
            [(CaseState::Recovering, Refusal::ActionUnderWay), (CaseState::AwaitingApproval, Refusal::ApprovalUnderWay)]
        {
            let target = Target { case, ..on(&op, &step, &branches) };
            assert_eq!(guard(action, &target, &asked), Err(refusal), "{action} of a case that is {case}");
        }
    }
}

#[test]
fn a_step_that_takes_an_effect_back_ends_only_with_the_effect_gone() {
    let undoing = |history| StepFacts { undoes: Some(Left::Effect), order_cancelled: true, ..parked(history) };
    let rows = |step: &StepFacts, attested: Answer| {
        check(
            step,
            [
                (RETRY, not_applied(), attested.clone()),
                (SKIP, None, Err(Refusal::NotUndone)),
                (SKIP, not_applied(), attested),
                (CANCEL, None, Err(Refusal::OnlySkip(CANCEL))),
                (CANCEL, not_applied(), Err(Refusal::OnlySkip(CANCEL))),
            ],
        );
    };
    rows(&undoing(vec![Some(business())]), ok());
    check(&undoing(vec![Some(business())]), [(RETRY, None, ok()), (RESUME, None, Err(Refusal::NotApplied))]);
    let unknown = undoing(vec![Some(unknown())]);
    for action in [RETRY, RESUME, SKIP, CANCEL] {
        check(&unknown, [(action, None, Err(Refusal::OutcomeUnknown))]);
    }
    check(&unknown, [(SKIP, not_applied(), settles(attested_absence())), (SKIP, applied(), Err(Refusal::Applied))]);
    let by_hand = said(true, Outputs::new());
    check(&unknown, [(RESUME, by_hand, settles(Outcome::Success { outputs: Outputs::new() }))]);
    check(&undoing(vec![Some(success())]), [(SKIP, None, Err(Refusal::Applied)), (RESUME, None, ok())]);
}

mod together {
    //! Whatever is combined: what the guard accepts can never make an effect twice.

    use proptest::prelude::*;

    use super::*;

    fn outcome() -> impl Strategy<Value = Option<Outcome>> {
        prop_oneof![
            Just(None),
            Just(Some(technical())),
            Just(Some(business())),
            Just(Some(unknown())),
            Just(Some(replayable())),
            Just(Some(Outcome::Pending)),
            Just(Some(success())),
        ]
    }

    proptest! {
        #[test]
        fn what_is_sent_again_is_not_applied_or_recognised(
            history in prop::collection::vec(outcome(), 0..4), said in prop::option::of(any::<bool>()),
            lookup in any::<bool>(), now in 0i64..2_000, which in 0usize..11, cancelled in any::<bool>(),
        ) {
            let op = if lookup { with_lookup(keyed()) } else { keyed() };
            let step = StepFacts { order_cancelled: cancelled, ..parked(history.clone()) };
            let branches = all_branches();
            let attested = said.map(|applied| Attestation { applied, reference: "T".into() });
            let given = outputs();
            let asked = Asked { attested: attested.as_ref(), impact: Some("none"), ..Asked::of(&given) };
            let action = Action::ALL[which];
            let target = Target { now: at(now), ..on(&op, &step, &branches) };
            let Ok(accepted) = guard(action, &target, &asked) else { return Ok(()) };
            prop_assert!(history.iter().all(Option::is_some), "accepted while an attempt is open");
            let present = history.iter().flatten().any(|o| matches!(o, Outcome::Success { .. }));
            let unknown = matches!(join(&step.attempts), Joined::Unresolved(..));
            let attested_absent = matches!(accepted, Accepted::Correlate { settles: Some(Outcome::Technical { .. }) });
            if action.declaration().repeats() {
                let kept = !lookup && key_is_kept(&op, &step.attempts, at(now));
                prop_assert!(!present && !cancelled && (!unknown || attested_absent || kept));
            }
            if matches!(action, Action::SkipStep) {
                prop_assert!(!present && (!unknown || attested_absent));
            }
            if action == Action::ResumeWorkflow {
                let attested = matches!(accepted, Accepted::Correlate { settles: Some(Outcome::Success { .. }) });
                prop_assert!(present || attested);
            }
        }
    }
}

#[test]
fn what_was_done_outside_frees_no_order_that_waits() {
    let action = Action::ResolveOutside;
    let said_outside = |settles| Ok(Accepted::SaidOutside { settles });
    let stranded = |history: Vec<Option<Outcome>>| (step(StepState::Parked, attempts(history)), true);
    let at = |state, history: Vec<Option<Outcome>>| (step(state, attempts(history)), false);
    use StepState as S;
    let rows = [
        (at(S::Done, vec![Some(success())]), applied(), said_outside(None)),
        (at(S::Done, vec![Some(success())]), not_applied(), Err(Refusal::NothingToAttest)),
        (at(S::Done, vec![Some(success())]), None, Err(Refusal::NotAttested)),
        (at(S::Cancelled, vec![Some(technical())]), applied(), said_outside(None)),
        (stranded(vec![Some(unknown())]), applied(), said_outside(Some(success()))),
        (stranded(vec![Some(unknown())]), not_applied(), said_outside(Some(attested_absence()))),
        (stranded(vec![Some(unknown())]), said(true, Outputs::new()), missing_id()),
        (at(S::Parked, vec![Some(technical())]), not_applied(), Err(Refusal::StillParked)),
        (at(S::Running, vec![Some(technical())]), applied(), Err(Refusal::AtWork(S::Running))),
        (at(S::Running, vec![None]), applied(), Err(Refusal::AttemptOpen)),
    ];
    let op = with_lookup(keyed());
    for ((facts, is_gone), attested, expected) in rows {
        let branches = BTreeSet::new();
        let none = Outputs::new();
        let asked =
            Asked { attested: attested.as_ref().map(|s| &s.0), ..Asked::of(attested.as_ref().map_or(&none, |s| &s.1)) };
        let mut target = on(&op, &facts, &branches);
        target.step = target.step.map(|step| OnStep { is_gone, ..step });
        assert_eq!(guard(action, &target, &asked), expected, "{} {:?}", facts.state, facts.attempts);
        let recovering = Target { case: CaseState::Recovering, ..target };
        assert_eq!(guard(action, &recovering, &asked), Err(Refusal::ActionUnderWay));
    }
    let stepless = Target { case: CaseState::Classified, is_undo: false, step: None, now: crate::fixtures::at(1) };
    let (said, outputs) = applied().unwrap();
    let asked = Asked { attested: Some(&said), ..Asked::of(&outputs) };
    assert_eq!(guard(action, &stepless, &asked), said_outside(None));
}

#[test]
fn where_the_outcome_is_unknown_the_downstream_is_asked_first_if_that_is_wanted() {
    let (looked_up, asked_nobody) = (with_lookup(keyed()), keyed());
    let checks = || Ok(Accepted::Check(crate::ids::AttemptId(uuid::Uuid::from_u128(1))));
    let lost = parked([Some(unknown())]);
    let known = parked([Some(technical())]);
    let rows = [
        (&looked_up, &lost, RETRY, None, checks()),
        (&looked_up, &lost, RESUME, None, checks()),
        (&looked_up, &lost, SKIP, None, missing_id()),
        // What is said goes before what could be asked, and what is known is not asked about.
        (&looked_up, &lost, RETRY, not_applied(), settles(attested_absence())),
        (&looked_up, &known, RETRY, None, ok()),
        (&asked_nobody, &lost, RETRY, None, Err(Refusal::NoLookup)),
    ];
    for (op, facts, action, attested, expected) in rows {
        let (branches, none) = (all_branches(), Outputs::new());
        let asked = Asked { attested: attested.as_ref().map(|s| &s.0), check: true, ..Asked::of(&none) };
        assert_eq!(guard(action, &on(op, facts, &branches), &asked), expected, "{action} {:?}", facts.attempts);
    }
}
