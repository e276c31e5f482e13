//! Where the servers of a running `demo` or `up` can be found: so that `fallout case list` beside it needs no URLs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::config::{DownstreamSettings, Secret, Settings};

/// Below the working directory, as the demo makes it.
pub const HOME: &str = ".fallout";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    pub pid: u32,
    pub database_url: String,
    pub engine_url: String,
    pub downstreams: BTreeMap<String, String>,
}

fn path() -> PathBuf {
    Path::new(HOME).join("session.json")
}

impl Session {
    pub fn write(&self) -> std::io::Result<()> {
        fs::create_dir_all(HOME)?;
        fs::write(path(), serde_json::to_vec_pretty(self)?)
    }

    /// Only the process that wrote it takes it away.
    pub fn remove(&self) {
        if Session::read().is_some_and(|s| s.pid == self.pid) {
            let _ = fs::remove_file(path());
        }
    }

    /// The session of a process that is still there.
    fn read() -> Option<Session> {
        let session: Session = serde_json::from_slice(&fs::read(path()).ok()?).ok()?;
        Path::new("/proc").join(session.pid.to_string()).exists().then_some(session)
    }
}

/// Fills what nobody configured from the session of this working directory.
pub fn adopt(settings: &mut Settings) {
    let Some(session) = Session::read() else { return };
    if !settings.database.url.is_empty() && !settings.engine.url.is_empty() {
        return;
    }
    if settings.database.url.is_empty() {
        settings.database.url = Secret::new(session.database_url);
    }
    if settings.engine.url.is_empty() {
        settings.engine.url = session.engine_url;
    }
    fill(settings, &session.downstreams);
}

/// Addresses for downstreams that have none.
pub fn fill(settings: &mut Settings, urls: &BTreeMap<String, String>) {
    for (name, url) in urls {
        let own = settings.downstreams.entry(name.clone()).or_default();
        if own.url.is_empty() {
            *own = DownstreamSettings { url: url.clone(), ..DownstreamSettings::default() };
        }
    }
}
