//! Gathers calls that are made at the same time into batches of one request each.

use std::collections::VecDeque;

use alloy::primitives::{Address, Bytes};
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::{BlockId, TransactionRequest};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot};

use super::lens::{self, Answered};
use crate::error::SourceError;
use crate::source::node::{CALL_TIMEOUT, call};

/// Gas of a batch: the most of one transaction (EIP-7825), below which no node's cap is.
pub(super) const BATCH_GAS: u64 = 1 << 24;
/// Batches under way at once.
const BATCHES_MAX: usize = 4;
/// While others are under way a batch waits for this many calls.
const CALLS_MIN: usize = 100;
/// Batches that the node refuses one after another before it is asked for no more.
const REFUSALS_MAX: u32 = 3;

/// A call that waits.
struct Ask {
    target: Address,
    data: Bytes,
    answer: oneshot::Sender<Answered>,
}

/// Takes calls for batches. Its task ends when it is dropped.
#[derive(Debug)]
pub(super) struct Batcher {
    asks: mpsc::UnboundedSender<Ask>,
}

impl Batcher {
    /// Makes its batches at this block.
    pub(super) fn start(client: RpcClient, block: BlockId) -> Self {
        let (asks, taken) = mpsc::unbounded_channel();
        tokio::spawn(drive(client, block, taken));
        Self { asks }
    }

    /// What the contract answers. Bounded by who waits: every call is of a pool that is being read.
    pub(super) async fn ask(&self, target: Address, data: Bytes) -> Answered {
        let (answer, answered) = oneshot::channel();
        if self.asks.send(Ask { target, data, answer }).is_err() {
            return Answered::Alone;
        }
        answered.await.unwrap_or(Answered::Alone)
    }
}

async fn drive(client: RpcClient, block: BlockId, mut asks: mpsc::UnboundedReceiver<Ask>) {
    let mut waiting = VecDeque::new();
    let mut under_way = FuturesUnordered::new();
    let mut refusals = 0;
    loop {
        tokio::select! {
            ask = asks.recv() => match ask {
                Some(ask) => waiting.push_back(ask),
                None => return,
            },
            Some((rest, is_refused)) = under_way.next(), if !under_way.is_empty() => {
                let rest: Vec<Ask> = rest;
                rest.into_iter().rev().for_each(|ask| waiting.push_front(ask));
                refusals = if is_refused { refusals + 1 } else { 0 };
            }
        }
        // Whoever is about to ask as well does so now.
        tokio::task::yield_now().await;
        while let Ok(ask) = asks.try_recv() {
            waiting.push_back(ask);
        }
        if refusals >= REFUSALS_MAX {
            tracing::warn!("the node makes no batches of calls; each call is a request of its own");
            waiting.drain(..).for_each(|ask| drop(ask.answer.send(Answered::Alone)));
            // Without a receiver each is asked alone.
            return;
        }
        while under_way.len() < BATCHES_MAX
            && (waiting.len() >= CALLS_MIN || (under_way.is_empty() && !waiting.is_empty()))
        {
            under_way.push(run(&client, block, take(&mut waiting)));
        }
    }
}

/// As many as fit a batch, at least one.
fn take(waiting: &mut VecDeque<Ask>) -> Vec<Ask> {
    let mut room = lens::room();
    let mut taken = Vec::new();
    while let Some(ask) = waiting.pop_front_if(|ask| lens::call_bytes(&ask.data) <= room || taken.is_empty()) {
        room = room.saturating_sub(lens::call_bytes(&ask.data));
        taken.push(ask);
        if taken.len() == lens::CALLS_MAX {
            break;
        }
    }
    taken
}

/// Answers calls; those that were not made are given back. Where the node does not answer, each is asked alone, and whoever
/// asks hears why. The second value says that the node refused.
async fn run(client: &RpcClient, block: BlockId, asks: Vec<Ask>) -> (Vec<Ask>, bool) {
    let code = lens::batch(asks.iter().map(|ask| (ask.target, &ask.data)));
    let returned = create(client, block, code).await;
    let answers = returned.ok().and_then(|returned| lens::answers(&returned)).unwrap_or_default();
    let is_refused = answers.is_empty();
    let mut asks = asks.into_iter();
    for (answer, ask) in answers.into_iter().zip(asks.by_ref()) {
        drop(ask.answer.send(answer));
    }
    if is_refused {
        asks.by_ref().for_each(|ask| drop(ask.answer.send(Answered::Alone)));
    }
    (asks.collect(), is_refused)
}

/// Runs creation code in the node's state; what would be the contract's code is the answer.
pub(super) async fn create(client: &RpcClient, block: BlockId, code: Bytes) -> Result<Bytes, SourceError> {
    let transaction = TransactionRequest::default().input(code.into()).gas_limit(BATCH_GAS);
    call(client, transaction, block, CALL_TIMEOUT).await
}
