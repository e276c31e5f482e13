//! One tenant sees nothing of another through the desk, and people read with a login that is bound to one. A real Postgres,
//! no engine; what holds for every table is tested beside the store.

use std::{fs, path::Path, process::Command};

use chrono::Duration;
use fallout::roles::logins;
use fallout_core::{action::Action, claim::Claim, ids::CaseNumber, step::Outputs};
use fallout_desk::{Accepted, Archived, DeskError, Recovery};
use fallout_tests::orders::simple;
use serde_json::Value;

use crate::{
    program::{Ended, Program},
    rules::{House, TENANT, bare, house},
};

const OTHER: &str = "other";

/// An order of `TENANT` whose step waits for a person.
async fn with_a_case(house: &House) -> CaseNumber {
    house.order("o-1").await;
    house.restored().await;
    let Claim::Report { case: Some(case), .. } = house.claim("o-1").await else { panic!("it must park") };
    case
}

fn is_unknown<T>(answer: Result<T, DeskError>, case: CaseNumber) -> bool {
    matches!(answer, Err(DeskError::NoSuchCase(number)) if number == case)
}

#[tokio::test]
async fn the_desk_shows_and_changes_nothing_of_another_tenant() {
    let house = house("tenancy-desk", bare).await;
    let (case, desk) = (with_a_case(&house).await, &house.desk);
    let ended = house.order("o-2").await;
    desk.run_ended(ended, "completed", "orderCompleted").await.unwrap();

    for (tenant, cases, runs, due) in [(TENANT, 1, 2, 1), (OTHER, 0, 0, 0)] {
        assert_eq!(desk.cases(tenant, false, None, 10).await.unwrap().len(), cases, "{tenant}");
        assert_eq!(desk.cases(tenant, true, Some("o-1"), 10).await.unwrap().len(), cases, "{tenant}");
        assert_eq!(desk.runs(tenant).await.unwrap().len(), runs, "{tenant}");
        assert_eq!(desk.ledger(tenant).await.unwrap().len(), runs, "{tenant}");
        assert_eq!(desk.archivable(tenant, Duration::zero(), None, 10).await.unwrap().len(), due, "{tenant}");
    }
    assert!(is_unknown(desk.case(OTHER, case).await, case));
    assert!(is_unknown(desk.actions(OTHER, case).await, case));
    let command = Recovery {
        tenant: OTHER,
        principal: "local:test",
        case,
        action: Action::RetryStep,
        reason: "not mine",
        attestation: None,
        outputs: Outputs::new(),
        idempotency_key: "k",
    };
    assert!(is_unknown(desk.recover(&command).await, case));
    // This asks by the run alone: here it is the policies that keep the tenants apart.
    assert!(matches!(desk.archive(OTHER, ended).await.unwrap(), Archived::Kept(_)));
    assert!(matches!(desk.archive(TENANT, ended).await.unwrap(), Archived::Done(_)));
    // The same order id is another order there.
    assert!(matches!(desk.accept_order(OTHER, &simple("o-1"), 1, "").await.unwrap(), Accepted::Started(_)));
    assert_eq!(desk.runs(OTHER).await.unwrap().len(), 1);
    assert!(desk.case(TENANT, case).await.is_ok());
}

/// The tenant is what these work on, not whom they work for: a controller of ours.
const SERVICES: [&str; 2] = ["seal(", "verify_history("];

/// What a service of ours may see, nobody gets who names a tenant.
#[test]
fn a_function_of_the_desk_that_takes_a_tenant_does_not_work_as_a_service() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("workers/desk/src");
    let mut asked = 0;
    for file in fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).filter(|f| f.is_file()) {
        let text = fs::read_to_string(&file).unwrap();
        for function in text.split("    pub async fn ").skip(1) {
            let function = function.split("\n    }\n").next().unwrap();
            let service = SERVICES.iter().any(|name| function.starts_with(name));
            if !service && function.split('{').next().unwrap().contains("tenant: &str") {
                asked += 1;
                assert!(!function.contains("self.system("), "{}: {function}", file.display());
            }
        }
    }
    assert!(asked >= 8, "only {asked} functions were found");
}

#[tokio::test]
async fn the_psql_line_of_the_demo_reads_the_cases_of_its_tenant() {
    let house = house("tenancy-reader", bare).await;
    with_a_case(&house).await;
    let mut settings = house.settings.clone();
    for (tenant, rows) in [(TENANT, 1), (OTHER, 0)] {
        settings.tenant.id = tenant.to_owned();
        let line = logins::reader_line(&house.postgres, &settings).await.unwrap();
        let output = Command::new("sh").args(["-c", &line]).env("PAGER", "cat").output().unwrap();
        let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{line}: {wrong}");
        assert!(said.contains(&format!("({rows} row")) && said.contains("under_a_day"), "{tenant}: {said}");
    }
}

/// Runs the program on the database of `house`, as `role`.
pub(crate) async fn program(house: &House, role: &str, args: &[&str]) -> Ended {
    let environment = [
        ("DATABASE_URL".to_owned(), house.postgres.socket_url_as("fallout", role)),
        ("FALLOUT_DATABASE__OWNER_URL".to_owned(), house.postgres.socket_url("fallout")),
    ];
    Program::start(args, &environment).unwrap().ended().await.unwrap()
}

#[tokio::test]
async fn a_login_is_made_a_reader_of_one_tenant_on_the_command_line() {
    let house = house("tenancy-command", |_| {}).await;
    let reader = async |args: &[&str]| program(&house, "fallout_app", &[&["access", "reader"], args].concat()).await;
    let said = async |args: &[&str], says: &str| {
        let ended = reader(args).await;
        assert!(ended.code == Some(0) && ended.stdout.contains(says), "{args:?}: {ended:?}");
    };
    for (login, why) in [("ghost", "no role ghost"), ("fallout_app", "may read the tables"), ("fallout", "may read")] {
        let ended = reader(&["add", login, "--tenant", "acme"]).await;
        let told = ended.stderr.contains("FO-026") && ended.stderr.contains(why);
        assert!(ended.code == Some(3) && told, "{login}: {ended:?}");
    }
    said(&["list"], "no login reads").await;
    said(&["add", "fallout_reader", "--tenant", "acme"], "fallout_reader reads the views").await;
    said(&["add", "fallout_reader", "--tenant", "acme"], "already done").await;
    said(&["list", "--json"], r#""tenant":"acme""#).await;
    said(&["remove", "fallout_reader"], "nothing any more").await;
    said(&["remove", "fallout_reader"], "already done").await;
}

#[tokio::test]
async fn check_tells_what_the_role_of_the_program_could_do() {
    let house = house("tenancy-check", |_| {}).await;
    for (role, ok, code) in [("fallout_app", true, ""), ("fallout", true, "FO-025"), ("postgres", false, "FO-025")] {
        let ended = program(&house, role, &["check", "--json"]).await;
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let finding = findings.iter().find(|f| f["area"] == "database" && f["subject"] == "role").unwrap();
        assert_eq!(finding["ok"], ok, "{finding}");
        assert_eq!(finding["code"].as_str().unwrap_or_default(), code, "{finding}");
    }
}
