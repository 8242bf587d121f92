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

#[cfg(test)]
mod tests {
    use alloy::consensus::transaction::Recovered;
    use alloy::consensus::{SignableTransaction, TxEip1559};
    use alloy::network::TxSignerSync;
    use alloy::primitives::U256;
    use alloy::signers::local::PrivateKeySigner;

    use super::*;

    fn signed(input: usize) -> (TxEnvelope, Address) {
        let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).expect("a key");
        let mut transaction =
            TxEip1559 { chain_id: 1, value: U256::from(5), input: vec![1; input].into(), ..TxEip1559::default() };
        let signature = signer.sign_transaction_sync(&mut transaction).expect("signs");
        (transaction.into_signed(signature).into(), signer.address())
    }

    /// A body as nodes write it.
    fn body_of(envelope: TxEnvelope, sender: Address) -> String {
        let transaction = Transaction {
            inner: Recovered::new_unchecked(envelope, sender),
            block_hash: None,
            block_number: None,
            transaction_index: None,
            effective_gas_price: None,
            block_timestamp: None,
        };
        serde_json::to_string(&transaction).expect("it is written")
    }

    fn read_body(json: &str) -> Result<Checked, &'static str> {
        match read_notice(json)? {
            Notice::Body(body) => from_body(&body),
            Notice::Hash(hash) => panic!("{hash} is no body"),
        }
    }

    #[test]
    fn a_body_and_raw_bytes_give_what_was_signed_and_who_did() {
        let (envelope, sender) = signed(3);
        let (hash, raw) = (*envelope.tx_hash(), envelope.encoded_2718());
        let expected = Checked { hash, sender, raw: raw.clone() };
        assert_eq!(from_raw(hash, &raw).as_ref(), Ok(&expected));
        // Who the node says that it is from does not count.
        assert_eq!(read_body(&body_of(envelope, Address::repeat_byte(9))).as_ref(), Ok(&expected));
        let notice = read_notice(&format!("\"{hash}\""));
        assert!(matches!(notice, Ok(Notice::Hash(read)) if read == hash), "{notice:?}");
    }

    #[test]
    fn what_the_bytes_do_not_prove_is_refused() {
        let (envelope, sender) = signed(3);
        let (hash, raw) = (*envelope.tx_hash(), envelope.encoded_2718());
        assert!(from_raw(B256::repeat_byte(1), &raw).is_err());
        assert!(from_raw(hash, &raw[..raw.len() - 1]).is_err());
        assert!(from_raw(hash, &[&raw[..], &[0]].concat()).is_err());
        assert!(from_raw(keccak256([]), &[]).is_err());
        let forged = body_of(envelope, sender).replace(&hash.to_string(), &B256::repeat_byte(1).to_string());
        assert_eq!(read_body(&forged), Err("a transaction's bytes do not have its hash"));
        for json in ["\"0x12\"", "{}", "[]", "null", "\""] {
            assert!(read_notice(json).is_err(), "{json}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused_whole() {
        let (envelope, _) = signed(TRANSACTION_BYTES_MAX);
        let raw = envelope.encoded_2718();
        assert_eq!(from_raw(*envelope.tx_hash(), &raw), Err("a transaction is longer than 32 KiB"));
        let (envelope, _) = signed(TRANSACTION_BYTES_MAX - 120);
        let checked = from_raw(*envelope.tx_hash(), &envelope.encoded_2718()).expect("it is short enough");
        assert!(checked.raw.len() <= TRANSACTION_BYTES_MAX);
    }
}
