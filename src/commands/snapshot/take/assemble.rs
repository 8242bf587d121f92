//! Pools that were read one by one as one market, and as a file.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use alloy::primitives::Address;
use alphapulse_protocol::message::{BlockContext, Message, SnapshotBegin, SnapshotEnd, Token, WireMessage};
use alphapulse_protocol::replica::{PoolState, Replica, TokenInfo, describe_pool};
use alphapulse_protocol::values::{PoolDetails, TokenList};
use alphapulse_protocol::{AddressBytes, ChainId, Epoch, PoolId, ReplicaError, Sequence, TokenId, UnixNanos};
use alphapulse_relay::source::read::{PoolRead, PoolTarget};
use alphapulse_strategies::snapshot::{Snapshot, to_json};
use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::beside;
use super::part::Entry;
use crate::exit::Failure;

const PLACE: (Sequence, UnixNanos) = (Sequence(0), UnixNanos(0));

/// A market as a file.
pub(super) struct Assembled {
    pub(super) text: String,
    /// Pools in it.
    pub(super) pools: usize,
    /// What its reader will be warned of.
    pub(super) warnings: Vec<String>,
}

/// The snapshot. Pools stand in the order in which they were asked for, a base pool before the first meta pool that needs it.
pub(super) fn snapshot(
    chain_id: ChainId,
    block: &BlockContext,
    targets: &[PoolTarget],
    read: &[(String, Entry)],
) -> Result<Assembled, Failure> {
    let pools = ordered(targets, read)?;
    let market = Market::new(pools);
    let replica = market.replica(chain_id, block).context("what was read does not make a market")?;
    let text = to_json(&replica).context("what was read is not the market of a whole block")?;
    let back = Snapshot::from_bytes(text.as_bytes()).context("what was written cannot be read back")?;
    let mut warnings = market.orphans.clone();
    warnings.extend(market.unwritten(&back));
    warnings.extend(back.warnings());
    Ok(Assembled { text, pools: back.pools.len(), warnings })
}

/// Pools that were read, bases first.
fn ordered(targets: &[PoolTarget], read: &[(String, Entry)]) -> Result<Vec<PoolRead>, Failure> {
    let by_name: HashMap<&str, &Entry> = read.iter().map(|(name, entry)| (name.as_str(), entry)).collect();
    let asked: Vec<String> = targets.iter().map(ToString::to_string).collect();
    let known: HashSet<&String> = asked.iter().collect();
    let mut added: Vec<&String> = read.iter().map(|(name, _)| name).filter(|name| !known.contains(name)).collect();
    added.sort_unstable();
    let mut images = Vec::new();
    // Those that nobody asked for are bases.
    for name in added.into_iter().chain(&asked) {
        images.extend(by_name.get(name.as_str()).map(|entry| entry.image()).transpose()?.flatten());
    }
    let bases: Vec<AddressBytes> = images.iter().filter_map(|pool| pool.base.map(Into::into)).collect();
    // Meta pools of meta pools do not exist.
    let is_base = |pool: &PoolRead| pool.base.is_none() && bases.contains(&pool.image.info.address);
    let (mut first, rest): (Vec<_>, Vec<_>) = images.into_iter().partition(is_base);
    first.extend(rest);
    Ok(first)
}

struct Market {
    tokens: Vec<TokenInfo>,
    pools: Vec<PoolRead>,
    /// Meta pools whose base could not be read.
    orphans: Vec<String>,
}

impl Market {
    /// Gives tokens and pools their ids.
    fn new(read: Vec<PoolRead>) -> Self {
        let mut market = Self { tokens: Vec::new(), pools: Vec::new(), orphans: Vec::new() };
        let (mut token_ids, mut pool_ids) = (HashMap::new(), HashMap::new());
        for mut pool in read {
            let base = match pool.base.map(|base| market.base(&pool_ids, base)).transpose() {
                Ok(base) => base,
                Err(reason) => {
                    let address = Address::from(pool.image.info.address);
                    market.orphans.push(format!("{address:#x} is left out: {reason}"));
                    continue;
                }
            };
            let ids: Vec<TokenId> =
                pool.image.tokens.iter().map(|token| token_id(&mut market.tokens, &mut token_ids, token)).collect();
            let place = |list: &TokenList| {
                let ids: Vec<TokenId> = list.iter().filter_map(|token| ids.get(token.index())).copied().collect();
                TokenList::new(&ids).unwrap_or(TokenList::EMPTY)
            };
            pool.image.info.tokens = place(&pool.image.info.tokens);
            if let PoolDetails::MultiToken(details) = &mut pool.image.info.details {
                details.underlying = place(&details.underlying);
                details.base_pool = base;
            }
            pool_ids.insert(pool.image.info.address, u32::try_from(market.pools.len()).unwrap_or(u32::MAX));
            market.pools.push(pool);
        }
        market
    }

    /// The pool that a meta pool stands on. The price of its share is reckoned from how many of them there are.
    fn base(&self, ids: &HashMap<AddressBytes, u32>, base: Address) -> Result<PoolId, String> {
        let id = ids.get(&base.into_array()).copied().ok_or_else(|| format!("its base pool {base:#x} is not there"))?;
        match self.pools.get(PoolId(id).index()).map(|pool| &pool.image.state) {
            Some(PoolState::CurveStable(state)) if state.holdings.supply > 0 => Ok(PoolId(id)),
            _ => Err(format!("its base pool {base:#x} does not tell how many shares there are")),
        }
    }

    /// Pools that the file has no form for.
    fn unwritten(&self, file: &Snapshot) -> impl Iterator<Item = String> {
        let written: HashSet<_> = file.pools.iter().map(|pool| (pool.address, pool.pool_id)).collect();
        let infos = self.pools.iter().map(|pool| &pool.image.info);
        infos.filter_map(move |info| {
            let id = match &info.details {
                PoolDetails::V4(details) => Some(details.pool_id),
                PoolDetails::MultiToken(details) => Some(details.pool_id).filter(|id| *id != [0; 32]),
                PoolDetails::None => None,
            };
            let address = Address::from(info.address);
            (!written.contains(&(info.address, id)))
                .then(|| format!("{address:#x} is left out: it reckons in a way that is not known"))
        })
    }

    fn replica(&self, chain_id: ChainId, block: &BlockContext) -> Result<Replica, ReplicaError> {
        let mut replica = Replica::default();
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let begin = SnapshotBegin::new(*block, chain_id, Epoch(0), count(self.tokens.len()), count(self.pools.len()));
        replica.apply(&Message::from(&stamp(begin)))?;
        let mut inside = 0;
        for (token, id) in self.tokens.iter().zip(0..) {
            let token = Token::new(TokenId(id), token.address, &token.symbol, token.decimals);
            replica.apply(&Message::from(&stamp(token)))?;
            inside += 1;
        }
        for (pool, id) in self.pools.iter().zip(0..) {
            describe_pool(PoolId(id), &pool.image.info, &pool.image.state, PLACE, |message| {
                inside += 1;
                replica.apply(&message).map(drop)
            })?;
        }
        replica.apply(&Message::from(&stamp(SnapshotEnd::new(inside))))?;
        Ok(replica)
    }
}

fn token_id(tokens: &mut Vec<TokenInfo>, ids: &mut HashMap<AddressBytes, TokenId>, token: &TokenInfo) -> TokenId {
    *ids.entry(token.address).or_insert_with(|| {
        tokens.push(token.clone());
        TokenId(u32::try_from(tokens.len() - 1).unwrap_or(u32::MAX))
    })
}

fn stamp<T: WireMessage>(message: T) -> T {
    message.stamped(PLACE.0, PLACE.1)
}

/// Puts the file in its place whole: whoever reads it sees the old one, or this.
pub(super) fn write(out: &Path, text: &str) -> Result<(), Failure> {
    let unfinished = beside(out, ".tmp");
    let is_packed = out.extension().is_some_and(|ending| ending == "gz");
    let write = || -> io::Result<()> {
        let mut file = File::create(&unfinished)?;
        if is_packed {
            let mut packer = GzEncoder::new(&mut file, Compression::default());
            packer.write_all(text.as_bytes())?;
            packer.finish()?;
        } else {
            file.write_all(text.as_bytes())?;
        }
        file.sync_all()?;
        fs::rename(&unfinished, out)
    };
    write().with_context(|| format!("cannot write {}", out.display()))?;
    Ok(())
}
