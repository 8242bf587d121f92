//! From bytes to a snapshot.

use std::collections::HashMap;
use std::io::Read;

use alphapulse_protocol::message::PoolKind;
use alphapulse_protocol::replica::{PoolInfo, PoolState, TokenInfo};
use alphapulse_protocol::{AddressBytes, BlockNumber, ChainId, FeePerGas, PoolId, TokenId};
use flate2::read::MultiGzDecoder;
use serde_json::Value;

use super::document::Node;
use super::error::SnapshotError;
use super::pool::{Context, read_pool};
use super::{FORMAT, LeftOut, Named, PoolName, Snapshot, SnapshotBlock, SnapshotPool, UNPACKED_BYTES_MAX, hex};

/// First bytes of every gzip file (RFC 1952, 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Token ids by contract.
pub(super) type TokenIndex = HashMap<AddressBytes, TokenId>;

/// What of a file has been read.
#[derive(Debug, Default)]
pub(super) struct Listed {
    tokens: Vec<TokenInfo>,
    pools: Vec<SnapshotPool>,
    names: HashMap<PoolName, Named>,
}

impl Listed {
    /// Decimals of a token of the file.
    pub(super) fn decimals(&self, token: TokenId) -> u8 {
        self.tokens.get(token.index()).map_or(0, |token| token.decimals)
    }

    /// Pool by its place in the file, if it is sound.
    pub(super) fn sound(&self, pool: PoolId) -> Option<(&PoolInfo, &PoolState)> {
        self.pools.get(pool.index())?.sound()
    }

    /// Place in the file of a sound StableSwap pool.
    pub(super) fn curve_stable(&self, address: &AddressBytes) -> Option<PoolId> {
        let Named::One(index) = *self.names.get(&PoolName::Address(*address))? else { return None };
        let (info, _) = self.pools.get(index)?.sound()?;
        (info.kind == PoolKind::CurveStable).then_some(PoolId(u32::try_from(index).ok()?))
    }

    /// Adds a pool; false when one of its names is taken. Only pools that have an id may share an address.
    fn add(&mut self, pool: SnapshotPool) -> bool {
        let index = self.pools.len();
        let is_free = match (pool.pool_id, self.names.get(&PoolName::Address(pool.address))) {
            (_, None) => true,
            (Some(id), Some(_)) if self.names.contains_key(&PoolName::Id(id)) => false,
            (Some(_), Some(Named::One(other))) => self.pools[*other].pool_id.is_some(),
            (Some(_), Some(Named::Several)) => true,
            (None, Some(_)) => false,
        };
        if !is_free || pool.pool_id.is_some_and(|id| self.names.insert(PoolName::Id(id), Named::One(index)).is_some()) {
            return false;
        }
        let name = self.names.entry(PoolName::Address(pool.address));
        name.and_modify(|named| *named = Named::Several).or_insert(Named::One(index));
        self.pools.push(pool);
        true
    }
}

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
        let is_timed = root.field("block")?.optional("timestamp")?.is_some();
        let (tokens, token_index) = read_tokens(&root.field("tokens")?)?;
        let mut listed = Listed { tokens, ..Listed::default() };
        read_pools(&root.field("pools")?, &token_index, is_timed.then_some(block.timestamp), &mut listed)?;
        let left_out = root.optional("left_out")?;
        let left_out =
            left_out.map_or(Ok(Vec::new()), |list| list.items()?.map(|entry| LeftOut::read(&entry)).collect())?;
        let Listed { tokens, pools, names } = listed;
        Ok(Self { chain_id, block, tokens, pools, left_out, names })
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
    timestamp: Option<u64>,
    listed: &mut Listed,
) -> Result<(), SnapshotError> {
    for entry in node.items()? {
        let pool = read_pool(&entry, Context { tokens, timestamp, before: listed })?;
        let name = pool.pool_id.map_or(PoolName::Address(pool.address), PoolName::Id);
        if !listed.add(pool) {
            return Err(entry.error(format!("pool {name} is listed twice")));
        }
    }
    Ok(())
}
