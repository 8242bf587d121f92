//! Logs: to stderr, never to stdout.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

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
    let refuse = |why: &dyn core::fmt::Display| {
        Failure::usage(format!("{source} {level:?} is no log filter: {why}"))
            .next("give error, warn, info, debug or trace, or a list such as warn,alphapulse_relay=debug")
    };
    // The variable may be meant for other programs; what is given to this one is meant.
    if source == "--log"
        && let Some(word) = level.split(',').map(str::trim).find(|word| is_misspelt(word))
    {
        return Err(refuse(&format!("{word:?} is no level")));
    }
    let filter = EnvFilter::try_new(&level).map_err(|error| refuse(&error))?;
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

/// Whether a word of a filter looks like a level and is none. The filter would take it for the name of a part of the program, and then
/// nothing else would be logged.
fn is_misspelt(word: &str) -> bool {
    let is_plain = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_plain && word.parse::<LevelFilter>().is_err()
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
