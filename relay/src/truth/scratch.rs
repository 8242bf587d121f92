//! Whether a pool's state and what happens to it can be told at all, tried on a stream of its own.

use alphapulse_protocol::message::{BlockContext, StateParts};
use alphapulse_protocol::replica::{PoolInfo, PoolState, Quarantine, TokenInfo};
use alphapulse_protocol::values::TokenList;
use alphapulse_protocol::{BlockNumber, ChainId, Epoch, PoolId, ReplicaError, TokenId};

use super::Restated;
use crate::discovery::News;
use crate::sequencer::Sequencer;
use crate::source::{MarketImage, Update};

/// The only pool of that stream.
const POOL: PoolId = PoolId(0);

/// Tells a pool in quarantine anew and then these changes of it, as the stream would.
///
/// # Errors
/// The first thing that no reader would take.
pub(super) fn try_telling(
    info: &PoolInfo,
    state: &PoolState,
    changes: impl IntoIterator<Item = Update>,
) -> Result<(), ReplicaError> {
    let (before, after) = (context(1), context(2));
    let ids: Vec<TokenId> = (0..).map(TokenId).take(info.tokens.len()).collect();
    let address = |id: &TokenId| [u8::try_from(id.0).unwrap_or(u8::MAX); 20];
    let image = MarketImage {
        context: before,
        tokens: ids.iter().map(|id| TokenInfo { address: address(id), symbol: String::new(), decimals: 18 }).collect(),
        pools: vec![(PoolInfo { tokens: TokenList::new(&ids).unwrap_or(info.tokens), ..*info }, state.clone())],
    };
    let parts = StateParts::STATE;
    let ill = Quarantine { pool: POOL, parts, block: before.block() };
    let restated = Restated { pool: POOL, parts, at: before.block(), state: state.clone(), trail: Vec::new() };
    let changes: Vec<Update> = changes.into_iter().map(|change| change.of_pool(POOL)).collect();
    let mut stream = Sequencer::new(ChainId(1), 1);
    stream.reset(&image, &[ill], Epoch(1))?;
    stream.block(after, BlockNumber(2), &News::default(), &[restated], &changes, &mut Vec::new())
}

/// Blocks of which nothing matters but that one follows the other.
pub(super) fn context(number: u8) -> BlockContext {
    BlockContext {
        number: u64::from(number).into(),
        hash: [number; 32],
        parent_hash: [number - 1; 32],
        timestamp: 0.into(),
        base_fee: 0.into(),
        gas_used: 0.into(),
        gas_limit: 0.into(),
    }
}

#[cfg(test)]
mod tests {
    use alphapulse_protocol::message::{V2Reserves, V3Liquidity};
    use alphapulse_protocol::replica::{TickLiquidity, V2State, V3State};
    use alphapulse_protocol::{FeePpm, U256, VenueId};

    use super::*;

    fn pair() -> PoolInfo {
        PoolInfo::uniswap_v2(VenueId(3), [9; 20], [TokenId(700), TokenId(4)], FeePpm(3_000))
    }

    #[test]
    fn reserves_that_no_pair_can_hold_cannot_be_told() {
        let told = |reserve_0| try_telling(&pair(), &PoolState::V2(V2State { reserve_0, reserve_1: 1 }), []);
        assert_eq!(told((1 << 112) - 1), Ok(()));
        assert!(matches!(told(1 << 112), Err(ReplicaError::Domain(_))));
        let change = |reserve| [Update::V2Reserves(V2Reserves::new(PoolId(8), reserve, 1))];
        let sane = PoolState::V2(V2State { reserve_0: 1, reserve_1: 1 });
        assert_eq!(try_telling(&pair(), &sane, change(5)), Ok(()));
        assert!(try_telling(&pair(), &sane, change(1 << 112)).is_err());
    }

    #[test]
    fn liquidity_that_nobody_had_cannot_be_burnt() {
        let info = pair().with_ticks(60, (-887_272, 887_272));
        let end = |tick, net| TickLiquidity { tick, liquidity_net: net, liquidity_gross: 5 };
        let ticks = vec![end(-60, 5), end(60, -5)];
        let state = PoolState::V3(V3State { sqrt_price_x96: U256::from(1) << 96, tick: 0, liquidity: 5, ticks });
        let burn = |lower, amount: i128| [Update::V3Liquidity(V3Liquidity::new(PoolId(8), lower, 60, -amount))];
        assert_eq!(try_telling(&info, &state, burn(-60, 5)), Ok(()));
        assert!(try_telling(&info, &state, burn(-60, 6)).is_err());
        assert!(try_telling(&info, &state, burn(-120, 1)).is_err());
    }
}
