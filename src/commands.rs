//! One file per subcommand.

pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod executor;
mod feed_folder;
pub(crate) mod journal;
pub(crate) mod kill;
mod market_file;
pub(crate) mod quote;
pub(crate) mod record;
pub(crate) mod relay;
pub(crate) mod replay;
pub(crate) mod run;
mod run_folder;
pub(crate) mod scan;
pub(crate) mod snapshot;
pub(crate) mod strategy;
pub(crate) mod testnet;
mod traded;
pub(crate) mod wallet;

use std::future::Future;

use alloy::primitives::Address;
use alphapulse_relay::source::read::parse_address;
use anyhow::Context as _;

use crate::cli::Command;
use crate::exit::{Failure, Outcome};

/// Runs a subcommand.
pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Relay(arguments) => relay::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Testnet(command) => testnet::run(command),
        Command::Quote(arguments) => quote::run(&arguments),
        Command::Scan(arguments) => scan::run(&arguments),
        Command::Snapshot(command) => snapshot::run(&command),
        Command::Strategy(command) => strategy::run(&command),
        Command::Wallet(arguments) => wallet::run(&arguments),
        Command::Config(command) => config::run(command),
        Command::Executor(command) => executor::run(&command),
        Command::Journal(command) => journal::run(&command),
        Command::Record(arguments) => record::run(&arguments),
        Command::Kill(arguments) => kill::run(&arguments),
    }
}

/// Runs the asynchronous part of a command.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("cannot start the asynchronous runtime")?.block_on(work)
}

/// Reads an argument that is an address.
fn address(text: &str) -> Result<Address, String> {
    parse_address(text)
        .ok_or_else(|| "an address is 0x and 40 hex digits, in mixed case with a right checksum".to_owned())
}
