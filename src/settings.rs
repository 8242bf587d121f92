//! The configuration of a command: where it is, and what to do when it is wrong.

use std::path::PathBuf;
use std::sync::OnceLock;

use alphapulse_engine::config::{self, ConfigError, Environment, NodeConfig};
use alphapulse_strategies::Registry;
use clap::Args;

use crate::exit::{Exit, Failure};

/// Where a configuration is looked for when the command line does not say.
pub(crate) const CONFIG_DEFAULT: &str = "alphapulse.toml";

/// What this program can trade. Its `main` says it once, before any command runs.
static REGISTRY: OnceLock<Registry> = OnceLock::new();

/// Says what this program can trade. The first word stands.
pub(crate) fn trade(registry: Registry) {
    let _ = REGISTRY.set(registry);
}

/// What this program can trade.
pub(crate) fn registry() -> Registry {
    REGISTRY.get().cloned().unwrap_or_default()
}

/// Arguments of every command that needs a configuration.
#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    pub(crate) config: PathBuf,

    /// Profile to put over the file's values (default: ALPHAPULSE_PROFILE)
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
}

impl ConfigArguments {
    /// Reads and checks the configuration.
    pub(crate) fn load(&self) -> Result<NodeConfig, Failure> {
        self.read().map_err(|error| self.failure(error))
    }

    /// As [`ConfigArguments::load`], for a caller that reports the problems itself.
    pub(crate) fn read(&self) -> Result<NodeConfig, ConfigError> {
        config::load(&self.config, &Environment::of_process(self.profile.clone(), registry()))
    }

    pub(crate) fn failure(&self, error: ConfigError) -> Failure {
        let next = match &error {
            ConfigError::Read { .. } => {
                format!("name the file with --config, or write one with `alphapulse config init {CONFIG_DEFAULT}`")
            }
            _ => format!("correct it, then `alphapulse config check {}`", self.config.display()),
        };
        Failure::new(Exit::Config, error).next(next)
    }
}
