//! Random streams over pools of all kinds, with reorgs there and back, against a model that keeps a full copy of the
//! state of every block and puts states together by itself.

mod market;

use alphapulse_protocol::message::{
    Block, BlockEnd, Message, PoolKind, RatesUse, Reorg, SnapshotBegin, SnapshotEnd, Token,
};
use alphapulse_protocol::replica::{Change, PoolInfo, PoolState, Replica};
use alphapulse_protocol::{BlockNumber, PoolId, ReplicaError, TokenId};
use proptest::prelude::*;

use self::market::{Numbers, Raw, TOKENS, Touch, change, describe};
use crate::stream::{CHAIN, EPOCH, block_ref, context, joined, send};

/// A block: what was sent in it, and what stands after it.
#[derive(Clone)]
struct Node {
    name: u32,
    sent: Vec<Raw>,
    pools: Vec<(PoolInfo, PoolState)>,
}

/// The blocks of the present branch and a mirror that was told of every step.
struct Model {
    branch: Vec<Node>,
    names: u32,
    sequence: u64,
    replica: Replica,
}

/// What happens in a block: a pool changes, or one is described.
#[derive(Debug, Clone)]
enum Event {
    Change { pool: prop::sample::Index, touch: Touch, seed: u64 },
    Add { kind: PoolKind, seed: u64 },
}

#[derive(Debug, Clone)]
enum Step {
    Block(Vec<Event>),
    /// Blocks are left, and others come in their place.
    Reorg(usize),
    /// Blocks are left, and the same come again.
    ThereAndBack(usize),
}

impl Model {
    /// A block with no pools, and then one that describes a pool of each kind.
    fn new() -> Self {
        let root = Node { name: 1_000, sent: Vec::new(), pools: Vec::new() };
        let mut model = Self { branch: vec![root], names: 1_000, sequence: 41, replica: Replica::default() };
        let begin = SnapshotBegin::new(context(1, 1_000, 0), CHAIN, EPOCH, TOKENS, 0);
        send(&mut model.replica, 41, begin).expect("begins");
        for id in 0..TOKENS {
            send(&mut model.replica, 41, Token::new(TokenId(id), [7; 20], "T", 18)).expect("a token");
        }
        send(&mut model.replica, 41, SnapshotEnd::new(TOKENS)).expect("ends");
        let add = |(kind, seed)| Event::Add { kind, seed };
        model.mine(&PoolKind::ALL.into_iter().zip(0..).map(add).collect::<Vec<_>>());
        model
    }

    fn mine(&mut self, events: &[Event]) {
        self.names += 1;
        let mut node = self.branch.last().expect("never empty").clone();
        (node.name, node.sent) = (self.names, Vec::new());
        for event in events {
            let sent = match event {
                Event::Add { kind, seed } => {
                    let (info, sent) = describe(node.pools.len(), *kind, &mut Numbers(*seed));
                    node.pools.push((info, PoolState::empty(*kind)));
                    sent
                }
                Event::Change { pool, touch, seed } => {
                    let at = pool.index(node.pools.len());
                    let (info, state) = &mut node.pools[at];
                    let id = PoolId(u32::try_from(at).expect("few pools"));
                    change(id, info, state, *touch, &mut Numbers(*seed))
                }
            };
            node.sent.push(sent);
        }
        self.tell(node);
    }

    /// Sends a block on top, message by message.
    fn tell(&mut self, node: Node) {
        let parent = self.branch.last().expect("never empty").name;
        let number = self.branch.len() as u64 + 1;
        self.sequence += 1;
        let block = Block::new(context(number, node.name, parent), BlockNumber(number));
        assert_eq!(send(&mut self.replica, self.sequence, block), Ok(Change::BlockBegun));
        for message in &node.sent {
            self.sequence += 1;
            send_raw(&mut self.replica, self.sequence, message).expect("it fits the state");
        }
        self.sequence += 1;
        let end = BlockEnd::new(block_ref(number, node.name), u32::try_from(node.sent.len()).expect("few"));
        assert_eq!(send(&mut self.replica, self.sequence, end), Ok(Change::BlockEnded));
        self.branch.push(node);
        self.check();
    }

    /// Leaves up to `depth` blocks, never the first two, and returns them.
    fn leave(&mut self, depth: usize) -> Vec<Node> {
        let old = self.branch.len();
        let left = self.branch.split_off(old.saturating_sub(depth).max(2).min(old));
        let to = self.branch.len();
        let name = |node: Option<&Node>| node.expect("never empty").name;
        let ancestor = block_ref(to as u64, name(self.branch.last()));
        if let Some(reorg) = left.last().and_then(|head| Reorg::new(ancestor, block_ref(old as u64, head.name))) {
            self.sequence += 1;
            assert_eq!(send(&mut self.replica, self.sequence, reorg), Ok(Change::Reorged(ancestor)));
            self.check();
        }
        left
    }

    /// The mirror is the model, and so is one that joins by its description.
    fn check(&self) {
        let (infos, states): (Vec<_>, Vec<_>) = self.branch.last().expect("never empty").pools.iter().cloned().unzip();
        assert_eq!(self.replica.states(), states);
        assert_eq!(self.replica.pools(), infos);
        let fresh = joined(&self.replica, 64);
        assert!(fresh.is_same_state(&self.replica) && self.replica.is_same_state(&fresh));
        // What has come of a pool in part only is not passed on as its state.
        for ((state, info), id) in states.iter().zip(&infos).zip(0..) {
            let is_known = self.replica.is_known(PoolId(id));
            assert_eq!(fresh.state(PoolId(id)), is_known.then_some(state));
            assert!(is_known || fresh.states()[id as usize] == PoolState::Unknown(info.kind));
        }
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Block(events) => self.mine(events),
            Step::Reorg(depth) => drop(self.leave(*depth)),
            Step::ThereAndBack(depth) => {
                let left = self.leave(*depth);
                left.into_iter().for_each(|node| self.tell(node));
            }
        }
    }
}

/// Sends a message that is bytes, with this sequence.
fn send_raw(replica: &mut Replica, sequence: u64, message: &[u8]) -> Result<Change, ReplicaError> {
    let mut placed = message.to_vec();
    placed[8..16].copy_from_slice(&sequence.to_le_bytes());
    replica.apply(&Message::decode(&placed).expect("the model sends what can be read"))
}

fn any_event() -> impl Strategy<Value = Event> {
    let touch = prop_oneof![
        4 => Just(Touch::Main),
        2 => Just(Touch::Terms),
        1 => Just(Touch::Rates(RatesUse::Swap)),
        1 => Just(Touch::Rates(RatesUse::LastJoinExit)),
        2 => Just(Touch::Mint),
    ];
    let change = (any::<prop::sample::Index>(), touch, any::<u64>());
    let kind = prop::sample::select(PoolKind::ALL.to_vec());
    prop_oneof![
        9 => change.prop_map(|(pool, touch, seed)| Event::Change { pool, touch, seed }),
        1 => (kind, any::<u64>()).prop_map(|(kind, seed)| Event::Add { kind, seed }),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => prop::collection::vec(any_event(), 0..12).prop_map(Step::Block),
        1 => (1..6_usize).prop_map(Step::Reorg),
        2 => (1..6_usize).prop_map(Step::ThereAndBack),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_mirror_of_all_kinds_is_the_model_after_every_block_and_reorg(steps in prop::collection::vec(any_step(), 1..25)) {
        let mut model = Model::new();
        steps.iter().for_each(|step| model.run(step));
    }
}
