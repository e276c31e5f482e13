//! The taxonomy of fallout: reference data (config/taxonomy.toml), never `match` arms.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{action::Action, case::Severity, catalogue::CODE_CHARS_MAX, decide::classification};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taxonomy {
    /// Rises with every change.
    pub version: u32,
    /// Of the tenant's own file, where it has one; 0: what holds for everybody.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tenant_version: u32,
    #[serde(rename = "category")]
    pub categories: Vec<Category>,
    /// Classification code → the category it belongs to.
    #[serde(rename = "classification")]
    pub classifications: Vec<Classification>,
}

/// One row of the shared language: what it is, who owns it, how it is recovered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    pub code: String,
    pub name: String,
    pub example: String,
    pub owner_group: String,
    pub recovery_style: String,
    pub allowed_actions: Vec<Action>,
    pub recommended_action: Action,
    pub severity: Severity,
    /// The clock of its cases, by name.
    pub sla_policy: String,
    pub sla_hours: u32,
    /// The state of the customer policy that is shown while a case of it is open.
    pub customer_state: String,
    /// A page of ours, or an address.
    pub runbook: String,
    /// Of two findings about one step the higher one names the case.
    pub precedence: u8,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classification {
    pub code: String,
    pub category: String,
    pub summary: String,
    /// Where this one is better served than its category is.
    pub recommended_action: Option<Action>,
    /// Where this one weighs more, or less, than its category does.
    pub severity: Option<Severity>,
    /// Where this one weighs more, or less, against another finding than its category does.
    pub precedence: Option<u8>,
    /// About something else than the step that it was seen at: never joins the case of that step.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_case: bool,
    /// What stands for it elsewhere: `source:code`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub maps: Vec<String>,
}

/// What becomes of a case when another finding comes about the same step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precedence {
    /// The case stays what it is; the finding is one more signal.
    Keep,
    /// The finding says more, or the same later: it names the case.
    Replace,
    /// The finding is about something else: it has a case of its own.
    OwnCase,
}

impl Taxonomy {
    /// Which of two findings about one step names its case. Equals replace each other: the later one knows more.
    pub fn precedence(&self, current: &str, new: &str) -> Precedence {
        if self.own_case(new) {
            return Precedence::OwnCase;
        }
        match self.weight(new) < self.weight(current) {
            true => Precedence::Keep,
            false => Precedence::Replace,
        }
    }

    /// How much a finding weighs against another about the same step.
    pub fn weight(&self, code: &str) -> u8 {
        let known = self.classification(code).or_else(|| self.classification(classification::UNCLASSIFIED));
        known.and_then(|c| c.precedence).or_else(|| self.category_of(code).map(|c| c.precedence)).unwrap_or_default()
    }

    /// Those beside which this finding is one more signal.
    pub fn heavier(&self, code: &str) -> Vec<String> {
        let weight = self.weight(code);
        let above = self.classifications.iter().filter(|c| self.weight(&c.code) > weight);
        above.map(|c| c.code.clone()).collect()
    }

    pub fn own_case(&self, code: &str) -> bool {
        self.classification(code).is_some_and(|c| c.own_case)
    }

    /// The classification that a code of someone else stands for: a downstream's, an engine's, a check's.
    pub fn mapped(&self, source: &str, code: &str) -> Option<&Classification> {
        let is_it = |from: &String| from.split_once(':') == Some((source, code));
        self.classifications.iter().find(|c| c.maps.iter().any(is_it))
    }

    /// For people and rows: `1`, or `1.3` where a tenant has its own.
    pub fn label(&self) -> String {
        match self.tenant_version {
            0 => self.version.to_string(),
            own => format!("{}.{own}", self.version),
        }
    }

    /// The category of a classification; of `UNCLASSIFIED` when the code is not known, which `check` makes sure exists.
    pub fn category_of(&self, code: &str) -> Option<&Category> {
        let known = |code: &str| self.classifications.iter().find(|c| c.code == code);
        let found = known(code).or_else(|| known(classification::UNCLASSIFIED))?;
        self.categories.iter().find(|c| c.code == found.category)
    }

    pub fn classification(&self, code: &str) -> Option<&Classification> {
        self.classifications.iter().find(|c| c.code == code)
    }

    /// What is recommended first for this classification.
    pub fn recommended(&self, code: &str) -> Option<Action> {
        let own = self.classification(code).and_then(|c| c.recommended_action);
        own.or_else(|| self.category_of(code).map(|c| c.recommended_action))
    }

    pub fn severity(&self, code: &str) -> Option<Severity> {
        let own = self.classification(code).and_then(|c| c.severity);
        own.or_else(|| self.category_of(code).map(|c| c.severity))
    }

    /// Everything wrong with it, at once.
    pub fn check(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.version == 0 {
            wrong.push("version is 0; the first one is 1".into());
        }
        for category in &self.categories {
            category.check(&mut wrong);
        }
        repeated(self.categories.iter().map(|c| &c.code), "category", &mut wrong);
        repeated(self.classifications.iter().map(|c| &c.code), "classification", &mut wrong);
        for c in &self.classifications {
            if c.code.chars().count() > CODE_CHARS_MAX {
                wrong.push(format!(
                    "classification {}: the engine gets it as an error code of at most {CODE_CHARS_MAX} characters",
                    c.code
                ));
            }
            if !self.categories.iter().any(|k| k.code == c.category) {
                wrong.push(format!("classification {}: category {} does not exist", c.code, c.category));
            }
            c.check(&mut wrong);
        }
        repeated(self.classifications.iter().flat_map(|c| &c.maps), "maps:", &mut wrong);
        for code in classification::ALL {
            if self.classification(code).is_none() {
                wrong.push(format!("classification {code} is missing; the program itself gives it"));
            }
        }
        wrong
    }
}

impl Classification {
    fn check(&self, wrong: &mut Vec<String>) {
        let unfit = |from: &&String| !matches!(from.split_once(':'), Some((a, b)) if !a.is_empty() && !b.is_empty());
        for from in self.maps.iter().filter(unfit) {
            wrong.push(format!("classification {}: maps \"{from}\" is not source:code", self.code));
        }
        if self.summary.trim().is_empty() {
            wrong.push(format!("classification {}: summary is empty", self.code));
        }
        if self.own_case && classification::ALL.contains(&self.code.as_str()) {
            wrong.push(format!(
                "classification {}: steps park with it, so it has to be the case of its step (own_case)",
                self.code
            ));
        }
    }
}

impl Category {
    fn check(&self, wrong: &mut Vec<String>) {
        let texts = [
            ("name", &self.name),
            ("example", &self.example),
            ("owner_group", &self.owner_group),
            ("recovery_style", &self.recovery_style),
            ("sla_policy", &self.sla_policy),
            ("customer_state", &self.customer_state),
            ("runbook", &self.runbook),
        ];
        for (field, _) in texts.iter().filter(|(_, text)| text.trim().is_empty()) {
            wrong.push(format!("category {}: {field} is empty", self.code));
        }
        if self.allowed_actions.is_empty() {
            wrong.push(format!("category {}: no action is allowed", self.code));
        } else if !self.allowed_actions.contains(&self.recommended_action) {
            wrong.push(format!(
                "category {}: the recommended action {} is not allowed",
                self.code, self.recommended_action
            ));
        }
        if self.sla_hours == 0 {
            wrong.push(format!("category {}: sla_hours is 0", self.code));
        }
    }
}

fn repeated<'a>(codes: impl Iterator<Item = &'a String>, what: &str, wrong: &mut Vec<String>) {
    let mut count: BTreeMap<&String, u32> = BTreeMap::new();
    codes.for_each(|code| *count.entry(code).or_default() += 1);
    wrong.extend(
        count.into_iter().filter(|(_, n)| *n > 1).map(|(code, n)| format!("{what} {code} stands there {n} times")),
    );
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

#[cfg(test)]
#[path = "taxonomy_tests.rs"]
mod tests;
