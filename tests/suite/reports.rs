//! The report is an effect too: what it may carry, what becomes of one that the engine refuses, and that a stop leaves
//! nothing behind at the engine.

use std::time::Duration;

use anyhow::Context;
use fallout::demo::Standing;
use fallout_camunda::{
    ExternalTaskQuery, Failure, FetchRequest, IncidentQuery, LockedTask, ReportError, TaskLogEvent, Topic, Variable,
    Variables,
};
use fallout_core::{
    catalogue::{CODE_CHARS_MAX, OPERATION_CHARS_MAX, TRIES_MAX},
    command::INCIDENT_TYPE,
    step::business_key,
};
use fallout_tests::{Scenario, orders::simple, scenario};

/// One external task with nothing asynchronous around it: what comes after it fails its report while `mayGoOn` is not true.
const BARE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" targetNamespace="test">
  <bpmn:process id="bare-step" isExecutable="true" camunda:historyTimeToLive="P1D">
    <bpmn:startEvent id="start" />
    <bpmn:sequenceFlow id="a" sourceRef="start" targetRef="perform" />
    <bpmn:serviceTask id="perform" camunda:type="external" camunda:topic="${stepTopic}" />
    <bpmn:boundaryEvent id="rejected" attachedToRef="perform"><bpmn:errorEventDefinition camunda:errorMessageVariable="falloutMessage" camunda:errorCodeVariable="falloutCode" /></bpmn:boundaryEvent>
    <bpmn:sequenceFlow id="b" sourceRef="perform" targetRef="gateway" />
    <bpmn:exclusiveGateway id="gateway" />
    <bpmn:sequenceFlow id="c" sourceRef="gateway" targetRef="end">
      <bpmn:conditionExpression xsi:type="bpmn:tFormalExpression">${mayGoOn}</bpmn:conditionExpression>
    </bpmn:sequenceFlow>
    <bpmn:sequenceFlow id="never" sourceRef="gateway" targetRef="refused">
      <bpmn:conditionExpression xsi:type="bpmn:tFormalExpression">${false}</bpmn:conditionExpression>
    </bpmn:sequenceFlow>
    <bpmn:endEvent id="end" />
    <bpmn:sequenceFlow id="d" sourceRef="rejected" targetRef="refused" />
    <bpmn:endEvent id="refused" />
  </bpmn:process>
</bpmn:definitions>"#;

/// Starts the bare model for one more step of an order; its process instance.
pub async fn bare(s: &Scenario<'_>, order: &str, topic: &str, may_go_on: bool) -> anyhow::Result<String> {
    let files = vec![("bare-step.bpmn".to_owned(), BARE.as_bytes().to_vec())];
    s.setup.engine.deploy("bare-step", "test", files, true).await?;
    let variables = Variables::new()
        .with("tenantId", s.tenant.as_str())
        .with("orderId", order)
        .with("orderRun", 1)
        .with("lineId", "")
        .with("stepId", "bare")
        .with("stepDirection", "do")
        .with("handledCodes", ",")
        .with("recoveryActionId", "none")
        .with("stepTopic", topic)
        .with("mayGoOn", may_go_on);
    let key = business_key(&s.tenant, order, 1);
    Ok(s.setup.engine.start_by_key("bare-step", &key, &variables).await?.id)
}

/// Locks the task of this topic for a worker that is not ours.
async fn fetch(s: &Scenario<'_>, worker: &str, topic: &str) -> anyhow::Result<LockedTask> {
    let topics = [Topic {
        topic_name: topic.to_owned(),
        lock_duration: Duration::from_secs(60),
        variables: Vec::new(),
        process_definition_key: None,
        business_key: None,
    }];
    let request = FetchRequest {
        worker_id: worker,
        max_tasks: 1,
        use_priority: false,
        async_response_timeout: Some(Duration::from_secs(20)),
        topics: &topics,
    };
    s.setup.engine.fetch_and_lock(&request).await?.pop().context("the task is free")
}

#[test]
fn an_engine_that_cannot_go_on_opens_a_case_that_ends_when_it_goes_on() {
    scenario("cannot-advance", "", async |s| {
        s.start();
        s.accept(vec![simple("stuck")]).await?;
        s.until("stuck", Standing::Completed).await?;
        let effects = s.book()?.len();
        let instance = bare(s, "stuck", "inventory.reserve", false).await?;
        s.wait("a case is open", async || Ok(!s.cases().await?.is_empty())).await?;
        let case = s.case_of("stuck").await?;
        assert_eq!(case.classification.as_deref(), Some("ENGINE_CANNOT_ADVANCE"));
        let number = case.case_number.as_str();
        let query =
            IncidentQuery { incident_type: Some(INCIDENT_TYPE), configuration: Some(number), ..Default::default() };
        s.wait("Cockpit shows it", async || Ok(s.setup.engine.incidents(&query).await?.len() == 1)).await?;

        s.setup.engine.put_variable(&instance, "mayGoOn", &Variable::from(true)).await?;
        s.resolved(number).await?;
        assert!(s.setup.engine.incidents(&query).await?.is_empty(), "the incident went with its task");
        assert_eq!((s.attempts_at("stuck", "bare"), s.book()?.len()), (1, effects + 1), "only the report was repeated");
        assert_eq!(s.cases_of("stuck").await?.len(), 1);
        Ok(())
    });
}

#[test]
fn a_stopped_worker_leaves_no_poll_behind_that_locks_tasks_for_nobody() {
    scenario("no-orphans", "", async |s| {
        s.setup.settings.fleet.poll_timeout_ms = 60_000;
        s.start();
        s.accept(vec![simple("before")]).await?;
        s.until("before", Standing::Completed).await?;
        s.stop().await?;
        let instance = bare(s, "before", "inventory.reserve", true).await?;
        let task = fetch(s, "test", "inventory.reserve").await?;
        assert_eq!(task.process_instance_id, instance, "a poll that was left would have been served before ours");
        s.setup.engine.complete(&task.id, "test", &Variables::new()).await?;
        Ok(())
    });
}

#[test]
fn the_largest_values_that_a_report_can_carry_are_taken_by_the_engine() {
    scenario("largest", "", async |s| {
        let (topic, worker) = ("t".repeat(OPERATION_CHARS_MAX), "w".repeat(255));
        let text = "\u{1F69A}".repeat(5_000);
        let report = Variables::new().with("reportId", uuid::Uuid::max().to_string());
        bare(s, "largest", &topic, true).await?;
        let task = fetch(s, &worker, &topic).await?;
        s.setup.engine.extend_lock(&task.id, &worker, Duration::from_millis(u64::from(u32::MAX))).await?;
        let failure = Failure {
            error_message: &text,
            error_details: None,
            retries: TRIES_MAX,
            retry_timeout: Duration::ZERO,
            variables: &report,
        };
        s.setup.engine.failure(&task.id, &worker, failure).await?;
        let code = "C".repeat(CODE_CHARS_MAX);
        s.setup.engine.bpmn_error(&task.id, &worker, &code, &text, &report).await?;

        let instance = bare(s, "largest", &topic, true).await?;
        let task = fetch(s, &worker, &topic).await?;
        let query = ExternalTaskQuery { process_instance_id: Some(&instance), ..Default::default() };
        let execution = s.setup.engine.external_tasks(&query).await?.remove(0).execution_id;
        s.setup.engine.create_incident(&execution, INCIDENT_TYPE, "fc-18446744073709551615", &text).await?;
        let pending = report.with("stepState", "CANCELLED").with("callbackDeadline", format!("PT{}.999S", u32::MAX));
        s.setup.engine.complete(&task.id, &worker, &pending).await?;
        Ok(())
    });
}

/// One report of each kind, with this id.
async fn say(s: &Scenario<'_>, verb: &str, task: &str, worker: &str, report: &str) -> Result<(), ReportError> {
    let (engine, variables) = (&s.setup.engine, Variables::new().with("reportId", report));
    match verb {
        "complete" => engine.complete(task, worker, &variables).await,
        "bpmnError" => engine.bpmn_error(task, worker, "C", "no", &variables).await,
        _ => {
            let retry_timeout = Duration::ZERO;
            let failure =
                Failure { error_message: "no", error_details: None, retries: 1, retry_timeout, variables: &variables };
            engine.failure(task, worker, failure).await
        }
    }
}

#[test]
fn each_report_leaves_the_trace_that_its_read_back_looks_for_and_no_other_does() {
    scenario("traces", "", async |s| {
        let engine = s.setup.engine.clone();
        let verbs =
            [("complete", Some(TaskLogEvent::Completed)), ("failure", Some(TaskLogEvent::Failed)), ("bpmnError", None)];
        for (verb, event) in verbs {
            let instance = bare(s, "traces", "traces", true).await?;
            let task = fetch(s, "mine", "traces").await?;
            let logged = async || -> anyhow::Result<bool> {
                let log = engine.history_external_task_log(&task.id, &instance).await?;
                Ok(log.iter().any(|e| Some(e.event) == event && e.worker_id.as_deref() == Some("mine")))
            };
            let remembered = async |report: &str| -> anyhow::Result<bool> {
                let mut found = false;
                for variable in engine.historic_variables(&instance, "reportId").await? {
                    let values = engine.historic_variable_updates(&variable.id).await?;
                    found |= values.iter().any(|v| v.value.as_text() == Some(report));
                }
                Ok(found)
            };
            assert!(!logged().await? && !remembered(verb).await?, "{verb}: nothing before");
            say(s, verb, &task.id, "mine", verb).await?;
            assert!(logged().await? == event.is_some() && remembered(verb).await?, "{verb}");
            assert!(!remembered("another").await?, "{verb}: only what was said");
            let again = say(s, verb, &task.id, "mine", verb).await;
            match verb {
                // Why a failure is never said twice without proof: the engine takes it as another one.
                "failure" => assert!(again.is_ok(), "{again:?}"),
                _ => assert!(matches!(again, Err(ReportError::Gone)), "{verb}: {again:?}"),
            }
            if verb == "failure" {
                engine.delete_process_instance(&instance).await?;
            }
        }
        Ok(())
    });
}

#[test]
fn each_refusal_of_the_engine_is_told_apart() {
    scenario("refusals", "", async |s| {
        let engine = s.setup.engine.clone();
        let instance = bare(s, "refusals", "refusals", true).await?;
        let task = fetch(s, "mine", "refusals").await?.id;
        for verb in ["complete", "failure", "bpmnError"] {
            let other = say(s, verb, &task, "other", "r").await;
            assert!(matches!(&other, Err(ReportError::Superseded { holder: Some(h) }) if h == "mine"), "{other:?}");
        }
        let long = Variables::new().with("reportId", "x".repeat(4_001));
        let long = engine.complete(&task, "mine", &long).await;
        assert!(matches!(long, Err(ReportError::CannotAdvance { code: 10_002, .. })), "{long:?}");
        engine.put_variable(&instance, "mayGoOn", &Variable::from(false)).await?;
        let stuck = say(s, "complete", &task, "mine", "r").await;
        assert!(matches!(stuck, Err(ReportError::EngineFault { code: 0, .. })), "{stuck:?}");

        engine.suspend_process_instance(&instance).await?;
        for verb in ["complete", "failure", "bpmnError"] {
            let suspended = say(s, verb, &task, "mine", "r").await;
            assert!(matches!(suspended, Err(ReportError::Suspended)), "{verb}: {suspended:?}");
        }
        let suspended = engine.extend_lock(&task, "mine", Duration::from_secs(1)).await;
        assert!(matches!(suspended, Err(ReportError::Suspended)), "{suspended:?}");
        engine.activate_process_instance(&instance).await?;

        engine.unlock(&task).await?;
        let unlocked = say(s, "complete", &task, "mine", "r").await;
        assert!(matches!(unlocked, Err(ReportError::Superseded { holder: None })), "{unlocked:?}");
        let again = fetch(s, "mine", "refusals").await?.id;
        engine.extend_lock(&again, "mine", Duration::from_millis(1)).await?;
        s.wait("an extension comes too late", async || {
            let late = engine.extend_lock(&again, "mine", Duration::from_millis(1)).await;
            Ok(matches!(late, Err(ReportError::Expired)))
        })
        .await?;
        engine.delete_process_instance(&instance).await?;
        for verb in ["complete", "failure", "bpmnError"] {
            let gone = say(s, verb, &task, "mine", "r").await;
            assert!(matches!(gone, Err(ReportError::Gone)), "{verb}: {gone:?}");
        }
        Ok(())
    });
}
