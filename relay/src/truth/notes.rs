//! What was found of the pools in quarantine, for people: kept while they are there, whatever their ids become.

use alphapulse_protocol::BlockRef;
use alphapulse_protocol::replica::PoolInfo;

use super::compare::Difference;
use super::is_same_pool;

/// What is known of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    info: PoolInfo,
    /// The newest comparison that it failed, and the block after which that was.
    pub(super) differed: Option<(Difference, u64)>,
    /// Block after which its newest reading was, if one came.
    pub(super) read: Option<u64>,
}

/// Of all of them.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Note>);

impl Notes {
    /// A comparison found the pool to differ.
    pub(super) fn differs(&mut self, info: &PoolInfo, found: Difference, block: BlockRef) {
        self.of_mut(info).differed = Some((found, block.number.0));
    }

    /// The pool was read, to be told anew.
    pub(super) fn read(&mut self, info: &PoolInfo, block: BlockRef) {
        self.of_mut(info).read = Some(block.number.0);
    }

    pub(super) fn of(&self, info: &PoolInfo) -> Option<&Note> {
        self.0.iter().find(|note| is_same_pool(&note.info, info))
    }

    /// Forgets all others.
    pub(super) fn keep<'a>(&mut self, ill: impl Iterator<Item = &'a PoolInfo> + Clone) {
        self.0.retain(|note| ill.clone().any(|info| is_same_pool(&note.info, info)));
    }

    fn of_mut(&mut self, info: &PoolInfo) -> &mut Note {
        let at = self.0.iter().position(|note| is_same_pool(&note.info, info)).unwrap_or_else(|| {
            self.0.push(Note { info: *info, differed: None, read: None });
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}

#[cfg(test)]
mod tests {
    use alphapulse_protocol::message::StateParts;
    use alphapulse_protocol::{BlockNumber, FeePpm, TokenId, VenueId};

    use super::*;

    fn info(address: u8, first_token: u32) -> PoolInfo {
        let tokens = [TokenId(first_token), TokenId(first_token + 1)];
        PoolInfo::uniswap_v2(VenueId(0), [address; 20], tokens, FeePpm(3_000))
    }

    fn block(number: u64) -> BlockRef {
        BlockRef { number: BlockNumber(number), hash: [1; 32] }
    }

    #[test]
    fn a_note_is_of_the_contract_and_stays_as_long_as_its_pool_is_in_quarantine() {
        let found = || Difference {
            parts: StateParts::STATE,
            field: "V2Reserves.reserve_0".to_owned(),
            ours: "1".to_owned(),
            theirs: "2".to_owned(),
        };
        let mut notes = Notes::default();
        notes.differs(&info(7, 0), found(), block(10));
        notes.read(&info(7, 0), block(11));
        notes.read(&info(8, 2), block(12));
        // A new epoch gives other ids to the same tokens.
        let note = notes.of(&info(7, 40)).map(|note| (note.differed.clone(), note.read));
        assert_eq!(note, Some((Some((found(), 10)), Some(11))));
        notes.keep([info(7, 40)].iter());
        assert!(notes.of(&info(7, 0)).is_some() && notes.of(&info(8, 2)).is_none());
    }
}
