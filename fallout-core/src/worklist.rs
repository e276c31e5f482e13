//! What a worklist is asked for: filters, an order, a page; and why it is refused. How a word is compared is the database's
//! (`worklist_word`), so that what is searched and what is found cannot differ.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    case::{CaseState, Severity},
    ids::ProblemId,
    words::words,
};

/// More than an id, a reference or a group's name has; what a person types by mistake is longer.
pub const TEXT_CHARS_MAX: usize = 200;
/// Each word is one more look into an index.
pub const WORDS_MAX: usize = 8;
/// A shorter beginning is the beginning of too many words.
pub const PREFIX_CHARS_MIN: usize = 3;
/// As many as a person scrolls through; programs page.
pub const LIMIT_MAX: i64 = 1_000;

words! {
    /// The order of a worklist.
    Sort {
        /// Gravest first, among them the oldest.
        Severity = "severity",
        /// What is due next first; what has no due time last.
        Due = "due",
        /// Oldest first.
        Age = "age",
        /// Latest change first.
        Updated = "updated",
    }
}

/// Whose cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Assignee {
    Nobody,
    User(String),
}

/// How a case's clock stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Clock {
    /// Warned, and not yet missed.
    AtRisk,
    Breached,
    DueBefore(DateTime<Utc>),
}

/// A word of a search; a beginning of one with `*` at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Word {
    Whole(String),
    Beginning(String),
}

/// Every one that is given has to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// Those that are over too.
    pub all: bool,
    pub state: Option<CaseState>,
    pub severity: Option<Severity>,
    pub category: Option<String>,
    pub group: Option<String>,
    pub downstream: Option<String>,
    /// As the outside knows it.
    pub order: Option<String>,
    pub customer: Option<String>,
    pub external_reference: Option<String>,
    pub service_number: Option<String>,
    pub assignee: Option<Assignee>,
    pub clock: Option<Clock>,
    /// Number of a problem.
    pub problem: Option<String>,
    /// Members of open problems too, each as a row of its own.
    pub members: bool,
    pub words: Vec<Word>,
}

/// One page of a worklist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub filter: Filter,
    pub sort: Sort,
    pub limit: i64,
    /// The last row of the page before.
    pub after: Option<Place>,
    /// Problems that are a row themselves: their members are none.
    pub hidden: Vec<ProblemId>,
}

/// Which open problems are a row of a worklist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfProblems<'a> {
    pub severity: Option<Severity>,
    pub category: Option<&'a str>,
    pub group: Option<&'a str>,
    pub downstream: Option<&'a str>,
    pub assignee: Option<&'a Assignee>,
}

/// Where a row stands in the order of its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Of the order by severity.
    pub severity: Option<Severity>,
    /// By what the list is sorted; `None`: a row without a due time.
    pub at: Option<DateTime<Utc>>,
    pub id: Uuid,
}

/// A worklist that cannot be made, and what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("{0} is longer than {TEXT_CHARS_MAX} characters; give the id or the word alone")]
    TooLong(&'static str),
    #[error("{0} is empty or holds control characters; type it again")]
    NotPlain(&'static str),
    #[error("more than {WORDS_MAX} words are searched for; take the rarest of them")]
    TooManyWords,
    #[error("\"{0}*\" is the beginning of too many words; give {PREFIX_CHARS_MIN} letters or more")]
    ShortBeginning(String),
    #[error("\"{0}\" is no word that cases are found by; they have 2 letters or digits at least")]
    NoWord(String),
    #[error(
        "more than {FREQUENT} cases that are over have \"{0}\"; search for a rarer word beside it, or only among open cases"
    )]
    TooFrequent(String),
    #[error("a page has 1 to {LIMIT_MAX} cases, not {0}; read on with --after")]
    Limit(i64),
    #[error("there is no category {0}; known: {1}")]
    UnknownCategory(String, String),
    #[error("the cursor is not one of ours, or cut off; copy the whole one, or begin without --after")]
    BrokenCursor,
    #[error("the cursor belongs to another list; repeat its filters and --sort, or begin without --after")]
    ForeignCursor,
}

impl FromStr for Word {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Word, Refused> {
        let (word, beginning) = match text.strip_suffix('*') {
            Some(begin) => (begin, true),
            None => (text, false),
        };
        match word.chars().filter(|c| c.is_alphanumeric()).count() {
            0 | 1 if !beginning => Err(Refused::NoWord(text.to_owned())),
            few if beginning && few < PREFIX_CHARS_MIN => Err(Refused::ShortBeginning(word.to_owned())),
            _ if beginning => Ok(Word::Beginning(word.to_owned())),
            _ => Ok(Word::Whole(word.to_owned())),
        }
    }
}

/// The words of a text that is searched for.
pub fn search(text: &str) -> Result<Vec<Word>, Refused> {
    plain("the text", text)?;
    text.split_whitespace().map(str::parse).collect()
}

fn plain(what: &'static str, text: &str) -> Result<(), Refused> {
    match text {
        _ if text.chars().nth(TEXT_CHARS_MAX).is_some() => Err(Refused::TooLong(what)),
        _ if text.trim().is_empty() || text.chars().any(char::is_control) => Err(Refused::NotPlain(what)),
        _ => Ok(()),
    }
}

impl Filter {
    /// Everything that is found by words: what is searched for, and ids that have no index of their own.
    pub fn words(&self) -> Vec<Word> {
        let ids = [&self.customer, &self.external_reference].into_iter().flatten();
        let ids = ids.filter_map(|id| id.split_whitespace().next()).map(|word| Word::Whole(word.to_owned()));
        ids.chain(self.words.iter().cloned()).collect()
    }

    /// Whether cases that are open can be among them, and cases that are over.
    pub fn halves(&self) -> (bool, bool) {
        match self.state {
            Some(state) => (state.is_active(), !state.is_active()),
            // Of a case that is over nothing is at risk any more.
            None => (true, self.all && self.clock != Some(Clock::AtRisk)),
        }
    }

    /// What a problem is asked for. `None` when its members are wanted, or something that only a case can answer: whoever
    /// looks for an order or a word finds the case itself.
    pub fn of_problems(&self) -> Option<OfProblems<'_>> {
        let asked = Filter {
            all: false,
            severity: None,
            category: None,
            group: None,
            downstream: None,
            assignee: None,
            ..self.clone()
        };
        (asked == Filter::default()).then_some(OfProblems {
            severity: self.severity,
            category: self.category.as_deref(),
            group: self.group.as_deref(),
            downstream: self.downstream.as_deref(),
            assignee: self.assignee.as_ref(),
        })
    }

    fn check(&self) -> Result<(), Refused> {
        let user = match &self.assignee {
            Some(Assignee::User(user)) => Some(user),
            _ => None,
        };
        let texts = [
            ("the category", self.category.as_ref()),
            ("the group", self.group.as_ref()),
            ("the downstream", self.downstream.as_ref()),
            ("the order", self.order.as_ref()),
            ("the customer", self.customer.as_ref()),
            ("the external reference", self.external_reference.as_ref()),
            ("the service number", self.service_number.as_ref()),
            ("the assignee", user),
            ("the problem", self.problem.as_ref()),
        ];
        let given = texts.into_iter().filter_map(|(what, text)| Some((what, text?)));
        given.map(|(what, text)| plain(what, text)).collect::<Result<Vec<()>, _>>()?;
        if self.words.len() > WORDS_MAX { Err(Refused::TooManyWords) } else { Ok(()) }
    }
}

impl Asked {
    pub fn check(&self) -> Result<(), Refused> {
        self.filter.check()?;
        if (1..=LIMIT_MAX).contains(&self.limit) { Ok(()) } else { Err(Refused::Limit(self.limit)) }
    }
}

/// From so many cases on a word is frequent: its cases are not collected. Half of what a page may read.
pub const FREQUENT: i64 = 1_000;

/// How cases with some words are found: the cases of one word are collected and looked through, or, where each word is
/// frequent, the list is walked and each case is asked for its words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// The word that leads among open cases, by its place.
    pub open: Option<usize>,
    pub over: Option<usize>,
}

impl Search {
    /// Among cases that are over a walk could go through all that ever were, so one of the words has to be rare there.
    /// `counts` are the cases of each word, open and over, counted no further than `FREQUENT`.
    pub fn of(filter: &Filter, counts: &[(i64, i64)]) -> Result<Search, Refused> {
        let rarest = |count: fn(&(i64, i64)) -> i64| {
            let rare = counts.iter().enumerate().filter(|(_, of)| count(of) < FREQUENT);
            rare.min_by_key(|(_, of)| count(of)).map(|(n, _)| n)
        };
        let search = Search { open: rarest(|of| of.0), over: rarest(|of| of.1) };
        match filter.words().first() {
            Some(Word::Whole(word) | Word::Beginning(word)) if filter.halves().1 && search.over.is_none() => {
                Err(Refused::TooFrequent(word.clone()))
            }
            _ => Ok(search),
        }
    }
}

/// Names a place of one list only: of this tenant, these filters, this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    list: u64,
    place: Place,
}

impl Cursor {
    pub fn new(tenant: &str, filter: &Filter, sort: Sort, place: Place) -> Cursor {
        Cursor { list: fingerprint(tenant, filter, sort), place }
    }

    /// The place, when the cursor was given out for this list.
    pub fn place(&self, tenant: &str, filter: &Filter, sort: Sort) -> Result<Place, Refused> {
        let same = self.list == fingerprint(tenant, filter, sort);
        let whole = (sort == Sort::Severity) == self.place.severity.is_some();
        let dated = sort == Sort::Due || self.place.at.is_some();
        if same && whole && dated { Ok(self.place) } else { Err(Refused::ForeignCursor) }
    }
}

/// FNV-1a: against mistakes, not against forgers. A forged cursor shows no row that its list does not have.
fn fingerprint(tenant: &str, filter: &Filter, sort: Sort) -> u64 {
    let text = serde_json::to_string(&(tenant, filter, sort)).unwrap_or_default();
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// `1-<list>-<severity>-<microseconds>-<id>`, in one word that nobody has to read.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = self.place.severity.map_or("x", Severity::word);
        let at = self.place.at.map_or_else(|| "x".to_owned(), |at| format!("{:x}", at.timestamp_micros()));
        write!(f, "1-{:016x}-{severity}-{at}-{}", self.list, self.place.id.simple())
    }
}

impl FromStr for Cursor {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Cursor, Refused> {
        let read = || {
            let parts: Vec<&str> = text.split('-').collect();
            let ["1", list, severity, at, id] = parts.as_slice() else { return None };
            let list = u64::from_str_radix(list, 16).ok()?;
            let severity = if *severity == "x" { None } else { Some(severity.parse().ok()?) };
            let at = match *at {
                "x" => None,
                micros => Some(DateTime::from_timestamp_micros(i64::from_str_radix(micros, 16).ok()?)?),
            };
            Some(Cursor { list, place: Place { severity, at, id: Uuid::try_parse(id).ok()? } })
        };
        read().ok_or(Refused::BrokenCursor)
    }
}

#[cfg(test)]
#[path = "worklist_tests.rs"]
mod tests;
