//! The engine supervisor against the real engine. Needs the engine host: `make setup`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers of tests included")]

mod common;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use common::{alive, helper_dir, print_and_wait, program_with_servers, start, wait_until, workspace};
use fallout_embedded::{EmbeddedError, Engine, EngineOptions, Postgres, Product};

/// Not a test of its own: the program that the test below kills.
#[test]
fn helper() {
    if let Some(dir) = helper_dir() {
        let postgres = start(&dir.join("postgres"));
        let engine = Engine::start(engine_options(&dir, &postgres), &mut |_| {}).unwrap();
        print_and_wait(&[postgres.pid(), engine.pid()]);
    }
}

/// Cockpit's own page, by the address that people are given.
fn cockpit_answers(engine: &Engine) -> bool {
    let url = engine.cockpit_url();
    let path = url.split_once(&format!(":{}", engine.port())).unwrap().1;
    let mut stream = TcpStream::connect(("127.0.0.1", engine.port())).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.contains(" 200 ") && answer.contains("Cockpit</title>")
}

fn engine_options(dir: &Path, postgres: &Postgres) -> EngineOptions {
    EngineOptions {
        product: Product::Camunda,
        home: PathBuf::from("../../target/engine"),
        dir: dir.join("engine"),
        port: 0,
        database: postgres.engine_database("camunda").unwrap(),
        heap_mb: 512,
        ready_within: Duration::from_secs(180),
    }
}

/// For the report of a run with --nocapture.
fn resident_mb(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn a_killed_program_leaves_no_engine_and_the_next_start_is_clean() {
    let dir = workspace();
    let (mut program, pids) = program_with_servers(dir.path());
    let arguments = fs::read_to_string(format!("/proc/{}/cmdline", pids[1])).unwrap();
    assert!(arguments.contains("fallout.engine.Engine") && !arguments.contains("assword"), "{arguments}");
    program.kill().unwrap();
    program.wait().unwrap();
    wait_until("engine and server end", || !pids.iter().any(|pid| alive(*pid)));

    let postgres = start(&dir.path().join("postgres"));
    let (started, mut calls) = (Instant::now(), 0);
    let mut engine = Engine::start(engine_options(dir.path(), &postgres), &mut |_| calls += 1).unwrap();
    eprintln!("start on a filled database: {:?}, {} MB", started.elapsed(), resident_mb(engine.pid()));
    assert!(calls > 1, "progress is told");
    assert_eq!(engine.version(), "7.24.0");
    assert!(cockpit_answers(&engine));

    let (url, first) = (engine.base_url(), engine.pid());
    engine.kill();
    assert!(!alive(first));
    engine.restart(&mut |_| {}).unwrap();
    assert_eq!(engine.base_url(), url);
    let started = Instant::now();
    engine.stop();
    eprintln!("stop: {:?}", started.elapsed());
}

#[test]
fn an_engine_that_cannot_start_says_why_in_one_sentence() {
    let dir = workspace();
    let postgres = start(&dir.path().join("postgres"));
    let mut options = engine_options(dir.path(), &postgres);
    options.database.password = "wrong".to_owned();
    let error = Engine::start(options, &mut |_| {}).unwrap_err();
    assert_eq!(error.code(), "FO-109");
    let message = error.to_string();
    assert!(message.contains("password authentication failed"), "{message}");
    assert!(!message.contains("\tat ") && !message.contains('\n'), "{message}");
}

#[test]
fn an_engine_host_that_is_not_built_is_named() {
    let dir = workspace();
    let postgres = start(&dir.path().join("postgres"));
    let options = EngineOptions { home: dir.path().to_owned(), ..engine_options(dir.path(), &postgres) };
    let error = Engine::start(options, &mut |_| {}).unwrap_err();
    assert!(matches!(error, EmbeddedError::EngineNotBuilt { product: "camunda", .. }), "{error}");
}

#[test]
fn operaton_starts_from_the_same_settings() {
    let dir = workspace();
    let postgres = start(&dir.path().join("postgres"));
    let options = EngineOptions { product: Product::Operaton, ..engine_options(dir.path(), &postgres) };
    let started = Instant::now();
    let engine = Engine::start(options, &mut |_| {}).unwrap();
    eprintln!("operaton on an empty database: {:?}, {} MB", started.elapsed(), resident_mb(engine.pid()));
    assert_eq!(engine.version(), "1.0.3");
    assert!(cockpit_answers(&engine));
}
