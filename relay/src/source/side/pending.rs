//! Transactions that wait in a node's pool.

use core::time::Duration;

use alloy::consensus::TxEnvelope;
use alloy::consensus::transaction::SignerRecoverable;
use alloy::eips::eip2718::{Decodable2718, Encodable2718};
use alloy::primitives::{Address, B256, Bytes, keccak256};
use alloy::pubsub::RawSubscription;
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::Transaction;
use alphapulse_protocol::ChainId;
use alphapulse_protocol::message::{PendingTransaction, TRANSACTION_BYTES_MAX};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::{Outlet, SideSource};
use crate::clock::now;
use crate::config::Endpoint;
use crate::error::SourceError;
use crate::source::node::{connect, request, subscribe};

/// Transactions that are fetched at once, where the node announces only hashes. Those beyond are not waited for.
const FETCHES_MAX: usize = 64;
/// After so long without a transaction the node is asked something, for silence proves nothing.
const SILENCE: Duration = Duration::from_secs(30);

/// What a node announces as waiting in its pool: with bodies where it gives them, else each is fetched. The bytes are checked
/// against the hash, and the sender is recovered from them: neither is the node's word.
#[derive(Debug)]
pub struct PendingTransactions {
    endpoint: Endpoint,
    chain_id: ChainId,
}

impl PendingTransactions {
    /// Of this node, which must be on this chain.
    #[must_use]
    pub const fn new(endpoint: Endpoint, chain_id: ChainId) -> Self {
        Self { endpoint, chain_id }
    }
}

impl SideSource for PendingTransactions {
    fn name(&self) -> String {
        format!("pending {}", self.endpoint)
    }

    async fn run(&self, outlet: &Outlet) -> Result<(), SourceError> {
        let client = connect(&self.endpoint, self.chain_id).await?;
        let mut notices = listen(&client).await?;
        outlet.ready();
        let mut fetches = FuturesUnordered::new();
        let stopped = outlet.stopped();
        tokio::pin!(stopped);
        loop {
            tokio::select! {
                () = &mut stopped => break,
                Some(fetched) = fetches.next() => hand_in_fetched(outlet, fetched)?,
                notice = timeout(SILENCE, notices.recv()) => match notice {
                    Ok(Ok(notice)) => match read_notice(notice.get()) {
                        Ok(Notice::Body(body)) => hand_in(outlet, from_body(&body)),
                        Ok(Notice::Hash(hash)) if fetches.len() < FETCHES_MAX => fetches.push(fetch(&client, hash)),
                        Ok(Notice::Hash(_)) => outlet.missed(1),
                        Err(reason) => outlet.refuse(reason),
                    },
                    Ok(Err(RecvError::Lagged(count))) => outlet.missed(count),
                    Ok(Err(RecvError::Closed)) => return Err(SourceError::Disconnected),
                    Err(_) => drop(request::<_, String>(&client, "eth_chainId", ()).await?),
                },
            }
        }
        // Nothing new is heard; what was asked for is still handed in.
        while let Some(fetched) = fetches.next().await {
            hand_in_fetched(outlet, fetched)?;
        }
        Ok(())
    }
}

/// Asks for bodies; a node that does not know them is asked for hashes.
async fn listen(client: &RpcClient) -> Result<RawSubscription, SourceError> {
    match subscribe(client, ("newPendingTransactions", true)).await {
        Err(SourceError::Call { .. }) => subscribe(client, ("newPendingTransactions",)).await,
        listening => listening,
    }
}

/// What a node announces.
#[derive(Debug)]
enum Notice {
    Body(Box<Transaction>),
    Hash(B256),
}

fn read_notice(json: &str) -> Result<Notice, &'static str> {
    if json.starts_with('"') {
        return serde_json::from_str(json).map(Notice::Hash).map_err(|_| "an announced hash is not one");
    }
    let body = serde_json::from_str(json).map_err(|_| "an announced transaction cannot be read")?;
    Ok(Notice::Body(Box::new(body)))
}

/// The transaction of this hash as it was signed; `None` when the node no longer has it.
async fn fetch(client: &RpcClient, hash: B256) -> Result<Option<(B256, Bytes)>, SourceError> {
    let raw: Option<Bytes> = request(client, "eth_getRawTransactionByHash", (hash,)).await?;
    Ok(raw.filter(|raw| !raw.is_empty()).map(|raw| (hash, raw)))
}

fn hand_in_fetched(outlet: &Outlet, fetched: Result<Option<(B256, Bytes)>, SourceError>) -> Result<(), SourceError> {
    match fetched {
        Ok(Some((hash, raw))) => hand_in(outlet, from_raw(hash, &raw)),
        // It was taken into a block, or replaced.
        Ok(None) => outlet.missed(1),
        Err(error) if error.is_connection_lost() => return Err(error),
        Err(_) => outlet.refuse("the node gives no raw transactions"),
    }
    Ok(())
}

/// A transaction that was checked.
#[derive(Debug, PartialEq, Eq)]
struct Checked {
    hash: B256,
    sender: Address,
    raw: Vec<u8>,
}

fn from_body(body: &Transaction) -> Result<Checked, &'static str> {
    let envelope = body.inner.inner();
    let raw = envelope.encoded_2718();
    // The hash of a body that was read is what the node wrote there.
    check(*envelope.tx_hash(), envelope, &raw)
}

fn from_raw(hash: B256, raw: &[u8]) -> Result<Checked, &'static str> {
    let mut rest = raw;
    let envelope = TxEnvelope::decode_2718(&mut rest).map_err(|_| "a raw transaction cannot be read")?;
    if !rest.is_empty() {
        return Err("a raw transaction is followed by other bytes");
    }
    check(hash, &envelope, raw)
}

fn check(hash: B256, envelope: &TxEnvelope, raw: &[u8]) -> Result<Checked, &'static str> {
    // Before anything is reckoned: what is too long costs nothing more.
    if raw.len() > TRANSACTION_BYTES_MAX {
        return Err("a transaction is longer than 32 KiB");
    }
    if keccak256(raw) != hash {
        return Err("a transaction's bytes do not have its hash");
    }
    let sender = envelope.recover_signer().map_err(|_| "a transaction's signature is not one")?;
    Ok(Checked { hash, sender, raw: raw.to_vec() })
}

fn hand_in(outlet: &Outlet, checked: Result<Checked, &'static str>) {
    let written = checked.and_then(|Checked { hash, sender, raw }| {
        PendingTransaction::write(hash.0, sender.into_array(), now(), &raw)
            .ok_or("a transaction does not fit its message")
    });
    match written {
        Ok(message) => drop(outlet.publish(message)),
        Err(reason) => outlet.refuse(reason),
    }
}
