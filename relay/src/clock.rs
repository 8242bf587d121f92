//! The wall clock. Only labels come from it (epochs, heartbeats, when an operator spoke), no decision does.

use std::time::{SystemTime, UNIX_EPOCH};

use alphapulse_protocol::UnixNanos;

/// Now; 0 before 1970 and the end of time after 2554.
pub(crate) fn now() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// A time of the wall clock to the second, in UTC, as RFC 3339 has it: `2026-03-01T08:00:00Z`.
#[must_use]
pub fn utc(at: UnixNanos) -> String {
    let seconds = at.0 / 1_000_000_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// Gregorian date of a count of days since 1970-01-01, by eras of 400 years that start on 1 March (Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms").
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, year_later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + year_later, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_dates() {
        // `date -u -d @… +%Y-%m-%dT%H:%M:%SZ`.
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (1_704_067_199, "2023-12-31T23:59:59Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(UnixNanos(seconds * 1_000_000_000 + 999_999_999)), expected);
        }
    }
}
