//! Orders that the engine does not move: no recovery reaches them, and asking the engine to go on makes no effect twice.

use fallout::demo::Standing;
use fallout_camunda::Variable;
use fallout_desk::DeskError;
use fallout_tests::{
    Scenario,
    orders::{fault, simple},
    scenario,
};

use crate::engine::root;

async fn unblock(s: &Scenario<'_>, order: &str) -> Result<fallout_desk::Unblocked, DeskError> {
    s.setup.desk.unblock_order(&s.tenant, "local:test", order, "the scenario asks for it").await
}

#[test]
fn a_recovery_of_a_suspended_order_takes_effect_once_the_order_is_activated() {
    let faults = fault("asleep", "bill", "attempt = '1'; behaviour = 'bad_request'");
    scenario("suspended-order", &faults, async |s| {
        s.start();
        s.accept(vec![simple("asleep")]).await?;
        s.until("asleep", Standing::Parked).await?;
        let case = s.case_of("asleep").await?.case_number;
        let step = s.step("asleep", "", "bill").await?.unwrap().step;
        for instance in [root(s, "asleep").await?, step.process_instance_id] {
            s.setup.engine.suspend_process_instance(&instance).await?;
        }
        s.retry("asleep").await?;
        let asked = unblock(s, "asleep").await?;
        assert_eq!(asked.cases, [case.parse()?], "the timeline of its case says so");
        s.until("asleep", Standing::Completed).await?;
        assert_eq!((s.attempts_at("asleep", "bill"), s.book_of("asleep", "bill")?.len()), (2, 1));
        let over = unblock(s, "asleep").await;
        assert!(matches!(&over, Err(DeskError::NotUnderWay(order)) if order == "asleep"), "{over:?}");
        Ok(())
    });
}

#[test]
fn a_job_that_the_engine_gave_up_is_tried_again_however_often_that_is_asked() {
    let faults = fault("stuck", "reserve", "attempt = '1'; behaviour = 'bad_request'");
    scenario("failed-job", &faults, async |s| {
        s.start();
        s.accept(vec![simple("stuck")]).await?;
        s.until("stuck", Standing::Parked).await?;
        let root = root(s, "stuck").await?;
        let lines = async |count: Variable| s.setup.engine.put_variable(&root, "lineCount", &count).await;
        lines("not a number".into()).await?;
        s.retry("stuck").await?;
        let given_up = async || Ok(s.setup.engine.jobs(&root).await?.iter().any(|job| job.retries == 0));
        s.wait("the job before the lines is given up", given_up).await?;

        // Its cause is still there: one more try each time, and nothing else.
        unblock(s, "stuck").await?;
        s.wait("the engine was told", async || Ok(s.setup.desk.pending_commands().await? == 0)).await?;
        s.wait("it is given up again", given_up).await?;
        lines(1.into()).await?;
        unblock(s, "stuck").await?;
        unblock(s, "stuck").await?;
        s.until("stuck", Standing::Completed).await?;
        assert_eq!((s.book_of("stuck", "reserve")?.len(), s.book_of("stuck", "provision")?.len()), (1, 1));
        Ok(())
    });
}
