//! One fault of the script: whom it meets and how the sandbox then behaves.

use std::time::Duration;

use crate::glob::Glob;
use crate::share::Share;

/// What the sandbox does with a request. "Before" means nothing is applied; "after" means the effect is in the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    Ok,
    /// Waits, then serves properly.
    Slow {
        delay: Duration,
    },
    /// 422 with a business code; nothing is applied.
    Reject {
        code: String,
    },
    /// 503, nothing is applied.
    UnavailableBefore,
    /// Waits, then answers 503; nothing is applied.
    UnavailableLate {
        delay: Duration,
    },
    /// Applies, then answers 500.
    ErrorAfter,
    /// Never answers, nothing is applied.
    TimeoutBefore,
    /// Applies and never answers.
    TimeoutAfter,
    /// Closes the connection before any byte of an answer, nothing is applied.
    CutBefore,
    /// Applies, then closes the connection before any byte of an answer.
    CutAfter,
    /// 202; applied (or, with a code, rejected) later, which only a lookup shows.
    Accepted {
        after: Duration,
        code: Option<String>,
    },
    /// 202 and then nothing, for ever: lookups say it is in progress.
    AcceptedNever,
    /// 400 without a business code, nothing is applied.
    BadRequest,
    /// 401, nothing is applied.
    Unauthorised,
    /// Applies, then answers 200 with a body that is not JSON.
    Garbage,
    /// Applies, then answers without the id of what was made.
    MissingOutput,
    /// Breaks its promise: a repeated key is another effect.
    ForgetKey,
    /// Breaks its promise: a known key gets its first answer, whatever else is asked under it.
    IgnorePayload,
}

impl Behaviour {
    /// The word of the script for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Slow { .. } => "slow",
            Self::Reject { .. } => "reject",
            Self::UnavailableBefore => "unavailable_before",
            Self::UnavailableLate { .. } => "unavailable_late",
            Self::ErrorAfter => "error_after",
            Self::TimeoutBefore => "timeout_before",
            Self::TimeoutAfter => "timeout_after",
            Self::CutBefore => "cut_before",
            Self::CutAfter => "cut_after",
            Self::Accepted { .. } => "accepted",
            Self::AcceptedNever => "accepted_never",
            Self::BadRequest => "bad_request",
            Self::Unauthorised => "unauthorised",
            Self::Garbage => "garbage",
            Self::MissingOutput => "missing_output",
            Self::ForgetKey => "forget_key",
            Self::IgnorePayload => "ignore_payload",
        }
    }
}

/// Which attempts at a step a fault meets, both ends included. The first attempt is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    pub first: u32,
    pub last: u32,
}

impl Attempts {
    pub const ALL: Self = Self { first: 1, last: u32::MAX };

    /// Reads `*`, `2`, `1-3` and `>=3`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.trim().parse::<u32>().ok().filter(|n| *n > 0);
        let range = if text.trim() == "*" {
            Self::ALL
        } else if let Some(first) = text.trim().strip_prefix(">=") {
            Self { first: number(first)?, last: u32::MAX }
        } else if let Some((first, last)) = text.split_once('-') {
            Self { first: number(first)?, last: number(last)? }
        } else {
            Self { first: number(text)?, last: number(text)? }
        };
        (range.first <= range.last).then_some(range)
    }

    #[must_use]
    pub fn contains(&self, attempt: u32) -> bool {
        (self.first..=self.last).contains(&attempt)
    }
}

/// Whether a request makes an effect or takes one back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    #[default]
    Do,
    Undo,
}

impl Direction {
    /// The word of the header and of the script.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "do" => Some(Self::Do),
            "undo" => Some(Self::Undo),
            _ => None,
        }
    }
}

/// One `[[fault]]` of a script.
#[derive(Debug, Clone)]
pub struct Fault {
    pub(crate) order: Glob,
    pub(crate) line: Glob,
    pub(crate) step: Glob,
    /// `do` unless the script says `undo`.
    pub(crate) direction: Direction,
    pub attempts: Attempts,
    pub share: Option<Share>,
    pub behaviour: Behaviour,
    /// An applied effect is shown by lookups only so long after it was applied (a downstream that is late-consistent).
    pub lookup_after: Option<Duration>,
}

impl Fault {
    #[must_use]
    pub fn meets(&self, order: &str, line: &str, step: &str, direction: Direction, attempt: u32) -> bool {
        self.attempts.contains(attempt)
            && self.direction == direction
            && self.order.matches(order)
            && self.line.matches(line)
            && self.step.matches(step)
            && self.share.is_none_or(|share| share.contains(order, step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_read_as_written() {
        for (text, expected) in [
            ("*", Some((1, u32::MAX))),
            ("1", Some((1, 1))),
            ("1-2", Some((1, 2))),
            (" 2 - 4 ", Some((2, 4))),
            (">=3", Some((3, u32::MAX))),
            ("0", None),
            ("3-2", None),
            ("first", None),
            ("", None),
        ] {
            let read = Attempts::parse(text).map(|a| (a.first, a.last));
            assert_eq!(read, expected, "{text}");
        }
    }
}
