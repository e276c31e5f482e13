//! The door to the events: pages by cursor, of one's own tenant, for who may.

use fallout_core::{event::EventType, token::TokenScope};
use fallout_store::{Scope, outbox};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

use crate::rig::{OTHER, Rig, TENANT, token_of};

impl Rig {
    async fn told(&self, tenant: &str, subject: &str) {
        let mut tx = self.store.begin(&Scope::System("test")).await.unwrap();
        let data = json!({ "from": "A", "to": "B" });
        outbox::append(&mut tx, Uuid::now_v7(), tenant, EventType::CaseClassified, subject, &data).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn events(&self, token: &str, query: &str) -> (StatusCode, Value) {
        let url = format!("http://{}/events{query}", self.address);
        let response = self.client.get(url).bearer_auth(token).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// Page by page until one is empty. What a transaction of another test holds back comes later.
    async fn all(&self, token: &str, expected: usize) -> Vec<String> {
        let (mut subjects, mut after) = (Vec::new(), String::new());
        while subjects.len() < expected {
            let (status, page) = self.events(token, &format!("?limit=2{after}")).await;
            assert_eq!(status, StatusCode::OK, "{page}");
            let events = page["events"].as_array().unwrap();
            assert!(events.len() <= 2);
            subjects.extend(events.iter().map(|event| event["subject"].as_str().unwrap().to_owned()));
            after = format!("&after={}", page["next"].as_str().unwrap());
        }
        let (_, last) = self.events(token, &format!("?limit=2{after}")).await;
        assert_eq!(format!("&after={}", last["next"].as_str().unwrap()), after, "nothing more: the same place again");
        subjects
    }
}

#[tokio::test]
async fn the_events_of_ones_own_tenant_are_read_page_by_page() {
    let rig = Rig::new().await;
    for n in 1..=5 {
        rig.told(TENANT, &format!("fc-{n}")).await;
        rig.told(OTHER, &format!("fc-other-{n}")).await;
    }
    let token = token_of(&rig.desk, TENANT, TokenScope::EventsRead).await;
    assert_eq!(rig.all(&token, 5).await, ["fc-1", "fc-2", "fc-3", "fc-4", "fc-5"]);
    let (_, page) = rig.events(&token, "?limit=1").await;
    let event = &page["events"][0];
    assert_eq!(
        (event["specversion"].as_str(), event["type"].as_str()),
        (Some("1.0"), Some("fallout.FalloutCaseClassified.v1"))
    );
    assert_eq!(event["tenant"], TENANT);
}

#[tokio::test]
async fn without_the_scope_or_with_a_cursor_that_is_none_nothing_is_read() {
    let rig = Rig::new().await;
    rig.told(TENANT, "fc-1").await;
    assert_eq!(rig.get("/events").await, StatusCode::UNAUTHORIZED);
    let reader = token_of(&rig.desk, TENANT, TokenScope::Read).await;
    assert_eq!(rig.events(&reader, "").await.0, StatusCode::FORBIDDEN);
    let token = token_of(&rig.desk, TENANT, TokenScope::EventsRead).await;
    for (query, code) in [
        ("?after=x", "badCursor"),
        ("?after=1", "badCursor"),
        ("?after=-1-1", "badCursor"),
        ("?after=99999999999999999999-1", "badCursor"),
        ("?limit=ten", "badQuery"),
        ("?limit=0", "badLimit"),
        ("?limit=1001", "badLimit"),
    ] {
        let (status, answer) = rig.events(&token, query).await;
        assert_eq!((status, answer["code"].as_str()), (StatusCode::BAD_REQUEST, Some(code)), "{query}");
    }
    assert_eq!(rig.events(&token, "?after=999999999999-1").await.0, StatusCode::OK, "beyond the end: nothing yet");
    let mut admin = PgConnection::connect(&rig.admin_url).await.unwrap();
    let deleted = format!("insert into event_pruned values ('{TENANT}', '900', 1)");
    sqlx::raw_sql(AssertSqlSafe(deleted)).execute(&mut admin).await.unwrap();
    let (status, answer) = rig.events(&token, "?after=1-1").await;
    assert_eq!((status, answer["code"].as_str()), (StatusCode::GONE, Some("cursorTooOld")));
}
