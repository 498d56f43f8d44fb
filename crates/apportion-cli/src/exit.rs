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
    /// The command line or the pipeline is wrong; nothing was done.
    Usage,
    /// A check or the reconciliation stopped a publication: the money does not tie.
    CheckFailed,
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
        }
    }

    /// The status a failed unit of this kind gives its run.
    #[must_use]
    pub const fn of_unit(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::CheckFailed => Self::CheckFailed,
            _ => Self::UnitFailed,
        }
    }

    /// The status of a command that failed as a whole.
    #[must_use]
    pub const fn of_command(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Config | ErrorKind::SqlInvalid => Self::Usage,
            ErrorKind::CheckFailed => Self::CheckFailed,
            _ => Self::UnitFailed,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}
