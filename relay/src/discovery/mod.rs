//! Pools that factories tell of while the stream runs: which are wanted, what they are, and for how long they are known.
//!
//! A factory's log only says where to look. What is added to the market was read at the block's hash, and its address is
//! the one at which the venue's deployer makes a pool of these tokens: neither a log nor a node can invent a pool. A pool
//! that cannot be read is refused, counted and told of; it never stops the stream.

mod anchors;
mod arrivals;
mod known;
mod look_back;
mod spec;

pub(crate) use self::anchors::Anchors;
pub(crate) use self::arrivals::read_arrivals;
pub(crate) use self::known::{Findings, Known, News};
pub(crate) use self::look_back::{Reach, read_image};
pub use self::spec::{FactorySpec, WantedTokens};
