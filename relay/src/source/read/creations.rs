//! The pools of a factory, of a vault or of a pool manager, up to a block.

use alloy::primitives::{Address, B256, LogData, U256};
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use alphapulse_protocol::message::PoolKind;
use futures_util::future::try_join_all;

use super::calls::Calls;
use super::target::{PoolTarget, V4Key};
use crate::error::SourceError;
use crate::source::node::{CALL_TIMEOUT, request_within};
use crate::source::{BlockRanges, CREATIONS, Creation};

mod contract {
    alloy::sol! {
        function pool_count() external view returns (uint256);
        function pool_list(uint256 index) external view returns (address);
        event Initialize(bytes32 indexed id, address indexed currency0, address indexed currency1, uint24 fee,
            int24 tickSpacing, address hooks, uint160 sqrtPriceX96, int24 tick);
        event PoolRegistered(bytes32 indexed id, address indexed pool, uint8 specialization);
    }
    /// Of Solidly and Velodrome's first factory.
    pub(super) mod first {
        alloy::sol! {
            event PairCreated(address indexed token0, address indexed token1, bool isStable, address pair, uint256 count);
        }
    }
    /// Of Velodrome's second factory and of Aerodrome's.
    pub(super) mod second {
        alloy::sol! {
            event PoolCreated(address indexed token0, address indexed token1, bool indexed isStable, address pool,
                uint256 count);
        }
    }
}
use self::contract::{Initialize, PoolRegistered};

/// Blocks asked for at once where the node does not answer all.
const BLOCKS_MAX: u64 = 50_000;
/// Pools of a Curve factory: its own number, which a contract that is none may have made up.
const POOLS_MAX: u64 = 100_000;

/// Reads a log of a new pool; `None` for other events.
fn read(log: &Log) -> Option<Result<PoolTarget, String>> {
    let data: &LogData = log.data();
    for kind in [PoolKind::UniswapV2, PoolKind::UniswapV3] {
        if let Some(creation) = Creation::read(kind, data) {
            let target = |creation: Creation| PoolTarget { kind: Some(kind), ..PoolTarget::of(creation.pool) };
            return Some(creation.map(target));
        }
    }
    let topic = *data.topics().first()?;
    let words = |error: alloy::sol_types::Error| format!("its log of a new pool cannot be read: {error}");
    Some(if topic == Initialize::SIGNATURE_HASH {
        Initialize::decode_log_data_validate(data).map_err(words).map(|event| v4(log.address(), &event))
    } else if topic == PoolRegistered::SIGNATURE_HASH {
        PoolRegistered::decode_log_data_validate(data).map_err(words).map(|event| PoolTarget::of(event.pool))
    } else if topic == contract::first::PairCreated::SIGNATURE_HASH {
        contract::first::PairCreated::decode_log_data_validate(data)
            .map_err(words)
            .map(|event| PoolTarget::of(event.pair))
    } else if topic == contract::second::PoolCreated::SIGNATURE_HASH {
        contract::second::PoolCreated::decode_log_data_validate(data)
            .map_err(words)
            .map(|event| PoolTarget::of(event.pool))
    } else {
        return None;
    })
}

fn v4(manager: Address, event: &Initialize) -> PoolTarget {
    let key = V4Key {
        currencies: [event.currency0, event.currency1],
        fee: event.fee.to(),
        tick_spacing: event.tickSpacing.as_i32(),
        hooks: event.hooks,
    };
    PoolTarget::v4(manager, event.id, Some(key))
}

/// Pools that a factory made from one block to another, both included, in the order of their making.
pub(super) async fn pools_of(
    client: &RpcClient,
    calls: &Calls,
    factory: Address,
    (from, to): (u64, u64),
) -> Result<Vec<PoolTarget>, SourceError> {
    // Curve's factories list their pools; their logs have many forms.
    if let Some(count) = calls.try_call(factory, contract::pool_countCall {}).await? {
        let count = u64::try_from(count).ok().filter(|count| *count <= POOLS_MAX);
        let count = count.ok_or_else(|| SourceError::Contradiction("its factory lists too many pools".into()))?;
        let pool = |index| calls.call(factory, factory, contract::pool_listCall { index: U256::from(index) });
        return Ok(try_join_all((0..count).map(pool)).await?.into_iter().map(PoolTarget::of).collect());
    }
    let mut topics = CREATIONS.to_vec();
    topics.extend([
        Initialize::SIGNATURE_HASH,
        PoolRegistered::SIGNATURE_HASH,
        contract::first::PairCreated::SIGNATURE_HASH,
        contract::second::PoolCreated::SIGNATURE_HASH,
    ]);
    let filter = Filter::new().address(factory).event_signature(topics);
    let logs = logs(client, &filter, from, to, |_| false).await?;
    let read = logs.iter().filter_map(read);
    read.map(|pool| pool.map_err(|reason| SourceError::Pool { pool: factory, reason })).collect()
}

/// Key of a pool of a V4 pool manager, from the log of its making.
pub(super) async fn v4_key(
    client: &RpcClient,
    manager: Address,
    id: B256,
    to: u64,
) -> Result<Option<V4Key>, SourceError> {
    let filter = Filter::new().address(manager).event_signature(Initialize::SIGNATURE_HASH).topic1(id);
    let logs = logs(client, &filter, 0, to, |logs| !logs.is_empty()).await?;
    Ok(logs.iter().find_map(|log| read(log)?.ok()?.key).filter(|key| key.id() == id))
}

async fn logs(
    client: &RpcClient,
    filter: &Filter,
    from: u64,
    to: u64,
    is_enough: impl Fn(&[Log]) -> bool,
) -> Result<Vec<Log>, SourceError> {
    let (mut found, mut ranges) = (Vec::new(), BlockRanges::whole((from, to), BLOCKS_MAX));
    while let Some((from, last)) = ranges.next().filter(|_| !is_enough(&found)) {
        let filter = filter.clone().from_block(from).to_block(last);
        match request_within::<_, Vec<Log>>(client, "eth_getLogs", (filter,), CALL_TIMEOUT).await {
            Ok(more) => {
                found.extend(more);
                ranges.advance();
            }
            Err(error) => ranges.halve(error)?,
        }
    }
    found.sort_by_key(|log| (log.block_number, log.log_index));
    Ok(found)
}
