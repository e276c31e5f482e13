//! First sight of a process definition: its model is read once, so that claims and guards ask rows instead of XML.

use std::collections::{BTreeMap, HashSet};

use fallout_bpmn::{Catches as Read, Model, Process};
use fallout_camunda::{Engine, EngineError};
use fallout_core::{
    decide::Catches,
    task::{Definition, TaskRef},
};
use tokio::sync::Mutex;

use crate::{Ledger, LedgerError};

/// The definitions that the ledger is known to know.
#[derive(Debug, Default)]
pub(crate) struct Definitions(Mutex<HashSet<String>>);

#[derive(Debug, thiserror::Error)]
pub(crate) enum NotLearnt {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the model of {definition} could not be read from the engine: {cause}")]
    Engine { definition: String, cause: EngineError },
}

impl Definitions {
    /// One after the other: a batch usually comes from one definition, and the first sight of one is rare.
    pub async fn meet(&self, ledger: &impl Ledger, engine: &Engine, task: &TaskRef) -> Result<(), NotLearnt> {
        let id = &task.process_definition_id;
        let mut known = self.0.lock().await;
        if known.contains(id) {
            return Ok(());
        }
        if !ledger.knows(id).await? {
            let xml = engine.process_definition_xml(id).await;
            let xml = xml.map_err(|cause| NotLearnt::Engine { definition: id.clone(), cause })?;
            ledger.learn(definition(id, xml.as_deref().unwrap_or_default())).await?;
        }
        known.insert(id.clone());
        Ok(())
    }
}

/// A model that cannot be read catches nothing and offers nothing, as far as we know: every error parks, which is safe.
fn definition(id: &str, xml: &str) -> Definition {
    // `<key>:<version>:<id>`; a very long key is left out by the engine, then the file's only process is meant.
    let key = id.split(':').next().unwrap_or(id).to_owned();
    let model = Model::parse(xml).inspect_err(|error| {
        tracing::error!("the model of {id} cannot be read, so no error is raised in it: {error}");
    });
    let process = model.as_ref().ok().and_then(|model| model.process(&key).or_else(|| only(model)));
    Definition {
        id: id.to_owned(),
        key,
        catches: process.map(catches).unwrap_or_default(),
        branches: process.map(Process::recovery_branches).unwrap_or_default(),
    }
}

fn only(model: &Model) -> Option<&Process> {
    model.processes.first().filter(|_| model.processes.len() == 1)
}

fn catches(process: &Process) -> BTreeMap<String, Catches> {
    let of = |id: &str| match process.catches(id) {
        Read::All => Catches::All,
        Read::Codes(codes) => Catches::Codes(codes),
        Read::None => Catches::none(),
    };
    process.external_tasks().map(|(node, _)| (node.id.clone(), of(&node.id))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_step_catches_every_code_and_offers_its_recoveries() {
        let xml = include_str!("../../../bpmn/recoverable-step.bpmn");
        let read = definition("recoverable-step:3:0a1b", xml);
        assert_eq!(read.key, "recoverable-step");
        assert_eq!(read.catches.get("perform"), Some(&Catches::All));
        assert!(read.branches.contains("RETRY_STEP"));
    }

    #[test]
    fn a_model_that_cannot_be_read_catches_nothing() {
        let read = definition("other:1:0a1b", "<definitions/>");
        assert!(read.catches.is_empty() && read.branches.is_empty());
    }
}
