//! FOCUS versions we can read or write, and the order between them.
//!
//! Column history in the schema file names versions as the standard does (`1.0-preview` lies before
//! `1.0`), so they are compared by rank, never as text.

use std::fmt;
use std::str::FromStr;

/// Versions in the order in which they were published.
const HISTORY: [&str; 7] = ["0.5", "1.0-preview", "1.0", "1.1", "1.2", "1.3", "1.4"];

/// A FOCUS version a table can be read or exported as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FocusVersion {
    /// FOCUS 1.2 (57 columns), what provider exports deliver.
    V1_2,
    /// FOCUS 1.3 (65 columns, two of them deprecated).
    V1_3,
    /// FOCUS 1.4 (65 columns), the form of the stored table.
    V1_4,
}

impl FocusVersion {
    /// Every version, oldest first.
    pub const ALL: [Self; 3] = [Self::V1_2, Self::V1_3, Self::V1_4];

    /// The version as the standard writes it, for example `1.4`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
            Self::V1_4 => "1.4",
        }
    }

    /// Whether a column introduced in `introduced` exists in this version.
    ///
    /// An unknown name counts as newer than everything.
    #[must_use]
    pub fn includes(self, introduced: &str) -> bool {
        match (rank(introduced), rank(self.as_str())) {
            (Some(column), Some(version)) => column <= version,
            _ => false,
        }
    }
}

fn rank(version: &str) -> Option<usize> {
    HISTORY.iter().position(|known| *known == version)
}

impl fmt::Display for FocusVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FocusVersion {
    type Err = String;

    /// Parses `1.2`, `1.3` or `1.4`.
    ///
    /// # Errors
    /// A message that lists the accepted versions.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|version| version.as_str() == text)
            .ok_or_else(|| format!("unknown FOCUS version `{text}`, expected 1.2, 1.3 or 1.4"))
    }
}

#[cfg(test)]
mod tests {
    use super::FocusVersion;

    #[test]
    fn preview_lies_before_the_release() {
        assert!(FocusVersion::V1_2.includes("1.0-preview"));
        assert!(FocusVersion::V1_2.includes("1.2"));
        assert!(!FocusVersion::V1_2.includes("1.3"));
        assert!(!FocusVersion::V1_4.includes("1.5"));
    }

    #[test]
    fn parses_what_it_prints() {
        for version in FocusVersion::ALL {
            assert_eq!(version.to_string().parse::<FocusVersion>(), Ok(version));
        }
        assert_eq!(
            "1.1".parse::<FocusVersion>(),
            Err("unknown FOCUS version `1.1`, expected 1.2, 1.3 or 1.4".to_owned())
        );
    }
}
