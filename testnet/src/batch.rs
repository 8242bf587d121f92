//! Transactions of one unlocked account, sent in order and mined as few blocks as hold them.

use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::Provider;
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};

use crate::dev_node::{DevNode, DevNodeError};

/// Above the dearest creation here (the V3 factory, about 5 million), and at most a third of a block.
const GAS_LIMIT: u64 = 8_000_000;
/// A batch that is not mined after so many blocks never will be.
const BLOCKS_MAX: usize = 500;

/// Why a batch was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The node refused a call.
    #[error(transparent)]
    Node(#[from] DevNodeError),
    /// A transaction reverted.
    #[error("{step} reverted in block {block}")]
    Reverted {
        /// What it was to do.
        step: String,
        /// Where it is.
        block: u64,
    },
    /// The node does not include a transaction.
    #[error("{step} was not included within {BLOCKS_MAX} blocks")]
    Stuck {
        /// What it was to do.
        step: String,
    },
}

struct Step {
    name: String,
    hash: B256,
}

/// Sends at once, settles later. Addresses of contracts are known as soon as they are sent.
pub(crate) struct Batch<'node> {
    node: &'node DevNode,
    from: Address,
    nonce: u64,
    steps: Vec<Step>,
}

impl<'node> Batch<'node> {
    pub(crate) async fn new(node: &'node DevNode, from: Address) -> Result<Self, DevNodeError> {
        let nonce: alloy::primitives::U64 = node.call("eth_getTransactionCount", (from, "pending")).await?;
        Ok(Self { node, from, nonce: nonce.to(), steps: Vec::new() })
    }

    /// Creates a contract; answers where it will be.
    pub(crate) async fn create(&mut self, name: &str, code: Bytes) -> Result<Address, DevNodeError> {
        let address = self.from.create(self.nonce);
        self.send(format!("creation of {name}"), TransactionRequest::default().with_deploy_code(code)).await?;
        Ok(address)
    }

    /// Calls a contract.
    pub(crate) async fn call(&mut self, name: String, to: Address, data: Vec<u8>) -> Result<(), DevNodeError> {
        self.call_with_value(name, to, data, U256::ZERO).await
    }

    /// Calls a contract with Ether.
    pub(crate) async fn call_with_value(
        &mut self,
        name: String,
        to: Address,
        data: Vec<u8>,
        wei: U256,
    ) -> Result<(), DevNodeError> {
        self.send(name, TransactionRequest::default().with_to(to).with_input(data).with_value(wei)).await
    }

    async fn send(&mut self, name: String, request: TransactionRequest) -> Result<(), DevNodeError> {
        let request = request.with_from(self.from).with_nonce(self.nonce).with_gas_limit(GAS_LIMIT);
        let hash = self.node.call("eth_sendTransaction", (request,)).await?;
        self.nonce += 1;
        self.steps.push(Step { name, hash });
        Ok(())
    }

    /// Mines until all is included.
    ///
    /// # Errors
    /// [`BatchError::Reverted`] for the first step that failed.
    pub(crate) async fn settle(self) -> Result<(), BatchError> {
        let mut blocks = 0;
        for step in &self.steps {
            let receipt = loop {
                if let Some(receipt) = self.receipt(step.hash).await? {
                    break receipt;
                }
                if blocks == BLOCKS_MAX {
                    return Err(BatchError::Stuck { step: step.name.clone() });
                }
                self.node.mine().await?;
                blocks += 1;
            };
            if !receipt.status() {
                let block = receipt.block_number.unwrap_or_default();
                return Err(BatchError::Reverted { step: step.name.clone(), block });
            }
        }
        Ok(())
    }

    async fn receipt(&self, hash: B256) -> Result<Option<TransactionReceipt>, DevNodeError> {
        let method = "eth_getTransactionReceipt";
        let answer = self.node.provider().get_transaction_receipt(hash).await;
        answer.map_err(|source| DevNodeError::Rpc { method, source })
    }
}
