//! `alphapulse relay`: the market-data relay as a process of its own.

mod administer;
mod status;

use std::path::PathBuf;

use alphapulse_engine::config::NodeConfig;
use alphapulse_relay::journal::JournalError;
use alphapulse_relay::{Recording, Relay, RelayConfig, RelayError, ReplayOptions, ReplaySpeed, SourceError};
use clap::{Args, Subcommand};
use tokio::time::{Duration, interval};

use super::feed_folder;
use crate::exit::{Exit, Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::settings::ConfigArguments;

const EXAMPLES: &str = "\
Examples:
  alphapulse relay --config node.toml
  alphapulse relay status --config node.toml
  alphapulse relay node list --config node.toml
  alphapulse relay caution set --config node.toml
  ALPHAPULSE__RELAY__LISTEN_UNIX=/run/alphapulse.sock alphapulse relay --config node.toml --journal /var/lib/feed

  alphapulse relay --config node.toml --replay runs/relay --speed 10 --wait-for 1

With --replay no node is asked: a journal, of a relay or of a run, is served as if it were live, in the rhythm of its blocks'
timestamps divided by X. One that is still written is served as far as it went when it was opened. Of the configuration only the
chain's id, `[relay]` and `relay.listen_…` count. Subscribers are told of the end, and the exit code is 0.

Nodes join with `[relay] unix = …` or `tcp = …` in their configuration. Ctrl-C tells subscribers and stops.";

/// Folder of the relay's own journal inside `journal.dir`.
const JOURNAL_FOLDER: &str = "relay";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct RelayArguments {
    #[command(subcommand)]
    verb: Option<RelayVerb>,

    #[command(flatten)]
    settings: ConfigArguments,

    /// Folder of the feed's journal (default: `relay` in `journal.dir`)
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,

    /// Serve this recorded feed instead of a node's; it is read to its end first, refused when damaged, and served to that end
    #[arg(long, value_name = "DIR", conflicts_with = "journal")]
    replay: Option<PathBuf>,

    /// How many times as fast as it was, or `max`: as fast as subscribers read
    #[arg(long, value_name = "X", default_value = "1", requires = "replay")]
    speed: ReplaySpeed,

    /// Subscribers to wait for before the first block
    #[arg(long, value_name = "N", default_value_t = 0, requires = "replay")]
    wait_for: usize,
}

/// Far above the longest text of a relay, and bearable on a screen.
const FOREIGN_CHARACTERS_MAX: usize = 512;

/// How often the progress of a replay is told.
const PROGRESS: Duration = Duration::from_secs(5);

#[derive(Debug, Subcommand)]
enum RelayVerb {
    /// How a running relay is doing
    Status(status::StatusArguments),
    /// Add, remove and list the nodes of a running relay
    Node(administer::NodeCommand),
    /// Tell the subscribers of a running relay not to trade, or take that back
    Caution(administer::CautionCommand),
    /// End the connections of a client of a running relay
    Disconnect(administer::DisconnectArguments),
}

pub(crate) fn run(arguments: &RelayArguments) -> Outcome {
    match &arguments.verb {
        None => serve(arguments),
        Some(RelayVerb::Status(arguments)) => status::run(arguments),
        Some(RelayVerb::Node(command)) => administer::node(command),
        Some(RelayVerb::Caution(command)) => administer::caution(command),
        Some(RelayVerb::Disconnect(arguments)) => administer::disconnect(arguments),
    }
}

fn serve(arguments: &RelayArguments) -> Outcome {
    let config = arguments.settings.load()?;
    if config.relay.listen_unix.is_none() && config.relay.listen_tcp.is_none() {
        let error = anyhow::anyhow!("{} gives the relay no place to serve on", arguments.settings.config.display());
        return Err(Failure::new(Exit::Config, error).next("set `relay.listen_unix` or `relay.listen_tcp`"));
    }
    if let Some(recorded) = &arguments.replay {
        return super::block_on(replay(&config, recorded.clone(), arguments));
    }
    let journal = arguments.journal.clone().or_else(|| Some(config.journal_dir.as_ref()?.join(JOURNAL_FOLDER)));
    journal.as_deref().map_or(Ok(()), feed_folder::check)?;
    super::block_on(operate(config.relay_config(journal), "relaying"))
}

/// Runs a relay until a stop is asked for or it ends by itself. The log calls it `what`.
pub(super) async fn operate(config: RelayConfig, what: &str) -> Outcome {
    let mut interrupt = Interrupt::watch()?;
    let journal = config.journal_dir.as_ref().map(|dir| dir.display().to_string());
    let relay = tokio::select! {
        relay = Relay::start(config) => relay.map_err(failure)?,
        () = interrupt.asked() => return Ok(Exit::Interrupted),
    };
    let unix = relay.unix_path().map(|path| path.display().to_string());
    let [tcp, http] = [relay.tcp_addr(), relay.http_addr()].map(|address| address.map(|address| address.to_string()));
    tracing::info!(unix, tcp, http, journal, "{what}");
    let is_interrupted = tokio::select! {
        () = interrupt.asked() => true,
        () = relay.ended() => false,
    };
    let stats = relay.stop().await.map_err(failure)?;
    tracing::info!(blocks = stats.blocks, messages = stats.messages, reorgs = stats.reorgs, "stopped");
    Ok(if is_interrupted { Exit::Interrupted } else { Exit::Failure })
}

/// Serves a recording until it ends or a stop is asked for.
async fn replay(config: &NodeConfig, dir: PathBuf, arguments: &RelayArguments) -> Outcome {
    let mut interrupt = Interrupt::watch()?;
    // The folder of a run holds its journal.
    let inner = dir.join("journal");
    let dir = if inner.is_dir() { inner } else { dir };
    let recording = Recording::open(dir).map_err(|error| failure(RelayError::Journal(error)))?;
    let most = config.relay_config(None).subscribers_max;
    if arguments.wait_for > most {
        let error =
            format!("--wait-for {} is more than the {most} that relay.subscribers_max lets in", arguments.wait_for);
        return Err(Failure::usage(error).next("wait for fewer, or raise `relay.subscribers_max`"));
    }
    let options = ReplayOptions { speed: arguments.speed, wait_for: arguments.wait_for };
    let relay = Relay::replay(config.relay_config(None), &recording, options).await.map_err(failure)?;
    let unix = relay.unix_path().map(|path| path.display().to_string());
    let [tcp, http] = [relay.tcp_addr(), relay.http_addr()].map(|address| address.map(|address| address.to_string()));
    let (blocks, left_out) = (recording.blocks(), recording.torn_bytes());
    tracing::info!(unix, tcp, http, blocks, left_out, "replaying");
    let mut progress = interval(PROGRESS);
    progress.reset();
    let is_interrupted = loop {
        tokio::select! {
            () = interrupt.asked() => break true,
            () = relay.ended() => break false,
            _ = progress.tick() => {
                let stats = relay.stats();
                let (of, head, subscribers) = (blocks, stats.head_number, stats.subscribers);
                if stats.blocks == 0 && subscribers < arguments.wait_for as u64 {
                    tracing::info!(subscribers, of = arguments.wait_for, "waiting for subscribers");
                } else {
                    tracing::info!(blocks = stats.blocks, of, head, subscribers, "replaying");
                }
            }
        }
    };
    let stats = relay.stop().await.map_err(failure)?;
    tracing::info!(blocks = stats.blocks, of = blocks, messages = stats.messages, reorgs = stats.reorgs, "replayed");
    Ok(if is_interrupted { Exit::Interrupted } else { Exit::Ok })
}

/// Text that somebody else chose: a peer names itself, and anything may listen at an address.
fn foreign(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(FOREIGN_CHARACTERS_MAX).collect()
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
        RelayError::Listen { .. } => (
            Exit::Failure,
            "check that nothing else listens there, and that this user may: the folder of a socket must be writable, a port below 1024 is reserved",
        ),
        RelayError::Journal(JournalError::Damaged { .. }) => {
            (Exit::Failure, "restore the segment from a copy; records before that byte are whole")
        }
        RelayError::Journal(JournalError::Missing(_) | JournalError::NoBlock { .. }) => {
            (Exit::Failure, "give the folder of a journal that holds a feed; `alphapulse journal stat` looks into one")
        }
        RelayError::Journal(JournalError::WrongChain { .. }) => {
            (Exit::Config, "correct `chain.id`, or choose another folder")
        }
        RelayError::Journal(JournalError::OtherChain { .. }) => (
            Exit::Config,
            "correct `chain.endpoint`; or choose another folder, or move this one away, for a chain that was begun anew or went back further than \
             `relay.reorg_depth_max`",
        ),
        RelayError::Journal(JournalError::Ahead { .. }) => (
            Exit::Failure,
            "wait until the node is in sync; or choose another folder, or move this one away, for a chain that was begun anew",
        ),
        RelayError::Journal(JournalError::NotServed { .. }) => (
            Exit::Failure,
            "name a node in `chain.endpoint` that keeps the headers of these blocks; or choose another folder, or move this one away",
        ),
        RelayError::Journal(JournalError::Locked(_)) => {
            (Exit::Failure, "stop the relay or recorder that writes it, or choose another folder")
        }
        RelayError::Journal(JournalError::NoSpace { .. }) => (Exit::Failure, "free the disk, or record elsewhere"),
        RelayError::Journal(JournalError::OfNode(_)) => (Exit::Failure, "choose another folder for the feed"),
        RelayError::Journal(_) => (Exit::Failure, "check the folder of the feed's journal: space and permissions"),
        _ => (Exit::Failure, "start it again"),
    };
    Failure::new(exit, error).next(next)
}
