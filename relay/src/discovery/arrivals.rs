//! The new pools of a block, which the stream waits for, but not for ever.

use core::time::Duration;

use alphapulse_protocol::message::BlockContext;
use tokio::time::timeout;

use super::known::{Findings, Known, Sifted};
use crate::error::SourceError;
use crate::source::{ChainSource, PoolAnswer};

/// Longest wait for all new pools of a block. Their contracts are anyone's, and what they keep waiting is every other pool.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// New pools of a block that are read. Whoever makes more at once does not pay for the calls.
const PER_BLOCK_MAX: usize = 16;

/// What a block adds to `known`, of what its logs tell. Pools that are not read in time are refused: that is no sign of a lost source.
pub(crate) async fn read_arrivals<S: ChainSource>(
    source: &S,
    known: &Known,
    at: &BlockContext,
    mut sifted: Sifted,
) -> Result<Findings, SourceError> {
    sifted.keep(PER_BLOCK_MAX);
    if sifted.is_empty() {
        return Ok(known.identify(sifted, Vec::new()));
    }
    let specs = sifted.specs();
    let answers = match timeout(WAIT_MAX, source.pools(at, &specs)).await {
        Ok(answers) => answers?,
        Err(_) => vec![PoolAnswer::Unread(format!("the new pools were not read within {WAIT_MAX:?}")); specs.len()],
    };
    Ok(known.identify(sifted, answers))
}
