//! The signer: turns an approval into the bytes of one transaction, and signs nothing else.
//!
//! It trusts nobody: chain, destination, value, caps and the kill switch are checked here again, against its own policy,
//! whatever the caller says. It cannot be made to sign a message, a call of anything but the executor's `execute` and
//! `executeSwaps`, or a transfer to someone else.

use std::fmt;

use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use alphapulse_protocol::message::Submission;
use alphapulse_protocol::{BlockNumber, ChainId, FeePerGas, Gas, OpportunityId};
use thiserror::Error;

use super::calldata::abi::IExecutor;
use super::fees::TRANSFER_GAS;
use super::keystore::PrivateKey;
use super::nonce::LeasedNonce;
use crate::risk::{Approved, KillSwitch};
use crate::trade::{Fees, Trade};

/// What may be signed. Fixed for the signer's life, and independent of the limits of risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignerPolicy {
    /// Chain that every transaction is bound to.
    pub chain_id: ChainId,
    /// Only destination of a trade.
    pub executor: Address,
    /// Most wei per gas, base fee included.
    pub fee_max: FeePerGas,
    /// Most gas of a transaction.
    pub gas_max: Gas,
}

/// Signs with one key under one policy. Not `Clone`: two signers would count approvals apart.
pub struct Signer {
    key: PrivateKeySigner,
    policy: SignerPolicy,
    kill: KillSwitch,
    last_approval: u64,
    signed_count: u64,
}

/// Bytes that may be sent, and what is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTransaction {
    /// EIP-2718 envelope, as `eth_sendRawTransaction` takes it.
    pub raw: Bytes,
    /// Transaction hash.
    pub hash: B256,
    /// Nonce used.
    pub nonce: u64,
    /// Opportunity it takes; 0 for a cancellation.
    pub opportunity: OpportunityId,
    /// Fees signed.
    pub fees: Fees,
    /// Gas limit signed.
    pub gas_limit: Gas,
    /// Last block in which the executor accepts it; for a cancellation, which never expires, the highest number.
    pub block_max: BlockNumber,
}

impl SignedTransaction {
    /// The same as a journal record.
    #[must_use]
    pub fn to_message(&self) -> Submission {
        let fees = (self.fees.max, self.fees.priority);
        Submission::new(self.opportunity, self.nonce, self.hash.0, fees, self.gas_limit, self.block_max)
    }
}

/// Why nothing was signed. Never holds key material.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignError {
    /// The kill switch is tripped.
    #[error("the kill switch is tripped: {0}")]
    Killed(String),
    /// The destination is not the executor.
    #[error("destination {got} is not the executor {executor}")]
    Destination {
        /// Executor of the policy.
        executor: Address,
        /// Destination asked for.
        got: Address,
    },
    /// The calldata is not a call of `execute` or `executeSwaps`, the two functions that trade.
    #[error("the calldata is not a call of the executor's `execute` or `executeSwaps`")]
    NotExecute,
    /// The fee per gas exceeds the signer's cap.
    #[error("fee {got} wei per gas exceeds the signer's cap {maximum}")]
    FeeAboveCap {
        /// Cap of the policy.
        maximum: FeePerGas,
        /// Fee asked for.
        got: FeePerGas,
    },
    /// The priority fee exceeds the total fee: no node takes such a transaction.
    #[error("priority fee {0} exceeds the total fee per gas")]
    PriorityAboveMax(FeePerGas),
    /// The gas limit exceeds the signer's cap.
    #[error("gas limit {got} exceeds the signer's cap {maximum}")]
    GasAboveCap {
        /// Cap of the policy.
        maximum: Gas,
        /// Limit asked for.
        got: Gas,
    },
    /// The approval is not newer than the last one signed: it was used, or another manager minted it.
    #[error("approval {got} is not newer than {last}, which was signed already")]
    StaleApproval {
        /// Newest approval signed.
        last: u64,
        /// Approval given.
        got: u64,
    },
    /// The signature itself failed.
    #[error("the signature failed")]
    Signature,
}

/// A trade that was not signed: what was consumed is handed back.
#[derive(Debug)]
pub struct Unsigned {
    /// Why.
    pub error: SignError,
    /// The trade. Its approval is spent; tell risk that it is abandoned.
    pub trade: Trade,
    /// The nonce, to be given back.
    pub nonce: LeasedNonce,
}

impl Signer {
    /// A signer for one key under one policy. It reads `kill` immediately before each signature.
    #[must_use]
    pub fn new(key: &PrivateKey, policy: SignerPolicy, kill: KillSwitch) -> Self {
        Self { key: key.to_signer(), policy, kill, last_approval: 0, signed_count: 0 }
    }

    /// Account that signs.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.key.address()
    }

    /// Policy in force.
    #[must_use]
    pub const fn policy(&self) -> SignerPolicy {
        self.policy
    }

    /// Trades signed so far: never more than approvals minted.
    #[must_use]
    pub const fn signed_count(&self) -> u64 {
        self.signed_count
    }

    /// Signs a call of `to` with `calldata`, a call of `execute` or `executeSwaps`, for an approved trade; value 0.
    ///
    /// # Errors
    /// [`Unsigned`] with the first [`SignError`] that applies. Nothing was signed then.
    pub fn sign(
        &mut self,
        approved: Approved<Trade>,
        nonce: LeasedNonce,
        calldata: Bytes,
        to: Address,
    ) -> Result<SignedTransaction, Box<Unsigned>> {
        let approval = approved.number();
        let trade = approved.into_inner();
        match self.try_sign(approval, &trade, nonce.get(), calldata, to) {
            Ok(signed) => {
                self.last_approval = approval;
                self.signed_count += 1;
                Ok(signed)
            }
            Err(error) => Err(Box::new(Unsigned { error, trade, nonce })),
        }
    }

    fn try_sign(
        &self,
        approval: u64,
        trade: &Trade,
        nonce: u64,
        calldata: Bytes,
        to: Address,
    ) -> Result<SignedTransaction, SignError> {
        if approval <= self.last_approval {
            return Err(SignError::StaleApproval { last: self.last_approval, got: approval });
        }
        if to != self.policy.executor {
            return Err(SignError::Destination { executor: self.policy.executor, got: to });
        }
        let trading = [IExecutor::executeCall::SELECTOR, IExecutor::executeSwapsCall::SELECTOR];
        if !trading.iter().any(|selector| calldata.starts_with(selector)) {
            return Err(SignError::NotExecute);
        }
        self.check_caps(trade.fees, trade.gas_limit)?;
        let transaction = self.transaction(nonce, to, trade.fees, trade.gas_limit, calldata);
        // Last of all: from here to the signature there is nothing but the signature.
        if self.kill.is_tripped() {
            return Err(SignError::Killed(self.kill.reason().unwrap_or_default().to_owned()));
        }
        self.finish(transaction, trade.fees, trade.opportunity, trade.block_max)
    }

    /// Signs an own-address transfer of nothing, which takes the place of whatever else has this nonce.
    ///
    /// Not stopped by the kill switch: replacing what is in flight is part of killing.
    ///
    /// # Errors
    /// [`SignError`] when the fees exceed the caps or the signature fails.
    pub fn sign_cancel(&self, nonce: u64, fees: Fees) -> Result<SignedTransaction, SignError> {
        let gas_limit = Gas(TRANSFER_GAS);
        self.check_caps(fees, gas_limit)?;
        let transaction = self.transaction(nonce, self.address(), fees, gas_limit, Bytes::new());
        self.finish(transaction, fees, OpportunityId(0), BlockNumber(u64::MAX))
    }

    fn check_caps(&self, fees: Fees, gas_limit: Gas) -> Result<(), SignError> {
        if fees.max > self.policy.fee_max {
            return Err(SignError::FeeAboveCap { maximum: self.policy.fee_max, got: fees.max });
        }
        if fees.priority > fees.max {
            return Err(SignError::PriorityAboveMax(fees.priority));
        }
        if gas_limit > self.policy.gas_max {
            return Err(SignError::GasAboveCap { maximum: self.policy.gas_max, got: gas_limit });
        }
        Ok(())
    }

    fn transaction(&self, nonce: u64, to: Address, fees: Fees, gas_limit: Gas, input: Bytes) -> TxEip1559 {
        TxEip1559 {
            chain_id: self.policy.chain_id.0,
            nonce,
            gas_limit: gas_limit.0,
            max_fee_per_gas: fees.max.0,
            max_priority_fee_per_gas: fees.priority.0,
            to: TxKind::Call(to),
            value: U256::ZERO,
            access_list: Default::default(),
            input,
        }
    }

    fn finish(
        &self,
        transaction: TxEip1559,
        fees: Fees,
        opportunity: OpportunityId,
        block_max: BlockNumber,
    ) -> Result<SignedTransaction, SignError> {
        let nonce = transaction.nonce;
        let gas_limit = Gas(transaction.gas_limit);
        let signature = self.key.sign_hash_sync(&transaction.signature_hash()).map_err(|_| SignError::Signature)?;
        let signed = transaction.into_signed(signature);
        Ok(SignedTransaction {
            raw: signed.encoded_2718().into(),
            hash: *signed.hash(),
            nonce,
            opportunity,
            fees,
            gas_limit,
            block_max,
        })
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("address", &self.address()).field("policy", &self.policy).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
