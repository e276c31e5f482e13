//! The BPMN models that are deployed: read, and linted against the catalogue before the engine sees them.

use fallout_bpmn::{Model, Process, STEP_PROCESS, lint};
use fallout_core::catalogue::Catalogue;

use super::{CatalogueSettings, Problem, catalogue::folder, shipped, topic_codes};
use crate::output::chain;

/// The variable that tells the called step its topic.
const STEP_TOPIC: &str = "stepTopic";

/// One file, well-formed and not yet linted.
#[derive(Debug, Clone)]
pub struct ModelFile {
    /// Under which it is deployed.
    pub name: String,
    pub xml: String,
    pub model: Model,
}

/// All models, or everything that keeps them from being read.
pub fn load(settings: &CatalogueSettings) -> Result<Vec<ModelFile>, Vec<Problem>> {
    let mut problems = Vec::new();
    let files = folder(&settings.models, "bpmn", "bpmn", shipped::MODELS, &mut problems);
    let mut models = Vec::new();
    for (file, xml) in files {
        match Model::parse(&xml) {
            Ok(model) => models.push(ModelFile { name: base_name(&file), xml, model }),
            Err(error) => problems.push(Problem::new(&file, chain(&error))),
        }
    }
    if problems.is_empty() { Ok(models) } else { Err(problems) }
}

fn base_name(file: &str) -> String {
    file.rsplit('/').next().unwrap_or(file).to_owned()
}

/// Every reason to refuse these models, in the order of the files.
pub fn findings(models: &[ModelFile], catalogue: &Catalogue) -> Vec<Problem> {
    let codes = topic_codes(catalogue);
    let mut problems = Vec::new();
    for file in models {
        let found = lint(&file.model, &codes).into_iter();
        problems.extend(found.map(|finding| {
            let what = format!("{}: {}; {}", finding.element, finding.what, finding.advice);
            Problem::new(format!("{}:{}", file.name, finding.at), what)
        }));
        for process in &file.model.processes {
            problems.extend(
                unserved(process, catalogue).map(|(at, what)| Problem::new(format!("{}:{at}", file.name), what)),
            );
        }
    }
    problems
}

/// Steps whose topic has no operation: nobody of ours would ever fetch them.
fn unserved<'a>(
    process: &'a Process,
    catalogue: &'a Catalogue,
) -> impl Iterator<Item = (fallout_bpmn::Position, String)> + 'a {
    let calls = process.calls().filter(|(_, call)| call.element == STEP_PROCESS);
    calls.flat_map(move |(node, call)| {
        let topics = call.handed.input(STEP_TOPIC).map(|mapping| mapping.literals()).unwrap_or_default();
        let unknown = topics.into_iter().filter(|topic| catalogue.operation(topic).is_none());
        unknown.map(|topic| {
            let what = format!(
                "{}: topic {topic} has no operation, so the step would wait for ever; add one to the catalogue",
                node.id
            );
            (node.at, what)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn a_step_whose_topic_nobody_serves_is_found_with_its_place() {
        let (name, xml) = shipped::MODELS[0];
        let xml = xml.replace("\"contract.check\"", "\"contract.chek\"");
        let model = Model::parse(&xml).unwrap();
        let files = [ModelFile { name: name.to_owned(), xml, model }];
        let found = findings(&files, &Settings::default().catalogue().unwrap());
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].place.starts_with("order-fulfilment.bpmn:"));
        assert!(found[0].what.contains("topic contract.chek has no operation"));
    }

    #[test]
    fn every_file_that_is_no_model_is_told_with_its_cause() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.bpmn"), "<x>").unwrap();
        std::fs::write(folder.path().join("b.bpmn"), "<x/>").unwrap();
        let mut settings = Settings::default().catalogue;
        settings.models = folder.path().to_owned();
        let problems = load(&settings).unwrap_err();
        assert!(problems[0].what.starts_with("the model is not well-formed XML: "), "{problems:?}");
        assert!(problems[1].what.contains("no executable BPMN process"), "{problems:?}");
    }
}
