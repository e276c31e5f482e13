//! What people and accidents do to the engine behind our back: raised retries, deletions, suspensions, restarts.

use fallout::demo::Standing;
use fallout_camunda::{ExternalTask, ExternalTaskQuery, ProcessInstanceQuery, Variables};
use fallout_core::step::{StepState, business_key};
use fallout_desk::Accepted;
use fallout_tests::{
    PROCESS, Scenario,
    orders::{fault, simple},
    scenario,
};
use tokio::task::block_in_place;

/// The only external task of an instance.
async fn task(s: &Scenario<'_>, instance: &str) -> anyhow::Result<ExternalTask> {
    let query = ExternalTaskQuery { process_instance_id: Some(instance), ..Default::default() };
    let mut tasks = s.setup.engine.external_tasks(&query).await?;
    assert_eq!(tasks.len(), 1, "tasks of {instance}");
    Ok(tasks.remove(0))
}

/// The process instance of an order.
pub async fn root(s: &Scenario<'_>, order: &str) -> anyhow::Result<String> {
    let run = s.ledger().await?.into_iter().map(|v| v.run).find(|r| r.external_id == order);
    Ok(run.and_then(|r| r.process_instance_id).expect("the order was started"))
}

#[test]
fn retries_raised_in_cockpit_on_a_parked_unknown_lead_to_no_effect() {
    let faults = fault("raised", "notify", "attempt = '1'; behaviour = 'timeout_after'");
    scenario("raised", &faults, async |s| {
        s.start();
        s.accept(vec![simple("raised")]).await?;
        s.until("raised", Standing::Parked).await?;
        let before = s.case_of("raised").await?;
        let step = s.step("raised", "", "notify").await?.unwrap().step;
        for _ in 0..2 {
            s.wait("the task is parked", async || Ok(task(s, &step.process_instance_id).await?.retries == Some(0)))
                .await?;
            s.setup.engine.set_external_task_retries(&step.external_task_id, 3).await?;
        }
        s.wait("the task is parked again", async || Ok(task(s, &step.process_instance_id).await?.retries == Some(0)))
            .await?;
        assert_eq!((s.attempts_at("raised", "notify"), s.book_of("raised", "notify")?.len()), (1, 1));
        let cases = s.cases_of("raised").await?;
        assert_eq!(cases.len(), 1);
        assert_eq!((&cases[0].case_number, cases[0].status.as_str()), (&before.case_number, "classified"));
        let message = task(s, &step.process_instance_id).await?.error_message.unwrap_or_default();
        assert!(message.starts_with(&before.case_number), "{message}");
        let told = s.case(&before.case_number).await?.timeline;
        let told = told.iter().filter(|e| e.reason.as_ref().is_some_and(|r| r.contains("handed out again"))).count();
        assert_eq!(told, 2, "the case tells of each");
        Ok(())
    });
}

#[test]
fn an_instance_deleted_in_cockpit_ends_its_run_with_a_case_and_settles_what_was_under_way() {
    let faults = [
        fault("parked", "bill", "behaviour = 'bad_request'"),
        fault("under-way", "reserve", "attempt = '1'; behaviour = 'timeout_after'"),
        fault("waiting", "provision", "behaviour = 'accepted'; after_ms = 4000"),
    ];
    scenario("deleted", &faults.concat(), async |s| {
        s.start();
        s.accept(vec![simple("parked"), simple("under-way"), simple("waiting")]).await?;
        s.until("parked", Standing::Parked).await?;
        s.wait("the others are under way", async || {
            Ok(s.attempts_at("under-way", "reserve") + s.attempts_at("waiting", "provision") == 2)
        })
        .await?;
        for order in ["parked", "under-way", "waiting"] {
            s.setup.engine.delete_process_instance(&root(s, order).await?).await?;
        }
        for order in ["parked", "under-way", "waiting"] {
            s.wait("the run has ended with a case", async || {
                let ended = s.ledger().await?.iter().any(|v| v.run.external_id == order && v.run.state == "ended");
                let case = s.cases_of(order).await?.into_iter().find(|c| c.step.is_none());
                Ok(ended && case.is_some_and(|c| c.classification.as_deref() == Some("ENGINE_CANNOT_ADVANCE")))
            })
            .await?;
        }
        s.wait("nothing is open or unknown any more", async || {
            let steps: Vec<_> = s.ledger().await?.into_iter().flat_map(|v| v.steps).map(|v| v.step).collect();
            let at_work = |state| matches!(state, StepState::New | StepState::Running | StepState::AwaitingCallback);
            if steps.iter().any(|step| at_work(step.state)) {
                return Ok(false);
            }
            for case in steps.iter().filter_map(|step| step.case) {
                let attempts = s.case(&case.to_string()).await?.attempts;
                if attempts.iter().any(|a| a.state != "settled") {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    });
}

#[test]
fn a_suspended_instance_is_left_alone_and_goes_on_after_its_activation() {
    let faults = fault("suspended", "reserve", "attempt = '1'; behaviour = 'slow'; ms = 1000");
    scenario("suspended", &faults, async |s| {
        s.start();
        s.accept(vec![simple("suspended")]).await?;
        s.wait("the step is under way", async || Ok(s.attempts_at("suspended", "reserve") == 1)).await?;
        let step = s.step("suspended", "", "reserve").await?.unwrap().step;
        s.setup.engine.suspend_process_instance(&step.process_instance_id).await?;
        let done = async || Ok(s.step("suspended", "", "reserve").await?.unwrap().step.state == StepState::Done);
        s.wait("its effect is known", done).await?;
        assert!(task(s, &step.process_instance_id).await?.suspended, "known, but not reported: the task stays");
        assert_eq!(s.standing("suspended").await?, Standing::Moving);

        s.setup.engine.activate_process_instance(&step.process_instance_id).await?;
        s.until("suspended", Standing::Completed).await?;
        assert_eq!(s.attempts_at("suspended", "reserve"), 1);
        assert!(s.cases_of("suspended").await?.is_empty());
        Ok(())
    });
}

#[test]
fn an_order_started_past_the_intake_parks_with_a_case_before_anything_is_sent() {
    scenario("past-the-intake", "", async |s| {
        s.start();
        let variables = Variables::new()
            .with("tenantId", s.tenant.as_str())
            .with("orderId", "stranger")
            .with("orderRun", 1)
            .with("startAt", "")
            .with("lineCount", 1)
            .with("lineId_0", "1")
            .with("lineAction_0", "add")
            .with("lineNeeds_0", "")
            .with("lineNeedsCount_0", 0);
        let key = business_key(&s.tenant, "stranger", 1);
        let instance = s.setup.engine.start_by_key(PROCESS, &key, &variables).await?;
        s.wait("a case is open", async || Ok(!s.cases().await?.is_empty())).await?;
        let case = s.cases().await?.into_values().next().unwrap();
        assert_eq!((case.step.as_deref(), case.business_key.as_deref()), (None, Some(key.as_str())));
        let called = case.process_instance_id.unwrap();
        s.wait("its task is parked", async || Ok(task(s, &called).await?.retries == Some(0))).await?;
        assert!(task(s, &called).await?.error_message.unwrap_or_default().starts_with(&case.case_number));
        assert!(s.sandbox.arrivals().is_empty(), "nothing was sent");
        Ok(s.setup.engine.delete_process_instance(&instance.id).await?)
    });
}

#[test]
fn an_order_that_is_accepted_again_is_not_started_again() {
    scenario("twice", "", async |s| {
        let (desk, tenant, order) = (&s.setup.desk, &s.tenant, simple("twice"));
        let accept = || desk.accept_order(tenant, &order, 1, "");
        let (first, second, third) = tokio::join!(accept(), accept(), accept());
        let all = [first?, second?, third?];
        assert_eq!(all.iter().filter(|a| **a == Accepted::Already).count(), 2, "{all:?}");
        assert_eq!(accept().await?, Accepted::Already);
        s.start();
        s.accept(vec![order]).await?;
        s.until("twice", Standing::Completed).await?;
        let key = business_key(&s.tenant, "twice", 1);
        let query = fallout_camunda::HistoricInstanceQuery {
            process_instance_business_key: Some(&key),
            process_definition_key: Some(PROCESS),
            ..Default::default()
        };
        assert_eq!(s.setup.engine.historic_process_instances(&query).await?.len(), 1);
        Ok(())
    });
}

/// Orders that are under way for a while.
const SLOW: &str = "[[fault]]\nbehaviour = 'slow'\nms = 150";

/// Accepts orders, calls `accident` in the middle of their work, accepts more, and waits until all are completed.
async fn survive(s: &mut Scenario<'_>, accident: impl FnOnce(&mut Scenario<'_>)) -> anyhow::Result<()> {
    let orders = |name: &str| (0..6).map(|n| simple(&format!("{name}-{n}"))).collect::<Vec<_>>();
    s.start();
    s.accept(orders("before")).await?;
    s.wait("the orders are in the middle of their work", async || Ok(s.book()?.len() >= 8)).await?;
    block_in_place(|| accident(s));
    s.accept(orders("after")).await?;
    for order in orders("before").iter().chain(&orders("after")) {
        s.until(&order.id, Standing::Completed).await?;
    }
    let running = ProcessInstanceQuery { process_definition_key: Some(PROCESS), ..Default::default() };
    assert!(s.setup.engine.process_instances(&running).await?.is_empty(), "no order was started twice");
    assert!(s.cases().await?.is_empty());
    Ok(())
}

#[test]
fn orders_go_on_after_the_engine_was_killed_under_a_long_poll() {
    scenario("engine-killed", SLOW, async |s| {
        survive(s, |s| {
            s.world.engine.kill();
            s.world.engine.restart(&mut |_| {}).expect("the engine starts again");
        })
        .await
    });
}

#[test]
fn orders_go_on_after_postgres_was_killed_under_engine_and_workers() {
    scenario("postgres-killed", SLOW, async |s| {
        survive(s, |s| {
            s.world.postgres.kill();
            s.world.postgres.restart().expect("the server starts again");
        })
        .await
    });
}
