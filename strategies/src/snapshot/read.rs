//! From bytes to a snapshot.

use std::collections::HashMap;
use std::io::Read;

use alphapulse_protocol::replica::TokenInfo;
use alphapulse_protocol::{AddressBytes, BlockNumber, ChainId, FeePerGas, TokenId};
use flate2::read::MultiGzDecoder;
use serde_json::Value;

use super::document::Node;
use super::error::SnapshotError;
use super::pool::read_pool;
use super::{FORMAT, PoolForm, PoolName, Snapshot, SnapshotBlock, SnapshotPool, UNPACKED_BYTES_MAX, hex};

/// First bytes of every gzip file (RFC 1952, 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Token ids by contract.
pub(super) type TokenIndex = HashMap<AddressBytes, TokenId>;

impl Snapshot {
    /// Reads a snapshot, plain or gzip-compressed.
    ///
    /// # Errors
    /// [`SnapshotError`], with the place in the document where there is one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        if !bytes.starts_with(&GZIP_MAGIC) {
            return Self::from_json(bytes);
        }
        let mut unpacked = Vec::new();
        MultiGzDecoder::new(bytes)
            .take(UNPACKED_BYTES_MAX + 1)
            .read_to_end(&mut unpacked)
            .map_err(SnapshotError::Gzip)?;
        Self::from_json(&unpacked)
    }

    fn from_json(bytes: &[u8]) -> Result<Self, SnapshotError> {
        if bytes.len() as u64 > UNPACKED_BYTES_MAX {
            return Err(SnapshotError::TooLarge);
        }
        let document: Value = serde_json::from_slice(bytes).map_err(SnapshotError::Json)?;
        let root = Node::root(&document);
        check_format(&root)?;
        let block = read_block(&root.field("block")?)?;
        let chain_id = ChainId(root.field("chain_id")?.integer()?);
        let (tokens, token_index) = read_tokens(&root.field("tokens")?)?;
        let (pools, names) = read_pools(&root.field("pools")?, &token_index)?;
        Ok(Self { chain_id, block, tokens, pools, names })
    }
}

fn check_format(root: &Node<'_>) -> Result<(), SnapshotError> {
    let format = root.field("format")?;
    match format.text() {
        Ok(FORMAT) => Ok(()),
        Ok(other) => Err(SnapshotError::Format { found: format!("{other:?}") }),
        Err(error) => Err(error),
    }
}

fn read_block(node: &Node<'_>) -> Result<SnapshotBlock, SnapshotError> {
    let number = BlockNumber(node.field("number")?.integer()?);
    let hash = node.optional("hash")?.map_or(Ok([0; 32]), |hash| hash.bytes())?;
    let timestamp = node.optional("timestamp")?.map_or(Ok(0), |timestamp| timestamp.integer())?;
    let base_fee = FeePerGas(node.optional("base_fee_wei")?.map_or(Ok(0), |fee| fee.integer())?);
    Ok(SnapshotBlock { number, hash, timestamp, base_fee })
}

fn read_tokens(node: &Node<'_>) -> Result<(Vec<TokenInfo>, TokenIndex), SnapshotError> {
    let mut tokens = Vec::new();
    let mut index = TokenIndex::new();
    for (token, id) in node.items()?.zip(0..) {
        let address = token.field("address")?.bytes()?;
        let symbol = token.optional("symbol")?.map_or(Ok(""), |symbol| symbol.text())?.to_owned();
        let decimals = token.field("decimals")?.integer()?;
        if index.insert(address, TokenId(id)).is_some() {
            return Err(token.error(format!("token {} is listed twice", hex::format(&address))));
        }
        tokens.push(TokenInfo { address, symbol, decimals });
    }
    Ok((tokens, index))
}

fn read_pools(
    node: &Node<'_>,
    tokens: &TokenIndex,
) -> Result<(Vec<SnapshotPool>, HashMap<PoolName, usize>), SnapshotError> {
    let mut pools: Vec<SnapshotPool> = Vec::new();
    let mut names = HashMap::new();
    for (index, entry) in node.items()?.enumerate() {
        let pool = read_pool(&entry, tokens)?;
        let id = pool.pool_id.map(PoolName::Id);
        for name in [Some(PoolName::Address(pool.address)), id].into_iter().flatten() {
            let known = names.insert(name, index);
            // Pools of a shared vault may all bear its address; those this build prices have one of their own.
            let is_shared = |pool: &SnapshotPool| matches!(pool.form, PoolForm::Unsupported { .. });
            if known.is_some_and(|known: usize| !is_shared(&pools[known]) || !is_shared(&pool)) {
                return Err(entry.error(format!("pool {name} is listed twice")));
            }
        }
        pools.push(pool);
    }
    Ok((pools, names))
}
