//! Whatever the chain does, every state that a subscriber can see is the chain's state at that block, bit for bit, and in
//! the end it stands at the head.

use alphapulse_relay::Relay;
use proptest::collection::vec;
use proptest::prelude::*;

use super::fake_chain::{FakeChain, Faults};
use super::fake_market::{Change, Pair};
use super::subscriber::{Subscriber, following};

#[derive(Debug, Clone)]
enum Op {
    Mine { changes: Vec<Change>, is_announced: bool },
    Fork { depth: usize, blocks: Vec<Vec<Change>>, are_announced: bool },
    Rollback { depth: usize },
    AnnounceOld { back: usize },
    Jump { blocks: usize },
    Restart,
    Disconnect,
    Fault(Faults),
    Yield,
    Settle,
    Join,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (0..2_usize, 1..u64::MAX, 1..u64::MAX)
            .prop_map(|(pool, a, b)| Change::Sync { pool, reserves: (a.into(), b.into()) }),
        4 => (-900..900_i32).prop_map(|tick| Change::Swap { tick }),
        3 => (-12..12_i32, 1..12_i32, 1..u64::MAX)
            .prop_map(|(lower, width, amount)| Change::Mint { lower, width, amount }),
        3 => (0..8_usize, any::<bool>()).prop_map(|(position, is_whole)| Change::Burn { position, is_whole }),
        1 => (0..3_usize).prop_map(|pool| Change::Noise { pool }),
        2 => (pair(), 1..u64::MAX).prop_map(|(pair, a)| Change::Create { pair, reserves: (a.into(), 1) }),
        2 => (0..8_usize, 1..u64::MAX)
            .prop_map(|(index, a)| Change::SyncCreated { index, reserves: (a.into(), 2) }),
    ]
}

fn pair() -> impl Strategy<Value = Pair> {
    prop_oneof![Just(Pair::Known), Just(Pair::New), Just(Pair::New), Just(Pair::Spam), Just(Pair::Broken)]
}

fn block() -> impl Strategy<Value = Vec<Change>> {
    vec(change(), 0..6)
}

fn faults() -> impl Strategy<Value = Faults> {
    (0..3_u32, 0..2_u32, 0..2_u32, 0..2_u32, 0..2_u32, 0..2_u32, 1..4_usize).prop_map(
        |(refuse_logs, foreign_logs, refuse_connections, refuse_markets, refuse_pools, stale, back)| Faults {
            refuse_logs,
            foreign_logs,
            refuse_connections,
            refuse_markets,
            refuse_pools,
            stale_heads: (stale, back),
            ..Faults::default()
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (block(), prop::bool::weighted(0.8)).prop_map(|(changes, is_announced)| Op::Mine { changes, is_announced }),
        5 => (1..11_usize, vec(block(), 1..6), any::<bool>())
            .prop_map(|(depth, blocks, are_announced)| Op::Fork { depth, blocks, are_announced }),
        1 => (1..5_usize).prop_map(|depth| Op::Rollback { depth }),
        3 => (0..5_usize).prop_map(|back| Op::AnnounceOld { back }),
        1 => (2..20_usize).prop_map(|blocks| Op::Jump { blocks }),
        1 => Just(Op::Restart),
        2 => Just(Op::Disconnect),
        2 => faults().prop_map(Op::Fault),
        6 => Just(Op::Yield),
        3 => Just(Op::Settle),
        2 => Just(Op::Join),
    ]
}

fn mine(chain: &FakeChain, changes: &[Change], is_announced: bool) {
    let block = chain.mine(changes);
    if is_announced {
        chain.announce(block);
    }
}

async fn act(op: Op, chain: &FakeChain, relay: &Relay, subscribers: &mut Vec<Subscriber>) {
    match op {
        Op::Mine { changes, is_announced } => mine(chain, &changes, is_announced),
        Op::Fork { depth, blocks, are_announced } => {
            chain.rollback(depth);
            blocks.iter().for_each(|changes| mine(chain, changes, are_announced));
        }
        Op::Rollback { depth } => chain.rollback(depth),
        Op::AnnounceOld { back } => chain.announce(chain.below(back)),
        Op::Jump { blocks } => (0..blocks).for_each(|_| mine(chain, &[], false)),
        Op::Restart => chain.restart(),
        Op::Disconnect => chain.disconnect(),
        Op::Fault(faults) => chain.set_faults(faults),
        Op::Yield => {
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
        }
        Op::Settle => subscribers[0].settle(chain).await,
        Op::Join if subscribers.len() < 4 => subscribers.push(Subscriber::join(relay)),
        Op::Join => {}
    }
}

async fn check(ops: Vec<Op>) {
    let chain = FakeChain::new();
    let relay = Relay::start_from(following(), chain.clone()).await.unwrap();
    let mut subscribers = vec![Subscriber::join(&relay)];
    for op in ops {
        act(op, &chain, &relay, &mut subscribers).await;
        for subscriber in &mut subscribers {
            subscriber.drain(&chain).unwrap();
        }
    }
    mine(&chain, &[Change::Swap { tick: 1 }], true);
    for subscriber in &mut subscribers {
        subscriber.settle(&chain).await;
        assert!(subscriber.replica.is_tradable(), "at the head, and not tradable");
    }
    assert_eq!(relay.stats().contradictions, 0);
    assert_eq!(relay.stats().evicted, 0);
    relay.stop().await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn subscribers_hold_the_chains_state_whatever_the_chain_does(ops in vec(op(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(ops));
    }
}
