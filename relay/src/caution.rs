//! An operator's caution: his word that nobody may trade, whatever the nodes seem.
//!
//! Where a journal is kept it is a file in the journal's folder as well, so that a relay that is started again is as careful as the
//! one before. A file that cannot be read counts as a caution: fail closed. Without a journal it ends with the process.

use core::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use alphapulse_protocol::message::CautionCause;
use tokio::sync::mpsc;

use crate::clock::{now, utc};
use crate::error::RelayError;
use crate::hub::Command;

/// Name of the file; a reader of the journal goes by names and does not see it.
const NAME: &str = "caution";
/// Name until it is whole.
const NAME_UNFINISHED: &str = "caution.tmp";
/// First line of the file.
const TITLE: &str = "alphapulse relay caution";
/// Far above what is written there.
const FILE_BYTES_MAX: u64 = 4096;
/// Of a name in it.
const NAME_CHARACTERS_MAX: usize = 256;

/// An operator's caution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// What subscribers are told; never `None`.
    pub(crate) cause: CautionCause,
    /// Who: the name by which the log has him, or why nobody knows.
    pub(crate) by: String,
    /// In UTC; `None` where nobody knows.
    pub(crate) at: Option<String>,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => write!(f, "set by {} at {at}", self.by),
            None => f.write_str(&self.by),
        }
    }
}

impl Order {
    fn new(cause: CautionCause, by: &str) -> Self {
        let by = by.chars().filter(|character| !character.is_control()).take(NAME_CHARACTERS_MAX).collect();
        Self { cause, by, at: Some(utc(now())) }
    }

    fn unreadable(path: &Path, why: &str) -> Self {
        let by = format!("kept because {} cannot be read ({why})", path.display());
        Self { cause: CautionCause::Divergence, by, at: None }
    }

    fn text(&self) -> String {
        let at = self.at.as_deref().unwrap_or_default();
        format!("{TITLE}\ncause: {:?}\nat: {at}\nby: {}\n", self.cause, self.by)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut value = |key: &str| lines.next()?.strip_prefix(key).map(str::to_owned);
        if !value(TITLE)?.is_empty() {
            return None;
        }
        let name = value("cause: ")?;
        let causes = [CautionCause::BelowQuorum, CautionCause::Divergence];
        let cause = causes.into_iter().find(|cause| format!("{cause:?}") == name)?;
        let (at, by) = (value("at: ")?, value("by: ")?);
        let is_plain = |text: &String| !text.is_empty() && !text.contains(char::is_control);
        // A line is only whole with its end.
        let is_whole = text.ends_with('\n') && lines.next().is_none() && is_plain(&at) && is_plain(&by);
        is_whole.then_some(Self { cause, by, at: Some(at) })
    }
}

/// The file in which an order is kept.
#[derive(Debug)]
pub(crate) struct Flag {
    dir: PathBuf,
}

impl Flag {
    /// In the folder of a journal that is there, and locked for this process.
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    fn path(&self) -> PathBuf {
        self.dir.join(NAME)
    }

    /// What an earlier process left.
    pub(crate) fn read(&self) -> Option<Order> {
        let path = self.path();
        match read(&path) {
            Ok(text) => Some(Order::parse(&text).unwrap_or_else(|| Order::unreadable(&path, "it is not whole"))),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => Some(Order::unreadable(&path, &error.to_string())),
        }
    }

    /// On disk under its name when this returns, whole or not at all.
    fn write(&self, order: &Order) -> io::Result<()> {
        let unfinished = self.dir.join(NAME_UNFINISHED);
        let mut file = File::create(&unfinished)?;
        file.write_all(order.text().as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, self.path())?;
        self.sync_dir()
    }

    /// Gone when this returns. Says whether it was there.
    fn remove(&self) -> io::Result<bool> {
        match fs::remove_file(self.path()) {
            Ok(()) => {
                if let Err(error) = self.sync_dir() {
                    // A caution too many, and no trade: no reason to call it kept.
                    tracing::warn!(%error, "a power loss may bring back the caution that is lifted");
                }
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

fn read(path: &Path) -> io::Result<String> {
    // To open a pipe would wait for its writer.
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other("it is too long"));
    }
    Ok(text)
}

/// How a caution was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Set {
    /// Whether a restart will not forget it.
    pub(crate) is_kept: bool,
    /// The one in whose place it is.
    pub(crate) replaced: Option<Order>,
}

/// What operators say, in the order in which they say it.
#[derive(Debug)]
pub(crate) struct Cautions {
    commands: mpsc::UnboundedSender<Command>,
    /// `None` where no journal is kept.
    flag: Option<Flag>,
    /// Held over the disk.
    order: Mutex<Option<Order>>,
    /// Orders that the writer was told and that are not kept yet. Never held over anything that takes long: whoever sets a
    /// caution does not wait for a disk that another waits for.
    unsettled: Mutex<usize>,
}

impl Cautions {
    /// `order` is what the writer was told already.
    pub(crate) fn new(commands: mpsc::UnboundedSender<Command>, flag: Option<Flag>, order: Option<Order>) -> Self {
        Self { commands, flag, order: Mutex::new(order), unsettled: Mutex::new(0) }
    }

    /// Tells subscribers first, and then keeps it, in the place of one that is there. Waits for the disk.
    ///
    /// # Errors
    /// [`RelayError::Caution`] when subscribers are told and it cannot be kept; [`RelayError::Stopped`] when nobody can be told, and it
    /// is kept for the next start if it can be.
    pub(crate) fn set(&self, cause: CautionCause, by: &str) -> Result<Set, RelayError> {
        let order = Order::new(cause, by);
        let told = {
            let mut unsettled = lock(&self.unsettled);
            *unsettled += 1;
            self.commands.send(Command::Caution(Some(order.clone())))
        };
        let mut present = lock(&self.order);
        let kept = self.flag.as_ref().map(|flag| flag.write(&order).map_err(|error| (flag, error))).transpose();
        let replaced = present.replace(order);
        *lock(&self.unsettled) -= 1;
        drop(present);
        told.map_err(|_| RelayError::Stopped)?;
        kept.map(|kept| Set { is_kept: kept.is_some(), replaced }).map_err(|(flag, error)| {
            let dir = flag.dir.display();
            RelayError::Caution(format!(
                "subscribers are told not to trade, but a restart will forget it: nothing can be kept in {dir} ({error}); \
                 free or repair it and set the caution again"
            ))
        })
    }

    /// Forgets it for good first, and then tells subscribers. Waits for the disk. Gives what was set.
    ///
    /// # Errors
    /// [`RelayError::Caution`] when it cannot be forgotten, or another is set meanwhile, and so it stays; [`RelayError::Stopped`].
    pub(crate) fn lift(&self) -> Result<Option<Order>, RelayError> {
        let mut present = lock(&self.order);
        if let Some(flag) = &self.flag {
            flag.remove().map_err(|error| {
                let path = flag.path();
                RelayError::Caution(format!(
                    "it stays: {} cannot be removed ({error}); remove it by hand",
                    path.display()
                ))
            })?;
        }
        let unsettled = lock(&self.unsettled);
        if *unsettled > 0 {
            // It was told already, and will be written where this was removed.
            return Err(RelayError::Caution("it stays: another caution is being set".to_owned()));
        }
        self.commands.send(Command::Caution(None)).map_err(|_| RelayError::Stopped)?;
        Ok(present.take())
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    // Neither is ever half done.
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_cut_or_changed_is_not_taken_for_it() {
        for cause in [CautionCause::BelowQuorum, CautionCause::Divergence] {
            let order = Order::new(cause, "uid 7\npid 8\u{1b}[2J");
            assert_eq!(order.by, "uid 7pid 8[2J");
            let text = order.text();
            assert_eq!(Order::parse(&text), Some(order));
            for length in 0..text.len() {
                assert_eq!(Order::parse(&text[..length]), None, "{length} bytes of {text:?}");
            }
            let changed = [text.clone() + "\n", text.replace("cause: ", "cause: No"), text.replace("by", "of")];
            assert!(changed.iter().all(|text| Order::parse(text).is_none()), "{changed:?}");
        }
        assert_eq!(Order::parse(&Order::new(CautionCause::None, "uid 7").text()), None);
    }

    #[test]
    fn a_caution_that_nobody_can_be_told_is_kept_for_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let (commands, ended) = mpsc::unbounded_channel();
        drop(ended);
        let cautions = Cautions::new(commands, Some(Flag::new(dir.path())), None);
        assert!(matches!(cautions.set(CautionCause::Divergence, "uid 7"), Err(RelayError::Stopped)));
        assert_eq!(Flag::new(dir.path()).read().unwrap().by, "uid 7");
    }

    #[test]
    fn who_sets_a_caution_waits_for_no_disk_before_it_is_told_and_is_not_lifted_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let (commands, mut told) = mpsc::unbounded_channel();
        let cautions = Cautions::new(commands, Some(Flag::new(dir.path())), None);
        // Somebody waits for the disk.
        let disk = lock(&cautions.order);
        std::thread::scope(|scope| {
            let setting = scope.spawn(|| cautions.set(CautionCause::Divergence, "uid 7"));
            assert!(matches!(told.blocking_recv(), Some(Command::Caution(Some(_)))));
            let lifting = scope.spawn(|| cautions.lift());
            drop(disk);
            assert!(setting.join().unwrap().unwrap().is_kept);
            // Behind it or before it: what the writer heard last is what is kept.
            let is_lifted = lifting.join().unwrap().is_ok();
            assert_eq!(told.try_recv().is_ok(), is_lifted);
            assert_eq!(Flag::new(dir.path()).read().is_none(), is_lifted);
        });
    }

    #[test]
    fn a_flag_that_was_removed_is_not_there_and_one_that_is_no_file_counts() {
        let dir = tempfile::tempdir().unwrap();
        let flag = Flag::new(dir.path());
        assert_eq!((flag.read(), flag.remove().unwrap()), (None, false));
        let order = Order::new(CautionCause::Divergence, "uid 7");
        flag.write(&order).unwrap();
        assert_eq!((flag.read(), flag.remove().unwrap(), flag.read()), (Some(order), true, None));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "and nothing is left beside it");
        std::os::unix::fs::symlink("nowhere", flag.path()).unwrap();
        let kept = flag.read().unwrap();
        assert_eq!((kept.cause, kept.at.clone()), (CautionCause::Divergence, None));
        assert!(kept.to_string().contains("cannot be read (it is no file)"), "{kept}");
        assert_eq!((flag.remove().unwrap(), flag.read()), (true, None));
    }
}
