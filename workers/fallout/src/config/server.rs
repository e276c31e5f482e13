//! `[server]`: where others may tell us something; `[retention]`: how long we keep what was told.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Problem;

/// A century: who wants more writes no retention.
const MONTHS_MAX: u32 = 1_200;
/// A year: events are for handing on, the history itself is kept elsewhere.
const EVENT_DAYS_MAX: u32 = 366;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerSettings {
    pub listen: String,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct RetentionSettings {
    pub personal_months: u32,
    pub event_days: u32,
}

impl ServerSettings {
    /// `None`: not an address, which `problems` tells.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }

    /// Whether other machines reach it.
    pub fn is_beyond_loopback(&self) -> bool {
        self.address().is_some_and(|address| !address.ip().is_loopback())
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let what = "expected an address and a port like 127.0.0.1:8622 or [::1]:8622";
        self.address().is_none().then(|| Problem::new("server.listen", what)).into_iter().collect()
    }
}

impl RetentionSettings {
    pub(super) fn problems(&self) -> Vec<Problem> {
        let good = (1..=MONTHS_MAX).contains(&self.personal_months);
        let what = format!("expected 1 to {MONTHS_MAX}: what is younger is still needed to fulfil orders");
        let mut problems = Vec::from_iter((!good).then(|| Problem::new("retention.personal_months", what)));
        if !(1..=EVENT_DAYS_MAX).contains(&self.event_days) {
            let what = format!("expected 1 to {EVENT_DAYS_MAX}");
            problems.push(Problem::new("retention.event_days", what));
        }
        problems
    }
}
