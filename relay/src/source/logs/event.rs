//! One log, read word by word.
//!
//! A general decoder makes a value of every field first, and drops most of them; a block's logs are read here before anybody has the
//! block. What is accepted is what alloy's validating decoder accepts, which the tests hold this against.

use alloy::primitives::{B256, LogData};
use alphapulse_protocol::U256;
use thiserror::Error;

/// A word of 32 bytes, as contracts write numbers.
type Word = [u8; 32];

/// Why a log is not the event that its signature says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Unreadable {
    #[error("it has {got} topics, not {expected}")]
    Topics { expected: usize, got: usize },
    #[error("it has {got} bytes of data, not {expected}")]
    Short { expected: usize, got: usize },
    /// The contract casts the amount to `int128` itself, so a larger one cannot be in an honest log.
    #[error("liquidity {0} is outside the contract's range")]
    Liquidity(u128),
    /// Without this, high bytes would be dropped, and what no contract can have said would become a price.
    #[error("{place} {at} is too large for its type")]
    Wide { place: &'static str, at: usize },
}

/// The words of an event: `TOPICS` with its signature, `WORDS` of data.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event<'a, const TOPICS: usize, const WORDS: usize> {
    topics: &'a [B256; TOPICS],
    words: &'a [Word; WORDS],
}

impl<'a, const TOPICS: usize, const WORDS: usize> Event<'a, TOPICS, WORDS> {
    pub(super) fn of(log: &'a LogData) -> Result<Self, Unreadable> {
        let topics = log.topics();
        let topics = topics.try_into().map_err(|_| Unreadable::Topics { expected: TOPICS, got: topics.len() })?;
        // Bytes behind the last word say nothing.
        let (words, _) = log.data.as_chunks::<32>();
        let words = words.first_chunk().ok_or(Unreadable::Short { expected: 32 * WORDS, got: log.data.len() })?;
        Ok(Self { topics, words })
    }

    /// Addresses that are not kept must be addresses all the same.
    pub(super) fn check_address_topics<const N: usize>(&self, places: [usize; N]) -> Result<(), Unreadable> {
        places.into_iter().try_for_each(|at| unsigned::<20>(&self.topics[at], "topic", at).map(drop))
    }

    pub(super) fn check_address(&self, at: usize) -> Result<(), Unreadable> {
        unsigned::<20>(&self.words[at], "word", at).map(drop)
    }

    pub(super) fn topic_i24(&self, at: usize) -> Result<i32, Unreadable> {
        signed_24(&self.topics[at], "topic", at)
    }

    pub(super) fn i24(&self, at: usize) -> Result<i32, Unreadable> {
        signed_24(&self.words[at], "word", at)
    }

    pub(super) fn u112(&self, at: usize) -> Result<u128, Unreadable> {
        let mut number = [0; 16];
        number[2..].copy_from_slice(unsigned::<14>(&self.words[at], "word", at)?);
        Ok(u128::from_be_bytes(number))
    }

    pub(super) fn u128(&self, at: usize) -> Result<u128, Unreadable> {
        unsigned::<16>(&self.words[at], "word", at).map(|bytes| u128::from_be_bytes(*bytes))
    }

    /// An amount of liquidity that is added.
    pub(super) fn delta(&self, at: usize) -> Result<i128, Unreadable> {
        let amount = self.u128(at)?;
        i128::try_from(amount).map_err(|_| Unreadable::Liquidity(amount))
    }

    pub(super) fn u160(&self, at: usize) -> Result<U256, Unreadable> {
        unsigned::<20>(&self.words[at], "word", at)?;
        Ok(U256::from_be_bytes(self.words[at]))
    }
}

/// The last `N` bytes, if nothing stands before them.
fn unsigned<'a, const N: usize>(word: &'a Word, place: &'static str, at: usize) -> Result<&'a [u8; N], Unreadable> {
    match word.split_last_chunk() {
        Some((high, low)) if high.iter().all(|byte| *byte == 0) => Ok(low),
        _ => Err(Unreadable::Wide { place, at }),
    }
}

/// A number of 24 bits whose sign is carried on into the bytes before it.
fn signed_24(word: &Word, place: &'static str, at: usize) -> Result<i32, Unreadable> {
    let [high @ .., a, b, c] = word;
    let sign = if *a >= 0x80 { 0xff } else { 0 };
    if high.iter().any(|byte| *byte != sign) {
        return Err(Unreadable::Wide { place, at });
    }
    Ok(i32::from_be_bytes([sign, *a, *b, *c]))
}
