//! Events leave with the entry they tell of, once, in order, and none is skipped.

use std::time::Duration;

use fallout_core::{case::CaseEvent, event::EventType};
use fallout_desk::{EventsRead, Place};
use uuid::Uuid;

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

/// As if this had been so long ago.
async fn days_pass(database: &Database, days: u32) {
    let sql = format!(
        "set session_replication_role = replica; update event_outbox set occurred_at = occurred_at - interval '{days} days'"
    );
    run(&mut database.admin().await, &sql).await;
}

/// Up to where the reader has handed on.
async fn hand_on(database: &Database, reader: &str, count: usize) {
    database.settled().await;
    let me = Uuid::now_v7();
    let desk = &database.desk;
    let from = desk.hold_reader(reader, me, Duration::from_secs(60)).await.unwrap().unwrap();
    let events = desk.events_after(from, 100).await.unwrap();
    assert!(desk.move_reader(reader, me, from, events[count - 1].0).await.unwrap());
    // Its process ends: the next one takes the reader at once.
    run(&mut database.admin().await, "update event_reader set lease_until = now()").await;
}

async fn pruned(database: &Database) -> usize {
    database.settled().await;
    database.desk.prune_events(7, 100).await.unwrap()
}

#[tokio::test]
async fn events_are_deleted_when_they_are_old_and_every_reader_has_handed_them_on() {
    let database = Database::new().await;
    let case = database.case(1).await;
    database.tell(case, &TWO).await;
    assert_eq!(pruned(&database).await, 0, "too young, though nobody waits for them");
    days_pass(&database, 8).await;
    hand_on(&database, "kafka", 1).await;
    assert_eq!(pruned(&database).await, 1, "the other one was not handed on");
    database.tell(case, &[CaseEvent::Resolved]).await;
    hand_on(&database, "kafka", 2).await;
    assert_eq!(pruned(&database).await, 1, "the last one is young");
    let left = read(&database, Place::default()).await.1;
    assert_eq!(left, [format!("{} {}", number(1), EventType::CaseResolved)]);
}

#[tokio::test]
async fn who_reads_by_cursor_and_comes_too_late_is_told_so_instead_of_skipping() {
    let database = Database::new().await;
    let case = database.case(1).await;
    let page = async |after| {
        database.settled().await;
        database.desk.events_of("t", after, 1).await.unwrap()
    };
    database.tell(case, &TWO).await;
    let EventsRead::Page { events, next } = page(None).await else { panic!("nothing was deleted") };
    assert_eq!((events.len(), events[0].kind), (1, EventType::CaseCreated));
    days_pass(&database, 8).await;
    assert_eq!(pruned(&database).await, 2);
    assert_eq!(page(Some(next)).await, EventsRead::Deleted, "the second one is gone unread");
    assert_eq!(
        database.desk.events_of("other", Some(next), 1).await.unwrap(),
        EventsRead::Page { events: vec![], next }
    );
    // Beginning anew is told where to go on, and may.
    let EventsRead::Page { events, next } = page(None).await else { panic!("from what is kept") };
    assert!(events.is_empty());
    database.tell(case, &[CaseEvent::Resolved]).await;
    let EventsRead::Page { events, .. } = page(Some(next)).await else { panic!("nothing after it was deleted") };
    assert_eq!(events[0].kind, EventType::CaseResolved);
}

#[tokio::test]
async fn a_reader_is_held_by_one_and_never_goes_back() {
    let database = Database::new().await;
    let case = database.case(1).await;
    database.tell(case, &TWO).await;
    database.settled().await;
    let (desk, lease) = (&database.desk, Duration::from_secs(60));
    let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
    let begin = Place::default();
    assert_eq!(desk.hold_reader("kafka", one, lease).await.unwrap(), Some(begin));
    assert_eq!(desk.hold_reader("kafka", two, lease).await.unwrap(), None);
    let place = desk.events_after(begin, 1).await.unwrap()[0].0;
    assert!(!desk.move_reader("kafka", two, begin, place).await.unwrap(), "it is not its reader");
    assert!(desk.move_reader("kafka", one, begin, place).await.unwrap());
    assert!(!desk.move_reader("kafka", one, begin, place).await.unwrap(), "it stands elsewhere");
    let mut conn = database.admin().await;
    run(&mut conn, "update event_reader set lease_until = now()").await;
    assert_eq!(desk.hold_reader("kafka", two, lease).await.unwrap(), Some(place), "the lease of the dead is over");
    assert!(!desk.move_reader("kafka", one, place, place).await.unwrap());
    let why = try_run(&mut conn, "update event_reader set tx = '1'").await.expect_err("it would hand on again");
    assert!(why.contains("would go back"), "{why}");
}
