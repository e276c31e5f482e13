//! `[downstreams.<name>]`: where each downstream is and how we show who we are.

use std::collections::BTreeMap;

use fallout_core::catalogue::Catalogue;
use fallout_downstream::{Address, ConfigError, Declared, Downstreams, Secret as BearerSecret};
use serde::{Deserialize, Serialize};

use super::{Problem, Secret, Settings, listed};
use crate::codes::Failure;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DownstreamSettings {
    #[serde(default)]
    pub url: String,
    #[serde(default)]
    pub bearer: Secret,
    /// Declared unavailable: its steps wait.
    #[serde(default)]
    pub offline: bool,
    /// Tasks in hand at the same time, of all its operations; 0: as many as the fleet has permits.
    #[serde(default)]
    pub in_flight: u32,
}

pub(super) fn problems(all: &BTreeMap<String, DownstreamSettings>) -> Vec<Problem> {
    let told = |error: ConfigError| error.problems.into_iter().map(|what| Problem::new("downstreams", what)).collect();
    built(all).err().map_or_else(Vec::new, told)
}

fn built(all: &BTreeMap<String, DownstreamSettings>) -> Result<Downstreams, ConfigError> {
    let address = |one: &DownstreamSettings| Address {
        url: one.url.clone(),
        bearer: (!one.bearer.is_empty()).then(|| BearerSecret::new(one.bearer.reveal())),
    };
    let declared = |one: &DownstreamSettings| Declared {
        offline: one.offline,
        in_flight: (one.in_flight > 0).then_some(one.in_flight),
    };
    let downstreams = Downstreams::new(all.iter().map(|(name, one)| (name.clone(), address(one))).collect())?;
    Ok(downstreams.declaring(all.iter().map(|(name, one)| (name.clone(), declared(one))).collect()))
}

impl Settings {
    /// The clients of all downstreams; refused when an operation names one that has no address.
    pub fn downstream_clients(&self, catalogue: &Catalogue) -> Result<Downstreams, Failure> {
        let missing = self.downstreams_without_address(catalogue);
        if !missing.is_empty() {
            return Err(Failure::new("FO-001", listed("the settings do not fit the operations:", &missing)));
        }
        built(&self.downstreams).map_err(|error| Failure::new("FO-001", error.to_string()))
    }

    /// Those that somebody declared offline.
    pub fn declared_offline(&self) -> Vec<&str> {
        self.downstreams.iter().filter(|(_, one)| one.offline).map(|(name, _)| name.as_str()).collect()
    }

    /// One problem per downstream that operations use and nobody configured.
    pub fn downstreams_without_address(&self, catalogue: &Catalogue) -> Vec<Problem> {
        let mut users: BTreeMap<&str, &str> = BTreeMap::new();
        for op in catalogue.operations.values().filter(|op| !self.downstreams.contains_key(&op.downstream)) {
            users.entry(&op.downstream).or_insert(&op.name);
        }
        let problem = |(downstream, operation): (&str, &str)| {
            Problem::new(
                format!("downstreams.{downstream}.url"),
                format!("is not set, and operation {operation} needs it"),
            )
        };
        users.into_iter().map(problem).collect()
    }
}
