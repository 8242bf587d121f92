//! A random market as a relay would describe it: consistent states, real swaps, reorgs, blocks to catch up.

mod pools;

use alphapulse_protocol::message::{
    Block, BlockContext, BlockEnd, Heartbeat, Message, Reorg, SnapshotBegin, SnapshotEnd, Token, WireMessage,
};
use alphapulse_protocol::replica::{REORG_DEPTH_MAX, Replica};
use alphapulse_protocol::{
    AddressBytes, BlockNumber, BlockRef, ChainId, Epoch, HashBytes, PoolId, Sequence, TokenId, UnixNanos,
};

use super::random::Random;

/// One message as it would travel.
pub type MessageBytes = Vec<u8>;

const TOKENS: u32 = 5;
const POOLS: u32 = 14;
/// Room for pools that join later.
const POOLS_MAX: u32 = 24;
/// How far apart tokens are valued, in price ticks: 1.0001^8000 is about 2.2.
const VALUE_SPREAD: i32 = 8_000;

/// Contract of the market's token number `token`.
#[must_use]
pub fn token_address(token: u32) -> AddressBytes {
    address(1, token)
}

/// Contract of the market's pool number `pool`.
#[must_use]
pub fn pool_address(pool: u32) -> AddressBytes {
    address(2, pool)
}

fn address(kind: u8, number: u32) -> AddressBytes {
    let mut bytes = [kind; 20];
    bytes[16..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// A random market from a seed: its snapshot, then block after block.
#[derive(Debug)]
pub struct MarketStream {
    random: Random,
    /// What a consumer that missed nothing holds.
    truth: Replica,
    /// Value of each token in price ticks.
    values: Vec<i32>,
    /// Messages made but not handed out.
    out: Vec<MessageBytes>,
    /// Blocks since the last snapshot, which can be taken back but for the first.
    branch: Vec<BlockRef>,
    blocks_made: u64,
    /// The founding snapshot, the only one that is written message by message, is whole.
    is_founded: bool,
}

impl MarketStream {
    /// A market of five tokens and pools of every kind between them.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut stream = Self {
            random: Random::new(seed),
            truth: Replica::new(REORG_DEPTH_MAX),
            values: Vec::new(),
            out: Vec::new(),
            branch: Vec::new(),
            blocks_made: 0,
            is_founded: false,
        };
        stream.found();
        stream
    }

    /// The market as a consumer that joins now would be told.
    #[must_use]
    pub fn snapshot(&self) -> Vec<MessageBytes> {
        let mut messages = Vec::new();
        let is_whole = self.truth.describe(UnixNanos(0), |message| messages.push(message.as_bytes().to_vec()));
        assert!(is_whole, "a stream rests between blocks only");
        messages
    }

    /// What a consumer that missed nothing holds.
    #[must_use]
    pub const fn truth(&self) -> &Replica {
        &self.truth
    }

    /// What happens next: a block, a heartbeat, a reorg with the blocks that caused it, or a snapshot of a new epoch.
    pub fn step(&mut self) -> Vec<MessageBytes> {
        match self.random.below(40) {
            0 => self.refound(),
            1..=3 => self.reorg(),
            4..=6 => self.beat(),
            7..=10 => self.block(true),
            _ => self.block(false),
        }
        std::mem::take(&mut self.out)
    }

    /// Takes back up to four blocks and writes as many others and one more.
    pub fn reorg_step(&mut self) -> Vec<MessageBytes> {
        self.reorg();
        std::mem::take(&mut self.out)
    }

    /// A block at the head that changes some pools.
    pub fn block_step(&mut self) -> Vec<MessageBytes> {
        self.block(false);
        std::mem::take(&mut self.out)
    }

    fn found(&mut self) {
        let context = self.next_context(None);
        self.begin_snapshot(context, 1, TOKENS, POOLS);
        for token in 0..TOKENS {
            self.values.push(self.random.between(-VALUE_SPREAD, VALUE_SPREAD));
            self.put(Token::new(TokenId(token), token_address(token), "T", 18));
        }
        for pool in 0..POOLS {
            self.add_pool(PoolId(pool));
        }
        let inside = u32::try_from(self.out.len() - 1).expect("a small market");
        self.put(SnapshotEnd::new(inside));
        self.is_founded = true;
        self.branch.push(self.head());
        self.out.clear();
    }

    /// The same market under a new epoch, as after a relay's restart.
    fn refound(&mut self) {
        let epoch = Epoch(self.truth.epoch().0 + 1);
        let mut messages = Vec::new();
        self.truth.describe(UnixNanos(0), |message| match message {
            Message::SnapshotBegin(begin) => {
                let mut begin = *begin;
                begin.epoch.set(epoch.0);
                messages.push(Message::from(&begin).as_bytes().to_vec());
            }
            other => messages.push(other.as_bytes().to_vec()),
        });
        for message in &messages {
            self.apply(message);
        }
        self.out.extend(messages);
        self.branch.clear();
        self.branch.push(self.head());
    }

    fn begin_snapshot(&mut self, context: BlockContext, epoch: u64, tokens: u32, pools: u32) {
        self.put_at(SnapshotBegin::new(context, ChainId(31_337), Epoch(epoch), tokens, pools), Sequence(0));
    }

    fn beat(&mut self) {
        self.put_at(Heartbeat::new(self.head()), self.truth.sequence());
    }

    fn reorg(&mut self) {
        let head = self.head();
        let depth = 1 + self.random.index(4);
        let Some(kept) = self.branch.len().checked_sub(depth).filter(|kept| *kept > 0) else {
            return self.block(false);
        };
        self.branch.truncate(kept);
        let reorg = Reorg::new(self.branch[kept - 1], head).expect("the ancestor is below the head");
        self.put(reorg);
        // The new branch is longer, or nobody would have left the old one.
        for left in (0..=depth).rev() {
            self.block(left > 0);
        }
    }

    fn block(&mut self, is_behind: bool) {
        let context = self.next_context(self.truth.context().copied());
        let head = BlockNumber(context.number.get() + u64::from(is_behind));
        self.put(Block::new(context, head));
        let start = self.out.len();
        for _ in 0..self.random.below(4) {
            self.change_a_pool();
        }
        let pool_count = u32::try_from(self.truth.pools().len()).expect("a small market");
        if pool_count < POOLS_MAX && self.random.one_in(20) {
            self.add_pool(PoolId(pool_count));
        }
        let inside = u32::try_from(self.out.len() - start).expect("a small block");
        self.put(BlockEnd::new(context.block(), inside));
        self.branch.push(context.block());
    }

    fn next_context(&mut self, parent: Option<BlockContext>) -> BlockContext {
        self.blocks_made += 1;
        let mut hash: HashBytes = [0xb1; 32];
        hash[24..].copy_from_slice(&self.blocks_made.to_be_bytes());
        let (number, parent_hash) = parent.map_or((1_000, [0; 32]), |parent| (parent.number.get() + 1, parent.hash));
        BlockContext {
            number: number.into(),
            hash,
            parent_hash,
            timestamp: (number * 12).into(),
            base_fee: 1_000_000_000.into(),
            gas_used: 0.into(),
            gas_limit: 30_000_000.into(),
        }
    }

    fn head(&self) -> BlockRef {
        self.truth.context().map_or_else(BlockRef::default, BlockContext::block)
    }

    /// Writes a message as the next of the stream.
    fn put<T: WireMessage>(&mut self, message: T)
    where
        for<'a> Message<'a>: From<&'a T>,
    {
        let sequence = Sequence(self.truth.sequence().0 + u64::from(self.is_founded));
        self.put_at(message, sequence);
    }

    fn put_at<T: WireMessage>(&mut self, message: T, sequence: Sequence)
    where
        for<'a> Message<'a>: From<&'a T>,
    {
        let message = message.stamped(sequence, UnixNanos(0));
        let bytes = Message::from(&message).as_bytes().to_vec();
        self.apply(&bytes);
        self.out.push(bytes);
    }

    fn apply(&mut self, bytes: &[u8]) {
        let message = Message::decode(bytes).expect("the stream writes whole messages");
        self.truth.apply(&message).expect("the stream follows its own rules");
    }
}
