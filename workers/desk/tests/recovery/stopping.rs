//! An action on a step that is at work: it waits for the end of the exchange, and what is known by then decides.

use fallout_core::{
    action::{Action, ActionState, command::RecoveryCommand},
    case::{CaseEvent, CaseState},
    claim::{Claim, Recorded},
    decide::Verdict,
    evidence::{Evidence, Phase},
    ids::{ActionId, AttemptId, CaseNumber, StepKey},
    signal::{Finding, NewSignal, Place},
    step::{Outputs, StepState},
    task::TaskRef,
};
use serde_json::json;

use crate::house::{ANN, House, TENANT, bare, command, refused, task};

const RETRY: Action = Action::RetryStep;

fn again(order: &str, action: Option<ActionId>) -> TaskRef {
    TaskRef { action, worker_id: "w-2".into(), external_task_id: format!("next-task-of-{order}"), ..task(order, "1") }
}

impl House {
    /// An order whose step is at work; somebody has seen trouble there.
    async fn at_work(&self, order: &str) -> (CaseNumber, AttemptId) {
        self.order(order).await;
        let attempt = self.attempt(&task(order, "1")).await;
        let signal = NewSignal {
            source: "manual".into(),
            event: format!("seen-at-{order}"),
            finding: Finding::Classification("RETRIES_EXHAUSTED".into()),
            place: Place {
                order: Some(order.into()),
                line: Some("1".into()),
                step_code: Some("capture".into()),
                ..Place::default()
            },
            cause: Default::default(),
            occurred_at: None,
            reason: "it hangs".into(),
            payload: json!({}),
        };
        let case = self.desk.signal(TENANT, &signal).await.unwrap().case.unwrap();
        (case, attempt)
    }

    /// A step that an earlier retry has brought to work again: its case is being verified.
    async fn retried(&self, order: &str) -> (CaseNumber, AttemptId) {
        let case = self.rejected(order).await;
        let first = self.give(&command(case, RETRY, &format!("first-{order}"))).await.unwrap();
        let task = again(order, Some(first.action));
        let Claim::Fresh(permission) = self.claimed(&task, 2).await else { panic!("it was not dispatched") };
        assert_eq!(self.state(case).await, CaseState::Verifying);
        (case, permission.attempt)
    }

    async fn claimed(&self, task: &TaskRef, generation: i32) -> Claim {
        let fallout_core::attempt::Prepared { request, .. } = prepared();
        let prepared = fallout_core::attempt::Prepared { request, generation };
        self.desk.claim(task, Some(Ok(prepared))).await.unwrap()
    }

    async fn recorded(&self, attempt: AttemptId, evidence: &Evidence) -> Recorded {
        let read = match evidence.phase {
            Phase::Answered { status: 200, .. } => Ok(Outputs::from([("receiptId".to_owned(), json!("R-1"))])),
            _ => Err("an answer".into()),
        };
        self.desk.record(attempt, evidence, &read).await.unwrap()
    }

    async fn standing(&self, order: &str) -> StepState {
        let key = StepKey::of(&task(order, "1").step);
        let runs = self.desk.ledger(TENANT).await.unwrap();
        runs.into_iter().flat_map(|run| run.steps).find(|s| s.step.key == key).unwrap().step.state
    }

    async fn latest_action(&self, case: CaseNumber) -> (ActionState, Option<String>) {
        let action = self.desk.actions(TENANT, case).await.unwrap().pop().unwrap();
        let refusal = action.result.and_then(|r| r["refusal"].as_str().map(str::to_owned));
        (action.state, refusal)
    }

    /// As if the sender's time had passed.
    async fn time_passes(&mut self) {
        let past = "alter table attempt disable trigger attempt_may_change;
            update attempt set opened_at = now() - interval '1 d', send_before = now() - interval '1 d' + interval '1 s',
                over_at = now() - interval '1 d' + interval '2 s' where state = 'open';
            alter table attempt enable trigger attempt_may_change";
        self.sql(past).await;
    }
}

fn prepared() -> fallout_core::attempt::Prepared {
    use fallout_core::{attempt::StoredRequest, operation::Method};
    let request =
        StoredRequest { method: Method::Post, path: "/captures".into(), headers: Vec::new(), body: Some("{}".into()) };
    fallout_core::attempt::Prepared { request, generation: 1 }
}

fn answered(status: u16) -> Evidence {
    let body = if status == 422 { json!({ "code": "BILLING_ACCOUNT_INVALID" }) } else { json!({ "receiptId": "R-1" }) };
    Evidence::answered(status, body)
}

/// What the exchange ran into, and what becomes of a retry that waited for it: state and refusal of the action, state of the
/// step, and whether there is a verdict to report.
#[tokio::test]
async fn at_the_end_of_the_exchange_the_action_has_the_step_or_is_refused_by_name() {
    use ActionState as A;
    use StepState as S;
    let house = House::new(bare).await;
    let rows = [
        ("applied", answered(200), (A::Failed, Some("applied")), S::Done, true),
        ("refused-connection", Evidence::of(Phase::NotConnected), (A::Requested, None), S::Parked, false),
        ("rejected", answered(422), (A::Requested, None), S::Parked, true),
        ("lost", Evidence::of(Phase::Sent), (A::Failed, Some("outcome_unknown")), S::Parked, true),
    ];
    for (order, evidence, (state, refusal), step, reports) in rows {
        let (case, attempt) = house.at_work(order).await;
        let taken = house.give(&command(case, RETRY, order)).await.unwrap();
        assert_eq!(house.latest_action(case).await.0, A::Stopping, "{order}");
        assert_eq!(house.state(case).await, CaseState::Classified, "{order}: nothing is recovered yet");
        let second = house.give(&command(case, Action::CancelOrder, &format!("{order}-2"))).await;
        assert!(refused(second).contains("another action"), "{order}");
        let other = house.claimed(&again(order, None), 1).await;
        assert!(matches!(other, Claim::InFlight { .. }), "{order}: {other:?}");

        let recorded = house.recorded(attempt, &evidence).await;
        assert_eq!(recorded.verdict.is_some(), reports, "{order}: {recorded:?}");
        assert_eq!(house.standing(order).await, step, "{order}");
        let (is, why) = house.latest_action(case).await;
        assert_eq!((is, why.as_deref()), (state, refusal), "{order}");
        let events = house.since(case).await;
        assert!(events.contains(&CaseEvent::StopRequested), "{order}: {events:?}");
        if state == A::Failed {
            assert!(events.contains(&CaseEvent::ActionRefused), "{order}: {events:?}");
            continue;
        }
        assert_eq!(house.state(case).await, CaseState::Recovering, "{order}");
        let stranger = house.claimed(&again(order, None), 1).await;
        assert!(matches!(stranger, Claim::Withheld { .. }), "{order}: {stranger:?}");
        let generation = if order == "rejected" { 2 } else { 1 };
        let dispatched = house.claimed(&again(order, Some(taken.action)), generation).await;
        assert!(matches!(dispatched, Claim::Fresh(_)), "{order}: {dispatched:?}");
        assert_eq!(house.state(case).await, CaseState::Verifying, "{order}");
    }
}

#[tokio::test]
async fn an_action_that_comes_to_a_running_retry_overtakes_it_only_when_it_takes_effect() {
    let house = House::new(bare).await;
    let (case, attempt) = house.retried("o-1").await;
    let cancel = house.give(&command(case, Action::CancelOrder, "cancel")).await.unwrap();
    assert_eq!(house.state(case).await, CaseState::Verifying, "the retry goes on");
    let recorded = house.recorded(attempt, &Evidence::of(Phase::NotConnected)).await;
    assert!(recorded.verdict.is_none(), "no retry follows: {recorded:?}");
    let states = |actions: Vec<fallout_store::actions::StoredAction>| {
        actions.into_iter().map(|a| (a.action, a.state)).collect::<Vec<_>>()
    };
    let actions = house.desk.actions(TENANT, case).await.unwrap();
    let expected = [(RETRY, ActionState::Started), (Action::CancelOrder, ActionState::Requested)];
    assert_eq!(states(actions), expected);
    assert_eq!(house.state(case).await, CaseState::Recovering);
    house.desk.action_took_branch(cancel.action).await.unwrap();
    let actions = house.desk.actions(TENANT, case).await.unwrap();
    let expected = [(RETRY, ActionState::Failed), (Action::CancelOrder, ActionState::Completed)];
    assert_eq!(states(actions), expected);
    assert_eq!((house.standing("o-1").await, house.state(case).await), (StepState::Cancelled, CaseState::Resolved));
}

#[tokio::test]
async fn a_success_resolves_the_case_by_the_retry_that_made_it() {
    let house = House::new(bare).await;
    let (case, attempt) = house.retried("o-1").await;
    house.give(&command(case, RETRY, "again")).await.unwrap();
    let recorded = house.recorded(attempt, &answered(200)).await;
    assert!(matches!(recorded.verdict, Some(Verdict::Complete { .. })), "{recorded:?}");
    let states: Vec<_> = house.desk.actions(TENANT, case).await.unwrap().into_iter().map(|a| a.state).collect();
    assert_eq!(states, [ActionState::Completed, ActionState::Failed]);
    assert_eq!(house.state(case).await, CaseState::Resolved);
}

#[tokio::test]
async fn what_a_cancellation_was_for_comes_about_when_the_step_ends_by_itself() {
    let house = House::new(|op| {
        bare(op);
        op.point_of_no_return = None;
    });
    let house = house.await;
    let (case, attempt) = house.at_work("o-1").await;
    house.give(&command(case, Action::CancelOrder, "cancel")).await.unwrap();
    let recorded = house.recorded(attempt, &answered(200)).await;
    assert!(matches!(recorded.verdict, Some(Verdict::Complete { .. })), "its effect is undone with the others");
    assert_eq!(house.latest_action(case).await.0, ActionState::Completed);
    assert_eq!(house.state(case).await, CaseState::Resolved);
}

#[tokio::test]
async fn a_cancellation_is_refused_when_the_exchange_passes_the_point_of_no_return() {
    let house = House::new(bare).await;
    let (case, attempt) = house.at_work("o-1").await;
    house.give(&command(case, Action::CancelOrder, "cancel")).await.unwrap();
    let recorded = house.recorded(attempt, &answered(200)).await;
    assert!(matches!(recorded.verdict, Some(Verdict::Complete { .. })), "the step goes on: {recorded:?}");
    assert_eq!(house.latest_action(case).await.0, ActionState::Failed);
}

#[tokio::test]
async fn taken_back_the_step_goes_on_as_it_would_have() {
    let house = House::new(bare).await;
    // While it waits.
    let (case, attempt) = house.retried("waits").await;
    let taken = house.give(&command(case, Action::RetryStep, "k-1")).await.unwrap();
    let back = house.desk.withdraw(TENANT, ANN, taken.action, "no").await.unwrap();
    assert_eq!((back.state, back.already), (CaseState::Verifying, false));
    let recorded = house.recorded(attempt, &Evidence::of(Phase::NotConnected)).await;
    assert!(matches!(recorded.verdict, Some(Verdict::RetryAfter { .. })), "{recorded:?}");
    // While it has the step, and the relay has not taken it.
    let (case, attempt) = house.retried("has").await;
    let taken = house.give(&command(case, Action::RetryStep, "k-2")).await.unwrap();
    assert!(house.recorded(attempt, &Evidence::of(Phase::NotConnected)).await.verdict.is_none());
    assert_eq!(house.standing("has").await, StepState::Parked);
    let back = house.desk.withdraw(TENANT, ANN, taken.action, "no").await.unwrap();
    assert_eq!((back.state, house.standing("has").await), (CaseState::Verifying, StepState::Running));
    let first = house.desk.actions(TENANT, case).await.unwrap().remove(0);
    let claim = house.claimed(&again("has", Some(first.id)), 2).await;
    let Claim::Fresh(permission) = claim else { panic!("{claim:?}") };
    house.recorded(permission.attempt, &answered(200)).await;
    assert_eq!(house.state(case).await, CaseState::Resolved);
}

#[tokio::test]
async fn what_takes_two_is_asked_for_while_the_step_is_at_work_and_ends_with_what_it_was_asked_about() {
    let house = House::guarded(bare).await;
    let skip = |case, key: &str| RecoveryCommand {
        outputs: [("receiptId".to_owned(), "BY-HAND".into())].into(),
        ..command(case, Action::SkipStep, key)
    };
    let bob = house.person("bob", "local:admin").await;
    // Agreed to during the exchange: it waits for its end, as if one person had been enough.
    let (case, attempt) = house.retried("in-time").await;
    let asked = house.give(&skip(case, "k-1")).await.unwrap();
    assert_eq!((house.state(case).await, house.standing("in-time").await), (CaseState::Verifying, StepState::Running));
    let second = refused(house.give(&command(case, Action::CancelOrder, "k-2")).await);
    assert!(second.contains("waits for a second person"), "{second}");
    let agreed = house.desk.approve(TENANT, &bob, asked.approval.unwrap(), "it hangs").await.unwrap();
    assert_eq!((agreed.case_state, house.latest_action(case).await.0), (CaseState::Verifying, ActionState::Stopping));
    assert!(house.recorded(attempt, &Evidence::of(Phase::NotConnected)).await.verdict.is_none(), "no retry follows");
    assert_eq!(
        (house.state(case).await, house.latest_action(case).await.0),
        (CaseState::Recovering, ActionState::Requested)
    );
    // Nobody agreed before the exchange had succeeded.
    let (case, attempt) = house.retried("late").await;
    let asked = house.give(&skip(case, "k-3")).await.unwrap();
    house.recorded(attempt, &answered(200)).await;
    assert_eq!(
        (house.state(case).await, house.latest_action(case).await.0),
        (CaseState::Resolved, ActionState::Withdrawn)
    );
    let late = refused(house.desk.approve(TENANT, &bob, asked.approval.unwrap(), "it hangs").await);
    assert!(late.contains("void already"), "{late}");
    // Refused: the retries go on.
    let (case, attempt) = house.retried("refused").await;
    let asked = house.give(&skip(case, "k-4")).await.unwrap();
    house.desk.refuse_approval(TENANT, &bob, asked.approval.unwrap(), "let it try").await.unwrap();
    assert_eq!(
        (house.state(case).await, house.latest_action(case).await.0),
        (CaseState::Verifying, ActionState::NotApproved)
    );
    let recorded = house.recorded(attempt, &Evidence::of(Phase::NotConnected)).await;
    assert!(matches!(recorded.verdict, Some(Verdict::RetryAfter { .. })), "{recorded:?}");
}

#[tokio::test]
async fn an_action_that_the_engine_does_not_take_leaves_the_step_as_it_was() {
    let house = House::new(bare).await;
    let (case, attempt) = house.retried("o-1").await;
    let taken = house.give(&command(case, Action::RetryStep, "k")).await.unwrap();
    house.recorded(attempt, &Evidence::of(Phase::NotConnected)).await;
    house.desk.action_failed(taken.action, "no token of the process waits for a recovery").await.unwrap();
    assert_eq!((house.standing("o-1").await, house.state(case).await), (StepState::Running, CaseState::Verifying));
    assert_eq!(house.latest_action(case).await.0, ActionState::Failed);
}

#[tokio::test]
async fn the_end_of_a_dead_worker_is_found_by_the_next_claim() {
    let mut house = House::new(bare).await;
    let (case, _) = house.at_work("o-1").await;
    house.give(&command(case, RETRY, "k")).await.unwrap();
    house.time_passes().await;
    let claim = house.claimed(&again("o-1", None), 1).await;
    assert!(matches!(claim, Claim::Report { verdict: Verdict::Park { .. }, .. }), "{claim:?}");
    assert_eq!(house.latest_action(case).await, (ActionState::Failed, Some("outcome_unknown".into())));
}

#[tokio::test]
async fn a_senior_takes_the_step_of_a_dead_worker_over_and_it_is_unknown_first() {
    let mut house = House::new(|_| {}).await;
    let (case, _) = house.at_work("o-1").await;
    let over = |action, key: &str| RecoveryCommand { takeover: true, ..command(case, action, key) };
    let early = refused(house.give(&over(Action::ReconcileStep, "early")).await);
    assert!(early.contains("may be at work until"), "{early}");
    assert_eq!(house.latest(case).await, "sender_at_work");
    let waits = house.give(&command(case, RETRY, "waits")).await.unwrap();
    house.time_passes().await;
    let unsaid = refused(house.give(&over(RETRY, "unsaid")).await);
    assert!(unsaid.contains("is unknown"), "it is unknown first, and nothing is retried: {unsaid}");
    assert_eq!(house.standing("o-1").await, StepState::Running, "a refusal changes nothing");

    let plan = house.desk.plan(TENANT, ANN, &over(Action::ReconcileStep, "plan")).await.unwrap();
    assert_eq!(plan.case, case);
    assert_eq!(house.standing("o-1").await, StepState::Running, "a dry run changes nothing");
    house.give(&over(Action::ReconcileStep, "over")).await.unwrap();
    assert_eq!((house.standing("o-1").await, house.state(case).await), (StepState::Parked, CaseState::Recovering));
    let states: Vec<_> = house.desk.actions(TENANT, case).await.unwrap();
    let states: Vec<_> = states.into_iter().map(|a| (a.id == waits.action, a.state)).collect();
    assert_eq!(states, [(true, ActionState::Withdrawn), (false, ActionState::Checking)]);
    let known =
        "select count(*) from evidence where source = 'crash' and detail ->> 'why' like 'taken over by local:ann:%'";
    assert_eq!(house.count(known).await, 1);
    let claim = house.claimed(&again("o-1", None), 1).await;
    assert!(matches!(claim, Claim::Parked { .. }), "nobody goes on behind their back: {claim:?}");
    let nothing = refused(house.give(&over(RETRY, "again")).await);
    assert!(nothing.contains("nothing to take over"), "{nothing}");
}

/// Whoever is first under the lock of the step: an action never begins beside a try, and no try beside an action.
#[tokio::test]
async fn an_end_and_an_action_at_the_same_moment_leave_one_of_two_orders() {
    let mut house = House::new(bare).await;
    for number in 0..20 {
        let order = format!("o-{number}");
        let (case, attempt) = house.at_work(&order).await;
        let (fleet, person) = (house.desk.clone(), house.desk.clone());
        let key = format!("k-{number}");
        let end = tokio::spawn(async move {
            let lost = Evidence::of(Phase::NotConnected);
            fleet.record(attempt, &lost, &Err("an answer".into())).await.unwrap()
        });
        let ask = tokio::spawn(async move { person.command(TENANT, ANN, &command(case, RETRY, &key)).await.unwrap() });
        let (recorded, taken) = (end.await.unwrap(), ask.await.unwrap());
        assert!(matches!(recorded.verdict, None | Some(Verdict::RetryAfter { .. })), "{recorded:?}");
        assert_eq!(house.latest_action(case).await.0, ActionState::Requested, "{order}");
        let claim = house.claimed(&again(&order, None), 1).await;
        assert!(matches!(claim, Claim::Withheld { .. }), "{claim:?}");
        let claim = house.claimed(&again(&order, Some(taken.action)), 1).await;
        assert!(matches!(claim, Claim::Fresh(_)), "{claim:?}");
    }
    assert_eq!(house.count("select count(*) from attempt where state = 'open'").await, 20);
}
