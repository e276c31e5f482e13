//! Two transactions that race for one step: the second waits for the first, and is then held to what the first wrote.

use crate::database::{Database, Said, legal, run};

/// Runs `first` in a transaction that is still open when `second` begins; what the second hears once the first committed.
async fn race(given: &str, first: &str, second: &str) -> Said {
    let database = Database::new().await;
    let (mut one, mut two, mut eye) = (database.connect().await, database.connect().await, database.connect().await);
    legal(&mut one, given).await;
    legal(&mut one, "begin").await;
    legal(&mut one, first).await;
    let backend: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut two).await.unwrap();
    let sql = second.to_owned();
    let racing = tokio::spawn(async move { run(&mut two, &sql).await });
    let waits = "select exists (select 1 from pg_locks where pid = $1 and not granted)";
    while !racing.is_finished() {
        if sqlx::query_scalar::<_, bool>(waits).bind(backend).fetch_one(&mut eye).await.unwrap() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(!racing.is_finished(), "it did not wait for the transaction before it");
    legal(&mut one, "commit").await;
    racing.await.unwrap()
}

async fn second_is_refused(rule: &str, given: &str, first: &str, second: &str) {
    let (by, why) = race(given, first, second).await.unwrap_err();
    assert_eq!(by, rule, "{why}");
}

#[tokio::test]
async fn of_two_senders_one_begins() {
    let given = "call begin_step(1); call decide(1, 1)";
    second_is_refused("attempt_one_open", given, "call attempt(1, 1, 1)", "call attempt(1, 1, 2)").await;
}

#[tokio::test]
async fn no_generation_rises_over_an_attempt_that_just_began() {
    let given =
        "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1); call settle(1, 1, 'technical'); call act(1)";
    second_is_refused("intent_after_proof", given, "call attempt(1, 1, 2, 1)", "call decide(1, 2)").await;
}

#[tokio::test]
async fn no_attempt_begins_under_a_generation_that_was_just_superseded() {
    let given =
        "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1); call settle(1, 1, 'business'); call act(1)";
    second_is_refused("attempt_of_latest_generation", given, "call decide(1, 2)", "call attempt(1, 1, 2, 1)").await;
}

#[tokio::test]
async fn no_attempt_begins_on_a_step_that_was_just_parked() {
    let given = "call begin_step(1); call decide(1, 1)";
    let park = "update step set state = 'parked' where id = id(1)";
    second_is_refused("attempt_of_live_step", given, park, "call attempt(1, 1, 1)").await;
}

#[tokio::test]
async fn no_attempt_begins_after_the_effect_that_a_racing_transaction_recorded() {
    let given = "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1); call settle(1, 1, 'replayable')";
    let first = "select 1 from step where id = id(1) for update; call settle(1, 1, 'success')";
    second_is_refused("attempt_before_effect", given, first, "call attempt(1, 1, 2)").await;
}

#[tokio::test]
async fn an_attempt_settles_once_whoever_comes_first() {
    let given = "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1)";
    second_is_refused("attempt_settled_once", given, "call settle(1, 1, 'success')", "call settle(1, 1, 'technical')")
        .await;
}

#[tokio::test]
async fn a_step_is_not_performed_again_while_it_is_archived() {
    let given = "call begin_step(1); update step set state = 'running'; update step set state = 'done'; call end_run()";
    second_is_refused("step_has_no_tombstone", given, "select archive_run(id(1))", "call begin_step(1)").await;
}
