//! A snapshot file as the messages that a relay would send for the same market.

use alphapulse_protocol::message::{BlockContext, Message, SnapshotBegin, SnapshotEnd, Token, WireMessage};
use alphapulse_protocol::replica::{PoolInfo, Replica, describe_pool};
use alphapulse_protocol::values::PoolDetails;
use alphapulse_protocol::{Epoch, PoolId, ReplicaError, Sequence, TokenId, UnixNanos};

use super::{Snapshot, SnapshotPool};

impl Snapshot {
    /// Describes the market as snapshot messages. Pools that cannot be quoted are left out, so pool ids count the sound
    /// ones in the order of the file; token ids are positions in [`Snapshot::tokens`].
    ///
    /// What a file does not hold (parent hash, gas used and limit) is zero.
    ///
    /// # Errors
    /// Whatever `emit` returns.
    pub fn describe<E>(&self, mut emit: impl FnMut(Message<'_>) -> Result<(), E>) -> Result<(), E> {
        let mut inside = 0_u32;
        let sound = || self.pools.iter().filter_map(SnapshotPool::sound);
        let token_count = count(self.tokens.len());
        let begin = SnapshotBegin::new(self.context(), self.chain_id, Epoch(0), token_count, count(sound().count()));
        emit(Message::from(&stamp(begin)))?;
        let mut counted = |message: Message<'_>| {
            inside += 1;
            emit(message)
        };
        for (token, id) in self.tokens.iter().zip(0..) {
            let message = Token::new(TokenId(id), token.address, &token.symbol, token.decimals);
            counted(Message::from(&stamp(message)))?;
        }
        for ((info, state), id) in sound().zip(0..) {
            describe_pool(PoolId(id), &self.renumbered(info), state, PLACE, &mut counted)?;
        }
        emit(Message::from(&stamp(SnapshotEnd::new(inside))))
    }

    /// The market as a mirror, for search and for writing.
    ///
    /// # Errors
    /// [`ReplicaError`] when a pool's ticks are listed twice; [`Snapshot::from_bytes`] marks such a pool as flawed, so
    /// only a snapshot changed by hand gives it.
    pub fn to_replica(&self) -> Result<Replica, ReplicaError> {
        let mut replica = Replica::default();
        self.describe(|message| replica.apply(&message).map(drop))?;
        Ok(replica)
    }

    /// The description with its base pool's place among the sound ones, where the file's counts them all.
    fn renumbered(&self, info: &PoolInfo) -> PoolInfo {
        let mut info = *info;
        if let PoolDetails::MultiToken(details) = &mut info.details
            && let Some(base) = details.base_pool
        {
            let before = self.pools.iter().take(base.index());
            details.base_pool = Some(PoolId(count(before.filter_map(SnapshotPool::sound).count())));
        }
        info
    }

    fn context(&self) -> BlockContext {
        BlockContext {
            number: self.block.number.0.into(),
            hash: self.block.hash,
            parent_hash: [0; 32],
            timestamp: self.block.timestamp.into(),
            base_fee: self.block.base_fee.0.into(),
            gas_used: 0.into(),
            gas_limit: 0.into(),
        }
    }
}

/// A file is no stream: everything in it stands at its first position.
const PLACE: (Sequence, UnixNanos) = (Sequence(0), UnixNanos(0));

fn stamp<T: WireMessage>(message: T) -> T {
    message.stamped(PLACE.0, PLACE.1)
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("UNPACKED_BYTES_MAX holds fewer than 2^32 entries")
}
