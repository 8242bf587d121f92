//! A live node on a chain, and what a test may demand of it after trouble.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::primitives::U256;
use alphapulse_engine::config::NodeConfig;
use alphapulse_engine::ledger::Totals;
use alphapulse_engine::node::{Node, NodeEvent};
use alphapulse_protocol::message::Message;
use alphapulse_protocol::replica::Replica;
use alphapulse_protocol::{BlockRef, HashBytes};
use alphapulse_relay::{Relay, RelayStats};
use alphapulse_testnet::session::{Accounts, Head, Testnet};
use alphapulse_testnet::{DevNodeConfig, Kit, Layout};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use crate::kit::kit;

/// Past every back-off of the engine, on a machine that does other things too.
const RECOVERED_MAX: Duration = Duration::from_secs(90);
const CLOSING_BLOCKS_MAX: usize = 40;

/// A chain that keeps nothing between tests.
pub(super) async fn start_chain(config: DevNodeConfig, seed: u64) -> Testnet {
    Testnet::start(&kit(), config, &Layout::standard(), seed).await.expect("chain with contracts")
}

/// The node, the chain under it, and all that the node said.
pub(super) struct Watched {
    testnet: Testnet,
    node: Node,
    config: NodeConfig,
    events: Receiver<NodeEvent>,
    head: Head,
    before: Accounts,
    /// Block that each opportunity was found on.
    found_on: BTreeMap<u64, HashBytes>,
    /// Blocks of the approvals that no demand has looked at yet.
    approved_on: Vec<HashBytes>,
}

impl Watched {
    /// Starts a live node at `endpoint`.
    pub(super) async fn start(mut testnet: Testnet, endpoint: &str, seed: u64) -> Self {
        let config = testnet.config(endpoint).expect("configuration is good");
        let options = testnet.options(None, seed).expect("key is there");
        let before = testnet.accounts().await.expect("chain answers");
        let node = Node::start(config.clone(), options).await.expect("node starts");
        let events = node.events();
        let head = testnet.head().await.expect("chain answers");
        Self { testnet, node, config, events, head, before, found_on: BTreeMap::new(), approved_on: Vec::new() }
    }

    pub(super) fn head(&self) -> BlockRef {
        self.head.block
    }

    /// Rounds that the node follows.
    pub(super) async fn rounds(&mut self, count: usize) {
        for _ in 0..count {
            self.testnet.act(&self.head).await.expect("moves are taken");
            self.mine().await;
            self.catch_up().await;
        }
        self.approved_on.clear();
    }

    /// Rounds that the node is not waited for in; the blocks they made.
    pub(super) async fn unseen_rounds(&mut self, count: usize) -> Vec<BlockRef> {
        let mut made = Vec::new();
        for _ in 0..count {
            self.testnet.act(&self.head).await.expect("moves are taken");
            made.push(self.mine().await);
        }
        self.listen();
        made
    }

    async fn mine(&mut self) -> BlockRef {
        let block = self.testnet.mine(&self.head).await.expect("chain mines");
        self.head = self.testnet.head().await.expect("chain answers");
        block
    }

    /// Replaces the last blocks by empty ones.
    pub(super) async fn reorg(&mut self, depth: u64) {
        self.testnet.node.reorg(depth).await.expect("chain reorganises");
        self.testnet.resume_actors().await.expect("chain answers");
        self.head = self.testnet.head().await.expect("chain answers");
    }

    /// Ends the chain's process and starts it again.
    pub(super) async fn restart_chain(self, kit: &Kit) -> Self {
        let mut testnet = self.testnet.restart(kit).await.expect("the chain starts again");
        let head = testnet.head().await.expect("chain answers");
        Self { testnet, head, ..self }
    }

    /// Waits until the node is done with the chain's head.
    pub(super) async fn catch_up(&mut self) {
        let settled = tokio::time::timeout(RECOVERED_MAX, self.node.settled(self.head.block)).await;
        if settled.is_err() {
            let status = self.node.status().await;
            panic!("the node does not reach block {}: {status:?}, {:?}", self.head.block.number, self.relay_stats());
        }
        settled.expect("checked").expect("the node lives");
        self.listen();
    }

    fn listen(&mut self) {
        loop {
            let event = self.events.try_recv();
            if let Some(found) = event.as_ref().ok().and_then(NodeEvent::found) {
                self.found_on.insert(found.opportunity.0, found.block.hash);
            }
            match event {
                Ok(NodeEvent::Verdict(verdict)) if verdict.is_approved() => {
                    self.approved_on.push(self.found_on[&verdict.opportunity.get()]);
                }
                Ok(_) => {}
                Err(TryRecvError::Lagged(count)) => panic!("{count} events lost"),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    /// Nothing was approved on any of `blocks`.
    pub(super) fn nothing_approved_on(&self, blocks: &[BlockRef]) {
        let stale = self.approved_on.iter().filter(|hash| blocks.iter().any(|block| block.hash == **hash));
        assert_eq!(stale.count(), 0);
    }

    /// Whatever was approved since the trouble began was found on one of `blocks`.
    pub(super) fn approved_only_on(&mut self, blocks: &[BlockRef]) {
        let stale: Vec<_> =
            self.approved_on.iter().filter(|hash| blocks.iter().all(|block| block.hash != **hash)).collect();
        assert!(stale.is_empty(), "{} approvals on other blocks than {blocks:?}", stale.len());
        self.approved_on.clear();
    }

    /// The node's market is, bit for bit, what a relay that starts now reads from the chain.
    pub(super) async fn holds_what_a_fresh_relay_reads(&self) {
        let own = self.node.market_replica().await.expect("the node lives");
        let mut config = self.config.relay_config(None);
        config.endpoint = self.testnet.node.ws_url().parse().expect("an endpoint");
        let relay = Relay::start(config).await.expect("a fresh relay starts");
        let fresh = first_snapshot(&relay);
        relay.stop().await.expect("the relay stops");
        assert_eq!(own.context().map(|context| context.block()), Some(self.head.block));
        assert!(own.is_same_state(&fresh), "the node's market differs from a fresh snapshot");
    }

    /// The node goes on to trade: `count` more rounds bring trades to the chain.
    pub(super) async fn trades_on(&mut self, count: usize) {
        let before = self.totals().await;
        self.rounds(count).await;
        let after = self.totals().await;
        assert!(after.included > before.included, "no trade landed after the trouble: {before:?} then {after:?}");
    }

    /// After the last trades have landed, the ledger is the chain's, to the wei. Predictions are not asked for: a trade that trouble
    /// delayed is taken on another state than it was found on, at its floor or above.
    pub(super) async fn books_equal_the_chain(&mut self) {
        for _ in 0..CLOSING_BLOCKS_MAX {
            self.mine().await;
            self.catch_up().await;
            if self.totals().await.unknown == 0 && self.approved_on.is_empty() {
                break;
            }
            self.approved_on.clear();
        }
        let totals = self.totals().await;
        let after = self.testnet.accounts().await.expect("chain answers");
        assert_eq!(totals.unknown, 0, "{totals:?}");
        assert_eq!(after.profit - self.before.profit, totals.realised_profit, "{totals:?}");
        assert_eq!(self.before.ether - after.ether, U256::from(totals.gas_spent), "{totals:?}");
    }

    pub(super) async fn totals(&self) -> Totals {
        self.node.status().await.expect("the node lives").totals
    }

    pub(super) fn relay_stats(&self) -> RelayStats {
        self.node.relay_stats().expect("the relay is embedded")
    }
}

fn first_snapshot(relay: &Relay) -> Replica {
    let mut feed = relay.subscribe().expect("the relay has room");
    let mut replica = Replica::default();
    while !replica.is_whole() {
        while let Some(frame) = feed.try_next().expect("the feed lives") {
            let message = Message::decode(frame.message_bytes()).expect("the relay speaks the protocol");
            replica.apply(&message).expect("the stream is whole");
        }
        feed.wait(Duration::from_millis(5));
    }
    replica
}
