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

/// An id says little of a chain: dev chains share theirs. A chain is its blocks, so one of those that the journal ends with must be on the
/// node's: the last, or one to which a reorg could lead back.
async fn check(feed: &PausedFeed, source: &impl ChainSource, head: BlockNumber, name: &str) -> Result<(), RelayError> {
    let (Some(last), Some(lowest)) = (feed.newest().first(), feed.newest().last()) else { return Ok(()) };
    let mut differing = None;
    for block in feed.newest() {
        let there = source.block_by_number(block.number.0).await;
        let there = there.map_err(|source| RelayError::Node { endpoint: name.to_owned(), source })?;
        match there {
            Some(there) if there.hash == block.hash => return Ok(()),
            Some(there) => differing = differing.or(Some((*block, there.hash))),
            None => {}
        }
    }
    let dir = feed.dir().to_owned();
    Err(RelayError::Journal(match differing {
        Some((block, theirs)) => JournalError::OtherChain {
            dir,
            parting: Box::new(Parting {
                block: block.number,
                ours: B256::from(block.hash),
                theirs: B256::from(theirs),
                lowest: lowest.number,
            }),
        },
        None => JournalError::Ahead { dir, last: last.number, head },
    }))
}
