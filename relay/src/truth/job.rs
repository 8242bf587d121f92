//! What the writer asks the sampler, and what that found.

use alphapulse_protocol::message::BlockContext;
use alphapulse_protocol::replica::{PoolInfo, PoolState};
use alphapulse_protocol::{BlockRef, PoolId, VenueId};

use super::compare::Difference;
use crate::config::PoolSpec;

/// Pools to be read at one block.
#[derive(Debug)]
pub(crate) struct Job {
    pub(super) generation: u64,
    pub(super) at: BlockContext,
    /// How many of the asks, the first ones, are for pools in quarantine.
    pub(super) ill: usize,
    pub(super) asks: Vec<Ask>,
}

/// One pool of it.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) pool: PoolId,
    pub(super) info: PoolInfo,
    /// Ticks that are looked at, inclusive, of a pool that has some.
    pub(super) ticks: (i32, i32),
    pub(super) purpose: Purpose,
}

/// Why it is read.
#[derive(Debug)]
pub(super) enum Purpose {
    /// To be held against our state after the block.
    Compare(PoolState),
    /// To be told anew.
    Read,
}

impl Ask {
    /// The pool as a source is asked for it.
    pub(super) fn spec(&self) -> PoolSpec {
        let venue = VenueId(self.info.venue.0);
        let known_ticks = (self.info.tick_spacing > 0).then_some(self.ticks);
        PoolSpec { address: self.info.address.into(), venue, known_ticks }
    }
}

/// What came of a job.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(super) generation: u64,
    pub(super) at: BlockRef,
    pub(super) found: Vec<(PoolId, Found)>,
}

/// What was found of one pool.
#[derive(Debug)]
pub(super) enum Found {
    Equal,
    /// It differed at first, and was equal when it was asked for once more.
    Wavered(Difference),
    Differs(Difference),
    /// What it holds, where that was the question.
    Read(Box<PoolState>),
    /// The block left the chain while it was read: nothing is said of the pool.
    Void,
    /// The source did not say. Why, for people.
    Unread(String),
}
