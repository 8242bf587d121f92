//! The argument tree.

use clap::{Parser, Subcommand};

use crate::commands::config::ConfigCommand;
use crate::commands::demo::DemoArguments;
use crate::commands::executor::ExecutorCommand;
use crate::commands::journal::JournalCommand;
use crate::commands::kill::KillArguments;
use crate::commands::quote::QuoteArguments;
use crate::commands::record::RecordArguments;
use crate::commands::relay::RelayArguments;
use crate::commands::replay::ReplayArguments;
use crate::commands::run::RunArguments;
use crate::commands::scan::ScanArguments;
use crate::commands::snapshot::SnapshotCommand;
use crate::commands::strategy::StrategyCommand;
use crate::commands::testnet::TestnetCommand;
use crate::commands::wallet::WalletArguments;

const EXAMPLES: &str = "\
Examples:
  alphapulse demo                                        watch the engine take arbitrage on a local test chain
  alphapulse quote --snapshot market.json --queries -    exact quotes, one JSON line each
  alphapulse run --config alphapulse.toml                trade on paper

Exit codes: 0 ok, 1 failure, 2 usage, 3 configuration, 4 refused by risk limits, 130 interrupted.";

/// Low-latency DeFi arbitrage engine
#[derive(Debug, Parser)]
#[command(name = "alphapulse", version, about, after_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Arguments {
    /// What is logged to stderr: error, warn, info, debug, trace, or a filter (default: RUST_LOG, else by command)
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch the engine take arbitrage on a local chain with the real contracts
    Demo(DemoArguments),
    /// Trade: on paper, or live
    Run(RunArguments),
    /// Relay a node's market data to nodes of ours
    Relay(RelayArguments),
    /// Record a node's market data in a journal, without serving it
    Record(RecordArguments),
    /// Check and look into a journal
    Journal(JournalCommand),
    /// Decide a recorded run again, without a chain
    Replay(ReplayArguments),
    /// Measure the engine on a chain with the real contracts
    Testnet(TestnetCommand),
    /// Exact quotes from a market snapshot, without a node
    Quote(QuoteArguments),
    /// Profitable closed routes of a market snapshot, without a node
    Scan(ScanArguments),
    /// Pools of every kind at one block, from a node or out of other people's files, as a market snapshot
    Snapshot(SnapshotCommand),
    /// Strategies of this program, and a crate to write one's own in
    Strategy(StrategyCommand),
    /// Keystores of signing accounts
    Wallet(WalletArguments),
    /// Write, check and show configurations
    Config(ConfigCommand),
    /// The contract that trades go through
    Executor(ExecutorCommand),
    /// Stop a node's trading by its kill file
    Kill(KillArguments),
}

impl Command {
    /// Log level of the command when nobody sets one: what runs for days tells more than what answers a question.
    pub(crate) const fn log_default(&self) -> &'static str {
        match self {
            // The node's own words on its connections; the library repeats them for every connection and attempt.
            Self::Run(_) | Self::Relay(_) | Self::Record(_) => {
                "info,alloy_pubsub=off,alloy_transport_ipc=off,alloy_transport_ws=off"
            }
            // These end their own chain before the connections to it, which complain.
            Self::Demo(_) | Self::Testnet(_) => "warn,alloy_pubsub=off,alloy_transport_ipc=off,alloy_transport_ws=off",
            _ => "warn",
        }
    }
}
