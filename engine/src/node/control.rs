//! The control plane's side of execution: tries trades, sends transactions, reads receipts. All I/O of trading is here.

use std::sync::Arc;

use alloy::primitives::{Address, Bytes};
use alphapulse_protocol::message::{Outcome, Simulation, Submitted, SubmittedStatus};
use alphapulse_protocol::{BlockNumber, BlockRef, HashBytes, OpportunityId};
use futures_util::future;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::inputs::{Input, Inputs};
use crate::execution::chain::{ChainError, ChainPort};
use crate::execution::track::{Sent, Tracker};
use crate::risk::KillSwitch;

/// Requests that may wait; the data plane never waits for room.
pub(super) const REQUESTS_MAX: usize = 1024;

/// Work that is done at once and side by side.
#[derive(Debug)]
pub(super) enum Work {
    /// Try a trade on a block's state.
    Simulate {
        /// Trade concerned.
        opportunity: OpportunityId,
        /// Call of the executor.
        calldata: Bytes,
        /// Block whose state counts.
        block: HashBytes,
    },
    /// Hand over a signed transaction.
    Send(Sent),
}

/// Events that are followed in order.
#[derive(Debug)]
pub(super) enum Track {
    /// A transaction was signed.
    Watch(Sent),
    /// A block is whole.
    Block(BlockRef),
    /// The chain went back to this block.
    Reorg(BlockRef),
    /// The market was read anew at this block: what lies between is unknown.
    Reset(BlockRef),
}

/// Who trades through what.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    /// The node.
    pub(super) chain: ChainPort,
    /// Account that signs.
    pub(super) account: Address,
    /// Contract that trades.
    pub(super) executor: Address,
}

/// Does work until the data plane hangs up, and ends with the last answer: what was signed is sent.
pub(super) async fn work(desk: Arc<Desk>, inputs: Inputs, mut requests: mpsc::Receiver<Work>) {
    let mut running = JoinSet::new();
    while let Some(request) = requests.recv().await {
        running.spawn(work_one(Arc::clone(&desk), inputs.clone(), request));
        while running.try_join_next().is_some() {}
    }
    running.join_all().await;
}

async fn work_one(desk: Arc<Desk>, inputs: Inputs, request: Work) {
    match request {
        Work::Simulate { opportunity, calldata, block } => {
            let tried = desk.chain.try_trade(desk.account, desk.executor, calldata, block).await;
            let result = Simulation::new(opportunity, tried.status, tried.gas, tried.gain);
            inputs.push(Input::Simulation(result)).await;
        }
        Work::Send(sent) => {
            let status = desk.chain.send(&sent.raw).await;
            inputs.push(Input::Submitted(Submitted::new(sent.opportunity, sent.nonce, status))).await;
        }
    }
}

/// Follows transactions until the data plane hangs up.
pub(super) async fn follow(
    desk: Option<Arc<Desk>>,
    depth_max: usize,
    inputs: Inputs,
    kill: KillSwitch,
    mut events: mpsc::Receiver<Track>,
) {
    let mut tracker = Tracker::new(depth_max);
    let mut count = 0;
    while let Some(event) = events.recv().await {
        match event {
            Track::Watch(sent) => {
                tracker.watch(sent);
                continue;
            }
            Track::Reorg(ancestor) => {
                let (outcomes, again) = tracker.on_reorg(ancestor);
                push_all(&inputs, outcomes).await;
                if let Some(desk) = &desk {
                    send_again(desk, &inputs, &kill, again).await;
                }
            }
            Track::Reset(block) => {
                tracker.on_reset(block);
                read(desk.as_deref(), &mut tracker, block, &inputs, &kill).await;
            }
            Track::Block(block) => {
                tracker.on_block(block);
                read(desk.as_deref(), &mut tracker, block, &inputs, &kill).await;
            }
        }
        count += 1;
        inputs.push(Input::Tracked(count)).await;
    }
}

async fn read(desk: Option<&Desk>, tracker: &mut Tracker, head: BlockRef, inputs: &Inputs, kill: &KillSwitch) {
    if let Some(desk) = desk {
        confirm(desk, tracker, inputs, kill).await;
        settle(desk, tracker, head.number, inputs, kill).await;
    }
}

/// Looks up what may have left the chain while nobody watched it.
async fn confirm(desk: &Desk, tracker: &mut Tracker, inputs: &Inputs, kill: &KillSwitch) {
    for tx_hash in tracker.doubtful() {
        let Ok(receipt) = desk.chain.receipt(tx_hash, desk.executor).await.inspect_err(not_read) else { continue };
        if let Some((outcome, again)) = tracker.confirm(tx_hash, receipt.map(|receipt| receipt.block)) {
            inputs.push(Input::Outcome(outcome)).await;
            send_again(desk, inputs, kill, again).await;
        }
    }
}

/// Reads what the chain decided and says what it left open for too long.
async fn settle(desk: &Desk, tracker: &mut Tracker, head: BlockNumber, inputs: &Inputs, kill: &KillSwitch) {
    // Before the receipts: a nonce that is counted now and has no receipt then was used by someone else.
    let counted = desk.chain.nonce(desk.account).await.inspect_err(not_read).ok();
    let asked = tracker.queries().into_iter().map(|tx_hash| desk.chain.receipt(tx_hash, desk.executor));
    let answers = future::join_all(asked).await;
    let is_complete = answers.iter().all(Result::is_ok);
    let read = |answer: Result<_, ChainError>| answer.inspect_err(not_read).ok().flatten();
    let receipts: Vec<_> = answers.into_iter().filter_map(read).collect();
    push_all(inputs, tracker.on_receipts(&receipts)).await;
    if let Some(counted) = counted {
        if is_complete && let Some(nonce) = tracker.taken_by_another(counted, &receipts) {
            kill.trip(format!(
                "nonce {nonce} was used by a transaction that is not ours: another program uses the key"
            ));
        }
        inputs.push(Input::Counted(counted)).await;
    }
    push_all(inputs, tracker.finalise(head)).await;
    for (opportunity, nonce) in tracker.expired(head) {
        inputs.push(Input::Cancel { opportunity, nonce }).await;
    }
}

fn not_read(error: &ChainError) {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "what became of transactions was not read; asked again with the next block"
    );
}

async fn push_all(inputs: &Inputs, outcomes: Vec<Outcome>) {
    for outcome in outcomes {
        inputs.push(Input::Outcome(outcome)).await;
    }
}

/// Same bytes, same nonce: sending again can never trade twice. Behind the kill switch only cancellations go out; the
/// nonces of the trades are freed when these expire.
async fn send_again(desk: &Desk, inputs: &Inputs, kill: &KillSwitch, again: Vec<Sent>) {
    for sent in again {
        if kill.is_tripped() && !sent.is_cancellation() {
            continue;
        }
        let status = desk.chain.send(&sent.raw).await;
        if status != SubmittedStatus::Accepted {
            tracing::warn!(nonce = sent.nonce, ?status, "a transaction that a reorg dropped was not taken again");
        }
        inputs.push(Input::Resent(Submitted::new(sent.opportunity, sent.nonce, status))).await;
    }
}
