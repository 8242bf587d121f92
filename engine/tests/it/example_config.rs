//! The example configuration against what its addresses mean on chain.

use std::path::Path;

use alloy::primitives::{Address, U256, keccak256};
use alloy::sol_types::SolValue;
use alphapulse_engine::config::{self, Environment, NodeConfig};
use alphapulse_protocol::message::PoolKind;

/// Fee tier of the example's one V3 pool, which its address proves.
const V3_FEE: u32 = 500;

fn example() -> NodeConfig {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/example.toml");
    config::load(&path, &Environment::default()).unwrap()
}

#[test]
fn every_pool_of_the_example_is_the_one_that_its_venue_s_factory_deploys() {
    let config = example();
    let mut tokens: Vec<Address> = config.tokens.iter().map(|token| token.address).collect();
    tokens.sort();
    let [token_0, token_1] = tokens[..] else { panic!("two tokens") };
    for pool in &config.pools {
        let venue = &config.venues[usize::from(pool.venue.0)];
        let salt = match venue.kind {
            PoolKind::UniswapV2 => keccak256((token_0, token_1).abi_encode_packed()),
            _ => keccak256((token_0, token_1, U256::from(V3_FEE)).abi_encode()),
        };
        assert_eq!(pool.address, venue.factory.create2(salt, venue.init_code_hash), "{}", venue.name);
    }
}

#[test]
fn the_example_does_not_trade_live() {
    assert_eq!(example().execution.mode, config::Mode::Paper);
}
