//! Deploying models, and the definitions that are deployed.

use std::collections::BTreeMap;

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde::Deserialize;

use crate::error::{Exchange, Purpose, judge};
use crate::{Engine, EngineError};

#[derive(Debug, Clone)]
pub struct Deployment {
    pub id: String,
    pub name: Option<String>,
    /// Empty when duplicate filtering found everything deployed already: then `id` is the earlier deployment's.
    pub process_definitions: Vec<ProcessDefinition>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessDefinition {
    pub id: String,
    pub key: String,
    pub name: Option<String>,
    pub version: i32,
    pub version_tag: Option<String>,
    pub deployment_id: String,
    /// The file name it was deployed under.
    pub resource: String,
    pub suspended: bool,
    pub history_time_to_live: Option<i32>,
}

#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// Nothing was deployed; every problem that the engine's parser found.
    #[error("the engine does not accept the models")]
    Parse { problems: Vec<ParseProblem> },
    #[error("the models could not be deployed")]
    Engine(#[source] EngineError),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParseProblem {
    /// Empty when the engine names none.
    #[serde(skip)]
    pub file: String,
    pub message: String,
    /// 0 when the engine gives no place.
    #[serde(default)]
    pub line: u32,
    #[serde(default)]
    pub column: u32,
    #[serde(default, rename = "mainElementId")]
    pub element_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeploymentRow {
    id: String,
    name: Option<String>,
    #[serde(default)]
    deployed_process_definitions: Option<BTreeMap<String, ProcessDefinition>>,
}

#[derive(Deserialize)]
struct ParseReport {
    message: String,
    #[serde(default)]
    details: Option<BTreeMap<String, FileReport>>,
}

#[derive(Deserialize)]
struct FileReport {
    #[serde(default)]
    errors: Vec<ParseProblem>,
}

impl Engine {
    /// One deployment of all files, so that their calls can bind to it. With duplicate filtering, files that are all
    /// unchanged since the latest deployment of this name and source deploy nothing.
    pub async fn deploy(
        &self,
        name: &str,
        source: &str,
        files: Vec<(String, Vec<u8>)>,
        enable_duplicate_filtering: bool,
    ) -> Result<Deployment, DeployError> {
        let mut form = Form::new()
            .text("deployment-name", name.to_owned())
            .text("deployment-source", source.to_owned())
            .text("enable-duplicate-filtering", enable_duplicate_filtering.to_string())
            // A part of the files alone would break calls bound to their own deployment.
            .text("deploy-changed-only", "false");
        for (file_name, bytes) in files {
            form = form.part(file_name.clone(), Part::bytes(bytes).file_name(file_name));
        }
        let path = ["deployment", "create"];
        let request = self.request(Method::POST, &path).multipart(form);
        let exchange = self.exchange(&path, request).await;
        if let Some(problems) = parse_problems(&exchange) {
            return Err(DeployError::Parse { problems });
        }
        let row: DeploymentRow = judge(Purpose::Effect, exchange)
            .and_then(|answer| answer.json(Purpose::Effect))
            .map_err(DeployError::Engine)?;
        Ok(Deployment {
            id: row.id,
            name: row.name,
            process_definitions: row.deployed_process_definitions.unwrap_or_default().into_values().collect(),
        })
    }

    pub async fn process_definition(&self, id: &str) -> Result<Option<ProcessDefinition>, EngineError> {
        self.find(&["process-definition", id]).await
    }

    pub async fn process_definition_xml(&self, id: &str) -> Result<Option<String>, EngineError> {
        #[derive(Deserialize)]
        struct Xml {
            #[serde(rename = "bpmn20Xml")]
            text: String,
        }
        Ok(self.find::<Xml>(&["process-definition", id, "xml"]).await?.map(|xml| xml.text))
    }

    /// All versions, newest last; or only the latest one (`latest`), which is what a start by key uses.
    pub async fn process_definitions(&self, key: &str, latest: bool) -> Result<Vec<ProcessDefinition>, EngineError> {
        let latest = if latest { "true" } else { "false" };
        let query = [("key", key), ("latestVersion", latest), ("sortBy", "version"), ("sortOrder", "asc")];
        self.read_rows(&["process-definition"], &query).await
    }
}

/// `None`: the answer is not about the content of the models.
fn parse_problems(exchange: &Exchange) -> Option<Vec<ParseProblem>> {
    let Exchange::Answered(answer) = exchange else {
        return None;
    };
    let report: ParseReport = serde_json::from_slice(&answer.body).ok()?;
    if let Some(details) = report.details {
        let of_file = |(file, report): (String, FileReport)| {
            report.errors.into_iter().map(move |problem| ParseProblem { file: file.clone(), ..problem })
        };
        return Some(details.into_iter().flat_map(of_file).collect());
    }
    // XML that is not well-formed is told as a fault without a place: "ENGINE-09003 Could not parse 'a.bpmn'. …".
    let (_, rest) = report.message.split_once("Could not parse '")?;
    let (file, message) = rest.split_once("'. ")?;
    let problem =
        ParseProblem { file: file.to_owned(), message: message.to_owned(), line: 0, column: 0, element_id: None };
    Some(vec![problem])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Answer;

    fn problems(status: u16, body: &str) -> Option<Vec<ParseProblem>> {
        parse_problems(&Exchange::Answered(Answer { status, body: body.into() }))
    }

    #[test]
    fn a_parse_error_names_file_place_and_element() {
        let body = r#"{"type":"ParseException","message":"ENGINE-09005 …","code":0,"details":{"bad.bpmn":{"errors":[
            {"message":"External tasks must specify a 'topic'","line":3,"column":36,"mainElementId":"t"}],"warnings":[]}}}"#;
        let found = problems(400, body).unwrap();
        assert_eq!((found[0].file.as_str(), found[0].line, found[0].column), ("bad.bpmn", 3, 36));
        assert_eq!(found[0].element_id.as_deref(), Some("t"));
    }

    #[test]
    fn broken_xml_names_its_file() {
        let body = r#"{"type":"ProcessEngineException","message":"ENGINE-09003 Could not parse 'b.bpmn'. Ends early.","code":0}"#;
        let found = problems(500, body).unwrap();
        assert_eq!((found[0].file.as_str(), found[0].message.as_str()), ("b.bpmn", "Ends early."));
    }

    #[test]
    fn other_faults_are_not_about_the_models() {
        assert_eq!(problems(500, r#"{"type":"ProcessEngineException","message":"no","code":0}"#), None);
        assert_eq!(problems(200, r#"{"id":"d","name":"n"}"#), None);
    }
}
