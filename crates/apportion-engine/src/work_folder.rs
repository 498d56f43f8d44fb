//! Local folders of one process: they go when it ends, and can be told from those of a killed one.
//!
//! A process that is killed (out of memory, power, `kill -9`) cannot remove what it spilled and
//! staged, and a month of that fills a disk. So each folder holds a file that its process keeps
//! locked: the system releases the lock when the process ends, however it ends, and whoever can
//! take it knows that nobody uses the folder. The trap avoided: deciding by age alone, which
//! either deletes under a long run or leaves last night's gigabytes for a week.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

/// Name of folders in which units are put together.
pub const STAGING_PREFIX: &str = "apportion-staging-";
/// Name of folders in which operators spill.
pub const SPILL_PREFIX: &str = "apportion-spill-";

/// Name of folders in which copies of exports lie; they have no lock.
const COPIES_PREFIX: &str = "apportion-csv-";

const OWNER: &str = ".owner";
/// A folder younger than this may not have its lock yet.
const BIRTH: Duration = Duration::from_secs(60);
/// A folder without a lock to ask may be in use however short the age asked for is.
const SHORTEST_WITHOUT_LOCK: Duration = Duration::from_secs(86_400);

/// A folder of this process; removed when dropped.
#[derive(Debug)]
pub struct WorkFolder {
    // Dropped first, while the lock still says that somebody is here.
    folder: TempDir,
    _owner: File,
}

impl WorkFolder {
    /// Creates a folder of a new name in `directory`, which is created when missing.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn create_in(directory: &Path, prefix: &str) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let folder = tempfile::Builder::new().prefix(prefix).tempdir_in(directory)?;
        let owner = File::create(folder.path().join(OWNER))?;
        // Some network file systems have no locks; there the age decides.
        if let Err(TryLockError::Error(error)) = owner.try_lock() {
            tracing::debug!(%error, folder = %folder.path().display(), "the work folder cannot be locked");
        }
        Ok(Self { folder, _owner: owner })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A folder whose process is gone.
#[derive(Debug, Clone)]
pub struct Abandoned {
    /// The folder.
    pub path: PathBuf,
    /// Files in it.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
}

impl Abandoned {
    /// Deletes the folder.
    ///
    /// # Errors
    ///
    /// Those of the file system; a folder that is already gone is fine.
    pub fn remove(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// The work folders in `directory` whose process is gone: its lock is free, or, where there is no
/// lock to ask, nothing in it changed since `older_than` before `now` and for at least a day. In path
/// order.
///
/// Folders of other users that cannot be looked into are left out.
///
/// # Errors
///
/// Those of listing `directory`; one that does not exist holds nothing.
pub fn abandoned(directory: &Path, now: SystemTime, older_than: Duration) -> io::Result<Vec<Abandoned>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = [STAGING_PREFIX, SPILL_PREFIX, COPIES_PREFIX].iter().any(|prefix| name.starts_with(prefix));
        // The type of the entry itself: a link is never followed.
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        let mut content = Content { files: 0, bytes: 0, newest: SystemTime::UNIX_EPOCH };
        if content.add(&path).is_err() {
            continue;
        }
        let quiet = now.duration_since(content.newest).unwrap_or_default();
        let gone = match owner(&path) {
            Owner::Alive => false,
            Owner::Gone => quiet >= BIRTH,
            Owner::Unknown => quiet >= older_than.max(SHORTEST_WITHOUT_LOCK),
        };
        if gone {
            found.push(Abandoned { path, files: content.files, bytes: content.bytes });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

enum Owner {
    Alive,
    Gone,
    Unknown,
}

fn owner(folder: &Path) -> Owner {
    let Ok(file) = File::open(folder.join(OWNER)) else { return Owner::Unknown };
    match file.try_lock() {
        Ok(()) => Owner::Gone,
        Err(TryLockError::WouldBlock) => Owner::Alive,
        Err(TryLockError::Error(_)) => Owner::Unknown,
    }
}

struct Content {
    files: u64,
    bytes: u64,
    newest: SystemTime,
}

impl Content {
    fn add(&mut self, folder: &Path) -> io::Result<()> {
        self.newest = self.newest.max(std::fs::metadata(folder)?.modified()?);
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.add(&entry.path())?;
                continue;
            }
            let metadata = entry.metadata()?;
            self.newest = self.newest.max(metadata.modified()?);
            if entry.file_name() != OWNER {
                self.files += 1;
                self.bytes += metadata.len();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: Duration = Duration::from_secs(7 * 86_400);

    fn paths(found: &[Abandoned]) -> Vec<PathBuf> {
        found.iter().map(|it| it.path.clone()).collect()
    }

    #[test]
    fn a_folder_is_abandoned_when_its_process_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let alive = WorkFolder::create_in(directory.path(), STAGING_PREFIX).unwrap();
        let dead = directory.path().join("apportion-spill-dead");
        std::fs::create_dir_all(dead.join("deeper")).unwrap();
        std::fs::write(dead.join("deeper/part"), vec![0; 1_000]).unwrap();
        File::create(dead.join(OWNER)).unwrap();
        let unknown = directory.path().join("apportion-staging-unknown");
        std::fs::create_dir(&unknown).unwrap();
        std::fs::create_dir(directory.path().join("datafusion-of-somebody-else")).unwrap();
        std::os::unix::fs::symlink(&dead, directory.path().join("apportion-staging-link")).unwrap();

        let now = SystemTime::now();
        assert!(abandoned(directory.path(), now, WEEK).unwrap().is_empty(), "all may have been born just now");
        let tomorrow = abandoned(directory.path(), now + Duration::from_secs(86_400), WEEK).unwrap();
        assert_eq!(paths(&tomorrow), std::slice::from_ref(&dead));
        assert_eq!((tomorrow[0].files, tomorrow[0].bytes), (1, 1_000));
        let short = abandoned(directory.path(), now + Duration::from_secs(3_600), Duration::ZERO).unwrap();
        assert_eq!(paths(&short), std::slice::from_ref(&dead), "without a lock an hour says nothing");
        let later = abandoned(directory.path(), now + WEEK * 2, WEEK).unwrap();
        assert_eq!(paths(&later), [dead.clone(), unknown], "the living one stays however old it is");
        for folder in &later {
            folder.remove().unwrap();
            folder.remove().unwrap();
        }
        assert!(!dead.exists() && alive.path().exists());
        let path = alive.path().to_path_buf();
        drop(alive);
        assert!(!path.exists());
        assert!(abandoned(&directory.path().join("missing"), now, WEEK).unwrap().is_empty());
    }
}
