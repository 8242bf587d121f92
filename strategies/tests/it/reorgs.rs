//! A thousand reorgs over pools of every kind: what a market holds, and what it derived, is bit for bit that of one which
//! never saw the blocks that were taken back. The one that did holds tables of steps, now and then built anew; the other none.

use std::fs;
use std::path::Path;

use alphapulse_protocol::message::{Block, BlockContext, BlockEnd, Message, Reorg};
use alphapulse_protocol::{BlockNumber, HashBytes, PoolId, U256};
use alphapulse_strategies::market::HotLine;
use alphapulse_strategies::snapshot::Snapshot;
use alphapulse_strategies::{Admission, Market, MarketEvent};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::data;
use crate::sketch::bytes;
use crate::swap_messages::{random_other, random_swap, random_way};

/// Reorgs of a run; each is checked.
const REORGS: usize = 1_000;
/// Deepest that a market takes back.
const DEPTH_MAX: usize = 64;

/// A block with what was sent in it, not yet placed in a stream.
#[derive(Clone)]
struct Node {
    context: BlockContext,
    sent: Vec<Vec<u8>>,
}

/// A chain of blocks, and a market that was told of every step.
struct Chain {
    founding: Vec<Vec<u8>>,
    branch: Vec<Node>,
    names: u64,
    sequence: u64,
    /// Blocks that can be taken back: a reorg uses them up, a block adds one.
    kept: usize,
    market: Market,
}

fn market() -> Market {
    Market::new(Admission::allow_all(), DEPTH_MAX)
}

fn apply(market: &mut Market, message: &[u8]) -> MarketEvent {
    market.apply(&Message::decode(message).expect("a whole message")).expect("it fits the state")
}

/// The message at its place in a stream.
fn placed(message: &[u8], sequence: u64) -> Vec<u8> {
    let mut placed = message.to_vec();
    placed[8..16].copy_from_slice(&sequence.to_le_bytes());
    placed
}

impl Chain {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/kinds.json");
        let file = Snapshot::from_bytes(&fs::read(path).expect("the example")).expect("a sound file");
        assert_eq!(file.warnings(), [""; 0]);
        let (mut founding, mut market) = (Vec::new(), market());
        file.describe(|message| {
            founding.push(message.as_bytes().to_vec());
            market.apply(&message).map(drop)
        })
        .expect("its pools fit each other");
        let context = *market.replica().context().expect("a state");
        Self { founding, branch: vec![Node { context, sent: Vec::new() }], names: 0, sequence: 0, kept: 0, market }
    }

    fn put(&mut self, message: &[u8]) -> MarketEvent {
        self.sequence += 1;
        apply(&mut self.market, &placed(message, self.sequence))
    }

    fn head(&self) -> &Node {
        self.branch.last().expect("the founding block stays")
    }

    /// A new block of random swaps and changes.
    fn mine(&mut self, rng: &mut StdRng) {
        self.names += 1;
        let mut hash: HashBytes = [0xb1; 32];
        hash[24..].copy_from_slice(&self.names.to_be_bytes());
        let parent = self.head().context;
        let context = BlockContext {
            number: (parent.number.get() + 1).into(),
            hash,
            parent_hash: parent.hash,
            timestamp: (parent.timestamp.get() + 12).into(),
            ..parent
        };
        self.put(&bytes(Block::new(context, BlockNumber(context.number.get()))));
        let mut sent = Vec::new();
        for _ in 0..rng.random_range(0..6) {
            let id = PoolId(rng.random_range(0..u32::try_from(self.market.replica().pools().len()).expect("few")));
            let message = match rng.random_range(0..4) {
                0 => random_other(&self.market, id, rng),
                _ => random_swap(&self.market, id, rng),
            };
            if let Some(message) = message {
                assert_eq!(self.put(&message), MarketEvent::PoolChanged(id));
                sent.push(message);
            }
        }
        self.finish(Node { context, sent });
    }

    fn finish(&mut self, node: Node) {
        let count = u32::try_from(node.sent.len()).expect("a small block");
        let end = BlockEnd::new(node.context.block(), count);
        assert_eq!(self.put(&bytes(end)), MarketEvent::BlockEnded);
        self.branch.push(node);
        self.kept = (self.kept + 1).min(DEPTH_MAX);
    }

    /// Takes back blocks and returns them, the lowest first.
    fn leave(&mut self, depth: usize) -> Vec<Node> {
        let old = self.head().context.block();
        let left = self.branch.split_off(self.branch.len() - depth);
        let reorg = Reorg::new(self.head().context.block(), old).expect("the ancestor is below the head");
        assert_eq!(self.put(&bytes(reorg)), MarketEvent::Reorged);
        self.kept -= depth;
        left
    }

    /// Blocks that were there before come back.
    fn restore(&mut self, nodes: Vec<Node>) {
        for node in nodes {
            self.put(&bytes(Block::new(node.context, BlockNumber(node.context.number.get()))));
            for message in &node.sent {
                self.put(message);
            }
            self.finish(node);
        }
    }

    /// A market that is told of the present branch alone.
    fn fresh(&self) -> Market {
        let mut fresh = market();
        for message in &self.founding {
            apply(&mut fresh, message);
        }
        let mut sequence = 0;
        let mut put = |message: &[u8]| {
            sequence += 1;
            apply(&mut fresh, &placed(message, sequence));
        };
        for node in &self.branch[1..] {
            put(&bytes(Block::new(node.context, BlockNumber(node.context.number.get()))));
            node.sent.iter().for_each(|message| put(message));
            put(&bytes(BlockEnd::new(node.context.block(), u32::try_from(node.sent.len()).expect("a small block"))));
        }
        fresh
    }

    /// State, standing, rates to the last bit, and quotes with whatever is kept for them.
    fn check(&self, rng: &mut StdRng) {
        let (ours, fresh) = (&self.market, self.fresh());
        assert_eq!(ours.replica().context(), fresh.replica().context());
        assert_eq!(ours.replica().states(), fresh.replica().states());
        assert_eq!(ours.replica().pools(), fresh.replica().pools());
        assert_eq!(ours.refused(), fresh.refused());
        assert_eq!(ours.all_lines().len(), fresh.all_lines().len());
        for (info, id) in ours.replica().pools().iter().zip((0..).map(PoolId)) {
            assert_eq!(ours.is_admitted(id), fresh.is_admitted(id));
            let lines = |market: &Market| {
                let bits = |line: &HotLine| {
                    let tokens = (line.token_in, line.token_out, line.pool, line.way);
                    let marks = (line.is_admitted(), line.kind());
                    (line.g.to_bits(), line.h.to_bits(), tokens, marks)
                };
                market.lines(id).iter().map(bits).collect::<Vec<_>>()
            };
            assert_eq!(lines(ours), lines(&fresh), "{:?}", info.kind);
            assert!(!ours.is_stale(id));
            let (way, amount) = (random_way(info, rng), U256::from(rng.random::<u64>()));
            let at = ours.timestamp();
            let quote = |market: &Market| market.pool(id)?.quote_exact_in(way, amount, at);
            assert_eq!(quote(ours), quote(&fresh), "{:?}", info.kind);
            let paid = |market: &Market| market.pool(id)?.quote_exact_out(way, amount, at);
            assert_eq!(paid(ours), paid(&fresh), "{:?}", info.kind);
            let given = |market: &Market| market.pool(id)?.hop_output(way, amount, at);
            assert_eq!(given(ours), given(&fresh), "{:?}", info.kind);
            let swap = |market: &Market| market.pool(id)?.swap_exact_in(way, amount, at);
            assert_eq!(swap(ours), swap(&fresh), "{:?}", info.kind);
        }
    }
}

#[test]
fn after_a_thousand_reorgs_the_market_is_that_of_a_fresh_replay() {
    let mut rng = StdRng::seed_from_u64(data::seed("reorgs", 41));
    let mut chain = Chain::new();
    // As many as there are pools with ticks, told to a market that has its pools already.
    chain.market = chain.market.with_step_tables(2);
    let (mut depths, mut back_and_forth, mut nested, mut built) = ([0_usize; DEPTH_MAX + 1], 0, 0, 0);
    (0..DEPTH_MAX + 6).for_each(|_| chain.mine(&mut rng));
    let mut left: Vec<Node> = Vec::new();
    for _ in 0..REORGS * data::cases_factor() {
        let room = chain.kept;
        let depth = if rng.random_bool(0.5) { rng.random_range(1..=room.min(4)) } else { rng.random_range(1..=room) };
        left = chain.leave(depth);
        depths[depth] += 1;
        chain.check(&mut rng);
        if rng.random_bool(0.3) {
            built += chain.market.build_tables();
        }
        // Another branch, the old one again, or one more reorg before anything comes.
        match rng.random_range(0..3) {
            0 => {
                chain.restore(std::mem::take(&mut left));
                back_and_forth += 1;
            }
            1 => (0..=depth).for_each(|_| chain.mine(&mut rng)),
            _ => nested += 1,
        }
        if chain.kept == 0 || rng.random_bool(0.02) {
            (0..DEPTH_MAX).for_each(|_| chain.mine(&mut rng));
        }
        chain.check(&mut rng);
    }
    drop(left);
    let reached = depths.iter().rposition(|count| *count > 0).unwrap_or(0);
    data::report(&format!(
        "reorgs: {REORGS} of depth 1 to {reached}, {back_and_forth} back and forth, {nested} right before the next"
    ));
    assert_eq!(reached, DEPTH_MAX, "some went as deep as a market takes back");
    assert_eq!(chain.market.step_tables().0, 2, "one of each kind with ticks");
    assert!(built > REORGS / 100, "tables were built {built} times");
}
