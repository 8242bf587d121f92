//! A journal's records as events of the chain.

use alphapulse_protocol::message::{BlockContext, Message, PoolTrust, StateParts};
use alphapulse_protocol::replica::{Change, PoolInfo, PoolState, Replica};
use alphapulse_protocol::{BlockNumber, PoolId, ReplicaError, TokenId};

use crate::discovery::News;
use crate::error::JournalError;
use crate::follower::ChainEvent;
use crate::journal::{JournalReader, Place};
use crate::source::{MarketImage, Update};
use crate::truth::{Restated, Verdict};

use super::Recording;

/// What a journal's records say happened to the chain.
#[derive(Debug)]
pub(crate) struct Events {
    reader: JournalReader,
    /// Where the last record starts that was read and counted before: the journal may still be written.
    last: Place,
    /// State of the records read; says which of them belong to a stream.
    replica: Replica,
    reorg_depth_max: usize,
    block: Option<Recorded>,
}

/// A block of which the end is still to come.
#[derive(Debug)]
struct Recorded {
    context: BlockContext,
    head_number: BlockNumber,
    /// Tokens and pools that were known before it.
    tokens: usize,
    pools: usize,
    /// Pools that are told anew.
    restated: Vec<Restated>,
    /// Whether the last of them is still being told, and whether more than its ticks may come.
    telling: Telling,
    updates: Vec<Update>,
}

/// How far a pool is told anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Telling {
    Nothing,
    Begun,
    /// All but ticks came.
    Ticks,
}

impl Recorded {
    /// Whether the message is a part of what a pool is told to be anew, and not a change of it.
    fn takes_anew(&mut self, message: &Message<'_>) -> bool {
        let is_its = self.restated.last().is_some_and(|one| message.state_of() == Some(one.pool));
        match (self.telling, message) {
            (Telling::Begun, Message::V2Reserves(_) | Message::V3Swap(_)) if is_its => {
                self.telling = Telling::Ticks;
                true
            }
            (telling, Message::V3Tick(_)) if is_its => telling == Telling::Ticks,
            _ => false,
        }
    }

    /// Keeps what the pool is told to be, now that all of it came.
    fn end_telling(&mut self, replica: &Replica) {
        if core::mem::replace(&mut self.telling, Telling::Nothing) != Telling::Nothing
            && let Some(one) = self.restated.last_mut()
            && let Some(info) = replica.pools().get(one.pool.index())
        {
            one.state = state(replica, info, one.pool);
        }
    }

    /// Keeps a change where it came: behind its pool's retelling, while none of another pool lies between.
    fn take_change(&mut self, update: Update) {
        match self.restated.last_mut() {
            Some(one) if self.updates.is_empty() && one.pool == update.pool() => one.trail.push(update),
            _ => self.updates.push(update),
        }
    }

    /// What the block added, as it is after it.
    fn news(&self, replica: &Replica) -> News {
        let tokens = replica.tokens().iter().zip(0..).skip(self.tokens);
        let pools = replica.pools().iter().zip(0..).skip(self.pools);
        News {
            tokens: tokens.map(|(token, id)| (TokenId(id), token.clone())).collect(),
            pools: pools.map(|(info, id)| (PoolId(id), *info, state(replica, info, PoolId(id)))).collect(),
        }
    }
}

/// A pool's state, believed or not. What the recording left out is not known to whoever it is played to either.
fn state(replica: &Replica, info: &PoolInfo, id: PoolId) -> PoolState {
    replica.told_state(id).cloned().unwrap_or(PoolState::Unknown(info.kind))
}

impl Events {
    pub(crate) fn open(recording: &Recording, reorg_depth_max: usize) -> Result<Self, JournalError> {
        let (reader, replica) = (JournalReader::open_feed(recording.dir())?, Replica::new(reorg_depth_max));
        Ok(Self { reader, last: recording.last(), replica, reorg_depth_max, block: None })
    }

    /// The next event, `None` at the end. A block that was not recorded to its end is none.
    pub(crate) fn next(&mut self) -> Result<Option<ChainEvent>, JournalError> {
        let Self { reader, last, replica, reorg_depth_max, block } = self;
        while let Some((place, bytes)) = reader.next_placed()? {
            if place > *last {
                break;
            }
            let had_state = replica.position().is_some();
            let event = match Message::decode(bytes) {
                Ok(message) => take(&message, replica, block),
                // A record of a version that this build does not know; if it changed the market, the next message tells.
                Err(_) => Ok(None),
            };
            match event {
                Ok(None) => {}
                Ok(event) => return Ok(event),
                Err(error) => {
                    *replica = Replica::new(*reorg_depth_max);
                    *block = None;
                    if had_state {
                        tracing::warn!(%error, "the recorded stream breaks off; going on with the next snapshot");
                    }
                }
            }
        }
        Ok(None)
    }
}

/// Takes one message; an error says that it does not continue the stream, or that a relay does not send it.
fn take(
    message: &Message<'_>,
    replica: &mut Replica,
    block: &mut Option<Recorded>,
) -> Result<Option<ChainEvent>, ReplicaError> {
    let is_told_anew = block.as_mut().is_some_and(|block| {
        let is_part = block.takes_anew(message);
        if !is_part {
            block.end_telling(replica);
        }
        is_part
    });
    let change = replica.apply(message)?;
    match message {
        Message::SnapshotBegin(_) => *block = None,
        Message::SnapshotEnd(_) if change == Change::SnapshotReady => {
            let quarantined = replica.quarantined().to_vec();
            return Ok(image(replica).map(|image| ChainEvent::Snapshot(Box::new(image), quarantined)));
        }
        Message::Block(begin) => {
            *block = Some(Recorded {
                context: begin.context,
                head_number: BlockNumber(begin.head_number.get()),
                tokens: replica.tokens().len(),
                pools: replica.pools().len(),
                restated: Vec::new(),
                telling: Telling::Nothing,
                updates: Vec::new(),
            });
        }
        Message::BlockEnd(_) => {
            let Some(whole) = block.take() else { return Ok(None) };
            let news = whole.news(replica);
            let Recorded { context, head_number, restated, updates, .. } = whole;
            let read_at = std::time::Instant::now();
            return Ok(Some(ChainEvent::Block { context, head_number, news, restated, updates, read_at }));
        }
        Message::PoolStanding(standing) if change == Change::Standing(PoolId(standing.pool.get())) => {
            let Some(trust) = standing.trust() else { return Ok(None) };
            let (pool, parts) = (PoolId(standing.pool.get()), StateParts(standing.parts.get()));
            match block {
                Some(Recorded { restated, telling, .. }) if trust == PoolTrust::Restated => {
                    *telling = Telling::Begun;
                    let state = PoolState::Unknown(replica.pools()[pool.index()].kind);
                    restated.push(Restated { pool, parts, at: standing.block(), state, trail: Vec::new() });
                }
                _ if replica.is_whole() => {
                    let block = standing.block();
                    return Ok(Some(ChainEvent::Standing(Verdict { pool, trust, parts, block })));
                }
                // Of a snapshot, which tells of it as a whole.
                _ => {}
            }
        }
        Message::Reorg(reorg) => {
            return Ok(Some(ChainEvent::Reorg { ancestor: reorg.ancestor(), old_head: reorg.old_head() }));
        }
        _ => {}
    }
    let Some(recorded) = block else { return Ok(None) };
    match message {
        _ if is_told_anew => {}
        // What the block adds is told with its last state.
        _ if message.state_of().is_some_and(|pool| pool.index() >= recorded.pools) => {}
        Message::V2Reserves(message) => recorded.take_change(Update::V2Reserves(**message)),
        Message::V3Swap(message) => recorded.take_change(Update::V3Swap(**message)),
        Message::V3Liquidity(message) => recorded.take_change(Update::V3Liquidity(**message)),
        Message::V3Tick(_) => return Err(ReplicaError::OutOfPlace(message.name())),
        // Kinds that a relay cannot follow yet: their changes must not be lost unseen.
        _ if message.state_of().is_some() => return Err(ReplicaError::OutOfPlace(message.name())),
        _ => {}
    }
    Ok(None)
}

fn image(replica: &Replica) -> Option<MarketImage> {
    let pools = replica.pools().iter().zip(0..).map(|(info, id)| (*info, state(replica, info, PoolId(id)))).collect();
    Some(MarketImage { context: *replica.context()?, tokens: replica.tokens().to_vec(), pools })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use alphapulse_protocol::frame::FrameBuf;
    use alphapulse_protocol::message::V2Reserves;
    use alphapulse_protocol::replica::{Quarantine, TokenInfo, V2State};
    use alphapulse_protocol::{BlockRef, ChainId, Epoch, FeePpm, VenueId};

    use super::*;
    use crate::sequencer::Sequencer;

    fn context(number: u64) -> BlockContext {
        let hash = |number: u64| [u8::try_from(number).unwrap(); 32];
        BlockContext {
            number: number.into(),
            hash: hash(number),
            parent_hash: hash(number - 1),
            timestamp: 0.into(),
            base_fee: 0.into(),
            gas_used: 0.into(),
            gas_limit: 0.into(),
        }
    }

    fn pair(reserve: u128) -> PoolState {
        PoolState::V2(V2State { reserve_0: reserve, reserve_1: 1 })
    }

    fn change(pool: u32, reserve: u128) -> Update {
        Update::V2Reserves(V2Reserves::new(PoolId(pool), reserve, 1))
    }

    /// A stream of three pairs, two of them in quarantine.
    fn stream() -> Sequencer {
        let token = |byte| TokenInfo { address: [byte; 20], symbol: String::new(), decimals: 18 };
        let info = |id: u8| PoolInfo::uniswap_v2(VenueId(0), [id + 9; 20], [TokenId(0), TokenId(1)], FeePpm(3_000));
        let pools = (0..3).map(|id| (info(id), pair(7))).collect();
        let image = MarketImage { context: context(1), tokens: vec![token(1), token(2)], pools };
        let ill = |pool| Quarantine { pool: PoolId(pool), parts: StateParts::STATE, block: context(1).block() };
        let mut stream = Sequencer::new(ChainId(1), 8);
        stream.reset(&image, &[ill(0), ill(1)], Epoch(1)).unwrap();
        stream
    }

    fn sequenced(stream: &mut Sequencer, restated: &[Restated], updates: &[Update]) -> Vec<FrameBuf> {
        let mut frames = Vec::new();
        stream.block(context(3), BlockNumber(3), &News::default(), restated, updates, &mut frames).unwrap();
        frames
    }

    #[test]
    fn pools_told_anew_in_one_block_keep_each_its_own_changes() {
        let empty = |stream: &mut Sequencer| {
            stream.block(context(2), BlockNumber(2), &News::default(), &[], &[], &mut Vec::new()).unwrap();
        };
        let (mut live, mut again) = (stream(), stream());
        [&mut live, &mut again].into_iter().for_each(empty);
        let (mut replica, mut block) = (live.replica().clone(), None);
        let at: BlockRef = context(1).block();
        let restated = |pool: u32| {
            let trail = vec![change(pool, 20 + u128::from(pool)), change(pool, 30 + u128::from(pool))];
            Restated { pool: PoolId(pool), parts: StateParts::STATE, at, state: pair(9), trail }
        };
        let told = sequenced(&mut live, &[restated(0), restated(1)], &[change(1, 40), change(2, 50), change(0, 60)]);
        let mut events = Vec::new();
        for frame in &told {
            let message = Message::decode(frame.message_bytes()).unwrap();
            events.extend(take(&message, &mut replica, &mut block).unwrap());
        }
        let [ChainEvent::Block { restated, updates, .. }] = &events[..] else { panic!("{events:?}") };
        let bytes = |frames: &[FrameBuf]| frames.iter().map(|frame| frame.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(bytes(&sequenced(&mut again, restated, updates)), bytes(&told));
    }
}
