//! How a consumer thread waits: spin a little where cores are plenty, then block until it is woken.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crossbeam::sync::{Parker, Unparker};
use crossbeam::utils::Backoff;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

/// How long a waiter spins before it blocks: about what blocking and waking costs on Linux.
const SPIN: Duration = Duration::from_micros(50);

/// Below this many cores a spinning consumer takes time from the thread it waits for.
const SPIN_CORES_MIN: usize = 4;

const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);

fn spin() -> Duration {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    if cores < SPIN_CORES_MIN { Duration::ZERO } else { SPIN }
}

/// Whether a waker was used since the wait before.
#[derive(Debug, Clone, Default)]
struct Woken(Arc<AtomicBool>);

impl Woken {
    /// Says whether nobody else had woken the same wait.
    fn set(&self) -> bool {
        // Pairs with the Acquire swap in `take`: what was written before the wake is seen after the wait.
        !self.0.swap(true, Ordering::Release)
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Acquire)
    }
}

/// Wakes a thread that waits on a feed, so that other inputs can share the thread. A wake before the wait counts.
#[derive(Debug, Clone)]
pub struct FeedWaker {
    woken: Woken,
    sleeper: Sleeper,
}

/// Where the thread sleeps.
#[derive(Debug, Clone)]
enum Sleeper {
    Parked(Unparker),
    Polling(Arc<mio::Waker>),
}

impl FeedWaker {
    /// Makes the current or the next [`crate::Feed::wait`] return. Never blocks.
    pub fn wake(&self) {
        let is_first = self.woken.set();
        match &self.sleeper {
            Sleeper::Parked(unparker) => unparker.unpark(),
            // One of several wakes makes the system call. It can fail only when the poll is gone, and nobody waits then.
            Sleeper::Polling(waker) if is_first => drop(waker.wake()),
            Sleeper::Polling(_) => {}
        }
    }
}

/// The waiting side of a lane. Belongs to one thread at a time.
#[derive(Debug)]
pub(crate) struct Waiter {
    parker: Parker,
    woken: Woken,
    spin: Duration,
}

impl Waiter {
    pub(crate) fn new() -> Self {
        Self { parker: Parker::new(), woken: Woken::default(), spin: spin() }
    }

    pub(crate) fn unparker(&self) -> Unparker {
        self.parker.unparker().clone()
    }

    pub(crate) fn waker(&self) -> FeedWaker {
        FeedWaker { woken: self.woken.clone(), sleeper: Sleeper::Parked(self.unparker()) }
    }

    /// Returns when `is_ready`, when woken, or after `at_most`; may return early for no reason.
    pub(crate) fn wait(&self, at_most: Duration, mut is_ready: impl FnMut() -> bool) {
        let Some(left) = spin_until(at_most, self.spin, || is_ready() || self.woken.take()) else { return };
        // The producer unparks after it pushed, and an unpark before the park makes the park return at once:
        // nothing can be missed between the check above and here.
        self.parker.park_timeout(left);
        self.woken.take();
    }
}

/// The waiting side of a socket. Belongs to one thread at a time.
#[derive(Debug)]
pub(crate) struct SocketWaiter {
    poll: Poll,
    events: Events,
    waker: Arc<mio::Waker>,
    /// Whether anyone was ever given a waker.
    has_wakers: bool,
    /// Whether the socket told that the other side is done. It tells this once, be there bytes to read before or not.
    is_closing: bool,
    woken: Woken,
    spin: Duration,
}

impl SocketWaiter {
    pub(crate) fn new(socket: &impl AsFd) -> io::Result<Self> {
        let poll = Poll::new()?;
        let socket = socket.as_fd().as_raw_fd();
        poll.registry().register(&mut SourceFd(&socket), SOCKET, Interest::READABLE)?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), WAKER)?);
        let (events, woken) = (Events::with_capacity(2), Woken::default());
        Ok(Self { poll, events, waker, has_wakers: false, is_closing: false, woken, spin: spin() })
    }

    pub(crate) fn waker(&mut self) -> FeedWaker {
        self.has_wakers = true;
        FeedWaker { woken: self.woken.clone(), sleeper: Sleeper::Polling(Arc::clone(&self.waker)) }
    }

    pub(crate) const fn has_wakers(&self) -> bool {
        self.has_wakers
    }

    /// Whether there is an end to read behind the bytes: a read that gives all of them must be followed by another.
    pub(crate) const fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// Spins where cores are plenty; the time left to wait, if neither `is_done` nor a waker ended it.
    pub(crate) fn spin(&self, at_most: Duration, mut is_done: impl FnMut() -> bool) -> Option<Duration> {
        if self.woken.take() {
            return None;
        }
        if self.spin.is_zero() {
            return Some(at_most);
        }
        spin_until(at_most, self.spin, || is_done() || self.woken.take())
    }

    /// Returns when the socket has something, when woken, or after `at_most`; may return early for no reason. Says whether
    /// the socket told. It tells only once of the same bytes: whoever was told reads until there are no more.
    pub(crate) fn wait(&mut self, at_most: Duration) -> bool {
        let polled = self.poll.poll(&mut self.events, Some(at_most));
        self.woken.take();
        self.is_closing |= self.events.iter().any(|event| event.token() == SOCKET && event.is_read_closed());
        // A failed poll proves nothing of the socket: reading it shows what is wrong.
        polled.is_err() || self.events.iter().any(|event| event.token() == SOCKET)
    }
}

/// Spins for at most `spin` until `is_done`; the time left to wait, if it did not happen.
fn spin_until(at_most: Duration, spin: Duration, mut is_done: impl FnMut() -> bool) -> Option<Duration> {
    if is_done() {
        return None;
    }
    if spin.is_zero() {
        return Some(at_most);
    }
    let start = Instant::now();
    let backoff = Backoff::new();
    loop {
        let waited = start.elapsed();
        if waited >= at_most.min(spin) {
            return Some(at_most.saturating_sub(waited));
        }
        backoff.snooze();
        if is_done() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn a_wake_before_the_wait_is_not_lost() {
        let waiter = Waiter::new();
        waiter.waker().wake();
        waiter.wait(LONG, || false);
    }

    #[test]
    fn a_wake_from_another_thread_ends_the_wait() {
        let waiter = Waiter::new();
        let waker = waiter.waker();
        let other = thread::spawn(move || waker.wake());
        waiter.wait(LONG, || false);
        other.join().expect("the waking thread does not panic");
    }

    #[test]
    fn a_ready_input_is_not_waited_for() {
        Waiter::new().wait(LONG, || true);
    }

    #[test]
    fn spinning_ends_with_the_time_that_is_left() {
        let left = spin_until(LONG, Duration::from_micros(1), || false);
        assert!(left.is_some_and(|left| left < LONG));
        assert_eq!(spin_until(LONG, Duration::ZERO, || false), Some(LONG));
        let mut turns = 0;
        let is_third = || {
            turns += 1;
            turns == 3
        };
        assert_eq!(spin_until(LONG, LONG, is_third), None);
    }
}
