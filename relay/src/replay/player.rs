//! Serves the events of a recording at their times.

use core::time::Duration;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::pace::Pace;
use super::{Events, Lanes, ReplayOptions, ReplaySpeed};
use crate::error::RelayError;
use crate::follower::ChainEvent;
use crate::metrics::Metrics;

/// How often it is looked whether subscribers came, or took what they have.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Who was lapped is repaired well within this time of having read what there was.
const REPAIR: Duration = Duration::from_millis(50);

/// Gives the events to the relay's writer, each at its time.
pub(crate) struct Player {
    pub(crate) events: Events,
    pub(crate) out: mpsc::Sender<ChainEvent>,
    pub(crate) options: ReplayOptions,
    pub(crate) lanes: Lanes,
    pub(crate) metrics: Arc<Metrics>,
}

/// Nobody listens any more.
struct Unheard;

impl Player {
    /// Plays to the end, or until nobody listens.
    pub(crate) async fn run(self) -> Option<RelayError> {
        let wanted = u64::try_from(self.options.wait_for).unwrap_or(u64::MAX);
        let (metrics, out) = (Arc::clone(&self.metrics), self.out.clone());
        if until(&out, || metrics.subscribers.get() >= wanted).await.is_err() {
            return None;
        }
        self.play().await.err()
    }

    async fn play(mut self) -> Result<(), RelayError> {
        let mut pace = Pace { speed: self.options.speed, start: None };
        // A reorg is heard of with the first block of the new branch.
        let mut held = None;
        // Reading blocks this task for the time that a segment takes, some ten milliseconds, which delays nobody else.
        while let Some(event) = self.events.next().map_err(RelayError::Journal)? {
            if matches!(event, ChainEvent::Reorg { .. }) {
                if let Some(earlier) = held.replace(event)
                    && self.tell(earlier).await.is_err()
                {
                    return Ok(());
                }
                continue;
            }
            let wait = pace.wait(&event, Instant::now());
            if !wait.is_zero() {
                tokio::select! {
                    () = sleep(wait) => {}
                    () = self.out.closed() => return Ok(()),
                }
            }
            for event in held.take().into_iter().chain([event]) {
                if self.tell(event).await.is_err() {
                    return Ok(());
                }
            }
        }
        if let Some(event) = held {
            let _ = self.tell(event).await;
        }
        // When nobody listens any more there is nothing to wait for either.
        let _ = self.drain().await;
        Ok(())
    }

    async fn tell(&self, event: ChainEvent) -> Result<(), Unheard> {
        if self.options.speed == ReplaySpeed::Max {
            until(&self.out, || self.lanes.have_room()).await?;
        }
        self.out.send(event).await.map_err(|_| Unheard)
    }

    /// Waits until every subscriber has taken what it was given, and what repaired it then. One that takes nothing is cut off
    /// by its connection.
    async fn drain(&self) -> Result<(), Unheard> {
        for _ in 0..2 {
            // Signs of life go on, so all lanes are rarely empty at once; each has to be once.
            let mut busy = self.lanes.read();
            let all_were_empty = || {
                busy.retain(|lane| lane.is_read() && lane.is_waiting());
                busy.is_empty()
            };
            until(&self.out, all_were_empty).await?;
            sleep(REPAIR).await;
        }
        Ok(())
    }
}

async fn until(out: &mpsc::Sender<ChainEvent>, mut is_so: impl FnMut() -> bool) -> Result<(), Unheard> {
    while !is_so() {
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = out.closed() => return Err(Unheard),
        }
    }
    Ok(())
}
