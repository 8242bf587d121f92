//! When records are put on disk.

use core::time::Duration;
use std::fs::File;
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// When a feed's records are put on disk. With every choice they are handed to the system after each event, so that they
/// survive the relay's death; what may be lost is what the machine's own death takes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncPolicy {
    /// The system decides. After a power loss the journal may end early, or even be damaged before its end and refused.
    Never,
    /// When a segment is full and when the relay stops: a power loss takes at most the newest segment's end.
    #[default]
    Segment,
    /// At most this long after an event, on a thread of its own: the stream does not wait for the disk.
    Interval(Duration),
    /// After each event, before the next: the stream waits for the disk once per block.
    Event,
}

/// Carries the policy out.
#[derive(Debug)]
pub(super) enum Syncer {
    Never,
    AtSegments,
    EachEvent,
    Within(Background),
}

impl Syncer {
    pub(super) fn new(policy: SyncPolicy) -> io::Result<Self> {
        Ok(match policy {
            SyncPolicy::Never => Self::Never,
            SyncPolicy::Segment => Self::AtSegments,
            SyncPolicy::Event => Self::EachEvent,
            SyncPolicy::Interval(interval) => Self::Within(Background::start(interval)?),
        })
    }

    /// Puts a file on disk before it returns, unless the policy is not to.
    pub(super) fn sync(&self, file: &Arc<File>) -> io::Result<()> {
        match self {
            Self::Never => Ok(()),
            Self::AtSegments | Self::EachEvent => file.sync_data(),
            Self::Within(background) => background.sync(file),
        }
    }

    /// An event was handed to the system.
    pub(super) fn after_event(&self, file: &Arc<File>) -> io::Result<()> {
        match self {
            Self::Never | Self::AtSegments => Ok(()),
            Self::EachEvent => file.sync_data(),
            Self::Within(background) => background.sync_soon(file),
        }
    }
}

enum Ask {
    Soon(Arc<File>),
    Now(Arc<File>, SyncSender<io::Result<()>>),
}

/// A thread that does all syncs of one writer, so that after one has failed there is never another.
#[derive(Debug)]
pub(super) struct Background {
    asks: Option<SyncSender<Ask>>,
    /// What a sync failed with that nobody waited for. Written once by the thread, taken by the writer.
    failure: Arc<Mutex<Option<io::Error>>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    fn start(interval: Duration) -> io::Result<Self> {
        // One that waits stands for all that come while it does.
        let (asks, asked) = mpsc::sync_channel(1);
        let failure = Arc::new(Mutex::new(None));
        let failed = Arc::clone(&failure);
        let thread = thread::Builder::new().name("journal-sync".into()).spawn(move || {
            if let Err(error) = run(&asked, interval) {
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        })?;
        Ok(Self { asks: Some(asks), failure, thread: Some(thread) })
    }

    fn sync_soon(&self, file: &Arc<File>) -> io::Result<()> {
        match self.asks.as_ref().map(|asks| asks.try_send(Ask::Soon(Arc::clone(file)))) {
            Some(Ok(()) | Err(mpsc::TrySendError::Full(_))) => Ok(()),
            Some(Err(mpsc::TrySendError::Disconnected(_))) | None => Err(self.failure()),
        }
    }

    fn sync(&self, file: &Arc<File>) -> io::Result<()> {
        let (answer, answered) = mpsc::sync_channel(1);
        let ask = Ask::Now(Arc::clone(file), answer);
        let is_asked = self.asks.as_ref().is_some_and(|asks| asks.send(ask).is_ok());
        match is_asked.then(|| answered.recv()) {
            Some(Ok(result)) => result,
            _ => Err(self.failure()),
        }
    }

    /// Why the thread ended, which only a failure makes it do while its writer lives.
    fn failure(&self) -> io::Error {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.unwrap_or_else(|| io::Error::other("the thread that syncs has ended"))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // The thread ends when nobody can ask it any more.
        self.asks = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves until the writer is gone or a sync fails.
fn run(asked: &Receiver<Ask>, interval: Duration) -> io::Result<()> {
    while let Ok(ask) = asked.recv() {
        match ask {
            Ask::Now(file, answer) => sync_now(&file, &answer)?,
            Ask::Soon(file) => sync_within(asked, &file, interval)?,
        }
    }
    Ok(())
}

fn sync_within(asked: &Receiver<Ask>, file: &Arc<File>, interval: Duration) -> io::Result<()> {
    let started = Instant::now();
    loop {
        match asked.recv_timeout(interval.saturating_sub(started.elapsed())) {
            Ok(Ask::Soon(_)) => {}
            // The writer asks for it at the end of a segment: all that was due is in that file.
            Ok(Ask::Now(file, answer)) => return sync_now(&file, &answer),
            Err(RecvTimeoutError::Timeout) => return file.sync_data(),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// Answers whoever waits; an error also ends the thread.
fn sync_now(file: &File, answer: &SyncSender<io::Result<()>>) -> io::Result<()> {
    let result = file.sync_data();
    let ending = if result.is_err() { Err(io::Error::other("an earlier sync failed")) } else { Ok(()) };
    // A writer that is gone needs no answer.
    let _ = answer.send(result);
    ending
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    /// A device that takes every write and, having no disk below it, refuses every sync.
    fn unsyncable() -> Arc<File> {
        Arc::new(File::options().write(true).open("/dev/null").unwrap())
    }

    #[test]
    fn a_sync_that_failed_in_the_background_is_told_once_and_never_tried_again() {
        let background = Background::start(Duration::from_millis(1)).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let error = loop {
            match background.sync_soon(&unsyncable()) {
                Ok(()) => assert!(Instant::now() < deadline, "the failure is never told"),
                Err(error) => break error,
            }
            thread::sleep(Duration::from_millis(1));
        };
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        let whole = Arc::new(tempfile::tempfile().unwrap());
        assert!(background.sync(&whole).is_err(), "nothing is synced after a failure");
    }

    #[test]
    fn a_sync_that_is_waited_for_gives_its_own_error() {
        let background = Background::start(Duration::from_secs(3600)).unwrap();
        let whole = Arc::new(tempfile::tempfile().unwrap());
        background.sync_soon(&whole).unwrap();
        background.sync(&whole).unwrap();
        assert_eq!(background.sync(&unsyncable()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(background.sync(&whole).is_err());
    }
}
