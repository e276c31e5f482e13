//! What a customer is told about an order: reference data (config/customer-status.toml) and one function over the order and
//! its open cases. Everything that comes out is a text of the policy with the order's own number and dates in it, so no
//! internal name, id, code or text can.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::{
    case::{CaseState, WaitsFor},
    catalogue::Catalogue,
    taxonomy::Taxonomy,
};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomerPolicy {
    pub version: u32,
    pub shown: Shown,
    /// What a case in this state is to the customer, whatever its category says.
    #[serde(default)]
    pub by_case_state: BTreeMap<CaseState, String>,
    /// What a case that waits is to the customer, by whom or what it waits for.
    #[serde(default)]
    pub by_wait: BTreeMap<WaitsFor, String>,
    pub internal: Internal,
    #[serde(rename = "state")]
    pub states: Vec<State>,
}

/// States of orders without an open case, and of what nobody laid down.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    pub running: String,
    pub completed: String,
    pub cancelled: String,
    pub otherwise: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Internal {
    /// Never to be found in a text, in any writing.
    pub words: Vec<String>,
}

/// One state as the customer sees it, with its templates.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    pub code: String,
    /// Of several open cases the highest is shown.
    pub precedence: u8,
    pub label: String,
    /// Sentences; one with a date that is not known is left out.
    pub message: Vec<String>,
    pub reason: Option<Reason>,
    /// Days from when the last case is due to the new date; absent: no date is named.
    pub date_days: Option<u32>,
    /// The state that is shown instead while a recovery is under way.
    pub meanwhile: Option<String>,
}

/// Why it takes longer, in the customer's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    pub code: String,
    pub text: String,
}

/// What may stand in a template.
const PLACEHOLDERS: [&str; 3] = ["order", "promised", "new_date"];

/// How far the order itself is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Running,
    Completed,
    Cancelled,
    /// Over, and not at an end that we know.
    Unclear,
}

#[derive(Clone, Copy, Debug)]
pub struct OrderFacts<'a> {
    /// The order's number as the customer knows it.
    pub order: &'a str,
    pub progress: Progress,
    pub promised: Option<NaiveDate>,
    /// The code of the reason that people have set for it.
    pub delay_reason: Option<&'a str>,
}

/// What counts of an open case.
#[derive(Clone, Debug)]
pub struct OpenCase {
    pub classification: String,
    pub state: CaseState,
    /// Of one that waits.
    pub waits_for: Option<WaitsFor>,
    /// The day when it should be resolved.
    pub due: Option<NaiveDate>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CustomerStatus {
    pub order: String,
    pub status: String,
    pub label: String,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promised: Option<NaiveDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_date: Option<NaiveDate>,
}

impl CustomerPolicy {
    /// The weightiest of all open cases; without any, how far the order is. So nothing is completed while one is open.
    pub fn status(&self, order: &OrderFacts<'_>, open: &[OpenCase], taxonomy: &Taxonomy) -> Option<CustomerStatus> {
        let shown = open.iter().filter_map(|case| self.of_case(case, taxonomy));
        let weightiest = shown.reduce(|one, other| if other.precedence > one.precedence { other } else { one });
        let state = match (open.is_empty(), order.progress) {
            (false, _) => weightiest?,
            (true, Progress::Running) => self.state(&self.shown.running)?,
            (true, Progress::Completed) => self.state(&self.shown.completed)?,
            (true, Progress::Cancelled) => self.state(&self.shown.cancelled)?,
            (true, Progress::Unclear) => self.state(&self.shown.otherwise)?,
        };
        let mut told = state.told(order, open.iter().filter_map(|case| case.due).max());
        // Only while something is open: what is in progress or over has no delay to explain.
        if let Some(reason) = order.delay_reason.filter(|_| !open.is_empty()).and_then(|code| self.reason(code)) {
            told.delay_reason = Some(reason.clone());
        }
        Some(told)
    }

    fn reason(&self, code: &str) -> Option<&Reason> {
        self.states.iter().filter_map(|state| state.reason.as_ref()).find(|reason| reason.code == code)
    }

    fn of_case(&self, case: &OpenCase, taxonomy: &Taxonomy) -> Option<&State> {
        let of_category = || taxonomy.category_of(&case.classification).map(|c| &c.customer_state);
        let by_wait = || case.waits_for.and_then(|waits_for| self.by_wait.get(&waits_for));
        let code = by_wait().or_else(|| self.by_case_state.get(&case.state)).or_else(of_category);
        let state = code.and_then(|code| self.state(code)).or_else(|| self.state(&self.shown.otherwise))?;
        let under_way = matches!(case.state, CaseState::Recovering | CaseState::Verifying);
        let meanwhile = state.meanwhile.as_ref().filter(|_| under_way);
        meanwhile.and_then(|code| self.state(code)).or(Some(state))
    }

    fn state(&self, code: &str) -> Option<&State> {
        self.states.iter().find(|s| s.code == code)
    }

    /// Everything wrong with it, at once.
    pub fn check(&self, catalogue: &Catalogue) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.version == 0 {
            wrong.push("version is 0; the first one is 1".into());
        }
        self.check_names(catalogue, &mut wrong);
        let internal = self.internal_texts(catalogue);
        for state in &self.states {
            if self.states.iter().filter(|s| s.code == state.code).count() > 1 {
                wrong.push(format!("state {} stands there more than once", state.code));
            }
            state.check(&internal, &mut wrong);
        }
        wrong
    }

    fn check_names(&self, catalogue: &Catalogue, wrong: &mut Vec<String>) {
        let Shown { running, completed, cancelled, otherwise } = &self.shown;
        let shown = [running, completed, cancelled, otherwise].map(|code| ("shown".to_owned(), code));
        let by_state = self.by_case_state.iter().map(|(state, code)| (format!("by_case_state.{state}"), code));
        let by_wait = self.by_wait.iter().map(|(wait, code)| (format!("by_wait.{wait}"), code));
        let meanwhile =
            self.states.iter().filter_map(|s| Some((format!("state {}: meanwhile", s.code), s.meanwhile.as_ref()?)));
        let taxonomies = catalogue.tenants.values().chain([&catalogue.taxonomy]);
        let categories = taxonomies
            .flat_map(|t| &t.categories)
            .map(|c| (format!("category {}: customer_state", c.code), &c.customer_state));
        // What may be shown of an open case must not be what is shown of an order that went well.
        let of_cases: Vec<_> = by_state
            .chain(by_wait)
            .chain(meanwhile)
            .chain(categories)
            .chain([("shown.otherwise".into(), otherwise)])
            .collect();
        for (place, code) in of_cases.iter().filter(|(_, code)| [running, completed, cancelled].contains(code)) {
            wrong.push(format!("{place}: {code} is for orders without an open case"));
        }
        let all = shown.into_iter().chain(of_cases);
        wrong.extend(
            all.filter(|(_, code)| self.state(code).is_none()).map(|(place, code)| format!("{place}: no state {code}")),
        );
    }

    /// What no text may hold: our codes, groups and operations as they are written, and the declared words.
    fn internal_texts(&self, catalogue: &Catalogue) -> Vec<String> {
        let taxonomies = catalogue.tenants.values().chain([&catalogue.taxonomy]);
        let codes = taxonomies.flat_map(|t| {
            let categories = t.categories.iter().flat_map(|c| [&c.code, &c.owner_group]);
            categories.chain(t.classifications.iter().map(|c| &c.code))
        });
        let operations = catalogue.operations.keys();
        codes.chain(operations).cloned().chain(self.internal.words.iter().map(|word| word.to_lowercase())).collect()
    }
}

impl State {
    fn told(&self, order: &OrderFacts<'_>, due: Option<NaiveDate>) -> CustomerStatus {
        let ahead = self.date_days.zip(due).and_then(|(days, due)| due.checked_add_days(Days::new(days.into())));
        // A promise that still holds is no news.
        let new_date = ahead.filter(|new| order.promised.is_none_or(|promised| *new > promised));
        let value = |name: &str| match name {
            "order" => Some(order.order.to_owned()),
            "promised" => order.promised.map(|date| date.to_string()),
            "new_date" => new_date.map(|date| date.to_string()),
            _ => None,
        };
        let sentences: Vec<String> = self.message.iter().filter_map(|text| fill(text, value)).collect();
        CustomerStatus {
            order: order.order.to_owned(),
            status: self.code.clone(),
            label: self.label.clone(),
            message: sentences.join(" "),
            delay_reason: self.reason.clone(),
            promised: order.promised,
            new_date,
        }
    }

    fn check(&self, internal: &[String], wrong: &mut Vec<String>) {
        let codes = self.reason.iter().map(|r| &r.code).chain([&self.code]);
        for code in codes.filter(|code| internal.contains(code)) {
            wrong.push(format!("state {}: the code {code} is one of ours", self.code));
        }
        let texts = self.message.iter().chain([&self.label]).chain(self.reason.iter().map(|r| &r.text));
        for text in texts {
            // Codes as they are written, words (which are lower case here) in any writing.
            let holds = |i: &&String| text.contains(i.as_str()) || text.to_lowercase().contains(i.as_str());
            if let Some(found) = internal.iter().find(holds) {
                wrong.push(format!("state {}: \"{text}\" holds the internal word {found}", self.code));
            }
            for name in names(text).filter(|name| !PLACEHOLDERS.contains(name)) {
                wrong.push(format!("state {}: {{{name}}} is not one of {}", self.code, PLACEHOLDERS.join(", ")));
            }
            if text.trim().is_empty() {
                wrong.push(format!("state {}: a text is empty", self.code));
            }
        }
        if !self.message.iter().any(|text| !names(text).any(|name| name != "order")) {
            wrong.push(format!("state {}: no sentence can be said without a date", self.code));
        }
        let dated = self.message.iter().any(|text| names(text).any(|name| name == "new_date"));
        if dated != self.date_days.is_some() {
            wrong.push(format!("state {}: date_days and {{new_date}} belong together", self.code));
        }
    }
}

/// The names between braces; an unclosed one counts to the end.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).map(|rest| rest.split('}').next().unwrap_or(rest))
}

/// In one pass, so that a value with braces stays what it is; `None` when a value is not known.
fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut parts = text.split('{');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}')?;
        filled += &value(name)?;
        filled += rest;
    }
    Some(filled)
}

#[cfg(test)]
#[path = "customer_tests.rs"]
mod tests;
