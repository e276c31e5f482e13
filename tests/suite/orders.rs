//! Orders on the command line, the door by which their owner tells about them, and what goes by age. A real Postgres, no engine.

use fallout::roles::{session, setup::Setup};
use fallout_watch::{Controller, Ticker};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::{
    program::{Ended, Program},
    rules::{House, TENANT, house},
    tenancy::program,
};

const DEAD: &str = "http://127.0.0.1:9";

async fn fallout(house: &House, args: &[&str]) -> Ended {
    program(house, "fallout_app", args).await
}

fn said(ended: &Ended, code: i32, says: &str) {
    let all = format!("{}{}", ended.stdout, ended.stderr);
    assert!(ended.code == Some(code) && all.contains(says), "expected {code} and \"{says}\": {ended:?}");
}

#[tokio::test]
async fn an_order_is_shown_and_erased_on_the_command_line_and_every_refusal_has_its_code() {
    let house = house("orders-command", |_| {}).await;
    house.order("o-1").await;
    let shown = program_of(&house, &["order", "show", "o-1"]).await;
    said(&shown, 0, "here        inProgress (run 1, running)");
    let json: Value =
        serde_json::from_str(&program_of(&house, &["order", "show", "o-1", "--json"]).await.stdout).unwrap();
    assert_eq!(
        (json["state"].as_str(), json["lines"][0]["state"].as_str()),
        (Some("inProgress"), Some("acknowledged"))
    );
    said(&program_of(&house, &["order", "show", "o-9"]).await, 2, "FO-048");
    let erase = ["order", "erase", "o-1", "--reason", "asked for"];
    said(&program_of(&house, &erase).await, 2, "--yes");
    said(&program_of(&house, &[&erase[..], &["--yes"]].concat()).await, 3, "FO-053");
}

/// The orders of `rules` belong to its own tenant.
async fn program_of(house: &House, args: &[&str]) -> Ended {
    start(house, args, "127.0.0.1:0").ended().await.unwrap()
}

fn start(house: &House, args: &[&str], listen: &str) -> Program {
    let environment = [
        ("DATABASE_URL".to_owned(), house.postgres.socket_url_as("fallout", "fallout_app")),
        ("FALLOUT_TENANT__ID".to_owned(), TENANT.to_owned()),
        ("FALLOUT_SERVER__LISTEN".to_owned(), listen.to_owned()),
    ];
    Program::start(args, &environment).unwrap()
}

#[tokio::test]
async fn a_token_is_made_listed_and_revoked_on_the_command_line() {
    let house = house("orders-tokens", |_| {}).await;
    let token = async |args: &[&str]| fallout(&house, &[&["access", "token"], args].concat()).await;
    let made = token(&["add", "owner", "--scope", "orders.write", "--expires", "90d"]).await;
    said(&made, 0, "fallout_");
    assert_eq!(made.stdout.trim().len(), 72, "the secret and nothing else: {made:?}");
    said(&token(&["add", "owner", "--scope", "read"]).await, 2, "FO-052");
    said(&token(&["add", "a b", "--scope", "read"]).await, 2, "FO-052");
    said(&token(&["add", "x", "--scope", "orders"]).await, 2, "there is no scope orders");
    let listed = token(&["list"]).await;
    said(&listed, 0, "orders.write");
    assert!(!listed.stdout.contains(made.stdout.trim()));
    said(&token(&["revoke", "ghost"]).await, 2, "FO-054");
    said(&token(&["revoke", "owner"]).await, 0, "opens nothing any more");
    said(&token(&["revoke", "owner"]).await, 0, "already done");
}

#[tokio::test]
async fn serve_takes_events_until_it_is_stopped_and_says_when_its_port_is_taken() {
    let house = house("orders-serve", |_| {}).await;
    house.order("o-1").await;
    let secret = program_of(&house, &["access", "token", "add", "owner", "--scope", "orders.write"]).await.stdout;
    let serve = start(&house, &["serve"], "127.0.0.1:0");
    let at = loop {
        if let Some((_, rest)) = serve.stderr().split_once("listening on http://")
            && let Some((at, _)) = rest.split_once(';')
        {
            break at.to_owned();
        }
        tokio::task::yield_now().await;
    };
    let now = house.desk.now().await.unwrap().to_rfc3339();
    let event =
        json!({ "eventId": "e-1", "eventTime": now, "event": { "productOrder": { "id": "o-1", "state": "held" } } });
    let url = format!("http://{at}/tmf-api/productOrderingManagement/v4/listener/productOrderStateChangeEvent");
    let sent = Client::new().post(url).bearer_auth(secret.trim()).body(event.to_string()).send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::CREATED);
    said(&program_of(&house, &["order", "show", "o-1"]).await, 0, "held, as of");
    said(&start(&house, &["serve"], &at).ended().await.unwrap(), 3, "FO-051");
    said(&serve.stopped().await.unwrap(), 0, "every request was answered");
    let check = start(&house, &["check", "--json"], "0.0.0.0:8622").ended().await.unwrap();
    let report: Value = serde_json::from_str(&check.stdout).unwrap();
    let door = report["findings"].as_array().unwrap().iter().find(|f| f["code"] == "FO-055").unwrap();
    assert_eq!(door["ok"], true, "a warning");
}

#[tokio::test]
async fn the_controller_makes_the_coming_months_and_looks_again_only_after_a_while() {
    let house = house("orders-retention", |_| {}).await;
    let mut settings = house.settings.clone();
    settings.engine.url = DEAD.to_owned();
    let names = house.desk.catalogue().operations.values().map(|op| op.downstream.clone());
    session::only(&mut settings, &names.map(|name| (name, DEAD.to_owned())).collect());
    let setup = Setup::new(settings).unwrap();
    let mut ticker = Ticker::new(setup.watch(), Controller::Retention);
    assert_eq!(ticker.tick().await.unwrap(), 1, "two months are made with the tables, the third by it");
    assert_eq!(ticker.tick().await.unwrap(), 0);
    assert_eq!(Ticker::new(setup.watch(), Controller::Retention).tick().await.unwrap(), 0, "by another process too");
}
