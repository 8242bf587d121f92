//! Which family of StableSwap contracts a pool is of: told by the functions that it has, and by what its coins tell.
//!
//! Where they do not tell, or tell of rates that the pool reckons with by itself, the variant is one that nobody quotes.

use alloy::primitives::{Address, U256};
use alphapulse_protocol::message::PoolVariant;
use futures_util::future::{try_join, try_join_all, try_join3, try_join5};

use super::super::contract as curve;
use super::contract;
use crate::error::SourceError;
use crate::source::read::calls::Calls;
use crate::source::read::multi_token::UNKNOWN_VARIANT;
use crate::source::read::token::totalSupplyCall;
use crate::source::read::{PoolBase, fit, refuse};

/// Amount with which a pool is asked whether it swaps underlying coins: any answer says that it does.
const PROBE_AMOUNT: u64 = 1_000_000;

/// How a pool's functions take the number of a coin.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    Unsigned,
    Signed,
}

/// What sets a pool apart.
pub(super) struct Make {
    pub(super) numbers: Numbers,
    pub(super) variant: u16,
    pub(super) precision: u16,
    pub(super) offpeg_fee_multiplier: U256,
    pub(super) stored_rates: Option<Vec<U256>>,
    pub(super) base: Option<PoolBase>,
    /// What shares are; none where no function tells.
    pub(super) share: Option<Address>,
}

impl Calls {
    /// Asks for the functions that only some families have, and answers with the family.
    pub(super) async fn read_make(
        &self,
        pool: Address,
        numbers: Numbers,
        coins: &[Address],
        is_wrapping: bool,
    ) -> Result<Make, SourceError> {
        let (precise, offpeg, stored, base, shares) = try_join5(
            self.try_call(pool, contract::A_preciseCall {}),
            self.try_call(pool, contract::offpeg_fee_multiplierCall {}),
            self.read_stored_rates(pool, coins.len()),
            self.read_base(pool, coins),
            try_join3(
                self.try_call(pool, contract::lp_tokenCall {}),
                self.try_call(pool, curve::tokenCall {}),
                self.try_call(pool, totalSupplyCall {}),
            ),
        )
        .await?;
        let (lp_token, token, own) = shares;
        let is_own = own.is_some();
        // A meta pool of a factory before NG does not tell its base; without it, its last rate cannot be reckoned. The
        // three-coin pool and its contemporaries, which have no `A_precise`, answer the same view over no base.
        let zero_to_one = contract::get_dy_underlyingCall { i: 0, j: 1, dx: U256::from(PROBE_AMOUNT) };
        let may_hide_base = base.is_none() && !is_wrapping && precise.is_some();
        if may_hide_base && self.try_call(pool, zero_to_one).await?.is_some() {
            return Err(refuse(pool, "it is a meta pool, and no function tells its base pool"));
        }
        let variant = match (offpeg.is_some(), stored.is_some(), is_own, numbers) {
            (true, true, ..) => PoolVariant::CurveNg as u16,
            (true, false, false, _) => PoolVariant::CurveOffpeg as u16,
            // NG without the rates that it tells.
            (true, false, true, _) => UNKNOWN_VARIANT,
            // Lending pools after the first reckon with their coins' own rates.
            (false, false, _, Numbers::Unsigned) if is_wrapping => UNKNOWN_VARIANT,
            // Those of three and four coins divide coin by coin, as the templates before them.
            (false, _, true, Numbers::Unsigned) if base.is_none() && coins.len() == 2 => {
                PoolVariant::CurveFactory as u16
            }
            (false, false, true, Numbers::Unsigned) if base.is_none() => PoolVariant::CurveClassic as u16,
            // Rates from elsewhere, of a contract that is none of a factory: whose arithmetic it has is not known.
            (false, true, ..) => UNKNOWN_VARIANT,
            (false, false, _, Numbers::Unsigned) if self.is_any_rated(coins).await? => UNKNOWN_VARIANT,
            (false, false, _, Numbers::Unsigned) => PoolVariant::CurveClassic as u16,
            (false, false, _, Numbers::Signed) if is_wrapping && !self.withdraws_one_coin(pool).await? => {
                PoolVariant::CurveFirst as u16
            }
            (false, false, _, Numbers::Signed) => UNKNOWN_VARIANT,
        };
        Ok(Make {
            numbers,
            variant,
            precision: if precise.is_some() { 100 } else { 1 },
            offpeg_fee_multiplier: offpeg.unwrap_or_default(),
            stored_rates: stored,
            base,
            share: lp_token.or(token).or(is_own.then_some(pool)),
        })
    }

    /// Whether the pool gives one coin for shares, which the first pools do not; ren does, and reckons as the three-coin pool.
    async fn withdraws_one_coin(&self, pool: Address) -> Result<bool, SourceError> {
        let one = contract::calc_withdraw_one_coinCall { amount: U256::from(PROBE_AMOUNT), i: 0 };
        Ok(self.try_call(pool, one).await?.is_some())
    }

    /// Whether a coin tells a rate that pools of staked coins (aETHc, rETH) multiply with by themselves.
    async fn is_any_rated(&self, coins: &[Address]) -> Result<bool, SourceError> {
        let asked = coins.iter().map(|coin| async move {
            let (ratio, rate) = try_join(
                self.try_call(*coin, contract::ratioCall {}),
                self.try_call(*coin, contract::getExchangeRateCall {}),
            )
            .await?;
            Ok::<bool, SourceError>(ratio.is_some() || rate.is_some())
        });
        Ok(try_join_all(asked).await?.into_iter().any(|is_rated| is_rated))
    }

    /// The pool whose share is the last coin, and how many shares there are: the coin tells what some of these pools do not.
    async fn read_base(&self, pool: Address, coins: &[Address]) -> Result<Option<PoolBase>, SourceError> {
        let (base, ng) =
            try_join(self.try_call(pool, contract::base_poolCall {}), self.try_call(pool, contract::BASE_POOLCall {}))
                .await?;
        let (Some(base), Some(share)) = (base.or(ng).filter(|base| !base.is_zero()), coins.last()) else {
            return Ok(None);
        };
        let shares = self.call(pool, *share, totalSupplyCall {}).await?;
        Ok(Some(PoolBase { pool: base, shares: fit(pool, "number of its base's shares", shares)? }))
    }

    /// As a list, or as so many words as there are coins.
    async fn read_stored_rates(&self, pool: Address, count: usize) -> Result<Option<Vec<U256>>, SourceError> {
        use alloy::sol_types::SolCall;
        let call = contract::stored_ratesCall {};
        let Some(answer) = self.ask(pool, call.abi_encode().into()).await? else { return Ok(None) };
        if answer.len() == 32 * count {
            return Ok(Some(answer.chunks_exact(32).map(U256::from_be_slice).collect()));
        }
        Ok(contract::stored_ratesCall::abi_decode_returns_validate(&answer).ok().filter(|rates| rates.len() == count))
    }
}
