//! Binary market messages of AlphaPulse, the frames they travel in, and the market state they describe.
//!
//! The same bytes are on the wire, in the journal, in a replay and in the golden files; `docs/WIRE.md` describes every one.
//!
//! Guarantees: decoding is total (any bytes give a message or a [`DecodeError`]), never allocates and never panics; layouts
//! are proven at compile time; a stream applied to a [`replica::Replica`] gives the same state in every process.
//!
//! Refusals: no I/O, no clock, no async, no floating point. A message out of sequence is an error, never a guess.
//!
//! ```
//! use alphapulse_protocol::frame::{self, FrameDecoder};
//! use alphapulse_protocol::message::{Message, V2Reserves, WireMessage};
//! use alphapulse_protocol::{PoolId, Sequence, UnixNanos};
//!
//! let reserves = V2Reserves::new(PoolId(7), 1_000, 2_000).stamped(Sequence(1), UnixNanos(0));
//! let mut bytes = Vec::new();
//! frame::write(&mut bytes, &reserves);
//!
//! let mut decoder = FrameDecoder::new();
//! decoder.push(&bytes);
//! let Ok(Some(Message::V2Reserves(read))) = decoder.next_message() else { panic!("one whole message was pushed") };
//! assert_eq!(read.reserve_1.get(), 2_000);
//! ```

pub mod error;
pub mod frame;
pub mod header;
pub mod id;
pub mod message;
mod pool_set;
pub mod replica;
pub mod units;
pub mod values;
pub mod wire;

pub use ruint::aliases::U256;

pub use crate::error::{DecodeError, ReplicaError};
pub use crate::id::{AddressBytes, BlockRef, ChainId, HashBytes, OpportunityId, PoolId, TokenId, VenueId};
pub use crate::pool_set::PoolSet;
pub use crate::units::{BlockNumber, Epoch, FEE_PPM_ONE, FeePerGas, FeePpm, Gas, Position, Sequence, UnixNanos, Wei};
