//! Configuration: a TOML file, a profile over it, environment variables over both; checked as a whole before anything
//! starts.
//!
//! Guarantees: an unknown key, an unparsable value or a missing limit stops the start, and every problem is named with its
//! place and what to do; no default for an address, a key, a limit or a gas price; quantities carry their unit.
//!
//! Refusals: no secret is a configuration value. A key's password comes from a file or descriptor; an endpoint, whose
//! path may hold a provider's key, is shown by scheme and host only.
//!
//! ```
//! use alphapulse_engine::config;
//!
//! let error = config::from_toml("[risk]\nfee_max = 100\n").unwrap_err();
//! assert!(error.to_string().contains("risk.fee_max"));
//! ```

mod check;
mod error;
mod layers;
mod origin;
mod raw;
mod units;
mod validated;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use alphapulse_strategies::Registry;

pub use self::error::{ConfigError, Problem};
pub use self::layers::ENVIRONMENT_PREFIX;
pub use self::origin::Origin;
pub use self::raw::{
    RawChain, RawConfig, RawExecution, RawGas, RawJournal, RawPool, RawQuotes, RawRelay, RawRelayFactory, RawRelayKey,
    RawRelayUser, RawRisk, RawStrategy, RawToken, RawVenue,
};
pub use self::validated::{
    ChainConfig, ExecutionConfig, Mode, NodeConfig, RelaySettings, RelaySource, Setting, TokenSpec,
};

/// Variable that names the profile when the command does not.
pub const PROFILE_VARIABLE: &str = "ALPHAPULSE_PROFILE";

/// What stands around a configuration file when it is read.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Profile to put over the file.
    pub profile: Option<String>,
    /// Variables; only those that start with [`ENVIRONMENT_PREFIX`] are looked at.
    pub variables: Vec<(String, String)>,
    /// Strategies that can be configured.
    pub registry: Registry,
}

impl Environment {
    /// The process's variables. A profile given on the command line goes before [`PROFILE_VARIABLE`].
    ///
    /// Variables that are not Unicode are passed over unless they are ours; then they are kept with replacement
    /// characters, so that they are refused as values.
    #[must_use]
    pub fn of_process(profile: Option<String>, registry: Registry) -> Self {
        let variables: Vec<(String, String)> = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX))
            .collect();
        let profile = profile.or_else(|| std::env::var(PROFILE_VARIABLE).ok().filter(|name| !name.is_empty()));
        Self { profile, variables, registry }
    }
}

/// Reads and checks a configuration file. Relative paths in it start at its folder.
///
/// # Errors
/// [`ConfigError`] with every problem found.
pub fn load(path: &Path, environment: &Environment) -> Result<NodeConfig, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    parse(path.to_owned(), &text, environment)
}

/// Checks a configuration that is in memory, without profile and environment, such as one that
/// [`NodeConfig::to_toml`] wrote. Relative paths in it start at the current folder.
///
/// # Errors
/// [`ConfigError`] with every problem found.
pub fn from_toml(text: &str) -> Result<NodeConfig, ConfigError> {
    from_toml_with(text, &Registry::built_in())
}

/// As [`from_toml`], where a program has strategies of its own.
///
/// # Errors
/// As [`from_toml`].
pub fn from_toml_with(text: &str, registry: &Registry) -> Result<NodeConfig, ConfigError> {
    let environment = Environment { registry: registry.clone(), ..Environment::default() };
    parse(PathBuf::from("config"), text, &environment)
}

fn parse(path: PathBuf, text: &str, environment: &Environment) -> Result<NodeConfig, ConfigError> {
    let mut variables = environment.variables.clone();
    variables.sort();
    let layered = layers::read(path.clone(), text, environment.profile.as_deref(), &variables);
    layered
        .and_then(|layered| check::validate(&layered, &environment.registry))
        .map_err(|problems| ConfigError::Invalid { path, problems })
}

#[cfg(test)]
mod tests;
