//! Input that cannot be used is refused by name, and nothing is written.

use fallout_core::{
    case::CaseEvent as E,
    ids::CaseNumber,
    people::{BadText, NOTE_CHARS_MAX},
};
use fallout_desk::{Assignment, CaseCommand, DeskError, Stands};

use crate::house::{BOB, House, by};

/// Everything that any command could write.
async fn written(house: &mut House) -> Option<String> {
    house
        .text(
            "select concat_ws(' ', (select sum(version) from fallout_case), (select count(*) from fallout_event),
                (select count(*) from event_outbox), (select count(*) from group_member))",
        )
        .await
}

#[tokio::test]
async fn a_text_of_a_megabyte_or_with_control_characters_is_not_kept_anywhere() {
    let mut house = House::new().await;
    let case = house.trouble("o-1").await;
    let before = written(&mut house).await;
    let megabyte = "x".repeat(1 << 20);
    for (text, is) in [
        (megabyte.as_str(), "TooLong"),
        ("\u{1b}[2J gone", "ControlCharacter"),
        ("nul \u{0}", "ControlCharacter"),
        (" \n ", "Empty"),
    ] {
        let ask = by(BOB, case);
        let to = Assignment { group: Some(text), ..Assignment::default() };
        let all: [(&str, Result<Stands, DeskError>); 6] = [
            ("note", house.desk.note(&ask, text).await),
            ("classify", house.desk.classify(&ask, "UNCLASSIFIED", text).await),
            ("hand over", house.desk.hand_over(&ask, text, "x").await),
            ("escalate", house.desk.escalate(&ask, "Senior Ops", text).await),
            ("assign", house.desk.assign(&ask, &to).await),
            ("reopen", house.desk.reopen(&ask, text).await),
        ];
        for (command, result) in all {
            let Err(DeskError::BadText(why)) = &result else { panic!("{command}: {result:?}") };
            let name = match why {
                BadText::TooLong { .. } => "TooLong",
                BadText::ControlCharacter { .. } => "ControlCharacter",
                BadText::Empty(_) => "Empty",
            };
            assert_eq!(name, is, "{command}: {why}");
            assert!(why.to_string().len() < 300, "the refusal does not repeat the text");
        }
    }
    assert_eq!(written(&mut house).await, before);
    house.desk.note(&by(BOB, case), &"x".repeat(NOTE_CHARS_MAX)).await.unwrap();
}

#[tokio::test]
async fn an_unknown_classification_case_or_tenant_is_refused_and_so_is_a_version_that_is_history() {
    let mut house = House::new().await;
    let case = house.trouble("o-1").await;
    let before = written(&mut house).await;
    let unknown = house.desk.classify(&by(BOB, case), "NEVER_HEARD_OF", "x").await;
    assert!(matches!(unknown, Err(DeskError::UnknownClassification(_))), "{unknown:?}");
    let foreign = CaseCommand { tenant: "another", ..by(BOB, case) };
    let nowhere = by(BOB, CaseNumber(1));
    let stale = CaseCommand { if_version: Some(99), ..by(BOB, case) };
    for (ask, is) in [(foreign, "no case"), (nowhere, "no case"), (stale, "somebody was first")] {
        let all = [
            house.desk.note(&ask, "x").await,
            house.desk.take(&ask).await,
            house.desk.resume(&ask, None).await,
            house.desk.escalate(&ask, "Senior Ops", "x").await,
            house.desk.link(&ask, case, "x").await,
        ];
        for result in all {
            let said = result.unwrap_err().to_string();
            assert!(said.contains(is), "{said}");
        }
    }
    assert_eq!(written(&mut house).await, before);
}

#[tokio::test]
async fn of_many_who_take_one_case_at_once_one_has_it_and_the_others_learn_who() {
    let house = House::new().await;
    let case = house.trouble("o-1").await;
    let people = ["local:a", "local:b", "local:c", "local:d", "local:e", "local:f"];
    let takes = people.map(|who| {
        let desk = house.desk.clone();
        tokio::spawn(async move { desk.take(&by(who, case)).await })
    });
    let mut taken = 0;
    for take in takes {
        match take.await.unwrap() {
            Ok(_) => taken += 1,
            Err(e) => assert!(matches!(e, DeskError::NotAllowed(_)), "{e:?}"),
        }
    }
    assert_eq!((taken, house.since(case).await.0), (1, vec![E::Taken]));
}
