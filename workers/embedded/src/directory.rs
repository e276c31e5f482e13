//! The directory of one embedded server: private, one program at a time, secrets and logs inside.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::{account::Account, error::EmbeddedError};

/// Held as long as the value lives; the kernel lets go of it when the program dies, however it dies.
#[derive(Debug)]
pub(crate) struct Directory {
    pub path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes the directory if need be and locks it against other programs.
    pub fn take(path: &Path, account: &Account) -> Result<Self, EmbeddedError> {
        let doing = |what: &str| format!("{what} {}", path.display());
        fs::create_dir_all(path).map_err(EmbeddedError::io(doing("make the directory")))?;
        // The servers' user only passes through; what it may read or write is a folder of its own inside.
        let mode = if account.dropped { 0o711 } else { 0o700 };
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(EmbeddedError::io(doing("set the mode of")))?;
        let path = fs::canonicalize(path).map_err(EmbeddedError::io(doing("resolve")))?;
        if let Some(blocked) = account.blocked_at(&path) {
            return Err(EmbeddedError::Unreachable { user: account.name.clone(), blocked });
        }
        let lock = lock(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// A folder inside, made if need be, that only `account` (and root) may enter.
    pub fn private(&self, name: &str, account: &Account) -> Result<PathBuf, EmbeddedError> {
        let folder = self.path.join(name);
        private_folder(&folder, account).map_err(EmbeddedError::io(format!("make the folder {}", folder.display())))?;
        Ok(folder)
    }

    /// As [`Self::private`], without what a killed server left in it.
    pub fn emptied(&self, name: &str, account: &Account) -> Result<PathBuf, EmbeddedError> {
        let folder = self.path.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(EmbeddedError::io(format!("remove {}", folder.display())))?;
        }
        self.private(name, account)
    }

    /// The password of `role`: generated once, kept in a file that only we may read.
    pub fn password(&self, role: &str) -> Result<String, EmbeddedError> {
        let file = self.path.join(format!("{role}.password"));
        match fs::read_to_string(&file) {
            Ok(text) if !text.is_empty() => return Ok(text),
            _ => {}
        }
        let password = uuid::Uuid::new_v4().simple().to_string(); // 122 random bits
        write_secret(&file, &password).map_err(EmbeddedError::io(format!("write {}", file.display())))?;
        Ok(password)
    }

    /// Opens a new log; the one of the start before is kept beside it as `<name>.1`.
    pub fn log(&self, name: &str) -> Result<(PathBuf, File), EmbeddedError> {
        let path = self.path.join(name);
        let _ = fs::rename(&path, self.path.join(format!("{name}.1"))); // absent at the first start
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let file = file.map_err(EmbeddedError::io(format!("write the log {}", path.display())))?;
        Ok((path, file))
    }
}

fn lock(dir: &Path) -> Result<File, EmbeddedError> {
    let path = dir.join("lock");
    let open = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
    let mut file = open.map_err(EmbeddedError::io(format!("open {}", path.display())))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(&path).unwrap_or_default();
            return Err(EmbeddedError::InUse { dir: dir.to_owned(), by: format!("process {}", pid.trim()) });
        }
        Err(TryLockError::Error(source)) => {
            return Err(EmbeddedError::Io { doing: format!("lock {}", path.display()), source });
        }
    }
    // Only for the message above.
    let written = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
    written.map_err(EmbeddedError::io(format!("write {}", path.display())))?;
    Ok(file)
}

fn private_folder(folder: &Path, account: &Account) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    account.give(folder)
}

/// Written beside and renamed in: a crash leaves the whole password or none.
fn write_secret(file: &Path, secret: &str) -> io::Result<()> {
    let beside = file.with_extension("new");
    let mut out = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&beside)?;
    out.write_all(secret.as_bytes())?;
    out.sync_all()?;
    fs::rename(beside, file)
}

/// Where the socket goes: `<dir>/run`, or, when that path is longer than the kernel allows for sockets, a folder in /tmp
/// whose name follows from the directory.
pub(crate) fn socket_folder(directory: &Directory, account: &Account) -> Result<PathBuf, EmbeddedError> {
    let longest = 107 - "/.s.PGSQL.65535".len();
    if directory.path.join("run").as_os_str().len() <= longest {
        return directory.private("run", account);
    }
    let mut hasher = DefaultHasher::new();
    directory.path.hash(&mut hasher);
    let folder = PathBuf::from(format!("/tmp/fallout-{:016x}", hasher.finish()));
    tracing::info!(folder = %folder.display(), "the directory's path is too long for a socket: the socket is in /tmp");
    let failed = EmbeddedError::io(format!("make the folder {}", folder.display()));
    if let Ok(meta) = fs::symlink_metadata(&folder) {
        // Everyone may write in /tmp: a folder that others made, or may enter, is not ours to use.
        let ours = meta.is_dir() && meta.uid() == account.uid && meta.mode() & 0o077 == 0;
        return if ours { Ok(folder) } else { Err(failed(io::ErrorKind::AlreadyExists.into())) };
    }
    private_folder(&folder, account).map_err(failed)?;
    Ok(folder)
}
