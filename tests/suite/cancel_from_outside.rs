//! `order.cancel` sent to an order's process by somebody else: nothing is interrupted, the ledger decides.

use fallout::demo::Standing;
use fallout_camunda::{
    Correlation, EngineError, EventSubscriptionQuery, HistoricActivityQuery, MessageCorrelation, Variables,
};
use fallout_core::{
    action::Action,
    command::{CANCEL_ANSWER_MESSAGE, CANCEL_MESSAGE},
    step::{Outputs, StepState},
};
use fallout_desk::AskedOutside;
use fallout_tests::{
    Scenario,
    orders::{LineOf, fault, order, simple},
    scenario,
};

use crate::engine::root;

/// As an order management system would: by the instance, with who and why.
pub async fn send(s: &Scenario<'_>, order: &str) -> anyhow::Result<()> {
    let set = Variables::new().with("cancelRequestedBy", "crm").with("cancelReason", "the customer changed their mind");
    let none = Variables::new();
    let instance = root(s, order).await?;
    let message = MessageCorrelation {
        message_name: CANCEL_MESSAGE,
        process_instance_id: &instance,
        correlation_keys: &none,
        process_variables: &set,
    };
    // A report that is just coming in makes the engine refuse it: whoever sends a message sends it again then.
    s.wait("the engine takes the message", async || match s.setup.engine.correlate_message(&message).await {
        Err(EngineError::Conflict { .. }) => Ok(false),
        sent => Ok(matches!(sent?, Correlation::Correlated(_))),
    })
    .await
}

/// How often the process of an order came to an end event.
pub async fn reached(s: &Scenario<'_>, order: &str, event: &str) -> anyhow::Result<usize> {
    let instance = root(s, order).await?;
    let query = HistoricActivityQuery {
        process_instance_id: Some(&instance),
        activity_id: Some(event),
        finished: Some(true),
        ..Default::default()
    };
    Ok(s.setup.engine.historic_activity_instances(&query).await?.len())
}

#[test]
fn an_order_under_way_drains_and_takes_back_what_it_did_however_often_it_is_asked() {
    let lines: &[LineOf] = &[("late", "add", &[]), ("parked", "delete", &[]), ("waits", "modify", &["late"])];
    let faults = "[[fault]]\nstep = 'provision'\nline = 'late'\nbehaviour = 'accepted'\nafter_ms = 4000\n\
        [[fault]]\nstep = 'provision'\nline = 'parked'\nbehaviour = 'bad_request'";
    scenario("outside", faults, async |s| {
        s.start();
        s.accept(vec![order("outside", lines)]).await?;
        let state =
            async |line| Ok::<_, anyhow::Error>(s.step("outside", line, "provision").await?.map(|v| v.step.state));
        s.wait("one line is under way and one parked", async || {
            let both = [state("late").await?, state("parked").await?];
            Ok(both == [Some(StepState::AwaitingCallback), Some(StepState::Parked)])
        })
        .await?;
        send(s, "outside").await?;
        send(s, "outside").await?;
        s.until("outside", Standing::Cancelled).await?;
        assert_eq!(state("late").await?, Some(StepState::Done), "what was under way was not interrupted");
        assert_eq!([state("parked").await?, state("waits").await?], [Some(StepState::Cancelled), None]);
        let taken_back: Vec<_> = s.book()?.into_iter().filter(|e| e.direction == "undo").map(|e| e.step).collect();
        assert_eq!(taken_back, ["provision", "reserve"]);
        assert_eq!(
            [reached(s, "outside", "cancelAccepted").await?, reached(s, "outside", "cancelRefused").await?],
            [2, 0]
        );
        let case = s.cases_of("outside").await?.remove(0).case_number;
        let actions = s.setup.desk.actions(&s.tenant, case.parse()?).await?;
        assert_eq!((actions.len(), actions[0].requested_by.as_str()), (1, "engine:crm"));
        assert_eq!(actions[0].reason, "the customer changed their mind");
        Ok(())
    });
}

#[test]
fn past_the_point_of_no_return_the_process_is_told_no_and_goes_on() {
    let faults = fault("too-late", "notify", "attempt = '1'; behaviour = 'bad_request'");
    scenario("outside-late", &faults, async |s| {
        s.start();
        s.accept(vec![simple("too-late")]).await?;
        s.until("too-late", Standing::Parked).await?;
        send(s, "too-late").await?;
        s.wait("it is told", async || Ok(reached(s, "too-late", "cancelRefused").await? == 1)).await?;
        assert_eq!(s.standing("too-late").await?, Standing::Parked, "nothing has changed");
        assert!(!s.ledger().await?[0].run.cancel_requested);
        s.retry("too-late").await?;
        s.until("too-late", Standing::Completed).await
    });
}

#[test]
fn an_action_that_was_given_before_the_order_was_cancelled_begins_nothing_any_more() {
    let faults = fault("frozen", "provision", "behaviour = 'bad_request'");
    scenario("outside-frozen", &faults, async |s| {
        s.start();
        s.accept(vec![simple("frozen")]).await?;
        s.until("frozen", Standing::Parked).await?;
        let case = s.case_of("frozen").await?.case_number;
        // Taken, and not sent before the cancellation is in the ledger: no relay runs.
        s.stop().await?;
        s.recover(&case, Action::RetryStep, None, Outputs::new()).await?;
        send(s, "frozen").await?;
        let instance = root(s, "frozen").await?;
        let query = EventSubscriptionQuery {
            process_instance_id: Some(&instance),
            event_name: Some(CANCEL_ANSWER_MESSAGE),
            ..Default::default()
        };
        let waiting = s.setup.engine.event_subscriptions(&query).await?.remove(0);
        let asked = AskedOutside {
            process_instance_id: &instance,
            execution_id: waiting.execution_id.as_deref().unwrap(),
            by: None,
            reason: None,
        };
        s.setup.desk.cancel_asked(&asked).await?;
        s.start();
        s.until("frozen", Standing::Cancelled).await?;
        assert_eq!(s.attempts_at("frozen", "provision"), 1, "the retry sent nothing");
        assert_eq!(s.step("frozen", "1", "provision").await?.unwrap().step.state, StepState::Cancelled);
        s.resolved(&case).await
    });
}

/// Where an order can be when it is cancelled from outside, and how it ends: whatever waits is taken along, whatever is under
/// way settles, and only what is unknown, or past the point of no return, stays for people.
#[test]
fn a_cancellation_from_outside_arrives_at_each_place() {
    use Standing::{Cancelled, Parked};
    let rows = [
        // waits behind its task, for the message of a recovery
        ("rejected", "validate", "behaviour = 'reject'; code = 'ADDRESS_NOT_SERVICEABLE'", Parked, Cancelled),
        // waits at its task
        ("defect", "reserve", "behaviour = 'bad_request'", Parked, Cancelled),
        ("rejected-line", "provision", "behaviour = 'reject'; code = 'PRODUCT_NOT_AVAILABLE'", Parked, Cancelled),
        ("billing", "bill", "behaviour = 'reject'; code = 'BILLING_ACCOUNT_INVALID'", Parked, Cancelled),
        ("credentials", "authorize", "behaviour = 'unauthorised'", Parked, Cancelled),
        // nobody knows whether its effect exists
        ("unknown", "provision", "behaviour = 'accepted_never'", Parked, Parked),
        // past the point of no return
        ("too-late-2", "notify", "behaviour = 'bad_request'", Parked, Parked),
        // in the middle of an exchange, and while a result is awaited
        ("slow", "reserve", "attempt = '1'; behaviour = 'slow'; ms = 1500", Standing::Moving, Cancelled),
        ("slow-line", "provision", "attempt = '1'; behaviour = 'slow'; ms = 1500", Standing::Moving, Cancelled),
        ("awaited", "provision", "attempt = '1'; behaviour = 'accepted'; after_ms = 2000", Standing::Moving, Cancelled),
    ];
    let faults: String = rows.iter().map(|(order, step, what, ..)| fault(order, step, what)).collect();
    scenario("outside-each", &faults, async |s| {
        s.start();
        for (order, step, _, stands, _) in rows {
            s.accept(vec![simple(order)]).await?;
            match stands {
                Parked => s.until(order, Parked).await?,
                _ => s.wait("it is under way", async || Ok(s.attempts_at(order, step) == 1)).await?,
            }
            send(s, order).await?;
        }
        for (order, step, _, _, ends) in rows {
            s.wait(&format!("{order} was answered"), async || {
                let refused = reached(s, order, "cancelRefused").await?;
                Ok(reached(s, order, "cancelAccepted").await? + refused == 1)
            })
            .await?;
            s.until(order, ends).await?;
            let exists: Vec<_> = s.book()?.into_iter().filter(|e| e.order == order && e.direction == "do").collect();
            let undone = s.book()?.into_iter().filter(|e| e.order == order && e.direction == "undo").count();
            match ends {
                Cancelled => assert_eq!(undone, exists.len(), "{order}: everything that was made is taken back"),
                _ => assert_eq!(undone, 0, "{order}: nothing is taken back at {step}"),
            }
        }
        Ok(())
    });
}
