//! The journal of earlier starts, held against the node's chain before it is gone on with.

use alloy::primitives::B256;
use alphapulse_protocol::{BlockNumber, Epoch};

use crate::clock::now;
use crate::config::RelayConfig;
use crate::error::{JournalError, Parting, RelayError};
use crate::journal::{FeedOptions, FeedWriter, PausedFeed};
use crate::source::ChainSource;

/// The journal continues over restarts: each start is a new segment and a new epoch. Nothing is written to one that is of another chain.
///
/// # Errors
/// [`RelayError::Journal`], and [`RelayError::Node`] when the source, `name`, does not say which blocks it has.
pub(super) async fn go_on(
    config: &RelayConfig,
    source: &impl ChainSource,
    head: BlockNumber,
    name: &str,
) -> Result<Option<FeedWriter>, RelayError> {
    let Some(dir) = &config.journal_dir else { return Ok(None) };
    let options = FeedOptions { reorg_depth_max: config.reorg_depth_max, ..config.journal };
    let feed = PausedFeed::open(dir, config.chain_id, options).map_err(RelayError::Journal)?;
    check(&feed, source, head, name).await?;
    feed.go_on(Epoch(now().0)).map(Some).map_err(RelayError::Journal)
}

/// Questions that may fail before the node is given up.
const FAILURES_MAX: usize = 3;

/// An id says little of a chain: dev chains share theirs. A chain is its blocks, so one of those that the journal ends with must be on the
/// node's: the last, or one to which a reorg could lead back. Nodes may be a block apart, or not answer once: another block will do.
async fn check(feed: &PausedFeed, source: &impl ChainSource, head: BlockNumber, name: &str) -> Result<(), RelayError> {
    let (Some(last), Some(lowest)) = (feed.newest().first(), feed.newest().last()) else { return Ok(()) };
    let (mut differing, mut failed) = (None, Vec::new());
    for block in feed.newest().iter().filter(|block| block.number <= head) {
        match source.block_by_number(block.number.0).await {
            Ok(Some(there)) if there.hash == block.hash => return Ok(()),
            Ok(there) => differing = differing.or(there.map(|there| (*block, there.hash))),
            Err(error) => failed.push(error),
        }
        if failed.len() == FAILURES_MAX {
            break;
        }
    }
    if let Some(source) = failed.into_iter().next() {
        return Err(RelayError::Node { endpoint: name.to_owned(), source });
    }
    let (dir, last, lowest) = (feed.dir().to_owned(), last.number, lowest.number);
    Err(RelayError::Journal(match differing {
        Some((block, theirs)) => {
            let (ours, theirs) = (B256::from(block.hash), B256::from(theirs));
            JournalError::OtherChain { dir, parting: Box::new(Parting { block: block.number, ours, theirs, lowest }) }
        }
        None if head < lowest => JournalError::Ahead { dir, last, head },
        None => JournalError::NotServed { dir, lowest, highest: last.min(head) },
    }))
}
