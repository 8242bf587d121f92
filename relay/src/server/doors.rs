//! The thread on which strangers are dealt with: accepted, greeted, thrown out. It is not one of the stream's threads and stands
//! behind them in priority, so that a crowd at the doors takes time from those at the doors.

use core::convert::Infallible;
use core::future::Future;
use std::io;
use std::sync::mpsc;
use std::thread;

use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// What the thread is called, for who looks at the process.
const NAME: &str = "relay-doors";
/// Added to the niceness that the process has: about a tenth of the share that a thread of the stream gets while both want one core,
/// which is enough to let honest peers in.
const NICENESS: i32 = 10;

/// The running thread. What it does ends when this is dropped.
#[derive(Debug)]
pub(super) struct Doors {
    until: oneshot::Sender<Infallible>,
    ended: oneshot::Receiver<Infallible>,
}

impl Doors {
    /// Begins `work` on a thread of its own.
    pub(super) fn open(work: impl Future<Output = ()> + Send + 'static) -> io::Result<Self> {
        let (until, dropped) = oneshot::channel::<Infallible>();
        let (alive, ended) = oneshot::channel();
        // Built where it is dropped: in the caller's runtime that would not be allowed.
        let (built_in, built) = mpsc::sync_channel(1);
        thread::Builder::new().name(NAME.to_owned()).spawn(move || {
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
        Ok(Self { until, ended })
    }

    /// Ends the work, and waits until nothing of it is left.
    pub(super) async fn close(self) {
        drop(self.until);
        // Nothing is ever sent: it is over when the other side is gone.
        let _ = self.ended.await;
    }
}
