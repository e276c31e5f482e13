//! `[server]`: where others may tell us something; `[retention]`: how long we keep what is personal of it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Problem;

/// A century: who wants more writes no retention.
const MONTHS_MAX: u32 = 1_200;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerSettings {
    pub listen: String,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct RetentionSettings {
    pub personal_months: u32,
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
        (!good).then(|| Problem::new("retention.personal_months", what)).into_iter().collect()
    }
}
