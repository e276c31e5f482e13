//! Every event that can be emitted is what docs/events/ says, and carries nothing that it does not say.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use boon::{Compiler, SchemaIndex, Schemas};
use chrono::DateTime;
use fallout_core::{
    case::CaseEvent,
    event::{CASE_FACTS, Event, EventType},
};
use fallout_desk::Place;
use fallout_store::outbox;
use serde_json::Value;
use uuid::Uuid;

use crate::database::{Database, payload};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/events")
}

fn schema(name: &str) -> Value {
    let path = folder().join(format!("{name}.schema.json"));
    serde_json::from_str(&fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).unwrap()
}

/// The published schemas by their own id, as a consumer would load them.
struct Published {
    schemas: Schemas,
    by_id: BTreeMap<String, SchemaIndex>,
}

impl Published {
    fn load() -> Published {
        let (mut compiler, mut schemas, mut by_id) = (Compiler::new(), Schemas::new(), BTreeMap::new());
        for file in fs::read_dir(folder()).unwrap() {
            let schema: Value = serde_json::from_str(&fs::read_to_string(file.unwrap().path()).unwrap()).unwrap();
            let id = schema["$id"].as_str().unwrap().to_owned();
            compiler.add_resource(&id, schema).unwrap();
            by_id.insert(id.clone(), compiler.compile(&id, &mut schemas).unwrap());
        }
        Published { schemas, by_id }
    }

    fn validate(&self, id: &str, value: &Value) -> Result<(), String> {
        let index = *self.by_id.get(id).unwrap_or_else(|| panic!("{id} is not published"));
        self.schemas.validate(value, index).map_err(|e| format!("{e:#}"))
    }

    fn validate_event(&self, event: &Value) -> Result<(), String> {
        self.validate("urn:fallout:schema:cloudevent:1", event)?;
        self.validate(event["dataschema"].as_str().unwrap(), &event["data"])
    }
}

/// One of every event, through the database, each with everything that a careless caller could put in.
async fn emitted() -> Vec<Value> {
    let database = Database::new().await;
    let case = database.case(1).await;
    database.tell(case, CaseEvent::ALL).await;
    let mut tx = database.begin().await;
    let from_timelines: BTreeSet<_> = CaseEvent::ALL.iter().filter_map(|e| EventType::of(*e)).collect();
    for kind in EventType::ALL.iter().filter(|k| !k.is_about_a_case()) {
        assert!(!from_timelines.contains(kind), "{kind}");
        outbox::append(&mut tx, Uuid::now_v7(), "t", *kind, "x-1", &payload()).await.unwrap();
    }
    tx.commit().await.unwrap();
    database.settled().await;
    let events = database.desk.events_after(Place::default(), 1000).await.unwrap();
    events.iter().map(|(_, event)| event.to_cloud_event()).collect()
}

#[tokio::test]
async fn every_emitted_event_is_valid_by_its_published_schema() {
    let published = Published::load();
    let emitted = emitted().await;
    for event in &emitted {
        published.validate_event(event).unwrap_or_else(|e| panic!("{e}\n{event:#}"));
    }
    let types: BTreeSet<_> = emitted.iter().map(|e| e["type"].as_str().unwrap()).collect();
    let expected = CaseEvent::ALL.iter().filter_map(|e| EventType::of(*e)).count()
        + EventType::ALL.iter().filter(|k| !k.is_about_a_case()).count();
    assert_eq!((types.len(), emitted.len()), (expected, expected));
}

/// Also those that no timeline brings yet.
#[test]
fn every_type_with_all_it_may_carry_is_valid_by_its_schema() {
    let published = Published::load();
    for kind in EventType::ALL {
        let mut data = kind.publishable(&payload());
        assert_eq!(
            data.len(),
            kind.details().len(),
            "{kind}: a detail is missing in the test's payload, or is no code"
        );
        let about = [("case", "fc-1"), ("category", "PROVISIONING"), ("severity", "SEV3")];
        let facts = about.iter().filter(|_| kind.is_about_a_case());
        data.extend(facts.map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
        let (id, subject) = (Uuid::nil(), "x-1".to_owned());
        let event = Event { id, tenant: "a b".into(), kind: *kind, subject, at: DateTime::UNIX_EPOCH, data };
        published.validate_event(&event.to_cloud_event()).unwrap_or_else(|e| panic!("{kind}: {e}"));
    }
}

#[tokio::test]
async fn no_name_reason_or_secret_comes_out() {
    for event in emitted().await {
        let text = event.to_string();
        for inside in ["Miller", "jane.roe", "called", "s3cr3t", "Elm Street", "moved"] {
            assert!(!text.contains(inside), "{inside} in {text}");
        }
    }
}

#[tokio::test]
async fn an_event_that_says_more_or_less_than_its_schema_is_found() {
    let published = Published::load();
    let event = emitted().await.remove(0);
    let breaks: [fn(&mut Value); 4] = [
        |e| e["data"]["reason"] = "x".into(),
        |e| drop(e["data"].as_object_mut().unwrap().remove("case")),
        |e| e["specversion"] = "0.3".into(),
        |e| e["customer"] = "x".into(),
    ];
    for change in breaks {
        let mut event = event.clone();
        change(&mut event);
        assert!(published.validate_event(&event).is_err(), "{event}");
    }
}

#[test]
fn the_schemas_list_exactly_what_the_rules_let_out() {
    for kind in EventType::ALL {
        let schema = schema(kind.word());
        assert_eq!(schema["$id"], format!("urn:fallout:schema:{kind}:1"));
        let said: BTreeSet<_> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let facts = if kind.is_about_a_case() { &CASE_FACTS[..] } else { &[] };
        assert_eq!(said, facts.iter().chain(kind.details()).copied().collect(), "{kind}");
        assert_eq!(schema["additionalProperties"], false, "{kind}");
    }
    let files = fs::read_dir(folder()).unwrap().count();
    assert_eq!(files, EventType::ALL.len() + 1, "one file per type, and the envelope");
}

#[test]
fn the_page_lists_every_type() {
    let page = fs::read_to_string(folder().join("../EVENTS.md")).unwrap();
    let listed: Vec<_> =
        page.lines().filter(|l| l.starts_with("| `Fallout")).filter_map(|l| l.split('`').nth(1)).collect();
    assert_eq!(listed, EventType::ALL.iter().map(|t| t.word()).collect::<Vec<_>>());
}

#[test]
fn every_event_has_a_consumer_and_every_consumer_finds_its_events() {
    let page = fs::read_to_string(folder().join("../EVENTS.md")).unwrap();
    let section = page.split("## Who reads what").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<Vec<&str>> =
        section.lines().filter(|l| l.contains("`Fallout")).map(|l| l.split('|').map(str::trim).collect()).collect();
    let consumers = [
        "operations dashboard",
        "customer communication",
        "audit",
        "analytics and reporting",
        "incident management",
        "SLA monitoring",
    ];
    assert_eq!(rows.iter().map(|row| row[1]).collect::<Vec<_>>(), consumers);
    let read = |row: &Vec<&str>| row[2].split(", ").map(|name| name.trim_matches('`').to_owned()).collect::<Vec<_>>();
    let named: BTreeSet<String> = rows.iter().flat_map(read).collect();
    assert_eq!(named, EventType::ALL.iter().map(|t| t.word().to_owned()).collect());
}
