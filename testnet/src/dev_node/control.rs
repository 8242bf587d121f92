//! Calls that steer the chain: mining, reorgs, snapshots, state.

use std::fmt::Debug;

use alloy::primitives::{Address, B256, Bytes, U64, U256};
use alloy::providers::Provider;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{DevNode, DevNodeError};

impl DevNode {
    /// Makes one block; answers its number.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`], as every call below.
    pub async fn mine(&self) -> Result<u64, DevNodeError> {
        self.call::<_, serde_json::Value>("evm_mine", ()).await?;
        self.block_number().await
    }

    /// Makes `count` blocks; answers the number of the last.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn mine_many(&self, count: u64) -> Result<u64, DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_mine", (U64::from(count),)).await?;
        self.block_number().await
    }

    /// Number of the last block.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn block_number(&self) -> Result<u64, DevNodeError> {
        Ok(self.call::<_, U64>("eth_blockNumber", ()).await?.to())
    }

    /// Sets the next block's timestamp, seconds; later blocks go on from there.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`], also when it is not after the last block's.
    pub async fn set_next_timestamp(&self, seconds: u64) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("evm_setNextBlockTimestamp", (seconds,)).await.map(drop)
    }

    /// Sets the next block's base fee, wei.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn set_next_base_fee(&self, wei: u128) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_setNextBlockBaseFeePerGas", (U256::from(wei),)).await.map(drop)
    }

    /// Replaces the last `depth` blocks by as many empty ones. Their transactions are gone, not pending. Cheat-code changes
    /// made in those blocks are undone too.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`], also when the chain is shorter.
    pub async fn reorg(&self, depth: u64) -> Result<(), DevNodeError> {
        self.reorg_with(depth, &[]).await
    }

    /// As [`DevNode::reorg`], with raw signed transactions for the new blocks, each with its block's offset from the first.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn reorg_with(&self, depth: u64, transactions: &[(Bytes, u64)]) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_reorg", (depth, transactions.to_vec())).await.map(drop)
    }

    /// Drops the last `depth` blocks.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`], also when the chain is shorter.
    pub async fn rollback(&self, depth: u64) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_rollback", (depth,)).await.map(drop)
    }

    /// Remembers the state; answers the id for [`DevNode::revert`].
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn snapshot(&self) -> Result<U256, DevNodeError> {
        self.call("evm_snapshot", ()).await
    }

    /// Returns to a remembered state, which is used up by it; answers whether there was one.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn revert(&self, snapshot: U256) -> Result<bool, DevNodeError> {
        self.call("evm_revert", (snapshot,)).await
    }

    /// Makes a block per transaction, or not.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn set_automine(&self, is_on: bool) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("evm_setAutomine", (is_on,)).await.map(drop)
    }

    /// Makes blocks by the clock, every `seconds`; 0 ends it.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn set_interval(&self, seconds: u64) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("evm_setIntervalMining", (seconds,)).await.map(drop)
    }

    /// Overwrites one storage word.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn set_storage_at(&self, account: Address, slot: U256, value: B256) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_setStorageAt", (account, slot, value)).await.map(drop)
    }

    /// Overwrites an account's Ether, wei.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn set_balance(&self, account: Address, wei: U256) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_setBalance", (account, wei)).await.map(drop)
    }

    /// Overwrites an account's code.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn set_code(&self, account: Address, code: Bytes) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_setCode", (account, code)).await.map(drop)
    }

    /// Overwrites an account's nonce.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn set_nonce(&self, account: Address, nonce: u64) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_setNonce", (account, U64::from(nonce))).await.map(drop)
    }

    /// Sets who receives the priority fees of coming blocks.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn set_coinbase(&self, account: Address) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_setCoinbase", (account,)).await.map(drop)
    }

    /// Removes a pending transaction.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn drop_transaction(&self, hash: B256) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_dropTransaction", (hash,)).await.map(drop)
    }

    /// Lets `eth_sendTransaction` send from any address.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn impersonate_all(&self) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_autoImpersonateAccount", (true,)).await.map(drop)
    }

    /// Any call, by name.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn call<P, R>(&self, method: &'static str, parameters: P) -> Result<R, DevNodeError>
    where
        P: Serialize + Clone + Debug + Send + Sync + Unpin,
        R: DeserializeOwned + Debug + Send + Sync + Unpin + 'static,
    {
        self.provider
            .raw_request(method.into(), parameters)
            .await
            .map_err(|source| DevNodeError::Rpc { method, source })
    }
}
