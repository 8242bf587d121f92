//! A recorded feed as if it were live: the journal takes the place of the node, and all behind it is the relay as it is.
//!
//! Messages keep their order, content and time; the epochs are the relay's own, and numbers count anew in each. Where the
//! records break off (the relay was stopped, or a crash took the end) the stream goes on with the next snapshot.

mod events;
mod lanes;
mod pace;
mod player;

use core::str::FromStr;
use std::path::{Path, PathBuf};

use alphapulse_protocol::ChainId;
use alphapulse_protocol::message::Message;

use crate::error::{JournalError, RelayError};
use crate::journal::{JournalReader, Place};

pub(crate) use self::events::Events;
pub(crate) use self::lanes::Lanes;
pub(crate) use self::player::Player;

/// How fast a recording is served.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ReplaySpeed {
    /// So many times as fast as the blocks' timestamps say; finite and above zero.
    Times(f64),
    /// As fast as the slowest subscriber reads. None is lapped, unless a single block exceeds its lane.
    Max,
}

impl FromStr for ReplaySpeed {
    type Err = RelayError;

    fn from_str(text: &str) -> Result<Self, RelayError> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let times = text.parse().ok().filter(|times: &f64| times.is_finite() && *times > 0.0);
        times.map(Self::Times).ok_or_else(|| RelayError::Speed(text.to_owned()))
    }
}

/// How a recording is served.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplayOptions {
    /// How fast.
    pub speed: ReplaySpeed,
    /// Subscribers that must be there before the first block is served.
    pub wait_for: usize,
}

/// A recorded feed that was read to its end and found whole. What a writer puts behind that end meanwhile is no part of it.
#[derive(Debug, Clone)]
pub struct Recording {
    dir: PathBuf,
    chain_id: ChainId,
    reorg_depth_max: usize,
    blocks: u64,
    torn_bytes: u64,
    last: Place,
}

impl Recording {
    /// Reads a relay's or a node's journal with every checksum.
    ///
    /// # Errors
    /// As [`JournalReader::open_feed`], with [`JournalError::Damaged`] for damage anywhere; [`JournalError::NoBlock`] when it
    /// holds no whole snapshot.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, JournalError> {
        let dir = dir.as_ref().to_owned();
        let mut reader = JournalReader::open_feed(&dir)?;
        let (mut blocks, mut depth_max, mut has_snapshot) = (0, 0, false);
        while let Some(message) = reader.next_bytes()? {
            // What cannot be decoded is met when it is served.
            match Message::decode(message) {
                Ok(Message::SnapshotEnd(_)) => has_snapshot = true,
                Ok(Message::BlockEnd(_)) => blocks += 1,
                Ok(Message::Reorg(reorg)) => depth_max = depth_max.max(reorg.depth.get()),
                _ => {}
            }
        }
        if !has_snapshot {
            return Err(JournalError::NoBlock { dir, reason: "holds no whole snapshot of a market".into() });
        }
        Ok(Self {
            chain_id: reader.chain_id(),
            reorg_depth_max: usize::try_from(depth_max).unwrap_or(usize::MAX),
            blocks,
            torn_bytes: reader.torn_bytes(),
            last: reader.last_place(),
            dir,
        })
    }

    /// Chain that was recorded.
    #[must_use]
    pub const fn chain_id(&self) -> ChainId {
        self.chain_id
    }

    /// Blocks that were recorded, those that a reorg took back included.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Bytes of an unfinished last record.
    #[must_use]
    pub const fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// Folder of the journal.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where its last record starts.
    pub(crate) const fn last(&self) -> Place {
        self.last
    }

    /// Most blocks that a reorg took back.
    pub(crate) const fn reorg_depth_max(&self) -> usize {
        self.reorg_depth_max
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn a_speed_is_a_number_above_zero_or_max() {
        assert_eq!("max".parse::<ReplaySpeed>().unwrap(), ReplaySpeed::Max);
        assert_eq!("2.5".parse::<ReplaySpeed>().unwrap(), ReplaySpeed::Times(2.5));
        for text in ["0", "-1", "NaN", "inf", "fast", ""] {
            assert!(text.parse::<ReplaySpeed>().is_err(), "{text}");
        }
    }
}
