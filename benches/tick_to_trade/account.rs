//! The account that both sides sign for, and what a valid transaction of it is.

use alloy::consensus::TxEnvelope;
use alloy::eips::eip2718::Decodable2718;
use alloy::primitives::{Address, TxKind, U256, hex};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use alphapulse_engine::execution::calldata::abi::IExecutor;
use alphapulse_engine::execution::keystore::PrivateKey;
use alphapulse_engine::secret::Secret;
use anyhow::{Result, bail, ensure};

use crate::feed::CHAIN_ID;

/// Contract that trades, for both sides.
pub(crate) const EXECUTOR: Address = Address::repeat_byte(0xe0);
/// A key that is worth nothing.
const KEY: [u8; 32] = [0x42; 32];

/// The key as our signer takes it.
pub(crate) fn key() -> Result<PrivateKey> {
    Ok(PrivateKey::from_hex(&Secret::new(hex::encode(KEY).into()))?)
}

/// The key as alloy's signer takes it.
pub(crate) fn alloy_signer() -> PrivateKeySigner {
    PrivateKeySigner::from_slice(&KEY).expect("0x4242… is below the curve's order")
}

/// What the chain would read in a raw transaction.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) nonce: u64,
    pub(crate) amount_in: U256,
    /// Venue, token in, token out and fee of each leg: what tells a pool.
    pub(crate) route: Vec<(u16, Address, Address, u32)>,
}

/// Reads a raw transaction as a node would, and checks that it is a valid call of the executor by `sender`.
pub(crate) fn read(raw: &[u8], sender: Address) -> Result<Read> {
    let mut rest = raw;
    let TxEnvelope::Eip1559(signed) = TxEnvelope::decode_2718(&mut rest)? else { bail!("not an EIP-1559 transaction") };
    ensure!(rest.is_empty(), "bytes behind the transaction");
    let signer = signed.signature().recover_address_from_prehash(&signed.signature_hash())?;
    ensure!(signer == sender, "signed by another account");
    let transaction = signed.tx();
    ensure!(transaction.chain_id == CHAIN_ID, "for another chain");
    ensure!(transaction.to == TxKind::Call(EXECUTOR) && transaction.value.is_zero(), "not a call of the executor");
    let plan = IExecutor::executeCall::abi_decode_validate(&transaction.input)?.plan;
    let legs = plan.legs.iter();
    Ok(Read {
        nonce: transaction.nonce,
        amount_in: plan.amountIn,
        route: legs.map(|leg| (leg.venue, leg.tokenIn, leg.tokenOut, leg.fee.to())).collect(),
    })
}
