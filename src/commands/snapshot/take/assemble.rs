//! Pools that were read one by one as one market, and as a file.

mod contradiction;

use std::collections::{HashMap, HashSet};

use alphapulse_protocol::message::{BlockContext, Message, SnapshotBegin, SnapshotEnd, Token, WireMessage};
use alphapulse_protocol::replica::{PoolInfo, PoolState, Replica, TokenInfo, describe_pool};
use alphapulse_protocol::values::{PoolDetails, TokenList};
use alphapulse_protocol::{AddressBytes, ChainId, Epoch, PoolId, ReplicaError, Sequence, TokenId, UnixNanos};
use alphapulse_relay::source::read::{PoolBase, PoolRead, PoolTarget};
use alphapulse_strategies::snapshot::{LeftOut, PoolName, Snapshot, to_json_without};
use anyhow::Context as _;

use self::contradiction::{contradiction, name};
use super::part::Entry;
use crate::exit::Failure;

const NO_BLOCK: &str = "what was read is not the market of a whole block";
const PLACE: (Sequence, UnixNanos) = (Sequence(0), UnixNanos(0));

/// A market as a file.
pub(super) struct Assembled {
    pub(super) text: String,
    /// Pools in it.
    pub(super) pools: usize,
    /// Pools that are not, and why; the file tells it as well.
    pub(super) left_out: Vec<LeftOut>,
    /// What its reader will be warned of.
    pub(super) warnings: Vec<String>,
}

/// The snapshot. Pools stand in the order in which they were asked for, a base pool before the first meta pool that needs it.
/// Those that answer other than their state are left out.
pub(super) fn snapshot(
    chain_id: ChainId,
    block: &BlockContext,
    targets: &[PoolTarget],
    read: &[(String, Entry)],
) -> Result<Assembled, Failure> {
    let mut left_out: Vec<LeftOut> =
        read.iter().filter_map(|(name, entry)| Some(LeftOut::new(word(name), None, entry.refusal()?))).collect();
    let mut pools = ordered(targets, read)?;
    let mut file = File::of(chain_id, block, &pools)?;
    let contradicting: HashMap<PoolName, String> =
        pools.iter().filter_map(|pool| Some((name(&pool.image.info), contradiction(&file.back, pool)?))).collect();
    if !contradicting.is_empty() {
        pools.retain(|pool| {
            let reason = contradicting.get(&name(&pool.image.info));
            left_out.extend(reason.map(|reason| left(&pool.image.info, reason)));
            reason.is_none()
        });
        // What stood on one of them is not there either.
        file = File::of(chain_id, block, &pools)?;
    }
    left_out.extend(unwritten(&pools, &file));
    left_out.append(&mut file.orphans);
    // Pools were read in no certain order, and the same market is the same file.
    left_out.sort_unstable_by(|one, other| one.pool.cmp(&other.pool));
    let text = to_json_without(&file.replica, &left_out).context(NO_BLOCK)?;
    Ok(Assembled { text, pools: file.back.pools.len(), left_out, warnings: file.back.warnings() })
}

/// Pools as a file.
struct File {
    replica: Replica,
    /// What its reader has of it.
    back: Snapshot,
    orphans: Vec<LeftOut>,
}

impl File {
    fn of(chain_id: ChainId, block: &BlockContext, pools: &[PoolRead]) -> Result<Self, Failure> {
        let market = Market::new(pools.to_vec());
        let replica = market.replica(chain_id, block).context("what was read does not make a market")?;
        let text = to_json_without(&replica, &[]).context(NO_BLOCK)?;
        let back = Snapshot::from_bytes(text.as_bytes()).context("what was written cannot be read back")?;
        Ok(Self { replica, back, orphans: market.orphans })
    }
}

/// The name of a pool in its line: an address or an id.
fn word(name: &str) -> &str {
    name.split(' ').next().unwrap_or(name)
}

fn left(info: &PoolInfo, reason: &str) -> LeftOut {
    LeftOut::new(&name(info).to_string(), Some(info.kind.name()), reason)
}

/// Pools that the file has no form for.
fn unwritten(pools: &[PoolRead], file: &File) -> Vec<LeftOut> {
    let orphans: HashSet<&str> = file.orphans.iter().map(|orphan| orphan.pool.as_str()).collect();
    let infos = pools.iter().map(|pool| &pool.image.info);
    let infos = infos.filter(|info| {
        let name = name(info);
        file.back.pool(&name).is_none() && !orphans.contains(name.to_string().as_str())
    });
    infos.map(|info| left(info, "it reckons in a way that is not known")).collect()
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
    let bases: Vec<AddressBytes> = images.iter().filter_map(|pool| Some(pool.base?.pool.into())).collect();
    // Meta pools of meta pools do not exist.
    let is_base = |pool: &PoolRead| pool.base.is_none() && bases.contains(&pool.image.info.address);
    let (mut first, rest): (Vec<_>, Vec<_>) = images.into_iter().partition(is_base);
    first.extend(rest);
    Ok(first)
}

struct Market {
    tokens: Vec<TokenInfo>,
    pools: Vec<PoolRead>,
    /// Meta pools whose base is not there.
    orphans: Vec<LeftOut>,
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
                    market.orphans.push(left(&pool.image.info, &reason));
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

    /// The pool that a meta pool stands on. The price of its share is reckoned from how many of them there are, which the meta
    /// pool's last coin tells where the base does not.
    fn base(&mut self, ids: &HashMap<AddressBytes, u32>, base: PoolBase) -> Result<PoolId, String> {
        let PoolBase { pool, shares } = base;
        let id = ids.get(&pool.into_array()).copied().ok_or_else(|| format!("its base pool {pool:#x} is not there"))?;
        let Some(PoolState::CurveStable(state)) =
            self.pools.get_mut(PoolId(id).index()).map(|pool| &mut pool.image.state)
        else {
            return Err(format!("its base pool {pool:#x} is no StableSwap pool"));
        };
        match &mut state.holdings.supply {
            supply @ 0 => *supply = shares,
            supply if *supply == shares => {}
            supply => {
                return Err(format!(
                    "its last coin is no share of its base pool {pool:#x}: there are {shares}, and {supply} of those"
                ));
            }
        }
        if shares == 0 {
            return Err(format!("its base pool {pool:#x} has no shares"));
        }
        Ok(PoolId(id))
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
