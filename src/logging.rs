//! Logs: to stderr, never to stdout.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::cli::Arguments;
use crate::exit::Failure;

/// Starts logging at the level of `--log`, else of `RUST_LOG`, else the command's own.
pub(crate) fn start(arguments: &Arguments) -> Result<(), Failure> {
    let environment = std::env::var("RUST_LOG").ok().filter(|level| !level.is_empty());
    let (source, level) = match (&arguments.log, environment) {
        (Some(level), _) => ("--log", level.clone()),
        (None, Some(level)) => ("RUST_LOG", level),
        (None, None) => ("default", arguments.command.log_default().to_owned()),
    };
    let filter = EnvFilter::try_new(&level).map_err(|error| {
        Failure::usage(format!("{source} {level:?} is no log filter: {error}"))
            .next("give error, warn, info, debug or trace, or a list such as warn,alphapulse_relay=debug")
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .init();
    Ok(())
}
