//! The same trouble seen many times: in every order, at once, in batches.

use std::sync::Arc;

use fallout_core::signal::{NewSignal, SignalRefusal, SignalState};
use serde_json::json;

use super::{
    house::{House, OTHERS, seen, step},
    rig::{TENANT, rejected},
};

/// Every order of five.
fn permutations() -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for n in 0..5 {
        let longer = |p: &Vec<usize>| (0..=n).map(|at| [&p[..at], &[n], &p[at..]].concat()).collect::<Vec<_>>();
        all = all.iter().flat_map(longer).collect();
    }
    all
}

#[tokio::test]
async fn worker_incident_reconciliation_callback_and_scanner_in_every_order_give_one_case_with_five_signals() {
    let house = House::new("signals-orders").await;
    for (n, detectors) in permutations().iter().enumerate() {
        let order = format!("o-{n}");
        house.rig.order(&order).await;
        let attempt = house.rig.attempt(&order).await;
        for detector in detectors {
            match OTHERS.get(*detector) {
                Some((source, code)) => assert_eq!(house.tell(&seen(&order, source, code)).await.refusal, None),
                None => house.rig.said(attempt, &rejected("ADDRESS_NOT_SERVICEABLE")).await,
            }
        }
        let case = house.number(&order).await;
        let became = house.became(case).await;
        assert_eq!(became[0], SignalState::Opened, "{detectors:?}");
        assert_eq!(became[1..], [SignalState::Joined; 4], "{detectors:?}");
        assert_eq!(house.rig.case(&order).await.1, "ADDRESS_NOT_SERVICEABLE", "{detectors:?}: who knows names it");
    }
    assert_eq!(permutations().len(), 120);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn five_detectors_at_once_give_one_case_with_five_signals() {
    let house = Arc::new(House::new("signals-at-once").await);
    for n in 0..20 {
        let order = format!("o-{n}");
        house.rig.order(&order).await;
        let attempt = house.rig.attempt(&order).await;
        let others = OTHERS.map(|(source, code)| {
            let (house, signal) = (house.clone(), seen(&order, source, code));
            tokio::spawn(async move { assert_eq!(house.tell(&signal).await.refusal, None) })
        });
        let (at, worker) = (attempt, house.clone());
        let worker = tokio::spawn(async move { worker.rig.said(at, &rejected("ADDRESS_NOT_SERVICEABLE")).await });
        for one in others.into_iter().chain([worker]) {
            one.await.unwrap();
        }
        let case = house.number(&order).await;
        assert_eq!(house.became(case).await.len(), 5);
        assert_eq!(house.rig.case(&order).await.1, "ADDRESS_NOT_SERVICEABLE");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_signals_at_once_for_one_step_are_one_case() {
    let house = Arc::new(House::new("signals-hundred").await);
    house.rig.order("o").await;
    house.rig.attempt("o").await;
    let told = (0..100).map(|_| {
        let house = house.clone();
        tokio::spawn(async move { house.tell(&seen("o", "engine", "failedJob")).await })
    });
    let mut opened = 0;
    for one in told.collect::<Vec<_>>() {
        opened += usize::from(one.await.unwrap().state == SignalState::Opened);
    }
    assert_eq!(opened, 1);
    let case = house.number("o").await;
    assert_eq!(house.became(case).await.len(), 100);
    assert_eq!(house.times(case, "FalloutSignalJoined").await, 99);
}

#[tokio::test]
async fn the_same_event_told_again_has_the_same_answer_and_changes_nothing() {
    let mut house = House::new("signals-again").await;
    house.rejected("o").await;
    let signal = seen("o", "engine", "failedJob");
    let first = house.tell(&signal).await;
    assert_eq!((first.state, first.repeated), (SignalState::Joined, false));
    let changed = NewSignal { reason: "other words".into(), ..signal.clone() };
    let again = house.tell(&changed).await;
    assert_eq!((again.signal, again.case, again.state, again.repeated), (first.signal, first.case, first.state, true));
    let both = house.rig.desk.signals(TENANT, &[signal.clone(), signal]).await.unwrap();
    assert!(both.iter().all(|answer| answer.repeated));
    assert_eq!(house.count("fallout_external_signal").await, 2, "the worker's and this one");
}

#[tokio::test]
async fn a_batch_opens_and_joins_and_each_signal_has_its_own_answer() {
    let mut house = House::new("signals-batch").await;
    let mut batch = Vec::new();
    for n in 0..10 {
        let order = format!("o-{n}");
        house.rig.order(&order).await;
        house.rig.attempt(&order).await;
        batch.extend(OTHERS.map(|(source, code)| seen(&order, source, code)));
    }
    batch.push(batch[0].clone());
    let answers = house.rig.desk.signals(TENANT, &batch).await.unwrap();
    let of = |state| answers.iter().filter(|a| a.state == state && !a.repeated).count();
    assert_eq!((of(SignalState::Opened), of(SignalState::Joined)), (10, 30));
    assert!(answers[40].repeated && answers[40].signal == answers[0].signal);
    for (n, answers) in answers[..40].chunks(4).enumerate() {
        let case = house.number(&format!("o-{n}")).await;
        assert!(answers.iter().all(|answer| answer.case == Some(case)));
        assert_eq!(house.rig.case(&format!("o-{n}")).await.1, "STATE_DRIFT", "of these four it weighs most");
    }
    assert_eq!(house.count("fallout_external_signal").await, 40);
}

#[tokio::test]
async fn a_signal_that_the_database_refuses_takes_no_other_of_its_batch_with_it() {
    let mut house = House::new("signals-poison").await;
    house.rejected("known").await;
    house.rig.order("new").await;
    house.rig.attempt("new").await;
    let poison = "create function poison() returns trigger language plpgsql as $$
        begin raise exception 'poison'; end $$;
        create trigger poison before insert on fallout_external_signal
            for each row when (new.payload ? 'poison') execute function poison()";
    house.run(poison).await.unwrap();
    let poisoned = |mut signal: NewSignal| {
        signal.payload = json!({ "poison": 1 });
        signal
    };
    let batch = [
        seen("known", "engine", "failedJob"),
        poisoned(seen("known", "sla", "STUCK")),
        seen("known", "callback", "LATE"),
        seen("new", "engine", "failedJob"),
        poisoned(seen("new", "sla", "STUCK")),
        seen("new", "callback", "LATE"),
    ];
    let answers = house.rig.desk.signals(TENANT, &batch).await.unwrap();
    use SignalState::{Joined, Opened, Refused};
    assert_eq!(answers.iter().map(|a| a.state).collect::<Vec<_>>(), [Joined, Refused, Joined, Opened, Refused, Joined]);
    assert_eq!(answers[1].refusal, Some(SignalRefusal::NotWritten));
    assert_eq!(house.count("fallout_external_signal where refusal = 'not_written'").await, 2, "kept all the same");
    assert_eq!(house.became(house.number("new").await).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn batches_that_cross_each_other_lose_nothing() {
    let house = Arc::new(House::new("signals-cross").await);
    let orders: Vec<String> = (0..20).map(|n| format!("o-{n}")).collect();
    for order in &orders {
        house.rig.order(order).await;
        house.rig.attempt(order).await;
    }
    let batches = (0..8).map(|n| {
        let mut batch: Vec<_> = orders.iter().map(|order| seen(order, OTHERS[n % 4].0, OTHERS[n % 4].1)).collect();
        if n % 2 == 1 {
            batch.reverse();
        }
        let house = house.clone();
        tokio::spawn(async move { house.rig.desk.signals(TENANT, &batch).await.unwrap().len() })
    });
    for batch in batches.collect::<Vec<_>>() {
        assert_eq!(batch.await.unwrap(), 20);
    }
    for order in &orders {
        assert_eq!(house.became(house.number(order).await).await.len(), 8, "{}", step(order));
    }
}
