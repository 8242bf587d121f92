//! Blocks over a market of many meta pools on one base: their rates depend on a pool that no message about them names.

use std::path::Path;

use alphapulse_protocol::message::Token;
use alphapulse_protocol::replica::{PoolInfo, describe_pool};
use alphapulse_protocol::values::PoolDetails;
use alphapulse_protocol::{PoolId, Sequence, TokenId, UnixNanos};
use alphapulse_strategies::snapshot::Snapshot;
use anyhow::{Context, Result};

use crate::by_us::{Ours, Sent, bytes};

const PLACE: (Sequence, UnixNanos) = (Sequence(0), UnixNanos(0));

/// The example's meta pool `count` times, on its base, and the two blocks that are of interest: one in which nothing
/// happens, and one in which the base changes.
pub(crate) fn market(count: u32) -> Result<(Ours, [Sent; 2])> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/kinds.json");
    let example = Snapshot::from_bytes(&std::fs::read(path)?)?.to_replica()?;
    let base_of = |info: &PoolInfo| match &info.details {
        PoolDetails::MultiToken(details) => details.base_pool,
        _ => None,
    };
    let (meta, base) = (0..)
        .map(PoolId)
        .zip(example.pools())
        .find_map(|(id, info)| Some((id, base_of(info)?)))
        .context("a meta pool")?;
    let described =
        |id: PoolId| example.pools().get(id.index()).zip(example.state(id)).context("a pool with its state");
    let tokens = example
        .tokens()
        .iter()
        .zip(0..)
        .map(|(token, id)| bytes(Token::new(TokenId(id), token.address, &token.symbol, token.decimals)));
    let mut pools: Vec<Vec<u8>> = Vec::new();
    let mut put = |id: PoolId, info: &PoolInfo, state: &_| {
        let start = pools.len();
        let done: Result<(), std::convert::Infallible> = describe_pool(id, info, state, PLACE, |message| {
            pools.push(message.as_bytes().to_vec());
            Ok(())
        });
        done.map(|()| start)
    };
    let (info, state) = described(base)?;
    put(PoolId(0), info, state)?;
    let (info, state) = described(meta)?;
    for id in 1..=count {
        let mut info = *info;
        info.address[..4].copy_from_slice(&id.to_be_bytes());
        if let PoolDetails::MultiToken(details) = &mut info.details {
            details.base_pool = Some(PoolId(0));
        }
        put(PoolId(id), &info, state)?;
    }
    // The last message about the base is what swaps change.
    let per_pool = (pools.len()) / (count as usize + 1);
    let mut changed = Sent::default();
    changed.push(&pools[per_pool - 1]);
    let ours = Ours::told(tokens.collect(), pools, count as usize + 1)?;
    Ok((ours, [Sent::default(), changed]))
}
