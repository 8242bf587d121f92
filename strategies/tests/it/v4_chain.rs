//! The whole of Uniswap V4 on an in-process chain: pool manager, its test routers, quoter, two tokens.

use alloy::primitives::aliases::U24;
use alloy::primitives::{Address, B256, Bytes, I256, U160, U256, keccak256};
use alloy::sol_types::SolValue;

use crate::chain::{Chain, OWNER, Reverted, Sent};
use crate::contracts::{Erc20, V4Key, V4Manager, V4ModifyTest, V4QuoterApi, V4StateViewApi, V4SwapTest, creation_code};
use crate::v3_chain::tick;

pub(crate) struct V4Chain {
    pub(crate) chain: Chain,
    pub(crate) manager: Address,
    swapper: Address,
    modifier: Address,
    quoter: Address,
    state_view: Address,
    token_0: Address,
    token_1: Address,
}

/// Price, tick, packed protocol fees, fee for liquidity providers, active liquidity.
pub(crate) type V4Slot = (U256, i32, u32, u32, u128);

impl V4Chain {
    /// `None`, with a loud line, when a contract's bytecode is absent.
    pub(crate) fn deploy() -> Option<Self> {
        let names =
            ["V4PoolManager", "V4PoolSwapTest", "V4PoolModifyLiquidityTest", "V4Quoter", "V4StateView", "ERC20"];
        let codes = names.map(creation_code);
        let [Some(manager), Some(swapper), Some(modifier), Some(quoter), Some(state_view), Some(token)] = codes else {
            return None;
        };
        let mut chain = Chain::new();
        let supply = U256::MAX;
        let token_a = chain.deploy(&token, &supply.abi_encode());
        let token_b = chain.deploy(&token, &supply.abi_encode());
        let manager = chain.deploy(&manager, &OWNER.abi_encode());
        let [swapper, modifier, quoter, state_view] =
            [swapper, modifier, quoter, state_view].map(|code| chain.deploy(&code, &manager.abi_encode()));
        let call = V4Manager::setProtocolFeeControllerCall { controller: OWNER };
        chain.send(manager, &call).expect("the owner names the controller");
        let (token_0, token_1) = (token_a.min(token_b), token_a.max(token_b));
        for token in [token_0, token_1] {
            for spender in [swapper, modifier] {
                let call = Erc20::approveCall { spender, amount: U256::MAX };
                chain.send(token, &call).expect("approval is granted");
            }
        }
        Some(Self { chain, manager, swapper, modifier, quoter, state_view, token_0, token_1 })
    }

    /// Router that changes liquidity.
    #[allow(dead_code, reason = "tests of the command call it on a node")]
    pub(crate) const fn modifier(&self) -> Address {
        self.modifier
    }

    /// Contract that quotes.
    #[allow(dead_code, reason = "tests of the command call it on a node")]
    pub(crate) const fn quoter(&self) -> Address {
        self.quoter
    }

    pub(crate) fn fork(&self) -> Self {
        Self { chain: self.chain.fork(), ..*self }
    }

    pub(crate) fn key(&self, lp_fee_ppm: u32, tick_spacing: i32) -> V4Key {
        V4Key {
            currency0: self.token_0,
            currency1: self.token_1,
            fee: U24::from(lp_fee_ppm),
            tickSpacing: tick(tick_spacing),
            hooks: Address::ZERO,
        }
    }

    /// Initialises a pool and sets its protocol fees.
    pub(crate) fn create_pool(&mut self, key: &V4Key, sqrt_price_x96: U256, protocol_fees: [u32; 2]) -> i32 {
        let call = V4Manager::initializeCall { key: key.clone(), sqrtPriceX96: sqrt_price_x96.to::<U160>() };
        let first_tick = self.chain.send(self.manager, &call).expect("the pool is initialised").value;
        // The low half is the fee of swaps that pay token 0.
        let packed = U24::from(protocol_fees[0] | protocol_fees[1] << 12);
        let call = V4Manager::setProtocolFeeCall { key: key.clone(), newProtocolFee: packed };
        self.chain.send(self.manager, &call).expect("the controller sets fees");
        first_tick.as_i32()
    }

    /// Adds liquidity to a range, or takes it away.
    pub(crate) fn modify(&mut self, key: &V4Key, range: (i32, i32), change: i128) -> Result<(), Reverted> {
        let params = V4ModifyTest::Modify {
            tickLower: tick(range.0),
            tickUpper: tick(range.1),
            liquidityDelta: I256::try_from(change).expect("256 bits hold 128"),
            salt: B256::ZERO,
        };
        let call = V4ModifyTest::modifyLiquidityCall { key: key.clone(), params, hookData: Bytes::new() };
        self.chain.send(self.modifier, &call).map(drop)
    }

    /// A committed swap; a negative amount is an exact input.
    pub(crate) fn swap(
        &mut self,
        key: &V4Key,
        zero_for_one: bool,
        specified: I256,
        limit: U256,
    ) -> Result<Sent<I256>, Reverted> {
        let params = V4SwapTest::SwapParams {
            zeroForOne: zero_for_one,
            amountSpecified: specified,
            sqrtPriceLimitX96: limit.to::<U160>(),
        };
        let settings = V4SwapTest::TestSettings { takeClaims: false, settleUsingBurn: false };
        let call = V4SwapTest::swapCall { key: key.clone(), params, testSettings: settings, hookData: Bytes::new() };
        self.chain.send(self.swapper, &call)
    }

    pub(crate) fn quote_exact_in(&mut self, key: &V4Key, zero_for_one: bool, amount: u128) -> Result<U256, Reverted> {
        let call = V4QuoterApi::quoteExactInputSingleCall { params: single(key, zero_for_one, amount) };
        Ok(self.chain.call(self.quoter, &call)?.amountOut)
    }

    pub(crate) fn quote_exact_out(&mut self, key: &V4Key, zero_for_one: bool, amount: u128) -> Result<U256, Reverted> {
        let call = V4QuoterApi::quoteExactOutputSingleCall { params: single(key, zero_for_one, amount) };
        Ok(self.chain.call(self.quoter, &call)?.amountIn)
    }

    pub(crate) fn slot(&mut self, key: &V4Key) -> V4Slot {
        let id = keccak256(key.abi_encode());
        let slot = self.chain.call(self.state_view, &V4StateViewApi::getSlot0Call { poolId: id }).expect("a view");
        let call = V4StateViewApi::getLiquidityCall { poolId: id };
        let liquidity = self.chain.call(self.state_view, &call).expect("a view");
        (slot.sqrtPriceX96.to(), slot.tick.as_i32(), slot.protocolFee.to(), slot.lpFee.to(), liquidity)
    }

    /// Gross and net liquidity of a tick.
    pub(crate) fn tick_liquidity(&mut self, key: &V4Key, at: i32) -> (u128, i128) {
        let call = V4StateViewApi::getTickLiquidityCall { poolId: keccak256(key.abi_encode()), tick: tick(at) };
        let found = self.chain.call(self.state_view, &call).expect("a view");
        (found.liquidityGross, found.liquidityNet)
    }
}

fn single(key: &V4Key, zero_for_one: bool, amount: u128) -> V4QuoterApi::ExactSingle {
    V4QuoterApi::ExactSingle {
        poolKey: key.clone(),
        zeroForOne: zero_for_one,
        exactAmount: amount,
        hookData: Bytes::new(),
    }
}
