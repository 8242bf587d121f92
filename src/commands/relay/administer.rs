//! `alphapulse relay node | caution | disconnect`: a running relay is changed, asked at one of its doors.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use alphapulse_engine::config::{NodeConfig, RelaySource};
use alphapulse_engine::secret::{Secret, SecretError};
use alphapulse_protocol::message::{CautionCause, CloseReason};
use alphapulse_relay::{AdminAct, AdminAnswer, FeedError, administer_tcp, administer_unix};
use clap::{Args, Subcommand};

use super::foreign;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::settings::ConfigArguments;

const NODE_EXAMPLES: &str = "\
Examples:
  alphapulse relay node list --config node.toml
  alphapulse relay node add --config node.toml endpoint.txt
  pass show node-endpoint | alphapulse relay node add --unix /run/alphapulse.sock -
  alphapulse relay node remove --config node.toml wss://node.example

What is added is gone with the relay's process: what is to last goes into the configuration.";

const ADD_EXAMPLES: &str = "\
Examples:
  alphapulse relay node add --config node.toml endpoint.txt
  pass show node-endpoint | alphapulse relay node add --config node.toml -

An endpoint may hold a provider's key, so it is never an argument, which other users of this host could read.";

const REMOVE_EXAMPLES: &str = "\
Examples:
  alphapulse relay node remove --config node.toml wss://node.example

The last node is not taken away without --even-last.";

const LIST_EXAMPLES: &str = "\
Examples:
  alphapulse relay node list --config node.toml";

const CAUTION_EXAMPLES: &str = "\
Examples:
  alphapulse relay caution set --config node.toml
  alphapulse relay caution lift --config node.toml

While it is set no subscriber trades, whatever the nodes seem. A relay that keeps a journal keeps it over restarts, too. There is one at a
time: another `set` takes its place, with who and when, and says whose it was; one `lift` ends it.";

const DISCONNECT_EXAMPLES: &str = "\
Examples:
  alphapulse relay disconnect --config node.toml trader-1
  alphapulse relay disconnect --unix /run/alphapulse.sock 17

`alphapulse relay status` lists who is connected, with the numbers.";

/// Where the relay is asked.
#[derive(Debug, Args)]
struct DoorArguments {
    #[command(flatten)]
    settings: ConfigArguments,

    /// Unix socket of the relay, in place of the configuration's `relay.listen_unix`, `relay.unix` or `relay.tcp`
    #[arg(long, value_name = "PATH", conflicts_with_all = ["config", "profile"])]
    unix: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = NODE_EXAMPLES)]
pub(super) struct NodeCommand {
    #[command(subcommand)]
    verb: NodeVerb,
}

#[derive(Debug, Subcommand)]
enum NodeVerb {
    /// Race another node
    #[command(after_help = ADD_EXAMPLES)]
    Add {
        #[command(flatten)]
        door: DoorArguments,
        /// File whose first line is the node's endpoint; `-` is the standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Take a node away
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        #[command(flatten)]
        door: DoorArguments,
        /// Take it away even if it is the last one: then nothing is relayed, and nobody may trade
        #[arg(long)]
        even_last: bool,
        /// Name of the node, as `list` shows it
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Show the nodes
    #[command(after_help = LIST_EXAMPLES)]
    List {
        #[command(flatten)]
        door: DoorArguments,
    },
}

#[derive(Debug, Args)]
#[command(after_help = CAUTION_EXAMPLES)]
pub(super) struct CautionCommand {
    #[command(subcommand)]
    verb: CautionVerb,
}

#[derive(Debug, Subcommand)]
enum CautionVerb {
    /// Tell subscribers not to trade
    #[command(after_help = CAUTION_EXAMPLES)]
    Set {
        #[command(flatten)]
        door: DoorArguments,
    },
    /// Take that back
    #[command(after_help = CAUTION_EXAMPLES)]
    Lift {
        #[command(flatten)]
        door: DoorArguments,
    },
}

#[derive(Debug, Args)]
#[command(after_help = DISCONNECT_EXAMPLES)]
pub(super) struct DisconnectArguments {
    #[command(flatten)]
    door: DoorArguments,

    /// Name of the client's key, or number of its connection
    #[arg(value_name = "NAME")]
    name: String,
}

pub(super) fn node(command: &NodeCommand) -> Outcome {
    match &command.verb {
        NodeVerb::Add { door, file } => {
            let endpoint = endpoint(file)?;
            // What is not text is no endpoint, and the relay says what one is.
            act(door, AdminAct::AddNode(core::str::from_utf8(endpoint.expose()).unwrap_or_default()))
        }
        NodeVerb::Remove { door, even_last: false, name } => act(door, AdminAct::RemoveNode(name)),
        NodeVerb::Remove { door, even_last: true, name } => act(door, AdminAct::RemoveNodeEvenLast(name)),
        NodeVerb::List { door } => act(door, AdminAct::ListNodes),
    }
}

pub(super) fn caution(command: &CautionCommand) -> Outcome {
    match &command.verb {
        CautionVerb::Set { door } => act(door, AdminAct::Caution(CautionCause::Divergence)),
        CautionVerb::Lift { door } => act(door, AdminAct::Caution(CautionCause::None)),
    }
}

pub(super) fn disconnect(arguments: &DisconnectArguments) -> Outcome {
    act(&arguments.door, AdminAct::Disconnect(&arguments.name))
}

fn endpoint(file: &Path) -> Result<Secret, Failure> {
    if file.to_string_lossy().contains("://") || file.to_string_lossy().starts_with("ipc:") {
        let failure =
            Failure::usage("an endpoint is not taken as an argument; it is not repeated here, for it may hold a key");
        return Err(
            failure.next("write it into a file, or give `-` and pipe it; treat a key that was in it as exposed")
        );
    }
    let read =
        if file == Path::new("-") { Secret::from_reader(io::stdin().lock(), "stdin") } else { Secret::from_file(file) };
    read.map_err(|error| {
        let error = match error {
            SecretError::Empty { origin } => {
                anyhow::anyhow!("{origin} is empty, expected a line with the node's endpoint")
            }
            SecretError::TooLong { origin } => anyhow::anyhow!("{origin} holds more than an endpoint"),
            SecretError::Io { origin, source } => {
                anyhow::Error::new(source).context(format!("cannot read an endpoint from {origin}"))
            }
            other => other.into(),
        };
        Failure::new(Exit::Usage, error)
            .next("its first line is to be the node's endpoint: ws://…, wss://… or ipc:PATH")
    })
}

/// A place where a relay is asked.
enum Door {
    Unix(PathBuf),
    Tcp(SocketAddr, Box<NodeConfig>),
}

impl DoorArguments {
    fn door(&self) -> Result<Door, Failure> {
        if let Some(path) = &self.unix {
            return Ok(Door::Unix(path.clone()));
        }
        let config = self.settings.load()?;
        match (&config.relay.listen_unix, &config.relay.source) {
            (Some(path), _) | (None, RelaySource::Unix(path)) => Ok(Door::Unix(path.clone())),
            (None, RelaySource::Tcp(address)) => Ok(Door::Tcp(*address, Box::new(config))),
            (None, _) => {
                let error = anyhow::anyhow!("{} names no relay to ask", self.settings.config.display());
                Err(Failure::new(Exit::Config, error)
                    .next("set `relay.listen_unix`, `relay.unix` or `relay.tcp`, or name its socket with --unix"))
            }
        }
    }
}

fn act(arguments: &DoorArguments, act: AdminAct<'_>) -> Outcome {
    let answer = match arguments.door()? {
        Door::Unix(path) => administer_unix(path, act),
        Door::Tcp(address, config) => {
            let wanted = "set `relay.key_name` and `relay.key_file` to a key of role admin";
            let (key, tls) = config
                .relay
                .client
                .read()
                .map_err(|error| Failure::new(Exit::Config, error).next("correct the key and certificate files"))?;
            let key = key.ok_or_else(|| {
                let error = anyhow::anyhow!("a relay on TCP is changed only with a key, and there is none");
                Failure::new(Exit::Config, error).next(wanted)
            })?;
            administer_tcp(address, tls.as_ref(), &key, act)
        }
    };
    show(&answer.map_err(failure)?, act)
}

fn show(answer: &AdminAnswer, act: AdminAct<'_>) -> Outcome {
    if !answer.is_done {
        let error = anyhow::anyhow!("the relay refuses: {}", foreign(&answer.said));
        return Err(Failure::new(Exit::Failure, error).next(after_refusal(act)));
    }
    let mut output = Output::new();
    for item in &answer.items {
        output.line(foreign(item))?;
    }
    output.line(foreign(&answer.said))?;
    output.finish()?;
    Ok(Exit::Ok)
}

/// What can be done about a refusal. Never the very act that was refused.
const fn after_refusal(act: AdminAct<'_>) -> &'static str {
    match act {
        AdminAct::AddNode(_) => "`alphapulse relay node list` shows the nodes that the relay has",
        AdminAct::RemoveNode(_) | AdminAct::RemoveNodeEvenLast(_) => {
            "`alphapulse relay node list` shows the nodes that the relay has, with their names"
        }
        AdminAct::Disconnect(_) => "`alphapulse relay status` shows who is connected",
        _ => "look into the relay's log, and whether the relay is of this version",
    }
}

fn failure(error: FeedError) -> Failure {
    let next = match &error {
        FeedError::Closed(CloseReason::Unauthorized) => {
            "ask as the relay's own user, as one of `[[relay.users]]` with role admin, or with a key of that role"
        }
        _ => "check that the relay runs, serves there, and is of this version",
    };
    Failure::new(Exit::Failure, error).next(next)
}
