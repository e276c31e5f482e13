//! The Camunda 7 engine over REST: typed calls, and errors whose variants are the caller's decisions.
//!
//! Not here: retries (a call is made once and says what is proven about it), polling loops, read-backs of a lost
//! report (the fleet and the relay do them with the reads offered here), and any word of fallout management.
//! One file per family of calls; `client` makes the exchange, `error` says what it proves.

mod activity;
mod check;
mod client;
mod config;
mod deployment;
mod error;
mod external_task;
mod history;
mod incident;
mod job;
mod message;
mod report;
mod runtime;
mod time;
mod variable;

pub use activity::{ActivityInstance, Instruction, ScopedVariable, TransitionInstance};
pub use client::Engine;
pub use config::{Auth, EngineConfig, Secret, SetupError};
pub use deployment::{DeployError, Deployment, ParseProblem, ProcessDefinition};
pub use error::EngineError;
pub use external_task::{ExternalTask, ExternalTaskQuery, FetchRequest, LockedTask, Topic};
pub use history::{
    HistoricActivityInstance, HistoricActivityQuery, HistoricInstanceQuery, HistoricProcessInstance, HistoricVariable,
    InstanceState, TaskLogEntry, TaskLogEvent,
};
pub use incident::{Incident, IncidentQuery};
pub use job::Job;
pub use message::{Correlated, Correlation, MessageCorrelation};
pub use report::{Failure, ReportError};
pub use runtime::{EventSubscription, EventSubscriptionQuery, Execution, ProcessInstance, ProcessInstanceQuery};
pub use variable::{Variable, Variables};

/// How many rows a list without paging may bring: far above what one process instance has, and still one short answer.
pub const MAX_ROWS: u32 = 1_000;
