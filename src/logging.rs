//! Logs: to stderr, never to stdout.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

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
        .with_writer(|| Stderr)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        // Who reads the log may go away: that is no reason to panic, which saying so on the same stream would be.
        .log_internal_errors(false)
        .init();
    Ok(())
}

/// What was logged while the screen was somebody else's; `None` while it is not.
static HELD: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// Holds logs back: the terminal shows a picture that they would tear.
pub(crate) fn hold() {
    held().get_or_insert_default();
}

/// Lets logs through again, those held back first.
pub(crate) fn release() {
    if let Some(lines) = held().take() {
        // Nothing is left to tell when stderr is closed.
        drop(io::stderr().write_all(&lines));
    }
}

fn held() -> MutexGuard<'static, Option<Vec<u8>>> {
    // Whole lines are appended under the lock, so a panic elsewhere leaves nothing half done.
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stderr, or memory while logs are held back.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match held().as_mut() {
            Some(lines) => lines.write(bytes),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
