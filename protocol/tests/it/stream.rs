//! Short ways to make a stream and to feed it to a mirror, each message as a frame.

use alphapulse_protocol::frame::{self, FrameDecoder};
use alphapulse_protocol::message::{Block, BlockContext, BlockEnd, Message, SnapshotBegin, SnapshotEnd, WireMessage};
use alphapulse_protocol::replica::{Change, Replica};
use alphapulse_protocol::{BlockNumber, BlockRef, ChainId, Epoch, ReplicaError, Sequence, UnixNanos};

pub(crate) const CHAIN: ChainId = ChainId(31_337);
pub(crate) const EPOCH: Epoch = Epoch(7);

/// Hash of the test block named so.
pub(crate) fn hash(name: u32) -> [u8; 32] {
    let mut hash = [0xb1; 32];
    hash[..4].copy_from_slice(&name.to_le_bytes());
    hash
}

/// A block, its hash and its parent's by name.
pub(crate) fn context(number: u64, name: u32, parent: u32) -> BlockContext {
    BlockContext {
        number: number.into(),
        hash: hash(name),
        parent_hash: hash(parent),
        timestamp: (1_700_000_000 + 12 * u64::from(name)).into(),
        base_fee: (1_000_000_000 + u128::from(name)).into(),
        gas_used: 15_000_000.into(),
        gas_limit: 30_000_000.into(),
    }
}

pub(crate) fn block_ref(number: u64, name: u32) -> BlockRef {
    BlockRef { number: BlockNumber(number), hash: hash(name) }
}

/// Sends one message as a frame with this sequence.
pub(crate) fn send<T: WireMessage>(replica: &mut Replica, sequence: u64, message: T) -> Result<Change, ReplicaError> {
    let mut bytes = Vec::new();
    frame::write(&mut bytes, &message.stamped(Sequence(sequence), UnixNanos(1)));
    apply_frames(replica, &bytes).pop().expect("one frame")
}

/// Applies every frame of `bytes`; each must be a valid message.
pub(crate) fn apply_frames(replica: &mut Replica, bytes: &[u8]) -> Vec<Result<Change, ReplicaError>> {
    let mut decoder = FrameDecoder::new();
    decoder.push(bytes);
    let mut changes = Vec::new();
    while let Some(message) = decoder.next_message().expect("valid frames") {
        changes.push(replica.apply(&message));
    }
    assert_eq!(decoder.pending_bytes(), 0, "whole frames");
    changes
}

/// The mirror's own description, as frames.
pub(crate) fn description(replica: &Replica) -> Vec<u8> {
    let mut bytes = Vec::new();
    assert!(replica.describe(UnixNanos(2), |message: Message<'_>| frame::write_bytes(&mut bytes, message.as_bytes())));
    bytes
}

/// A mirror that joins with what another one describes.
pub(crate) fn joined(replica: &Replica, reorg_depth_max: usize) -> Replica {
    let mut fresh = Replica::new(reorg_depth_max);
    for change in apply_frames(&mut fresh, &description(replica)) {
        change.expect("a description is a valid snapshot");
    }
    fresh
}

/// A mirror at an empty snapshot: no tokens, no pools, the block `number` named `name`, sequence 10.
pub(crate) fn at_block(number: u64, name: u32) -> Replica {
    let mut replica = Replica::default();
    send(&mut replica, 10, SnapshotBegin::new(context(number, name, 0), CHAIN, EPOCH, 0, 0)).expect("begins");
    send(&mut replica, 10, SnapshotEnd::new(0)).expect("ends");
    replica
}

/// Sends an empty block on top, with the next two sequences.
pub(crate) fn send_empty_block(replica: &mut Replica, number: u64, name: u32, parent: u32) {
    let sequence = replica.sequence().0;
    let block = Block::new(context(number, name, parent), BlockNumber(number));
    assert_eq!(send(replica, sequence + 1, block), Ok(Change::BlockBegun));
    assert_eq!(send(replica, sequence + 2, BlockEnd::new(block_ref(number, name), 0)), Ok(Change::BlockEnded));
}
