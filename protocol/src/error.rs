//! What can be wrong with bytes and with the stream they form.

use thiserror::Error;

use crate::id::{BlockRef, PoolId, TokenId};
use crate::units::Sequence;

/// Why bytes are not a message. Stable: metrics count by variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Fewer bytes than the header or the stated length needs.
    #[error("message truncated: {needed} bytes needed, {got} there")]
    Truncated {
        /// Bytes the header or the length field asks for.
        needed: usize,
        /// Bytes that were there.
        got: usize,
    },
    /// The schema id is not ours.
    #[error("schema id {0:#06x} is not AlphaPulse's")]
    Schema(u16),
    /// The template is newer than this build, or garbage; the message can be skipped by its length.
    #[error("template id {0} is not known to this build")]
    Template(u16),
    /// The stated block length is shorter than the template's first version.
    #[error("template {template_id}: block length {got} is below its minimum {minimum}")]
    BlockLength {
        /// Template concerned.
        template_id: u16,
        /// Bytes of the template's first version.
        minimum: usize,
        /// Bytes stated.
        got: usize,
    },
    /// A field holds a value outside its domain.
    #[error("template {template_id}: field `{field}` is outside its domain")]
    Field {
        /// Template concerned.
        template_id: u16,
        /// Name of the field.
        field: &'static str,
    },
    /// The frame's length field exceeds the cap, or is shorter than a header.
    #[error("frame length {got} is outside {minimum}..={maximum}")]
    FrameLength {
        /// Least bytes a message has.
        minimum: usize,
        /// Cap on a message.
        maximum: usize,
        /// Bytes stated.
        got: u32,
    },
    /// The frame's length field is not the block length that its message states: one of the two is damaged.
    #[error("frame length {frame} is not the message's block length {block}")]
    LengthMismatch {
        /// Bytes that the frame states.
        frame: u32,
        /// Bytes that the message states.
        block: u16,
    },
    /// The checksum does not fit the bytes.
    #[error("frame checksum {stated:#010x} does not match {computed:#010x}")]
    Checksum {
        /// Checksum in the frame.
        stated: u32,
        /// Checksum of the bytes.
        computed: u32,
    },
}

impl DecodeError {
    /// Whether the place where the next frame begins is lost with this one; else only the message is.
    #[must_use]
    pub const fn is_stream_lost(&self) -> bool {
        matches!(self, Self::FrameLength { .. } | Self::LengthMismatch { .. } | Self::Checksum { .. })
    }
}

/// Why a message does not continue the state before it. The state must be thrown away and a snapshot taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReplicaError {
    /// Messages are missing or repeated.
    #[error("sequence gap: expected {expected}, got {got}")]
    Gap {
        /// Sequence that was due.
        expected: Sequence,
        /// Sequence that came.
        got: Sequence,
    },
    /// A message that may not come here.
    #[error("{0} is out of place here")]
    OutOfPlace(&'static str),
    /// An end mark that does not fit the messages before it.
    #[error("{0} ended with other counts than it announced")]
    Incomplete(&'static str),
    /// A block that does not follow the head.
    #[error("block {} does not follow head {}", got.number, head.number)]
    Discontinuity {
        /// Head of the mirror.
        head: BlockRef,
        /// Block that came.
        got: BlockRef,
    },
    /// A reorg deeper than the history kept.
    #[error("reorg of {depth} blocks, {kept} can be taken back")]
    TooDeep {
        /// Blocks to take back.
        depth: u64,
        /// Blocks kept.
        kept: usize,
    },
    /// A pool id that was not described, or not in turn.
    #[error("pool id {0} is not known or out of turn")]
    UnknownPool(PoolId),
    /// A token id that was not described, or not in turn.
    #[error("token id {0} is not known or out of turn")]
    UnknownToken(TokenId),
    /// A message with a field outside its domain: its own reader would refuse it.
    #[error(transparent)]
    Domain(DecodeError),
    /// A change that cannot be made to the state.
    #[error("pool {pool}: {reason}")]
    Contradiction {
        /// Pool concerned.
        pool: PoolId,
        /// What does not fit.
        reason: &'static str,
    },
}
