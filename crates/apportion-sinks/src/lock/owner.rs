//! Who holds a lock, and whether that process still exists.

use std::fmt;
use std::fs;

use serde::{Deserialize, Serialize};

/// A process that holds or wants a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockOwner {
    /// Identifier of the run.
    pub run_id: String,
    /// Name of the machine or container, for people.
    pub host: String,
    /// Process number on that machine.
    pub process: u32,
    /// What identifies the process beyond its number, where the system tells: the machine's boot,
    /// the namespace of process numbers and the start of the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<ProcessIdentity>,
}

/// A process as Linux knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Identifier of this boot of the machine.
    pub boot: String,
    /// Namespace of process numbers; containers have their own.
    pub namespace: String,
    /// When the process started, in clock ticks since the boot.
    pub started: String,
}

impl LockOwner {
    /// This process.
    #[must_use]
    pub fn this_process(run_id: &str) -> Self {
        let process = std::process::id();
        let host = fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
        Self {
            run_id: run_id.to_owned(),
            host: host.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_else(|| "unknown host".to_owned()),
            process,
            identity: identity(process),
        }
    }

    /// Whether `witness`, a process that looks now, can be sure that this one no longer exists.
    pub(super) fn is_gone(&self, witness: &Self) -> bool {
        let (Some(mine), Some(theirs)) = (&self.identity, &witness.identity) else { return false };
        // Process numbers mean something only on the same boot, in the same namespace.
        mine.boot == theirs.boot
            && mine.namespace == theirs.namespace
            && started(self.process).is_none_or(|started| started != mine.started)
    }
}

impl fmt::Display for LockOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {} (process {} on {})", self.run_id, self.process, self.host)
    }
}

fn identity(process: u32) -> Option<ProcessIdentity> {
    Some(ProcessIdentity {
        boot: fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned(),
        namespace: fs::read_link("/proc/self/ns/pid").ok()?.display().to_string(),
        started: started(process)?,
    })
}

/// Start time of a process, or `None` when there is no such process or it is only waiting to be
/// collected by its parent.
fn started(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything, so fields are counted after it.
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let state = fields.first()?;
    if matches!(*state, "Z" | "X") {
        return None;
    }
    // Field 22 of the line, the 20th after the name.
    fields.get(19).map(|ticks| (*ticks).to_owned())
}
