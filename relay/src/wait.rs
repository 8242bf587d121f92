//! How a consumer thread waits: spin a little where cores are plenty, then park.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crossbeam::sync::{Parker, Unparker};
use crossbeam::utils::Backoff;

/// How long a waiter spins before it parks: about what parking and waking costs on Linux.
const SPIN: Duration = Duration::from_micros(50);

/// Below this many cores a spinning consumer takes time from the thread it waits for.
const SPIN_CORES_MIN: usize = 4;

/// The waiting side. Belongs to one thread at a time.
#[derive(Debug)]
pub(crate) struct Waiter {
    parker: Parker,
    woken: Arc<AtomicBool>,
    spin: Duration,
}

/// Wakes a thread that waits on a feed, so that other inputs can share the thread. A wake before the wait counts.
#[derive(Debug, Clone)]
pub struct FeedWaker {
    unparker: Unparker,
    woken: Arc<AtomicBool>,
}

impl FeedWaker {
    /// Makes the current or the next [`crate::Feed::wait`] return. Never blocks.
    pub fn wake(&self) {
        // Pairs with the Acquire swap in `Waiter::wait`: what was written before the wake is seen after the wait.
        self.woken.store(true, Ordering::Release);
        self.unparker.unpark();
    }
}

impl Waiter {
    pub(crate) fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        let spin = if cores < SPIN_CORES_MIN { Duration::ZERO } else { SPIN };
        Self { parker: Parker::new(), woken: Arc::default(), spin }
    }

    pub(crate) fn unparker(&self) -> Unparker {
        self.parker.unparker().clone()
    }

    pub(crate) fn waker(&self) -> FeedWaker {
        FeedWaker { unparker: self.unparker(), woken: Arc::clone(&self.woken) }
    }

    /// Returns when `is_ready`, when woken, or after `at_most`; may return early for no reason.
    pub(crate) fn wait(&self, at_most: Duration, is_ready: impl Fn() -> bool) {
        let start = Instant::now();
        let backoff = Backoff::new();
        loop {
            if is_ready() || self.woken.swap(false, Ordering::Acquire) {
                return;
            }
            let waited = start.elapsed();
            if waited >= at_most.min(self.spin) {
                break;
            }
            backoff.snooze();
        }
        // The producer unparks after it pushed, and an unpark before the park makes the park return at once:
        // nothing can be missed between the check above and here.
        self.parker.park_timeout(at_most.saturating_sub(start.elapsed()));
        self.woken.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_before_the_wait_is_not_lost() {
        let waiter = Waiter::new();
        waiter.waker().wake();
        waiter.wait(Duration::from_secs(3600), || false);
    }

    #[test]
    fn a_wake_from_another_thread_ends_the_wait() {
        let waiter = Waiter::new();
        let waker = waiter.waker();
        let other = thread::spawn(move || waker.wake());
        waiter.wait(Duration::from_secs(3600), || false);
        other.join().expect("the waking thread does not panic");
    }

    #[test]
    fn a_ready_input_is_not_waited_for() {
        Waiter::new().wait(Duration::from_secs(3600), || true);
    }
}
