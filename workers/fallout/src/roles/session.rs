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
    #[serde(default)]
    pub database_owner_url: String,
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

/// Takes everything from the session of this working directory when nobody configured a server: half of each would send
/// one's orders to the other's systems.
pub fn adopt(settings: &mut Settings) {
    if !settings.database.url.is_empty() || !settings.engine.url.is_empty() {
        return;
    }
    let Some(session) = Session::read() else { return };
    settings.database.url = Secret::new(session.database_url);
    settings.database.owner_url = Secret::new(session.database_owner_url);
    settings.engine.url = session.engine_url;
    only(settings, &session.downstreams);
}

/// These downstreams and no others, whatever was configured: simulated orders must never reach a real system. What was laid
/// down beside the address holds for the simulated one too.
pub fn only(settings: &mut Settings, urls: &BTreeMap<String, String>) {
    let configured = std::mem::take(&mut settings.downstreams);
    let one = |(name, url): (&String, &String)| {
        let given = configured.get(name).cloned().unwrap_or_default();
        (name.clone(), DownstreamSettings { url: url.clone(), bearer: Secret::default(), ..given })
    };
    settings.downstreams = urls.iter().map(one).collect();
}
