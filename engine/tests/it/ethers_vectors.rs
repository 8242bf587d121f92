//! Published vectors: keystores, accounts, signed transactions.

use std::collections::BTreeMap;

use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::eips::eip2718::Encodable2718;
use alloy::eips::eip2930::{AccessList, AccessListItem};
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alphapulse_engine::execution::keystore::{self, KeystoreError, PrivateKey};
use alphapulse_engine::secret::Secret;
use serde::Deserialize;

use crate::data;

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

/// Opens a keystore text with a password, then with another one.
fn check_keystore(name: &str, json: &str, password: &str, private_key: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vector");
    std::fs::write(&path, json).unwrap();
    let opened = keystore::open(&path, &secret(password)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(opened.address(), PrivateKey::from_hex(&secret(private_key)).unwrap().address(), "{name}");
    let wrong = keystore::open(&path, &secret(&format!("{password}!")));
    assert!(matches!(wrong, Err(KeystoreError::WrongPassword { .. })), "{name}");
}

#[derive(Deserialize)]
struct Wallet {
    name: String,
    r#type: String,
    password: Option<String>,
    json: String,
    #[serde(rename = "privateKey")]
    private_key: String,
}

#[test]
fn wallets_of_other_programs_open() {
    let Some(wallets) = data::vectors::<Vec<Wallet>>("ethers-wallets.json.gz") else { return };
    let ours: Vec<&Wallet> = wallets.iter().filter(|wallet| wallet.r#type == "secret-storage").collect();
    assert_eq!(ours.len(), 4);
    for wallet in ours {
        let password = wallet.password.as_deref().unwrap_or_default();
        check_keystore(&wallet.name, &wallet.json, password, &wallet.private_key);
    }
}

#[test]
fn a_wallet_of_another_format_is_refused() {
    let Some(wallets) = data::vectors::<Vec<Wallet>>("ethers-wallets.json.gz") else { return };
    let folder = tempfile::tempdir().unwrap();
    for wallet in wallets.iter().filter(|wallet| wallet.r#type != "secret-storage") {
        let path = folder.path().join(&wallet.name);
        std::fs::write(&path, &wallet.json).unwrap();
        assert!(matches!(keystore::open(&path, &secret("foo")), Err(KeystoreError::Malformed { .. })));
    }
}

#[derive(Deserialize)]
struct KeystoreVector {
    json: serde_json::Value,
    password: String,
    r#priv: String,
}

#[test]
fn the_definition_s_own_keystores_open_but_for_the_one_outside_the_scrypt_standard() {
    let Some(vectors) = data::vectors::<BTreeMap<String, KeystoreVector>>("keystore-basic_tests.json") else { return };
    let [pbkdf2, scrypt] = ["test1", "test2"].map(|name| &vectors[name]);
    check_keystore("test1", &pbkdf2.json.to_string(), &pbkdf2.password, &pbkdf2.r#priv);
    // n = 2^18 with r = 1, which RFC 7914 forbids (n < 2^(16 r)), and so does every implementation that follows it.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vector");
    std::fs::write(&path, scrypt.json.to_string()).unwrap();
    let error = keystore::open(&path, &secret(&scrypt.password)).unwrap_err();
    assert!(matches!(error, KeystoreError::Malformed { .. }) && error.to_string().contains("n = 262144, r = 1"));
}

#[derive(Deserialize)]
struct Account {
    address: Address,
    #[serde(rename = "checksumAddress")]
    checksum: String,
}

#[test]
fn checksums_are_written_and_read_as_published() {
    let Some(accounts) = data::vectors::<Vec<Account>>("ethers-accounts.json.gz") else { return };
    assert!(accounts.len() > 300);
    for account in accounts {
        assert_eq!(account.address.to_string(), account.checksum);
        assert_eq!(Address::parse_checksummed(&account.checksum, None).ok(), Some(account.address));
    }
}

#[derive(Deserialize)]
struct TransactionVector {
    name: String,
    key: String,
    signed: Bytes,
    tx: Transaction,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Transaction {
    r#type: u64,
    chain_id: U256,
    nonce: U256,
    gas_limit: U256,
    max_fee_per_gas: U256,
    max_priority_fee_per_gas: U256,
    to: Option<Address>,
    value: U256,
    data: Bytes,
    access_list: Vec<Access>,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase")]
struct Access {
    address: Address,
    storage_keys: Vec<B256>,
}

impl Transaction {
    fn to_alloy(&self) -> TxEip1559 {
        let items = self.access_list.iter().cloned();
        let items = items.map(|access| AccessListItem { address: access.address, storage_keys: access.storage_keys });
        TxEip1559 {
            chain_id: self.chain_id.to(),
            nonce: self.nonce.to(),
            gas_limit: self.gas_limit.to(),
            max_fee_per_gas: self.max_fee_per_gas.to(),
            max_priority_fee_per_gas: self.max_priority_fee_per_gas.to(),
            to: self.to.map_or(TxKind::Create, TxKind::Call),
            value: self.value,
            access_list: AccessList(items.collect()),
            input: self.data.clone(),
        }
    }
}

/// The engine's signer signs nothing of this form by itself; this holds the library that it signs with.
#[test]
fn transactions_are_signed_as_published() {
    let Some(vectors) = data::vectors::<Vec<TransactionVector>>("ethers-typed-transactions.json.gz") else { return };
    let vectors: Vec<TransactionVector> = vectors.into_iter().filter(|vector| vector.tx.r#type == 2).collect();
    assert!(vectors.len() >= 600, "{}", vectors.len());
    for vector in vectors {
        let signer: PrivateKeySigner = vector.key.parse().unwrap();
        let transaction = vector.tx.to_alloy();
        let signature = signer.sign_hash_sync(&transaction.signature_hash()).unwrap();
        assert_eq!(transaction.into_signed(signature).encoded_2718(), vector.signed, "{}", vector.name);
    }
}
