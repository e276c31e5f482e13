//! The same done to many cases: each answers for itself, a preview foresees it, and a key makes a repeat harmless.

use std::time::Duration;

use fallout_core::{
    case::{CaseEvent as E, WaitsFor},
    ids::CaseNumber,
};
use fallout_desk::{Assignment, Bulk, CaseCommand, Wait, When};

use crate::house::{BOB, House, by};

impl House {
    /// What each case answered.
    async fn all(&self, asks: &[CaseCommand<'_>], what: &Bulk<'_>, key: &str) -> Vec<String> {
        let mut said = Vec::new();
        for ask in asks {
            said.push(match self.desk.bulk(ask, what, key).await {
                Ok(stands) => (if stands.already { "already" } else { "done" }).to_owned(),
                Err(e) => e.to_string(),
            });
        }
        said
    }

    async fn foreseen(&self, asks: &[CaseCommand<'_>], what: &Bulk<'_>, key: Option<&str>) -> Vec<String> {
        let mut said = Vec::new();
        for ask in asks {
            said.push(match self.desk.bulk_foreseen(ask, what, key).await {
                Ok(stands) => (if stands.already { "already" } else { "done" }).to_owned(),
                Err(e) => e.to_string(),
            });
        }
        said
    }

    async fn seen(&self, case: CaseNumber) -> CaseCommand<'static> {
        CaseCommand { if_version: Some(self.case(case).await.case.version), ..by(BOB, case) }
    }
}

fn wait() -> Bulk<'static> {
    let until = Some(When::In(Duration::from_secs(3_600)));
    Bulk::Wait(Wait { waits_for: WaitsFor::Until, reason: "an outage", until })
}

#[tokio::test]
async fn a_repeat_with_the_same_key_does_nothing_twice_whatever_versions_the_file_had() {
    let house = House::new().await.with_billing_ops().await;
    let (one, two) = (house.rejected("o-1").await, house.rejected("o-2").await);
    let assign = Bulk::Assign(Assignment { user: Some(BOB), ..Assignment::default() });
    let classify = Bulk::Classify { code: "ADDRESS_NOT_SERVICEABLE", reason: "they asked" };
    let steps = [
        (assign, E::Assigned),
        (Bulk::Note { text: "outage over" }, E::Noted),
        (classify, E::Classified),
        (wait(), E::Waiting),
        (Bulk::Link { original: one, reason: "the same" }, E::LinkedAsDuplicate),
    ];
    for (what, event) in steps {
        let mut asks = vec![house.seen(two).await];
        if event != E::LinkedAsDuplicate {
            asks.push(house.seen(one).await);
        }
        let before = house.timeline(two).await.iter().filter(|e| **e == event.word()).count();
        assert!(house.foreseen(&asks, &what, Some("k-1")).await.iter().all(|said| said == "done"), "{event}");
        let first = house.all(&asks, &what, "k-1").await;
        if event == E::LinkedAsDuplicate {
            assert!(first[0].contains("parked"), "a parked step waits for its own recovery: {first:?}");
            continue;
        }
        assert!(first.iter().all(|said| said == "done"), "{event}: {first:?}");
        for said in [house.all(&asks, &what, "k-1").await, house.foreseen(&asks, &what, Some("k-1")).await] {
            assert!(said.iter().all(|said| said == "already"), "{event}: {said:?}");
        }
        let after = house.timeline(two).await.iter().filter(|e| **e == event.word()).count();
        assert_eq!(after - before, 1, "{event}");
    }
    let again = house.all(&[by(BOB, one)], &Bulk::Note { text: "outage over" }, "k-2").await;
    assert_eq!(again, ["done"], "another key is another note");
}

#[tokio::test]
async fn two_runs_at_once_with_one_key_write_one_note() {
    let house = House::new().await;
    let case = house.trouble("o-1").await;
    let (ask, note) = (by(BOB, case), Bulk::Note { text: "outage over" });
    let both = tokio::join!(house.desk.bulk(&ask, &note, "k"), house.desk.bulk(&ask, &note, "k"));
    assert_ne!(both.0.unwrap().already, both.1.unwrap().already);
    assert_eq!(house.timeline(case).await.iter().filter(|e| **e == E::Noted.word()).count(), 1);
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_case_is_foreseen_and_refuses_only_that_case() {
    let house = House::new().await;
    let (over, open, stale) = (house.trouble("o-1").await, house.trouble("o-2").await, house.trouble("o-3").await);
    house.desk.link(&by(BOB, over), open, "the same").await.unwrap();
    let none = CaseNumber(7);
    let asks = [by(BOB, over), by(BOB, open), CaseCommand { if_version: Some(99), ..by(BOB, stale) }, by(BOB, none)];
    let foreseen = house.foreseen(&asks, &wait(), None).await;
    assert!(foreseen[0].contains("duplicate"), "{foreseen:?}");
    assert_eq!(foreseen[1], "done");
    assert!(foreseen[2].contains("99"), "{foreseen:?}");
    assert!(foreseen[3].contains("there is no case fc-7"), "{foreseen:?}");
    assert_eq!(house.timeline(open).await.iter().filter(|e| **e == E::Waiting.word()).count(), 0, "nothing is written");
    assert_eq!(house.all(&asks, &wait(), "k").await, foreseen, "what was foreseen happens");
    let link = Bulk::Link { original: open, reason: "the same" };
    assert_eq!(house.foreseen(&asks[..1], &link, None).await, ["already"]);
}
