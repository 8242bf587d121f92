//! `alphapulse run`: the node. On paper unless the operator says live in two places and the chain agrees.

mod report;

use std::path::PathBuf;
use std::time::Duration;

use alphapulse_engine::config::{Mode, NodeConfig, RelaySource};
use alphapulse_engine::execution::keystore;
use alphapulse_engine::node::{FeedSource, Node, NodeError, NodeOptions, NodeStatus};
use alphapulse_engine::secret::Secret;
use alphapulse_relay::FeedError;
use clap::Args;

use self::report::{log_event, print_summary};
use super::{relay, run_folder};
use crate::exit::{Exit, Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::settings::ConfigArguments;

const EXAMPLES: &str = "\
Examples:
  alphapulse run --config node.toml                       on paper: everything but the signature
  alphapulse run --config node.toml --profile cautious
  alphapulse run --config node.toml --live                signs and sends; the file must say mode = \"live\" as well

Ctrl-C stops in order: no new trade, journal synced, a summary on stdout; a second Ctrl-C stops at once. Exit code 3
when configuration or chain do not permit the run, 4 when a kill file is in place.";

/// How often the figures are logged, and whether the trading thread still runs is looked at.
const LOG_EVERY: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    settings: ConfigArguments,

    /// Sign and send what risk approves
    #[arg(long)]
    live: bool,

    /// Say that transactions which the account made since the last run were yours
    #[arg(long, requires = "live")]
    confirm_account_use: bool,

    /// Folder of this run (default: a new one, named by the time, in `journal.dir`)
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,

    /// File whose first line is the keystore's password (default: `execution.password_file`)
    #[arg(long, value_name = "FILE", conflicts_with = "password_fd")]
    password_file: Option<PathBuf>,

    /// Open file descriptor whose first line is the keystore's password
    #[arg(long, value_name = "N")]
    password_fd: Option<u32>,

    /// The summary at the end as a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &RunArguments) -> Outcome {
    let config = arguments.settings.load()?;
    check_word(arguments, &config)?;
    check_kill_file(&config)?;
    let password = if arguments.live { Some(arguments.password(&config)?) } else { None };
    let run_dir = match (&arguments.run_dir, &config.journal_dir) {
        (Some(dir), _) => Some(dir.clone()),
        (None, Some(parent)) => Some(run_folder::new_in(parent)),
        (None, None) => None,
    };
    let feed = match config.relay.source.clone() {
        RelaySource::Embedded => FeedSource::Embedded,
        RelaySource::Unix(path) => FeedSource::Unix(path),
        RelaySource::Tcp(address) => FeedSource::Tcp(address),
    };
    let options = NodeOptions {
        is_live: arguments.live,
        run_dir,
        password,
        is_account_use_confirmed: arguments.confirm_account_use,
        feed,
        seed: None,
    };
    super::block_on(operate(config, options, arguments.json))
}

/// Live takes the operator's word here and in the file.
fn check_word(arguments: &RunArguments, config: &NodeConfig) -> Result<(), Failure> {
    match (arguments.live, config.execution.mode) {
        (true, Mode::Paper) => {
            let error = anyhow::anyhow!("--live was given, but the configuration says `execution.mode = \"paper\"`");
            Err(Failure::new(Exit::Config, error).next("set `execution.mode = \"live\"`, or leave --live out"))
        }
        (false, Mode::Live) => {
            tracing::warn!("the configuration says live, the command does not: trading on paper");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// A node behind its kill file would approve nothing; better said before it starts.
fn check_kill_file(config: &NodeConfig) -> Result<(), Failure> {
    let Some(path) = config.kill_file.as_ref().filter(|path| path.try_exists().unwrap_or(true)) else { return Ok(()) };
    let error = anyhow::anyhow!("kill file {} is in place", path.display());
    Err(Failure::new(Exit::Refused, error).next("find out why it was put there, then remove it"))
}

impl RunArguments {
    /// The keystore's password, tried out: a wrong one is found before anything starts.
    fn password(&self, config: &NodeConfig) -> Result<Secret, Failure> {
        let wrong = |error: anyhow::Error| Failure::new(Exit::Config, error);
        let file = self.password_file.as_ref().or(config.execution.password_file.as_ref());
        let password = match (self.password_fd, file) {
            (Some(descriptor), _) => Secret::from_fd(descriptor),
            (None, Some(file)) => Secret::from_file(file),
            (None, None) => {
                return Err(wrong(anyhow::anyhow!("going live needs the keystore's password"))
                    .next("set `execution.password_file`, or give --password-file or --password-fd"));
            }
        };
        let password = password.map_err(|error| wrong(error.into()))?;
        let path =
            config.execution.keystore.as_ref().ok_or_else(|| {
                wrong(anyhow::anyhow!("going live needs a keystore")).next("set `execution.keystore`")
            })?;
        keystore::open(path, &password).map_err(|error| {
            wrong(error.into()).next(
                "correct `execution.keystore` and the password file, or make a keystore with `alphapulse wallet new`",
            )
        })?;
        Ok(password)
    }
}

async fn operate(config: NodeConfig, options: NodeOptions, is_json: bool) -> Outcome {
    let mut interrupt = Interrupt::watch()?;
    let is_live = options.is_live;
    let node = tokio::select! {
        node = Node::start(config, options) => node.map_err(failure)?,
        () = interrupt.asked() => return Ok(Exit::Interrupted),
    };
    let run_dir = node.run_dir().map(|dir| dir.display().to_string());
    tracing::info!(is_live, run_dir, "trading {}", if is_live { "live" } else { "on paper" });
    watch(&node, &mut interrupt).await;
    let has_ended = node.has_ended();
    let status = node.stop().await.map_err(failure)?;
    print_summary(&status, run_dir.as_deref(), is_live, is_json)?;
    Ok(if has_ended { Exit::Failure } else { Exit::Interrupted })
}

/// Logs what happens until a stop is asked for or the node ends.
async fn watch(node: &Node, interrupt: &mut Interrupt) {
    let mut events = node.events();
    let mut look = tokio::time::interval(LOOK_EVERY);
    let mut log = tokio::time::interval(LOG_EVERY);
    loop {
        tokio::select! {
            () = interrupt.asked() => return,
            event = events.recv() => log_event(event),
            _ = look.tick() => if node.has_ended() { return },
            _ = log.tick() => if let Ok(status) = node.status().await { log_figures(&status) },
        }
    }
}

fn log_figures(status: &NodeStatus) {
    let totals = &status.totals;
    tracing::info!(
        block = status.head.map(|head| head.number.0),
        opportunities = totals.opportunities,
        approved = totals.approved,
        included = totals.included,
        reverted = totals.reverted,
        halted = status.halted,
        "figures"
    );
}

/// What a node's failure asks of the operator.
fn failure(error: NodeError) -> Failure {
    let error = match error {
        NodeError::Relay(error) => return relay::failure(error),
        other => other,
    };
    let (exit, next) = match &error {
        NodeError::Refused(_) | NodeError::Assembly(_) => (Exit::Config, "correct the configuration"),
        NodeError::Feed(FeedError::WrongChain { .. }) => {
            (Exit::Config, "correct `chain.id`, or let `[relay]` name a relay of that chain")
        }
        NodeError::NotYet(_) => (Exit::Failure, "do what the message says, then start it again"),
        NodeError::Nonce(_) => (Exit::Failure, "find out who used the account before anything else"),
        NodeError::EarlierRun { .. } => (
            Exit::Failure,
            "mend or restore that journal; move its folder away only when you know what it left in flight",
        ),
        NodeError::WrongChain { .. } => {
            (Exit::Config, "correct `chain.id`, or let `chain.endpoint` name a node of that chain")
        }
        NodeError::Keystore(_) => (Exit::Config, "correct `execution.keystore` and the password file"),
        NodeError::Connect { .. } | NodeError::Chain(_) => {
            (Exit::Failure, "check that the node runs and that `chain.endpoint` names it")
        }
        NodeError::Feed(_) => (Exit::Failure, "check that the relay runs and that `[relay]` names it"),
        NodeError::Manifest(_) => (Exit::Failure, "give another --run-dir, or check `journal.dir`"),
        NodeError::Journal(_) => (Exit::Failure, "check the journal's folder: space and permissions"),
        _ => (Exit::Failure, "see the log above, then start it again"),
    };
    Failure::new(exit, error).next(next)
}
