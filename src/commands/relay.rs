//! `alphapulse relay`: the market-data relay as a process of its own.

use std::path::PathBuf;

use alphapulse_relay::{Relay, RelayConfig, RelayError, SourceError};
use clap::Args;

use crate::exit::{Exit, Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::settings::ConfigArguments;

const EXAMPLES: &str = "\
Examples:
  alphapulse relay --config node.toml
  ALPHAPULSE__RELAY__LISTEN_UNIX=/run/alphapulse.sock alphapulse relay --config node.toml --journal /var/lib/feed

Nodes join with `[relay] unix = …` or `tcp = …` in their configuration. Ctrl-C tells subscribers and stops.";

/// Folder of the relay's own journal inside `journal.dir`.
const JOURNAL_FOLDER: &str = "relay";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RelayArguments {
    #[command(flatten)]
    settings: ConfigArguments,

    /// Folder of the feed's journal (default: `relay` in `journal.dir`)
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
}

pub(crate) fn run(arguments: &RelayArguments) -> Outcome {
    let config = arguments.settings.load()?;
    if config.relay.listen_unix.is_none() && config.relay.listen_tcp.is_none() {
        let error = anyhow::anyhow!("{} gives the relay no place to serve on", arguments.settings.config.display());
        return Err(Failure::new(Exit::Config, error).next("set `relay.listen_unix` or `relay.listen_tcp`"));
    }
    let journal = arguments.journal.clone().or_else(|| Some(config.journal_dir.as_ref()?.join(JOURNAL_FOLDER)));
    super::block_on(operate(config.relay_config(journal)))
}

/// Runs a relay until a stop is asked for or it ends by itself.
pub(super) async fn operate(config: RelayConfig) -> Outcome {
    let mut interrupt = Interrupt::watch()?;
    let journal = config.journal_dir.as_ref().map(|dir| dir.display().to_string());
    let relay = tokio::select! {
        relay = Relay::start(config) => relay.map_err(failure)?,
        () = interrupt.asked() => return Ok(Exit::Interrupted),
    };
    let unix = relay.unix_path().map(|path| path.display().to_string());
    tracing::info!(unix, tcp = relay.tcp_addr().map(|address| address.to_string()), journal, "relaying");
    let is_interrupted = tokio::select! {
        () = interrupt.asked() => true,
        () = relay.ended() => false,
    };
    let stats = relay.stats();
    relay.stop().await.map_err(failure)?;
    tracing::info!(blocks = stats.blocks, messages = stats.messages, reorgs = stats.reorgs, "stopped");
    Ok(if is_interrupted { Exit::Interrupted } else { Exit::Failure })
}

/// What a relay's failure asks of the operator.
pub(crate) fn failure(error: RelayError) -> Failure {
    let (exit, next) = match &error {
        RelayError::Config(_) => (Exit::Config, "correct the `[relay]` section"),
        RelayError::Node { source: SourceError::WrongChain { .. }, .. } => {
            (Exit::Config, "correct `chain.id`, or let `chain.endpoint` name a node of that chain")
        }
        RelayError::Node { source: SourceError::Pool { .. }, .. } => {
            (Exit::Config, "correct the pool or its venue in the configuration, or remove it")
        }
        RelayError::Node { .. } => (Exit::Failure, "check that the node runs and that `chain.endpoint` names it"),
        RelayError::Secret(_) => (Exit::Config, "correct the keys and certificates of the `[relay]` section"),
        RelayError::Listen { .. } => (Exit::Failure, "check that no other relay serves there and that you may"),
        RelayError::Journal(_) => (Exit::Failure, "check the journal's folder: space, permissions, another relay"),
        _ => (Exit::Failure, "start it again"),
    };
    Failure::new(exit, error).next(next)
}
