//! What outlives an order run.

use sqlx::{PgConnection, Row};

use crate::database::{Database, legal, run};

const DONE: &str = "call begin_step(1); call decide(1, 1); call attempt(1, 1, 1); call settle(1, 1, 'success');
    insert into evidence (tenant_id, attempt_id, source, detail) values ('t', attempt_id(1, 1), 'exchange', '{}');
    update step set state = 'running' where id = id(1); update step set state = 'done' where id = id(1)";
const ARCHIVE: &str = "select archive_run(id(1))";

async fn count(conn: &mut PgConnection, table: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
    sqlx::query_scalar(sql).fetch_one(conn).await.unwrap()
}

#[tokio::test]
async fn an_archived_run_leaves_a_tombstone_per_step_and_its_own_row() {
    let mut conn = Database::new().await.connect().await;
    legal(&mut conn, DONE).await;
    legal(&mut conn, "call begin_step(2); update step set state = 'cancelled' where id = id(2); call end_run()").await;
    legal(&mut conn, ARCHIVE).await;
    for table in ["step", "intent", "attempt", "evidence"] {
        assert_eq!(count(&mut conn, table).await, 0, "{table}");
    }
    let rows =
        sqlx::query("select identity, generation, last_key, payload_hash, state from step_tombstone order by identity");
    let stones = rows.fetch_all(&mut conn).await.unwrap();
    let text = |row: usize, column: &str| stones[row].get::<Option<String>, _>(column);
    assert_eq!(text(0, "identity").as_deref(), Some("t:o-1:1/step-1/do"));
    assert_eq!(text(0, "last_key").as_deref(), Some("1.1"));
    assert_eq!((text(0, "state"), text(0, "payload_hash")), (Some("done".into()), Some("hash".into())));
    assert_eq!(stones[1].get::<i32, _>("generation"), 0);
    assert_eq!((text(1, "state"), text(1, "last_key")), (Some("cancelled".into()), None));
    assert_eq!(count(&mut conn, "order_run where archived_at is not null").await, 1);
}

#[tokio::test]
async fn a_step_with_a_tombstone_is_never_performed_again_and_the_stone_never_goes() {
    let mut conn = Database::new().await.connect().await;
    legal(&mut conn, DONE).await;
    legal(&mut conn, "call end_run()").await;
    legal(&mut conn, ARCHIVE).await;
    let refused = [
        ("call begin_step(1)", "step_has_no_tombstone"),
        ("update step_tombstone set generation = 0, last_key = null", "append_only"),
        ("delete from step_tombstone", "append_only"),
        // The start of the same run again.
        (
            "insert into order_run (id, tenant_id, order_id, run, business_key) values (id(2), 't', id(1), 1, 't:o-1:1')",
            "order_run_business_key_key",
        ),
    ];
    for (sql, rule) in refused {
        let (by, why) = run(&mut conn, sql).await.expect_err(sql);
        assert_eq!(by, rule, "{why}");
    }
    // A step whose row somebody put back past the trigger takes no intent either.
    legal(&mut conn, "alter table step disable trigger step_may_begin; call begin_step(1)").await;
    assert_eq!(run(&mut conn, "call decide(1, 1)").await.unwrap_err().0, "step_has_no_tombstone");
}

#[tokio::test]
async fn only_what_is_over_can_be_archived() {
    let database = Database::new().await;
    let mut conn = database.connect().await;
    legal(&mut conn, DONE).await;
    assert_eq!(run(&mut conn, ARCHIVE).await.unwrap_err().0, "archive_of_ended_run");
    legal(&mut conn, "call end_run()").await;
    let open_case = "insert into fallout_case (id, tenant_id, case_number, case_type, severity, status, source, classification_code, match_key, step_id)
        values (id(1), 't', 'fc-1', 'X', 'SEV3', 'classified', 'test', 'X', 'k', id(1))";
    let not_over = [
        ("call begin_step(2)", "is new"),
        ("call begin_step(2); update step set state = 'parked' where id = id(2)", "is parked"),
        (open_case, "active case"),
    ];
    for (given, says) in not_over {
        legal(&mut conn, "begin").await;
        legal(&mut conn, given).await;
        let (by, why) = run(&mut conn, ARCHIVE).await.unwrap_err();
        assert!(by == "tombstone_of_ended_step" && why.contains(says), "{by}: {why}");
        legal(&mut conn, "rollback").await;
    }
    legal(&mut conn, open_case).await;
    legal(&mut conn, "call move_case(id(1), 'verifying'); call move_case(id(1), 'resolved')").await;
    legal(&mut conn, ARCHIVE).await;
    assert_eq!(count(&mut conn, "fallout_case where step_id is null").await, 1);
}
