//! A market image with the pools that factories told of before it.

use alloy::primitives::Address;
use alloy::rpc::types::Log;
use alphapulse_protocol::message::BlockContext;

use super::known::Known;
use crate::error::SourceError;
use crate::source::{BlockRanges, ChainSource, MarketImage};

/// Blocks asked for at once: the stream may wait for them.
const BLOCKS_MAX: u64 = 1_000;

/// How far back factories are asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reach {
    /// As each factory's configuration says: nothing was followed before.
    Configured,
    /// From this block: what was told before it is known.
    From(u64),
}

/// The market after `at`: what the source was configured with, and the pools of factories that are there. Until it returns
/// `known` stands as it did.
pub(crate) async fn read_image<S: ChainSource>(
    source: &S,
    known: &mut Known,
    at: &BlockContext,
    reach: Reach,
) -> Result<MarketImage, SourceError> {
    let mut logs = Vec::new();
    for (from, factories) in known.reaches(reach) {
        match creations(source, &factories, from, at.number.get()).await {
            Ok(more) => logs.extend(more),
            // The stream must go on, also with nodes that give no logs of earlier blocks; who looks after it is told.
            Err(error) if matches!(reach, Reach::From(_)) && is_refusal(&error) => known.note_unheard(from, &error),
            Err(error) => return Err(error),
        }
    }
    let sifted = known.sift_anew(&logs);
    let answers = if sifted.is_empty() { Vec::new() } else { source.pools(at, &sifted.specs()).await? };
    known.check_read(&sifted, &answers)?;
    // Last, because with it a source of several nodes takes its present state for replaced.
    let mut image = source.market(at).await?;
    known.restart(&mut image, sifted, answers);
    Ok(image)
}

/// Whether the source does not say what was told, which is no sign that it is lost: old logs are slow at many a node.
const fn is_refusal(error: &SourceError) -> bool {
    matches!(
        error,
        SourceError::Call { .. }
            | SourceError::Timeout { .. }
            | SourceError::NoQuorum { .. }
            | SourceError::Contradiction(_)
    )
}

/// What factories told from one block's number to another's, both included.
async fn creations<S: ChainSource>(
    source: &S,
    factories: &[Address],
    from: u64,
    to: u64,
) -> Result<Vec<Log>, SourceError> {
    let (mut logs, mut ranges) = (Vec::new(), BlockRanges::new((from, to), BLOCKS_MAX));
    while let Some((from, last)) = ranges.next() {
        match source.creations(from, last, factories).await {
            Ok(more) => {
                logs.extend(more);
                ranges.advance();
            }
            Err(error) => ranges.halve(error)?,
        }
    }
    Ok(logs)
}
