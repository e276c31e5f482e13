//! Events to a real broker: in the order of each case, nothing lost when the broker or a publisher is killed in between, and
//! recovery does not notice.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use fallout::roles::{setup::Setup, watch};
use fallout_core::{controller::RunOutcome, event::EventType};
use fallout_embedded::{Broker, BrokerOptions, suitable_dir};
use fallout_kafka::Reader;
use fallout_store::{Scope, Store, outbox};
use fallout_tests::{nowhere, scenario};
use fallout_watch::{Controller, Ticker};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::{
    program::{Program, environment},
    rules::{House, TENANT, house},
};

/// Longer than an event takes past a restart of the broker and the lease of a dead publisher; only a failure gets there.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(100);

fn broker(name: &str) -> Broker {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf();
    let dir = suitable_dir(&Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let options = BrokerOptions { home: root.join("target/kafka"), dir, ready_within: Duration::from_secs(120) };
    Broker::start(options).unwrap_or_else(|e| panic!("{e} ({})", e.code()))
}

/// A process that publishes; it never asks an engine or a downstream.
fn publisher(house: &House, broker: &Broker) -> Setup {
    let mut settings = house.settings.clone();
    nowhere(&mut settings);
    settings.engine.url = "http://127.0.0.1:9/engine-rest".into();
    settings.kafka.brokers = broker.address();
    settings.watch.tick_ms = 200;
    Setup::new(settings).unwrap()
}

/// What happened to whom: the ids of the events of each case, in order.
type Told = BTreeMap<String, Vec<String>>;

/// So many events of seven cases, a transaction each.
async fn happens(store: &Store, tenant: &str, count: usize) -> Told {
    let mut told = Told::new();
    for n in 0..count {
        let (id, subject) = (Uuid::now_v7(), format!("fc-{}", n % 7));
        let mut tx = store.begin(&Scope::System("test")).await.unwrap();
        let payload = json!({ "from": "A", "to": "B" });
        outbox::append(&mut tx, id, tenant, EventType::CaseClassified, &subject, &payload).await.unwrap();
        tx.commit().await.unwrap();
        told.entry(subject).or_default().push(id.to_string());
    }
    told
}

fn and_then(told: &mut Told, more: Told) {
    more.into_iter().for_each(|(subject, ids)| told.entry(subject).or_default().extend(ids));
}

fn count(told: &Told) -> usize {
    told.values().map(Vec::len).sum()
}

/// What is on the topic of one tenant, as somebody sees it who reads along and drops what came before.
struct Topic {
    reader: Reader,
    tenant: String,
    first: Told,
    seen: BTreeSet<String>,
    messages: usize,
}

impl Topic {
    /// Once there is one: the first event makes it.
    async fn of(setup: &Setup, tenant: &str) -> Topic {
        let (kafka, tenant) = (setup.settings.kafka.clone(), tenant.to_owned());
        let open = move || {
            let end = Instant::now() + PATIENCE;
            loop {
                match Reader::new(&kafka.brokers, &kafka.topic) {
                    Ok(reader) => return reader,
                    Err(e) => assert!(Instant::now() < end, "{e}"),
                }
                std::thread::sleep(LOOK);
            }
        };
        let reader = spawn_blocking(open).await.unwrap();
        Topic { reader, tenant, first: Told::new(), seen: BTreeSet::new(), messages: 0 }
    }

    /// Reads on until so many events were seen.
    async fn until(mut self, wanted: usize) -> Topic {
        let read = move || {
            let end = Instant::now() + PATIENCE;
            while self.seen.len() < wanted {
                assert!(Instant::now() < end, "{} of {wanted} events arrived", self.seen.len());
                // An outage is told as an error; the reader goes on by itself.
                if let Ok(Some(message)) = self.reader.next(Duration::from_secs(1)) {
                    self.take(&message.key, &message.payload);
                }
            }
            self
        };
        spawn_blocking(read).await.unwrap()
    }

    fn take(&mut self, key: &[u8], payload: &[u8]) {
        let event: Value = serde_json::from_slice(payload).unwrap();
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        assert_eq!((key, text("specversion")), (text("partitionkey").as_bytes(), "1.0".to_owned()));
        if text("tenant") == self.tenant {
            self.messages += 1;
            if self.seen.insert(text("id")) {
                self.first.entry(text("subject")).or_default().push(text("id"));
            }
        }
    }

    /// Nothing lost, nothing invented, each case in its order.
    fn is(&self, told: &Told) {
        assert_eq!(&self.first, told);
        eprintln!("{} messages for {} events", self.messages, self.seen.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_in_between_loses_nothing_and_keeps_the_order_of_each_case() {
    let house = house("publishing", |_| {}).await;
    let mut broker = spawn_blocking(|| broker("publishing-kafka")).await.unwrap();
    let (setup, store) = (publisher(&house, &broker), house.settings.database.store().unwrap());
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let publishing = {
        let setup = setup.clone();
        tokio::spawn(async move { watch::run(&setup, &[Controller::Publish], stopped).await })
    };
    let mut told = happens(&store, TENANT, 1).await;
    let mut topic = Topic::of(&setup, TENANT).await;
    for round in 0..3 {
        let writing = tokio::spawn({
            let store = store.clone();
            async move { happens(&store, TENANT, 700).await }
        });
        let some = topic.seen.len() + 50;
        topic = topic.until(some).await;
        broker.kill();
        and_then(&mut told, writing.await.unwrap());
        if round == 0 {
            until_away(&house).await;
        }
        // Recovery does not know of Kafka: what it does goes on, and its events wait.
        let run = house.order(&format!("o-{round}")).await;
        house.desk.ended_silently(run, "in a test").await.unwrap();
        and_then(&mut told, happens(&store, TENANT, 50).await);
        broker = spawn_blocking(move || broker.restart().map(|()| broker)).await.unwrap().unwrap();
    }
    let all = outbox_of(&store).await;
    assert!(told.iter().all(|(subject, ids)| all[subject] == *ids), "the outbox has what happened, in order");
    assert!(all.len() > told.len(), "the cases of the orders have events of their own");
    topic = topic.until(count(&all)).await;
    topic.is(&all);
    stop.send_replace(true);
    publishing.await.unwrap();
}

/// Until the publisher says of itself that it waits for Kafka.
async fn until_away(house: &House) {
    let end = Instant::now() + PATIENCE;
    loop {
        let all = house.desk.controllers().await.unwrap();
        let publish = all.iter().find(|line| line.controller == "publish");
        if publish.is_some_and(|line| line.found == RunOutcome::Away) {
            return;
        }
        assert!(Instant::now() < end, "{publish:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// What the outbox has, by subject, in order.
async fn outbox_of(store: &Store) -> Told {
    let mut tx = store.begin(&Scope::System("test")).await.unwrap();
    let mut all = Told::new();
    for (_, event) in outbox::after(&mut tx, outbox::Place::default(), 10_000).await.unwrap() {
        all.entry(event.subject).or_default().push(event.id.to_string());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_holds_the_publisher_and_its_event_is_not_skipped() {
    let house = house("publishing-open", |_| {}).await;
    let broker = spawn_blocking(|| broker("publishing-open-kafka")).await.unwrap();
    let (setup, store) = (publisher(&house, &broker), house.settings.database.store().unwrap());
    let mut one = Ticker::new(setup.watch(), Controller::Publish);
    let mut open = store.begin(&Scope::System("test")).await.unwrap();
    let (first, payload) = (Uuid::now_v7(), json!({}));
    outbox::append(&mut open, first, TENANT, EventType::CaseCreated, "fc-0", &payload).await.unwrap();
    let mut told = happens(&store, TENANT, 1).await;
    assert_eq!(one.tick().await.unwrap(), 0, "what was committed since stands behind what may yet be");
    open.commit().await.unwrap();
    told.entry("fc-0".into()).or_default().insert(0, first.to_string());
    while one.tick().await.is_ok_and(|published| published == 0) {}
    let mut two = Ticker::new(setup.watch(), Controller::Publish);
    and_then(&mut told, happens(&store, TENANT, 1).await);
    assert_eq!(two.tick().await.unwrap(), 0, "one process at a time");
    assert_eq!(one.tick().await.unwrap(), 1);
    let topic = Topic::of(&setup, TENANT).await.until(3).await;
    topic.is(&told);
}

#[test]
fn of_two_publishers_the_one_at_work_is_killed_and_the_other_goes_on() {
    let broker = broker("publishing-killed-kafka");
    scenario("publishing-killed", "", async |s| {
        s.setup.settings.kafka.brokers = broker.address();
        let mut environment = environment(s);
        environment.push(("FALLOUT_KAFKA__BROKERS".into(), broker.address()));
        let publish = || Program::start(&["watch", "publish"], &environment);
        let store = s.setup.store.clone();
        let first = publish()?;
        let mut told = happens(&store, &s.tenant, 1).await;
        let topic = Topic::of(&s.setup, &s.tenant).await.until(1).await;
        let second = publish()?;
        s.wait("the other one is there too", async || Ok(second.stderr().contains("watching: publish"))).await?;
        let writing = tokio::spawn({
            let (store, tenant) = (store.clone(), s.tenant.clone());
            async move { happens(&store, &tenant, 700).await }
        });
        let topic = topic.until(51).await;
        first.signal(libc::SIGKILL);
        anyhow::ensure!(first.ended().await?.code.is_none(), "it was killed");
        and_then(&mut told, writing.await?);
        and_then(&mut told, happens(&store, &s.tenant, 50).await);
        topic.until(count(&told)).await.is(&told);
        second.stopped().await.map(drop)
    });
}
