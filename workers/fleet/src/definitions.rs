//! First sight of a process definition: its model is read once, so that claims and guards ask rows instead of XML.

use std::collections::HashSet;

use fallout_bpmn::{definition, unreadable};
use fallout_camunda::{Engine, EngineError};
use fallout_core::task::TaskRef;
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
            let read = definition(id, xml.as_deref().unwrap_or_default()).unwrap_or_else(|error| {
                tracing::error!("the model of {id} cannot be read, so no error is raised in it: {error}");
                unreadable(id)
            });
            ledger.learn(read).await?;
        }
        known.insert(id.clone());
        Ok(())
    }
}
