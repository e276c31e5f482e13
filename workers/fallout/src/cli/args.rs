//! The commands and what they share.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::{
    access, action, audit, bulk, case, check, customer_status, demo, deploy, downstream, explain, group, ledger,
    migrate, operation, order, policy, problem, serve, shift, signal, taxonomy, up, watch, worker,
};
use crate::telemetry::{COURSE_OF_THINGS, TROUBLE_ONLY};

const EXAMPLES: &str = "\
Examples:
  fallout demo                         100 orders end to end, with servers of its own
  fallout demo --keep                  the same, and everything stays up until Ctrl-C
  fallout check                        what keeps this from working here
  fallout case list                    what waits for a person
  fallout case take fc-12              work on it yourself
  fallout case recover fc-12 --action retry --reason 'address corrected in CRM'
  fallout shift report                 what one shift hands to the next
  fallout order show ord-88210         how an order stands, line by line
  fallout downstream offline billing --until 2h --reason 'vendor outage'
                                       its steps and cases wait, nothing is tried
  fallout order archive --older-than 90d --dry-run
  fallout operation check my/operations
                                       everything that is wrong with these descriptions of calls
  fallout taxonomy show engine:failedJob
                                       what a code means to us: owner, recovery, clock, what the customer sees
  fallout policy list                  cancelling and what it costs, other routes, new quotes
  fallout customer-status ord-88210    what the customer may be told
  fallout explain FO-012               what a code means and what to do

With servers of yours, set DATABASE_URL and CAMUNDA_URL, then: migrate, deploy, check, worker run, watch.
Settings: config/default.toml lists all; --config FILE and FALLOUT_<SECTION>__<KEY> change them.
Exit codes: 0 done, 1 failed, 2 input or configuration, 3 refused, 4 not reachable, 69 software missing.";

/// Fallout management for order fulfilment on Camunda 7: knows how a step did not end well, never repeats an effect that
/// may have happened, and recovers it.
#[derive(Debug, Parser)]
#[command(name = "fallout", version, after_help = EXAMPLES, disable_help_subcommand = true)]
pub struct Cli {
    /// Settings that differ from the defaults (TOML)
    #[arg(long, global = true, env = "FALLOUT_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the result as one JSON object
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Demo(demo::Args),
    Up(up::Args),
    Worker(worker::Args),
    Watch(watch::Args),
    Serve(serve::Args),
    Deploy(deploy::Args),
    Migrate(migrate::Args),
    Access(access::Args),
    Operation(operation::Args),
    Check(check::Args),
    Case(Box<case::Args>),
    Bulk(bulk::Args),
    Action(action::Args),
    Downstream(downstream::Args),
    Group(group::Args),
    Ledger(ledger::Args),
    Audit(audit::Args),
    Order(order::Args),
    Shift(shift::Args),
    Problem(problem::Args),
    Signal(signal::Args),
    Taxonomy(taxonomy::Args),
    Policy(policy::Args),
    CustomerStatus(customer_status::Args),
    Explain(explain::Args),
}

impl Command {
    /// What is logged when FALLOUT_LOG does not say.
    pub fn log_filter(&self) -> &'static str {
        match self {
            Command::Demo(_) => TROUBLE_ONLY,
            _ => COURSE_OF_THINGS,
        }
    }
}
