//! What factories tell of new pools.

use alloy::primitives::{Address, B256, LogData};
use alloy::sol_types::SolEvent;
use alphapulse_protocol::message::PoolKind;

mod contract {
    alloy::sol! {
        event PairCreated(address indexed token0, address indexed token1, address pair, uint256 count);
        event PoolCreated(address indexed token0, address indexed token1, uint24 indexed fee, int24 tickSpacing,
            address pool);
    }
}

const PAIR_CREATED: B256 = contract::PairCreated::SIGNATURE_HASH;
const POOL_CREATED: B256 = contract::PoolCreated::SIGNATURE_HASH;

/// Event signatures by which a factory tells of a new pool: V2 `PairCreated`, V3 `PoolCreated`.
pub const CREATIONS: [B256; 2] = [PAIR_CREATED, POOL_CREATED];

/// A pool as its factory names it. Nothing is checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Creation {
    pub(crate) pool: Address,
    pub(crate) tokens: [Address; 2],
}

impl Creation {
    /// Reads a log of a factory whose pools are of `kind`; `None` for its other events.
    pub(crate) fn read(kind: PoolKind, log: &LogData) -> Option<Result<Self, String>> {
        let creation = match (kind, *log.topics().first()?) {
            (PoolKind::UniswapV2, PAIR_CREATED) => contract::PairCreated::decode_log_data_validate(log)
                .map(|event| Self { pool: event.pair, tokens: [event.token0, event.token1] }),
            (PoolKind::UniswapV3, POOL_CREATED) => contract::PoolCreated::decode_log_data_validate(log)
                .map(|event| Self { pool: event.pool, tokens: [event.token0, event.token1] }),
            _ => return None,
        };
        Some(creation.map_err(|error| format!("its factory's log cannot be read: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{U256, b256};
    use alloy::sol_types::SolValue;

    use super::*;

    /// The hashes as block explorers show them: a typo in a signature above would silently match nothing.
    #[test]
    fn topics_are_those_of_the_deployed_factories() {
        let deployed = [
            b256!("0d3648bd0f6ba80134a33ba9275ac585d9d315f0ad8355cddefde31afa28d0e9"),
            b256!("783cca1c0412dd0d695e784568c96da2e9c22ff989357a2e8b1d9b2b4e6b7118"),
        ];
        assert_eq!(CREATIONS, deployed);
    }

    fn word(address: u8) -> B256 {
        Address::repeat_byte(address).into_word()
    }

    #[test]
    fn a_creation_is_read_for_its_own_kind_only() {
        let pair = (Address::repeat_byte(9), U256::from(1)).abi_encode();
        let log = LogData::new_unchecked(vec![PAIR_CREATED, word(1), word(2)], pair.into());
        let tokens = [Address::repeat_byte(1), Address::repeat_byte(2)];
        let creation = Creation { pool: Address::repeat_byte(9), tokens };
        assert_eq!(Creation::read(PoolKind::UniswapV2, &log), Some(Ok(creation)));
        assert_eq!(Creation::read(PoolKind::UniswapV3, &log), None);

        let fee = B256::from(U256::from(3000));
        let pool = (U256::from(60), Address::repeat_byte(9)).abi_encode();
        let log = LogData::new_unchecked(vec![POOL_CREATED, word(1), word(2), fee], pool.into());
        assert_eq!(Creation::read(PoolKind::UniswapV3, &log), Some(Ok(creation)));
        assert_eq!(Creation::read(PoolKind::UniswapV2, &log), None);
    }

    #[test]
    fn what_is_no_address_is_not_cut_to_one() {
        let mut pair = (Address::repeat_byte(9), U256::from(1)).abi_encode();
        pair[0] = 1;
        let log = LogData::new_unchecked(vec![PAIR_CREATED, word(1), word(2)], pair.into());
        assert!(matches!(Creation::read(PoolKind::UniswapV2, &log), Some(Err(_))));
        let short = LogData::new_unchecked(vec![PAIR_CREATED, word(1), word(2)], Vec::new().into());
        assert!(matches!(Creation::read(PoolKind::UniswapV2, &short), Some(Err(_))));
        assert_eq!(Creation::read(PoolKind::UniswapV2, &LogData::default()), None);
    }
}
