//! When a downstream is offline because people say so: from one moment to another, and then until the lookups of what it left
//! unknown were done. What its own failures say is `fallout-downstream`'s.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use crate::{operation::Operation, words::words};

/// How long sending waits for lookups after the end. Two reads of a lookup that answers fit; one that does not answer must
/// not keep everything else.
pub const LOOKUPS_FIRST_S: i64 = 60;

words! {
    /// Where such a time stands.
    Phase {
        Planned = "planned",
        Offline = "offline",
        /// What is unknown is looked up; nothing is sent yet.
        Releasing = "releasing",
        Over = "over",
    }
}

words! {
    /// Why nothing is sent for a step, whatever is known of it.
    Stop {
        Offline = "its downstream is declared offline",
        Held = "the order or its line is held",
    }
}

/// The time that a downstream, or one of its operations, is declared offline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pub downstream: String,
    /// `None`: all of them.
    pub operation: Option<String>,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub released_at: Option<DateTime<Utc>>,
}

impl Window {
    pub fn phase(&self, now: DateTime<Utc>) -> Phase {
        match self.released_at {
            Some(_) => Phase::Over,
            None if now < self.starts_at => Phase::Planned,
            None if now < self.ends_at => Phase::Offline,
            None if now < self.released_at_latest() => Phase::Releasing,
            None => Phase::Over,
        }
    }

    /// Without a controller that releases it.
    pub fn released_at_latest(&self) -> DateTime<Utc> {
        self.ends_at + Duration::seconds(LOOKUPS_FIRST_S)
    }

    pub fn is_about(&self, op: &Operation) -> bool {
        self.downstream == op.downstream && self.operation.as_ref().is_none_or(|name| *name == op.name)
    }

    /// When it stands otherwise by the clock alone.
    pub fn next_change(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self.phase(now) {
            Phase::Planned => Some(self.starts_at),
            Phase::Offline => Some(self.ends_at),
            Phase::Releasing => Some(self.released_at_latest()),
            Phase::Over => None,
        }
    }

    /// Whether both are about the same, and at the same time.
    pub fn meets(&self, other: &Window) -> bool {
        (&self.downstream, &self.operation) == (&other.downstream, &other.operation)
            && self.starts_at < other.ends_at
            && other.starts_at < self.ends_at
    }
}

/// Nothing may be sent.
pub fn is_closed(windows: &[Window], op: &Operation, now: DateTime<Utc>) -> bool {
    windows.iter().any(|w| w.is_about(op) && matches!(w.phase(now), Phase::Offline | Phase::Releasing))
}

/// Not even a lookup may be sent.
pub fn is_silent(windows: &[Window], op: &Operation, now: DateTime<Utc>) -> bool {
    windows.iter().any(|w| w.is_about(op) && w.phase(now) == Phase::Offline)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, keyed};

    fn window(operation: Option<&str>) -> Window {
        let (downstream, operation) = (keyed().downstream, operation.map(str::to_owned));
        Window { downstream, operation, starts_at: at(100), ends_at: at(200), released_at: None }
    }

    #[test]
    fn lookups_come_first_and_sending_after_them_or_after_a_minute() {
        let released = Window { released_at: Some(at(210)), ..window(None) };
        let rows = [
            (window(None), 99, Phase::Planned, Some(100), false, false),
            (window(None), 100, Phase::Offline, Some(200), true, true),
            (window(None), 199, Phase::Offline, Some(200), true, true),
            (window(None), 200, Phase::Releasing, Some(260), true, false),
            (window(None), 259, Phase::Releasing, Some(260), true, false),
            (window(None), 260, Phase::Over, None, false, false),
            (released, 211, Phase::Over, None, false, false),
        ];
        for (window, second, phase, next, closed, silent) in rows {
            let (now, op, all) = (at(second), keyed(), [window.clone()]);
            assert_eq!((window.phase(now), window.next_change(now)), (phase, next.map(at)), "{second}");
            assert_eq!((is_closed(&all, &op, now), is_silent(&all, &op, now)), (closed, silent), "{second}");
        }
    }

    #[test]
    fn one_operation_may_be_offline_alone() {
        let op = keyed();
        assert!(is_closed(&[window(Some(&op.name))], &op, at(150)));
        assert!(!is_closed(&[window(Some("another"))], &op, at(150)));
        let elsewhere = Window { downstream: "elsewhere".into(), ..window(None) };
        assert!(!is_closed(std::slice::from_ref(&elsewhere), &op, at(150)));
        assert!(window(None).meets(&Window { starts_at: at(199), ends_at: at(300), ..window(None) }));
        assert!(!window(None).meets(&Window { starts_at: at(200), ends_at: at(300), ..window(None) }));
        assert!(!window(None).meets(&window(Some("one"))) && !window(None).meets(&elsewhere));
    }
}
