//! `fallout operation try`: does a test system keep what its operation file promises?

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    time::Duration,
};

use fallout_core::operation::Operation;
use fallout_downstream::{Address, Downstreams, Secret};
use serde::Serialize;
use serde_json::Value;

use super::Context;
use crate::{
    cli::duration::parse_duration,
    codes::Failure,
    config::listed,
    conformance::{self, Given, Plan, Subject},
    exit::Exit,
    output::{BAD, GOOD, Output, styled, table},
};

/// Try an operation on a TEST system: real requests, real test effects, and what they prove
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operation's file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Address of the test system; the operation's paths are appended
    #[arg(long, value_name = "URL")]
    pub against: String,
    /// The variable that holds a bearer token
    #[arg(long, value_name = "NAME")]
    pub bearer_env: Option<String>,
    /// How often the time until the lookup shows an effect is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "N")]
    pub count: u32,
    /// A value for a name of the templates: order.id=4711, or as JSON order.amount:=12.5
    #[arg(long = "set", value_parser = given, value_name = "NAME=VALUE")]
    pub given: Vec<(String, Value)>,
    /// Wait so long before the key is asked for the last time, e.g. 1h
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    pub retention_wait: Option<Duration>,
    /// Do not ask before test effects are made
    #[arg(long)]
    pub yes: bool,
}

fn given(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    match name.strip_suffix(':') {
        None => Ok((name.to_owned(), value.into())),
        Some(name) => {
            let value = serde_json::from_str(value).map_err(|error| format!("{value} is not JSON: {error}"))?;
            Ok((name.to_owned(), value))
        }
    }
}

#[derive(Serialize)]
struct Told<'a> {
    operation: &'a str,
    version: i32,
    ok: bool,
    #[serde(flatten)]
    report: &'a conformance::Report,
}

pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let op = operation(&args, context)?;
    let client = client(&args, &op)?;
    let given: Given = args.given.into_iter().collect();
    let subject = Subject::new(op.clone(), given).map_err(|why| Failure::new("FO-001", why))?;
    let plan = Plan { count: args.count, retention_wait: args.retention_wait.unwrap_or_default() };
    if !args.yes && !confirmed(plan.effects(&op), &op.name, &args.against, context.out)? {
        return Ok(Exit::Refused);
    }
    let report = conformance::run(&subject, &client, &plan, &|what| context.out.note(&format!("{what} ..."))).await;
    let ok = report.agrees();
    let told = Told { operation: &op.name, version: op.version, ok, report: &report };
    context.out.data(&told, || text(&report))?;
    Ok(if ok { Exit::Done } else { Exit::Failed })
}

/// A file with problems is not tried: what it promises is not clear.
fn operation(args: &Args, context: &Context) -> Result<Operation, Failure> {
    let read = context.settings.catalogue.read(std::slice::from_ref(&args.file));
    let refused = read.remarks.iter().filter(|remark| remark.refused);
    let told = |r: &crate::config::operation_file::Remark| format!("{}: {}: {}; {}", r.file, r.field, r.what, r.next);
    let problems: Vec<String> = read.problems.iter().map(ToString::to_string).chain(refused.map(told)).collect();
    match read.catalogue.operations.into_values().next() {
        Some(op) if problems.is_empty() => Ok(op),
        _ => Err(Failure::new("FO-002", listed("the operation cannot be tried:", &problems))),
    }
}

fn client(args: &Args, op: &Operation) -> Result<Downstreams, Failure> {
    let unset = |name: &String| Failure::new("FO-001", format!("the variable {name} of --bearer-env is not set"));
    let token = |name: &String| std::env::var(name).map(Secret::new).map_err(|_| unset(name));
    let bearer = args.bearer_env.as_ref().map(token).transpose()?;
    let address = Address { url: args.against.clone(), bearer };
    Downstreams::new(BTreeMap::from([(op.downstream.clone(), address)]))
        .map_err(|error| Failure::new("FO-001", format!("--against cannot be used: {error}")))
}

/// Asks a person; where there is none, the answer is no.
fn confirmed(effects: u32, name: &str, url: &str, out: Output) -> io::Result<bool> {
    if effects == 0 {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        out.note(&format!(
            "error: this makes about {effects} effects of {name} at {url}; say --yes where nobody can be asked"
        ));
        return Ok(false);
    }
    let _ =
        write!(anstream::stderr().lock(), "This makes about {effects} real effects of {name} at {url}. Go on? [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn text(report: &conformance::Report) -> String {
    let row = |line: &conformance::Line| {
        [line.verdict.word().to_owned(), line.asked.to_owned(), line.declared.clone(), line.seen.clone()]
    };
    let rows = table(["", "asked", "declared", "seen"], report.lines.iter().map(row));
    let count = |verdict| report.lines.iter().filter(|line| line.verdict == verdict).count();
    let (differs, not_shown) = (count(conformance::Verdict::Differs), count(conformance::Verdict::NotShown));
    let counted = format!("{} ok, {differs} differ, {not_shown} not shown", count(conformance::Verdict::Ok));
    format!("{rows}\n\n{}", styled(if differs == 0 { GOOD } else { BAD }, &counted))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_given_value_is_text_unless_it_is_said_to_be_json() {
        assert_eq!(given("order.id=4711"), Ok(("order.id".into(), json!("4711"))));
        assert_eq!(given("order.note=a=b"), Ok(("order.note".into(), json!("a=b"))));
        assert_eq!(given("order.amount:={\"value\":12.5}"), Ok(("order.amount".into(), json!({"value": 12.5}))));
        assert!(given("order.id").is_err() && given("order.id:=x").is_err());
    }
}
