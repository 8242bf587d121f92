//! The name of a run's folder.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use alphapulse_protocol::UnixNanos;
use alphapulse_relay::utc;

/// A folder in `parent` that does not exist yet, named by the time in UTC: `20260301-080000`, with `-2` and so on for
/// runs that start in the same second.
pub(crate) fn new_in(parent: &Path) -> PathBuf {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    let name = stamp(seconds);
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    names.by_ref().map(|name| parent.join(name)).find(|path| !path.exists()).expect("the numbers do not end")
}

/// Unix seconds as `YYYYMMDD-HHMMSS`.
fn stamp(seconds: u64) -> String {
    utc(UnixNanos(seconds.saturating_mul(1_000_000_000))).replace(['-', ':', 'Z'], "").replace('T', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_utc_dates() {
        // `date -u -d @… +%Y%m%d-%H%M%S`.
        for (seconds, expected) in [
            (0, "19700101-000000"),
            (951_782_400, "20000229-000000"),
            (951_868_799, "20000229-235959"),
            (1_704_067_199, "20231231-235959"),
            (1_709_251_200, "20240301-000000"),
            (4_107_542_400, "21000301-000000"),
        ] {
            assert_eq!(stamp(seconds), expected);
        }
    }

    #[test]
    fn a_run_never_gets_a_folder_that_is_there() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        for _ in 0..3 {
            let path = new_in(parent.path());
            assert!(!path.exists());
            std::fs::create_dir(&path).expect("our own folder");
        }
    }
}
