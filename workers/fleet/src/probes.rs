//! Named points on the way of a task where a test can stop the world. A value and not a cargo feature: features unify
//! across a workspace and would ship.

use std::{fmt, sync::Arc};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// Locked, nothing known to the ledger.
    Fetched,
    /// The attempt is open.
    Claimed,
    /// The next call is the exchange.
    BeforeSend,
    /// The exchange is over, its evidence not recorded.
    Sent,
    /// Recorded, not reported.
    Recorded,
    /// The engine has the report, the ledger not its mark.
    Reported,
}

impl Point {
    pub const ALL: [Point; 6] =
        [Point::Fetched, Point::Claimed, Point::BeforeSend, Point::Sent, Point::Recorded, Point::Reported];

    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Point::Fetched => "fetched",
            Point::Claimed => "claimed",
            Point::BeforeSend => "before sending",
            Point::Sent => "sent",
            Point::Recorded => "recorded",
            Point::Reported => "reported",
        }
    }
}

/// Does nothing unless told.
#[derive(Clone, Default)]
pub struct Probes(Option<Arc<dyn Fn(Point) + Send + Sync>>);

impl Probes {
    pub fn new(call: impl Fn(Point) + Send + Sync + 'static) -> Self {
        Probes(Some(Arc::new(call)))
    }

    pub(crate) fn at(&self, point: Point) {
        if let Some(call) = &self.0 {
            call(point);
        }
    }
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Probes(set)" } else { "Probes(none)" })
    }
}
