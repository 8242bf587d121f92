//! What a relay tells beside the market, from a real node: transactions that wait, and what is final.

use std::time::Duration;

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope, TxLegacy};
use alloy::eips::eip2718::Encodable2718;
use alloy::network::TxSignerSync;
use alloy::primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy::providers::Provider;
use alloy::signers::local::PrivateKeySigner;
use alphapulse_protocol::ChainId;
use alphapulse_protocol::frame::FRAME_HEADER_BYTES;
use alphapulse_protocol::message::{Finality, Message, PendingTransaction, WireMessage};
use alphapulse_relay::journal::FeedOptions;
use alphapulse_relay::source::race::SourceState;
use alphapulse_relay::source::side::{FinalityWatch, PendingTransactions};
use alphapulse_relay::{Access, Endpoint, Feed, Relay, RelayConfig, Selection, SubscribeOptions};
use alphapulse_testnet::{DevNode, DevNodeConfig};
use tokio::time::timeout;

use super::kit::kit;

/// Far above what any step takes, so that only a hang meets it.
const DEADLINE: Duration = Duration::from_secs(60);
const CHAIN: u64 = 31337;

fn config(node: &DevNode) -> RelayConfig {
    RelayConfig {
        chain_id: ChainId(CHAIN),
        endpoint: Endpoint::Ws(node.ws_url()),
        confirm_endpoints: Vec::new(),
        quorum: 1,
        stale_blocks: 2,
        confirm_wait: Duration::from_secs(2),
        venues: Vec::new(),
        pools: Vec::new(),
        factories: Vec::new(),
        pending: true,
        finality: true,
        quotes: Vec::new(),
        silence: Duration::from_secs(60),
        backfill_blocks_max: 128,
        reorg_depth_max: 64,
        lane_bytes: 1 << 20,
        recent_bytes: 1 << 20,
        heartbeat: Duration::from_secs(60),
        listen_unix: None,
        listen_tcp: None,
        listen_http: None,
        access: Access::default(),
        subscribers_max: 8,
        sample_pools: 0,
        journal_dir: None,
        journal: FeedOptions::default(),
    }
}

fn listening(relay: &Relay, template: u16) -> Feed {
    let selection = Selection::everything().side(template);
    relay.subscribe_with(SubscribeOptions { selection, ..SubscribeOptions::default() }).expect("a place")
}

/// The next message of this template.
async fn next_of(feed: &mut Feed, template: u16) -> Vec<u8> {
    let next = async {
        loop {
            while let Some(frame) = feed.try_next().expect("the relay runs") {
                let message = frame.as_bytes()[FRAME_HEADER_BYTES..].to_vec();
                if u16::from_le_bytes([message[2], message[3]]) == template {
                    return message;
                }
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, next).await.expect("the message comes")
}

async fn until_ready(relay: &Relay, sources: usize) {
    let ready = async {
        while relay.side_sources().iter().filter(|report| report.state == SourceState::Ready).count() < sources {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, ready).await.unwrap_or_else(|_| panic!("{:?}", relay.side_sources()));
}

fn signed<T: SignableTransaction<alloy::primitives::Signature>>(mut transaction: T, signer: &PrivateKeySigner) -> Bytes
where
    TxEnvelope: From<alloy::consensus::Signed<T>>,
{
    let signature = signer.sign_transaction_sync(&mut transaction).expect("signs");
    TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
}

fn transfer(nonce: u64, signer: &PrivateKeySigner) -> Bytes {
    let transaction = TxEip1559 {
        chain_id: CHAIN,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 20_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(Address::repeat_byte(0x42)),
        value: U256::from(7),
        ..TxEip1559::default()
    };
    signed(transaction, signer)
}

fn old_transfer(nonce: u64, signer: &PrivateKeySigner) -> Bytes {
    let transaction = TxLegacy {
        chain_id: Some(CHAIN),
        nonce,
        gas_price: 20_000_000_000,
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(0x43)),
        value: U256::from(8),
        ..TxLegacy::default()
    };
    signed(transaction, signer)
}

#[tokio::test]
async fn a_transaction_that_waits_is_relayed_as_it_was_signed() {
    let node = DevNode::start(&kit(), DevNodeConfig::default()).await.expect("starts");
    node.set_automine(false).await.expect("holds blocks back");
    let relay = Relay::start(RelayConfig { finality: false, ..config(&node) }).await.expect("the relay starts");
    let mut feed = listening(&relay, PendingTransaction::TEMPLATE_ID);
    let mut deaf = relay.subscribe().expect("a place");
    until_ready(&relay, 1).await;

    let signer = &node.accounts()[0];
    for raw in [transfer(0, signer), old_transfer(1, signer)] {
        let sent = node.provider().send_raw_transaction(&raw).await.expect("is taken");
        let message = next_of(&mut feed, PendingTransaction::TEMPLATE_ID).await;
        let Ok(Message::PendingTransaction(pending)) = Message::decode(&message) else { panic!("it is one") };
        assert_eq!(pending.transaction(&message), Some(&raw[..]));
        assert_eq!((B256::from(pending.hash), keccak256(&raw)), (*sent.tx_hash(), *sent.tx_hash()));
        assert_eq!(Address::from(pending.sender), signer.address());
    }
    assert_eq!(relay.stats().sides, 2);
    while let Some(frame) = deaf.try_next().expect("the relay runs") {
        assert!(!Message::decode(frame.message_bytes()).expect("ours").is_side());
    }

    // Taken away, it hears nothing more; added again, over IPC, it does.
    let name = relay.side_sources()[0].name.clone();
    let report = relay.remove_side_source(&name).await.expect("it is there");
    assert_eq!((report.state, report.published, report.refused), (SourceState::Stopped, 2, 0), "{report:?}");
    let ipc = Endpoint::Ipc(node.ipc_path().to_owned());
    relay.add_side_source(PendingTransactions::new(ipc, ChainId(CHAIN)));
    until_ready(&relay, 1).await;
    let raw = transfer(2, signer);
    let _ = node.provider().send_raw_transaction(&raw).await.expect("is taken");
    let message = next_of(&mut feed, PendingTransaction::TEMPLATE_ID).await;
    let Ok(Message::PendingTransaction(pending)) = Message::decode(&message) else { panic!("it is one") };
    assert_eq!((pending.transaction(&message), pending.header.sequence.get()), (Some(&raw[..]), 3));
    relay.stop().await.expect("ends in order");
}

#[tokio::test]
async fn finality_moves_with_the_chain_and_who_joins_is_told() {
    let node = DevNode::start(&kit(), DevNodeConfig::default()).await.expect("starts");
    let relay = Relay::start(RelayConfig { pending: false, ..config(&node) }).await.expect("the relay starts");
    let mut feed = listening(&relay, Finality::TEMPLATE_ID);
    until_ready(&relay, 1).await;
    let mut last = None;
    for _ in 0..3 {
        node.mine_many(70).await.expect("mines");
        // Heads may be seen one by one: wait for the word that is of the last.
        let provider = node.provider();
        let finalized = provider.get_block_by_number("finalized".parse().expect("a tag")).await.expect("answers");
        let safe = provider.get_block_by_number("safe".parse().expect("a tag")).await.expect("answers");
        let (finalized, safe) = (finalized.expect("is there").header, safe.expect("is there").header);
        loop {
            let message = next_of(&mut feed, Finality::TEMPLATE_ID).await;
            let Ok(Message::Finality(word)) = Message::decode(&message) else { panic!("it is one") };
            assert_eq!(word.chain_id, CHAIN);
            assert!(last.is_none_or(|last| last <= word.finalized().number), "{last:?} {word:?}");
            last = Some(word.finalized().number);
            if word.finalized().number.0 == finalized.number && word.safe().number.0 == safe.number {
                assert_eq!((word.finalized().hash, word.safe().hash), (finalized.hash.0, safe.hash.0));
                assert_eq!(word.header.event_ns.get(), safe.timestamp * 1_000_000_000);
                break;
            }
        }
    }
    assert!(last.is_some_and(|last| last.0 > 0), "{last:?}");
    let message = next_of(&mut listening(&relay, Finality::TEMPLATE_ID), Finality::TEMPLATE_ID).await;
    let Ok(Message::Finality(word)) = Message::decode(&message) else { panic!("it is one") };
    assert_eq!((Some(word.finalized().number), word.header.sequence.get()), (last, relay.stats().sides));
}

#[tokio::test]
async fn a_node_of_another_chain_is_given_up_and_one_that_is_gone_is_waited_for() {
    let node = DevNode::start(&kit(), DevNodeConfig::default()).await.expect("starts");
    let plain = RelayConfig { pending: false, finality: false, ..config(&node) };
    let relay = Relay::start(plain).await.expect("the relay starts");
    let here = Endpoint::Ws(node.ws_url());
    relay.add_side_source(FinalityWatch::new(here.clone(), ChainId(1)));
    let waits = relay.add_side_source(PendingTransactions::new(here, ChainId(CHAIN)));
    let of = |name: &str| relay.side_sources().into_iter().find(|report| report.name == name).expect("it is listed");
    until_ready(&relay, 1).await;
    let given_up = async {
        while !relay.side_sources().iter().any(|report| report.state == SourceState::Stopped) {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, given_up).await.expect("it can never work");
    node.kill().expect("ends");
    let noticed = async {
        while of(&waits).last_error.is_none() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, noticed).await.expect("the loss is noticed");
    assert_eq!(of(&waits).state, SourceState::Starting);
}
