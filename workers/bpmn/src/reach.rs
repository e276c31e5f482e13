//! What a definition makes possible: the error codes caught around an activity, the recoveries it offers, the topics it uses.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{ErrorCatch, Kind, Model, Node, Process};
use crate::{RECOVERY_ACTION, RECOVERY_MESSAGE, REROUTE, TOPIC_EXPRESSION};

/// The BPMN error codes that end in a catching event when an activity raises them.
/// A code that is not caught would silently end the path (Camunda 7, "BPMN errors, unhandled").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Catches {
    All,
    Codes(BTreeSet<String>),
    None,
}

impl Catches {
    pub fn contains(&self, code: &str) -> bool {
        match self {
            Catches::All => true,
            Catches::Codes(codes) => codes.contains(code),
            Catches::None => false,
        }
    }
}

impl Process {
    /// What is caught on the activity, on the subprocesses around it and by error event subprocesses beside it.
    /// What a calling process catches is not seen: the caller is another definition.
    pub fn catches(&self, activity_id: &str) -> Catches {
        let mut codes = BTreeSet::new();
        for catch in self.error_catches_around(activity_id) {
            match catch {
                ErrorCatch::All => return Catches::All,
                ErrorCatch::Code(code) => codes.insert(code.clone()),
            };
        }
        if codes.is_empty() { Catches::None } else { Catches::Codes(codes) }
    }

    fn error_catches_around(&self, activity_id: &str) -> Vec<&ErrorCatch> {
        let mut found = Vec::new();
        let mut inner = self.node(activity_id);
        while let Some(node) = inner {
            found.extend(
                self.nodes
                    .iter()
                    .filter(|n| n.attached_to.as_deref() == Some(&node.id))
                    .filter_map(|n| n.error.as_ref()),
            );
            found.extend(self.event_subprocesses_beside(node).filter_map(|s| self.start_error(s)));
            inner = node.parent.as_deref().and_then(|id| self.node(id));
        }
        found
    }

    fn event_subprocesses_beside<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = &'a Node> {
        // an error raised inside an event subprocess is not caught by that same one
        self.nodes.iter().filter(move |n| n.kind == Kind::EventSubProcess && n.parent == node.parent && n.id != node.id)
    }

    fn start_error(&self, event_subprocess: &Node) -> Option<&ErrorCatch> {
        self.nodes
            .iter()
            .filter(|n| n.parent.as_deref() == Some(&event_subprocess.id) && n.attached_to.is_none())
            .find_map(|n| n.error.as_ref())
    }

    /// The recovery actions that have a branch directly in the process: what `recoveryAction` is compared with on the
    /// flows out of the gateways that the recovery message leads to.
    pub fn recovery_branches(&self) -> BTreeSet<String> {
        self.branches_in(None)
    }

    /// For each external task in a subprocess with recovery branches of its own: those.
    pub fn embedded_branches(&self) -> BTreeMap<String, BTreeSet<String>> {
        let of = |node: &Node| {
            let mut scope = node.parent.as_deref();
            while let Some(id) = scope {
                let branches = self.branches_in(Some(id));
                if !branches.is_empty() {
                    return Some((node.id.clone(), branches));
                }
                scope = self.node(id)?.parent.as_deref();
            }
            None
        };
        self.external_tasks().filter_map(|(node, _)| of(node)).collect()
    }

    fn branches_in(&self, scope: Option<&str>) -> BTreeSet<String> {
        let waits = self.recovery_waits().filter(|node| node.parent.as_deref() == scope);
        waits.flat_map(|node| self.branches_after(node)).map(str::to_owned).collect()
    }

    pub(crate) fn branches_after<'a>(&'a self, node: &'a Node) -> BTreeSet<&'a str> {
        self.gateways_after(&node.id)
            .flat_map(|gateway| self.outgoing(&gateway.id))
            .filter_map(|flow| Some((flow, flow.condition.as_ref()?)))
            .flat_map(|(flow, condition)| condition.values_of(RECOVERY_ACTION).map(move |action| (flow, action)))
            .filter(|(flow, action)| *action != REROUTE || self.asks_for_its_topic(&flow.target))
            .map(|(_, action)| action)
            .collect()
    }

    /// Another route is another topic; a task whose own is fixed would go by the first again.
    fn asks_for_its_topic(&self, node: &str) -> bool {
        let topic = self.node(node).and_then(|node| match &node.kind {
            Kind::ExternalTask { topic } => Some(topic.trim()),
            _ => None,
        });
        topic == Some(TOPIC_EXPRESSION)
    }

    pub(crate) fn recovery_waits(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.message.as_deref() == Some(RECOVERY_MESSAGE))
    }

    pub(crate) fn recovery_gateways(&self) -> impl Iterator<Item = &Node> {
        self.recovery_waits().flat_map(|node| self.gateways_after(&node.id))
    }
}

impl Model {
    /// Every topic that is named in the model: by its external tasks, or passed as `stepTopic` by its calls.
    pub fn topics(&self) -> BTreeSet<&str> {
        let tasks = self.processes.iter().flat_map(Process::external_tasks).map(|(_, topic)| topic);
        let calls = self.processes.iter().flat_map(Process::calls);
        let passed =
            calls.filter_map(|(_, call)| call.handed.input("stepTopic")).flat_map(|mapping| mapping.literals());
        tasks.filter(|topic| !is_expression(topic)).chain(passed).collect()
    }
}

pub(crate) fn is_expression(text: &str) -> bool {
    text.contains("${") || text.contains("#{")
}
