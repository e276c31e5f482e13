//! Lines of one order: who waits for whom, who is blocked by whom, and who waits for a date.

use fallout::demo::Standing;
use fallout_camunda::HistoricActivityQuery;
use fallout_core::{action::Action, step::Outputs};
use fallout_tests::{
    PROCESS, Scenario,
    orders::{LineOf, fault, order, read},
    scenario,
};

/// The lines of an order in the order of their effects.
fn served(s: &Scenario<'_>, order: &str) -> Vec<String> {
    s.book_of(order, "provision").unwrap().into_iter().map(|e| e.line).collect()
}

fn position(served: &[String], line: &str) -> usize {
    served.iter().position(|l| l == line).unwrap_or_else(|| panic!("line {line} has no effect: {served:?}"))
}

#[test]
fn a_line_is_served_after_every_line_it_relies_on() {
    let chain: &[LineOf] = &[("3", "delete", &["2"]), ("2", "modify", &["1"]), ("1", "add", &[])];
    let diamond: &[LineOf] = &[
        ("d", "add", &["b", "c"]),
        ("b", "add", &["a"]),
        ("c", "modify", &["a", "n"]),
        ("n", "noChange", &[]),
        ("a", "add", &[]),
    ];
    scenario("lines", "", async |s| {
        s.start();
        s.accept(vec![order("chain", chain), order("diamond", diamond)]).await?;
        for (order, lines) in [("chain", chain), ("diamond", diamond)] {
            s.until(order, Standing::Completed).await?;
            let served = served(s, order);
            assert_eq!(served.len(), lines.iter().filter(|(_, action, _)| *action != "noChange").count());
            for (line, _, needs) in lines.iter().filter(|(_, action, _)| *action != "noChange") {
                let mut effects = needs.iter().filter(|need| **need != "n");
                let late = effects.find(|need| position(&served, need) > position(&served, line));
                assert_eq!(late, None, "{order}: line {line} was served before it: {served:?}");
            }
        }
        Ok(())
    });
}

#[test]
fn a_parked_line_blocks_its_dependents_and_nothing_else() {
    let lines: &[LineOf] = &[
        ("a", "add", &[]),
        ("b", "add", &[]),
        ("b1", "modify", &["b"]),
        ("b2", "add", &["b1", "a"]),
        ("a1", "modify", &["a"]),
    ];
    let faults = "[[fault]]\nstep = 'provision'\nline = 'b'\nattempt = '1'\nbehaviour = 'reject'\ncode = 'PRODUCT_NOT_AVAILABLE'";
    scenario("blocked", faults, async |s| {
        s.start();
        s.accept(vec![order("blocked", lines)]).await?;
        s.until("blocked", Standing::Parked).await?;
        let mut before = served(s, "blocked");
        before.sort();
        assert_eq!(before, ["a", "a1"]);
        assert!(s.book_of("blocked", "bill")?.is_empty(), "billing needs every line");
        assert_eq!(s.case_of("blocked").await?.line.as_deref(), Some("b"));

        s.retry("blocked").await?;
        s.until("blocked", Standing::Completed).await?;
        assert_eq!(served(s, "blocked")[2..], ["b", "b1", "b2"]);
        Ok(())
    });
}

#[test]
fn several_parked_lines_have_a_case_each_and_recover_one_by_one() {
    let lines: &[LineOf] = &[("1", "add", &[]), ("2", "modify", &[]), ("3", "delete", &[])];
    let faults = fault("three", "provision", "attempt = '1'; behaviour = 'bad_request'");
    scenario("three-parked", &faults, async |s| {
        s.start();
        s.accept(vec![order("three", lines)]).await?;
        s.until("three", Standing::Parked).await?;
        let cases = s.cases_of("three").await?;
        assert_eq!(cases.len(), 3);
        for (recovered, case) in cases.iter().enumerate() {
            s.until("three", Standing::Parked).await?;
            assert_eq!(s.book_of("three", "provision")?.len(), recovered);
            s.recover(&case.case_number, Action::RetryStep, None, Outputs::new()).await?;
            s.resolved(&case.case_number).await?;
        }
        s.until("three", Standing::Completed).await
    });
}

#[test]
fn an_order_for_later_waits_for_its_date_in_a_timer() {
    let line = r#"[{"id": "1", "action": "add"}]"#;
    let later =
        format!(r#"[{{"id": "later", "requestedStartDate": "2999-01-01T00:00:00Z", "productOrderItem": {line}}}]"#);
    scenario("later", "", async |s| {
        s.start();
        s.accept(read(&later)).await?;
        s.until("later", Standing::Completed).await?;
        let root = s.ledger().await?[0].run.process_instance_id.clone();
        let query = HistoricActivityQuery {
            process_instance_id: root.as_deref(),
            activity_id: Some("scheduledStart"),
            finished: Some(true),
            ..Default::default()
        };
        let waited = s.setup.engine.historic_activity_instances(&query).await?;
        assert_eq!(waited.len(), 1, "{PROCESS} waited for the date");
        Ok(())
    });
}
