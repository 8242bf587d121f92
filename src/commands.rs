//! One file per subcommand.

pub(crate) mod market_file;
pub(crate) mod quote;
pub(crate) mod scan;
pub(crate) mod wallet;

use crate::cli::Command;
use crate::exit::Outcome;

/// Runs a subcommand.
pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Quote(arguments) => quote::run(&arguments),
        Command::Scan(arguments) => scan::run(&arguments),
        Command::Wallet(arguments) => wallet::run(&arguments),
    }
}
