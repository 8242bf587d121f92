//! The node's own answer to a query: that of a quoter where a kind has one, else a swap that is made and forgotten.

use alloy::primitives::aliases::U24;
use alloy::primitives::{Address, B256, U160, U256, hex};
use alloy::sol;
use alloy::sol_types::SolCall;
use alphapulse_strategies::snapshot::Snapshot;
use alphapulse_testnet::contracts::abi::{IQuoterV2, ITestToken, IV2Pair};
use serde_json::{Value, json};

use crate::chain::OWNER;
use crate::contracts::{V4Key, V4QuoterApi};
use crate::crypto::{self, Curve};
use crate::scene::{self, Amount, Scene};

sol! {
    interface Weth {
        function deposit() external payable;
        function transfer(address to, uint256 value) external returns (bool);
    }

    interface ExactOut {
        struct Params { address tokenIn; address tokenOut; uint256 amount; uint24 fee; uint160 sqrtPriceLimitX96; }
        function quoteExactOutputSingle(Params params) external returns (
            uint256 amountIn, uint160 sqrtPriceX96After, uint32 initializedTicksCrossed, uint256 gasEstimate);
    }
}

/// Who answers for a pool.
pub(crate) enum Oracle<'scene> {
    /// The pair itself, and the wrapped Ether that nobody can mint.
    Pair { pair: Address, weth: Address },
    /// Uniswap V3's quoter.
    V3 { quoter: Address, fee_ppm: u32 },
    /// Uniswap V4's quoter.
    V4 { quoter: Address, key: &'scene V4Key },
    /// A vault's queries.
    Vault { built: &'scene crate::balancer::Built, id: B256 },
    /// A CryptoSwap pool's own swap.
    Curve { pool: Address, curve: Curve },
}

/// A pool as queries name it.
pub(crate) struct Asked<'scene> {
    pub(crate) name: String,
    /// Tokens that may be swapped, and their decimals.
    pub(crate) tokens: Vec<(Address, u8)>,
    pub(crate) oracle: Oracle<'scene>,
}

impl Asked<'_> {
    /// Whether the contract offers the input for an output.
    pub(crate) const fn is_exact_out_offered(&self) -> bool {
        !matches!(self.oracle, Oracle::Curve { .. })
    }

    /// Our answer. A swap on V3 that empties the pool is one, as its quoter says.
    pub(crate) fn answer(&self, snapshot: &Snapshot, way: [usize; 2], amount: Amount) -> Option<U256> {
        let tokens = way.map(|at| self.tokens[at].0);
        if let (Oracle::V3 { .. }, Amount::In(_)) = (&self.oracle, amount) {
            let answer = scene::answer(snapshot, &self.name, tokens, amount);
            return answer["amount_out"].as_str().map(|text| text.parse().expect("a number"));
        }
        scene::ask(snapshot, &self.name, tokens, amount)
    }

    /// Fails unless the node answers what `ours` is.
    pub(crate) async fn check(&self, scene: &Scene, way: [usize; 2], amount: Amount, ours: Option<U256>) {
        let tokens = way.map(|at| self.tokens[at].0);
        let theirs = match &self.oracle {
            Oracle::Pair { pair, weth } => {
                let swap = PairSwap {
                    scene,
                    pair: *pair,
                    weth: *weth,
                    token_in: tokens[0],
                    is_zero_in: tokens[0] < tokens[1],
                };
                return swap.check(amount, ours).await;
            }
            Oracle::V3 { quoter, fee_ppm } => v3(scene, *quoter, tokens, *fee_ppm, amount).await,
            Oracle::V4 { quoter, key } => v4(scene, *quoter, key, tokens, amount).await,
            Oracle::Vault { built, id } => built.query(scene, *id, tokens, amount).await,
            Oracle::Curve { pool, curve } => {
                let Amount::In(amount) = amount else { panic!("no exact output is offered") };
                // What buys nothing is an answer of the views; the swap may refuse it.
                let is_refused_for_nothing = ours == Some(U256::ZERO);
                crypto::swap(scene, *pool, *curve, way, amount).await.or(is_refused_for_nothing.then_some(U256::ZERO))
            }
        };
        assert_eq!(ours, theirs, "{} {way:?} {amount:?}", self.name);
    }
}

async fn v3(
    scene: &Scene,
    quoter: Address,
    [token_in, token_out]: [Address; 2],
    fee_ppm: u32,
    amount: Amount,
) -> Option<U256> {
    let (fee, limit) = (U24::from(fee_ppm), U160::ZERO);
    match amount {
        Amount::In(amount) => {
            let params = IQuoterV2::QuoteExactInputSingleParams {
                tokenIn: token_in,
                tokenOut: token_out,
                amountIn: amount,
                fee,
                sqrtPriceLimitX96: limit,
            };
            let call = IQuoterV2::quoteExactInputSingleCall { params };
            scene.try_call(quoter, &call).await.map(|answer| answer.amountOut)
        }
        Amount::Out(amount) => {
            let params =
                ExactOut::Params { tokenIn: token_in, tokenOut: token_out, amount, fee, sqrtPriceLimitX96: limit };
            let call = ExactOut::quoteExactOutputSingleCall { params };
            scene.try_call(quoter, &call).await.map(|answer| answer.amountIn)
        }
    }
}

async fn v4(scene: &Scene, quoter: Address, key: &V4Key, [token_in, _]: [Address; 2], amount: Amount) -> Option<U256> {
    let (Amount::In(exact) | Amount::Out(exact)) = amount;
    let params = V4QuoterApi::ExactSingle {
        poolKey: key.clone(),
        zeroForOne: token_in == key.currency0,
        exactAmount: exact.to(),
        hookData: alloy::primitives::Bytes::new(),
    };
    match amount {
        Amount::In(_) => {
            let call = V4QuoterApi::quoteExactInputSingleCall { params };
            scene.try_call(quoter, &call).await.map(|answer| answer.amountOut)
        }
        Amount::Out(_) => {
            let call = V4QuoterApi::quoteExactOutputSingleCall { params };
            scene.try_call(quoter, &call).await.map(|answer| answer.amountIn)
        }
    }
}

/// A pair has no quoter of its own, but it refuses whatever costs it: an answer is right when the pair takes it and refuses one
/// unit more out, or one less in.
struct PairSwap<'scene> {
    scene: &'scene Scene,
    pair: Address,
    weth: Address,
    token_in: Address,
    is_zero_in: bool,
}

impl PairSwap<'_> {
    async fn check(&self, amount: Amount, ours: Option<U256>) {
        let steps = match (amount, ours) {
            (Amount::In(amount), Some(out)) if out.is_zero() => vec![(amount, U256::ONE, false)],
            (Amount::In(amount), Some(out)) => vec![(amount, out + U256::ONE, false), (U256::ZERO, out, true)],
            // What is refused buys not even one unit.
            (Amount::In(amount), None) => vec![(amount, U256::ONE, false)],
            (Amount::Out(out), Some(amount)) => vec![(amount - U256::ONE, out, false), (U256::ONE, out, true)],
            // What is refused is not to be had for all the money there is.
            (Amount::Out(out), None) => vec![(U256::from(10_u128.pow(23)), out, false)],
        };
        let mut calls: Vec<Value> = Vec::new();
        let mut expected = Vec::new();
        for (paid, out, is_taken) in steps {
            let payments = self.pay(paid);
            expected.extend(payments.iter().map(|_| true));
            calls.extend(payments);
            calls.push(self.swap(out));
            expected.push(is_taken);
        }
        let taken = self.scene.simulate(&calls).await;
        assert_eq!(
            taken.iter().map(|(is_taken, _)| *is_taken).collect::<Vec<_>>(),
            expected,
            "{} {amount:?} {ours:?}",
            self.pair
        );
    }

    fn pay(&self, paid: U256) -> Vec<Value> {
        if paid.is_zero() {
            return Vec::new();
        }
        if self.token_in == self.weth {
            let mut deposit = call(self.weth, &Weth::depositCall {});
            deposit["value"] = json!(format!("{paid:#x}"));
            return vec![deposit, call(self.weth, &Weth::transferCall { to: self.pair, value: paid })];
        }
        vec![call(self.token_in, &ITestToken::mintCall { to: self.pair, value: paid })]
    }

    fn swap(&self, out: U256) -> Value {
        let [zero, one] = if self.is_zero_in { [U256::ZERO, out] } else { [out, U256::ZERO] };
        call(self.pair, &IV2Pair::swapCall { amount0Out: zero, amount1Out: one, to: OWNER, data: Vec::new().into() })
    }
}

/// A transaction of the owner's as the node takes it.
pub(crate) fn call<C: SolCall>(to: Address, call: &C) -> Value {
    json!({"from": OWNER, "to": to, "input": hex::encode_prefixed(call.abi_encode())})
}
