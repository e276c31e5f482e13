//! Many cases recovered at once on the real engine: whoever is killed, paused or overtaken, each case is recovered once or says
//! why not.

use fallout::demo::Standing;
use fallout_core::{
    action::Action,
    bulk::{BulkCaseState as C, BulkEvent, BulkState, Pace},
    ids::{BulkNumber, CaseNumber},
    step::Outputs,
};
use fallout_desk::{BulkCommand, BulkView};
use fallout_tests::{
    Scenario,
    orders::{fault, simple},
    scenario,
};
use serde_json::json;

use crate::program::start;

const BY: &str = "local:test";

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("o-{n}")).collect()
}

/// Their first reservation fails as often as `attempt` says, and they wait for a person.
fn faults(count: usize, attempt: &str) -> String {
    let fault = |id: &String| fault(id, "reserve", &format!("attempt = '{attempt}'; behaviour = 'bad_request'"));
    names(count).iter().map(fault).collect()
}

/// All of them parked, and their cases in their order.
async fn parked(s: &mut Scenario<'_>, count: usize) -> anyhow::Result<Vec<CaseNumber>> {
    s.accept(names(count).iter().map(|id| simple(id)).collect()).await?;
    let mut cases = Vec::new();
    for id in names(count) {
        s.until(&id, Standing::Parked).await?;
        cases.push(s.case_of(&id).await?.case_number.parse()?);
    }
    Ok(cases)
}

async fn retry(s: &Scenario<'_>, cases: &[CaseNumber], pace: Pace) -> anyhow::Result<BulkNumber> {
    let cases: Vec<_> = cases.iter().map(|case| (*case, None)).collect();
    let ask = BulkCommand {
        tenant: &s.tenant,
        principal: BY,
        action: Action::RetryStep,
        reason: "the scenario asks for it",
        selection: &json!({}),
        pace: Some(pace),
        idempotency_key: "bulk-of-the-scenario",
        cases: &cases,
    };
    Ok(s.setup.desk.begin_bulk(&ask).await?.view.bulk.number)
}

async fn view(s: &Scenario<'_>, bulk: BulkNumber) -> anyhow::Result<BulkView> {
    Ok(s.setup.desk.bulk_view(&s.tenant, bulk).await?)
}

async fn count(s: &Scenario<'_>, bulk: BulkNumber, state: C) -> anyhow::Result<i64> {
    Ok(view(s, bulk).await?.cases.iter().find(|(is, _)| *is == state).map_or(0, |(_, n)| *n))
}

async fn until(s: &Scenario<'_>, bulk: BulkNumber, state: BulkState) -> anyhow::Result<()> {
    s.wait(&format!("{bulk} is {state}"), async || Ok(view(s, bulk).await?.bulk.state == state)).await
}

async fn control(s: &Scenario<'_>, bulk: BulkNumber, event: BulkEvent) -> anyhow::Result<()> {
    s.setup.desk.control_bulk(&s.tenant, BY, bulk, event, "the scenario asks for it").await?;
    Ok(())
}

const GENTLE: Pace = Pace { per_second: 4, at_once: 50, stop_at_percent: 20 };

#[test]
fn a_bulk_that_is_killed_half_way_goes_on_and_recovers_each_case_once() {
    scenario("bulk-killed", &faults(12, "1"), async |s| {
        s.start();
        let cases = parked(s, 12).await?;
        s.stop().await?;
        let (first, worker) = (start(s, &["watch"])?, start(s, &["worker", "run"])?);
        let bulk = retry(s, &cases, Pace { per_second: 1, ..GENTLE }).await?;
        s.wait("it is under way", async || Ok(count(s, bulk, C::Recovered).await? >= 2)).await?;
        first.signal(libc::SIGKILL);
        assert_eq!(first.ended().await?.code, None);
        assert!(count(s, bulk, C::Pending).await? > 0, "it was killed before its end");

        let second = start(s, &["watch"])?;
        until(s, bulk, BulkState::Done).await?;
        for id in names(12) {
            s.until(&id, Standing::Completed).await?;
            assert_eq!((s.book_of(&id, "reserve")?.len(), s.attempts_at(&id, "reserve")), (1, 2), "{id}");
        }
        assert_eq!(count(s, bulk, C::Recovered).await?, 12);
        for case in cases {
            assert_eq!(s.setup.desk.actions(&s.tenant, case).await?.len(), 1, "{case}");
        }
        worker.stopped().await?;
        second.stopped().await?;
        Ok(())
    });
}

#[test]
fn a_bulk_is_paused_an_order_is_cancelled_meanwhile_and_the_others_go_on_when_it_is_resumed() {
    scenario("bulk-paused", &faults(6, "1"), async |s| {
        s.start();
        let cases = parked(s, 6).await?;
        let bulk = retry(s, &cases, Pace { per_second: 1, ..GENTLE }).await?;
        s.wait("it has begun", async || Ok(count(s, bulk, C::Recovered).await? > 0)).await?;
        control(s, bulk, BulkEvent::Paused).await?;
        s.wait("nothing is under way", async || {
            Ok(count(s, bulk, C::Recovering).await? + count(s, bulk, C::Taken).await? == 0)
        })
        .await?;
        let pending = count(s, bulk, C::Pending).await?;
        assert!(pending > 0, "it was paused before its end");
        // The last one is overtaken.
        s.recover(&cases[5].to_string(), Action::CancelOrder, None, Outputs::new()).await?;
        s.until("o-5", Standing::Cancelled).await?;
        assert_eq!(count(s, bulk, C::Pending).await?, pending, "a paused bulk begins nothing");

        control(s, bulk, BulkEvent::Resumed).await?;
        until(s, bulk, BulkState::Done).await?;
        assert_eq!((count(s, bulk, C::Recovered).await?, count(s, bulk, C::Refused).await?), (5, 1));
        let results = s.setup.desk.bulk_cases(&s.tenant, bulk, 0, 10).await?;
        assert!(results[5].why.as_deref().is_some_and(|why| why.contains("takes no action")), "{:?}", results[5]);
        for id in names(5) {
            s.until(&id, Standing::Completed).await?;
        }
        assert!(s.book_of("o-5", "reserve")?.is_empty());
        Ok(())
    });
}

#[test]
fn a_bulk_whose_recoveries_fail_again_stops_itself_and_leaves_the_others_alone() {
    scenario("bulk-halts", &faults(26, "1-2"), async |s| {
        s.start();
        let cases = parked(s, 26).await?;
        let bulk = retry(s, &cases, Pace { at_once: 5, ..GENTLE }).await?;
        until(s, bulk, BulkState::Halted).await?;
        s.wait("nothing is under way", async || Ok(count(s, bulk, C::Recovering).await? == 0)).await?;
        let (failed, pending) = (count(s, bulk, C::Failed).await?, count(s, bulk, C::Pending).await?);
        assert!(failed >= 20 && failed + pending == 26 && pending > 0, "{failed} failed, {pending} pending");
        let left = s.case(&cases[25].to_string()).await?;
        assert_eq!(left.case.status, "classified", "it was left alone");
        Ok(())
    });
}
