//! Keeps side sources running: starts them, connects them again, ends them in order.

use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::SideSource;
use super::outlet::{Outlet, SideReport};
use crate::error::{RelayError, SourceError};
use crate::reconnect::pause_before_reconnect;
use crate::side::SidePublisher;
use crate::source::race::{Parting, SourceState, WordWatch};

/// Longest that a source may take to finish what it has under way.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// A connection that stood so long begins the pauses anew; one that is lost at once again does not.
const STEADY: Duration = Duration::from_secs(10);

/// The sources that run.
#[derive(Debug)]
pub(crate) struct SideSources {
    publisher: SidePublisher,
    seats: Mutex<Vec<Seat>>,
}

#[derive(Debug)]
struct Seat {
    outlet: Arc<Outlet>,
    task: JoinHandle<()>,
}

/// Ends the sources with their owner.
#[derive(Debug)]
pub(crate) struct SideGuard(pub(crate) Arc<SideSources>);

impl Drop for SideGuard {
    fn drop(&mut self) {
        self.0.seats().iter().for_each(|seat| seat.task.abort());
    }
}

impl SideSources {
    pub(crate) fn new(publisher: SidePublisher) -> Arc<Self> {
        Arc::new(Self { publisher, seats: Mutex::default() })
    }

    /// Starts a source, which speaks for one of several nodes where there is a `word`. Returns its name, which is made distinct.
    pub(crate) fn add(&self, source: impl SideSource, word: Option<WordWatch>) -> String {
        let mut seats = self.seats();
        let base = source.name();
        let is_taken = |name: &str| seats.iter().any(|seat| seat.outlet.name() == name);
        let numbered = (2..).map(|number: u32| format!("{base} #{number}"));
        let name = core::iter::once(base.clone()).chain(numbered).find(|name| !is_taken(name));
        let name = name.expect("there are more numbers than sources");
        let outlet = Arc::new(Outlet::new(name.clone(), self.publisher.clone(), word));
        let task = tokio::spawn(live(source, Arc::clone(&outlet)));
        seats.push(Seat { outlet, task });
        name
    }

    /// Ends a source once what it has under way is handed in, and forgets it.
    pub(crate) async fn remove(&self, name: &str) -> Result<SideReport, RelayError> {
        let seat = {
            let mut seats = self.seats();
            let place = seats.iter().position(|seat| seat.outlet.name() == name);
            seats.remove(place.ok_or_else(|| RelayError::SideSource(name.to_owned()))?)
        };
        Ok(seat.end().await)
    }

    /// Ends all of them in order.
    pub(crate) async fn end(&self) {
        let seats: Vec<Seat> = self.seats().drain(..).collect();
        seats.iter().for_each(|seat| seat.outlet.stop());
        for seat in seats {
            seat.end().await;
        }
    }

    pub(crate) fn reports(&self) -> Vec<SideReport> {
        self.seats().iter().map(|seat| seat.outlet.report()).collect()
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Seat>> {
        // A list that is only added to and taken from is right after any panic.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    async fn end(self) -> SideReport {
        self.outlet.stop();
        // One that panicked has ended, too.
        let _ = self.task.await;
        self.outlet.report()
    }
}

/// Marks the source as stopped, however its task ends.
struct Leaving<'a>(&'a Outlet);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.set_state(SourceState::Stopped);
    }
}

async fn live(source: impl SideSource, outlet: Arc<Outlet>) {
    let _leaving = Leaving(&outlet);
    tokio::select! {
        // Looked at first: nothing is handed in for a node that is gone.
        biased;
        parting = outlet.disowned() => {
            let why = parting.words();
            outlet.lose(why.to_owned());
            match parting {
                Parting::TakenAway => tracing::warn!(name = outlet.name(), "a side source has ended: {why}"),
                Parting::RaceOver => tracing::debug!(name = outlet.name(), "a side source has ended: {why}"),
            }
        }
        () = keep(source, &outlet) => {}
    }
}

/// Connects a source, and again, until it is to end or can never work.
async fn keep(source: impl SideSource, outlet: &Outlet) {
    let mut failures = 0;
    while !outlet.is_stopping() {
        let ended = tokio::select! {
            ended = source.run(outlet) => ended,
            () = overdue(outlet) => return,
        };
        if outlet.is_stopping() {
            return;
        }
        let error = ended.err().unwrap_or(SourceError::Disconnected);
        let name = outlet.name();
        let is_steady = outlet.lose(error.to_string()).is_some_and(|stood| stood >= STEADY);
        if error.is_fatal() {
            tracing::error!(name, error = &error as &dyn std::error::Error, "a side source has ended for good");
            return;
        }
        tracing::warn!(name, error = &error as &dyn std::error::Error, "a side source is not connected");
        failures = if is_steady { 0 } else { failures };
        tokio::select! {
            () = sleep(pause_before_reconnect(failures)) => {}
            () = outlet.stopped() => return,
        }
        failures += 1;
    }
}

/// Waits until a source that was told to end has had its time.
async fn overdue(outlet: &Outlet) {
    outlet.stopped().await;
    sleep(DRAIN_MAX).await;
}
