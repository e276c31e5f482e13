//! How many calls at the same time: a little more while the answers come as quickly as ever, half as soon as they do not
//! come. As TCP does it (RFC 5681): quickly up to where trouble began the last time, carefully from there.

use tokio::time::Instant;

/// After a downstream was away: enough to see whether it bears more, too little to throw it over again.
const RESTART: u32 = 2;

#[derive(Debug)]
pub(super) struct Limit {
    now: u32,
    most: u32,
    /// Where trouble began the last time, halved: below it the limit doubles, above it one is added.
    knee: u32,
    halved_at: Option<Instant>,
    window: Window,
}

/// As many answers as there may be calls: about one round trip.
#[derive(Debug, Default)]
struct Window {
    answers: u32,
    slow: u32,
    /// Whether the limit was needed at all: one that nobody reaches says nothing when it is raised.
    busy: bool,
}

impl Limit {
    pub fn new(start: u32, most: u32) -> Self {
        let most = most.max(1);
        Limit { now: start.clamp(1, most), most, knee: most, halved_at: None, window: Window::default() }
    }

    pub fn get(&self) -> u32 {
        self.now
    }

    /// An answer while so many were in hand.
    pub fn answered(&mut self, slow: bool, held: u32) {
        self.window.answers += 1;
        self.window.slow += u32::from(slow);
        self.window.busy |= held.saturating_mul(2) >= self.now;
        if self.window.answers < self.now {
            return;
        }
        let window = std::mem::take(&mut self.window);
        if window.busy && window.slow * 2 <= window.answers {
            let grown = if self.now < self.knee { self.now.saturating_mul(2).min(self.knee) } else { self.now + 1 };
            self.now = grown.min(self.most);
        }
    }

    /// Halves once for all calls that were under way together: those that began before the last halving are its echo.
    pub fn overloaded(&mut self, began: Instant, now: Instant) {
        self.window = Window::default();
        if self.halved_at.is_some_and(|at| began < at) {
            return;
        }
        self.now = (self.now / 2).max(1);
        self.knee = self.now;
        self.halved_at = Some(now);
    }

    /// From the bottom, quickly up to where it was halved.
    pub fn restart(&mut self) {
        self.now = RESTART.min(self.most);
        self.window = Window::default();
    }
}
