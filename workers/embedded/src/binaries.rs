//! Finding the installed PostgreSQL programs.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::error::EmbeddedError;

/// Our SQL is written for 15; older servers lack parts of it.
const OLDEST: u32 = 15;
/// Where Debian and Ubuntu put each major version in a folder of its own.
const DEBIAN: &str = "/usr/lib/postgresql";

#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    pub folder: PathBuf,
    pub major: u32,
}

impl Binaries {
    /// The programs for a data directory of `wanted` major, or for a new one the newest. PG_BIN, if set, is the only
    /// place looked at.
    pub fn find(data: &Path, wanted: Option<u32>) -> Result<Self, EmbeddedError> {
        let places = places();
        let mut found: Vec<Self> = places.iter().filter_map(|folder| probe(folder)).collect();
        found.retain(|binaries| binaries.major >= OLDEST);
        found.sort_by_key(|binaries| std::cmp::Reverse(binaries.major));
        let Some(newest) = found.first().cloned() else {
            return Err(EmbeddedError::NoPostgres { searched: searched() });
        };
        match wanted {
            None => Ok(newest),
            Some(major) => found.into_iter().find(|binaries| binaries.major == major).ok_or_else(|| {
                let data = data.to_owned();
                EmbeddedError::OtherMajor { data, data_major: major, found: newest.major.to_string() }
            }),
        }
    }

    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn places() -> Vec<PathBuf> {
    if let Some(folder) = env::var_os("PG_BIN") {
        return vec![folder.into()];
    }
    let mut places: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    places.extend(fs::read_dir(DEBIAN).into_iter().flatten().flatten().map(|entry| entry.path().join("bin")));
    places
}

fn searched() -> String {
    env::var("PG_BIN").map_or_else(|_| format!("PATH and {DEBIAN}"), |folder| format!("PG_BIN ({folder})"))
}

fn probe(folder: &Path) -> Option<Binaries> {
    if !["initdb", "postgres", "psql"].iter().all(|program| folder.join(program).is_file()) {
        return None;
    }
    let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    let major = major_of(&String::from_utf8_lossy(&output.stdout))?;
    Some(Binaries { folder: folder.to_owned(), major })
}

/// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)" is 15.
fn major_of(text: &str) -> Option<u32> {
    let version = text.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    version.split(|other: char| !other.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major_of;

    #[test]
    fn the_major_version_is_read_from_releases_and_betas() {
        for (text, expected) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some(15)),
            ("postgres (PostgreSQL) 18beta2", Some(18)),
            ("postgres (PostgreSQL)", None),
        ] {
            assert_eq!(major_of(text), expected, "{text}");
        }
    }
}
