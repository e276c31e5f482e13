//! What the demo came to: one object for machines, one page for people.

use std::{collections::BTreeMap, fmt::Write};

use fallout_core::action::Action;
use fallout_desk::CaseLine;
use serde::Serialize;

use super::{judge::Effects, published::Published};
use crate::output;

#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    pub orders: usize,
    pub completed: usize,
    pub cancelled: usize,
    pub parked: usize,
    pub lost: usize,
    pub cases: Cases,
    pub effects: Effects,
    pub engine: Product,
    pub startup_seconds: f64,
    pub seconds: f64,
    /// With `--kafka`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Published>,
    #[serde(skip)]
    pub open: Vec<CaseLine>,
    /// Orders that are lost, and how.
    #[serde(skip)]
    pub lost_orders: Vec<String>,
    /// Calls that were still in flight when it was weighed: then the zeros prove nothing.
    #[serde(skip)]
    pub undrained: usize,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Cases {
    pub open: usize,
    pub by_category: BTreeMap<String, usize>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Product {
    pub product: String,
    pub version: String,
}

/// Where a person looks next.
#[derive(Clone, Debug)]
pub struct WhereNext {
    pub cockpit: String,
    pub psql: String,
    /// Address and topic.
    pub kafka: Option<(String, String)>,
    pub kept: bool,
}

impl Summary {
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.undrained == 0 && self.effects.is_clean() && self.unpublished().is_none()
    }

    /// The page.
    pub fn text(&self, next: &WhereNext) -> String {
        let mut out = String::new();
        let Summary { orders, completed, cancelled, parked, lost, .. } = self;
        let Product { product, version } = &self.engine;
        let noun = if *orders == 1 { "order" } else { "orders" };
        let _ = writeln!(out, "\n{orders} {noun} in {:.1} s on {product} {version}", self.seconds);
        let _ = writeln!(out, "  completed {completed:>4}   every step done, every line's effect in the book");
        let _ = writeln!(out, "  cancelled {cancelled:>4}");
        let _ = writeln!(out, "  parked    {parked:>4}   waiting for a person, each with an open case");
        let _ = writeln!(out, "  lost      {lost:>4}");
        for order in &self.lost_orders {
            let _ = writeln!(out, "    {order}");
        }
        self.write_cases(&mut out);
        if let Some(Published { told, arrived, messages }) = self.events {
            let _ =
                writeln!(out, "\nEvents on the Kafka topic\n  told {told}, arrived {arrived}, in {messages} messages");
        }
        self.write_effects(&mut out);
        next.write(&mut out, &self.open);
        out
    }

    /// What keeps this run from being clean, a line each: for stderr where stdout is one JSON object.
    pub fn troubles(&self) -> Vec<String> {
        let events = self.unproven().into_iter().chain(self.unpublished());
        events.chain(self.lost_orders.clone()).chain(self.effects.findings.clone()).collect()
    }

    fn unpublished(&self) -> Option<String> {
        let Published { told, arrived, .. } = self.events.filter(|e| !e.is_whole())?;
        Some(format!("events that are not on the Kafka topic: {}", told - arrived))
    }

    fn unproven(&self) -> Option<String> {
        let of = |calls| format!("calls still in flight when the effects were compared: {calls}; nothing is proven");
        (self.undrained > 0).then(|| of(self.undrained))
    }

    fn write_cases(&self, out: &mut String) {
        let noun = if self.cases.open == 1 { "case" } else { "cases" };
        let _ = writeln!(out, "\n{} open {noun}", self.cases.open);
        for (category, count) in &self.cases.by_category {
            let owner = self.open.iter().find(|c| c.category == *category).and_then(|c| c.group.as_deref());
            let _ = writeln!(out, "  {category:<18} {count:>3}   owned by {}", owner.unwrap_or("nobody"));
        }
        if !self.open.is_empty() {
            let mut open = self.open.clone();
            open.sort_by(|a, b| (&a.category, &a.case_number).cmp(&(&b.category, &b.case_number)));
            let _ = writeln!(out, "\n{}", output::case_table(&open));
        }
    }

    fn write_effects(&self, out: &mut String) {
        let Effects { intended, applied, duplicated, unexplained, orphaned, findings } = &self.effects;
        let _ = writeln!(out, "\nEffect check: the sandbox's book against the ledger");
        let _ = writeln!(out, "  intended {intended}, applied {applied}");
        let _ = writeln!(out, "  duplicated {duplicated}   unexplained {unexplained}   orphaned {orphaned}");
        for finding in findings.iter().chain(&self.unproven()) {
            let _ = writeln!(out, "    {finding}");
        }
        let verdict = if self.is_clean() { "No effect twice, nothing lost." } else { "This run broke the promise." };
        let _ = writeln!(out, "  {verdict}");
    }
}

impl WhereNext {
    fn write(&self, out: &mut String, open: &[CaseLine]) {
        let program = output::program();
        let _ = writeln!(out, "\nWhere to look next");
        if !self.kept {
            let _ = writeln!(out, "  Everything is stopped now. Run it again with --keep to look around:");
        }
        let _ = writeln!(out, "  Cockpit   {}   user demo, password demo", self.cockpit);
        let _ = writeln!(out, "  database  {}", self.psql);
        if let Some((address, topic)) = &self.kafka {
            let _ = writeln!(out, "  Kafka     {address}, topic {topic}");
        }
        let _ = writeln!(out, "  cases     {program} case list");
        // A retry can be typed as it stands; everything else needs what a person finds out first.
        let retry = open.iter().find(|c| c.recommended_action.as_deref() == Some(Action::RetryStep.word()));
        if let Some(CaseLine { case_number, .. }) = retry.or(open.first()) {
            let _ = writeln!(out, "  one case  {program} case show {case_number}");
        }
        if let Some(CaseLine { case_number, .. }) = retry {
            let reason = "--reason \"the downstream is fixed\"";
            let _ = writeln!(out, "  recover   {program} case recover {case_number} --action retry {reason}");
        }
    }
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
