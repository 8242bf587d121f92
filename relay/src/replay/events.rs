//! A journal's records as events of the chain.

use alphapulse_protocol::message::{BlockContext, Message};
use alphapulse_protocol::replica::{Change, PoolInfo, PoolState, Replica};
use alphapulse_protocol::{BlockNumber, PoolId, ReplicaError, TokenId};

use crate::discovery::News;
use crate::error::JournalError;
use crate::follower::ChainEvent;
use crate::journal::{JournalReader, Place};
use crate::source::{MarketImage, Update};

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
    updates: Vec<Update>,
}

impl Recorded {
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

/// A pool's state. What the recording left out is not known to whoever it is played to either.
fn state(replica: &Replica, info: &PoolInfo, id: PoolId) -> PoolState {
    replica.state(id).cloned().unwrap_or(PoolState::Unknown(info.kind))
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
    let change = replica.apply(message)?;
    match message {
        Message::SnapshotBegin(_) => *block = None,
        Message::SnapshotEnd(_) if change == Change::SnapshotReady => {
            return Ok(image(replica).map(|image| ChainEvent::Snapshot(Box::new(image))));
        }
        Message::Block(begin) => {
            *block = Some(Recorded {
                context: begin.context,
                head_number: BlockNumber(begin.head_number.get()),
                tokens: replica.tokens().len(),
                pools: replica.pools().len(),
                updates: Vec::new(),
            });
        }
        Message::BlockEnd(_) => {
            let Some(whole) = block.take() else { return Ok(None) };
            let news = whole.news(replica);
            let Recorded { context, head_number, updates, .. } = whole;
            let read_at = std::time::Instant::now();
            return Ok(Some(ChainEvent::Block { context, head_number, news, updates, read_at }));
        }
        Message::Reorg(reorg) => {
            return Ok(Some(ChainEvent::Reorg { ancestor: reorg.ancestor(), old_head: reorg.old_head() }));
        }
        _ => {}
    }
    let Some(Recorded { pools, updates, .. }) = block else { return Ok(None) };
    match message {
        // What the block adds is told with its last state.
        _ if message.state_of().is_some_and(|pool| pool.index() >= *pools) => {}
        Message::V2Reserves(message) => updates.push(Update::V2Reserves(**message)),
        Message::V3Swap(message) => updates.push(Update::V3Swap(**message)),
        Message::V3Liquidity(message) => updates.push(Update::V3Liquidity(**message)),
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
