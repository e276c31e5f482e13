//! Steps that are drawn into their caller instead of called: two of them in one instance, each with its own recovery.

use anyhow::Context;
use fallout::demo::Standing;
use fallout_camunda::{IncidentQuery, Variables};
use fallout_core::{
    action::{Action, ActionState},
    command::INCIDENT_TYPE,
    step::{Outputs, StepState, business_key},
};
use fallout_desk::StepView;
use fallout_tests::{
    Scenario,
    orders::{fault, simple},
    scenario,
};
use serde_json::json;

const MODEL: &str = include_str!("../models/embedded-steps.bpmn");
const STEPS: [&str; 2] = ["embedded_0", "embedded_1"];

/// Two more steps of an order that stands like this, beside each other in one instance; that instance.
async fn begin(s: &mut Scenario<'_>, order: &str, stands: Standing) -> anyhow::Result<String> {
    s.start();
    s.accept(vec![simple(order)]).await?;
    s.until(order, stands).await?;
    let called = include_str!("../../bpmn/recoverable-step.bpmn");
    let files = [("embedded-steps.bpmn", MODEL), ("recoverable-step.bpmn", called)];
    let files = files.map(|(name, xml)| (name.to_owned(), xml.as_bytes().to_vec())).to_vec();
    s.setup.engine.deploy("embedded-steps", "test", files, true).await?;
    let variables = Variables::new().with("tenantId", s.tenant.as_str()).with("orderId", order).with("orderRun", 1);
    let key = business_key(&s.tenant, order, 1);
    Ok(s.setup.engine.start_by_key("embedded-steps", &key, &variables).await?.id)
}

async fn of(s: &Scenario<'_>, order: &str, step: &str) -> anyhow::Result<StepView> {
    s.step(order, "", step).await?.with_context(|| format!("{step} is known"))
}

async fn until(s: &Scenario<'_>, order: &str, step: &str, state: StepState) -> anyhow::Result<()> {
    s.wait(&format!("{step} is {state}"), async || {
        Ok(s.step(order, "", step).await?.is_some_and(|v| v.step.state == state))
    })
    .await
}

/// The case of a step.
async fn case_of(s: &Scenario<'_>, order: &str, step: &str) -> anyhow::Result<String> {
    Ok(of(s, order, step).await?.step.case.context("it has a case")?.to_string())
}

async fn ended(s: &Scenario<'_>, instance: &str) -> anyhow::Result<()> {
    s.wait("its instance has ended", async || Ok(s.setup.engine.process_instance(instance).await?.is_none())).await
}

#[test]
fn each_of_two_embedded_steps_takes_its_own_recovery_wherever_the_other_waits() {
    let reject = "attempt = '1'; behaviour = 'reject'; code = 'PRODUCT_NOT_AVAILABLE'";
    let faults = [
        fault("apart", STEPS[0], reject),
        fault("apart", STEPS[1], reject),
        fault("mixed", STEPS[0], "attempt = '1'; behaviour = 'bad_request'"),
        fault("mixed", STEPS[1], reject),
    ];
    scenario("embedded", &faults.concat(), async |s| {
        for order in ["apart", "mixed"] {
            let instance = begin(s, order, Standing::Completed).await?;
            for step in STEPS {
                until(s, order, step, StepState::Parked).await?;
                assert_eq!(of(s, order, step).await?.step.process_instance_id, instance);
            }
            let [first, second] = [case_of(s, order, STEPS[0]).await?, case_of(s, order, STEPS[1]).await?];
            s.recover(&second, Action::RetryStep, None, Outputs::new()).await?;
            s.resolved(&second).await?;
            assert_eq!(of(s, order, STEPS[0]).await?.step.state, StepState::Parked, "{order}: the other still waits");
            assert_eq!(s.attempts_at(order, STEPS[0]), 1);
            let by_hand = Outputs::from([("reservationId".to_owned(), json!("by hand"))]);
            s.recover(&first, Action::SkipStep, None, by_hand).await?;
            s.resolved(&first).await?;
            ended(s, &instance).await?;
            let states = [of(s, order, STEPS[0]).await?.step.state, of(s, order, STEPS[1]).await?.step.state];
            assert_eq!(states, [StepState::Skipped, StepState::Done], "{order}");
            let made = [s.book_of(order, STEPS[0])?.len(), s.book_of(order, STEPS[1])?.len()];
            assert_eq!((made, s.attempts_at(order, STEPS[1])), ([0, 1], 2), "{order}");
            s.stop().await?;
        }
        Ok(())
    });
}

#[test]
fn a_case_of_an_embedded_step_is_shown_at_its_own_token() {
    let reject = "attempt = '1'; behaviour = 'reject'; code = 'PRODUCT_NOT_AVAILABLE'";
    let faults = STEPS.map(|step| fault("shown", step, reject)).concat();
    scenario("embedded-shown", &faults, async |s| {
        let instance = begin(s, "shown", Standing::Completed).await?;
        let mut at = Vec::new();
        for step in STEPS {
            until(s, "shown", step, StepState::Parked).await?;
            let case = case_of(s, "shown", step).await?;
            let query =
                IncidentQuery { incident_type: Some(INCIDENT_TYPE), configuration: Some(&case), ..Default::default() };
            s.wait("Cockpit shows it", async || Ok(s.setup.engine.incidents(&query).await?.len() == 1)).await?;
            at.extend(s.setup.engine.incidents(&query).await?.remove(0).execution_id);
        }
        assert_ne!(at[0], at[1], "each at its own token");
        for step in STEPS {
            let case = case_of(s, "shown", step).await?;
            s.recover(&case, Action::RetryStep, None, Outputs::new()).await?;
            s.resolved(&case).await?;
        }
        ended(s, &instance).await
    });
}

#[test]
fn a_result_that_is_waited_for_lets_the_right_one_of_two_embedded_steps_go_on() {
    let accepted = |step, ms| fault("later", step, &format!("behaviour = 'accepted'; after_ms = {ms}"));
    let faults = [accepted(STEPS[0], 100), accepted(STEPS[1], 3_000)].concat();
    scenario("embedded-callback", &faults, async |s| {
        let instance = begin(s, "later", Standing::Completed).await?;
        until(s, "later", STEPS[0], StepState::Done).await?;
        until(s, "later", STEPS[1], StepState::Done).await?;
        ended(s, &instance).await?;
        let made = STEPS.map(|step| s.book_of("later", step).map(|effects| effects.len()).unwrap_or_default());
        assert_eq!((made, s.cases_of("later").await?.len()), ([1, 1], 0));
        Ok(())
    });
}

#[test]
fn an_order_that_is_cancelled_at_an_embedded_step_takes_back_what_the_other_made() {
    let faults = [
        fault("back", "validate", "behaviour = 'reject'; code = 'ADDRESS_NOT_SERVICEABLE'"),
        fault("back", STEPS[0], "attempt = '1'; behaviour = 'bad_request'"),
    ];
    scenario("embedded-back", &faults.concat(), async |s| {
        let instance = begin(s, "back", Standing::Parked).await?;
        until(s, "back", STEPS[0], StepState::Parked).await?;
        until(s, "back", STEPS[1], StepState::Done).await?;
        let case = case_of(s, "back", STEPS[0]).await?;
        let taken = s.recover(&case, Action::CancelOrder, None, Outputs::new()).await?;
        assert_eq!(taken.also.len(), 1, "the parked called step goes with it");
        s.resolved(&case).await?;
        assert_eq!(of(s, "back", STEPS[0]).await?.step.state, StepState::Cancelled);
        ended(s, &instance).await?;
        s.until("back", Standing::Cancelled).await?;
        let undone: Vec<_> = s.book()?.into_iter().filter(|e| e.direction == "undo").map(|e| e.step).collect();
        assert_eq!(undone, [STEPS[1]]);
        let actions = s.setup.desk.actions(&s.tenant, case.parse()?).await?;
        assert_eq!(actions.iter().map(|a| a.state).collect::<Vec<_>>(), [ActionState::Completed]);
        Ok(())
    });
}
