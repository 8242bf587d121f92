//! The `alphapulse` command: an argument tree and one short file per subcommand. Results go to stdout, everything said
//! about the run to stderr, and the exit code is one of [`exit::Exit`].

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

use clap::Parser as _;

use crate::cli::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = logging::start(&arguments).and_then(|()| commands::run(arguments.command));
    let exit = outcome.unwrap_or_else(|failure| failure.report());
    exit.into()
}
