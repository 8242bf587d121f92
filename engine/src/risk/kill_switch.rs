//! The kill switch: one flag that every signature reads first. Not a queue, no lock, no way back but a restart.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Stops new approvals and signatures. Clones share one flag.
#[derive(Debug, Clone, Default)]
pub struct KillSwitch {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    is_tripped: AtomicBool,
    reason: OnceLock<String>,
}

impl KillSwitch {
    /// A switch that is not tripped.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trips the switch for good. The first reason stays.
    pub fn trip(&self, reason: impl Into<String>) {
        let _ = self.shared.reason.set(reason.into());
        // Pairs with the Acquire load in `is_tripped`: who sees the flag also sees the reason.
        self.shared.is_tripped.store(true, Ordering::Release);
    }

    /// Whether the switch is tripped. One load: cheap enough for before every signature.
    #[must_use]
    pub fn is_tripped(&self) -> bool {
        self.shared.is_tripped.load(Ordering::Acquire)
    }

    /// Why it was tripped, if it was.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        if self.is_tripped() { self.shared.reason.get().map(String::as_str) } else { None }
    }

    /// Trips the switch when `path` exists, or when that cannot be told.
    ///
    /// Returns whether the switch is tripped now.
    pub fn check_file(&self, path: &Path) -> bool {
        match path.try_exists() {
            Ok(false) => {}
            Ok(true) => self.trip(format!("kill file {} is there", path.display())),
            Err(error) => self.trip(format!("kill file {} cannot be looked up: {error}", path.display())),
        }
        self.is_tripped()
    }
}

/// Polls a kill file for the control plane until the switch is tripped, by the file or otherwise.
///
/// Checks once before it first waits, so that a node never starts past a kill file that is already there.
pub async fn watch_file(path: PathBuf, kill: KillSwitch, every: Duration) {
    while !kill.check_file(&path) {
        tokio::time::sleep(every).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_one_flag_and_the_first_reason_stays() {
        let kill = KillSwitch::new();
        let other = kill.clone();
        assert!(!other.is_tripped() && other.reason().is_none());
        kill.trip("drill");
        kill.trip("later");
        assert!(other.is_tripped());
        assert_eq!(other.reason(), Some("drill"));
    }

    #[test]
    fn a_kill_file_trips_and_its_absence_does_not() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("KILL");
        let kill = KillSwitch::new();
        assert!(!kill.check_file(&path));
        std::fs::write(&path, "").expect("writable");
        assert!(kill.check_file(&path));
        assert!(kill.reason().is_some_and(|reason| reason.contains("KILL")));
    }

    #[test]
    fn a_kill_file_that_cannot_be_looked_up_trips() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let file = dir.path().join("file");
        std::fs::write(&file, "").expect("writable");
        let kill = KillSwitch::new();
        // A name longer than any file system takes: the lookup itself fails.
        assert!(kill.check_file(&dir.path().join("k".repeat(5_000))));
    }

    #[tokio::test]
    async fn the_watch_ends_when_the_file_appears() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("KILL");
        let kill = KillSwitch::new();
        let watch = tokio::spawn(watch_file(path.clone(), kill.clone(), Duration::from_millis(1)));
        std::fs::write(&path, "").expect("writable");
        watch.await.expect("the watch does not panic");
        assert!(kill.is_tripped());
    }
}
