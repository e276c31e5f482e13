//! Events leave with the entry they tell of, once, in order, and none is skipped.

use fallout_core::{case::CaseEvent, event::EventType};
use fallout_desk::Place;

use crate::database::{Database, append, number, run, try_run};

const TWO: [CaseEvent; 2] = [CaseEvent::Created, CaseEvent::Classified];

/// Subjects and types after a place, once nothing keeps them back, and the place to go on from.
async fn read(database: &Database, place: Place) -> (Place, Vec<String>) {
    database.settled().await;
    read_now(database, place).await
}

async fn read_now(database: &Database, place: Place) -> (Place, Vec<String>) {
    let events = database.desk.events_after(place, 100).await.unwrap();
    let last = events.last().map_or(place, |(place, _)| *place);
    (last, events.iter().map(|(_, e)| format!("{} {}", e.subject, e.kind)).collect())
}

#[tokio::test]
async fn an_entry_and_its_event_are_written_together_or_not_at_all() {
    let database = Database::new().await;
    let case = database.case(1).await;
    let mut tx = database.begin().await;
    append(&mut tx, case, &TWO).await;
    drop(tx);
    assert_eq!(read(&database, Place::default()).await.1, Vec::<String>::new());

    database.tell(case, &TWO).await;
    let (place, told) = read(&database, Place::default()).await;
    assert_eq!(told, ["fc-1 FalloutCaseCreated", "fc-1 FalloutCaseClassified"]);
    assert_eq!(read(&database, place).await.1, Vec::<String>::new(), "once");
}

#[tokio::test]
async fn a_repeated_signal_is_on_the_timeline_and_not_told_outside() {
    let database = Database::new().await;
    let case = database.case(1).await;
    database.tell(case, &[CaseEvent::SignalJoined, CaseEvent::Resolved]).await;
    assert_eq!(read(&database, Place::default()).await.1, [format!("{} {}", number(1), EventType::CaseResolved)]);
}

#[tokio::test]
async fn a_reader_stops_below_a_transaction_that_is_still_open_and_skips_nothing() {
    let database = Database::new().await;
    let (slow, quick, late) = (database.case(1).await, database.case(2).await, database.case(3).await);
    let mut open = database.begin().await;
    append(&mut open, slow, &[CaseEvent::Created]).await;
    // Begun later, committed earlier: its numbers are higher, and a reader that took it would never go back.
    database.tell(quick, &[CaseEvent::Created]).await;
    let (place, told) = read_now(&database, Place::default()).await;
    assert_eq!(told, Vec::<String>::new(), "the open transaction may yet write below");

    append(&mut open, late, &[CaseEvent::Created]).await;
    open.commit().await.unwrap();
    let (_, told) = read(&database, place).await;
    assert_eq!(told, ["fc-1 FalloutCaseCreated", "fc-3 FalloutCaseCreated", "fc-2 FalloutCaseCreated"]);
}

#[tokio::test]
async fn a_page_ends_anywhere_and_the_next_one_goes_on_there() {
    let database = Database::new().await;
    let case = database.case(1).await;
    database.tell(case, &TWO).await;
    database.tell(case, &TWO).await;
    database.settled().await;
    let (mut place, mut told) = (Place::default(), 0);
    while let [(next, _)] = database.desk.events_after(place, 1).await.unwrap().as_slice() {
        assert!(*next > place);
        (place, told) = (*next, told + 1);
    }
    assert_eq!(told, 4);
}

#[tokio::test]
async fn what_was_told_is_not_changed_and_the_history_only_grows() {
    let database = Database::new().await;
    let case = database.case(1).await;
    database.tell(case, &TWO).await;
    database.seal().await;
    let mut conn = database.admin().await;
    let refused = [
        "update fallout_event set reason = 'x'",
        "delete from fallout_event",
        "truncate fallout_event",
        "truncate fallout_case cascade",
        "update audit_seal set seq = 2",
        "delete from audit_seal",
        "truncate audit_seal",
        "update event_outbox set subject = 'x'",
    ];
    for sql in refused {
        let why = try_run(&mut conn, sql).await.expect_err(sql);
        assert!(why.contains("keeps what it has"), "{sql}: {why}");
    }
    // What was handed on may go.
    run(&mut conn, "delete from event_outbox").await;
}
