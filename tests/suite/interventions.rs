//! What people do to the engine behind our back, at the worst moment: the table of docs/INTERVENTIONS.md, a test per row that
//! is not in `engine`. No intervention makes a second effect, and none leaves a step without an owner.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use anyhow::{Context, ensure};
use fallout::demo::Standing;
use fallout_camunda::{ExternalTask, ExternalTaskQuery, Variable};
use fallout_core::{
    action::Action,
    step::{Outputs, StepState},
};
use fallout_desk::Step;
use fallout_tests::{
    Scenario,
    orders::{fault, simple},
    scenario,
};
use serde_json::{Value, json};
use tokio::task::block_in_place;

/// A call that only people make, as Cockpit makes it.
pub fn rest(s: &Scenario<'_>, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
    let answer = block_in_place(|| {
        let mut stream = TcpStream::connect(("127.0.0.1", s.world.engine.port()))?;
        let body = body.to_string();
        write!(
            stream,
            "{method} /engine-rest{path} HTTP/1.0\r\nHost: engine\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    })?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer has a head")?;
    ensure!(head.contains(" 200") || head.contains(" 204"), "{method} {path}: {answer}");
    Ok(serde_json::from_str(body).unwrap_or(Value::Null))
}

async fn tasks(s: &Scenario<'_>, instance: &str) -> anyhow::Result<Vec<ExternalTask>> {
    let query = ExternalTaskQuery { process_instance_id: Some(instance), ..Default::default() };
    Ok(s.setup.engine.external_tasks(&query).await?)
}

/// The step of an order that is in this state.
async fn step_in(s: &Scenario<'_>, order: &str, state: StepState) -> anyhow::Result<Step> {
    let views = s.ledger().await?;
    let mut steps = views.into_iter().flat_map(|v| v.steps).map(|v| v.step);
    steps.find(|step| step.identity.order == order && step.state == state).context("no step is in that state")
}

/// Takes the token out of the step's task and puts it before another activity.
async fn modify(s: &Scenario<'_>, instance: &str, before: &str) -> anyhow::Result<()> {
    let task = tasks(s, instance).await?.remove(0);
    let instructions = json!([
        { "type": "startBeforeActivity", "activityId": before },
        { "type": "cancel", "activityInstanceId": task.activity_instance_id },
    ]);
    let body = json!({ "instructions": instructions });
    rest(s, "POST", &format!("/process-instance/{instance}/modification"), &body).map(drop)
}

/// Waits until the only task of the instance is parked, and is another than `than`.
async fn parked_anew(s: &Scenario<'_>, instance: &str, than: &str) -> anyhow::Result<ExternalTask> {
    s.wait("another task is parked", async || {
        let tasks = tasks(s, instance).await?;
        Ok(tasks.len() == 1 && tasks[0].id != than && tasks[0].retries == Some(0))
    })
    .await?;
    Ok(tasks(s, instance).await?.remove(0))
}

/// Waits until the case tells of a signal with these words.
async fn noted(s: &Scenario<'_>, case: &str, words: &str) -> anyhow::Result<()> {
    s.wait(&format!("the case tells: {words}"), async || {
        let timeline = s.case(case).await?.timeline;
        Ok(timeline.iter().any(|e| e.reason.as_ref().is_some_and(|reason| reason.contains(words))))
    })
    .await
}

const DEFECT: &str = "attempt = '1'; behaviour = 'bad_request'";
const SLOW: &str = "attempt = '1'; behaviour = 'slow'; ms = 1500";

#[test]
fn an_unlocked_task_is_not_sent_by_a_second_worker() {
    scenario("unlocked", &fault("unlocked", "reserve", SLOW), async |s| {
        s.start();
        s.accept(vec![simple("unlocked")]).await?;
        s.wait("the step is under way", async || Ok(s.attempts_at("unlocked", "reserve") == 1)).await?;
        let step = s.step("unlocked", "", "reserve").await?.unwrap().step;
        s.setup.engine.unlock(&step.external_task_id).await?;
        s.until("unlocked", Standing::Completed).await?;
        assert_eq!((s.attempts_at("unlocked", "reserve"), s.cases_of("unlocked").await?.len()), (1, 0));
        Ok(())
    });
}

#[test]
fn retries_taken_from_a_task_under_way_do_not_keep_its_result_out() {
    scenario("no-retries", &fault("no-retries", "reserve", SLOW), async |s| {
        s.start();
        s.accept(vec![simple("no-retries")]).await?;
        s.wait("the step is under way", async || Ok(s.attempts_at("no-retries", "reserve") == 1)).await?;
        let step = s.step("no-retries", "", "reserve").await?.unwrap().step;
        s.setup.engine.set_external_task_retries(&step.external_task_id, 0).await?;
        s.until("no-retries", Standing::Completed).await?;
        assert_eq!((s.attempts_at("no-retries", "reserve"), s.cases_of("no-retries").await?.len()), (1, 0));
        Ok(())
    });
}

#[test]
fn a_step_that_is_dispatched_anew_by_hand_while_it_is_under_way_is_only_reported() {
    scenario("modified", &fault("modified", "reserve", SLOW), async |s| {
        s.start();
        s.accept(vec![simple("modified")]).await?;
        s.wait("the step is under way", async || Ok(s.attempts_at("modified", "reserve") == 1)).await?;
        let step = s.step("modified", "", "reserve").await?.unwrap().step;
        modify(s, &step.process_instance_id, "perform").await?;
        s.until("modified", Standing::Completed).await?;
        assert_eq!((s.attempts_at("modified", "reserve"), s.cases_of("modified").await?.len()), (1, 0));
        Ok(())
    });
}

#[test]
fn a_parked_step_that_is_dispatched_anew_by_hand_parks_again_and_its_case_says_so() {
    scenario("parked-anew", &fault("parked-anew", "bill", DEFECT), async |s| {
        s.start();
        s.accept(vec![simple("parked-anew")]).await?;
        s.until("parked-anew", Standing::Parked).await?;
        let case = s.case_of("parked-anew").await?.case_number;
        let step = step_in(s, "parked-anew", StepState::Parked).await?;
        parked_anew(s, &step.process_instance_id, "").await?;
        modify(s, &step.process_instance_id, "perform").await?;
        let task = parked_anew(s, &step.process_instance_id, &step.external_task_id).await?;
        assert!(task.error_message.unwrap_or_default().starts_with(&case));
        noted(s, &case, "handed out again").await?;
        assert_eq!(s.attempts_at("parked-anew", "bill"), 1);

        s.retry("parked-anew").await?;
        s.until("parked-anew", Standing::Completed).await?;
        assert_eq!((s.book_of("parked-anew", "bill")?.len(), s.cases_of("parked-anew").await?.len()), (1, 1));
        s.resolved(&case).await
    });
}

#[test]
fn a_parked_step_that_the_token_was_moved_past_keeps_its_case_which_says_so() {
    scenario("moved-past", &fault("moved-past", "bill", DEFECT), async |s| {
        s.start();
        s.accept(vec![simple("moved-past")]).await?;
        s.until("moved-past", Standing::Parked).await?;
        let case = s.case_of("moved-past").await?.case_number;
        let step = step_in(s, "moved-past", StepState::Parked).await?;
        parked_anew(s, &step.process_instance_id, "").await?;
        modify(s, &step.process_instance_id, "skipped").await?;
        noted(s, &case, "find out what became of its effect").await?;
        assert_eq!(s.case(&case).await?.case.status, "classified", "nobody but a person closes it");

        let by_hand = Outputs::from([("activationId".to_owned(), json!("by hand"))]);
        s.recover(&case, Action::SkipStep, None, by_hand).await?;
        s.resolved(&case).await?;
        assert_eq!((s.attempts_at("moved-past", "bill"), s.book_of("moved-past", "bill")?.len()), (1, 0));
        Ok(())
    });
}

#[test]
fn a_parked_step_whose_instance_was_migrated_is_recovered_in_its_new_definition() {
    scenario("migrated", &fault("migrated", "bill", DEFECT), async |s| {
        s.start();
        s.accept(vec![simple("migrated")]).await?;
        s.until("migrated", Standing::Parked).await?;
        let case = s.case_of("migrated").await?.case_number;
        let step = step_in(s, "migrated", StepState::Parked).await?;
        parked_anew(s, &step.process_instance_id, "").await?;
        let source = step.process_definition_id.as_str();
        let xml = s.setup.engine.process_definition_xml(source).await?.context("its model is deployed")?;
        let files =
            vec![("recoverable-step.bpmn".to_owned(), xml.replace("Recoverable step", "Other step").into_bytes())];
        let deployment = s.setup.engine.deploy("migrated", "test", files, false).await?;
        let target = deployment.process_definitions[0].id.as_str();
        let plan = json!({ "sourceProcessDefinitionId": source, "targetProcessDefinitionId": target });
        let plan = rest(s, "POST", "/migration/generate", &plan)?;
        let execution = json!({ "migrationPlan": plan, "processInstanceIds": [step.process_instance_id] });
        rest(s, "POST", "/migration/execute", &execution)?;

        s.retry("migrated").await?;
        s.until("migrated", Standing::Completed).await?;
        s.resolved(&case).await?;
        let step = s.ledger().await?.into_iter().flat_map(|v| v.steps).find(|v| v.step.key == step.key).unwrap().step;
        assert_eq!(step.process_definition_id, target);
        assert_eq!((s.attempts_at("migrated", "bill"), s.book_of("migrated", "bill")?.len()), (2, 1));
        rest(s, "DELETE", &format!("/deployment/{}?cascade=true", deployment.id), &Value::Null).map(drop)
    });
}

#[test]
fn an_order_that_was_deleted_and_is_restarted_from_history_makes_no_effect_again() {
    scenario("restarted", &fault("restarted", "bill", DEFECT), async |s| {
        s.start();
        s.accept(vec![simple("restarted")]).await?;
        s.until("restarted", Standing::Parked).await?;
        let step = step_in(s, "restarted", StepState::Parked).await?;
        let case = s.case(&step.case.unwrap().to_string()).await?.case.case_number;
        let effects = s.book()?.len();
        let run = s.ledger().await?.remove(0).run;
        let root = run.process_instance_id.context("the order was started")?;
        let definition = s.setup.engine.historic_process_instance(&root).await?.unwrap().process_definition_id;
        s.setup.engine.delete_process_instance(&root).await?;

        let instructions = json!([{ "type": "startBeforeActivity", "activityId": "orderStarted" }]);
        let body = json!({ "processInstanceIds": [root], "instructions": instructions, "initialVariables": true });
        rest(s, "POST", &format!("/process-definition/{definition}/restart"), &body)?;
        s.wait("the parked step has a task again", async || {
            let now = s.step("restarted", &step.identity.line, &step.identity.step).await?.unwrap().step;
            Ok(now.process_instance_id != step.process_instance_id)
        })
        .await?;
        assert_eq!(s.book()?.len(), effects, "what was done is reported, not done");
        let step = step_in(s, "restarted", StepState::Parked).await?;
        parked_anew(s, &step.process_instance_id, "").await?;
        noted(s, &case, "handed out again").await?;
        s.recover(&case, Action::RetryStep, None, Outputs::new()).await?;
        s.resolved(&case).await?;
        assert_eq!(s.book_of("restarted", "bill")?.len(), 1);
        s.wait("the restarted order has ended", async || {
            let key = run.business_key.as_str();
            let query = fallout_camunda::ProcessInstanceQuery { business_key: Some(key), ..Default::default() };
            Ok(s.setup.engine.process_instances(&query).await?.is_empty())
        })
        .await
    });
}

#[test]
fn a_topic_that_is_set_by_hand_is_no_route_and_nothing_is_sent_by_it() {
    let faults = fault("by-hand", "provision", "attempt = '1'; behaviour = 'reject'; code = 'PRODUCT_NOT_AVAILABLE'");
    scenario("reroute-by-hand", &faults, async |s| {
        s.start();
        s.accept(vec![simple("by-hand")]).await?;
        s.until("by-hand", Standing::Parked).await?;
        let case = s.case_of("by-hand").await?.case_number;
        let instance = s.step("by-hand", "1", "provision").await?.context("it is parked")?.step.process_instance_id;
        let topic =
            async |topic: &str| s.setup.engine.put_variable(&instance, "stepTopic", &Variable::from(topic)).await;
        topic("partner.connect").await?;
        s.retry("by-hand").await?;
        s.wait("it is parked with what is wrong", async || {
            let shown = s.case(&case).await?.case;
            Ok(shown.status == "classified" && shown.classification.as_deref() == Some("DEFECT"))
        })
        .await?;
        assert_eq!(s.attempts_at("by-hand", "provision"), 1);
        let shown = s.case(&case).await?.case.summary.unwrap_or_default();
        assert!(shown.contains("set stepTopic back"), "{shown}");
        topic("provisioning.add").await?;
        s.until("by-hand", Standing::Parked).await?;
        s.retry("by-hand").await?;
        s.until("by-hand", Standing::Completed).await?;
        let step = s.step("by-hand", "1", "provision").await?.context("it is done")?.step;
        assert_eq!((step.state, step.route), (StepState::Done, None));
        let made: Vec<_> = s.book_of("by-hand", "provision")?.into_iter().map(|e| e.operation).collect();
        assert_eq!(made, ["provisioning.add"]);
        Ok(())
    });
}

#[test]
fn a_parked_task_whose_identity_is_changed_is_not_taken_for_another_step() {
    scenario("variables", &fault("variables", "bill", DEFECT), async |s| {
        s.start();
        s.accept(vec![simple("variables"), simple("other")]).await?;
        s.until("variables", Standing::Parked).await?;
        s.until("other", Standing::Completed).await?;
        let case = s.case_of("variables").await?.case_number;
        let step = step_in(s, "variables", StepState::Parked).await?;
        let instance = step.process_instance_id.as_str();
        let parked = parked_anew(s, instance, "").await?;
        let (arrivals, effects) = (s.sandbox.arrivals(), s.book()?.len());
        for (variable, value, was) in
            [("stepId", "stray", step.identity.step.as_str()), ("orderId", "other", "variables")]
        {
            s.setup.engine.put_variable(instance, variable, &Variable::from(value)).await?;
            s.setup.engine.set_external_task_retries(&parked.id, 3).await?;
            s.wait("the task is parked again", async || Ok(tasks(s, instance).await?[0].retries == Some(0))).await?;
            s.setup.engine.put_variable(instance, variable, &Variable::from(was)).await?;
        }
        noted(s, &case, "the variables of the parked task were changed").await?;
        let message = tasks(s, instance).await?.remove(0).error_message.unwrap_or_default();
        assert!(message.contains("orderId"), "{message}");
        assert_eq!((s.sandbox.arrivals(), s.book()?.len()), (arrivals, effects), "nothing was sent");
        assert!(s.step("variables", &step.identity.line, "stray").await?.is_none(), "no other step was made of it");

        s.retry("variables").await?;
        s.until("variables", Standing::Completed).await?;
        s.resolved(&case).await
    });
}
