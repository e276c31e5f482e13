//! Personal data go by age, a month at a time, unless an order still needs them; and each month is guarded like every table.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::rig::{House, OTHER, PERSONAL, TENANT, run, task};

const OLD: &str = "2025-02-01";

/// As if the orders so far had been taken in long ago.
async fn age(house: &mut House) {
    let aged = format!(
        "set fallout.service = 'test';
         select make_order_personal('{OLD}');
         update order_personal set month = '{OLD}';
         update product_order set personal_month = '{OLD}' where personal_month is not null"
    );
    house.run(&aged).await.unwrap();
}

async fn months(house: &mut House) -> Vec<String> {
    house
        .texts(
            "select inhrelid::regclass::text from pg_inherits where inhparent = 'order_personal'::regclass order by 1",
        )
        .await
}

/// What the controller does in a tick.
async fn keep(house: &House, months: u32) -> usize {
    for (run, tenant) in house.desk.runs_past(months, None, 100).await.unwrap() {
        house.desk.archive(&tenant, run).await.unwrap();
    }
    let mut dropped = 0;
    while house.desk.drop_personal_month(months).await.unwrap() {
        dropped += 1;
    }
    dropped
}

#[tokio::test]
async fn a_month_that_is_past_goes_as_a_whole_and_orders_that_still_run_or_have_a_case_keep_their_data() {
    let mut house = House::new().await;
    let over = house.order("over").await;
    let attempt = house.send("over").await;
    house.done(attempt).await;
    house.desk.run_ended(over, "completed", "orderCompleted").await.unwrap();
    house.order("runs").await;
    let troubled = house.order("troubled").await;
    house.trouble(troubled).await;
    age(&mut house).await;
    assert_eq!(keep(&house, 60_000).await, 0, "nothing is that old");
    assert_eq!(keep(&house, 13).await, 1);
    assert!(!months(&mut house).await.iter().any(|m| m.ends_with("2025_02")));
    let left = "select o.external_id from order_personal p join product_order o on o.id = p.order_id order by 1";
    assert_eq!(house.texts(left).await, ["runs", "troubled"]);
    let numbers = "select o.external_id from order_item i join product_order o on o.id = i.order_id
                   where service_numbers <> '{}' order by 1";
    assert_eq!(house.texts(numbers).await, ["runs", "troubled"]);
    let found = "select count(*)::text from order_service_number";
    assert_eq!(house.texts(found).await, ["2"], "by which they are found");
    let context = house.desk.contexts(&[task("runs")]).await.unwrap().remove(0);
    assert!(PERSONAL.iter().all(|p| context.document.to_string().contains(p)), "still rendered as it came");
    assert_eq!(house.texts("select count(*)::text from intent").await, ["0"], "requests of what is over went before");
    assert_eq!(keep(&house, 13).await, 0, "done");
    // An event that comes later finds its month gone and takes this one.
    house
        .event("e-1", "AttributeValueChange", -1, serde_json::json!({ "id": "over", "note": [{ "text": "x" }] }))
        .await
        .unwrap();
    assert_eq!(house.texts(left).await, ["over", "runs", "troubled"]);
}

#[tokio::test]
async fn months_are_made_ahead_and_each_is_guarded_as_the_programs_role_and_as_another_tenant_see() {
    let mut house = House::new().await;
    house.order("o-1").await;
    assert_eq!(house.desk.make_personal_months().await.unwrap(), 1, "two are made with the tables");
    assert_eq!(house.desk.make_personal_months().await.unwrap(), 0);
    let made = months(&mut house).await;
    assert_eq!(made.len(), 3);
    let guarded = "select count(*)::text from pg_class c join pg_inherits i on i.inhrelid = c.oid
                   where i.inhparent = 'order_personal'::regclass and c.relrowsecurity and c.relforcerowsecurity
                     and (select count(*) from pg_policy p where p.polrelid = c.oid) = 2";
    assert_eq!(house.texts(guarded).await, ["3"]);
    let mut program = PgConnection::connect(&house.program_url).await.unwrap();
    let scope = |tenant: &str| {
        format!("select set_config('fallout.tenant', '{tenant}', false), set_config('fallout.service', '', false)")
    };
    for (tenant, rows) in [(TENANT, 1_i64), (OTHER, 0), ("", 0)] {
        run(&mut program, &scope(tenant)).await.unwrap();
        for table in ["order_personal", &made[0]] {
            let sql = format!("select count(*) from {table}");
            let count: i64 = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut program).await.unwrap().get(0);
            assert_eq!(count, rows, "{table} as {tenant}");
        }
    }
    run(&mut program, &scope(TENANT)).await.unwrap();
    let refused = [
        ("select drop_order_personal(now()::date)", "personal_data_of_all"),
        (
            "set fallout.service = 'x'; select drop_order_personal((now() + interval '2 months')::date)",
            "personal_data_is_kept",
        ),
    ];
    for (sql, rule) in refused {
        assert_eq!(run(&mut program, sql).await, Err(rule.to_owned()), "{sql}");
    }
    // A month that was made since the last migration is nobody's but through its parent.
    for sql in [format!("select * from {}", made[2]), format!("drop table {}", made[0])] {
        let why = run(&mut program, &sql).await.unwrap_err();
        assert!(why.contains("permission denied") || why.contains("must be owner"), "{sql}: {why}");
    }
}

#[tokio::test]
async fn ids_of_old_events_are_forgotten() {
    let mut house = House::new().await;
    house.order("o-1").await;
    for n in 0..3 {
        house.event(&format!("e-{n}"), "StateChange", n - 9, serde_json::json!({ "id": "o-1" })).await.unwrap();
    }
    house
        .run("update order_event set received_at = now() - interval '14 months' where event_id <> 'e-2'")
        .await
        .unwrap();
    assert_eq!(house.desk.forget_order_events(13, 1).await.unwrap(), 1, "a page at a time");
    assert_eq!(house.desk.forget_order_events(13, 10).await.unwrap(), 1);
    assert_eq!(house.texts("select event_id from order_event").await, ["e-2"]);
}
