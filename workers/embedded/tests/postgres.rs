//! The Postgres supervisor against the real server.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers of tests included")]

mod common;

use std::{fs, os::unix::fs::PermissionsExt, process::Command, time::Instant};

use common::{alive, helper_dir, options, print_and_wait, program_with_servers, start, wait_until, workspace};
use fallout_embedded::{EmbeddedError, Postgres, suitable_dir};

/// Not a test of its own: the program that the tests below kill.
#[test]
fn helper() {
    if let Some(dir) = helper_dir() {
        let postgres = start(&dir);
        print_and_wait(&[postgres.pid()]);
    }
}

fn ask(url: &str, sql: &str) -> Result<String, String> {
    let output = Command::new("psql").args(["-X", "-At", "-c", sql, url]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn a_second_start_on_the_same_directory_finds_the_data_on_the_same_port() {
    let dir = workspace();
    let started = Instant::now();
    let mut first = start(dir.path());
    eprintln!("cold start: {:?}", started.elapsed());
    let (url, port) = (first.socket_url("fallout"), first.tcp_port());
    ask(&url, "create table kept (id int); insert into kept values (7)").unwrap();
    first.stop();
    let pid = first.pid();
    drop(first);
    assert!(!alive(pid), "the server has ended");

    let started = Instant::now();
    let second = start(dir.path());
    eprintln!("warm start: {:?}", started.elapsed());
    assert_eq!(second.tcp_port(), port);
    assert_eq!(ask(&url, "select id from kept").unwrap(), "7");
}

#[test]
fn the_server_is_durable_and_each_role_reaches_only_its_own_database() {
    let dir = workspace();
    let postgres = start(dir.path());
    let settings = "select string_agg(setting, ' ') from pg_settings
                    where name in ('fsync', 'full_page_writes', 'synchronous_commit')";
    assert_eq!(ask(&postgres.socket_url("fallout"), settings).unwrap(), "on on on");

    let tcp = |role: &str, password: &str, database: &str| {
        format!("postgres://{role}:{password}@127.0.0.1:{}/{database}", postgres.tcp_port())
    };
    let password = postgres.password("camunda").unwrap();
    assert_eq!(ask(&tcp("camunda", &password, "camunda"), "select current_user").unwrap(), "camunda");
    let refused = [
        ("another password", tcp("camunda", "guess", "camunda")),
        ("another database", tcp("camunda", &password, "fallout")),
        ("the superuser over TCP", tcp("postgres", "", "postgres")),
    ];
    for (what, url) in refused {
        assert!(ask(&url, "select 1").is_err(), "{what} is refused");
    }
    assert_eq!(ask(&postgres.admin_url("fallout"), "select current_user").unwrap(), "postgres");
    postgres.add_database("more").unwrap();
    postgres.add_database("more").unwrap();
    assert!(postgres.add_database("x; drop").is_err());

    postgres.add_role("fallout", "reader").unwrap();
    postgres.add_role("fallout", "reader").unwrap();
    assert!(postgres.add_role("fallout", "x; drop").is_err());
    assert_eq!(ask(&postgres.socket_url_as("fallout", "reader"), "select current_user").unwrap(), "reader");
    let password = postgres.password("reader").unwrap();
    assert_eq!(ask(&tcp("reader", &password, "fallout"), "select 1").unwrap(), "1");
    assert!(ask(&tcp("reader", &password, "camunda"), "select 1").is_err());
    assert!(ask(&tcp("reader", &password, "fallout"), "create table own (id int)").is_err());
}

#[test]
fn a_killed_program_leaves_no_server_and_the_next_start_is_clean() {
    let dir = workspace();
    let (mut program, pids) = program_with_servers(dir.path());
    assert!(alive(pids[0]));
    program.kill().unwrap();
    program.wait().unwrap();
    // At once, while the old server may still be shutting down.
    let next = start(dir.path());
    assert!(!alive(pids[0]), "the old server has ended");
    assert_eq!(ask(&next.socket_url("fallout"), "select 1").unwrap(), "1");
    let log = fs::read_to_string(dir.path().join("postgres.log")).unwrap();
    assert!(!log.contains("not properly shut down"), "the death signal is a clean shutdown: {log}");
}

#[test]
fn a_killed_server_is_started_again_on_its_port() {
    let dir = workspace();
    let mut postgres = start(dir.path());
    let url = postgres.socket_url("fallout");
    ask(&url, "create table kept (id int)").unwrap();
    postgres.kill();
    assert!(ask(&url, "select 1").is_err());
    postgres.restart().unwrap();
    assert_eq!(ask(&url, "select count(*) from kept").unwrap(), "0");
}

#[test]
fn a_server_outlives_the_thread_that_started_it() {
    let dir = workspace();
    let path = dir.path().to_owned();
    let postgres = std::thread::spawn(move || start(&path)).join().unwrap();
    assert_eq!(ask(&postgres.socket_url("fallout"), "select 1").unwrap(), "1");
}

#[test]
fn a_second_program_on_one_directory_is_refused() {
    let dir = workspace();
    let (mut program, pids) = program_with_servers(dir.path());
    let error = Postgres::start(options(dir.path())).unwrap_err();
    assert_eq!(error.code(), "FO-104");
    assert!(error.to_string().contains(&format!("process {}", program.id())), "{error}");
    program.kill().unwrap();
    program.wait().unwrap();
    wait_until("the server ends", || !alive(pids[0]));
}

#[test]
fn a_data_directory_of_another_major_version_is_refused_and_left_alone() {
    let dir = workspace();
    let version = dir.path().join("data/PG_VERSION");
    fs::create_dir(dir.path().join("data")).unwrap();
    fs::write(&version, "9\n").unwrap();
    let error = Postgres::start(options(dir.path())).unwrap_err();
    assert!(matches!(error, EmbeddedError::OtherMajor { data_major: 9, .. }), "{error}");
    assert_eq!(fs::read_to_string(version).unwrap(), "9\n");
}

#[test]
fn a_taken_port_is_named() {
    let dir = workspace();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let error = Postgres::start(fallout_embedded::PostgresOptions { port, ..options(dir.path()) }).unwrap_err();
    assert_eq!(error.code(), "FO-106");
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}

#[test]
fn a_path_too_long_for_a_socket_and_with_odd_letters_works() {
    let dir = workspace();
    let deep = dir.path().join("ein langer Pfad mit Ümlauten").join("x".repeat(120));
    let postgres = start(&deep);
    assert!(postgres.socket_dir().starts_with("/tmp"));
    assert_eq!(ask(&postgres.socket_url("fallout"), "select 1").unwrap(), "1");
    let socket_dir = postgres.socket_dir().to_owned();
    drop(postgres);
    fs::remove_dir_all(socket_dir).unwrap();
    let short = dir.path().join("mit Leerzeichen ü");
    let postgres = start(&short);
    assert_eq!(ask(&postgres.socket_url("fallout"), "select 1").unwrap(), "1");
}

#[test]
fn a_folder_closed_to_the_servers_user_is_named_and_a_suitable_one_proposed() {
    let dir = workspace();
    let closed = dir.path().join("home");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    // SAFETY: geteuid has no preconditions and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        assert_eq!(suitable_dir(&closed.join("pg")), closed.join("pg"));
        return; // the server runs as we do, so nothing is closed to it
    }
    let error = Postgres::start(options(&closed.join("pg"))).unwrap_err();
    assert!(matches!(&error, EmbeddedError::Unreachable { blocked, .. } if *blocked == closed), "{error}");
    assert!(suitable_dir(&closed.join("pg")).starts_with("/var/lib/fallout"));
    assert_eq!(suitable_dir(&dir.path().join("pg")), dir.path().join("pg"));
}
