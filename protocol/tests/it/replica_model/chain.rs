//! The model's chain: every block that ever was, with a full copy of its state, and a mirror that is told of the way.

use alphapulse_protocol::message::{
    self, Block, BlockEnd, PoolKind, Reorg, SnapshotBegin, SnapshotEnd, Token, V2Reserves, V3Liquidity, V3Swap, V3Tick,
    WireMessage,
};
use alphapulse_protocol::replica::{Change, PoolInfo, Replica, TokenInfo};
use alphapulse_protocol::values::PoolDetails;
use alphapulse_protocol::{BlockNumber, FeePpm, PoolId, ReplicaError, TokenId, VenueId};

use super::market::{self, Event, Holdings, Pool, Update};
use crate::stream::{CHAIN, EPOCH, block_ref, context, joined, send};

/// A block and the state after it. Its name is its place in the list of all blocks.
struct Node {
    parent: usize,
    number: u64,
    events: Vec<Event>,
    /// State of each pool as each event left it: what the message of the event says.
    after: Vec<Vec<Pool>>,
    pools: Vec<Pool>,
}

/// The chain, and a mirror that follows it.
pub(super) struct Chain {
    nodes: Vec<Node>,
    here: usize,
    /// Seeds of token addresses by id: tokens stay known when their block is left.
    tokens: Vec<u8>,
    limit: usize,
    replica: Replica,
    sequence: u64,
    /// Blocks that the mirror was told since it joined and can take back.
    kept: usize,
    head_number: u64,
    /// Reorgs that went deeper than the mirror could.
    pub(super) too_deep: usize,
}

fn token_address(seed: u8) -> [u8; 20] {
    [seed; 20]
}

fn pool_id(at: usize) -> PoolId {
    PoolId(u32::try_from(at).expect("few pools"))
}

impl Chain {
    /// One block with a pool of each kind, joined by a mirror that takes back `limit` blocks.
    pub(super) fn new(limit: usize) -> Self {
        let pool = |kind, address| Pool {
            kind,
            address,
            tokens: [0, 1],
            fee_ppm: 3_000,
            known_ticks: (-887_272, 887_272),
            holdings: Holdings::default(),
        };
        let pools = vec![pool(PoolKind::UniswapV2, 0), pool(PoolKind::UniswapV3, 1)];
        let root = Node { parent: 0, number: 1_000, events: Vec::new(), after: Vec::new(), pools };
        let mut chain = Self {
            nodes: vec![root],
            here: 0,
            tokens: vec![1, 0],
            limit,
            replica: Replica::new(limit),
            sequence: 41,
            kept: 0,
            head_number: 1_000,
            too_deep: 0,
        };
        chain.rejoin();
        chain.check();
        chain
    }

    pub(super) fn block_count(&self) -> usize {
        self.nodes.len()
    }

    pub(super) const fn here(&self) -> usize {
        self.here
    }

    pub(super) const fn kept(&self) -> usize {
        self.kept
    }

    fn node(&self) -> &Node {
        &self.nodes[self.here]
    }

    fn name(&self, node: usize) -> u32 {
        u32::try_from(node).expect("few blocks")
    }

    /// A new block on top.
    pub(super) fn mine(&mut self, updates: &[Update], lag: u8) {
        let mut pools = self.node().pools.clone();
        let (mut events, mut after) = (Vec::new(), Vec::new());
        for update in updates {
            if let Some(event) = market::make(&mut pools, update) {
                events.push(event);
                after.push(pools.clone());
            }
        }
        let number = self.node().number + 1;
        self.nodes.push(Node { parent: self.here, number, events, after, pools });
        self.tell(self.nodes.len() - 1, lag);
    }

    /// Leaves up to `depth` blocks, as many as there are.
    pub(super) fn leave(&mut self, depth: u64) {
        let depth = depth.min(self.node().number - self.nodes[0].number);
        let mut ancestor = self.here;
        (0..depth).for_each(|_| ancestor = self.nodes[ancestor].parent);
        self.rewind(ancestor);
    }

    /// Goes to any block that ever was: back to where the ways part, and on from there.
    pub(super) fn return_to(&mut self, target: usize) {
        let mut way = vec![target];
        let mut trunk = self.here;
        loop {
            let up = *way.last().expect("never empty");
            match self.nodes[up].number.cmp(&self.nodes[trunk].number) {
                core::cmp::Ordering::Equal if up == trunk => break,
                core::cmp::Ordering::Less => trunk = self.nodes[trunk].parent,
                _ => way.push(self.nodes[up].parent),
            }
        }
        self.rewind(trunk);
        for node in way.into_iter().rev().skip(1) {
            self.tell(node, 0);
            self.check();
        }
    }

    fn rewind(&mut self, ancestor: usize) {
        let (from, to) = (self.node().number, self.nodes[ancestor].number);
        let (old_head, ancestor_ref) = (block_ref(from, self.name(self.here)), block_ref(to, self.name(ancestor)));
        let Some(reorg) = Reorg::new(ancestor_ref, old_head) else { return };
        let depth = from - to;
        let answer = self.next(reorg);
        self.here = ancestor;
        match usize::try_from(depth).expect("few blocks") {
            depth if depth <= self.kept => {
                assert_eq!(answer, Ok(Change::Reorged(ancestor_ref)));
                self.kept -= depth;
                self.check();
            }
            _ => {
                assert_eq!(answer, Err(ReplicaError::TooDeep { depth, kept: self.kept }));
                assert!(!self.replica.is_whole());
                self.too_deep += 1;
                self.rejoin();
            }
        }
    }

    /// Tells the mirror of a block on top of where it is.
    fn tell(&mut self, node: usize, lag: u8) {
        let (number, name, parent) = (self.nodes[node].number, self.name(node), self.name(self.nodes[node].parent));
        self.head_number = number + u64::from(lag);
        let block = Block::new(context(number, name, parent), BlockNumber(self.head_number));
        assert_eq!(self.next(block), Ok(Change::BlockBegun));
        let mut count = 0;
        let events = self.nodes[node].events.iter().cloned().zip(self.nodes[node].after.clone()).collect::<Vec<_>>();
        for (event, pools) in events {
            count += self.tell_event(&event, &pools);
            assert!(!self.replica.is_whole() && !self.replica.is_tradable());
        }
        assert_eq!(self.next(BlockEnd::new(block_ref(number, name), count)), Ok(Change::BlockEnded));
        self.here = node;
        self.kept = (self.kept + 1).min(self.limit);
    }

    /// Sends the messages of an event, and says how many they were.
    fn tell_event(&mut self, event: &Event, pools: &[Pool]) -> u32 {
        let before = self.sequence;
        let change = match event {
            Event::Reserves { pool, reserves } => {
                (*pool, self.next(V2Reserves::new(pool_id(*pool), reserves.0, reserves.1)))
            }
            Event::Slot { pool } => (*pool, self.next(slot(*pool, &pools[*pool].holdings))),
            Event::Liquidity { pool, range, delta } => {
                (*pool, self.next(V3Liquidity::new(pool_id(*pool), range.0, range.1, *delta)))
            }
            Event::Added { pool } => {
                for seed in pools[*pool].tokens {
                    if !self.tokens.contains(&seed) {
                        let token = token(self.tokens.len(), seed);
                        self.tokens.push(seed);
                        assert_eq!(self.next(token), Ok(Change::None));
                    }
                }
                let sequence = &mut self.sequence;
                let replica = &mut self.replica;
                let tokens = &self.tokens;
                (*pool, describe_pool(tokens, *pool, &pools[*pool], |message| message.send(replica, sequence)))
            }
        };
        assert_eq!(change.1, Ok(Change::Pool(pool_id(change.0))));
        u32::try_from(self.sequence - before).expect("few messages")
    }

    /// A live message.
    fn next<T: WireMessage>(&mut self, message: T) -> Result<Change, ReplicaError> {
        self.sequence += 1;
        send(&mut self.replica, self.sequence, message)
    }

    /// A new mirror, from a snapshot that the model writes by itself.
    pub(super) fn rejoin(&mut self) {
        let node = &self.nodes[self.here];
        let mut replica = Replica::new(self.limit);
        let sequence = self.sequence;
        let count = |length: usize| u32::try_from(length).expect("few");
        let context = context(node.number, self.name(self.here), self.name(node.parent));
        let begin = SnapshotBegin::new(context, CHAIN, EPOCH, count(self.tokens.len()), count(node.pools.len()));
        send(&mut replica, sequence, begin.seen_from(BlockNumber(self.head_number))).expect("begins");
        let mut messages = 0;
        for (at, seed) in self.tokens.iter().enumerate() {
            send(&mut replica, sequence, token(at, *seed)).expect("a token");
            messages += 1;
        }
        for (at, pool) in node.pools.iter().enumerate() {
            describe_pool(&self.tokens, at, pool, |message| {
                messages += 1;
                message.send_at(&mut replica, sequence)
            })
            .expect("a pool");
        }
        assert_eq!(send(&mut replica, sequence, SnapshotEnd::new(messages)), Ok(Change::SnapshotReady));
        (self.replica, self.kept) = (replica, 0);
    }

    /// The mirror holds what the model holds, and describes it so that another one does too.
    pub(super) fn check(&self) {
        let (node, replica) = (self.node(), &self.replica);
        assert!(replica.is_whole());
        assert_eq!(replica.is_tradable(), node.number >= self.head_number);
        let here = context(node.number, self.name(self.here), self.name(node.parent));
        assert_eq!(replica.context(), Some(&here));
        assert_eq!((replica.chain_id(), replica.epoch(), replica.sequence().0), (CHAIN, EPOCH, self.sequence));
        assert_eq!(replica.states(), node.pools.iter().map(Pool::expected).collect::<Vec<_>>());
        assert_eq!(replica.pools(), node.pools.iter().map(|pool| self.expected_info(pool)).collect::<Vec<_>>());
        assert_eq!(replica.tokens(), self.tokens.iter().map(|seed| expected_token(*seed)).collect::<Vec<_>>());
        let fresh = joined(replica, self.limit);
        assert!(fresh.is_same_state(replica) && replica.is_same_state(&fresh));
        assert_eq!((fresh.sequence(), fresh.is_tradable()), (replica.sequence(), replica.is_tradable()));
    }

    fn expected_info(&self, pool: &Pool) -> PoolInfo {
        let is_v3 = pool.kind == PoolKind::UniswapV3;
        PoolInfo {
            kind: pool.kind,
            venue: VenueId(u16::from(pool.address)),
            address: [pool.address; 20],
            tokens: token_ids(&self.tokens, pool).into(),
            fee: FeePpm(pool.fee_ppm),
            tick_spacing: if is_v3 { 60 } else { 0 },
            known_ticks: if is_v3 { pool.known_ticks } else { (0, 0) },
            details: PoolDetails::None,
        }
    }
}

fn expected_token(seed: u8) -> TokenInfo {
    TokenInfo { address: token_address(seed), symbol: format!("T{seed}"), decimals: seed }
}

fn token(id: usize, seed: u8) -> Token {
    Token::new(TokenId(u32::try_from(id).expect("few")), token_address(seed), &format!("T{seed}"), seed)
}

fn token_ids(tokens: &[u8], pool: &Pool) -> [TokenId; 2] {
    pool.tokens.map(|seed| {
        let id = tokens.iter().position(|known| *known == seed).expect("described before");
        TokenId(u32::try_from(id).expect("few"))
    })
}

fn slot(at: usize, holdings: &Holdings) -> V3Swap {
    V3Swap::new(pool_id(at), holdings.price, holdings.tick, holdings.active())
}

/// A message that describes a pool.
enum Described {
    Pool(message::Pool),
    Reserves(V2Reserves),
    Slot(V3Swap),
    Tick(V3Tick),
}

impl Described {
    fn send_at(self, replica: &mut Replica, sequence: u64) -> Result<Change, ReplicaError> {
        match self {
            Self::Pool(m) => send(replica, sequence, m),
            Self::Reserves(m) => send(replica, sequence, m),
            Self::Slot(m) => send(replica, sequence, m),
            Self::Tick(m) => send(replica, sequence, m),
        }
    }

    fn send(self, replica: &mut Replica, sequence: &mut u64) -> Result<Change, ReplicaError> {
        *sequence += 1;
        self.send_at(replica, *sequence)
    }
}

/// Description and state of a pool; the answer to the last message.
fn describe_pool(
    tokens: &[u8],
    at: usize,
    pool: &Pool,
    mut put: impl FnMut(Described) -> Result<Change, ReplicaError>,
) -> Result<Change, ReplicaError> {
    let id = pool_id(at);
    let v2 = message::Pool::uniswap_v2(
        id,
        VenueId(u16::from(pool.address)),
        [pool.address; 20],
        token_ids(tokens, pool),
        FeePpm(pool.fee_ppm),
    );
    if pool.kind == PoolKind::UniswapV2 {
        assert_eq!(put(Described::Pool(v2)), Ok(Change::PoolAdded(id)));
        return put(Described::Reserves(V2Reserves::new(id, pool.holdings.reserves.0, pool.holdings.reserves.1)));
    }
    assert_eq!(put(Described::Pool(v2.with_ticks(60, pool.known_ticks))), Ok(Change::PoolAdded(id)));
    let mut answer = put(Described::Slot(slot(at, &pool.holdings)));
    for tick in pool.holdings.ticks(pool.known_ticks) {
        answer = put(Described::Tick(V3Tick::new(id, tick.tick, tick.liquidity_net, tick.liquidity_gross)));
    }
    answer
}
