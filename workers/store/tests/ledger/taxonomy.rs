//! Versions of the taxonomy: kept whole as rows, refused when not whole, and never changed.

use fallout_core::taxonomy::Taxonomy;
use fallout_store::{
    Scope, Store,
    taxonomy::{Kept, keep},
};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::database::{Database, run};

fn shipped() -> Taxonomy {
    toml::from_str(include_str!("../../../../config/taxonomy.toml")).unwrap()
}

async fn kept(database: &Database, tenant: &str, taxonomy: &Taxonomy) -> Kept {
    let store = Store::new(&database.url, 2).unwrap();
    let mut tx = store.begin(&Scope::System("test")).await.unwrap();
    let kept = keep(&mut tx, Uuid::now_v7(), tenant, taxonomy, "test").await.unwrap();
    tx.commit().await.unwrap();
    kept
}

async fn codes(conn: &mut PgConnection, sql: &'static str) -> Vec<String> {
    sqlx::query(sql).fetch_all(conn).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_version_stands_in_rows_as_it_stands_in_its_file() {
    let database = Database::new().await;
    let (taxonomy, mut own) = (shipped(), shipped());
    own.tenant_version = 2;
    assert_eq!(kept(&database, "", &taxonomy).await, Kept::Now);
    assert_eq!(kept(&database, "t", &own).await, Kept::Now);
    assert_eq!(kept(&database, "t", &own).await, Kept::Before);
    own.categories[0].owner_group = "Others".into();
    assert_eq!(kept(&database, "t", &own).await, Kept::Differs);
    let mut conn = database.connect().await;
    let sorted = |mut codes: Vec<String>| {
        codes.sort();
        codes
    };
    let rows = codes(&mut conn, "select code || ' ' || owner_group || ' ' || cardinality(allowed_actions) from taxonomy_category where tenant_id = ''").await;
    let file = taxonomy.categories.iter().map(|c| format!("{} {} {}", c.code, c.owner_group, c.allowed_actions.len()));
    assert_eq!(sorted(rows), sorted(file.collect()));
    let rows = codes(&mut conn, "select code || ' ' || own_case || ' ' || cardinality(maps) || ' ' || coalesce(precedence, -1) from taxonomy_classification where tenant_id = 't'").await;
    let line = |c: &fallout_core::taxonomy::Classification| {
        format!("{} {} {} {}", c.code, c.own_case, c.maps.len(), c.precedence.map_or(-1, i32::from))
    };
    assert_eq!(sorted(rows), sorted(taxonomy.classifications.iter().map(line).collect()));
}

#[tokio::test]
async fn nobody_changes_a_version_or_writes_one_that_is_not_whole() {
    let database = Database::new().await;
    kept(&database, "", &shipped()).await;
    let mut conn = database.connect().await;
    for table in ["taxonomy_version", "taxonomy_category", "taxonomy_classification"] {
        for sql in [format!("update {table} set tenant_id = 'x'"), format!("delete from {table}")] {
            assert!(run(&mut conn, &sql).await.is_err(), "{sql}");
        }
    }
    let another = |what: &str| {
        format!(
            "insert into taxonomy_category (version_id, tenant_id, code, name, example, owner_group, recovery_style, allowed_actions,
                 recommended_action, severity, sla_policy, sla_hours, customer_state, runbook, precedence)
             select version_id, tenant_id, 'NEW', name, example, {what} from taxonomy_category limit 1"
        )
    };
    let rest = "recovery_style, allowed_actions, recommended_action, severity, sla_policy, sla_hours, customer_state, runbook, precedence";
    let whole = "taxonomy_category_is_whole";
    for what in [format!("'', {rest}"), format!("owner_group, {}", rest.replace("sla_hours", "0"))] {
        let said = run(&mut conn, &another(&what)).await;
        assert!(matches!(&said, Err((rule, _)) if rule == whole), "{what}: {said:?}");
    }
    for gone in ["runbook", "customer_state", "sla_policy"] {
        let said = run(&mut conn, &another(&format!("owner_group, {}", rest.replace(gone, "''")))).await;
        assert!(matches!(&said, Err((rule, _)) if rule == whole), "{gone}: {said:?}");
    }
    assert_eq!(run(&mut conn, &another(&format!("owner_group, {rest}"))).await, Ok(()));
}
