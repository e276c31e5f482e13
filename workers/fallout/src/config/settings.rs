//! The typed settings. A section with rules of its own has its own file.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use fallout_core::catalogue::Catalogue;
use serde::{Deserialize, Serialize};

use super::{
    DatabaseSettings, DownstreamSettings, EngineSettings, FleetSettings, KafkaSettings, Problem, Read,
    RetentionSettings, ServerSettings, catalogue, downstreams, listed,
};
use crate::codes::Failure;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    pub tenant: TenantSettings,
    pub database: DatabaseSettings,
    pub engine: EngineSettings,
    pub fleet: FleetSettings,
    pub downstreams: BTreeMap<String, DownstreamSettings>,
    pub catalogue: CatalogueSettings,
    pub watch: WatchSettings,
    pub kafka: KafkaSettings,
    pub server: ServerSettings,
    pub retention: RetentionSettings,
    pub telemetry: TelemetrySettings,
    pub sandbox: SandboxSettings,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TenantSettings {
    pub id: String,
}

/// Empty paths mean what is built into the program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CatalogueSettings {
    pub operations: PathBuf,
    pub taxonomy: PathBuf,
    pub tenants: PathBuf,
    pub customer_status: PathBuf,
    pub severity: PathBuf,
    pub sla: PathBuf,
    pub problems: PathBuf,
    pub personal_data: PathBuf,
    pub authority: PathBuf,
    pub verification: PathBuf,
    pub bulk: PathBuf,
    pub policies: PathBuf,
    pub models: PathBuf,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WatchSettings {
    pub tick_ms: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TelemetrySettings {
    pub log: String,
    pub otlp_url: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SandboxSettings {
    pub book: PathBuf,
    pub faults: PathBuf,
}

impl Settings {
    /// Values that contradict each other or can never work, all at once.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.tenant.problems();
        problems.extend(self.database.problems());
        problems.extend(self.engine.problems());
        problems.extend(self.fleet.problems());
        problems.extend(self.watch.problems());
        problems.extend(self.kafka.problems());
        problems.extend(self.server.problems());
        problems.extend(self.retention.problems());
        problems.extend(self.telemetry.problems());
        problems.extend(downstreams::problems(&self.downstreams));
        problems
    }

    /// Operations and taxonomy: checked in themselves (FO-002) and against these settings (FO-001).
    pub fn catalogue(&self) -> Result<Catalogue, Failure> {
        let catalogue = self
            .catalogue
            .load()
            .map_err(|problems| Failure::new("FO-002", listed("the catalogue cannot be used:", &problems)))?;
        let problems = self.fleet.against(&catalogue);
        if problems.is_empty() {
            return Ok(catalogue);
        }
        Err(Failure::new("FO-001", listed("the settings do not fit the operations:", &problems)))
    }
}

impl CatalogueSettings {
    /// Operations and taxonomy, checked in themselves only.
    pub fn load(&self) -> Result<Catalogue, Vec<Problem>> {
        catalogue::load(self)
    }

    /// As `load`, with every remark; of these files and folders instead, where some are named.
    pub fn read(&self, paths: &[PathBuf]) -> Read {
        catalogue::read(self, paths)
    }
}

impl TenantSettings {
    fn problems(&self) -> Vec<Problem> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        // 40 leaves room for the order id in the engine's business key of 255 characters.
        let good = (1..=40).contains(&self.id.len()) && self.id.chars().all(plain);
        let problem = || Problem::new("tenant.id", "expected 1 to 40 characters of a-z, 0-9, - and _");
        (!good).then(problem).into_iter().collect()
    }
}

impl WatchSettings {
    pub fn tick(&self) -> Duration {
        Duration::from_millis(self.tick_ms.into())
    }

    fn problems(&self) -> Vec<Problem> {
        let what = "expected 50 to 60000: faster keeps the database busy for nothing, slower lets cases wait";
        let good = (50..=60_000).contains(&self.tick_ms);
        (!good).then(|| Problem::new("watch.tick_ms", what)).into_iter().collect()
    }
}

impl TelemetrySettings {
    /// `None`: not a format we know, which `problems` tells.
    pub fn format(&self) -> Option<LogFormat> {
        match self.log.as_str() {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        }
    }

    fn problems(&self) -> Vec<Problem> {
        let format = self.format().is_none().then(|| Problem::new("telemetry.log", "expected \"text\" or \"json\""));
        let url = self.otlp_url.as_str();
        let http = url.is_empty() || url.starts_with("http://") || url.starts_with("https://");
        let url = (!http)
            .then(|| Problem::new("telemetry.otlp_url", "expected an address like http://127.0.0.1:4318, or nothing"));
        format.into_iter().chain(url).collect()
    }
}
