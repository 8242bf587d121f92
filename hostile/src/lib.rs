//! Hostile input for every reader of foreign bytes.
//!
//! A *judge* feeds bytes to one reader and panics when the answer is not the right one. Right is what [`mod@reference`] says,
//! which reads the wire from `docs/WIRE.md` alone and shares no code with the readers. The same judges stand behind the fuzz
//! targets in `fuzz/`, the tests that replay their corpus, and (for frames) the generator of [`bulk`].
//!
//! Refusals: nothing of the product depends on this crate; a judge never repairs what it is given.

pub mod bulk;
pub mod frame;
pub mod golden;
#[cfg(feature = "relay")]
pub mod handshake;
#[cfg(feature = "relay")]
pub mod journal;
#[cfg(feature = "relay")]
pub mod logs;
pub mod reference;
pub mod repair;
#[cfg(feature = "relay")]
mod still_chain;
pub mod subscription;
