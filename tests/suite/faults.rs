//! The fault matrix, thinner: every kind of cut and every crash point; and the proof that the matrix can fail. All of it
//! is `make faults`.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    time::Duration,
};

use anyhow::{Result, ensure};
use fallout::adapter::DeskLedger;
use fallout_fleet::Point;
use fallout_tests::{
    World,
    faults::{
        Ground, Tally, accidents,
        broken::{BrokenLedger, Wrong},
        crashes::{self, Crash},
        downstream::{self, ALL, Scope},
        links::{self, Link, State},
        proxy::{Cut, End, Plan, Proxy, Side, Upstream},
        servers, without_engine,
    },
};
use tokio::runtime::Runtime;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_fallout-faults"))
}

fn clean(tally: &Tally) {
    assert!(tally.is_clean(), "{}\n{}", tally.findings.join("\n"), tally.table());
}

/// Runs on a Postgres of its own, without an engine.
fn without(name: &str, body: impl AsyncFnOnce(&Ground, &mut Tally) -> Result<()>) -> Tally {
    let mut tally = Tally::default();
    let done: Result<()> = Runtime::new().unwrap().block_on(async {
        let (_postgres, ground) = without_engine(name).await?;
        body(&ground, &mut tally).await
    });
    done.unwrap_or_else(|error| panic!("{name}: {error:#}"));
    tally
}

#[test]
fn no_cut_of_the_link_to_a_downstream_duplicates_or_loses_anything() {
    let tally = without("faults-downstream", async |ground, tally| {
        let scope = Scope { operations: ALL.to_vec(), every: 40, width: 48 };
        downstream::run(ground, &scope, |setup| DeskLedger(setup.desk.clone()), tally).await
    });
    clean(&tally);
    assert!(tally.runs() > 300 && tally.parked() > 0, "{}", tally.table());
}

#[test]
fn a_worker_killed_at_any_point_with_any_link_broken_duplicates_and_loses_nothing() {
    let tally = without("faults-crashes", async |ground, tally| {
        crashes::run(ground, program(), crashes::all("post-asked"), 12, tally).await
    });
    clean(&tally);
    assert!(Point::ALL.iter().all(|point| tally.runs_where("worker killed", point.word()) > 0), "{}", tally.table());
}

#[test]
fn no_byte_leaves_after_the_not_found_that_counts_when_a_stalled_sender_wakes_up() {
    let tally = without("faults-stalls", async |ground, tally| {
        accidents::stalled(ground, program(), accidents::stalls(&["post-asked"]), 8, tally).await
    });
    clean(&tally);
}

/// Cuts of one operation over a ledger that is wrong.
fn over(wrong: Wrong, operation: &'static str) -> Tally {
    without("faults-broken", async |ground, tally| {
        let scope = Scope { operations: vec![operation], every: 100, width: 32 };
        downstream::run(ground, &scope, |setup| BrokenLedger::new(setup, wrong), tally).await
    })
}

#[test]
fn the_matrix_finds_a_ledger_that_is_wrong() {
    let sends = over(Wrong::SendsForLookUp, "post-asked");
    assert!(sends.duplicated() > 0, "sending instead of looking up: {}", sends.table());

    let keys = over(Wrong::KeyPerAttempt, "post-replayed");
    assert!(keys.duplicated() > 0, "a key per attempt: {}", keys.table());

    let early = without("faults-broken", async |ground, tally| {
        let crash = Crash {
            point: Point::Reported,
            downstream: State::Up,
            engine: State::Up,
            database: State::Up,
            operation: "post-keyed",
            wrong: Some(Wrong::AnswersEarly),
        };
        crashes::run(ground, program(), vec![crash], 1, tally).await
    });
    assert!(early.lost() > 0, "an answer before the commit: {}", early.table());
}

#[test]
fn no_cut_of_the_links_to_engine_and_database_duplicates_or_loses_anything() {
    let world = World::take();
    let mut tally = Tally::default();
    let done: Result<()> = Runtime::new().unwrap().block_on(async {
        let ground = servers::with_engine(&world).await?;
        links::run(&ground, Link::Engine, 1, 12, &mut tally).await?;
        links::run(&ground, Link::Database, 24, 12, &mut tally).await?;
        crashes::run(&ground, program(), crashes::all("post-keyed"), 12, &mut tally).await
    });
    done.unwrap();
    clean(&tally);
    assert!(tally.runs_of("engine") > 20 && tally.runs_of("database") > 20, "{}", tally.table());
}

#[test]
fn a_worker_whose_clock_is_off_by_ten_minutes_duplicates_and_loses_nothing() {
    let tally =
        without("faults-clock", async |ground, tally| accidents::wrong_clock(ground, program(), 8, tally).await);
    clean(&tally);
}

/// What a client hears that says `request` and is answered `answer`, through a proxy with this plan.
async fn through(plan: Plan, request: &'static [u8]) -> Result<(Vec<u8>, std::io::Result<Vec<u8>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let proxy = Proxy::start(Upstream::Tcp(listener.local_addr()?), Duration::from_millis(300)).await?;
    proxy.arm([plan]);
    let server = tokio::task::spawn_blocking(move || -> Result<Vec<u8>> {
        let (mut stream, _) = listener.accept()?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let (mut heard, mut at) = (vec![0; request.len()], 0);
        // A read into nothing would wait for something.
        while at < heard.len()
            && let Ok(read @ 1..) = stream.read(&mut heard[at..])
        {
            at += read;
        }
        heard.truncate(at);
        if at == request.len() {
            let _ = stream.write_all(b"answer");
        }
        Ok(heard)
    });
    let port = proxy.port();
    let client = tokio::task::spawn_blocking(move || -> Result<std::io::Result<Vec<u8>>> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(request)?;
        let mut heard = Vec::new();
        Ok(stream.read_to_end(&mut heard).map(|_| heard))
    });
    Ok((server.await??, client.await??))
}

#[test]
fn the_proxy_lets_exactly_so_many_bytes_pass_and_ends_as_it_is_told() {
    let cut = |side, after, end| Plan { cut: Some(Cut { side, after, end }), ..Plan::default() };
    let done: Result<()> = Runtime::new().unwrap().block_on(async {
        let (arrived, heard) = through(cut(Side::Request, 3, End::Fin), b"request").await?;
        ensure!(arrived == b"req" && heard.as_deref().ok() == Some(b""), "FIN of a request: {arrived:?} {heard:?}");
        let (arrived, heard) = through(cut(Side::Request, 3, End::Reset), b"request").await?;
        ensure!(arrived.len() <= 3 && heard.is_err(), "RST: {arrived:?} {heard:?}");
        let (arrived, heard) = through(cut(Side::Answer, 2, End::Fin), b"request").await?;
        ensure!(arrived == b"request" && heard.as_deref().ok() == Some(b"an"), "FIN: {arrived:?} {heard:?}");
        let (arrived, heard) = through(cut(Side::Answer, 0, End::Hang), b"request").await?;
        ensure!(arrived == b"request" && heard.is_err(), "a hang ends in a reset: {arrived:?} {heard:?}");
        let slow = Plan { delay: Duration::from_millis(20), bytes_per_s: Some(500), cut: None };
        let (arrived, heard) = through(slow, b"request").await?;
        ensure!(arrived == b"request" && heard.as_deref().ok() == Some(b"answer"), "slow: {arrived:?} {heard:?}");
        Ok(())
    });
    done.unwrap();
}
