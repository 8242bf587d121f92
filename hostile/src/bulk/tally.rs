//! Counts of a run: what was sent, and what became of it.

use core::fmt;
use std::collections::BTreeMap;

/// Deviations that are kept word by word; the rest is only counted.
const DEVIATIONS_KEPT: usize = 20;

/// Way in which a frame was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attack {
    /// A valid frame as it is.
    Untouched,
    /// Bits flipped anywhere, nothing repaired.
    BitFlip,
    /// Bits of the message flipped, the checksum repaired.
    BitFlipRepaired,
    /// Fields overwritten with extremes and noise, the checksum repaired.
    FieldExtreme,
    /// Cut at any byte.
    Truncation,
    /// Another frame length.
    FrameLength,
    /// Another block length, the frame length the same, the checksum repaired.
    BlockLength,
    /// Both lengths another, the checksum as it was or repaired.
    BothLengths,
    /// A template that nobody knows.
    UnknownTemplate,
    /// Another schema.
    ForeignSchema,
    /// Fields appended, as by a newer writer.
    Appended,
    /// The start of one frame and the end of another.
    Splice,
    /// A right header with noise behind it.
    Noise,
    /// Noise from the first byte.
    Garbage,
    /// Several frames with damage among them, in pieces.
    Pieces,
    /// A live stream with a sequence that is not due, into a mirror.
    WrongSequence,
    /// A live stream with messages lost, repeated or exchanged, into a mirror.
    LostOrder,
    /// A live stream with damaged fields at the sequences that are due, into a mirror.
    WrongContent,
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Decoded.
    Decoded,
    /// More bytes are needed.
    Incomplete,
    /// The frame length is out of range.
    MalformedLength,
    /// The frame length is not the message's.
    MalformedBlockLength,
    /// The checksum does not fit.
    MalformedChecksum,
    /// A whole frame with too short a message.
    RefusedTooShort,
    /// A whole frame of another schema.
    RefusedSchema,
    /// A whole frame with an unknown template.
    RefusedTemplate,
    /// A whole frame with a field that is not accepted.
    RefusedField,
    /// Applied to a mirror.
    Applied,
    /// Not due, and the mirror void.
    MirrorGap,
    /// It does not fit the state, and the mirror void.
    MirrorRefused,
    /// Refused by a mirror that was void already.
    MirrorVoid,
}

/// The counts.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    counts: BTreeMap<(Attack, Outcome), u64>,
    frames: u64,
    deviations: u64,
    kept: Vec<String>,
}

impl Tally {
    /// Frames counted.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// Answers that were not the expected ones. Anything above 0 is a bug.
    #[must_use]
    pub const fn deviations(&self) -> u64 {
        self.deviations
    }

    /// Frames made in one way.
    #[must_use]
    pub fn of_attack(&self, attack: Attack) -> u64 {
        self.counts.iter().filter(|((of, _), _)| *of == attack).map(|(_, count)| count).sum()
    }

    /// Frames that ended in one way.
    #[must_use]
    pub fn of_outcome(&self, outcome: Outcome) -> u64 {
        self.counts.iter().filter(|((_, of), _)| *of == outcome).map(|(_, count)| count).sum()
    }

    pub(super) fn count(&mut self, attack: Attack, outcome: Outcome) {
        *self.counts.entry((attack, outcome)).or_default() += 1;
        self.frames += 1;
    }

    #[cold]
    pub(super) fn deviate(&mut self, what: String) {
        self.deviations += 1;
        if self.kept.len() < DEVIATIONS_KEPT {
            self.kept.push(what);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (key, count) in &other.counts {
            *self.counts.entry(*key).or_default() += count;
        }
        self.frames += other.frames;
        self.deviations += other.deviations;
        self.kept.extend(other.kept.iter().cloned());
        self.kept.truncate(DEVIATIONS_KEPT);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut outcomes: Vec<Outcome> = self.counts.keys().map(|(_, outcome)| *outcome).collect();
        outcomes.sort_unstable();
        outcomes.dedup();
        for ((attack, outcome), count) in &self.counts {
            writeln!(f, "{:<18}{:<22}{count:>12}", format!("{attack:?}"), format!("{outcome:?}"))?;
        }
        writeln!(f)?;
        for outcome in outcomes {
            writeln!(f, "{:<18}{:<22}{:>12}", "all", format!("{outcome:?}"), self.of_outcome(outcome))?;
        }
        writeln!(f, "{:<40}{:>12}", "frames", self.frames)?;
        write!(f, "{:<40}{:>12}", "deviations", self.deviations)?;
        self.kept.iter().try_for_each(|what| write!(f, "\n{what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_deviations_are_told() {
        let mut one = Tally::default();
        one.count(Attack::Splice, Outcome::Decoded);
        one.deviate("this frame".into());
        let mut all = Tally::default();
        all.count(Attack::Splice, Outcome::Incomplete);
        all.add(&one);
        assert_eq!((all.frames(), all.deviations()), (2, 1));
        assert_eq!((all.of_attack(Attack::Splice), all.of_outcome(Outcome::Decoded)), (2, 1));
        assert!(all.to_string().ends_with("this frame"));
    }
}
