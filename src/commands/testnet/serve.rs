//! `alphapulse testnet serve`: a dev chain with contracts and traders for other commands, and a configuration that fits it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use alphapulse_testnet::session::{SessionError, Testnet};
use alphapulse_testnet::{DevNodeConfig, Layout};
use clap::Args;
use tokio::time::{MissedTickBehavior, interval};

use crate::commands::demo::{kit, notice};
use crate::exit::{Exit, Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::Output;

pub(super) const EXAMPLES: &str = "\
Examples:
  alphapulse testnet serve dev
  alphapulse relay --config dev/alphapulse.toml
  alphapulse run --config dev/alphapulse.toml

A dev node is started with tokens, Uniswap V2 and V3, a V2 fork and our executor, and scripted traders trade in each block. The
configuration in DIR holds all of it, with a key that is made for this chain: a relay serves with it as it is, and a node
listens to that relay, on paper or with --live. Ctrl-C ends the chain, and what was on it is gone; DIR stays.";

/// As the node takes them: a chain id is above zero.
const CHAIN_ID_MIN: u64 = 1;

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Folder for the configuration, the key and what is recorded; made if it is not there, else it must be empty
    #[arg(value_name = "DIR")]
    dir: PathBuf,

    /// Milliseconds between blocks
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    block_time: u64,

    /// Blocks after which it ends (default: none)
    #[arg(long, value_name = "N")]
    blocks: Option<u64>,

    /// Every choice of the traders follows from it
    #[arg(long, value_name = "S", default_value_t = 7)]
    seed: u64,

    /// Id of the chain
    #[arg(long, value_name = "ID", default_value_t = 31_337, value_parser = clap::value_parser!(u64).range(CHAIN_ID_MIN..))]
    chain_id: u64,
}

pub(super) fn run(arguments: &ServeArguments) -> Outcome {
    let kit = kit()?;
    crate::commands::block_on(async {
        let mut interrupt = Interrupt::watch()?;
        notice("starting the chain and deploying tokens, pools and the executor");
        let config = DevNodeConfig { chain_id: arguments.chain_id, ..DevNodeConfig::default() };
        let layout = Layout::standard();
        let mut testnet = tokio::select! {
            testnet = Testnet::start_in(&arguments.dir, &kit, config, &layout, arguments.seed) => {
                testnet.map_err(|error| failure(error, &arguments.dir))?
            }
            () = interrupt.asked() => {
                notice("stopped before the chain was there; what was begun of it is gone");
                return Ok(Exit::Interrupted);
            }
        };
        testnet.relay_config().map_err(|error| failure(error, &arguments.dir))?;
        announce(&testnet)?;
        let ended = tokio::select! {
            served = serve(&mut testnet, arguments) => {
                served.map(|()| Exit::Ok).map_err(|error| failure(error, &arguments.dir))
            }
            () = interrupt.asked() => Ok(Exit::Interrupted),
        };
        let id = testnet.chain_id();
        drop(testnet);
        let dir = arguments.dir.display();
        notice(&format!(
            "chain {id} is stopped, and what was on it is gone; {dir} stays, for another chain name another folder or remove it"
        ));
        ended
    })
}

/// Says what is there and what goes on from it.
fn announce(testnet: &Testnet) -> Result<(), Failure> {
    let (id, endpoint, pools) = (testnet.chain_id(), testnet.node.ws_url(), testnet.deployment.pools.len());
    let config = testnet.config_path();
    let config = config.display();
    let mut output = Output::new();
    output.line(format_args!("chain {id} at {endpoint}, with traders in {pools} pools; wrote {config}\n"))?;
    output.line(format_args!("    alphapulse relay --config {config}"))?;
    output.line(format_args!("    alphapulse run --config {config}\n"))?;
    output.line("Ctrl-C ends the chain.")?;
    output.finish()
}

/// Makes blocks with traders in them, until there are enough.
async fn serve(testnet: &mut Testnet, arguments: &ServeArguments) -> Result<(), SessionError> {
    // A period of zero is none to the clock.
    let mut due = interval(Duration::from_millis(arguments.block_time).max(Duration::from_micros(1)));
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut blocks, mut is_rest_told) = (0, false);
    while arguments.blocks.is_none_or(|most| blocks < most) {
        due.tick().await;
        let moves = match testnet.head().await {
            Ok(head) => {
                is_rest_told = false;
                testnet.act(&head).await?.len()
            }
            // Whoever plays with the chain may break a pool; blocks are still made, and it may be mended. A node that is gone ends it below.
            Err(SessionError::Reader(error)) => {
                if !core::mem::replace(&mut is_rest_told, true) {
                    let error = anyhow::Error::new(error);
                    notice(&format!("the traders rest until every pool can be read again: {error:#}"));
                }
                0
            }
            Err(error) => return Err(error),
        };
        let block = testnet.mine_now().await?;
        tracing::info!(block = block.number.0, moves, "a block");
        blocks += 1;
    }
    Ok(())
}

/// A failure of the chain of this folder.
fn failure(error: SessionError, dir: &Path) -> Failure {
    let next = match &error {
        SessionError::NotEmpty(_) => "name another folder: keys and records in it belong to another chain",
        SessionError::Io(_) => "name a folder that can be made or written to",
        _ => "start it again, in another folder",
    };
    Failure::from(anyhow::Error::new(error).context(format!("the dev chain of {} failed", dir.display()))).next(next)
}
