//! Reads the text of a fault script and refuses what it does not understand: all problems at once, each with its place.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fault::{Attempts, Behaviour, Direction, Fault};
use crate::glob::Glob;
use crate::script::Problem;
use crate::share::Share;

const KEYS: [&str; 11] = [
    "order",
    "line",
    "step",
    "direction",
    "attempt",
    "behaviour",
    "share",
    "ms",
    "after_ms",
    "code",
    "lookup_after_ms",
];
/// The behaviours that need nothing but their word.
const PLAIN: [Behaviour; 14] = [
    Behaviour::Ok,
    Behaviour::UnavailableBefore,
    Behaviour::ErrorAfter,
    Behaviour::TimeoutBefore,
    Behaviour::TimeoutAfter,
    Behaviour::CutBefore,
    Behaviour::CutAfter,
    Behaviour::AcceptedNever,
    Behaviour::BadRequest,
    Behaviour::Unauthorised,
    Behaviour::Garbage,
    Behaviour::MissingOutput,
    Behaviour::ForgetKey,
    Behaviour::IgnorePayload,
];

type Value<'t> = Spanned<DeValue<'t>>;

/// Collects problems while it reads.
pub(crate) struct Reader<'t> {
    text: &'t str,
    problems: Vec<Problem>,
}

impl<'t> Reader<'t> {
    /// The faults of the text, of use only when there are no problems.
    pub(crate) fn read(text: &'t str) -> (Vec<Fault>, Vec<Problem>) {
        let mut reader = Self { text, problems: Vec::new() };
        let faults = reader.script();
        (faults, reader.problems)
    }

    fn script(&mut self) -> Vec<Fault> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            self.problem(error.span().unwrap_or_default(), error.message());
        }
        let mut faults = Vec::new();
        for (key, value) in table.get_ref() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("fault", DeValue::Array(all)) => faults.extend(all.iter().filter_map(|fault| self.fault(fault))),
                ("fault", _) => self.problem(key.span(), "expected [[fault]] tables"),
                (other, _) => self.problem(key.span(), format!("unknown key `{other}`, expected [[fault]] tables")),
            }
        }
        faults
    }

    fn fault(&mut self, value: &Value<'t>) -> Option<Fault> {
        let DeValue::Table(table) = value.get_ref() else {
            self.problem(value.span(), "expected a [[fault]] table");
            return None;
        };
        self.refuse_unknown(table);
        let behaviour = self.behaviour(table, value.span());
        let fault = Fault {
            order: self.glob(table, "order"),
            line: self.glob(table, "line"),
            step: self.glob(table, "step"),
            direction: self.direction(table),
            attempts: self.attempts(table),
            share: self.share(table),
            behaviour: behaviour?,
            lookup_after: self.millis(table, "lookup_after_ms"),
        };
        self.refuse_unused(table, &fault);
        Some(fault)
    }

    fn behaviour(&mut self, table: &DeTable<'t>, place: Range<usize>) -> Option<Behaviour> {
        let Some(value) = table.get("behaviour") else {
            self.problem(place, format!("`behaviour` is missing, expected one of {}", behaviours()));
            return None;
        };
        match value.get_ref().as_str().unwrap_or_default() {
            "slow" => Some(Behaviour::Slow { delay: self.required_millis(table, "ms", value)? }),
            "unavailable_late" => Some(Behaviour::UnavailableLate { delay: self.required_millis(table, "ms", value)? }),
            "reject" => Some(Behaviour::Reject { code: self.required_code(table, value)? }),
            "accepted" => {
                let after = self.required_millis(table, "after_ms", value)?;
                Some(Behaviour::Accepted { after, code: self.code(table) })
            }
            word => {
                let found = PLAIN.into_iter().find(|behaviour| behaviour.name() == word);
                if found.is_none() {
                    self.problem(value.span(), format!("unknown behaviour, expected one of {}", behaviours()));
                }
                found
            }
        }
    }

    fn glob(&mut self, table: &DeTable<'t>, key: &str) -> Glob {
        self.string(table, key).map_or_else(Glob::any, Glob::new)
    }

    fn direction(&mut self, table: &DeTable<'t>) -> Direction {
        let Some(word) = self.string(table, "direction") else {
            return Direction::default();
        };
        Direction::parse(word).unwrap_or_else(|| {
            self.problem(table["direction"].span(), "expected do or undo");
            Direction::default()
        })
    }

    fn attempts(&mut self, table: &DeTable<'t>) -> Attempts {
        let Some(text) = self.string(table, "attempt") else {
            return Attempts::ALL;
        };
        Attempts::parse(text).unwrap_or_else(|| {
            self.problem(table["attempt"].span(), "expected \"*\", \"1\", \"1-2\" or \">=3\", counting from 1");
            Attempts::ALL
        })
    }

    fn share(&mut self, table: &DeTable<'t>) -> Option<Share> {
        let value = table.get("share")?;
        let numbers = value.get_ref().as_table().and_then(|share| {
            let slice = share.get("slice")?.get_ref().as_array()?;
            let ends: Vec<u64> = slice.iter().filter_map(whole_number).collect();
            match (ends.as_slice(), share.len()) {
                (&[from, to], 2) if slice.len() == 2 => {
                    Some(Share { from, to, of: share.get("of").and_then(whole_number)? })
                }
                _ => None,
            }
        });
        let share = numbers.filter(|share| share.from < share.to && share.to <= share.of);
        if share.is_none() {
            self.problem(value.span(), "expected { slice = [from, to], of = N } with from < to <= of");
        }
        share
    }

    fn code(&mut self, table: &DeTable<'t>) -> Option<String> {
        let code = self.string(table, "code")?;
        let valid = !code.is_empty() && code.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        if !valid {
            self.problem(table["code"].span(), "expected a code like PRODUCT_NOT_AVAILABLE");
        }
        valid.then(|| code.to_owned())
    }

    fn required_code(&mut self, table: &DeTable<'t>, behaviour: &Value<'t>) -> Option<String> {
        if !table.contains_key("code") {
            self.problem(behaviour.span(), "this behaviour needs `code`");
        }
        self.code(table)
    }

    fn required_millis(&mut self, table: &DeTable<'t>, key: &str, behaviour: &Value<'t>) -> Option<Duration> {
        if !table.contains_key(key) {
            self.problem(behaviour.span(), format!("this behaviour needs `{key}`"));
        }
        self.millis(table, key)
    }

    fn millis(&mut self, table: &DeTable<'t>, key: &str) -> Option<Duration> {
        let value = table.get(key)?;
        let millis = whole_number(value).map(Duration::from_millis);
        if millis.is_none() {
            self.problem(value.span(), "expected whole milliseconds");
        }
        millis
    }

    fn string<'a>(&mut self, table: &'a DeTable<'t>, key: &str) -> Option<&'a str> {
        let value = table.get(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.problem(value.span(), "expected text");
        }
        text
    }

    fn refuse_unknown(&mut self, table: &DeTable<'t>) {
        for key in table.keys().filter(|key| !KEYS.contains(&key.get_ref().as_ref())) {
            let what = format!("unknown key `{}`, expected one of {}", key.get_ref(), KEYS.join(", "));
            self.problem(key.span(), what);
        }
    }

    /// A field that the behaviour does not look at is a misunderstanding, and a silent one.
    fn refuse_unused(&mut self, table: &DeTable<'t>, fault: &Fault) {
        let used: &[&str] = match fault.behaviour {
            Behaviour::Slow { .. } | Behaviour::UnavailableLate { .. } => &["ms"],
            Behaviour::Reject { .. } => &["code"],
            Behaviour::Accepted { .. } => &["after_ms", "code"],
            _ => &[],
        };
        for key in ["ms", "after_ms", "code"] {
            if let Some(value) = table.get(key).filter(|_| !used.contains(&key)) {
                self.problem(value.span(), format!("`{key}` means nothing for {}", fault.behaviour.name()));
            }
        }
    }

    fn problem(&mut self, place: Range<usize>, what: impl Into<String>) {
        let before = self.text.get(..place.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        self.problems.push(Problem {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            what: what.into(),
        });
    }
}

fn whole_number(value: &Value<'_>) -> Option<u64> {
    let number = value.get_ref().as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn behaviours() -> String {
    let plain = PLAIN.iter().map(Behaviour::name);
    plain.chain(["slow", "unavailable_late", "reject", "accepted"]).collect::<Vec<_>>().join(", ")
}
