//! What a model says, as plain data. Only what the fleet, the desk and the lint ask about is kept.

use std::fmt;

use crate::RECOVERY_MESSAGE;
use crate::condition::Condition;

static NOTHING: Handed = Handed { inputs: Vec::new(), outputs: Vec::new() };

/// One BPMN file: usually one process, but a file may hold several.
#[derive(Debug, Clone)]
pub struct Model {
    pub processes: Vec<Process>,
}

#[derive(Debug, Clone)]
pub struct Process {
    /// The process definition key.
    pub id: String,
    pub history_time_to_live: Option<String>,
    pub nodes: Vec<Node>,
    pub flows: Vec<Flow>,
    pub at: Position,
}

/// An activity, event or gateway.
#[derive(Debug, Clone)]
pub struct Node {
    pub id: String,
    pub name: Option<String>,
    pub kind: Kind,
    /// Id of the enclosing subprocess; none directly in the process.
    pub parent: Option<String>,
    /// For a boundary event: the activity it sits on.
    pub attached_to: Option<String>,
    pub error: Option<ErrorCatch>,
    /// What a subprocess is handed in variables of its own, and gives back: as a call does, so that a step may be embedded.
    pub handed: Option<Handed>,
    /// Name of the message that is waited for here.
    pub message: Option<String>,
    pub async_before: bool,
    pub async_after: bool,
    /// Id of the default flow.
    pub default_flow: Option<String>,
    pub at: Position,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The topic may be an expression.
    ExternalTask {
        topic: String,
    },
    Call(Call),
    ExclusiveGateway,
    SubProcess,
    EventSubProcess,
    EndEvent,
    Other,
}

/// Which error codes an error event catches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorCatch {
    All,
    Code(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub element: String,
    /// `calledElementBinding`; the engine takes `latest` when it is absent.
    pub binding: Option<String>,
    pub business_key: Option<String>,
    pub handed: Handed,
}

/// Variables into an activity's own scope, and out of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handed {
    pub inputs: Vec<Mapping>,
    pub outputs: Vec<Mapping>,
}

/// One `camunda:in`, `camunda:out`, `camunda:inputParameter` or `camunda:outputParameter`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// A variable's name, or (see `is_expression`) an expression; a text without `${}` is an expression for itself.
    pub source: String,
    pub is_expression: bool,
    pub target: String,
}

#[derive(Debug, Clone)]
pub struct Flow {
    pub id: String,
    pub source: String,
    pub target: String,
    /// None when there is none, or when it says more than comparisons of variables with literals.
    pub condition: Option<Condition>,
    /// There is a condition, whether it can be read or not.
    pub is_conditional: bool,
}

/// Line and column in the file, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Model {
    pub fn process(&self, id: &str) -> Option<&Process> {
        self.processes.iter().find(|process| process.id == id)
    }
}

impl Process {
    pub fn node(&self, id: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    pub fn end_events(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.kind == Kind::EndEvent)
    }

    pub fn external_tasks(&self) -> impl Iterator<Item = (&Node, &str)> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            Kind::ExternalTask { topic } => Some((node, topic.as_str())),
            _ => None,
        })
    }

    pub fn calls(&self) -> impl Iterator<Item = (&Node, &Call)> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            Kind::Call(call) => Some((node, call)),
            _ => None,
        })
    }

    pub fn outgoing<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Flow> {
        self.flows.iter().filter(move |flow| flow.source == id)
    }

    /// Subprocesses in which a step is embedded: those with an external task and a wait for a recovery directly inside.
    pub fn embedded_steps(&self) -> impl Iterator<Item = (&Node, &Handed)> {
        let holds = |of: &Node, is: &dyn Fn(&Node) -> bool| {
            self.nodes.iter().any(|node| node.parent.as_deref() == Some(&of.id) && is(node))
        };
        let is_task = |node: &Node| matches!(node.kind, Kind::ExternalTask { .. });
        let waits = |node: &Node| node.message.as_deref() == Some(RECOVERY_MESSAGE);
        let steps = self.nodes.iter().filter(move |node| holds(node, &is_task) && holds(node, &waits));
        steps.map(|node| (node, node.handed.as_ref().unwrap_or(&NOTHING)))
    }

    pub fn exclusive_gateways(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.kind == Kind::ExclusiveGateway)
    }

    /// The exclusive gateways that come directly after this node.
    pub fn gateways_after<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Node> {
        self.outgoing(id).filter_map(|flow| self.node(&flow.target)).filter(|node| node.kind == Kind::ExclusiveGateway)
    }
}

impl Handed {
    pub fn input(&self, target: &str) -> Option<&Mapping> {
        self.inputs.iter().find(|mapping| mapping.target == target)
    }

    /// The caller's variable that receives this variable of the called process.
    pub fn receives(&self, source: &str) -> Option<&str> {
        self.outputs
            .iter()
            .find(|mapping| !mapping.is_expression && mapping.source == source)
            .map(|mapping| mapping.target.as_str())
    }
}

impl Mapping {
    /// The fixed text that is passed, when it is one.
    pub fn literal(&self) -> Option<&str> {
        if !self.is_expression {
            return None;
        }
        let Some(inner) = inside_braces(&self.source) else {
            return Some(&self.source);
        };
        let text = inner.strip_prefix('\'')?.strip_suffix('\'')?;
        (!text.contains('\'')).then_some(text)
    }

    /// Every fixed text that may be passed: the literal, or the results of a conditional `a ? 'x' : 'y'`.
    pub fn literals(&self) -> Vec<&str> {
        if let Some(text) = self.literal() {
            return vec![text];
        }
        let Some(inner) = inside_braces(&self.source) else {
            return Vec::new();
        };
        let parts: Vec<&str> = inner.split('\'').collect();
        // odd parts are inside quotes; the even part before tells whether it is a result or a comparison
        parts.chunks_exact(2).filter(|pair| pair[0].trim_end().ends_with(['?', ':'])).map(|pair| pair[1]).collect()
    }
}

/// The inside of `${…}` or `#{…}`.
pub(crate) fn inside_braces(text: &str) -> Option<&str> {
    let text = text.trim();
    let rest = text.strip_prefix("${").or_else(|| text.strip_prefix("#{"))?;
    Some(rest.strip_suffix('}')?.trim())
}
