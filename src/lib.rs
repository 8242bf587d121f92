//! The `alphapulse` command, for programs with strategies of their own: all its subcommands trade them as they trade the
//! built-in ones. `alphapulse strategy new` writes such a program.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use alphapulse_strategies::StrategyKind;
//! use alphapulse_strategies::cyclic::Cyclic;
//!
//! const MINE: StrategyKind = StrategyKind::new("mine", |config, index| Ok(Box::new(Cyclic::new(config, index)?)));
//!
//! fn main() -> ExitCode {
//!     alphapulse::main_with(&[MINE])
//! }
//! ```
//!
//! An argument tree and one short file per subcommand. Results go to stdout, everything said about the run to stderr, and
//! the exit code is 0 ok, 1 failure, 2 usage, 3 configuration, 4 refused by risk limits, 130 interrupted.

mod cli;
mod commands;
mod exit;
mod interrupt;
mod logging;
mod output;
mod prompt;
mod screen;
mod settings;

use std::process::ExitCode;

use alphapulse_strategies::{Registry, StrategyKind};
use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _};

use crate::cli::Arguments;
use crate::exit::Failure;

/// The command, with strategies of the caller beside the built-in ones: what `main` returns.
#[must_use]
pub fn main_with(own: &[StrategyKind]) -> ExitCode {
    match own.iter().try_fold(Registry::built_in(), |registry, kind| registry.with(*kind)) {
        Ok(registry) => settings::trade(registry),
        Err(error) => return Failure::usage(error.to_string()).next("give the strategy another name").report().into(),
    }
    let arguments = match parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let outcome = logging::start(&arguments).and_then(|()| commands::run(arguments.command));
    let exit = outcome.unwrap_or_else(|failure| failure.report());
    exit.into()
}

fn parse() -> Result<Arguments, clap::Error> {
    let mut command = taking_negatives(Arguments::command());
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// A number below zero is told to be the wrong value of its flag, and not a flag that nobody knows.
fn taking_negatives(command: clap::Command) -> clap::Command {
    let of_value = |argument: clap::Arg| {
        let takes_values = argument.get_action().takes_values();
        argument.allow_negative_numbers(takes_values)
    };
    command.mut_args(of_value).mut_subcommands(taking_negatives)
}

/// Help, or what is wrong with the arguments. Of `wallet`, and of `relay node`, an argument that is not expected is not repeated: it
/// may be a key, or an endpoint that holds one, pasted in the wrong place.
fn usage(error: &clap::Error) -> ExitCode {
    let has = |word: &str| std::env::args_os().any(|argument| argument == word);
    let is_secret = has("wallet") || (has("relay") && has("node"));
    let is_stray = matches!(
        error.kind(),
        ErrorKind::UnknownArgument
            | ErrorKind::InvalidSubcommand
            | ErrorKind::InvalidValue
            | ErrorKind::ValueValidation
    );
    // The name of a flag is no secret, and worth hearing.
    let is_flag = error.kind() == ErrorKind::UnknownArgument
        && error.get(ContextKind::InvalidArg).is_some_and(|argument| argument.to_string().starts_with('-'));
    if is_secret && is_stray && !is_flag {
        return Failure::usage(
            "an argument or a value is not one that is expected there; it is not repeated here, for it may be a key",
        )
        .next("keys, passwords and endpoints are not taken as arguments, see `--help`; treat one that was as exposed")
        .report()
        .into();
    }
    // A closed terminal is nobody's failure.
    let _ = error.print();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}
