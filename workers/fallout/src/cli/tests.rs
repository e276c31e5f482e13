//! The command line as people type it.

use clap::{CommandFactory, Parser};
use fallout_core::action::Action;

use super::{
    args::{Cli, Command},
    case, worker,
};
use crate::{config::Settings, output::action_name};

fn parsed(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

fn refused(line: &str) -> String {
    parsed(line).unwrap_err().to_string()
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn help_names_every_command_with_what_it_does_and_shows_examples() {
    let wrapped = Cli::command().render_long_help().to_string();
    let help = wrapped.split_whitespace().collect::<Vec<_>>().join(" ");
    for name in [
        "demo",
        "up",
        "worker",
        "watch",
        "serve",
        "deploy",
        "migrate",
        "access",
        "check",
        "case",
        "action",
        "group",
        "operation",
        "ledger",
        "audit",
        "order",
        "shift",
        "problem",
        "signal",
        "taxonomy",
        "policy",
        "customer-status",
        "explain",
    ] {
        let command = Cli::command();
        let about = command.find_subcommand(name).unwrap().get_about().map(ToString::to_string);
        assert!(about.as_ref().is_some_and(|about| help.contains(about.as_str())), "{name}");
    }
    assert!(help.contains("fallout case recover fc-12 --action retry"));
}

#[test]
fn global_options_stand_before_and_after_the_command() {
    for line in ["fallout --json case list", "fallout case list --json", "fallout case --json list"] {
        assert!(parsed(line).unwrap().json, "{line}");
    }
}

#[test]
fn the_demo_has_its_defaults() {
    let Command::Demo(args) = parsed("fallout demo").unwrap().command else { panic!("demo") };
    assert_eq!(args.deadline.as_secs(), 300);
    assert!(!args.keep && args.orders.is_none());
    assert!(refused("fallout demo --deadline 5").contains("90s or 5m"));
    assert!(refused("fallout demo --engine zeebe").contains("operaton"));
}

#[test]
fn an_attestation_needs_its_reference_and_a_recovery_its_reason() {
    let line = "fallout case recover fc-1 --action resume --reason seen --attest applied";
    assert!(refused(line).contains("--reference"));
    assert!(refused("fallout case recover fc-1 --action retry").contains("--reason"));
    let line = format!("{line} --reference INC-1 --output serviceId=S=7");
    let Command::Case(given) = parsed(&line).unwrap().command else { panic!("case") };
    let case::Command::Recover(args) = given.command else { panic!("recover") };
    assert_eq!(args.outputs, [("serviceId".to_owned(), "S=7".to_owned())]);
    assert_eq!(args.attest, Some(case::recover::Attest::Applied));
}

#[test]
fn what_people_do_with_a_case_needs_a_reason_and_a_wait_somebody_or_a_time() {
    for (line, missing) in [
        ("fallout case escalate fc-1 --to Ops", "--reason"),
        ("fallout case link fc-1 --duplicate-of fc-2", "--reason"),
        ("fallout case wait fc-1 --reason papers", "--for"),
        ("fallout case wait fc-1 --reason papers --until tomorrow", "4h or 2d"),
        ("fallout case assign fc-1", "--group"),
        ("fallout case close fc-1", "--root-cause"),
        ("fallout case close fc-1 --root-cause typo --resolution GONE", "GONE"),
        ("fallout case unresolved fc-1 --reason none", "--review"),
    ] {
        assert!(refused(line).contains(missing), "{line}: {}", refused(line));
    }
    for line in
        ["fallout case take fc-1 --if-version 3", "fallout case wait fc-1 --for customer --until 2d --reason papers"]
    {
        assert!(parsed(line).is_ok(), "{line}");
    }
}

#[test]
fn an_action_is_shown_by_the_name_that_is_typed() {
    for action in Action::ALL.iter().copied() {
        assert_eq!(super::action::find(action_name(action)).unwrap().action, action);
    }
}

#[test]
fn an_unknown_topic_is_refused_with_a_suggestion() {
    let catalogue = Settings::default().catalogue().unwrap();
    let wanted = ["payment.capture", "payment.authorise", "quote"].map(str::to_owned);
    let failure = worker::served(&catalogue, &wanted).unwrap_err();
    assert_eq!(failure.code.id, "FO-030");
    let expected =
        "no operation stands behind these topics:\npayment.authorise; did you mean payment.authorize?\nquote";
    assert_eq!(failure.to_string(), expected);
    assert_eq!(worker::served(&catalogue, &wanted[..1]).unwrap().len(), 1);
    assert_eq!(worker::served(&catalogue, &[]).unwrap().len(), catalogue.topics().count());
}
