//! Gives every message its place in the stream, and holds the state that the stream describes.

use alphapulse_protocol::frame::{self, FrameBuf};
use alphapulse_protocol::message::{
    Block, BlockContext, BlockEnd, Heartbeat, Message, PoolStanding, PoolTrust, Reorg, SnapshotBegin, SnapshotEnd,
    Token, WireMessage,
};
use alphapulse_protocol::replica::{PoolInfo, PoolState, Quarantine, Replica, describe_pool};
use alphapulse_protocol::{
    BlockNumber, BlockRef, ChainId, Epoch, PoolId, Position, ReplicaError, Sequence, TokenId, UnixNanos,
};
use bytes::Bytes;

use crate::discovery::News;
use crate::source::{MarketImage, Update};
use crate::truth::{Restated, Verdict};

/// Order and state of one stream. Every message is applied here before anyone else sees it.
#[derive(Debug)]
pub(crate) struct Sequencer {
    chain_id: ChainId,
    epoch: Epoch,
    sequence: Sequence,
    event_ns: UnixNanos,
    replica: Replica,
}

impl Sequencer {
    pub(crate) fn new(chain_id: ChainId, reorg_depth_max: usize) -> Self {
        Self {
            chain_id,
            epoch: Epoch(0),
            sequence: Sequence(0),
            event_ns: UnixNanos(0),
            replica: Replica::new(reorg_depth_max),
        }
    }

    pub(crate) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The last message of the stream.
    pub(crate) const fn position(&self) -> Position {
        Position { epoch: self.epoch, sequence: self.sequence }
    }

    /// Whether the state is that of a whole block: after an error it is not, until the next snapshot.
    pub(crate) fn is_whole(&self) -> bool {
        self.replica.is_whole()
    }

    /// The state that the stream describes.
    pub(crate) const fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Block whose state this is.
    pub(crate) fn head(&self) -> Option<BlockRef> {
        self.replica.context().filter(|_| self.is_whole()).map(BlockContext::block)
    }

    /// Begins a new stream from a market, with these pools in quarantine.
    pub(crate) fn reset(
        &mut self,
        image: &MarketImage,
        quarantined: &[Quarantine],
        epoch: Epoch,
    ) -> Result<(), ReplicaError> {
        (self.epoch, self.sequence) = (epoch, Sequence(0));
        self.event_ns = event_ns(&image.context);
        let count = |length: usize| u32::try_from(length).map_err(|_| ReplicaError::Incomplete("market"));
        let (tokens, pools) = (count(image.tokens.len())?, count(image.pools.len())?);
        self.load(SnapshotBegin::new(image.context, self.chain_id, epoch, tokens, pools))?;
        for (token, id) in image.tokens.iter().zip(0..) {
            self.load(Token::new(TokenId(id), token.address, &token.symbol, token.decimals))?;
        }
        let (mut messages, place) = (tokens, (self.sequence, self.event_ns));
        for ((info, state), id) in image.pools.iter().zip(0..) {
            describe_pool(PoolId(id), info, state, place, |message| {
                messages = messages.checked_add(1).ok_or(ReplicaError::Incomplete("market"))?;
                Message::decode(message.as_bytes()).map_err(ReplicaError::Domain)?;
                self.replica.apply(&message).map(|_| ())
            })?;
            for found in quarantined.iter().filter(|found| found.pool.0 == id) {
                messages = messages.checked_add(1).ok_or(ReplicaError::Incomplete("market"))?;
                self.load(found.message())?;
            }
        }
        self.load(SnapshotEnd::new(messages))
    }

    fn load<T: WireMessage>(&mut self, message: T) -> Result<(), ReplicaError>
    where
        for<'a> Message<'a>: From<&'a T>,
    {
        message.check().map_err(ReplicaError::Domain)?;
        self.replica.apply(&Message::from(&message.stamped(self.sequence, self.event_ns))).map(|_| ())
    }

    /// Sequences a block into `out`. On an error `out` must not be sent, and the state is void.
    pub(crate) fn block(
        &mut self,
        context: BlockContext,
        head_number: BlockNumber,
        news: &News,
        restated: &[Restated],
        updates: &[Update],
        out: &mut Vec<FrameBuf>,
    ) -> Result<(), ReplicaError> {
        self.event_ns = event_ns(&context);
        self.put(Block::new(context, head_number), out)?;
        let before = out.len();
        for (id, token) in &news.tokens {
            self.put(Token::new(*id, token.address, &token.symbol, token.decimals), out)?;
        }
        for (id, info, state) in &news.pools {
            self.put_pool(*id, info, state, true, out)?;
        }
        for one in restated {
            self.put_restated(one, out)?;
        }
        for update in updates {
            self.put_update(update, out)?;
        }
        let count = u32::try_from(out.len() - before).map_err(|_| ReplicaError::Incomplete("block"))?;
        self.put(BlockEnd::new(context.block(), count), out)
    }

    fn put_update(&mut self, update: &Update, out: &mut Vec<FrameBuf>) -> Result<(), ReplicaError> {
        match update {
            Update::V2Reserves(message) => self.put(*message, out),
            Update::V3Swap(message) => self.put(*message, out),
            Update::V3Liquidity(message) => self.put(*message, out),
        }
    }

    /// Tells a pool anew: as it was read, and what happened to it since.
    fn put_restated(&mut self, restated: &Restated, out: &mut Vec<FrameBuf>) -> Result<(), ReplicaError> {
        let Restated { pool, parts, at, state, trail } = restated;
        let info = *self.replica.pools().get(pool.index()).ok_or(ReplicaError::UnknownPool(*pool))?;
        self.put(PoolStanding::new(*pool, PoolTrust::Restated, *parts, *at), out)?;
        self.put_pool(*pool, &info, state, false, out)?;
        trail.iter().try_for_each(|update| self.put_update(update, out))
    }

    /// Sequences what is thought of a pool into `out`. On an error `out` must not be sent, and the state is void.
    pub(crate) fn stand(&mut self, verdict: &Verdict, out: &mut Vec<FrameBuf>) -> Result<(), ReplicaError> {
        let Verdict { pool, trust, parts, block } = *verdict;
        self.put(PoolStanding::new(pool, trust, parts, block), out)
    }

    /// Tells a pool's state in the messages of a snapshot, each with a place of its own in the stream; described before, where it is
    /// new.
    fn put_pool(
        &mut self,
        id: PoolId,
        info: &PoolInfo,
        state: &PoolState,
        is_new: bool,
        out: &mut Vec<FrameBuf>,
    ) -> Result<(), ReplicaError> {
        let place = (self.sequence, self.event_ns);
        describe_pool(id, info, state, place, |message| match message {
            Message::Pool(_) | Message::MultiTokenPool(_) | Message::V4Pool(_) if !is_new => Ok(()),
            Message::Pool(message) => self.put(*message, out),
            Message::V2Reserves(message) => self.put(*message, out),
            Message::V3Swap(message) => self.put(*message, out),
            Message::V3Tick(message) => self.put(*message, out),
            Message::Skip(message) => self.put(*message, out),
            // Kinds that a source does not read yet.
            other => Err(ReplicaError::OutOfPlace(other.name())),
        })
    }

    /// Sequences a reorg into `out`. On an error `out` must not be sent, and the state is void.
    pub(crate) fn reorg(
        &mut self,
        ancestor: BlockRef,
        old_head: BlockRef,
        out: &mut Vec<FrameBuf>,
    ) -> Result<(), ReplicaError> {
        let reorg = Reorg::new(ancestor, old_head).ok_or(ReplicaError::OutOfPlace("Reorg"))?;
        self.put(reorg, out)
    }

    fn put<T: WireMessage>(&mut self, message: T, out: &mut Vec<FrameBuf>) -> Result<(), ReplicaError>
    where
        for<'a> Message<'a>: From<&'a T>,
    {
        message.check().map_err(ReplicaError::Domain)?;
        self.sequence = Sequence(self.sequence.0 + 1);
        let message = message.stamped(self.sequence, self.event_ns);
        self.replica.apply(&Message::from(&message))?;
        out.push(FrameBuf::new(&message).expect("market messages fit a live frame"));
        Ok(())
    }

    /// A sign of life, `None` while the state is void.
    pub(crate) fn heartbeat(&self, now: UnixNanos) -> Option<FrameBuf> {
        FrameBuf::new(&Heartbeat::new(self.head()?).stamped(self.sequence, now))
    }

    /// The whole state as frames, `None` while it is void.
    pub(crate) fn snapshot(&self) -> Option<Bytes> {
        let mut frames = Vec::new();
        let is_whole =
            self.replica.describe(self.event_ns, |message| frame::write_bytes(&mut frames, message.as_bytes()));
        is_whole.then(|| frames.into())
    }
}

/// A block's timestamp as the time of its events.
fn event_ns(context: &BlockContext) -> UnixNanos {
    UnixNanos(context.timestamp.get().saturating_mul(1_000_000_000))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;
    use alphapulse_protocol::DecodeError;
    use alphapulse_protocol::message::{PoolKind, TICK_MAX, TICK_MIN};
    use alphapulse_protocol::replica::{TickLiquidity, TokenInfo, V3State};
    use alphapulse_protocol::values::PoolDetails;
    use alphapulse_protocol::{FeePpm, U256, VenueId};

    fn v3(tick: i32, ticks: Vec<TickLiquidity>) -> (PoolInfo, PoolState) {
        let info = PoolInfo {
            kind: PoolKind::UniswapV3,
            venue: VenueId(0),
            address: [9; 20],
            tokens: [TokenId(0), TokenId(1)].into(),
            fee: FeePpm(3_000),
            tick_spacing: 60,
            known_ticks: (TICK_MIN, TICK_MAX),
            details: PoolDetails::None,
        };
        (info, PoolState::V3(V3State { sqrt_price_x96: U256::ONE << 96, tick, liquidity: 0, ticks }))
    }

    fn context(number: u64) -> BlockContext {
        BlockContext {
            number: number.into(),
            hash: [u8::try_from(number).unwrap(); 32],
            parent_hash: [u8::try_from(number - 1).unwrap(); 32],
            timestamp: number.into(),
            base_fee: 7.into(),
            gas_used: 1.into(),
            gas_limit: 2.into(),
        }
    }

    fn image(pools: Vec<(PoolInfo, PoolState)>) -> MarketImage {
        let token = |byte| TokenInfo { address: [byte; 20], symbol: "T".into(), decimals: 18 };
        MarketImage { context: context(1), tokens: vec![token(1), token(2)], pools }
    }

    /// Values that a node may give and no reader of ours takes.
    fn absurd() -> [(PoolInfo, PoolState); 2] {
        [v3(TICK_MAX + 1, Vec::new()), v3(0, vec![TickLiquidity { tick: 60, liquidity_net: 0, liquidity_gross: 0 }])]
    }

    #[test]
    fn a_market_that_its_own_readers_would_refuse_is_not_sequenced() {
        for pool in absurd() {
            let mut sequencer = Sequencer::new(ChainId(1), 8);
            let refused = sequencer.reset(&image(vec![pool]), &[], Epoch(1));
            assert!(matches!(refused, Err(ReplicaError::Domain(DecodeError::Field { .. }))), "{refused:?}");
            assert!(!sequencer.is_whole());
        }
        let mut sequencer = Sequencer::new(ChainId(1), 8);
        sequencer.reset(&image(vec![v3(0, Vec::new())]), &[], Epoch(1)).unwrap();
    }

    #[test]
    fn nor_is_a_new_pool_of_that_kind() {
        for (info, state) in absurd() {
            let mut sequencer = Sequencer::new(ChainId(1), 8);
            sequencer.reset(&image(Vec::new()), &[], Epoch(1)).unwrap();
            let news = News { pools: vec![(PoolId(0), info, state)], ..News::default() };
            let refused = sequencer.block(context(2), BlockNumber(2), &news, &[], &[], &mut Vec::new());
            assert!(matches!(refused, Err(ReplicaError::Domain(DecodeError::Field { .. }))), "{refused:?}");
        }
    }

    #[test]
    fn a_new_pool_of_which_nothing_is_known_is_told_as_that() {
        let mut sequencer = Sequencer::new(ChainId(1), 8);
        sequencer.reset(&image(Vec::new()), &[], Epoch(1)).unwrap();
        let (info, _) = v3(0, Vec::new());
        let news = News { pools: vec![(PoolId(0), info, PoolState::Unknown(info.kind))], ..News::default() };
        sequencer.block(context(2), BlockNumber(2), &news, &[], &[], &mut Vec::new()).unwrap();
        assert_eq!(sequencer.replica().pools().len(), 1);
        assert!(!sequencer.replica().is_known(PoolId(0)));
    }
}
