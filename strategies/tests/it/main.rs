//! Behaviour of pool maths, market and search: maths against the contracts' own bytecode and published vectors, search
//! against enumeration.
//!
//! Bytecode and vectors are read from `../shared/data` beside the workspace (or `ALPHAPULSE_DATA`), bytecode also
//! from the npm packages of `testkit/`; a test whose data is absent says so on standard error and passes. Random tests
//! print their seed, which `ALPHAPULSE_SEED` sets; `ALPHAPULSE_CASES=50` runs those that compare with bytecode
//! fifty times as long.

mod balancer_chain;
mod balancer_contracts;
mod balancer_properties;
mod balancer_vectors;
mod bounded_search;
mod certificate;
mod chain;
mod conformance;
mod contracts;
mod cow_auction;
mod crypto_contracts;
mod crypto_properties;
mod crypto_two_coins;
mod crypto_vectors;
mod curved_sizing;
mod data;
mod file_goldens;
mod incremental_search;
mod joint;
mod joint_peer;
mod known_arbitrage;
mod kyber_vectors;
mod ladder;
mod later_kinds;
mod market;
mod mev_inspect;
mod no_floats;
mod onchain_goldens;
mod pancake_v3_swaps;
mod pool_conformance;
mod pool_properties;
mod reorgs;
mod sizing;
mod sketch;
mod solidly_properties;
mod solidly_vectors;
mod split_and_joint;
mod stable_swap_goldens;
mod stable_swap_kyber;
mod stable_swap_properties;
mod stable_swap_state;
mod step_table;
mod swap_messages;
mod tycho_recordings;
mod uniswap_v2_pair;
mod uniswap_v2_vectors;
mod uniswap_v3_quoter;
mod uniswap_v3_swaps;
mod uniswap_v3_vectors;
mod uniswap_v4_properties;
mod uniswap_v4_swaps;
mod uniswap_v4_vectors;
mod universe;
mod v3_chain;
mod v3_quote_rows;
mod v3_state;
mod v4_chain;
mod vectors;
