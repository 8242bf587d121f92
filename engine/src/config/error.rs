//! What is wrong with a configuration: where, what was found, what was expected, and what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::Origin;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the value was set, or that it was not.
    pub origin: Origin,
    /// Key concerned, as `risk.fee_max` or `pools[3].venue`; empty for the file as a whole.
    pub key: String,
    /// What was found and what was expected.
    pub message: String,
    /// What to do about it.
    pub next: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, self.key.is_empty()) {
            (Origin::Missing | Origin::Default, _) => write!(f, "`{}`: ", self.key)?,
            (origin, true) => write!(f, "{origin}: ")?,
            (origin, false) => write!(f, "{origin}: `{}`: ", self.key)?,
        }
        write!(f, "{}; {}", self.message, self.next)
    }
}

/// Why there is no configuration. The command ends with exit code 3.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}; check the path, or write one with `alphapulse config init`", path.display())]
    Read {
        /// File concerned.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The configuration is wrong in one or more places, all of them listed.
    #[error("the configuration {} has {}", path.display(), Listed(problems))]
    Invalid {
        /// File concerned.
        path: PathBuf,
        /// What is wrong, in the order of the file's sections; never empty.
        problems: Vec<Problem>,
    },
}

impl ConfigError {
    /// What is wrong, one by one; empty when the file could not be read.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Read { .. } => &[],
            Self::Invalid { problems, .. } => problems,
        }
    }
}

struct Listed<'a>(&'a [Problem]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [one] => write!(f, "a problem: {one}"),
            all => {
                write!(f, "{} problems:", all.len())?;
                all.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}
