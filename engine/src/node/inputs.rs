//! The way into the data plane for everything but market messages.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use alphapulse_protocol::OpportunityId;
use alphapulse_protocol::message;
use alphapulse_protocol::replica::Replica;
use alphapulse_relay::FeedWaker;
use crossbeam::queue::ArrayQueue;
use tokio::sync::oneshot;

use super::status::NodeStatus;

/// Inputs that may wait. Results of execution are never dropped: who finds the queue full waits.
const INPUTS_MAX: usize = 1024;
/// Pause of who finds the queue full.
const FULL_PAUSE: std::time::Duration = std::time::Duration::from_millis(1);

/// Something for the data plane to do between two market messages.
#[derive(Debug)]
pub(super) enum Input {
    /// A simulation was answered.
    Simulation(message::Simulation),
    /// A submission was answered.
    Submitted(message::Submitted),
    /// A transaction was sent again after a reorg, and this was said of it.
    Resent(message::Submitted),
    /// The chain decided a transaction, or a reorg undid that.
    Outcome(message::Outcome),
    /// The executor no longer accepts this trade: free its nonce.
    Cancel {
        /// Trade concerned.
        opportunity: OpportunityId,
        /// Nonce to free.
        nonce: u64,
    },
    /// Transactions of our account that the chain has counted.
    Counted(u64),
    /// So many events of the chain have been followed: all their outcomes are behind this input.
    Tracked(u64),
    /// Someone wants to know how things stand.
    Status(oneshot::Sender<NodeStatus>),
    /// Someone wants a copy of the market.
    Market(oneshot::Sender<Replica>),
}

/// Bounded queue into the data plane's thread, which it wakes.
#[derive(Debug, Clone)]
pub(super) struct Inputs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: ArrayQueue<Input>,
    is_stopping: AtomicBool,
    is_closed: AtomicBool,
    /// Changes when the feed is joined again. Never locked by the data plane while it works.
    waker: Mutex<Option<FeedWaker>>,
}

impl Inputs {
    pub(super) fn new() -> Self {
        let queue = ArrayQueue::new(INPUTS_MAX);
        let (is_stopping, is_closed) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { shared: Arc::new(Shared { queue, is_stopping, is_closed, waker: Mutex::default() }) }
    }

    /// Queues an input; waits while the queue is full. Once nobody takes inputs any more it is dropped, and who waits for
    /// its answer is told so.
    pub(super) async fn push(&self, mut input: Input) {
        while !self.is_closed() {
            match self.shared.queue.push(input) {
                Ok(()) => break,
                Err(refused) => input = refused,
            }
            self.wake();
            tokio::time::sleep(FULL_PAUSE).await;
        }
        self.wake();
        if self.is_closed() {
            self.drain();
        }
    }

    pub(super) fn pop(&self) -> Option<Input> {
        self.shared.queue.pop()
    }

    /// Asks the data plane to end. Not a queued input: it must not wait for room.
    pub(super) fn stop(&self) {
        // Stands alone: no other memory is published with it.
        self.shared.is_stopping.store(true, Ordering::Relaxed);
        self.wake();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.shared.is_stopping.load(Ordering::Relaxed)
    }

    /// Nobody takes inputs from here on.
    fn close(&self) {
        // With the look after each push: either that push sees this, or the drain below sees what it pushed.
        self.shared.is_closed.store(true, Ordering::SeqCst);
        self.drain();
    }

    fn is_closed(&self) -> bool {
        self.shared.is_closed.load(Ordering::SeqCst)
    }

    fn drain(&self) {
        while self.pop().is_some() {}
    }

    /// The feed on which the data plane waits from now on.
    pub(super) fn set_waker(&self, waker: Option<FeedWaker>) {
        *self.shared.waker.lock().unwrap_or_else(PoisonError::into_inner) = waker;
    }

    fn wake(&self) {
        if let Some(waker) = self.shared.waker.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            waker.wake();
        }
    }
}

/// The data plane's end of the inputs: when it goes, in whatever way, nobody is left waiting.
#[derive(Debug)]
pub(super) struct Receiving(pub(super) Inputs);

impl Drop for Receiving {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_a_data_plane_that_ends_is_told_so_and_never_left_waiting() {
        let inputs = Inputs::new();
        let receiving = Receiving(inputs.clone());
        let (reply, before) = oneshot::channel();
        inputs.push(Input::Status(reply)).await;
        drop(receiving);
        let (reply, after) = oneshot::channel();
        inputs.push(Input::Status(reply)).await;
        assert!(before.await.is_err() && after.await.is_err());
    }

    #[tokio::test]
    async fn who_waits_for_room_goes_on_when_the_data_plane_ends() {
        let inputs = Inputs::new();
        let receiving = Receiving(inputs.clone());
        let input = || Input::Cancel { opportunity: OpportunityId(1), nonce: 1 };
        for _ in 0..INPUTS_MAX {
            inputs.push(input()).await;
        }
        let waiting = tokio::spawn({
            let inputs = inputs.clone();
            async move { inputs.push(input()).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(receiving);
        waiting.await.expect("it does not panic");
    }
}
