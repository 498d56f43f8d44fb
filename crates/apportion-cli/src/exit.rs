//! Exit codes: what a scheduler may conclude from a run.

use std::process::ExitCode;

use apportion_spec::ErrorKind;

/// How a command ended. The worst outcome of all units decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitStatus {
    /// Everything was published, or there was nothing to change.
    Success,
    /// At least one unit failed; the others were published.
    UnitFailed,
    /// The command was asked to stop; what was done is published, the next run does the rest.
    Stopped,
    /// The command line or the pipeline is wrong; nothing was done.
    Usage,
    /// A check or the reconciliation stopped a publication: the money does not tie.
    CheckFailed,
    /// Another run holds the lock of the destination; nothing was done.
    Locked,
}

impl ExitStatus {
    /// The process exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::UnitFailed => 1,
            Self::Usage => 2,
            Self::CheckFailed => 3,
            Self::Stopped => 4,
            // EX_TEMPFAIL of sysexits.h: try again later.
            Self::Locked => 75,
        }
    }

    /// The status a failed unit of this kind gives its run.
    #[must_use]
    pub const fn of_unit(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::CheckFailed | ErrorKind::Held => Self::CheckFailed,
            ErrorKind::Stopped => Self::Stopped,
            _ => Self::UnitFailed,
        }
    }

    /// The status of a command that failed as a whole.
    #[must_use]
    pub const fn of_command(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Config | ErrorKind::SqlInvalid => Self::Usage,
            ErrorKind::CheckFailed | ErrorKind::Held => Self::CheckFailed,
            ErrorKind::Stopped => Self::Stopped,
            ErrorKind::Locked => Self::Locked,
            _ => Self::UnitFailed,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}
