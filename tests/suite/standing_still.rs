//! Standing still on purpose: a downstream that is declared offline, an order or line that is held. Nothing is lost, nothing
//! is done twice, and everything goes on by itself.

use std::time::Duration;

use fallout::demo::Standing;
use fallout_camunda::ExternalTaskQuery;
use fallout_core::{
    context::{ItemState, OrderState},
    offline::Phase,
    step::StepState,
};
use fallout_desk::{HoldCommand, Offline, When};
use fallout_tests::{
    Scenario,
    orders::{fault, order, simple},
    scenario,
};

const BY: &str = "local:test";

fn soon(seconds: u64) -> When {
    When::In(Duration::from_secs(seconds))
}

async fn offline(s: &Scenario<'_>, from: Option<When>, until: When) -> anyhow::Result<()> {
    let ask = Offline { downstream: "billing", operation: None, reason: "INC-1", from, until };
    s.setup.desk.declare_offline(&s.tenant, BY, &ask).await?;
    Ok(())
}

async fn online(s: &Scenario<'_>) -> anyhow::Result<()> {
    s.setup.desk.declare_online(&s.tenant, BY, "billing", None, "it is back").await?;
    Ok(())
}

/// The newest window.
async fn phase(s: &Scenario<'_>) -> anyhow::Result<Option<Phase>> {
    let windows = s.setup.desk.declared_offline(&s.tenant, true).await?;
    Ok(windows.iter().max_by_key(|w| w.window.starts_at).map(|w| w.phase))
}

/// The engine has so many tasks of billing that nobody has.
async fn waits_at_billing(s: &Scenario<'_>, orders: usize) -> anyhow::Result<()> {
    let query = ExternalTaskQuery { topic_name: Some("billing.activate"), locked: Some(false), ..Default::default() };
    s.wait(&format!("{orders} tasks wait for billing"), async || {
        Ok(s.setup.engine.external_tasks(&query).await?.len() == orders)
    })
    .await
}

fn names(prefix: &str) -> Vec<String> {
    (0..8).map(|n| format!("{prefix}-{n}")).collect()
}

#[test]
fn a_downstream_that_goes_offline_mid_run_is_not_asked_until_it_is_back_and_nothing_is_lost_or_made_twice() {
    // The first answer is lost: what became of it is found out when there is somebody to ask.
    let faults = fault("early-0", "bill", "attempt = '1'; behaviour = 'timeout_after'");
    scenario("offline", &faults, async |s| {
        s.start();
        s.accept(names("early").iter().map(|id| simple(id)).collect()).await?;
        s.wait("somebody is billed", async || Ok(s.book()?.iter().any(|e| e.step == "bill"))).await?;
        offline(s, None, soon(3_600)).await?;
        s.accept(names("late").iter().map(|id| simple(id)).collect()).await?;
        // Everything else goes on.
        for late in names("late") {
            s.wait("it is provisioned", async || {
                Ok(s.step(&late, "1", "provision").await?.is_some_and(|v| v.step.state == StepState::Done))
            })
            .await?;
        }
        // All of the late ones, and of the early ones what was not in hand.
        let query =
            ExternalTaskQuery { topic_name: Some("billing.activate"), locked: Some(false), ..Default::default() };
        s.wait("the late ones wait at billing", async || Ok(s.setup.engine.external_tasks(&query).await?.len() >= 8))
            .await?;
        assert!(names("late").iter().all(|id| s.attempts_at(id, "bill") == 0), "nothing is tried");

        online(s).await?;
        for id in names("early").iter().chain(&names("late")) {
            s.until(id, Standing::Completed).await?;
            assert_eq!(s.book_of(id, "bill")?.len(), 1, "{id}");
        }
        s.wait("it is over", async || Ok(phase(s).await? == Some(Phase::Over))).await
    });
}

#[test]
fn a_planned_time_begins_and_ends_by_itself_and_the_cases_of_the_downstream_wait_meanwhile() {
    let faults = fault("parked", "bill", "attempt = '1'; behaviour = 'bad_request'");
    scenario("planned", &faults, async |s| {
        s.start();
        s.accept(vec![simple("parked")]).await?;
        s.until("parked", Standing::Parked).await?;
        let case = s.case_of("parked").await?.case_number;
        offline(s, Some(soon(1)), soon(3_600)).await?;
        s.wait("it has begun", async || Ok(phase(s).await? == Some(Phase::Offline))).await?;
        s.wait("its case waits", async || Ok(s.case(&case).await?.case.status == "waiting")).await?;
        let told = s.setup.desk.customer_status(&s.tenant, "parked").await?;
        assert_eq!(told.status, "PROCESSING_DELAYED");
        s.accept(vec![simple("planned")]).await?;
        waits_at_billing(s, 1).await?;
        assert_eq!(s.attempts_at("planned", "bill"), 0);

        // Said again, the end moves; it comes by itself.
        offline(s, None, soon(1)).await?;
        s.until("planned", Standing::Completed).await?;
        s.wait("its case is back", async || Ok(s.case(&case).await?.case.status == "assigned")).await?;
        s.retry("parked").await?;
        s.until("parked", Standing::Completed).await?;
        s.resolved(&case).await
    });
}

#[test]
fn a_held_line_waits_while_its_sibling_finishes_and_the_order_goes_on_when_it_is_released() {
    scenario("held-line", "", async |s| {
        s.accept(vec![order("held", &[("1", "add", &[]), ("2", "add", &[])])]).await?;
        let tenant = s.tenant.clone();
        let ask = HoldCommand { tenant: &tenant, principal: BY, order: "held", line: Some("1"), reason: "moves" };
        s.setup.desk.hold_order(&ask).await?;
        s.start();
        s.wait("the sibling is provisioned", async || {
            Ok(s.step("held", "2", "provision").await?.is_some_and(|v| v.step.state == StepState::Done))
        })
        .await?;
        let query = ExternalTaskQuery { topic_name: Some("provisioning.add"), ..Default::default() };
        s.wait("the held line is at its task", async || Ok(s.setup.engine.external_tasks(&query).await?.len() == 1))
            .await?;
        let provisioned: Vec<_> = s.book_of("held", "provision")?.into_iter().map(|e| e.line).collect();
        assert_eq!(provisioned, ["2"]);
        let view = s.setup.desk.order(&tenant, "held").await?;
        let lines: Vec<_> = view.lines.iter().map(|l| l.state).collect();
        assert_eq!((view.state, lines[0]), (Some(OrderState::InProgress), Some(ItemState::Held)));

        s.setup.desk.release_order(&ask).await?;
        s.until("held", Standing::Completed).await?;
        assert_eq!(s.book_of("held", "provision")?.len(), 2);
        Ok(())
    });
}
