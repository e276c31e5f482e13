//! What `check` asks the engine: is it there, may we, is it the right one, are the models on it.

use fallout_camunda::{Engine, EngineError};

use super::Finding;
use crate::{
    cli::deploy::keys,
    config::{Settings, models, models::ModelFile},
    output::chain,
};

const AREA: &str = "engine";
/// Camunda 7.24 and Operaton 1.0 pass our tests; others of the same family probably work.
const FAMILY: [&str; 2] = ["7.", "1."];

pub async fn findings(settings: &Settings) -> Vec<Finding> {
    let engine = match settings.engine.client() {
        Ok(engine) => engine,
        Err(failure) => {
            return vec![Finding::bad(AREA, "address", failure.code.id, format!("{failure}; {}", failure.next_step()))];
        }
    };
    let mut findings = Vec::new();
    if let Err(error) = facts(&engine, settings, &mut findings).await {
        findings.push(broken(&engine, &error));
    }
    findings
}

/// Stops at the first question that gets no answer: the others would get none either.
async fn facts(engine: &Engine, settings: &Settings, findings: &mut Vec<Finding>) -> Result<(), EngineError> {
    let version = engine.version().await?;
    findings.push(Finding::good(AREA, "address", engine.base_url()));
    let product = engine.product().await?.unwrap_or_else(|| "an engine that does not tell its name".to_owned());
    findings.push(if FAMILY.iter().any(|family| version.starts_with(family)) {
        Finding::good(AREA, "version", format!("{product} {version}"))
    } else {
        let detail = format!("{product} {version}; Camunda 7.24 and Operaton 1.0 are what this program is tested with");
        Finding::bad(AREA, "version", "FO-012", detail)
    });
    for file in models::load(&settings.catalogue).unwrap_or_default() {
        deployed(engine, &file, findings).await?;
    }
    findings.push(if engine.history_level_is_full().await? {
        Finding::good(AREA, "history level", "full")
    } else {
        Finding::bad(AREA, "history level", "FO-012", "not full: a lost report could not be read back")
    });
    Ok(())
}

async fn deployed(engine: &Engine, file: &ModelFile, findings: &mut Vec<Finding>) -> Result<(), EngineError> {
    for key in keys(std::slice::from_ref(file)) {
        let Some(definition) = engine.process_definitions(key, true).await?.pop() else {
            findings.push(Finding::bad(AREA, key, "FO-013", "not deployed; run fallout deploy"));
            continue;
        };
        let same = engine.process_definition_xml(&definition.id).await?.is_some_and(|xml| xml == file.xml);
        let differs = if same { "" } else { ", not the same as ours; fallout deploy would add a version" };
        let suspended = if definition.suspended { ", suspended: no order can start" } else { "" };
        let detail = format!("deployed, version {}{differs}{suspended}", definition.version);
        findings.push(Finding::good(AREA, key, detail));
    }
    Ok(())
}

fn broken(engine: &Engine, error: &EngineError) -> Finding {
    let (code, subject) = match error {
        EngineError::Unauthorised { .. } => ("FO-011", "authorisation"),
        _ => ("FO-010", "address"),
    };
    Finding::bad(AREA, subject, code, format!("{}: {}", engine.base_url(), chain(error)))
}
