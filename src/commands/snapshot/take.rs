//! `alphapulse snapshot`: pools of every kind, read from a node at one block, as a market snapshot.

mod assemble;
mod list;
mod part;

use std::collections::HashSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256};
use alphapulse_protocol::FeePpm;
use alphapulse_relay::SourceError;
use alphapulse_relay::source::read::{NodeUrl, PoolRead, PoolTarget, Reader};
use anyhow::Context as _;
use clap::{ArgGroup, Args};
use tokio::task::JoinSet;

use self::part::{Entry, Header, Part};
use crate::exit::{Exit, Failure, Outcome};
use crate::interrupt::Interrupt;

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
    #[arg(long, value_name = "ADDRESS")]
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

    /// Where the snapshot goes; compressed when the name ends in .gz
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
    let earlier = part::Earlier::read(&arguments.out)?;
    let reader = Arc::new(connect(url, arguments.block, earlier.as_ref()).await?);
    let block = *reader.block();
    let hash = B256::from(block.hash);
    say(&format!("chain {}, block {} ({hash}), from {url}", reader.chain_id(), block.number.get()));
    let mut targets = match listed {
        Some(targets) => targets,
        None => list_factory(arguments, &reader).await?,
    };
    give_fees(&mut targets, arguments.fee_ppm.map(FeePpm));
    let header = Header::new(reader.chain_id(), &block, &targets);
    let mut part = Part::open(&arguments.out, &header, earlier)?;
    let read = read_all(&reader, &targets, &mut part).await?;
    reader.check_block().await.map_err(|error| node_failure(error, "the block is not on the node's chain any more"))?;
    let assembled = assemble::snapshot(reader.chain_id(), &block, &targets, &read)?;
    for (name, reason) in read.iter().filter_map(|(name, entry)| Some((name, entry.refusal()?))) {
        tracing::warn!("{name} is left out: {}", clean(reason));
    }
    assembled.warnings.iter().for_each(|warning| tracing::warn!("{}", clean(warning)));
    if assembled.pools == 0 {
        part.remove()?;
        return Err(Failure::new(Exit::Failure, anyhow::anyhow!("none of {} pools could be read", read.len()))
            .next("see above why; pairs need --fee-ppm, and a block before a pool has no such pool"));
    }
    assemble::write(&arguments.out, &assembled.text)?;
    part.remove()?;
    let left_out = read.len().saturating_sub(assembled.pools);
    say(&format!("{} pools in {}, {left_out} left out", assembled.pools, arguments.out.display()));
    Ok(Exit::Ok)
}

/// Goes to the block that was begun with, or to the one asked for.
async fn connect(url: &NodeUrl, block: BlockNumber, earlier: Option<&part::Earlier>) -> Result<Reader, Failure> {
    let reader = match earlier {
        Some(earlier) => Reader::at_hash(url, earlier.header.hash()).await,
        None => Reader::at_number(url, block.0).await,
    };
    let reader = reader.map_err(|error| node_failure(error, "check --rpc, --block and the node"))?;
    if let Some(number) = block.0.filter(|number| *number != reader.block().number.get()) {
        let begun = reader.block().number.get();
        return Err(Failure::usage(format!("what was read before is of block {begun}, and --block asks for {number}"))
            .next("remove the .part file to begin anew, or ask for that block"));
    }
    reader.check_block().await.map_err(|error| node_failure(error, "remove the .part file to begin anew"))?;
    Ok(reader)
}

async fn list_factory(arguments: &TakeArguments, reader: &Reader) -> Result<Vec<PoolTarget>, Failure> {
    let factory = arguments.factory.context("neither pools nor a factory were given")?;
    let found = reader.pools_of(factory, arguments.from_block).await;
    let found = found.map_err(|error| node_failure(error, "give the factory's first block with --from-block"))?;
    if found.is_empty() {
        return Err(Failure::new(
            Exit::Failure,
            anyhow::anyhow!("{factory} made no pools from block {} on", arguments.from_block),
        )
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
                    reader
                        .check_block()
                        .await
                        .map_err(|gone| node_failure(gone, "remove the .part file to begin anew"))?;
                    return Err(node_failure(error, "run the same again: it goes on where the .part file ends"));
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
    Failure::from(anyhow::Error::new(error).context("the node cannot be read")).next(next)
}

/// Words that may hold a contract's: without what moves a terminal's cursor.
fn clean(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

/// A line for the person who waits. Not a log: it is said at every log level.
fn say(line: &str) {
    // A closed stderr is no reason to stop.
    drop(writeln!(io::stderr(), "{line}"));
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

/// Name of the file beside `path`, with `ending` behind.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
