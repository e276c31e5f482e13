//! The program as people and service managers run it: roles in processes of their own, the command line, the demo.

use std::{collections::BTreeMap, net::TcpListener};

use anyhow::ensure;
use fallout::demo::Standing;
use fallout_core::order::Order;
use fallout_tests::{
    Scenario,
    orders::{fault, simple},
    product, scenario,
};
use fallout_watch::Controller;
use serde_json::{Value, json};

use crate::engine::root;
use crate::program::{Program, environment, run, start};

/// Long enough that a signal meets a worker in the middle of its work.
const SLOW: &str = "[[fault]]\nbehaviour = 'slow'\nms = 300";

fn orders(name: &str) -> Vec<Order> {
    (0..6).map(|n| simple(&format!("{name}-{n}"))).collect()
}

async fn until_in_the_middle(s: &Scenario<'_>) -> anyhow::Result<()> {
    s.wait("the workers are in the middle of their work", async || Ok(s.book()?.len() >= 4)).await
}

#[test]
fn a_worker_that_is_asked_to_stop_loses_nothing_and_another_goes_on() {
    scenario("sigterm", SLOW, async |s| {
        let (watch, worker) = (start(s, &["watch"])?, start(s, &["worker", "run"])?);
        s.accept(orders("stop")).await?;
        until_in_the_middle(s).await?;
        let ended = worker.stopped().await?;
        assert!(ended.stderr.contains("stopped: "), "it says how it ended: {}", ended.stderr);
        assert!(ended.stderr.contains(" 0 left"), "it had the time to finish: {}", ended.stderr);
        assert!(ended.stdout.is_empty(), "{}", ended.stdout);

        let worker = start(s, &["worker", "run"])?;
        for order in orders("stop") {
            s.until(&order.id, Standing::Completed).await?;
        }
        worker.stopped().await?;
        watch.stopped().await?;
        assert!(s.cases().await?.is_empty());
        Ok(())
    });
}

#[test]
fn of_two_workers_on_the_same_topics_one_is_killed_and_no_effect_is_lost_or_made_twice() {
    scenario("sigkill", SLOW, async |s| {
        let watch = start(s, &["watch"])?;
        let (first, second) = (start(s, &["worker", "run"])?, start(s, &["worker", "run"])?);
        s.accept(orders("kill")).await?;
        until_in_the_middle(s).await?;
        first.signal(libc::SIGKILL);
        assert_eq!(first.ended().await?.code, None);
        for order in orders("kill") {
            // What cannot be looked up waits for a person.
            let quiet = async || Ok(matches!(s.standing(&order.id).await?, Standing::Completed | Standing::Parked));
            s.wait(&format!("order {} has ended or is parked", order.id), quiet).await?;
        }
        for case in s.cases().await?.values() {
            assert_eq!(
                (case.step.as_deref(), case.classification.as_deref()),
                (Some("notify"), Some("OUTCOME_UNKNOWN"))
            );
        }
        second.stopped().await?;
        watch.stopped().await.map(drop)
    });
}

#[test]
fn an_attempt_of_a_killed_worker_whose_task_was_deleted_gets_an_owner() {
    let faults = fault("gone", "notify", "attempt = '1'; behaviour = 'slow'; ms = 3000");
    scenario("killed-deleted", &faults, async |s| {
        let (watch, worker) = (start(s, &["watch"])?, start(s, &["worker", "run"])?);
        s.accept(vec![simple("gone")]).await?;
        s.wait("its effect is under way", async || Ok(s.attempts_at("gone", "notify") == 1)).await?;
        worker.signal(libc::SIGKILL);
        worker.ended().await?;
        s.setup.engine.delete_process_instance(&root(s, "gone").await?).await?;
        s.wait("someone owns what may have happened", async || {
            let cases = s.cases_of("gone").await?;
            Ok(cases
                .iter()
                .any(|c| c.classification.as_deref() == Some("TASK_GONE") && c.step.as_deref() == Some("notify")))
        })
        .await?;
        watch.stopped().await.map(drop)
    });
}

#[test]
fn a_parked_order_is_found_shown_and_recovered_on_the_command_line() {
    let faults = fault("by-hand", "reserve", "attempt = '1'; behaviour = 'reject'; code = 'PRODUCT_NOT_AVAILABLE'");
    scenario("command-line", &faults, async |s| {
        s.start();
        s.accept(vec![simple("by-hand")]).await?;
        s.until("by-hand", Standing::Parked).await?;
        let listed = json_of(s, &["case", "list", "--json"]).await?["cases"].take();
        let case = listed[0]["case"].as_str().unwrap_or_default().to_owned();
        assert_eq!((listed.as_array().map(Vec::len), &listed[0]["order"]), (Some(1), &json!("by-hand")));
        let shown = run(s, &["case", "show", &case]).await?;
        assert!(shown.stdout.contains("PRODUCT_NOT_AVAILABLE") && shown.stdout.contains("by-hand"), "{}", shown.stdout);
        let detail = json_of(s, &["case", "show", &case, "--json"]).await?;
        assert_eq!((&detail["case"], &detail["status"]), (&json!(case), &json!("classified")));

        let refused = run(s, &["case", "recover", &case, "--action", "resume", "--reason", "it is there"]).await?;
        assert!(refused.code == Some(3) && refused.stderr.contains("FO-040"), "{:?} {}", refused.code, refused.stderr);
        let retry =
            ["case", "recover", &case, "--action", "retry", "--reason", "in stock again", "--idempotency-key", "k"];
        let taken = json_of(s, &[&retry[..], &["--json"]].concat()).await?;
        assert_eq!(taken["repeated"], false);
        s.until("by-hand", Standing::Completed).await?;
        let again = run(s, &retry).await?;
        assert!(again.code == Some(0) && again.stdout.contains("already done"), "{:?} {}", again.code, again.stdout);
        assert_eq!(json_of(s, &["case", "list", "--json"]).await?["cases"], json!([]));
        Ok(())
    });
}

/// What a command printed, as the one JSON value that it must be.
async fn json_of(s: &Scenario<'_>, args: &[&str]) -> anyhow::Result<Value> {
    let ended = run(s, args).await?;
    ensure!(ended.code == Some(0), "{args:?} ended with {:?}: {}", ended.code, ended.stderr);
    Ok(serde_json::from_str(&ended.stdout)?)
}

#[test]
fn what_is_wrong_on_the_command_line_is_said_with_a_code_and_what_to_do() {
    let rows: &[(&[&str], i32, &[&str])] = &[
        (&["worker", "run", "inventory.chek"], 2, &["FO-030", "inventory.chek", "inventory.check"]),
        (&["watch", "relais"], 2, &["FO-032", "relais", "relay"]),
        (&["case", "show", "fc-1"], 2, &["FO-041", "fc-1"]),
        (&["case", "show", "17"], 2, &["FO-041", "17", "fc-"]),
        (&["case", "recover", "fc-1", "--action", "retry"], 2, &["--reason"]),
        (&["case", "recover", "fc-1", "--action", "retry", "--reason", "why not"], 2, &["FO-041", "fc-1"]),
        (
            &["case", "recover", "fc-1", "--action", "resume", "--reason", "r", "--attest", "applied"],
            2,
            &["--reference"],
        ),
    ];
    scenario("wrong-input", "", async |s| {
        for (args, code, said) in rows {
            let ended = run(s, args).await?;
            let complete = said.iter().all(|word| ended.stderr.contains(word));
            assert!(
                ended.code == Some(*code) && complete,
                "{args:?} ended with {:?} and said: {}",
                ended.code,
                ended.stderr
            );
            assert!(ended.stdout.is_empty(), "{args:?}: {}", ended.stdout);
        }
        let check = run(s, &["check"]).await?;
        assert_eq!(check.code, Some(0), "{}{}", check.stdout, check.stderr);
        Ok(())
    });
}

#[test]
fn a_worker_without_an_engine_says_so_once_keeps_trying_and_stops_when_asked() {
    scenario("engine-away", "", async |s| {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut environment = environment(s);
        environment.retain(|(name, _)| name != "CAMUNDA_URL");
        environment.push(("CAMUNDA_URL".into(), format!("http://127.0.0.1:{port}/engine-rest")));
        let worker = Program::start(&["worker", "run"], &environment)?;
        let told = || worker.stderr().matches("waiting for the engine").count();
        s.wait("it says that it waits", async || Ok(told() == 1)).await?;
        // Three more tries, each of which meets a closed connection.
        let engine = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        for _ in 0..3 {
            drop(tokio::time::timeout(std::time::Duration::from_secs(30), engine.accept()).await??);
        }
        assert_eq!(told(), 1, "{}", worker.stderr());
        worker.stopped().await.map(drop)
    });
}

/// Each controller by its name, as `fallout watch status` tells of it.
async fn status(s: &Scenario<'_>) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut all = json_of(s, &["watch", "status", "--json"]).await?;
    let lines = all.as_array_mut().map(std::mem::take).unwrap_or_default();
    Ok(lines
        .into_iter()
        .map(|mut line| (line["controller"].as_str().unwrap_or_default().to_owned(), line["run"].take()))
        .collect())
}

#[test]
fn the_status_tells_of_each_controller_what_it_did_and_that_it_does_not_run_any_more() {
    scenario("watch-status", "", async |s| {
        let changed = |all: &BTreeMap<String, Value>| all["relay"]["changed_total"].as_u64().unwrap_or_default();
        let before = changed(&status(s).await?);
        let watch = start(s, &["watch"])?;
        s.accept(vec![simple("status")]).await?;
        s.wait("the relay has started the order, and said so", async || Ok(changed(&status(s).await?) > before))
            .await?;
        let ours = format!("{}@", watch.id());
        s.wait("every controller has run", async || {
            let all = status(s).await?;
            Ok(Controller::ALL.iter().all(|c| {
                let run = &all[c.name()];
                run["process"].as_str().is_some_and(|process| process.starts_with(&ours)) && run["lag_s"] == 0
            }))
        })
        .await?;
        let shown = run(s, &["watch", "status"]).await?;
        for controller in Controller::ALL {
            ensure!(shown.stdout.contains(controller.name()), "{controller:?}: {}", shown.stdout);
        }
        watch.stopped().await?;
        s.wait("nobody runs them any more", async || {
            Ok(status(s).await?.values().all(|run| run["lag_s"].as_u64().is_some_and(|lag| lag > 0)))
        })
        .await
    });
}

/// Six orders of several shapes.
fn demo_orders() -> Value {
    let item = |id: &str, action: &str| json!({ "id": id, "action": action, "quantity": 1 });
    let order = |id: &str, items: Value| json!({ "id": id, "@type": "ProductOrder", "productOrderItem": items });
    let depends = json!({ "id": "2", "action": "modify", "productOrderItemRelationship": [{ "id": "1", "relationshipType": "reliesOn" }] });
    let mut later = order("later", json!([item("1", "add")]));
    later["requestedStartDate"] = json!("2999-12-31T23:59:59Z");
    json!([
        order("one", json!([item("1", "add")])),
        order("два/2", json!([item("1", "add"), depends])),
        order("nothing-to-do", json!([item("1", "noChange")])),
        order("end", json!([item("1", "delete"), item("2", "add")])),
        order("parked", json!([item("1", "add")])),
        later,
    ])
}

#[test]
fn the_demo_prints_one_object_with_its_zeros_and_ends_well() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (orders, faults) = (dir.path().join("orders.json"), dir.path().join("faults.toml"));
    std::fs::write(&orders, demo_orders().to_string())?;
    let parks = fault("parked", "bill", "attempt = '1'; behaviour = 'reject'; code = 'BILLING_ACCOUNT_INVALID'");
    std::fs::write(&faults, parks + &fault("one", "reserve", "attempt = '1'; behaviour = 'cut_after'"))?;
    let args = [
        "demo",
        "--json",
        "--kafka",
        "--engine",
        product().name(),
        "--orders",
        &orders.to_string_lossy(),
        "--faults",
        &faults.to_string_lossy(),
    ];
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(async { Program::start(&args, &[])?.ended().await })?;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let mut summary: Value = serde_json::from_str(&ended.stdout)?;
    for measured in ["startup_seconds", "seconds"] {
        assert!(summary[measured].take().as_f64().is_some_and(|s| s > 0.0), "{measured}");
    }
    assert!(summary["engine"]["version"].take().is_string());
    let events = summary["events"].take();
    assert!(events["told"].as_u64().is_some_and(|told| told > 0) && events["arrived"] == events["told"], "{events}");
    assert_eq!(
        summary,
        json!({
            "orders": 6, "completed": 5, "cancelled": 0, "parked": 1, "lost": 0,
            "cases": { "open": 1, "by_category": { "BILLING": 1 } },
            "effects": { "intended": 34, "applied": 33, "duplicated": 0, "unexplained": 0, "orphaned": 0 },
            "engine": { "product": product().name(), "version": null },
            "startup_seconds": null, "seconds": null, "events": null,
        })
    );
    Ok(())
}
