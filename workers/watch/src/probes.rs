//! Named points on the way of an engine command where a test can stop the relay. A value and not a cargo feature: features
//! unify across a workspace and would ship.

use std::{fmt, sync::Arc};

use fallout_desk::Pending;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// Leased, nothing asked.
    Taken,
    /// The next call changes something in the engine. A command may come here more than once.
    BeforeSend,
    /// The engine has answered, the desk does not know.
    Sent,
    /// What it came to is known, and not written.
    Settled,
    /// The desk has written it.
    Told,
}

impl Point {
    pub const ALL: [Point; 5] = [Point::Taken, Point::BeforeSend, Point::Sent, Point::Settled, Point::Told];
}

type Call = dyn Fn(Point, &Pending) + Send + Sync;

/// Does nothing unless told.
#[derive(Clone, Default)]
pub struct Probes(Option<Arc<Call>>);

impl Probes {
    pub fn new(call: impl Fn(Point, &Pending) + Send + Sync + 'static) -> Self {
        Probes(Some(Arc::new(call)))
    }

    pub(crate) fn at(&self, point: Point, command: &Pending) {
        if let Some(call) = &self.0 {
            call(point, command);
        }
    }
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Probes(set)" } else { "Probes(none)" })
    }
}
