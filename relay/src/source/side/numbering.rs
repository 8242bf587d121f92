//! Which of an exchange's quotes are news, by their numbers. An exchange that counts anew is believed after a while.

use core::time::Duration;
use std::time::Instant;

/// Wait before lower numbers are taken for a new count. Servers of one exchange are apart by seconds at most, and a quote that is
/// older than this is of no use to anyone, so that little is lost while it is waited.
pub(super) const ANEW_AFTER: Duration = Duration::from_secs(30);

/// What a quote's number says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Newer than all before.
    News,
    /// Older than what came before, or the same.
    Stale,
    /// The first of a new count; the newest of the old one was `before`.
    Anew { before: u64 },
}

/// The numbers of one symbol. Time is passed in.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    /// Of the newest quote that was taken; 0 before the first.
    newest: u64,
    /// Since the last that was taken; `None` where none was stale since.
    rise: Option<Rise>,
}

/// Stale quotes of which none has a lower number than the one before.
#[derive(Debug)]
struct Rise {
    since: Instant,
    last: u64,
}

impl Numbering {
    /// Judges the next quote. Counted is from the first stale one and not from the last one taken: a symbol of which nothing was
    /// heard for long would else believe a server that lags at once.
    pub(super) fn judge(&mut self, number: u64, at: Instant, anew_after: Duration) -> Verdict {
        if number > self.newest {
            *self = Self { newest: number, rise: None };
            return Verdict::News;
        }
        match &mut self.rise {
            Some(rise) if number > rise.last && at.saturating_duration_since(rise.since) >= anew_after => {
                let before = self.newest;
                *self = Self { newest: number, rise: None };
                return Verdict::Anew { before };
            }
            Some(rise) if number >= rise.last => rise.last = number,
            _ => self.rise = Some(Rise { since: at, last: number }),
        }
        Verdict::Stale
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Anew, News, Stale};
    use super::*;

    /// Quotes as seconds and number, with what is expected of each.
    fn check(quotes: &[(u64, u64, Verdict)]) {
        let (mut numbering, start) = (Numbering::default(), Instant::now());
        for (seconds, number, expected) in quotes {
            let verdict = numbering.judge(*number, start + Duration::from_secs(*seconds), ANEW_AFTER);
            assert_eq!(verdict, *expected, "number {number} after {seconds} s of {quotes:?}");
        }
    }

    #[test]
    fn a_count_that_begins_anew_is_taken_after_the_wait_and_not_before() {
        check(&[
            (0, 900, News),
            (1, 1, Stale),
            (15, 2, Stale),
            (30, 3, Stale),
            (31, 4, Anew { before: 900 }),
            (31, 4, Stale),
            (31, 5, News),
            (32, 901, News),
        ]);
    }

    #[test]
    fn a_server_that_repeats_one_number_or_goes_back_is_never_believed() {
        check(&[(0, 900, News), (1, 899, Stale), (31, 899, Stale), (3_600, 899, Stale)]);
        // Two servers in turns, both behind.
        check(&[(0, 900, News), (1, 700, Stale), (20, 710, Stale), (31, 705, Stale), (60, 706, Stale)]);
        // Rising again for as long as is waited, from where it went back.
        check(&[(0, 900, News), (1, 700, Stale), (31, 690, Stale), (60, 691, Stale), (61, 692, Anew { before: 900 })]);
    }

    #[test]
    fn news_ends_the_wait() {
        check(&[(0, 900, News), (1, 800, Stale), (29, 901, News), (31, 801, Stale), (60, 802, Stale), (61, 902, News)]);
    }

    #[test]
    fn a_server_that_lags_is_not_believed_because_nothing_was_heard_for_long() {
        check(&[(0, 900, News), (3_600, 898, Stale), (3_601, 899, Stale), (3_602, 900, Stale), (3_603, 901, News)]);
    }
}
