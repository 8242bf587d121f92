//! Behaviour of pool maths, market and search: maths against the contracts' own bytecode and published vectors, search
//! against enumeration.
//!
//! Bytecode and vectors are read from `../shared/data` beside the workspace (or `ALPHAPULSE_DATA`), bytecode also
//! from the npm packages of `testkit/`; a test whose data is absent says so on standard error and passes.

mod chain;
mod conformance;
mod contracts;
mod cow_auction;
mod crypto_contracts;
mod crypto_properties;
mod crypto_two_coins;
mod crypto_vectors;
mod data;
mod incremental_search;
mod known_arbitrage;
mod kyber_vectors;
mod ladder;
mod later_kinds;
mod market;
mod onchain_goldens;
mod pool_properties;
mod sizing;
mod sketch;
mod tycho_recordings;
mod uniswap_v2_pair;
mod uniswap_v2_vectors;
mod uniswap_v3_quoter;
mod uniswap_v3_swaps;
mod uniswap_v3_vectors;
mod v3_chain;
mod v3_quote_rows;
mod v3_state;
