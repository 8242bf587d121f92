//! Random streams against a model that shares nothing with the mirror: it keeps a full copy of the state of every block,
//! and liquidity as the positions that providers hold, from which it derives ticks anew each time.

mod chain;
mod market;

use alphapulse_protocol::replica::REORG_DEPTH_MAX;
use proptest::prelude::*;

use self::chain::Chain;
use self::market::{Update, any_updates};

/// What happens next on the chain.
#[derive(Debug, Clone)]
enum Step {
    /// A block; `lag` tells how many more the relay already knows of.
    Block { updates: Vec<Update>, lag: u8 },
    /// Blocks are left, one after the other or many at once.
    Reorg { depth: u64 },
    /// The chain goes over to a block that was on it at some time, with all between.
    Return { to: prop::sample::Index },
    /// The reader joins anew, from the model's own snapshot.
    Rejoin,
}

fn any_step() -> impl Strategy<Value = Step> {
    let lag = prop_oneof![4 => Just(0_u8), 1 => 1..5_u8];
    prop_oneof![
        8 => (any_updates(0..5), lag).prop_map(|(updates, lag)| Step::Block { updates, lag }),
        2 => (1..4_u64).prop_map(|depth| Step::Reorg { depth }),
        1 => (1..=64_u64).prop_map(|depth| Step::Reorg { depth }),
        2 => any::<prop::sample::Index>().prop_map(|to| Step::Return { to }),
        1 => Just(Step::Rejoin),
    ]
}

fn run(chain: &mut Chain, step: &Step) {
    match step {
        Step::Block { updates, lag } => chain.mine(updates, *lag),
        Step::Reorg { depth } => chain.leave(*depth),
        Step::Return { to } => chain.return_to(to.index(chain.block_count())),
        Step::Rejoin => chain.rejoin(),
    }
    chain.check();
}

proptest! {
    #[test]
    fn the_mirror_is_the_model_after_every_block_and_reorg(
        limit in prop::sample::select(vec![0, 1, 2, 5, REORG_DEPTH_MAX]),
        steps in prop::collection::vec(any_step(), 1..80),
    ) {
        let mut chain = Chain::new(limit);
        steps.iter().for_each(|step| run(&mut chain, step));
    }

    #[test]
    fn reorgs_of_every_depth_to_the_limit_go_back_and_forth(
        blocks in prop::collection::vec(any_updates(0..3), 64..80),
        depths in prop::collection::vec((1..=64_u64, any_updates(1..4)), 1..6),
    ) {
        let mut chain = Chain::new(REORG_DEPTH_MAX);
        blocks.iter().for_each(|updates| chain.mine(updates, 0));
        for (depth, updates) in &depths {
            let left = chain.here();
            chain.leave(*depth);
            chain.check();
            chain.mine(updates, 0);
            chain.check();
            chain.return_to(left);
            chain.check();
        }
        prop_assert_eq!(chain.too_deep, 0, "one deeper than 64 is never asked for");
    }
}

#[test]
fn a_reorg_of_exactly_sixty_four_blocks_is_taken_back_and_one_more_is_not() {
    let mut chain = Chain::new(REORG_DEPTH_MAX);
    (0..70_u128).for_each(|at| chain.mine(&[Update::reserves(1_000 + at, 2_000)], 0));
    chain.leave(64);
    chain.check();
    assert_eq!((chain.too_deep, chain.kept()), (0, 0));
    (0..64_u128).for_each(|at| chain.mine(&[Update::reserves(7, 9_000 + at)], 0));
    chain.leave(65);
    chain.check();
    assert_eq!(chain.too_deep, 1);
}
