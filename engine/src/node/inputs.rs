//! The way into the data plane for everything but market messages.

use std::sync::{Arc, Mutex, PoisonError};

use alphapulse_protocol::message;
use alphapulse_protocol::replica::Replica;
use alphapulse_protocol::{BlockRef, OpportunityId};
use alphapulse_relay::FeedWaker;
use crossbeam::queue::ArrayQueue;
use tokio::sync::oneshot;

use super::status::NodeStatus;

/// Inputs that may wait. Results of execution are never dropped: who finds the queue full waits.
const INPUTS_MAX: usize = 1024;

/// Something for the data plane to do between two market messages.
#[derive(Debug)]
pub(super) enum Input {
    /// A simulation was answered.
    Simulation(message::Simulation),
    /// A submission was answered.
    Submitted(message::Submitted),
    /// The chain decided a transaction, or a reorg undid that.
    Outcome(message::Outcome),
    /// The executor no longer accepts this trade: free its nonce.
    Cancel {
        /// Trade concerned.
        opportunity: OpportunityId,
        /// Nonce to free.
        nonce: u64,
    },
    /// All outcomes of this block are behind this input.
    Tracked(BlockRef),
    /// Someone wants to know how things stand.
    Status(oneshot::Sender<NodeStatus>),
    /// Someone wants a copy of the market.
    Market(oneshot::Sender<Replica>),
    /// The end.
    Stop,
}

/// Bounded queue into the data plane's thread, which it wakes.
#[derive(Debug, Clone)]
pub(super) struct Inputs {
    queue: Arc<ArrayQueue<Input>>,
    /// Changes when the feed is joined again. Never locked by the data plane while it works.
    waker: Arc<Mutex<Option<FeedWaker>>>,
}

impl Inputs {
    pub(super) fn new() -> Self {
        Self { queue: Arc::new(ArrayQueue::new(INPUTS_MAX)), waker: Arc::default() }
    }

    /// Queues an input; waits while the queue is full.
    pub(super) async fn push(&self, mut input: Input) {
        while let Err(refused) = self.queue.push(input) {
            input = refused;
            self.wake();
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        self.wake();
    }

    pub(super) fn pop(&self) -> Option<Input> {
        self.queue.pop()
    }

    /// The feed on which the data plane waits from now on.
    pub(super) fn set_waker(&self, waker: Option<FeedWaker>) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = waker;
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            waker.wake();
        }
    }
}
