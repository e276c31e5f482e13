//! Configuration: defaults, a file, the environment; checked as a whole before anything starts.
//!
//! The crate `config` merges and converts. It stops at its first error and names no file, so everything given is compared
//! with the defaults before (`schema`, `given`), and all problems are told at once, each with its place.

mod catalogue;
mod database;
mod downstreams;
mod engine;
mod fleet;
mod given;
mod kafka;
pub mod models;
pub mod operation_file;
mod problem;
mod schema;
mod secret;
mod server;
mod settings;
pub mod shipped;
pub mod suggest;
mod tenants;

#[cfg(test)]
mod tests;

use std::{ffi::OsString, path::PathBuf};

use config::{Config, ConfigError, File, FileFormat};

pub use catalogue::{Read, topic_codes};
pub use database::DatabaseSettings;
pub use downstreams::DownstreamSettings;
pub use engine::EngineSettings;
pub use fleet::FleetSettings;
pub use kafka::KafkaSettings;
pub use problem::{Problem, listed};
pub use secret::Secret;
pub use server::{RetentionSettings, ServerSettings};
pub use settings::{
    CatalogueSettings, LogFormat, SandboxSettings, Settings, TelemetrySettings, TenantSettings, WatchSettings,
};

use given::Given;
use schema::Schema;

/// Where settings come from besides the defaults.
#[derive(Debug, Default)]
pub struct Sources {
    pub file: Option<PathBuf>,
    pub variables: Vec<(OsString, OsString)>,
}

impl Sources {
    pub fn of_process(file: Option<PathBuf>) -> Self {
        Self { file, variables: std::env::vars_os().collect() }
    }
}

/// The settings, and everything that is wrong with what was given. What is wrong is left out of the settings, so that
/// `fallout check` can go on and tell the rest; every other command must refuse.
pub fn read(sources: &Sources) -> (Settings, Vec<Problem>) {
    let schema = Schema::of_defaults();
    let (given, mut problems) = collect(sources, &schema);
    let mut accepted = Vec::new();
    for one in &given {
        match one.checked(&schema) {
            Ok(value) => accepted.extend(value.map(|value| (one.key.as_str(), value))),
            Err(problem) => problems.push(problem),
        }
    }
    problems.extend(twice(&given));
    let settings = merged(accepted).unwrap_or_else(|error| {
        problems.push(Problem::new("configuration", error.to_string()));
        Settings::default()
    });
    problems.extend(settings.problems());
    (settings, problems)
}

fn collect(sources: &Sources, schema: &Schema) -> (Vec<Given>, Vec<Problem>) {
    let (mut given, mut problems) = (Vec::new(), Vec::new());
    match sources.file.as_deref().map(given::of_file) {
        Some(Ok(of_file)) => given = of_file,
        Some(Err(problem)) => problems.push(problem),
        None => {}
    }
    let (of_environment, wrong) = given::of_environment(&sources.variables, schema);
    given.extend(of_environment);
    problems.extend(wrong);
    (given, problems)
}

/// Two variables for one setting that disagree, e.g. `DATABASE_URL` and `FALLOUT_DATABASE__URL`.
fn twice(given: &[Given]) -> Vec<Problem> {
    let variables: Vec<&Given> = given.iter().filter(|one| one.is_variable()).collect();
    let mut problems = Vec::new();
    for (i, one) in variables.iter().enumerate() {
        for other in &variables[..i] {
            if one.key == other.key && !one.same_value(other) {
                problems.push(Problem::new(
                    &one.place,
                    format!("says something else than {}; unset one of them", other.place),
                ));
            }
        }
    }
    problems
}

/// The later value of a key wins.
fn merged<'a>(given: impl IntoIterator<Item = (&'a str, config::Value)>) -> Result<Settings, ConfigError> {
    let mut builder = Config::builder().add_source(File::from_str(shipped::DEFAULTS, FileFormat::Toml));
    for (key, value) in given {
        builder = builder.set_override(key, value)?;
    }
    builder.build()?.try_deserialize()
}

impl Default for Settings {
    fn default() -> Self {
        merged([]).expect("a test reads the built-in defaults")
    }
}
