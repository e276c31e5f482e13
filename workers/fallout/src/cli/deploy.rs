//! `fallout deploy`: lints the models and gives them to the engine as one deployment.

use std::collections::BTreeSet;

use anyhow::Context as _;
use fallout_camunda::{DeployError, Engine, ParseProblem, ProcessDefinition};
use serde::Serialize;

use super::Context;
use crate::{
    codes::Failure,
    config::{Settings, listed, models, models::ModelFile},
    exit::Exit,
    output::table,
};

/// Name and source of our deployments: duplicate filtering compares with the latest one of both.
const DEPLOYMENT: &str = "fallout";

/// Check the models and deploy them to the engine
#[derive(Debug, clap::Args)]
pub struct Args {}

#[derive(Debug, Serialize)]
pub struct Deployed {
    pub deployment: String,
    /// Nothing had changed.
    pub already: bool,
    pub definitions: Vec<Definition>,
}

#[derive(Debug, Serialize)]
pub struct Definition {
    pub key: String,
    pub version: i32,
    pub id: String,
    pub file: String,
}

pub async fn run(_: Args, context: &Context) -> anyhow::Result<Exit> {
    let engine = context.settings.engine.client()?;
    let deployed = deploy(&engine, &context.settings).await?;
    context.out.data(&deployed, || text(&deployed))?;
    Ok(Exit::Done)
}

/// Refuses models with findings (FO-014); what is deployed already stays as it is.
pub async fn deploy(engine: &Engine, settings: &Settings) -> anyhow::Result<Deployed> {
    let catalogue = settings.catalogue()?;
    let models = models::load(&settings.catalogue).map_err(|problems| refused(&problems))?;
    let findings = models::findings(&models, &catalogue);
    if !findings.is_empty() {
        return Err(refused(&findings).into());
    }
    let files = models.iter().map(|file| (file.name.clone(), file.xml.clone().into_bytes())).collect();
    let deployment = match engine.deploy(DEPLOYMENT, DEPLOYMENT, files, true).await {
        Ok(deployment) => deployment,
        Err(DeployError::Parse { problems }) => return Err(unaccepted(&problems).into()),
        Err(DeployError::Engine(error)) => {
            return Err(error).with_context(|| format!("the models could not be deployed to {}", engine.base_url()));
        }
    };
    let already = deployment.process_definitions.is_empty();
    let found = if already { latest(engine, &models).await? } else { deployment.process_definitions };
    Ok(Deployed { deployment: deployment.id, already, definitions: found.into_iter().map(Into::into).collect() })
}

/// The newest definition of every process in these files, where there is one.
pub async fn latest(engine: &Engine, models: &[ModelFile]) -> anyhow::Result<Vec<ProcessDefinition>> {
    let mut found = Vec::new();
    for key in keys(models) {
        found.extend(engine.process_definitions(key, true).await?);
    }
    Ok(found)
}

pub fn keys(models: &[ModelFile]) -> BTreeSet<&str> {
    models.iter().flat_map(|file| &file.model.processes).map(|process| process.id.as_str()).collect()
}

fn refused(findings: &[impl std::fmt::Display]) -> Failure {
    Failure::new("FO-014", listed("the models would lose what happens to an order; nothing was deployed:", findings))
}

fn unaccepted(problems: &[ParseProblem]) -> Failure {
    let place = |p: &ParseProblem| match (p.file.as_str(), p.line) {
        ("", _) => "model".to_owned(),
        (file, 0) => file.to_owned(),
        (file, line) => format!("{file}:{line}:{}", p.column),
    };
    let lines: Vec<String> = problems.iter().map(|p| format!("{}: {}", place(p), p.message)).collect();
    Failure::new("FO-015", listed("the engine does not accept the models; nothing was deployed:", &lines))
}

fn text(deployed: &Deployed) -> String {
    let head = if deployed.already { "already deployed" } else { "deployed" };
    let row = |d: &Definition| [d.key.clone(), d.version.to_string(), d.file.clone(), d.id.clone()];
    let rows = table(["process", "version", "file", "definition"], deployed.definitions.iter().map(row));
    format!("{head} (deployment {})\n\n{rows}", deployed.deployment)
}

impl From<ProcessDefinition> for Definition {
    fn from(d: ProcessDefinition) -> Self {
        Self { key: d.key, version: d.version, id: d.id, file: d.resource }
    }
}
