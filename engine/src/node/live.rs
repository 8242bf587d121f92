//! From an approval to signed bytes.

use std::fs::File;
use std::io;

use alloy::primitives::{Address, Bytes};
use alphapulse_protocol::OpportunityId;
use alphapulse_protocol::message::{BlockContext, NonceLease, Submission};
use alphapulse_relay::journal::JournalWriter;
use alphapulse_strategies::Market;
use thiserror::Error;

use crate::execution::caller::{CallError, Caller};
use crate::execution::fees;
use crate::execution::nonce::{LeaseLog, NonceError, NonceManager};
use crate::execution::signer::{SignError, SignedTransaction, Signer};
use crate::execution::track::{CANCEL_BLOCKS_VALID, Sent};
use crate::risk::Approved;
use crate::trade::{Fees, Trade};

/// Why nothing was signed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(super) enum LiveError {
    /// The node has no key: it trades on paper.
    #[error("this node signs nothing")]
    Paper,
    /// A newer state is on its way, or the feed is lost.
    #[error("the market has moved on")]
    Behind,
    /// The trade is not one that the executor can run.
    #[error("the executor cannot run this trade")]
    Call(#[from] CallError),
    /// No nonce may be used.
    #[error("no nonce can be used")]
    Nonce(#[from] NonceError),
    /// The signer refused.
    #[error("the signer refused")]
    Sign(#[from] SignError),
    /// There is no block yet on which fees could rest, a fee exceeds its width, or none within the cap would do.
    #[error("no fee within the cap would do")]
    NoFee,
    /// A run that is not recorded must not sign.
    #[error("there is no journal to lease nonces in")]
    NoJournal,
}

/// A node's means to sign. On paper there are none.
pub(super) struct Live {
    caller: Option<Caller>,
    keys: Option<Keys>,
    head: Option<BlockContext>,
}

/// The signer and the nonces of its account.
struct Keys {
    signer: Signer,
    nonces: NonceManager,
    executor: Address,
    sent_fees: Vec<(u64, Fees)>,
    /// Held for as long as anything can be signed.
    _key_lock: File,
}

/// Open transactions whose fees are remembered for their replacement; older ones are settled long before.
const SENT_FEES_MAX: usize = 1024;

impl Live {
    /// Means of a node on paper; `caller` lets it simulate.
    pub(super) const fn paper(caller: Option<Caller>) -> Self {
        Self { caller, keys: None, head: None }
    }

    /// Means of a live node.
    pub(super) const fn signing(caller: Caller, signer: Signer, nonces: NonceManager, key_lock: File) -> Self {
        let keys = Keys { signer, nonces, executor: caller.executor, sent_fees: Vec::new(), _key_lock: key_lock };
        Self { caller: Some(caller), keys: Some(keys), head: None }
    }

    pub(super) const fn on_block(&mut self, context: &BlockContext) {
        self.head = Some(*context);
    }

    pub(super) fn calldata(&self, trade: &Trade, market: &Market) -> Result<Bytes, LiveError> {
        Ok(self.caller.ok_or(LiveError::Paper)?.calldata(trade, market)?)
    }

    /// Leases nonces ahead, when there is time.
    pub(super) fn top_up(&mut self, journal: Option<&mut JournalWriter>) -> Result<(), LiveError> {
        match (&mut self.keys, journal) {
            (Some(keys), Some(journal)) => Ok(keys.nonces.top_up(&mut LeaseJournal(journal))?),
            _ => Ok(()),
        }
    }

    /// Takes note of the chain's count of our transactions.
    pub(super) fn confirm_nonces(&mut self, chain_nonce: u64) -> Result<(), NonceError> {
        self.keys.as_mut().map_or(Ok(()), |keys| keys.nonces.confirm(chain_nonce))
    }

    /// Signs an approved trade under a durable nonce.
    pub(super) fn sign(
        &mut self,
        trade: Approved<Trade>,
        market: &Market,
        journal: Option<&mut JournalWriter>,
    ) -> Result<(Submission, Sent), LiveError> {
        let calldata = self.calldata(&trade, market)?;
        let keys = self.keys.as_mut().ok_or(LiveError::Paper)?;
        let nonce = keys.nonces.allocate(&mut LeaseJournal(journal.ok_or(LiveError::NoJournal)?))?;
        match keys.signer.sign(trade, nonce, calldata, keys.executor) {
            Ok(signed) => Ok(keys.remember(&signed)),
            Err(unsigned) => {
                // Nothing was given since, so it can always be taken back.
                let _ = keys.nonces.give_back(unsigned.nonce);
                Err(unsigned.error.into())
            }
        }
    }

    /// Signs a transfer of nothing to ourselves that takes the place of `nonce`.
    pub(super) fn cancel(&mut self, opportunity: OpportunityId, nonce: u64) -> Result<(Submission, Sent), LiveError> {
        let head = self.head.ok_or(LiveError::NoFee)?;
        let keys = self.keys.as_mut().ok_or(LiveError::Paper)?;
        let before = keys.sent_fees.iter().rev().find(|(sent, _)| *sent == nonce).map(|(_, fees)| *fees);
        let before = before.unwrap_or_default();
        let cap = keys.signer.policy().fee_max;
        let fees = fees::replacement(before, &head, CANCEL_BLOCKS_VALID, cap).ok_or(LiveError::NoFee)?;
        let signed = keys.signer.sign_cancel(nonce, fees)?;
        tracing::warn!(nonce, %opportunity, "a trade was not included in time: its nonce is freed");
        Ok(keys.remember(&signed))
    }
}

impl Keys {
    fn remember(&mut self, signed: &SignedTransaction) -> (Submission, Sent) {
        if self.sent_fees.len() == SENT_FEES_MAX {
            self.sent_fees.remove(0);
        }
        self.sent_fees.push((signed.nonce, signed.fees));
        let sent = Sent {
            opportunity: signed.opportunity,
            nonce: signed.nonce,
            tx_hash: signed.hash.0,
            raw: signed.raw.to_vec(),
            block_max: signed.block_max,
        };
        (signed.to_message(), sent)
    }
}

/// A journal as the place where leases become durable.
struct LeaseJournal<'a>(&'a mut JournalWriter);

impl LeaseLog for LeaseJournal<'_> {
    fn persist(&mut self, lease: &NonceLease) -> io::Result<()> {
        self.0.append(lease).and_then(|()| self.0.sync()).map_err(io::Error::other)
    }
}
