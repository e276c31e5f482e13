//! From XML to [`Model`]. Namespaces are those of BPMN 2.0 and of Camunda 7, which its whole family reads.

use std::collections::HashMap;

use roxmltree::{Document, Node as Xml};

use crate::condition::Condition;
use crate::model::{Call, ErrorCatch, Flow, Handed, Kind, Mapping, Model, Node, Position, Process, inside_braces};

const BPMN: &str = "http://www.omg.org/spec/BPMN/20100524/MODEL";
const CAMUNDA: &str = "http://camunda.org/schema/1.0/bpmn";

#[derive(Debug, thiserror::Error)]
pub enum BpmnError {
    #[error("the model is not well-formed XML")]
    Xml(#[source] roxmltree::Error),
    #[error("the file holds no executable BPMN process; mark one with isExecutable=\"true\"")]
    NoProcess,
    #[error("{at}: <{element}> has no attribute {attribute}")]
    Missing { at: Position, element: String, attribute: &'static str },
}

impl Model {
    pub fn parse(xml: &str) -> Result<Model, BpmnError> {
        let document = Document::parse(xml).map_err(BpmnError::Xml)?;
        let reader = Reader::new(&document);
        let processes = bpmn_children(document.root_element())
            .filter(|x| x.tag_name().name() == "process" && x.attribute("isExecutable") == Some("true"))
            .map(|x| reader.process(x))
            .collect::<Result<Vec<_>, _>>()?;
        if processes.is_empty() {
            return Err(BpmnError::NoProcess);
        }
        Ok(Model { processes })
    }
}

struct Reader<'a> {
    document: &'a Document<'a>,
    messages: HashMap<&'a str, &'a str>,
    error_codes: HashMap<&'a str, &'a str>,
}

impl<'a> Reader<'a> {
    fn new(document: &'a Document<'a>) -> Reader<'a> {
        let by_id = |tag: &'static str, value: &'static str| {
            bpmn_children(document.root_element())
                .filter(move |x| x.tag_name().name() == tag)
                .filter_map(move |x| Some((x.attribute("id")?, x.attribute(value)?)))
                .collect()
        };
        Reader { document, messages: by_id("message", "name"), error_codes: by_id("error", "errorCode") }
    }

    fn process(&self, xml: Xml<'_, '_>) -> Result<Process, BpmnError> {
        let mut process = Process {
            id: self.required(xml, "id")?,
            history_time_to_live: camunda(xml, "historyTimeToLive"),
            nodes: Vec::new(),
            flows: Vec::new(),
            at: self.position(xml),
        };
        self.scope(xml, None, &mut process)?;
        Ok(process)
    }

    /// Reads what lies directly in a process or subprocess, and descends.
    fn scope(&self, scope: Xml<'_, '_>, parent: Option<&str>, into: &mut Process) -> Result<(), BpmnError> {
        for xml in bpmn_children(scope) {
            if xml.tag_name().name() == "sequenceFlow" {
                into.flows.push(self.flow(xml)?);
            } else if let Some(kind) = self.kind(xml)? {
                let node = self.node(xml, kind, parent)?;
                let descend = matches!(node.kind, Kind::SubProcess | Kind::EventSubProcess).then(|| node.id.clone());
                into.nodes.push(node);
                if let Some(id) = descend {
                    self.scope(xml, Some(&id), into)?;
                }
            }
        }
        Ok(())
    }

    fn node(&self, xml: Xml<'_, '_>, kind: Kind, parent: Option<&str>) -> Result<Node, BpmnError> {
        let flag = |name| camunda(xml, name).as_deref() == Some("true");
        Ok(Node {
            id: self.required(xml, "id")?,
            name: attribute(xml, "name"),
            kind,
            parent: parent.map(str::to_owned),
            attached_to: attribute(xml, "attachedToRef"),
            error: self.error(xml),
            handed: handed(xml),
            message: self.message(xml),
            async_before: flag("asyncBefore") || flag("async"),
            async_after: flag("asyncAfter"),
            default_flow: attribute(xml, "default"),
            at: self.position(xml),
        })
    }

    fn kind(&self, xml: Xml<'_, '_>) -> Result<Option<Kind>, BpmnError> {
        // a message that is thrown carries its implementation on the event definition
        let implementation = child(xml, "messageEventDefinition").unwrap_or(xml);
        if camunda(implementation, "type").as_deref() == Some("external") {
            let topic = camunda(implementation, "topic").ok_or_else(|| self.missing(xml, "camunda:topic"))?;
            return Ok(Some(Kind::ExternalTask { topic }));
        }
        Ok(Some(match xml.tag_name().name() {
            "callActivity" => Kind::Call(self.call(xml)?),
            "exclusiveGateway" => Kind::ExclusiveGateway,
            "subProcess" if xml.attribute("triggeredByEvent") == Some("true") => Kind::EventSubProcess,
            "subProcess" | "transaction" => Kind::SubProcess,
            "endEvent" => Kind::EndEvent,
            name if name.ends_with("Event") || name.ends_with("Gateway") || name.ends_with("ask") => Kind::Other,
            _ => return Ok(None),
        }))
    }

    fn call(&self, xml: Xml<'_, '_>) -> Result<Call, BpmnError> {
        Ok(Call {
            element: self.required(xml, "calledElement")?,
            binding: camunda(xml, "calledElementBinding"),
            business_key: extensions(xml, "in").find_map(|x| attribute(x, "businessKey")),
            handed: Handed {
                inputs: extensions(xml, "in").filter_map(mapping).collect(),
                outputs: extensions(xml, "out").filter_map(mapping).collect(),
            },
        })
    }

    fn flow(&self, xml: Xml<'_, '_>) -> Result<Flow, BpmnError> {
        let expression = child(xml, "conditionExpression");
        let condition = expression.and_then(|x| Condition::parse(x.text()?));
        Ok(Flow {
            id: self.required(xml, "id")?,
            source: self.required(xml, "sourceRef")?,
            target: self.required(xml, "targetRef")?,
            condition,
            is_conditional: expression.is_some(),
        })
    }

    /// An end event throws its error; every other event catches it.
    fn error(&self, xml: Xml<'_, '_>) -> Option<ErrorCatch> {
        if xml.tag_name().name() == "endEvent" {
            return None;
        }
        let definition = child(xml, "errorEventDefinition")?;
        let code = definition.attribute("errorRef").and_then(|id| self.error_codes.get(id));
        Some(code.map_or(ErrorCatch::All, |code| ErrorCatch::Code((*code).to_owned())))
    }

    fn message(&self, xml: Xml<'_, '_>) -> Option<String> {
        let waits =
            matches!(xml.tag_name().name(), "receiveTask" | "boundaryEvent" | "intermediateCatchEvent" | "startEvent");
        let holder = child(xml, "messageEventDefinition").unwrap_or(xml);
        let name = self.messages.get(holder.attribute("messageRef")?)?;
        waits.then(|| (*name).to_owned())
    }

    fn required(&self, xml: Xml<'_, '_>, name: &'static str) -> Result<String, BpmnError> {
        attribute(xml, name).ok_or_else(|| self.missing(xml, name))
    }

    fn missing(&self, xml: Xml<'_, '_>, attribute: &'static str) -> BpmnError {
        BpmnError::Missing { at: self.position(xml), element: xml.tag_name().name().to_owned(), attribute }
    }

    fn position(&self, xml: Xml<'_, '_>) -> Position {
        let at = self.document.text_pos_at(xml.range().start);
        Position { line: at.row, column: at.col }
    }
}

fn bpmn_children<'a, 'i>(xml: Xml<'a, 'i>) -> impl Iterator<Item = Xml<'a, 'i>> {
    xml.children().filter(|x| x.tag_name().namespace() == Some(BPMN))
}

fn child<'a, 'i>(xml: Xml<'a, 'i>, tag: &str) -> Option<Xml<'a, 'i>> {
    bpmn_children(xml).find(|x| x.tag_name().name() == tag)
}

fn attribute(xml: Xml<'_, '_>, name: &str) -> Option<String> {
    xml.attribute(name).map(str::to_owned)
}

fn camunda(xml: Xml<'_, '_>, name: &str) -> Option<String> {
    xml.attribute((CAMUNDA, name)).map(str::to_owned)
}

fn mapping(xml: Xml<'_, '_>) -> Option<Mapping> {
    let expression = xml.attribute("sourceExpression");
    Some(Mapping {
        source: expression.or_else(|| xml.attribute("source"))?.to_owned(),
        is_expression: expression.is_some(),
        target: attribute(xml, "target")?,
    })
}

fn extensions<'a, 'i>(xml: Xml<'a, 'i>, tag: &'static str) -> impl Iterator<Item = Xml<'a, 'i>> {
    let elements = child(xml, "extensionElements").into_iter().flat_map(|x| x.children());
    elements.filter(move |x| x.has_tag_name((CAMUNDA, tag)))
}

/// Of an activity with `camunda:inputOutput`; a parameter that is computed by a script or a list is not a mapping.
fn handed(xml: Xml<'_, '_>) -> Option<Handed> {
    let io = extensions(xml, "inputOutput").next()?;
    let parameters = |tag: &'static str| io.children().filter(move |x| x.has_tag_name((CAMUNDA, tag)));
    let parameter = |x: Xml<'_, '_>| {
        let source = x.text().unwrap_or_default().trim().to_owned();
        let target = attribute(x, "name")?;
        // A bare `${name}` hands a variable on, as a mapping by its name does.
        match inside_braces(&source).filter(|name| is_name(name)) {
            Some(name) => Some(Mapping { source: name.to_owned(), is_expression: false, target }),
            None => Some(Mapping { source, is_expression: true, target }),
        }
    };
    Some(Handed {
        inputs: parameters("inputParameter").filter_map(parameter).collect(),
        outputs: parameters("outputParameter").filter_map(parameter).collect(),
    })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}
