//! What a whole recovery tells outside, and that its history can be proven with the program alone.

use std::fs;

use fallout::demo::Standing;
use fallout_core::event::EventType;
use fallout_desk::Place;
use fallout_tests::{
    orders::{fault, simple},
    scenario,
};
use serde_json::Value;

use crate::program;

#[test]
fn a_recovery_is_told_outside_sealed_and_proven_against_anchors() {
    let faults = fault("o", "bill", "attempt = '1'; behaviour = 'unauthorised'");
    scenario("history", &faults, async |s| {
        let desk = s.setup.desk.clone();
        s.start();
        s.accept(vec![simple("o")]).await?;
        s.until("o", Standing::Parked).await?;
        let case = s.case_of("o").await?.case_number;
        s.retry("o").await?;
        s.until("o", Standing::Completed).await?;
        s.resolved(&case).await?;

        use EventType as E;
        let lived = [
            E::CaseCreated,
            E::CaseClassified,
            E::ActionRequested,
            E::ActionStarted,
            E::ActionCompleted,
            E::CaseResolved,
        ];
        let told = async || -> anyhow::Result<Vec<EventType>> {
            let events = desk.events_after(Place::default(), 10_000).await?;
            Ok(events.iter().filter(|(_, e)| e.subject == case).map(|(_, e)| e.kind).collect())
        };
        s.wait("the events can be read", async || Ok(told().await?.contains(&E::CaseResolved))).await?;
        assert_eq!(told().await?.into_iter().filter(|e| lived.contains(e)).collect::<Vec<_>>(), lived);

        let tenant = s.tenant.clone();
        s.wait("the history is sealed", async || {
            let verified = desk.verify_history(&tenant, &[]).await?;
            Ok(verified.entries >= lived.len() && verified.unsealed == 0)
        })
        .await?;
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("anchors");
        let path = file.to_str().unwrap();
        for (added, says) in [(true, "heads added"), (false, "already done")] {
            let ended = program::run(s, &["audit", "anchor", "--to", path]).await?;
            assert!(ended.code == Some(0) && ended.stdout.contains(says), "{added}: {} {}", ended.stdout, ended.stderr);
        }
        let verify = ["--json", "audit", "verify", "--tenant", &tenant, "--anchors", path];
        let ended = program::run(s, &verify).await?;
        let said: Value = serde_json::from_str(&ended.stdout)?;
        assert_eq!((ended.code, &said[0]["findings"]), (Some(0), &Value::Array(Vec::new())), "{said}");

        // As if the database did not have what it had when this head was taken.
        let later = format!("{{\"tenant\":\"{tenant}\",\"seq\":9999,\"head\":\"{}\"}}\n", "ab".repeat(32));
        fs::write(&file, fs::read_to_string(&file)? + &later)?;
        let ended = program::run(s, &verify).await?;
        let said: Value = serde_json::from_str(&ended.stdout)?;
        assert_eq!((ended.code, &said[0]["findings"][0]["what"]), (Some(3), &Value::from("cut_off")));
        assert!(ended.stderr.contains("FO-080") && ended.stderr.contains(&tenant), "{}", ended.stderr);
        Ok(())
    });
}
