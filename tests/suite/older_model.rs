//! An action against an instance that runs on an older model: refused by the branches of that model, possible once the
//! instance was moved to the newer one.

use anyhow::Context;
use fallout::demo::Standing;
use fallout_core::{
    action::{Action, Refusal},
    step::{Outputs, StepState},
};
use fallout_desk::DeskError;
use fallout_tests::{
    orders::{fault, simple},
    scenario,
};
use serde_json::{Value, json};

use crate::{interventions::rest, program::run, recovery::refused};

const STEP: &str = include_str!("../../bpmn/recoverable-step.bpmn");
const ORDER: &str = include_str!("../../bpmn/order-fulfilment.bpmn");

/// The same without the way to skip.
fn without_skip() -> String {
    let from = STEP.find(r#"<bpmn:sequenceFlow id="actionToSkipped""#).unwrap();
    let end = "</bpmn:sequenceFlow>";
    let to = from + STEP[from..].find(end).unwrap() + end.len();
    let text = format!("{}{}", &STEP[..from], &STEP[to..]);
    // Nor its drawing.
    let Some(edge) = text.find(r#"bpmnElement="actionToSkipped""#) else { return text };
    let (edge, close) = (text[..edge].rfind("<bpmndi:BPMNEdge").unwrap(), "</bpmndi:BPMNEdge>");
    let to = edge + text[edge..].find(close).unwrap() + close.len();
    format!("{}{}", &text[..edge], &text[to..])
}

fn files(step: String) -> Vec<(String, Vec<u8>)> {
    vec![
        ("recoverable-step.bpmn".to_owned(), step.into_bytes()),
        ("order-fulfilment.bpmn".to_owned(), ORDER.as_bytes().to_vec()),
    ]
}

#[test]
fn an_action_that_an_older_model_does_not_have_is_possible_once_its_instance_was_moved() {
    scenario("older-model", &fault("older", "bill", "behaviour = 'bad_request'"), async |s| {
        let older = s.setup.engine.deploy("older", "test", files(without_skip()), false).await?;
        s.start();
        s.accept(vec![simple("older")]).await?;
        s.until("older", Standing::Parked).await?;
        let case = s.case_of("older").await?.case_number;
        let by_hand = || Outputs::from([("activationId".to_owned(), json!("by hand"))]);
        let skip = s.recover(&case, Action::SkipStep, None, by_hand()).await;
        assert_eq!(refused(skip), Some(Refusal::NoBranch(Action::SkipStep)));
        let shown = run(s, &["case", "show", &case]).await?;
        assert!(shown.stdout.contains("fallout order migrate"), "it says the way out: {}", shown.stdout);

        // There is nothing newer yet.
        let ended = run(s, &["order", "migrate", "older", "--reason", "it has no branch for skip"]).await?;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let told = async |words: &str| {
            let timeline = s.case(&case).await?.timeline;
            Ok::<_, anyhow::Error>(timeline.iter().any(|e| e.reason.as_deref().is_some_and(|r| r.contains(words))))
        };
        s.wait("the case says that it stays", async || told("runs the newest version already").await).await?;

        let newer = s.setup.engine.deploy("newer", "test", files(STEP.to_owned()), false).await?;
        let ended = run(s, &["order", "migrate", "older", "--reason", "the newer one has it", "--json"]).await?;
        let asked: Value = serde_json::from_str(&ended.stdout)?;
        assert_eq!(asked["cases"], json!([case]));
        s.wait("the case says that it was moved", async || told("was moved from").await).await?;
        let target =
            newer.process_definitions.iter().find(|d| d.key == "recoverable-step").context("it is deployed")?;
        let step = s.step("older", "", "bill").await?.context("it is parked")?.step;
        assert_eq!((step.process_definition_id.as_str(), step.state), (target.id.as_str(), StepState::Parked));

        s.recover(&case, Action::SkipStep, None, by_hand()).await?;
        s.until("older", Standing::Completed).await?;
        s.resolved(&case).await?;
        assert_eq!((s.attempts_at("older", "bill"), s.book_of("older", "bill")?.len()), (1, 0));
        let none = s.setup.desk.migrate_order(&s.tenant, "local:test", "older", "again").await;
        assert!(matches!(none, Err(DeskError::NotUnderWay(_))), "{none:?}");
        rest(s, "DELETE", &format!("/deployment/{}?cascade=true", older.id), &Value::Null)?;
        Ok(())
    });
}
