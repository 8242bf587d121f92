//! The rival: the shape in which public searcher bots are built on Artemis, from the crates they are built from.
//!
//! A tokio runtime of two workers runs three tasks: a collector broadcasts each block, a strategy keeps pools in a hash
//! map by address, searches and sizes, and an executor signs with alloy's k256 signer.
//!
//! It is given every advantage that leaves it that shape: logs already parsed (unless JSON is asked for), one event per
//! block, routes indexed by pool ahead of time, a filter on marginal rates before anything is sized, exact V3 maths and
//! the calldata encoder of our own crates, a cached nonce and fee, no risk checks, no simulation and no journal.

mod book;
mod search;

pub(crate) use self::search::Found;

use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{TxKind, U256};
use alloy::rpc::types::Log;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alphapulse_engine::execution::calldata::{self, Plan};
use anyhow::{Context, Result, bail};
use tokio::runtime::Runtime;
use tokio::sync::{broadcast, mpsc};

use self::search::Searcher;
use crate::account::{self, EXECUTOR};
use crate::feed::{self, CHAIN_ID, LogBlock};
use crate::market::{Change, World};
use crate::ours::{BLOCKS_VALID, PRIORITY_FEE};

/// Capacity of Artemis' event channel.
const EVENTS: usize = 512;
const WORKERS: usize = 2;

/// In what form the collector gets the logs of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As alloy's `Log`, parsed before the clock starts.
    Parsed,
    /// As the JSON text of a node's answer, parsed by the collector.
    Json,
}

/// A block for the collector.
#[derive(Debug)]
enum Source {
    Parsed(u64, Vec<Log>),
    Json(u64, Vec<u8>),
}

/// What the strategy found, on its way to the executor.
#[derive(Debug)]
struct Action {
    block: Arc<LogBlock>,
    found: Found,
    plan: Plan,
    gas_limit: u64,
    searched: Instant,
}

/// What a block led to.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) raw: Vec<u8>,
    pub(crate) found: Found,
    /// From the collector's having the block in hand to the raw transaction.
    pub(crate) elapsed: Duration,
    /// From there to the end of the search: one hand-over, decoding, state, search, sizing.
    pub(crate) until_searched: Duration,
}

/// The running bot.
pub(crate) struct Rival {
    runtime: Runtime,
    source: mpsc::UnboundedSender<Source>,
    done: mpsc::UnboundedReceiver<Option<Taken>>,
    number: u64,
}

impl Rival {
    /// A bot at rest on `world`.
    pub(crate) fn start(world: &World) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).build()?;
        let (source, blocks_in) = mpsc::unbounded_channel();
        let (events, subscription) = broadcast::channel(EVENTS);
        let (actions, actions_in) = mpsc::channel(EVENTS);
        let (results, done) = mpsc::unbounded_channel();
        runtime.spawn(collect(blocks_in, events));
        runtime.spawn(strategise(Searcher::new(world), subscription, actions, results.clone()));
        runtime.spawn(execute(account::alloy_signer(), actions_in, results));
        Ok(Self { runtime, source, done, number: 1_000 })
    }

    /// Takes a block with `changes`.
    pub(crate) fn tick(&mut self, changes: &[Change], form: Form) -> Result<Taken> {
        self.take(changes, form)?.context("the rival found nothing")
    }

    /// Takes a block that opens nothing.
    pub(crate) fn restore(&mut self, changes: &[Change]) -> Result<()> {
        if self.take(changes, Form::Parsed)?.is_some() { bail!("the rival trades at rest") } else { Ok(()) }
    }

    fn take(&mut self, changes: &[Change], form: Form) -> Result<Option<Taken>> {
        self.number += 1;
        let logs = feed::logs(self.number, changes);
        self.source.send(match form {
            Form::Parsed => Source::Parsed(self.number, logs),
            Form::Json => Source::Json(self.number, serde_json::to_vec(&logs)?),
        })?;
        // Waiting asleep leaves both cores to the bot.
        self.runtime.block_on(self.done.recv()).context("a task of the rival ended")
    }
}

async fn collect(mut source: mpsc::UnboundedReceiver<Source>, events: broadcast::Sender<Arc<LogBlock>>) {
    while let Some(block) = source.recv().await {
        let seen = Instant::now();
        let (number, logs) = match block {
            Source::Parsed(number, logs) => (number, logs),
            Source::Json(number, text) => {
                (number, serde_json::from_slice(&text).expect("a node's answer is a list of logs"))
            }
        };
        let block = LogBlock { context: feed::context(number), logs, seen };
        events.send(Arc::new(block)).expect("the strategy subscribes for ever");
    }
}

async fn strategise(
    mut searcher: Searcher,
    mut events: broadcast::Receiver<Arc<LogBlock>>,
    actions: mpsc::Sender<Action>,
    results: mpsc::UnboundedSender<Option<Taken>>,
) {
    while let Ok(block) = events.recv().await {
        let Some((found, plan, gas_limit)) = searcher.on_block(&block) else {
            results.send(None).expect("the bench waits");
            continue;
        };
        let action = Action { block, found, plan, gas_limit, searched: Instant::now() };
        actions.send(action).await.expect("the executor runs for ever");
    }
}

async fn execute(
    signer: PrivateKeySigner,
    mut actions: mpsc::Receiver<Action>,
    results: mpsc::UnboundedSender<Option<Taken>>,
) {
    let mut nonce = 0;
    while let Some(action) = actions.recv().await {
        let raw = sign(&signer, nonce, &action);
        let elapsed = action.block.seen.elapsed();
        nonce += 1;
        let until_searched = action.searched - action.block.seen;
        let taken = Taken { raw, found: action.found, elapsed, until_searched };
        if results.send(Some(taken)).is_err() {
            return;
        }
    }
}

fn sign(signer: &PrivateKeySigner, nonce: u64, action: &Action) -> Vec<u8> {
    let base_fee = action.block.context.next_base_fee().0;
    let transaction = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: action.gas_limit,
        max_fee_per_gas: 2 * base_fee + PRIORITY_FEE.0,
        max_priority_fee_per_gas: PRIORITY_FEE.0,
        to: TxKind::Call(EXECUTOR),
        value: U256::ZERO,
        access_list: Default::default(),
        input: calldata::encode_execute(&action.plan),
    };
    let signature = signer.sign_hash_sync(&transaction.signature_hash()).expect("a local key signs anything");
    transaction.into_signed(signature).encoded_2718()
}

/// Last block in which the trade may be included.
const fn block_max(number: u64) -> u64 {
    number + BLOCKS_VALID
}
