//! The thread on which strangers are dealt with: accepted, greeted, thrown out. It is not one of the stream's threads and stands
//! behind them in priority, so that a crowd at the doors takes time from those at the doors.

use core::convert::Infallible;
use core::future::Future;
use std::io;
use std::sync::mpsc;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// What the thread is called, for who looks at the process.
const NAME: &str = "relay-doors";
/// Added to the niceness that the process has: about a tenth of the share that a thread of the stream gets while both want one core,
/// which is enough to let honest peers in.
const NICENESS: i32 = 10;

/// Held by whoever attends to a door, for as long as he does.
#[derive(Debug)]
pub(super) struct Attendance(Arc<()>);

/// Tells whether a door is attended to.
#[derive(Debug, Clone)]
pub(crate) struct DoorWatch {
    name: Arc<str>,
    attendance: Weak<()>,
}

impl DoorWatch {
    /// For a door of this name.
    pub(super) fn new(name: &str) -> (Attendance, Self) {
        let attendance = Attendance(Arc::new(()));
        let watch = Self { name: name.into(), attendance: Arc::downgrade(&attendance.0) };
        (attendance, watch)
    }

    /// The doors at which nobody is let in any more although the relay runs, in words; `None` while there is none.
    pub(crate) fn problem(doors: &[Self]) -> Option<String> {
        let shut = doors.iter().filter(|door| door.attendance.strong_count() == 0);
        let names: Vec<_> = shut.map(|door| &*door.name).collect();
        let told = || format!("nobody is let in any more at {}: start the relay again", names.join(" and "));
        (!names.is_empty()).then(told)
    }
}

/// The running thread. What it does ends when this is dropped, before that returns: a listener's address is free again then.
#[derive(Debug)]
pub(super) struct Doors {
    until: Option<oneshot::Sender<Infallible>>,
    ended: oneshot::Receiver<Infallible>,
    thread: Option<JoinHandle<()>>,
}

impl Doors {
    /// Begins `work` on a thread of its own.
    pub(super) fn open(work: impl Future<Output = ()> + Send + 'static) -> io::Result<Self> {
        let (until, dropped) = oneshot::channel::<Infallible>();
        let (alive, ended) = oneshot::channel();
        // Built where it is dropped: in the caller's runtime that would not be allowed.
        let (built_in, built) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name(NAME.to_owned()).spawn(move || {
            if let Err(error) = rustix::process::nice(NICENESS) {
                tracing::warn!(%error, "those at the doors have the same priority as the stream");
            }
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(built_in.send(Err(error))),
            };
            let _ = built_in.send(Ok(()));
            runtime.block_on(async {
                tokio::select! {
                    _ = dropped => {}
                    () = work => {}
                }
            });
            drop(runtime);
            drop(alive);
        })?;
        built.recv().unwrap_or(Err(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self { until: Some(until), ended, thread: Some(thread) })
    }

    /// Ends the work, and waits until nothing of it is left.
    pub(super) async fn close(mut self) {
        self.until.take();
        // Nothing is ever sent: it is over when the other side is gone.
        let _ = (&mut self.ended).await;
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        self.until.take();
        // It never waits for whoever drops this, and does nothing that takes long. One that panicked has ended, too.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[tokio::test]
    async fn a_door_that_nobody_attends_to_is_named_while_others_are_attended_to() {
        let ((unix, watch_unix), (tcp, watch_tcp)) = (DoorWatch::new("the unix socket"), DoorWatch::new("TCP"));
        let watched = [watch_unix, watch_tcp];
        let (end, ended) = oneshot::channel::<()>();
        let doors = Doors::open(async move {
            let attended = async {
                let _unix = unix;
                let _ = ended.await;
            };
            tokio::join!(attended, async {
                let _tcp = tcp;
                core::future::pending::<()>().await;
            });
        });
        let doors = doors.unwrap();
        assert_eq!(DoorWatch::problem(&watched), None);
        end.send(()).unwrap();
        while DoorWatch::problem(&watched).is_none() {
            thread::yield_now();
        }
        let said = DoorWatch::problem(&watched).unwrap();
        assert!(said.contains("at the unix socket: ") && !said.contains("TCP"), "{said}");
        drop(doors);
        assert!(DoorWatch::problem(&watched).unwrap().contains("the unix socket and TCP"));
    }

    #[tokio::test]
    async fn a_thread_that_panics_leaves_no_door_attended_to() {
        let (attendance, watch) = DoorWatch::new("TCP");
        let doors = Doors::open(async move {
            let _attendance = attendance;
            panic!("as a bug would");
        });
        doors.unwrap().close().await;
        assert!(DoorWatch::problem(&[watch]).is_some());
    }
}
