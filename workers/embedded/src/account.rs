//! Which user a server runs as. PostgreSQL refuses root, and an engine whose REST API is open on loopback should not
//! be root either: started by root, both run as `postgres`, else as `nobody`.

use std::{
    ffi::{CStr, CString},
    fs, io,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf, absolute},
    process::Command,
};

use crate::error::EmbeddedError;

#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub uid: u32,
    pub gid: u32,
    pub name: String,
    /// True when this is not the user we run as.
    pub dropped: bool,
}

impl Account {
    /// The user for our servers.
    pub fn for_servers() -> Result<Self, EmbeddedError> {
        // SAFETY: geteuid has no preconditions and cannot fail.
        let us = unsafe { libc::geteuid() };
        if us != 0 {
            return lookup(Key::Uid(us), false).ok_or_else(|| EmbeddedError::NoPasswdEntry { user: us.to_string() });
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| lookup(Key::Name(name), true))
            .ok_or_else(|| EmbeddedError::NoPasswdEntry { user: "postgres (or nobody)".to_owned() })
    }

    /// Makes `command` run as this user. Without a change of user nothing is set: a plain user may not set groups.
    pub fn apply(&self, command: &mut Command) {
        if self.dropped {
            command.uid(self.uid).gid(self.gid);
        }
    }

    pub fn give(&self, path: &Path) -> io::Result<()> {
        if self.dropped {
            std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))?;
        }
        Ok(())
    }

    /// The first folder on the way to `path` (itself included) that this user cannot enter. Goes by the mode bits.
    pub fn blocked_at(&self, path: &Path) -> Option<PathBuf> {
        let path = fs::canonicalize(path).or_else(|_| absolute(path));
        let path = path.ok()?; // without a working directory the start itself fails, and says so
        let mut folders: Vec<&Path> = path.ancestors().collect();
        folders.reverse();
        folders.into_iter().find(|folder| !self.may_enter(folder)).map(Path::to_owned)
    }

    fn may_enter(&self, folder: &Path) -> bool {
        let Ok(meta) = fs::metadata(folder) else {
            return true; // it does not exist yet; whoever makes it gives it the right mode
        };
        let bit = if meta.uid() == self.uid {
            0o100
        } else if meta.gid() == self.gid {
            0o010
        } else {
            0o001
        };
        meta.permissions().mode() & bit != 0
    }
}

/// `preferred` as an absolute path, or, when we are root and the servers' user could not enter it (a clone below /root), a directory of
/// the same name below /var/lib/fallout.
#[must_use]
pub fn suitable_dir(preferred: &Path) -> PathBuf {
    let Ok(wanted) = absolute(preferred) else {
        return preferred.to_owned();
    };
    let around = wanted.parent().unwrap_or(&wanted);
    let closed = |account: Account| account.dropped && account.blocked_at(around).is_some();
    if !Account::for_servers().is_ok_and(closed) {
        return wanted;
    }
    let name = wanted.to_string_lossy().replace('/', "-");
    Path::new("/var/lib/fallout").join(name.trim_start_matches(['-', '.']))
}

enum Key<'a> {
    Name(&'a str),
    Uid(u32),
}

/// One entry of the passwd database, by the re-entrant calls: a caller may have many threads.
fn lookup(key: Key<'_>, dropped: bool) -> Option<Account> {
    let mut buffer = vec![0; 16 * 1024]; // entries are some hundred bytes; 16 KiB is what libc itself suggests at most
    // SAFETY: passwd is plain data for which all zeroes is a valid value.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let mut found: *mut libc::passwd = std::ptr::null_mut();
    let (at, size) = (buffer.as_mut_ptr(), buffer.len());
    match key {
        Key::Name(name) => {
            let name = CString::new(name).ok()?;
            // SAFETY: all pointers are valid for the call, and `size` is the length of `buffer`.
            unsafe { libc::getpwnam_r(name.as_ptr(), &raw mut entry, at, size, &raw mut found) };
        }
        Key::Uid(uid) => {
            // SAFETY: as above.
            unsafe { libc::getpwuid_r(uid, &raw mut entry, at, size, &raw mut found) };
        }
    }
    if found.is_null() {
        return None;
    }
    // SAFETY: a found entry points at NUL-terminated strings inside `buffer`, which is still alive.
    let name = unsafe { CStr::from_ptr(entry.pw_name) }.to_string_lossy().into_owned();
    Some(Account { uid: entry.pw_uid, gid: entry.pw_gid, name, dropped })
}
