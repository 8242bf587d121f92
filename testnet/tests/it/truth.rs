//! A pool whose storage changes without a log, on a real node: the relay finds it, shuts it alone, tells it anew, and lets it back.

use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider;
use alphapulse_engine::config::{self, RawConfig};
use alphapulse_engine::execution::calldata::{Venue, VenueKind};
use alphapulse_protocol::message::{Message, PoolKind, PoolTrust};
use alphapulse_protocol::replica::PoolState;
use alphapulse_protocol::{ChainId, FeePpm, PoolId, VenueId};
use alphapulse_relay::{Feed, PoolSpec, Relay, RelayConfig, VenueSpec};
use alphapulse_strategies::{Admission, Market, QuoteError, Refusal};
use alphapulse_testnet::Layout;

use crate::chain::Chain;

/// Far above what any step takes, so that only a hang meets it.
const DEADLINE: Duration = Duration::from_secs(120);
/// Where a pair keeps both reserves and a timestamp, and a concentrated pool its active liquidity.
const RESERVES_SLOT: u64 = 8;
const LIQUIDITY_SLOT: u64 = 4;

fn relay_config(chain: &Chain) -> RelayConfig {
    let deployment = &chain.deployment;
    let venue = |(id, venue): (u16, &Venue)| {
        let (kind, fee) = match venue.kind {
            VenueKind::V2 { fee_ppm } => (PoolKind::UniswapV2, fee_ppm),
            VenueKind::V3 => (PoolKind::UniswapV3, 0),
        };
        let (factory, init_code_hash) = (venue.factory, venue.init_code_hash);
        VenueSpec { id: VenueId(id), name: format!("venue {id}"), kind, factory, init_code_hash, fee: FeePpm(fee) }
    };
    let pools = deployment.pools.iter();
    let example = config::from_toml(RawConfig::example()).expect("the example is valid").relay_config(None);
    RelayConfig {
        chain_id: ChainId(31337),
        endpoint: chain.node.ws_url().parse().expect("an endpoint"),
        venues: (0..).zip(&deployment.venues).map(venue).collect(),
        factories: Vec::new(),
        pools: pools
            .map(|pool| PoolSpec { address: pool.address, venue: VenueId(pool.venue), known_ticks: None })
            .collect(),
        silence: Duration::from_millis(500),
        sample_pools: 5,
        ..example
    }
}

/// A trader's market, fed by the relay.
struct Trader {
    feed: Feed,
    market: Market,
    said: Vec<(PoolId, PoolTrust)>,
}

impl Trader {
    fn join(relay: &Relay) -> Self {
        let market = Market::new(Admission::allow_all(), 64);
        Self { feed: relay.subscribe().expect("the relay has room"), market, said: Vec::new() }
    }

    /// Takes what is there. At every step all pools but `sick` may be traded on, and `sick` is never what the chain does not say.
    fn drain(&mut self, sick: PoolId) {
        while let Some(frame) = self.feed.try_next().expect("the feed lives") {
            let message = Message::decode(frame.message_bytes()).expect("the relay speaks the protocol");
            if let Message::PoolStanding(standing) = message {
                self.said.push((PoolId(standing.pool.get()), standing.trust().expect("a known standing")));
            }
            self.market.apply(&message).expect("the stream is whole");
            if self.market.replica().is_whole() {
                self.check_others(sick);
            }
        }
    }

    fn check_others(&self, sick: PoolId) {
        let pools = self.market.replica().pools();
        for (info, id) in pools.iter().zip((0..).map(PoolId)).filter(|(_, id)| *id != sick) {
            let tokens = (info.tokens[0], info.tokens[1]);
            assert!(self.market.is_admitted(id), "{info:?}: {:?}", self.market.refused());
            self.market.quote_exact_in(id, tokens, U256::from(1_000_000)).expect("a quote");
        }
    }

    /// Mines blocks until it is so.
    async fn until(&mut self, chain: &Chain, sick: PoolId, what: &str, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        loop {
            chain.node.mine().await.expect("mines");
            let pause = Instant::now() + Duration::from_millis(100);
            while Instant::now() < pause {
                self.drain(sick);
                if is_so(self) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            assert!(start.elapsed() < DEADLINE, "{what} did not happen: {:?}", self.said);
        }
    }
}

async fn storage(chain: &Chain, account: Address, slot: u64) -> U256 {
    chain.node.provider().get_storage_at(account, U256::from(slot)).await.expect("answers")
}

async fn overwrite(chain: &Chain, account: Address, slot: u64, value: U256) {
    chain.node.set_storage_at(account, U256::from(slot), B256::from(value)).await.expect("the node obeys");
}

fn is_shut_alone(trader: &Trader, sick: PoolId) -> bool {
    let info = &trader.market.replica().pools()[sick.index()];
    let quote = trader.market.quote_exact_in(sick, (info.tokens[0], info.tokens[1]), U256::from(1_000_000));
    let is_shut = trader.market.refused() == [(sick, Refusal::Quarantined)];
    assert_eq!(is_shut, quote == Err(QuoteError::Quarantined));
    is_shut
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reserves_that_change_without_a_log_are_found_and_the_pair_alone_is_shut_until_it_is_right() {
    let chain = Chain::start(&Layout::standard()).await;
    let relay = Relay::start(relay_config(&chain)).await.expect("the relay starts");
    let mut trader = Trader::join(&relay);
    let sick = PoolId(0);
    trader.until(&chain, sick, "the first samples", |_| relay.stats().truth_equal >= 18).await;
    assert_eq!((relay.stats().truth_diverged, trader.said.len()), (0, 0), "{:?}", relay.stats());

    let pair = chain.deployment.pools[0].address;
    let mask: U256 = (U256::ONE << 112) - U256::ONE;
    let word = storage(&chain, pair, RESERVES_SLOT).await;
    let reserves = [word & mask, (word >> 112) & mask];
    let changed = (word & !mask) | (reserves[0] - reserves[0] / U256::from(3));
    overwrite(&chain, pair, RESERVES_SLOT, changed).await;

    trader.until(&chain, sick, "the quarantine", |trader| !trader.said.is_empty()).await;
    assert_eq!(trader.said.first(), Some(&(sick, PoolTrust::Quarantined)));
    if trader.said.len() < 3 {
        assert!(is_shut_alone(&trader, sick));
        let mut late = Trader::join(&relay);
        late.until(&chain, sick, "a state", |late| late.market.replica().is_whole()).await;
        if late.said == [(sick, PoolTrust::Quarantined)] {
            assert!(is_shut_alone(&late, sick), "who joins late learns it before it may trade");
        }
    }
    let way = [PoolTrust::Quarantined, PoolTrust::Restated, PoolTrust::Trusted].map(|trust| (sick, trust));
    trader.until(&chain, sick, "the way back", |trader| trader.said.len() >= 3).await;
    assert_eq!(trader.said, way);
    assert!(trader.market.refused().is_empty() && trader.market.is_admitted(sick));
    // As the chain has it, and as it quotes.
    let word = storage(&chain, pair, RESERVES_SLOT).await;
    let Some(PoolState::V2(state)) = trader.market.replica().state(sick) else { panic!("a pair that is known") };
    assert_eq!([state.reserve_0, state.reserve_1].map(U256::from), [word & mask, (word >> 112) & mask]);
    let stats = relay.stats();
    assert_eq!((stats.truth_diverged, stats.truth_readmitted, stats.pools_quarantined_now), (1, 1, 0), "{stats:?}");
    assert_eq!((stats.resnapshots, stats.contradictions, stats.cautions), (0, 0, 0), "{stats:?}");
    relay.stop().await.expect("ends in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn liquidity_that_changes_without_a_log_is_found_and_told_anew_with_all_ticks() {
    let chain = Chain::start(&Layout::standard()).await;
    let relay = Relay::start(relay_config(&chain)).await.expect("the relay starts");
    let mut trader = Trader::join(&relay);
    let sick = PoolId(2);
    trader.until(&chain, sick, "a state", |trader| trader.market.replica().is_whole()).await;
    let Some(PoolState::V3(before)) = trader.market.replica().state(sick).cloned() else { panic!("a pool of ticks") };
    let pool = chain.deployment.pools[2].address;
    let liquidity = storage(&chain, pool, LIQUIDITY_SLOT).await;
    assert_eq!(liquidity, U256::from(before.liquidity));
    overwrite(&chain, pool, LIQUIDITY_SLOT, liquidity + U256::ONE).await;
    trader.until(&chain, sick, "the way back", |trader| trader.said.last() == Some(&(sick, PoolTrust::Trusted))).await;
    assert!(trader.said.iter().all(|(pool, _)| *pool == sick), "{:?}", trader.said);
    let Some(PoolState::V3(after)) = trader.market.replica().state(sick) else { panic!("a pool of ticks") };
    assert_eq!((after.liquidity, &after.ticks), (before.liquidity + 1, &before.ticks));
    relay.stop().await.expect("ends in order");
}
