//! The taxonomy of fallout: reference data (config/taxonomy.toml), never `match` arms.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{action::Action, case::Severity, catalogue::CODE_CHARS_MAX, decide::classification};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taxonomy {
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
    pub sla_hours: u32,
    pub customer_state: String,
    pub runbook: String,
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
}

impl Taxonomy {
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
        }
        for code in classification::ALL {
            if self.classification(code).is_none() {
                wrong.push(format!("classification {code} is missing; the program itself gives it"));
            }
        }
        wrong
    }
}

impl Category {
    fn check(&self, wrong: &mut Vec<String>) {
        let texts = [
            ("name", &self.name),
            ("example", &self.example),
            ("owner_group", &self.owner_group),
            ("recovery_style", &self.recovery_style),
            ("customer_state", &self.customer_state),
            ("runbook", &self.runbook),
        ];
        for (field, _) in texts.iter().filter(|(_, text)| text.trim().is_empty()) {
            wrong.push(format!("category {}: {field} is empty", self.code));
        }
        if !self.allowed_actions.contains(&self.recommended_action) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Taxonomy {
        toml::from_str(include_str!("../../config/taxonomy.toml")).unwrap()
    }

    #[test]
    fn the_shipped_taxonomy_is_whole_and_has_the_twelve_categories() {
        assert_eq!(shipped().check(), Vec::<String>::new());
        assert_eq!(shipped().categories.len(), 12);
    }

    #[test]
    fn an_unknown_code_lands_with_whoever_triages() {
        let taxonomy = shipped();
        let triage = taxonomy.category_of(classification::UNCLASSIFIED).unwrap().code.clone();
        assert_eq!(taxonomy.category_of("NEVER_HEARD_OF").unwrap().code, triage);
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let mut taxonomy = shipped();
        taxonomy.categories[0].owner_group.clear();
        taxonomy.categories[1].sla_hours = 0;
        taxonomy.classifications[0].category = "NOWHERE".into();
        taxonomy.classifications.retain(|c| c.code != classification::DEFECT);
        taxonomy.classifications[1].code = "C".repeat(CODE_CHARS_MAX + 1);
        // The code that was made too long is missing too.
        assert_eq!(taxonomy.check().len(), 6, "{:?}", taxonomy.check());
    }
}
