//! Every case that the demo leaves open, brought to its end by somebody who knows nothing but what `fallout case show` says:
//! which action is possible, what to type for it, and what to find out first.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use fallout::{demo::Standing, roles::intake};
use fallout_tests::{Scenario, scenario};
use serde_json::Value;

use crate::program::{Ended, run};

/// Enough for a case whose recovery fails, is asked about, and is tried again; more is a circle.
const STEPS_MAX: usize = 12;

/// Orders have lines that wait for lines; more rounds than that go in a circle.
const ROUNDS_MAX: usize = 8;

/// The open cases of the worklist.
async fn listed(s: &Scenario<'_>) -> anyhow::Result<Vec<String>> {
    let ended = run(s, &["case", "list", "--json"]).await?;
    ensure!(ended.code == Some(0), "case list: {}", ended.stderr);
    let cases: Value = serde_json::from_str(&ended.stdout)?;
    let cases = cases["cases"].as_array().into_iter().flatten();
    Ok(cases.filter_map(|c| c["case"].as_str().map(str::to_owned)).collect())
}

async fn shown(s: &Scenario<'_>, case: &str) -> anyhow::Result<Value> {
    let ended = run(s, &["case", "show", case, "--json"]).await?;
    ensure!(ended.code == Some(0), "case show {case}: {}", ended.stderr);
    Ok(serde_json::from_str(&ended.stdout)?)
}

/// Types the line that `case show` printed, with its words in capitals replaced.
async fn typed(s: &Scenario<'_>, line: &str, attest: Option<&str>) -> anyhow::Result<Ended> {
    let words = line.split(' ').skip(1).map(|word| match word {
        "TEXT" => "as the case says".to_owned(),
        "applied|not-applied" => attest.unwrap_or("not-applied").to_owned(),
        word => word.replace("=VALUE", "=by-hand"),
    });
    let words: Vec<String> = words.collect();
    run(s, &words.iter().map(String::as_str).collect::<Vec<_>>()).await
}

/// What the people of the downstream answer to whoever asks: whether the effect of the case's step is in their book.
fn found_out(s: &Scenario<'_>, shown: &Value) -> anyhow::Result<bool> {
    let order = shown["order"].as_str().unwrap_or_default();
    let (line, step) = (shown["line"].as_str().unwrap_or_default(), shown["step"].as_str().unwrap_or_default());
    Ok(s.book_of(order, step)?.iter().any(|e| e.line == line && e.direction == "do"))
}

/// The action to choose: the recommended one where it can be taken, else the first that can; of two that differ in what is
/// attested, the one that is true.
fn choice(shown: &Value, applied: bool) -> Option<(String, String)> {
    let actions = shown["actions"].as_array()?;
    let fits = |line: &str| match (line.contains("--attest applied "), line.contains("--attest not-applied ")) {
        (true, _) => applied,
        (_, true) => !applied,
        _ => true,
    };
    let command = |view: &Value| {
        let line = view["command"].as_str()?;
        let name = view["action"].as_str()?;
        // Nobody wants these orders cancelled, and nothing is wrong with what they say, cost or change: their faults are
        // simulated.
        let wanted = !["CANCEL_ORDER", "CORRECT_DATA", "REPRICE_QUOTE", "REBASE_CHANGE"].contains(&name);
        (fits(line) && wanted).then(|| (name.to_owned(), line.to_owned()))
    };
    let recommended = shown["recommended_action"].as_str().or(shown["recommended"].as_str());
    let first = actions.iter().find(|view| recommended.is_some() && view["action"].as_str() == recommended);
    first.and_then(&command).or_else(|| actions.iter().find_map(&command))
}

/// Waits until nothing is under way for the case, and says how it stands.
async fn settled(s: &Scenario<'_>, case: &str) -> anyhow::Result<String> {
    let under_way = ["recovering", "verifying"];
    s.wait(&format!("what was asked for {case} has come to something"), async || {
        Ok(!under_way.contains(&s.case(case).await?.case.status.as_str()))
    })
    .await?;
    Ok(s.case(case).await?.case.status)
}

/// From open to closed; the actions that were taken.
async fn bring_to_its_end(s: &Scenario<'_>, case: &str) -> anyhow::Result<Vec<String>> {
    let mut taken: Vec<String> = Vec::new();
    for _ in 0..STEPS_MAX {
        let status = settled(s, case).await?;
        let detail = shown(s, case).await?;
        if status == "closed" {
            return Ok(taken);
        }
        if let Some(next) = detail["next"].as_str() {
            let ended = typed(s, next, None).await?;
            ensure!(ended.code == Some(0), "{next}: {}", ended.stderr);
            continue;
        }
        let applied = found_out(s, &detail)?;
        let (action, line) =
            choice(&detail, applied).with_context(|| format!("{case} shows no way on: {}", detail["actions"]))?;
        let again = ["RECONCILE_STEP", "RETRY_STEP"].contains(&action.as_str()) && taken.last() == Some(&action);
        let (action, line) = match again {
            // It was tried and did not help: people are asked, or the step is done another way.
            true => without(&detail, applied, &action).context("nothing but trying the same again")?,
            false => (action, line),
        };
        let ended = typed(s, &line, Some(if applied { "applied" } else { "not-applied" })).await?;
        ensure!(ended.code == Some(0), "{case}: {line} ended with {:?}: {}", ended.code, ended.stderr);
        if let Some(approval) = asks_for_a_second_person(&ended.stdout) {
            let second = s.person("second").await?;
            s.setup.desk.approve(&s.tenant, &second, approval, "seen").await?;
        }
        taken.push(action);
    }
    anyhow::bail!("{case} goes in a circle: {taken:?}: {}", shown(s, case).await?)
}

/// The approval that the answer names, where one person was not enough.
fn asks_for_a_second_person(answer: &str) -> Option<uuid::Uuid> {
    answer.split("fallout case approve ").nth(1)?.split(' ').next()?.parse().ok()
}

fn without(shown: &Value, applied: bool, action: &str) -> Option<(String, String)> {
    let mut shown = shown.clone();
    shown["recommended_action"] = Value::Null;
    shown["recommended"] = Value::Null;
    shown["actions"].as_array_mut()?.retain(|view| view["action"] != action);
    choice(&shown, applied)
}

#[test]
fn every_case_that_the_demo_leaves_open_is_closed_by_what_case_show_says() {
    let faults = include_str!("../../config/demo/faults.toml");
    scenario("guided", faults, async |s| {
        let orders = intake::orders(None)?;
        let ids: Vec<String> = orders.iter().map(|order| order.id.clone()).collect();
        s.start();
        s.accept(orders).await?;
        let (mut closed, mut actions) = (Vec::new(), BTreeSet::new());
        // A line that waited for another meets its own trouble only when that one has gone on.
        for _ in 0..ROUNDS_MAX {
            for id in &ids {
                s.wait(&format!("{id} is quiet"), async || Ok(s.standing(id).await? != Standing::Moving)).await?;
            }
            let open = listed(s).await?;
            if open.is_empty() {
                break;
            }
            for case in open {
                actions.extend(bring_to_its_end(s, &case).await.with_context(|| case.clone())?);
                closed.push(case);
            }
        }
        ensure!(closed.len() > 5, "the demo leaves cases open: {closed:?}");
        ensure!(actions.len() > 1, "more than one way was needed: {actions:?}");
        for id in &ids {
            let ended = async || Ok(matches!(s.standing(id).await?, Standing::Completed | Standing::Cancelled));
            s.wait(&format!("{id} has ended"), ended).await?;
        }
        assert_eq!(listed(s).await?, [""; 0], "nothing is left on the worklist");
        for case in &closed {
            let ended = s.case(case).await?;
            assert!(ended.fields.resolution_code.is_some(), "{case}: what ended it is proven");
        }
        let effects = s.effects().await?;
        assert!(effects.is_clean(), "{:?}", effects.findings);
        Ok(())
    });
}
