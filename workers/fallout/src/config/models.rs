//! The BPMN models that are deployed: read, and linted against the catalogue before the engine sees them.

use fallout_bpmn::{BpmnError, Model, Process, STEP_PROCESS, lint};
use fallout_core::catalogue::Catalogue;

use super::{CatalogueSettings, Problem, catalogue::folder, shipped, topic_codes};

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
            Ok(model) => models.push(ModelFile {
                name: base_name(&file),
                xml,
                model,
            }),
            Err(error) => problems.push(unreadable(&file, &error)),
        }
    }
    if problems.is_empty() { Ok(models) } else { Err(problems) }
}

fn unreadable(file: &str, error: &BpmnError) -> Problem {
    Problem::new(file, error.to_string())
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
        let topics = call
            .input(STEP_TOPIC)
            .map(|mapping| mapping.literals())
            .unwrap_or_default();
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
