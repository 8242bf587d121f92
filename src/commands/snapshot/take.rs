//! `alphapulse snapshot`: pools of every kind, read from a node at one block, as a market snapshot.

mod assemble;
mod list;
mod part;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256};
use alphapulse_protocol::FeePpm;
use alphapulse_relay::SourceError;
use alphapulse_relay::source::read::{NodeUrl, PoolRead, PoolTarget, Reader};
use alphapulse_strategies::snapshot::LeftOut;
use anyhow::Context as _;
use clap::{ArgGroup, Args};
use tokio::task::JoinSet;

use self::part::{Earlier, Entry, Header, Part};
use super::put::Destination;
use crate::commands::address;
use crate::exit::{Exit, Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::say;

/// Pools read at once: their calls are gathered into batches, so a few hundred make full ones.
const POOLS_IN_FLIGHT: usize = 64;
/// Pause between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("source").required(true).args(["pools", "factory"])))]
pub(crate) struct TakeArguments {
    /// Node: http://…, https://…, ws://…, wss://…, ipc:PATH or a path ending in .ipc
    #[arg(long, value_name = "URL", env = "ALPHAPULSE_RPC", hide_env_values = true)]
    rpc: String,

    /// Pools to read, one a line
    #[arg(long, value_name = "FILE")]
    pools: Option<PathBuf>,

    /// Read all pools of this factory, Balancer vault or Uniswap V4 pool manager
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    factory: Option<Address>,

    /// Block from which the factory's logs are looked through
    #[arg(long, value_name = "N", default_value_t = 0, requires = "factory")]
    from_block: u64,

    /// Block whose state is read: a number, or latest
    #[arg(long, value_name = "N|latest", default_value = "latest", value_parser = block_number)]
    block: BlockNumber,

    /// Fee of constant-product pairs in parts per million (Uniswap 3000, PancakeSwap 2500): their contracts do not tell it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..1_000_000))]
    fee_ppm: Option<u32>,

    /// Where the snapshot goes, gzip-compressed when the name ends in .gz; a file that is there is replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// A block's number, or none for the head.
#[derive(Debug, Clone, Copy)]
struct BlockNumber(Option<u64>);

fn block_number(text: &str) -> Result<BlockNumber, String> {
    if text == "latest" {
        return Ok(BlockNumber(None));
    }
    text.parse().map(|number| BlockNumber(Some(number))).map_err(|_| "expected a block's number, or latest".to_owned())
}

pub(crate) fn run(arguments: &TakeArguments) -> Outcome {
    let url: NodeUrl = arguments.rpc.parse().map_err(|error| {
        // The error does not repeat the text: it may hold a key.
        Failure::new(Exit::Usage, anyhow::Error::new(error)).next("give --rpc the node's address")
    })?;
    if arguments.out == Path::new("-") {
        return Err(Failure::usage("a snapshot is written to a file, which a run that was stopped goes on with")
            .next("give --out a file's name"));
    }
    let listed = arguments.pools.as_deref().map(list::load).transpose()?;
    crate::commands::block_on(async {
        let mut interrupt = Interrupt::watch()?;
        tokio::select! {
            outcome = make(arguments, &url, listed) => outcome,
            () = interrupt.asked() => {
                let part = part::path_of(&arguments.out);
                if part.exists() {
                    say(&format!("interrupted; what was read is kept in {}: run the same again to go on", part.display()));
                }
                Ok(Exit::Interrupted)
            }
        }
    })
}

async fn make(arguments: &TakeArguments, url: &NodeUrl, listed: Option<Vec<PoolTarget>>) -> Outcome {
    let place = Destination::claim(&arguments.out)?;
    let (claim, earlier) = Part::claim(&arguments.out)?;
    let reader = Arc::new(connect(url, arguments, earlier.as_ref()).await?);
    let block = *reader.block();
    let hash = B256::from(block.hash);
    say(&format!("chain {}, block {} ({hash}), from {url}", reader.chain_id(), block.number.get()));
    let mut targets = match listed {
        Some(targets) => targets,
        None => list_factory(arguments, &reader).await?,
    };
    give_fees(&mut targets, arguments.fee_ppm.map(FeePpm));
    let header = Header::new(reader.chain_id(), &block, &targets);
    let mut part = Part::open(claim, &header, earlier)?;
    let read = read_all(&reader, &targets, &mut part).await?;
    reader.check_block().await.map_err(|error| gone(error, part.path()))?;
    let assembled = assemble::snapshot(reader.chain_id(), &block, &targets, &read)?;
    for LeftOut { pool, reason, .. } in &assembled.left_out {
        tracing::warn!("{pool} is left out: {}", clean(reason));
    }
    assembled.warnings.iter().for_each(|warning| tracing::warn!("{}", clean(warning)));
    if assembled.pools == 0 {
        part.remove()?;
        return Err(Failure::new(Exit::Failure, anyhow::anyhow!("none of {} pools could be read", read.len()))
            .next(what_to_do(&assembled.left_out)));
    }
    place.put(assembled.text.as_bytes())?;
    part.remove()?;
    let left_out = assembled.left_out.len();
    say(&format!("{} pools in {}, {left_out} left out", assembled.pools, arguments.out.display()));
    Ok(Exit::Ok)
}

/// What to do where no pool could be read: only what may help with one of these.
fn what_to_do(left_out: &[LeftOut]) -> &'static str {
    let has = |word: &str| left_out.iter().any(|left| left.reason.contains(word));
    match (has("--fee-ppm"), has("no contract is there")) {
        (true, _) => "see above why; give the pairs their fee by --fee-ppm",
        (false, true) => "see above why; check the addresses, or read a later block",
        (false, false) if has("does not look like a pool") => "see above why; give --pools the addresses of pools",
        (false, false) => "see above why",
    }
}

/// Goes to the block that was begun with, or to the one asked for.
async fn connect(url: &NodeUrl, arguments: &TakeArguments, earlier: Option<&Earlier>) -> Result<Reader, Failure> {
    let (part, asked) = (part::path_of(&arguments.out), arguments.block.0);
    let reader = match earlier {
        Some(earlier) => Reader::at_hash(url, earlier.header.hash()).await,
        None => Reader::at_number(url, asked).await,
    };
    let reader = reader.map_err(|error| match (earlier, error) {
        (Some(earlier), error @ SourceError::UnknownBlock(_)) => {
            let begun = format!("{} was begun with {}", part.display(), earlier.header.block());
            Failure::from(anyhow::Error::new(error).context(begun))
                .next(format!("remove {} to begin anew, or give the node that it was begun with", part.display()))
        }
        (_, error @ SourceError::NotThereYet { head, .. }) => Failure::from(anyhow::Error::new(error))
            .next(format!("give --block a number up to {head}, or leave it out for the head, or wait for that block")),
        (_, error) => node_failure(error, "check --rpc, --block and the node"),
    })?;
    if let Some(number) = asked.filter(|number| *number != reader.block().number.get()) {
        let begun = reader.block().number.get();
        return Err(Failure::usage(format!(
            "{} was begun with block {begun}, and --block asks for {number}",
            part.display()
        ))
        .next(format!("remove {} to begin anew, or ask for that block", part.display())));
    }
    reader.check_block().await.map_err(|error| gone(error, &part))?;
    Ok(reader)
}

async fn list_factory(arguments: &TakeArguments, reader: &Reader) -> Result<Vec<PoolTarget>, Failure> {
    let factory = arguments.factory.context("neither pools nor a factory were given")?;
    let (from, block) = (arguments.from_block, reader.block().number.get());
    if from > block {
        return Err(Failure::usage(format!("--from-block {from} is beyond block {block}, which is read"))
            .next("give the block in which the factory made its first pool, or leave --from-block out"));
    }
    let found = reader.pools_of(factory, from).await;
    let found = found.map_err(|error| node_failure(error, "give the factory's first block with --from-block"))?;
    if found.is_empty() {
        return Err(Failure::new(Exit::Failure, anyhow::anyhow!("{factory} made no pools from block {from} on"))
            .next("check the address: it is the factory, the Balancer vault or the Uniswap V4 pool manager"));
    }
    let mut seen = HashSet::new();
    // A node may tell a log twice.
    let found: Vec<PoolTarget> = found.into_iter().filter(|target| seen.insert(target.to_string())).collect();
    say(&format!("{} pools of {factory}", found.len()));
    Ok(found)
}

/// Pairs get the fee that was given for all, where their line gives none.
fn give_fees(targets: &mut [PoolTarget], fee: Option<FeePpm>) {
    targets.iter_mut().filter(|target| target.id.is_none()).for_each(|target| target.fee = target.fee.or(fee));
}

/// Reads what is not read yet, and what turns out to be needed: the base pools of meta pools.
async fn read_all(
    reader: &Arc<Reader>,
    targets: &[PoolTarget],
    part: &mut Part,
) -> Result<Vec<(String, Entry)>, Failure> {
    let mut waiting: Vec<PoolTarget> = part.missing(targets);
    let mut progress = Progress::new(part.len(), part.len() + waiting.len());
    while !waiting.is_empty() {
        let mut reads = JoinSet::new();
        let mut next = waiting.into_iter();
        next.by_ref().take(POOLS_IN_FLIGHT).for_each(|target| start(&mut reads, reader, target));
        while let Some(joined) = reads.join_next().await {
            let (target, read) = joined.context("a pool's reading ended by a fault")?;
            next.by_ref().take(1).for_each(|target| start(&mut reads, reader, target));
            let entry = match read {
                Ok(read) => Entry::read(&read),
                Err(SourceError::Pool { reason, .. }) => Entry::refused(reason),
                Err(error) => {
                    if matches!(error, SourceError::Connect(_) | SourceError::Disconnected) {
                        return Err(node_failure(error, ""));
                    }
                    reader.check_block().await.map_err(|error| gone(error, part.path()))?;
                    let next = format!("run the same again: it goes on where {} ends", part.path().display());
                    return Err(node_failure(error, &next));
                }
            };
            part.append(&target.to_string(), entry)?;
            progress.step();
        }
        waiting = part.missing(&part.bases());
        progress.grow(waiting.len());
    }
    progress.end();
    Ok(part.entries())
}

/// Begins to read a pool.
fn start(reads: &mut JoinSet<(PoolTarget, Result<PoolRead, SourceError>)>, reader: &Arc<Reader>, target: PoolTarget) {
    let reader = Arc::clone(reader);
    reads.spawn(async move {
        let read = reader.read(&target).await;
        (target, read)
    });
}

fn node_failure(error: SourceError, next: &str) -> Failure {
    let next = match &error {
        SourceError::Connect(_) | SourceError::Disconnected => {
            "check that the node runs and that --rpc has its host and port, then run the same again"
        }
        _ => next,
    };
    Failure::from(anyhow::Error::new(error).context("the node cannot be read")).next(next)
}

/// The block that was begun with is not on the node's chain, or the node does not say.
fn gone(error: SourceError, part: &Path) -> Failure {
    node_failure(error, &format!("remove {} to begin anew at a block that the node has", part.display()))
}

/// Words that may hold a contract's: without what moves a terminal's cursor.
fn clean(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

struct Progress {
    done: usize,
    all: usize,
    told: Instant,
}

impl Progress {
    fn new(done: usize, all: usize) -> Self {
        if done > 0 {
            say(&format!("{done} of {all} pools were read before"));
        }
        Self { done, all, told: Instant::now() }
    }

    fn step(&mut self) {
        self.done += 1;
        if self.told.elapsed() >= PROGRESS {
            self.told = Instant::now();
            self.end();
        }
    }

    const fn grow(&mut self, more: usize) {
        self.all += more;
    }

    fn end(&self) {
        say(&format!("{} of {} pools read", self.done, self.all));
    }
}
