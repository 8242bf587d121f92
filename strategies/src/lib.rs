//! Strategies of AlphaPulse: market events in, opportunities out.
//!
//! Guarantees: every amount reported is an integer that the pool contracts themselves would compute from the same state;
//! the same events give the same reports in every process; nothing is reported from a state that is not whole or not the
//! newest known; after a reorg everything is as if the abandoned blocks had never been.
//!
//! Refusals: no I/O, no clock, no async, no randomness. Floats rank and filter, they decide no amount. Profit is before
//! gas: what gas costs, and whether a trade may be made, is not decided here.
//!
//! ```
//! use alphapulse_protocol::message::{Block, BlockContext, BlockEnd, SnapshotBegin, SnapshotEnd};
//! use alphapulse_strategies::{Admission, Market, OpportunitySink, Settings, StrategyConfig, StrategyKind, registry};
//!
//! let config = StrategyConfig {
//!     name: "spatial".to_owned(),
//!     kind: StrategyKind::TWO_VENUE,
//!     tokens: vec![[0xee; 20]],
//!     hops_max: 2,
//!     profit_min: alphapulse_protocol::U256::from(1),
//!     per_block_max: 8,
//!     settings: Settings::new(),
//! };
//! let mut strategy = registry::build(&config, 0)?;
//! let mut market = Market::new(Admission::allow_all(), 64);
//! let mut found = OpportunitySink::new(8);
//!
//! # let context = BlockContext { number: 1.into(), hash: [1; 32], parent_hash: [0; 32], timestamp: 1.into(),
//! #     base_fee: 1.into(), gas_used: 0.into(), gas_limit: 30_000_000.into() };
//! # let messages = two_pools_that_disagree(context);
//! # use alphapulse_protocol::message::{Message, Pool, Token, V2Reserves, WireMessage};
//! # use alphapulse_protocol::{ChainId, Epoch, FeePpm, PoolId, TokenId, VenueId};
//! # fn bytes<T: WireMessage>(message: T) -> Vec<u8> where for<'a> Message<'a>: From<&'a T> {
//! #     Message::from(&message).as_bytes().to_vec()
//! # }
//! # fn two_pools_that_disagree(context: BlockContext) -> Vec<Vec<u8>> {
//! #     let tokens = [TokenId(0), TokenId(1)];
//! #     vec![
//! #         bytes(SnapshotBegin::new(context, ChainId(1), Epoch(1), 2, 2)),
//! #         bytes(Token::new(TokenId(0), [0xee; 20], "WETH", 18)),
//! #         bytes(Token::new(TokenId(1), [0xdd; 20], "DAI", 18)),
//! #         bytes(Pool::uniswap_v2(PoolId(0), VenueId(0), [1; 20], tokens, FeePpm(3000))),
//! #         bytes(V2Reserves::new(PoolId(0), 1_000_000, 2_000_000)),
//! #         bytes(Pool::uniswap_v2(PoolId(1), VenueId(1), [2; 20], tokens, FeePpm(3000))),
//! #         bytes(V2Reserves::new(PoolId(1), 1_000_000, 2_100_000)),
//! #         bytes(SnapshotEnd::new(6)),
//! #     ]
//! # }
//! // `messages` came from a relay: a snapshot of two pools that disagree on the price.
//! for bytes in &messages {
//!     let event = market.apply(&Message::decode(bytes)?)?;
//!     strategy.on_event(&market, &event, &mut found);
//! }
//! let best = &found.as_slice()[0];
//! assert_eq!(best.hops().len(), 2);
//! let hop = &best.hops()[0];
//! assert_eq!(market.quote_exact_in(hop.pool, (hop.token_in, hop.token_out), hop.amount_in)?, hop.amount_out);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod pool;

pub mod admission;
pub mod market;
pub mod snapshot;

pub mod joint;
pub mod opportunity;
pub mod route;
pub mod search;
mod sizing;

pub mod cyclic;
mod plan_settings;
pub mod registry;
pub mod split;
pub mod strategy;
pub mod two_venue;

pub mod conformance;

pub use crate::admission::{Admission, Refusal};
pub use crate::market::{After, Market, MarketEvent, PoolView};
pub use crate::opportunity::{Flaw, HOPS_MAX, Hop, Opportunity, OpportunityRecord, OpportunitySink, SWAPS_MAX};
pub use crate::pool::QuoteError;
pub use crate::registry::{Registry, StrategyKind, build};
pub use crate::strategy::{Settings, Strategy, StrategyConfig, StrategyError};
