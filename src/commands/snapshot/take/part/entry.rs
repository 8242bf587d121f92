//! A pool in the file: what was read of it, or why it is left out.

use alloy::hex;
use alloy::primitives::{Address, U256};
use alphapulse_protocol::message::{BlockContext, Message, SnapshotBegin, SnapshotEnd, Token, WireMessage};
use alphapulse_protocol::replica::{Replica, describe_pool};
use alphapulse_protocol::{ChainId, DecodeError, Epoch, PoolId, Sequence, TokenId, UnixNanos, frame};
use alphapulse_relay::source::PoolImage;
use alphapulse_relay::source::read::{PoolBase, PoolRead, Told};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::exit::Failure;

/// What is described here stands in no stream.
const PLACE: (Sequence, UnixNanos) = (Sequence(0), UnixNanos(0));

/// What became of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::commands::snapshot::take) struct Entry {
    /// Its tokens, description and state as frames of a snapshot of it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    frames: Option<String>,
    /// Pool whose share is its last token, and how many of these there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<(Address, U256)>,
    /// What its contract answers: tokens, amount in, amount out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    told: Vec<(Address, Address, U256, Option<U256>)>,
    /// Why it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

impl Entry {
    pub(in crate::commands::snapshot::take) const fn refused(reason: String) -> Self {
        Self { frames: None, base: None, told: Vec::new(), refused: Some(reason) }
    }

    pub(in crate::commands::snapshot::take) fn read(read: &PoolRead) -> Self {
        let told = read.told.iter().map(|told| (told.token_in, told.token_out, told.amount_in, told.amount_out));
        Self {
            frames: Some(hex::encode(frames(&read.image))),
            base: read.base.map(|base| (base.pool, U256::from(base.shares))),
            told: told.collect(),
            refused: None,
        }
    }

    pub(in crate::commands::snapshot::take) fn refusal(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// The pool that it stands on.
    pub(super) fn base(&self) -> Option<Address> {
        self.base.map(|(base, _)| base)
    }

    /// What was read; `None` of a pool that is left out.
    pub(in crate::commands::snapshot::take) fn image(&self) -> Result<Option<PoolRead>, Failure> {
        let Some(frames) = &self.frames else { return Ok(None) };
        let image = image(frames).context("the .part file holds what this build did not write")?;
        let base = self.base.map(|(pool, shares)| PoolBase { pool, shares: shares.saturating_to() });
        let told = self.told.iter();
        let told = told.map(|&(token_in, token_out, amount_in, amount_out)| Told {
            token_in,
            token_out,
            amount_in,
            amount_out,
        });
        Ok(Some(PoolRead { image, base, told: told.collect() }))
    }
}

/// A pool as a snapshot of it alone.
fn frames(image: &PoolImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut count = 0;
    let tokens = u32::try_from(image.tokens.len()).unwrap_or(u32::MAX);
    let nothing = BlockContext {
        number: 0.into(),
        hash: [0; 32],
        parent_hash: [0; 32],
        timestamp: 0.into(),
        base_fee: 0.into(),
        gas_used: 0.into(),
        gas_limit: 0.into(),
    };
    frame::write(&mut bytes, &SnapshotBegin::new(nothing, ChainId(0), Epoch(0), tokens, 1).stamped(PLACE.0, PLACE.1));
    for (token, id) in image.tokens.iter().zip(0..) {
        let token = Token::new(TokenId(id), token.address, &token.symbol, token.decimals);
        frame::write(&mut bytes, &token.stamped(PLACE.0, PLACE.1));
        count += 1;
    }
    let described = describe_pool(PoolId(0), &image.info, &image.state, PLACE, |message: Message<'_>| {
        frame::write_bytes(&mut bytes, message.as_bytes());
        count += 1;
        Ok::<(), DecodeError>(())
    });
    described.expect("writing to memory does not fail");
    frame::write(&mut bytes, &SnapshotEnd::new(count).stamped(PLACE.0, PLACE.1));
    bytes
}

fn image(text: &str) -> anyhow::Result<PoolImage> {
    let mut decoder = frame::FrameDecoder::new();
    decoder.push(&hex::decode(text)?);
    let mut replica = Replica::default();
    while let Some(message) = decoder.next_message()? {
        replica.apply(&message)?;
    }
    let info = *replica.pools().first().context("no pool")?;
    let state = replica.state(PoolId(0)).context("no state")?.clone();
    Ok(PoolImage { tokens: replica.tokens().to_vec(), info, state })
}
