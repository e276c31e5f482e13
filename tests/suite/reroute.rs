//! Another route: a step is performed by another operation, only where its effect is known not to exist, and from then on it is
//! that operation's: its retries, its lookups, its undo.

use anyhow::Context as _;
use fallout::demo::Standing;
use fallout_core::{
    action::{Action, Refusal, command::RecoveryCommand},
    step::Outputs,
};
use fallout_desk::{DeskError, Taken};
use fallout_tests::{
    Scenario,
    orders::{LineOf, fault, order, simple},
    scenario,
};
use serde_json::json;

use crate::{interventions::rest, recovery::refused};

const NO_CAPACITY: &str = "behaviour = 'reject'\ncode = 'PRODUCT_NOT_AVAILABLE'";

/// A command as a file would give it.
pub async fn commanded(
    s: &Scenario<'_>,
    case: &str,
    action: Action,
    change: impl FnOnce(&mut RecoveryCommand),
) -> Result<Taken, DeskError> {
    let mut command = RecoveryCommand {
        idempotency_key: uuid::Uuid::now_v7().to_string(),
        fallout_case_id: case.to_owned(),
        action: action.word().to_owned(),
        reason: "the scenario asks for it".into(),
        requested_by: "local:test".into(),
        ..Default::default()
    };
    change(&mut command);
    s.setup.desk.command(&s.tenant, "local:test", &command).await
}

async fn reroute(s: &Scenario<'_>, case: &str) -> Result<Taken, DeskError> {
    s.recover(case, Action::RerouteStep, None, Outputs::new()).await
}

/// What the book has of an order's provisioning, as operation and generation.
fn provisioned(s: &Scenario<'_>, order: &str) -> anyhow::Result<Vec<(String, u32)>> {
    Ok(s.book_of(order, "provision")?.into_iter().map(|e| (e.operation, e.generation)).collect())
}

fn by_partner(generation: u32) -> Vec<(String, u32)> {
    vec![("partner.connect".to_owned(), generation)]
}

#[test]
fn a_step_that_was_rejected_or_never_got_through_is_done_by_the_other_route_under_another_key() {
    let faults = [
        fault("rejected", "provision", &format!("attempt = '1'; {NO_CAPACITY}")),
        fault("exhausted", "provision", "attempt = '1-4'; behaviour = 'unavailable_before'"),
        fault("twice", "provision", &format!("attempt = '1-2'; {NO_CAPACITY}")),
    ];
    scenario("reroute", &faults.concat(), async |s| {
        s.start();
        s.accept(["rejected", "exhausted", "twice"].map(simple).into()).await?;
        for order in ["rejected", "exhausted", "twice"] {
            s.until(order, Standing::Parked).await?;
            let case = s.case_of(order).await?.case_number;
            reroute(s, &case).await?;
            if order == "twice" {
                // The partner rejects it too; what is tried again is tried there.
                s.wait("it is parked again", async || {
                    Ok(s.attempts_at(order, "provision") == 2 && s.case(&case).await?.case.status == "classified")
                })
                .await?;
                s.until(order, Standing::Parked).await?;
                s.retry(order).await?;
            }
            s.until(order, Standing::Completed).await?;
            s.resolved(&case).await?;
            let action = s.setup.desk.actions(&s.tenant, case.parse()?).await?.remove(0);
            let terms = action.terms.context("the action keeps what the policies said")?;
            assert_eq!(
                (terms.route.as_deref(), terms.policies[0].code.as_str()),
                (Some("partner.connect"), "ADD_BY_PARTNER")
            );
        }
        assert_eq!(provisioned(s, "rejected")?, by_partner(2));
        assert_eq!(provisioned(s, "exhausted")?, by_partner(2));
        assert_eq!(provisioned(s, "twice")?, by_partner(3));
        Ok(())
    });
}

#[test]
fn while_an_effect_of_the_first_route_may_exist_the_other_is_refused_until_somebody_attests_that_there_is_none() {
    let faults = fault("lost", "provision", "attempt = '1'; behaviour = 'accepted_never'");
    scenario("reroute-unknown", &faults, async |s| {
        s.start();
        s.accept(vec![simple("lost")]).await?;
        s.until("lost", Standing::Parked).await?;
        let case = s.case_of("lost").await?.case_number;
        assert_eq!(refused(reroute(s, &case).await), Some(Refusal::OutcomeUnknown));
        assert_eq!(s.attempts_at("lost", "provision"), 1);
        s.recover(&case, Action::RerouteStep, Some(false), Outputs::new()).await?;
        s.until("lost", Standing::Completed).await?;
        assert_eq!(provisioned(s, "lost")?, by_partner(2));
        s.resolved(&case).await
    });
}

#[test]
fn what_the_other_route_did_is_taken_back_by_its_own_call() {
    let lines: &[LineOf] = &[("1", "add", &[]), ("2", "modify", &["1"])];
    let faults = format!(
        "[[fault]]\nstep = 'provision'\nline = '1'\nattempt = '1'\n{NO_CAPACITY}\n\
         [[fault]]\nstep = 'provision'\nline = '2'\n{NO_CAPACITY}"
    );
    scenario("reroute-undone", &faults, async |s| {
        s.start();
        s.accept(vec![order("undone", lines)]).await?;
        s.until("undone", Standing::Parked).await?;
        let first = s.case_of("undone").await?.case_number;
        reroute(s, &first).await?;
        s.resolved(&first).await?;
        s.until("undone", Standing::Parked).await?;
        let second = s.case_of("undone").await?.case_number;
        let none = Refusal::NoRoute("provisioning.modify".into());
        assert_eq!(refused(reroute(s, &second).await), Some(none), "no policy is about this operation");
        s.recover(&second, Action::CancelOrder, None, Outputs::new()).await?;
        s.until("undone", Standing::Cancelled).await?;
        let taken_back: Vec<_> = s.book()?.into_iter().filter(|e| e.direction == "undo").map(|e| e.operation).collect();
        assert_eq!(taken_back, ["partner.disconnect", "inventory.release"]);
        Ok(())
    });
}

#[test]
fn an_instance_on_a_model_without_the_branch_is_told_so_and_keeps_its_other_ways() {
    let faults = fault("older", "provision", &format!("attempt = '1-2'; {NO_CAPACITY}"));
    scenario("reroute-older", &faults, async |s| {
        s.start();
        s.accept(vec![simple("older")]).await?;
        s.until("older", Standing::Parked).await?;
        let case = s.case_of("older").await?.case_number;
        let step = s.step("older", "1", "provision").await?.context("it is parked")?.step;
        let (source, instance) = (step.process_definition_id.as_str(), step.process_instance_id.as_str());
        let xml = s.setup.engine.process_definition_xml(source).await?.context("its model is deployed")?;
        let older = xml.replace("recoveryAction == 'REROUTE_STEP'", "recoveryAction == 'NOT_YET'");
        let files = vec![("recoverable-step.bpmn".to_owned(), older.into_bytes())];
        let deployment = s.setup.engine.deploy("older", "test", files, false).await?;
        let target = deployment.process_definitions[0].id.as_str();
        let plan = json!({ "sourceProcessDefinitionId": source, "targetProcessDefinitionId": target });
        let plan = rest(s, "POST", "/migration/generate", &plan)?;
        rest(s, "POST", "/migration/execute", &json!({ "migrationPlan": plan, "processInstanceIds": [instance] }))?;
        // The claim of the retry is what reads the definition that it runs now.
        s.retry("older").await?;
        s.wait("it was rejected again", async || {
            Ok(s.attempts_at("older", "provision") == 2 && s.case(&case).await?.case.status == "classified")
        })
        .await?;
        s.until("older", Standing::Parked).await?;
        assert_eq!(refused(reroute(s, &case).await), Some(Refusal::NoBranch(Action::RerouteStep)));
        s.retry("older").await?;
        s.until("older", Standing::Completed).await?;
        assert_eq!(provisioned(s, "older")?, [("provisioning.add".to_owned(), 3)]);
        rest(s, "DELETE", &format!("/deployment/{}?cascade=true", deployment.id), &json!(null)).map(drop)
    });
}
