//! Quotes by line: a query in, the pool contract's own answer out.

mod line;

use core::fmt;

use alphapulse_protocol::replica::{PoolInfo, PoolState};
use alphapulse_protocol::values::PoolDetails;
use alphapulse_protocol::{AddressBytes, HashBytes, TokenId, U256};

use super::error::Flaw;
use super::{Named, PoolForm, Snapshot, hex};
use crate::market::{PoolView, StableSwapPool};
use crate::pool::concentrated_liquidity::{self, sqrt_price_limit_default};
use crate::pool::{AmountSpecified, QuoteError, V3View, Way};

/// How a query names a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PoolName {
    /// By its contract.
    Address(AddressBytes),
    /// By its id in a shared vault.
    Id(HashBytes),
}

impl fmt::Display for PoolName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&match self {
            Self::Address(address) => hex::format(address),
            Self::Id(id) => hex::format(id),
        })
    }
}

/// What a query asks for. `None` stands for an amount past 256 bits: readable, and more than any contract takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// The output for exactly this input.
    In(Option<U256>),
    /// The input for exactly this output.
    Out(Option<U256>),
}

/// One question about one pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// Pool asked.
    pub pool: PoolName,
    /// Token that the pool takes.
    pub token_in: AddressBytes,
    /// Token that the pool gives.
    pub token_out: AddressBytes,
    /// Raw units of one of them.
    pub amount: Amount,
}

/// What a pool answers. `Display` writes it as the JSON line of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Output for an exact input.
    Out {
        /// Raw units given.
        amount_out: U256,
        /// Raw units taken, where the pool ran into the end of its prices and took less than was offered.
        consumed: Option<U256>,
    },
    /// Input for an exact output.
    In {
        /// Raw units taken.
        amount_in: U256,
    },
    /// No quote.
    None(NoAnswer),
}

/// Why there is no quote. `Display` is the name in the answer; names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoAnswer {
    /// No pool of that name in the snapshot.
    UnknownPool,
    /// Several pools share the address; their ids tell them apart.
    AmbiguousPool,
    /// A kind that this build cannot price.
    UnsupportedPoolKind,
    /// The pool's numbers contradict each other; see [`Snapshot::warnings`].
    InconsistentPool,
    /// A field of the pool is missing or not what the format says; see [`Snapshot::warnings`].
    MalformedPool,
    /// The pool does not trade the one token for the other.
    TokenNotInPool,
    /// The contract would refuse the swap.
    Refused(QuoteError),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::UnknownPool => "unknown_pool",
            Self::AmbiguousPool => "ambiguous_pool",
            Self::UnsupportedPoolKind => "unsupported_pool_kind",
            Self::InconsistentPool => "inconsistent_pool",
            Self::MalformedPool => "malformed_pool",
            Self::TokenNotInPool => "token_not_in_pool",
            Self::Refused(error) => error.name(),
        })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Out { amount_out, consumed: None } => write!(formatter, r#"{{"amount_out":"{amount_out}"}}"#),
            Self::Out { amount_out, consumed: Some(amount_in) } => {
                write!(formatter, r#"{{"amount_out":"{amount_out}","partial_fill":true,"amount_in":"{amount_in}"}}"#)
            }
            Self::In { amount_in } => write!(formatter, r#"{{"amount_in":"{amount_in}"}}"#),
            Self::None(reason) => write!(formatter, r#"{{"error":"{reason}"}}"#),
        }
    }
}

impl Snapshot {
    /// What the pool contract would answer, to the unit.
    #[must_use]
    pub fn quote(&self, query: &Query) -> Answer {
        self.try_quote(query).unwrap_or_else(Answer::None)
    }

    fn try_quote(&self, query: &Query) -> Result<Answer, NoAnswer> {
        let pool = self.pool(&query.pool).ok_or_else(|| match self.names.get(&query.pool) {
            Some(Named::Several) => NoAnswer::AmbiguousPool,
            _ => NoAnswer::UnknownPool,
        })?;
        let (info, state) = match &pool.form {
            PoolForm::Sound { info, state } => (info, state),
            PoolForm::Flawed(Flaw::Malformed { .. }) => return Err(NoAnswer::MalformedPool),
            PoolForm::Flawed(_) => return Err(NoAnswer::InconsistentPool),
            PoolForm::Unsupported { .. } => return Err(NoAnswer::UnsupportedPoolKind),
        };
        let view = self.view(info, state).map_err(NoAnswer::Refused)?;
        let at = self.block.timestamp;
        let Some(way) = self.way(&info.tokens, query) else {
            let (way, pool) = self.underlying_way(info, &view, query).ok_or(NoAnswer::TokenNotInPool)?;
            return quote_underlying(&pool, way, query.amount, at).map_err(NoAnswer::Refused);
        };
        let quote = match view {
            PoolView::V3(view) => quote_v3(&view, way, query.amount),
            view => quote(&view, way, query.amount, at),
        };
        quote.map_err(NoAnswer::Refused)
    }

    fn view<'a>(&'a self, info: &'a PoolInfo, state: &'a PoolState) -> Result<PoolView<'a>, QuoteError> {
        PoolView::new((info, state), |base| self.pools.get(base.index())?.sound())
    }

    fn way(&self, tokens: &[TokenId], query: &Query) -> Option<Way> {
        let place = |address: &AddressBytes| {
            let place = tokens.iter().position(|token| self.tokens[token.index()].address == *address)?;
            u8::try_from(place).ok()
        };
        let way = Way { token_in: place(&query.token_in)?, token_out: place(&query.token_out)? };
        (way.token_in != way.token_out).then_some(way)
    }

    /// A way between a meta pool's own coins and those of its base, as `get_dy_underlying` counts them.
    fn underlying_way<'a>(
        &self,
        info: &PoolInfo,
        view: &PoolView<'a>,
        query: &Query,
    ) -> Option<(Way, StableSwapPool<'a>)> {
        let (PoolView::StableSwap(pool), PoolDetails::MultiToken(details)) = (view, &info.details) else { return None };
        let (base, _) = self.pools.get(details.base_pool?.index())?.sound()?;
        let own = info.tokens.get(..info.tokens.len().checked_sub(1)?)?;
        let tokens: Vec<TokenId> = own.iter().chain(base.tokens.iter()).copied().collect();
        Some((self.way(&tokens, query)?, *pool))
    }
}

/// No contract takes an amount past 256 bits; each refuses it for the reason that it refuses the largest word.
fn quote(view: &PoolView<'_>, way: Way, amount: Amount, at: u64) -> Result<Answer, QuoteError> {
    match amount {
        Amount::In(amount) => {
            let amount_out = view.quote_exact_in(way, amount.unwrap_or(U256::MAX), at)?;
            Ok(Answer::Out { amount_out, consumed: None })
        }
        Amount::Out(amount) => {
            Ok(Answer::In { amount_in: view.quote_exact_out(way, amount.unwrap_or(U256::MAX), at)? })
        }
    }
}

fn quote_underlying(pool: &StableSwapPool<'_>, way: Way, amount: Amount, at: u64) -> Result<Answer, QuoteError> {
    match amount {
        Amount::In(amount) => {
            let amount_out = pool.quote_underlying(way, amount.unwrap_or(U256::MAX), at)?;
            Ok(Answer::Out { amount_out, consumed: None })
        }
        Amount::Out(_) => Err(QuoteError::ExactOutputNotOffered),
    }
}

/// The pool's own answer, also where it takes and gives nothing or only a part: `QuoterV2` refuses to report that, the
/// pool does not.
fn quote_v3(view: &V3View<'_>, way: Way, amount: Amount) -> Result<Answer, QuoteError> {
    let zero_for_one = way.zero_for_one()?;
    match amount {
        Amount::In(amount) => {
            let amount = AmountSpecified::ExactIn(amount.ok_or(QuoteError::AmountOverflow)?);
            let limit = sqrt_price_limit_default(zero_for_one);
            let swap =
                concentrated_liquidity::swap(view, zero_for_one, amount, limit).map_err(|error| match error {
                    // The limit is ours: a price already on it has nothing left to sell in this direction.
                    QuoteError::InvalidPriceLimit => QuoteError::InsufficientLiquidity,
                    other => other,
                })?;
            let consumed = swap.is_partial.then_some(swap.amount_in);
            Ok(Answer::Out { amount_out: swap.amount_out, consumed })
        }
        Amount::Out(amount) => {
            let amount = amount.ok_or(QuoteError::AmountOverflow)?;
            let swap = concentrated_liquidity::quote_exact_out(view, zero_for_one, amount)?;
            Ok(Answer::In { amount_in: swap.amount_in })
        }
    }
}
