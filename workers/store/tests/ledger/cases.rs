//! What nobody may do to a case, by hand either: the seven rules of its life.

use fallout_core::case::{CaseEvent, CaseState, next};

use crate::database::Database;

#[tokio::test]
async fn the_database_and_the_rules_agree_where_a_case_may_go() {
    let mut conn = Database::new().await.connect().await;
    for from in CaseState::ALL {
        for to in CaseState::ALL.iter().filter(|to| *to != from) {
            let may = sqlx::query_scalar::<_, bool>("select case_may_become($1, $2)").bind(from.word()).bind(to.word());
            let goes = CaseEvent::ALL.iter().any(|event| next(*from, *event) == Ok(*to));
            assert_eq!(may.fetch_one(&mut conn).await.unwrap(), goes, "{from} -> {to}");
        }
    }
}
