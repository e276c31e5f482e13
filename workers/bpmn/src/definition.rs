//! What the ledger keeps of a deployed definition, so that claims and guards ask rows instead of XML.

use std::collections::BTreeMap;

use fallout_core::{decide, task::Definition};

use crate::{BpmnError, Catches, Model, Process};

/// What this model says; `id` is the definition's in the engine.
pub fn definition(id: &str, xml: &str) -> Result<Definition, BpmnError> {
    let mut found = unreadable(id);
    let model = Model::parse(xml)?;
    if let Some(process) = model.process(&found.key).or_else(|| only(&model)) {
        found.catches = catches(process);
        found.branches = process.recovery_branches();
        found.embedded = process.embedded_branches();
    }
    Ok(found)
}

/// A model that cannot be read catches nothing and offers nothing, as far as we know: every error parks, which is safe.
pub fn unreadable(id: &str) -> Definition {
    // `<key>:<version>:<id>`; a very long key is left out by the engine, then the file's only process is meant.
    let key = id.split(':').next().unwrap_or(id).to_owned();
    let (catches, branches, embedded) = Default::default();
    Definition { id: id.to_owned(), key, catches, branches, embedded }
}

fn only(model: &Model) -> Option<&Process> {
    model.processes.first().filter(|_| model.processes.len() == 1)
}

fn catches(process: &Process) -> BTreeMap<String, decide::Catches> {
    let of = |id: &str| match process.catches(id) {
        Catches::All => decide::Catches::All,
        Catches::Codes(codes) => decide::Catches::Codes(codes),
        Catches::None => decide::Catches::none(),
    };
    process.external_tasks().map(|(node, _)| (node.id.clone(), of(&node.id))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_step_catches_every_code_and_offers_its_recoveries() {
        let xml = include_str!("../../../bpmn/recoverable-step.bpmn");
        let read = definition("recoverable-step:3:0a1b", xml).unwrap();
        assert_eq!(read.key, "recoverable-step");
        assert_eq!(read.catches.get("perform"), Some(&decide::Catches::All));
        assert!(read.branches.contains("RETRY_STEP") && read.embedded.is_empty());
        assert_eq!(read.branches_at("perform"), &read.branches);
    }

    #[test]
    fn a_model_that_cannot_be_read_is_told_and_known_to_catch_nothing() {
        assert!(definition("other:1:0a1b", "<definitions/>").is_err());
        let read = unreadable("other:1:0a1b");
        assert!(read.catches.is_empty() && read.branches.is_empty() && read.key == "other");
    }
}
