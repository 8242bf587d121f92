//! What happens to the pools, as the logs of their contracts.

use alloy::primitives::aliases::{I24, U112, U160};
use alloy::primitives::{Address, I256, Log, LogData, U256};
use alloy::sol_types::SolEvent;

use crate::world::{Event, Update};

pub(crate) mod abi {
    alloy::sol! {
        event Sync(uint112 reserve0, uint112 reserve1);
        event Swap(
            address indexed sender, address indexed recipient,
            int256 amount0, int256 amount1, uint160 sqrtPriceX96, uint128 liquidity, int24 tick
        );
        event Mint(
            address sender, address indexed owner, int24 indexed tickLower, int24 indexed tickUpper,
            uint128 amount, uint256 amount0, uint256 amount1
        );
        event Burn(
            address indexed owner, int24 indexed tickLower, int24 indexed tickUpper,
            uint128 amount, uint256 amount0, uint256 amount1
        );
    }
}

pub(crate) fn address(pool: usize) -> Address {
    let mut bytes = [0x99; 20];
    bytes[16..].copy_from_slice(&u32::try_from(pool).expect("few").to_be_bytes());
    Address::from(bytes)
}

fn int24(tick: i32) -> I24 {
    I24::try_from(tick).expect("24 bits")
}

pub(crate) fn log(update: &Update) -> Log {
    let data: LogData = match update.event {
        Event::Sync { reserves: [reserve_0, reserve_1] } => {
            abi::Sync { reserve0: U112::from(reserve_0), reserve1: U112::from(reserve_1) }.encode_log_data()
        }
        Event::Swap { sqrt_price_x96, tick, liquidity } => abi::Swap {
            sender: address(0),
            recipient: address(1),
            amount0: I256::ONE,
            amount1: I256::MINUS_ONE,
            sqrtPriceX96: U160::from(sqrt_price_x96),
            liquidity,
            tick: int24(tick),
        }
        .encode_log_data(),
        Event::Liquidity { lower, upper, delta } => {
            let (owner, amount, one) = (address(0), delta.unsigned_abs(), U256::ONE);
            let mint = abi::Mint {
                sender: owner,
                owner,
                tickLower: int24(lower),
                tickUpper: int24(upper),
                amount,
                amount0: one,
                amount1: one,
            };
            let abi::Mint { tickLower: lower, tickUpper: upper, .. } = mint;
            let burn = abi::Burn { owner, tickLower: lower, tickUpper: upper, amount, amount0: one, amount1: one };
            if delta > 0 { mint.encode_log_data() } else { burn.encode_log_data() }
        }
    };
    Log { address: address(update.pool), data }
}
