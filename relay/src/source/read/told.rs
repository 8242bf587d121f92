//! What a pool itself answers to a question that its state answers as well: who knows the maths can hold the one against the
//! other, and a contract that was taken for another of its family is found out.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolCall as _;
use alphapulse_protocol::replica::PoolState;
use alphapulse_protocol::values::{MultiTokenDetails, PoolDetails};
use futures_util::future::try_join_all;

use super::calls::Calls;
use crate::error::SourceError;
use crate::source::PoolImage;

mod contract {
    alloy::sol! {
        struct Step {
            bytes32 poolId;
            uint256 assetInIndex;
            uint256 assetOutIndex;
            uint256 amount;
            bytes userData;
        }
        struct Funds {
            address sender;
            bool fromInternalBalance;
            address recipient;
            bool toInternalBalance;
        }
        function queryBatchSwap(uint8 kind, Step[] swaps, address[] assets, Funds funds) external returns (int256[] deltas);
        function getAmountOut(uint256 amountIn, address tokenIn) external view returns (uint256);
    }
    /// Of StableSwap pools.
    pub(super) mod stable {
        alloy::sol! { function get_dy(int128 i, int128 j, uint256 dx) external view returns (uint256); }
    }
    /// Of CryptoSwap pools.
    pub(super) mod crypto {
        alloy::sol! { function get_dy(uint256 i, uint256 j, uint256 dx) external view returns (uint256); }
    }
}

/// The part of a token's balance that a pool is asked about: small enough for every limit, large enough to show the curve.
const PART: u128 = 1_000;

/// A quote by the pool's own contract, in the state that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Token that it would take.
    pub token_in: Address,
    /// Token that it would give.
    pub token_out: Address,
    /// Raw units of the one.
    pub amount_in: U256,
    /// Raw units of the other; `None` where it refuses.
    pub amount_out: Option<U256>,
}

/// A question: places of two tokens, and how much of the first.
#[derive(Clone, Copy)]
struct Question {
    token_in: usize,
    token_out: usize,
    amount: U256,
}

/// From each of these tokens to the next, and from the last to the first: each rate is seen from both sides.
fn round(places: &[usize], balances: &[u128]) -> Vec<Question> {
    let next = places.iter().cycle().skip(1);
    let questions = places.iter().zip(next).map(|(&token_in, &token_out)| {
        let balance = balances.get(token_in).copied().unwrap_or_default();
        Question { token_in, token_out, amount: U256::from((balance / PART).max(1)) }
    });
    questions.collect()
}

impl Calls {
    /// The pool's own quotes; none for kinds whose contracts give none.
    pub(super) async fn read_told(&self, image: &PoolImage) -> Result<Vec<Told>, SourceError> {
        let count = image.info.tokens.len();
        let all: Vec<usize> = (0..count).collect();
        let questions = match &image.state {
            PoolState::V2(state) => round(&all, &[state.reserve_0, state.reserve_1]),
            PoolState::Solidly(state) => round(&all, &[state.reserve_0, state.reserve_1]),
            PoolState::CurveStable(state) => round(&all, &state.holdings.balances),
            PoolState::CurveCrypto(state) => round(&all, &state.holdings.balances),
            // Each is a request of its own: the vault does not answer within a call that may change nothing.
            PoolState::BalancerWeighted(state) => round(&all, &state.balances).into_iter().take(1).collect(),
            PoolState::BalancerStable(state) => {
                let share = details(image).and_then(|details| details.bpt_index).map(usize::from);
                let own: Vec<usize> = all.into_iter().filter(|place| Some(*place) != share).collect();
                round(&own, &state.holdings.balances).into_iter().take(1).collect()
            }
            _ => Vec::new(),
        };
        let told = try_join_all(questions.into_iter().map(|question| self.ask_pool(image, question))).await?;
        let is_pair = matches!(image.state, PoolState::V2(_));
        // A pair of the first kind has no view of its own; a fork that has one is held to it.
        Ok(told.into_iter().filter(|told| !is_pair || told.amount_out.is_some()).collect())
    }

    async fn ask_pool(&self, image: &PoolImage, question: Question) -> Result<Told, SourceError> {
        let pool = Address::from(image.info.address);
        let Question { token_in, token_out, amount } = question;
        let token =
            |place: usize| image.tokens.get(place).map(|token| Address::from(token.address)).unwrap_or_default();
        let amount_out = match &image.state {
            PoolState::CurveStable(_) => {
                let [i, j] = [token_in, token_out].map(|place| i128::try_from(place).unwrap_or_default());
                self.try_call(pool, contract::stable::get_dyCall { i, j, dx: amount }).await?
            }
            PoolState::CurveCrypto(_) => {
                let [i, j] = [token_in, token_out].map(U256::from);
                self.try_call(pool, contract::crypto::get_dyCall { i, j, dx: amount }).await?
            }
            PoolState::BalancerWeighted(_) | PoolState::BalancerStable(_) => {
                self.ask_vault(image, [token(token_in), token(token_out)], amount).await?
            }
            _ => {
                let call = contract::getAmountOutCall { amountIn: amount, tokenIn: token(token_in) };
                self.try_call(pool, call).await?
            }
        };
        Ok(Told { token_in: token(token_in), token_out: token(token_out), amount_in: amount, amount_out })
    }

    /// What the vault would give, which it finds out by a swap that it takes back.
    async fn ask_vault(
        &self,
        image: &PoolImage,
        assets: [Address; 2],
        amount: U256,
    ) -> Result<Option<U256>, SourceError> {
        let Some(details) = details(image) else { return Ok(None) };
        let step = contract::Step {
            poolId: details.pool_id.into(),
            assetInIndex: U256::ZERO,
            assetOutIndex: U256::from(1),
            amount,
            userData: Bytes::new(),
        };
        let nobody = Address::ZERO;
        let funds =
            contract::Funds { sender: nobody, fromInternalBalance: false, recipient: nobody, toInternalBalance: false };
        let call = contract::queryBatchSwapCall { kind: 0, swaps: vec![step], assets: assets.to_vec(), funds };
        let answer = self.ask_alone(details.vault.into(), call.abi_encode().into()).await?;
        let deltas = answer.and_then(|answer| contract::queryBatchSwapCall::abi_decode_returns_validate(&answer).ok());
        // What leaves the vault is below zero.
        Ok(deltas.and_then(|deltas| deltas.get(1).and_then(|out| U256::try_from(out.checked_neg()?).ok())))
    }
}

const fn details(image: &PoolImage) -> Option<&MultiTokenDetails> {
    match &image.info.details {
        PoolDetails::MultiToken(details) => Some(details),
        PoolDetails::None | PoolDetails::V4(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_is_asked_about_from_both_sides() {
        let ways: Vec<_> = round(&[0, 2, 3], &[5_000, 9, 7, 123_456])
            .into_iter()
            .map(|question| (question.token_in, question.token_out, question.amount.to::<u64>()))
            .collect();
        assert_eq!(ways, [(0, 2, 5), (2, 3, 1), (3, 0, 123)]);
    }
}
