//! What is accepted, what is refused and in which words.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::*;

/// A configuration file of its own, and variables.
struct Given {
    folder: TempDir,
    variables: Vec<(&'static str, &'static str)>,
}

fn given(file: &str, variables: &[(&'static str, &'static str)]) -> Given {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("my.toml"), file).unwrap();
    Given { folder, variables: variables.to_vec() }
}

impl Given {
    fn read(&self) -> (Settings, Vec<String>) {
        let sources = Sources {
            file: Some(self.folder.path().join("my.toml")),
            variables: self.variables.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        };
        let (settings, problems) = super::read(&sources);
        let folder = format!("{}/", self.folder.path().display());
        (settings, problems.iter().map(|problem| problem.to_string().replace(&folder, "")).collect())
    }

    fn problems(&self) -> Vec<String> {
        self.read().1
    }
}

fn refused(file: &str, variables: &[(&'static str, &'static str)], expected: &[&str]) {
    assert_eq!(given(file, variables).problems(), expected);
}

/// As dotted keys.
fn keys(value: &toml::Table) -> Vec<String> {
    schema::flatten(value).into_iter().map(|(key, _)| key).collect()
}

#[test]
fn the_defaults_are_whole_and_every_documented_key_has_a_field() {
    let (settings, problems) = super::read(&Sources::default());
    assert_eq!(problems, []);
    let mut typed = keys(&toml::Table::try_from(&settings).unwrap());
    let mut documented = keys(&toml::from_str(shipped::DEFAULTS).unwrap());
    typed.sort();
    documented.sort();
    assert_eq!(typed, documented);
}

#[test]
fn the_shipped_catalogue_fits_the_defaults() {
    let catalogue = Settings::default().catalogue().unwrap();
    assert_eq!(catalogue.operations.len(), shipped::OPERATIONS.len());
    let models = models::load(&Settings::default().catalogue).unwrap();
    assert_eq!(models::findings(&models, &catalogue), []);
}

#[test]
fn a_variable_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = "[fleet]\npermits = 8\npoll_timeout_ms = 15000\n[downstreams.crm]\nurl = \"http://crm\"";
    let variables = [("FALLOUT_FLEET__PERMITS", "9"), ("FALLOUT_DOWNSTREAMS__CRM__BEARER", "0042"), ("PATH", "/bin")];
    let (settings, problems) = given(file, &variables).read();
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(
        (settings.fleet.permits, settings.fleet.poll_timeout_ms, settings.fleet.lock_duration_ms),
        (9, 15_000, 30_000)
    );
    // A secret of digits stays the text that it is.
    assert_eq!(settings.downstreams["crm"].bearer.reveal(), "0042");
    assert_eq!(settings.downstreams["crm"].url, "http://crm");
}

#[test]
fn well_known_variables_name_the_two_servers() {
    let variables = [("DATABASE_URL", "postgres://u:geheim@h/f"), ("CAMUNDA_URL", "http://h:8080/engine-rest")];
    let (settings, problems) = given("[engine]\nurl = \"http://other/engine-rest\"", &variables).read();
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(settings.database.url.reveal(), "postgres://u:geheim@h/f");
    assert_eq!(settings.engine.url, "http://h:8080/engine-rest");
}

#[test]
fn every_problem_of_both_places_is_told_at_once() {
    let file = "[fleet]\npermit = 8\ndrain_timeout_ms = \"20s\"\n[fleeet]\n[engine]\nurl = 5\n[database]\npermits = 1";
    let variables =
        [("FALLOUT_FLEET__LOCK_DURATION", "1"), ("FALLOUT_WATCH__TICK_MS", "soon"), ("FALLOUT_FLEET_PERMITS", "9")];
    let mut problems = given(file, &variables).problems();
    problems.sort();
    let mut expected = vec![
        "my.toml: database.permits: no such setting; did you mean fleet.permits?",
        "my.toml: engine.url: expected a text in quotes, found another number",
        "my.toml: fleeet: no such setting; did you mean fleet?",
        "my.toml: fleet.drain_timeout_ms: expected a whole number from 0 to 4294967295, found a text",
        "my.toml: fleet.permit: no such setting; did you mean fleet.permits?",
        "FALLOUT_FLEET__LOCK_DURATION: no such setting; did you mean FALLOUT_FLEET__LOCK_DURATION_MS?",
        "FALLOUT_FLEET_PERMITS: no such setting; did you mean FALLOUT_FLEET__PERMITS?",
        "FALLOUT_WATCH__TICK_MS: expected a whole number from 0 to 4294967295, found another text",
    ];
    expected.sort_unstable();
    assert_eq!(problems, expected);
}

#[test]
fn a_downstream_is_declared_offline_or_limited_in_the_file_or_by_a_variable() {
    let file = "[downstreams.crm]\nurl = \"http://crm\"\noffline = true\n[downstreams.erp]\nurl = \"http://erp\"\nin_flight = 4";
    let (settings, problems) = given(file, &[]).read();
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(settings.declared_offline(), ["crm"]);
    assert_eq!((settings.downstreams["crm"].in_flight, settings.downstreams["erp"].in_flight), (0, 4));
    let (settings, _) = given(file, &[("FALLOUT_DOWNSTREAMS__CRM__OFFLINE", "false")]).read();
    assert!(settings.declared_offline().is_empty());
    refused(
        "[downstreams.crm]\nurl = \"http://crm\"\noffline = \"yes\"",
        &[],
        &["my.toml: downstreams.crm.offline: expected true or false, found a text"],
    );
}

#[test]
fn a_slip_below_a_name_of_ones_own_is_recognised_too() {
    refused(
        "[downstreams.crm]\nurl = \"http://crm\"\nbaerer = \"x\"",
        &[],
        &["my.toml: downstreams.crm.baerer: no such setting; did you mean downstreams.crm.bearer?"],
    );
}

#[test]
fn a_section_in_the_place_of_a_value_and_the_reverse_are_refused() {
    refused("fleet = 5", &[], &["my.toml: fleet: is a section; write [fleet] and its settings below"]);
    refused("[fleet.permits]\nx = 1", &[], &["my.toml: fleet.permits.x: no such setting; did you mean fleet.permits?"]);
    refused("[fleet]\n[downstreams]", &[], &[]);
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_place_and_without_its_text() {
    let problems = given("[engine]\npassword = \"gehe\nim\"", &[]).problems();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("my.toml:3:"), "{problems:?}");
    assert!(!problems[0].contains("gehe"), "{problems:?}");
    let sources = Sources { file: Some(PathBuf::from("nowhere.toml")), variables: Vec::new() };
    let problems = super::read(&sources).1;
    assert_eq!(problems[0].place, "nowhere.toml");
}

#[test]
fn two_variables_that_disagree_are_refused_and_two_that_agree_are_not() {
    let two = |url| [("DATABASE_URL", "postgres://a/f"), ("FALLOUT_DATABASE__URL", url)];
    refused("", &two("postgres://a/f"), &[]);
    refused(
        "",
        &two("postgres://b/f"),
        &["FALLOUT_DATABASE__URL: says something else than DATABASE_URL; unset one of them"],
    );
}

#[test]
fn names_that_only_share_our_prefix_are_left_alone() {
    refused("", &[("FALLOUT_SERVICE_HOST", "10.0.0.1"), ("FALLOUT_PORT_8080_TCP", "x"), ("FALLOUT_LOG", "debug")], &[]);
}

#[test]
fn values_that_can_never_work_are_refused() {
    let file = "[tenant]\nid = \"a:b\"\n[fleet]\npoll_timeout_ms = 90000\n[engine]\nurl = \"http://u:geheim@h\"\nuser = \"demo\"\n[telemetry]\nlog = \"xml\"\n[database]\nurl = \"mysql://x\"\n[downstreams.crm]\nurl = \"crm\"";
    refused(
        file,
        &[],
        &[
            "tenant.id: expected 1 to 40 characters of a-z, 0-9, - and _",
            "database.url: expected an address that begins with postgres://",
            "engine.user: user and password belong together; set both or none",
            "engine.url: the engine address carries a user name or password; put them into the authentication settings",
            "fleet.poll_timeout_ms: expected 1000 to 60000",
            "telemetry.log: expected \"text\" or \"json\"",
            "downstreams: downstream crm: the address is not a URL: relative URL without a base",
        ],
    );
}

#[test]
fn an_address_that_is_none_and_a_retention_of_nothing_are_refused() {
    let file = "[server]\nlisten = \"localhost\"\n[retention]\npersonal_months = 0\nevent_days = 0";
    refused(
        file,
        &[],
        &[
            "server.listen: expected an address and a port like 127.0.0.1:8622 or [::1]:8622",
            "retention.personal_months: expected 1 to 1200: what is younger is still needed to fulfil orders",
            "retention.event_days: expected 1 to 366",
        ],
    );
    for (listen, beyond) in [("127.0.0.1:8622", false), ("[::1]:1", false), ("0.0.0.0:1", true), ("10.0.0.7:1", true)] {
        let (settings, problems) = given(&format!("[server]\nlisten = \"{listen}\""), &[]).read();
        assert_eq!((problems.len(), settings.server.is_beyond_loopback()), (0, beyond), "{listen}");
    }
}

#[test]
fn a_list_of_personal_fields_that_takes_away_what_is_worked_with_is_told_with_its_file() {
    let given = given("[catalogue]\npersonal_data = \"mine.toml\"", &[]);
    fs::write(given.folder.path().join("mine.toml"), "personal = [\"relatedParty\", \"note\"]").unwrap();
    let problems = given.read().0.catalogue.load().unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].place.ends_with("mine.toml"), "{problems:?}");
    assert_eq!(problems[0].what, "relatedParty: would take relatedParty.id away, which is worked with");
}

#[test]
fn a_lock_that_a_slow_call_outlives_is_refused_with_the_operation() {
    let (settings, problems) = given("[fleet]\nlock_duration_ms = 5000\ndrain_timeout_ms = 3000", &[]).read();
    assert_eq!(problems, Vec::<String>::new());
    let failure = settings.catalogue().unwrap_err();
    assert_eq!(failure.code.id, "FO-001");
    let text = failure.to_string();
    assert!(text.contains("fleet.lock_duration_ms: 5000 is too short: one call of "), "{text}");
    assert!(text.contains("fleet.drain_timeout_ms: 3000 is too short: a call of "), "{text}");
}

#[test]
fn no_secret_is_printed() {
    let file = "[database]\nurl = \"postgres://u:geheim@h/f\"\n[engine]\nuser = \"u\"\npassword = \"geheim\"\n[downstreams.crm]\nurl = \"http://crm\"\nbearer = \"geheim\"";
    let (settings, problems) = given(file, &[("FALLOUT_FLEET__PERMITS", "geheim")]).read();
    let json = serde_json::to_string(&settings).unwrap();
    assert!(!format!("{settings:?} {json} {problems:?}").contains("geheim"));
    assert_eq!(problems.len(), 1);
}

#[test]
fn paths_of_a_file_are_meant_from_where_it_is_and_every_bad_file_is_told() {
    let given = given("[catalogue]\noperations = \"ops\"\ntaxonomy = \"none.toml\"", &[]);
    let ops = given.folder.path().join("ops");
    fs::create_dir(&ops).unwrap();
    let (_, good) = shipped::OPERATIONS[0];
    fs::write(ops.join("other.toml"), good).unwrap();
    fs::write(ops.join("broken.toml"), "name = ").unwrap();
    fs::write(ops.join("partial.toml"), "name = \"partial\"").unwrap();
    let problems = given.read().0.catalogue.load().unwrap_err();
    let folder = format!("{}/", given.folder.path().display());
    let problems: Vec<_> = problems.iter().map(|problem| problem.to_string().replace(&folder, "")).collect();
    assert!(problems[0].starts_with("none.toml: the file cannot be read: "));
    assert!(problems[1].starts_with("ops/broken.toml:1:"));
    assert!(problems[2].contains("ops/other.toml: name: defines billing.activate, so it must be called"));
    for (field, problem) in ["version", "downstream"].iter().zip(&problems[3..]) {
        assert!(problem.starts_with(&format!("ops/partial.toml: {field}: is missing; ")), "{problem}");
    }
}

#[test]
fn what_is_wrong_in_an_operation_is_told_with_its_file() {
    let given = given("[catalogue]\noperations = \"ops\"", &[]);
    let ops = given.folder.path().join("ops");
    fs::create_dir(&ops).unwrap();
    let (name, good) = shipped::OPERATIONS[0];
    fs::write(ops.join(name), good.replace("method = \"PUT\"", "method = \"GET\"")).unwrap();
    let problems = given.read().0.catalogue.load().unwrap_err();
    assert!(
        problems.iter().any(|p| p.place.ends_with("ops/billing.activate.toml") && p.what.contains("GET")),
        "{problems:?}"
    );
}
