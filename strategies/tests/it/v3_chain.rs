//! The whole of Uniswap V3 on an in-process chain: factory, quoter, router, position manager, two tokens.

use alloy::primitives::aliases::{I24, U24};
use alloy::primitives::{Address, U160, U256, keccak256};
use alloy::sol_types::SolValue;

use crate::chain::{Chain, OWNER, Reverted, Sent};
use crate::contracts::{Erc20, Positions, Quoter, Router, V3Factory, V3Pool, creation_code};
use crate::v3_state::V3State;

/// Fee tiers in ppm and their tick spacings: the four of mainnet, and the edges of what the factory lets in.
pub(crate) const FEE_TIERS: [(u32, i32); 8] =
    [(100, 1), (500, 10), (3000, 60), (10_000, 200), (2500, 50), (0, 7), (200_000, 1000), (999_999, 16_383)];

pub(crate) struct V3Chain {
    pub(crate) chain: Chain,
    factory: Address,
    quoter: Address,
    router: Address,
    pub(crate) positions: Address,
    pub(crate) token_0: Address,
    pub(crate) token_1: Address,
}

/// Amount on the other side and the price afterwards.
pub(crate) type Quoted = (U256, U256);

impl V3Chain {
    /// `None`, with a loud line, when a contract's bytecode is absent.
    pub(crate) fn deploy() -> Option<Self> {
        let names = ["UniswapV3Factory", "QuoterV2", "SwapRouter", "NonfungiblePositionManager", "ERC20"];
        let codes = names.map(creation_code);
        let [Some(factory), Some(quoter), Some(router), Some(positions), Some(token)] = codes else {
            return None;
        };
        let mut chain = Chain::new();
        let supply = U256::ONE << 255_usize;
        let token_a = chain.deploy(&token, &supply.abi_encode());
        let token_b = chain.deploy(&token, &supply.abi_encode());
        let factory = chain.deploy(&factory, &[]);
        // Nothing here wraps ether, so any address serves as WETH and as token descriptor.
        let unused = Address::repeat_byte(0xEE);
        let quoter = chain.deploy(&quoter, &(factory, unused).abi_encode());
        let router = chain.deploy(&router, &(factory, unused).abi_encode());
        let positions = chain.deploy(&positions, &(factory, unused, unused).abi_encode());
        let (token_0, token_1) = (token_a.min(token_b), token_a.max(token_b));
        let mut deployed = Self { chain, factory, quoter, router, positions, token_0, token_1 };
        deployed.open_to_all();
        Some(deployed)
    }

    /// Enables every fee tier and lets the peripheral contracts spend the owner's tokens.
    fn open_to_all(&mut self) {
        for (fee, spacing) in FEE_TIERS {
            if !matches!(fee, 500 | 3000 | 10_000) {
                let call = V3Factory::enableFeeAmountCall { fee: U24::from(fee), tickSpacing: tick(spacing) };
                self.chain.send(self.factory, &call).expect("the owner enables fees");
            }
        }
        for token in [self.token_0, self.token_1] {
            for spender in [self.router, self.positions] {
                let call = Erc20::approveCall { spender, amount: U256::MAX };
                self.chain.send(token, &call).expect("approval is granted");
            }
        }
    }

    pub(crate) fn fork(&self) -> Self {
        Self { chain: self.chain.fork(), ..*self }
    }

    /// Creates and initialises a pool.
    pub(crate) fn create_pool(&mut self, fee_ppm: u32, sqrt_price_x96: U256) -> Address {
        let call = V3Factory::createPoolCall { tokenA: self.token_0, tokenB: self.token_1, fee: U24::from(fee_ppm) };
        let pool = self.chain.send(self.factory, &call).expect("the pool is created").value;
        let call = V3Pool::initializeCall { sqrtPriceX96: sqrt_price_x96.to::<U160>() };
        self.chain.send(pool, &call).expect("the pool is initialised");
        pool
    }

    /// Puts a state into a fresh pool's storage, and tokens enough to pay out of any position.
    pub(crate) fn write_state(&mut self, pool: Address, state: &V3State, fee_protocol: u8) {
        for token in [self.token_0, self.token_1] {
            let call = Erc20::transferCall { to: pool, amount: U256::ONE << 240_usize };
            self.chain.send(token, &call).expect("the owner is rich");
        }
        let slot_0 = state.sqrt_price_x96
            | (word(state.tick) & U256::from(0xff_ffff)) << 160_usize
            | U256::ONE << 200_usize
            | U256::ONE << 216_usize
            | U256::from(fee_protocol) << 232_usize
            | U256::ONE << 240_usize;
        self.chain.set_storage(pool, U256::ZERO, slot_0);
        self.chain.set_storage(pool, U256::from(4), U256::from(state.liquidity));
        for entry in &state.ticks {
            let net = U256::from(entry.liquidity_net.cast_unsigned());
            let base = mapping_slot(entry.tick, 5);
            self.chain.set_storage(pool, base, U256::from(entry.liquidity_gross) | net << 128_usize);
            self.chain.set_storage(pool, base + U256::from(3), U256::ONE << 248_usize);
            let slot = entry.tick / state.tick_spacing;
            let word_slot = mapping_slot(slot >> 8, 6);
            let bit = U256::ONE << usize::try_from(slot.rem_euclid(256)).expect("in 0..256");
            let bitmap = self.chain.storage(pool, word_slot) | bit;
            self.chain.set_storage(pool, word_slot, bitmap);
        }
    }

    fn tokens(&self, zero_for_one: bool) -> (Address, Address) {
        if zero_for_one { (self.token_0, self.token_1) } else { (self.token_1, self.token_0) }
    }

    pub(crate) fn quote_exact_in(
        &mut self,
        fee_ppm: u32,
        zero_for_one: bool,
        amount: U256,
        limit: U256,
    ) -> Result<Quoted, Reverted> {
        let (token_in, token_out) = self.tokens(zero_for_one);
        let params = Quoter::ExactIn {
            tokenIn: token_in,
            tokenOut: token_out,
            amountIn: amount,
            fee: U24::from(fee_ppm),
            limit: limit.to(),
        };
        let answer = self.chain.call(self.quoter, &Quoter::quoteExactInputSingleCall { params })?;
        Ok((answer.amountOut, answer.sqrtPriceX96After.to()))
    }

    pub(crate) fn quote_exact_out(
        &mut self,
        fee_ppm: u32,
        zero_for_one: bool,
        amount: U256,
        limit: U256,
    ) -> Result<Quoted, Reverted> {
        let (token_in, token_out) = self.tokens(zero_for_one);
        let params = Quoter::ExactOut {
            tokenIn: token_in,
            tokenOut: token_out,
            amount,
            fee: U24::from(fee_ppm),
            limit: limit.to(),
        };
        let answer = self.chain.call(self.quoter, &Quoter::quoteExactOutputSingleCall { params })?;
        Ok((answer.amountIn, answer.sqrtPriceX96After.to()))
    }

    /// A committed swap of an exact input.
    pub(crate) fn swap_exact_in(
        &mut self,
        fee_ppm: u32,
        zero_for_one: bool,
        amount: U256,
        limit: U256,
    ) -> Result<Sent<U256>, Reverted> {
        let (token_in, token_out) = self.tokens(zero_for_one);
        let params = Router::ExactIn {
            tokenIn: token_in,
            tokenOut: token_out,
            fee: U24::from(fee_ppm),
            recipient: OWNER,
            deadline: U256::MAX,
            amountIn: amount,
            amountOutMinimum: U256::ZERO,
            limit: limit.to(),
        };
        self.chain.send(self.router, &Router::exactInputSingleCall { params })
    }

    /// A committed swap to an exact output.
    pub(crate) fn swap_exact_out(
        &mut self,
        fee_ppm: u32,
        zero_for_one: bool,
        amount: U256,
        limit: U256,
    ) -> Result<Sent<U256>, Reverted> {
        let (token_in, token_out) = self.tokens(zero_for_one);
        let params = Router::ExactOut {
            tokenIn: token_in,
            tokenOut: token_out,
            fee: U24::from(fee_ppm),
            recipient: OWNER,
            deadline: U256::MAX,
            amountOut: amount,
            amountInMaximum: U256::MAX,
            limit: limit.to(),
        };
        self.chain.send(self.router, &Router::exactOutputSingleCall { params })
    }

    /// A committed mint of a new position; the amounts bound its liquidity.
    pub(crate) fn mint(
        &mut self,
        fee_ppm: u32,
        range: (i32, i32),
        amounts: (U256, U256),
    ) -> Result<Sent<Positions::mintReturn>, Reverted> {
        let params = Positions::Mint {
            token0: self.token_0,
            token1: self.token_1,
            fee: U24::from(fee_ppm),
            tickLower: tick(range.0),
            tickUpper: tick(range.1),
            amount0Desired: amounts.0,
            amount1Desired: amounts.1,
            amount0Min: U256::ZERO,
            amount1Min: U256::ZERO,
            recipient: OWNER,
            deadline: U256::MAX,
        };
        self.chain.send(self.positions, &Positions::mintCall { params })
    }

    /// A committed burn of a part of a position.
    pub(crate) fn burn(
        &mut self,
        token_id: U256,
        liquidity: u128,
    ) -> Result<Sent<Positions::decreaseLiquidityReturn>, Reverted> {
        let params = Positions::Decrease {
            tokenId: token_id,
            liquidity,
            amount0Min: U256::ZERO,
            amount1Min: U256::ZERO,
            deadline: U256::MAX,
        };
        self.chain.send(self.positions, &Positions::decreaseLiquidityCall { params })
    }
}

/// A tick as the ABI has it.
pub(crate) fn tick(tick: i32) -> I24 {
    I24::try_from(tick).expect("a tick has 21 bits")
}

/// Sign-extended to a storage word.
fn word(value: i32) -> U256 {
    let sign = if value < 0 { u64::MAX } else { 0 };
    U256::from_limbs([i64::from(value).cast_unsigned(), sign, sign, sign])
}

/// Storage slot of a mapping's entry with a small signed key.
fn mapping_slot(key: i32, slot: u64) -> U256 {
    let preimage = [word(key).to_be_bytes::<32>(), U256::from(slot).to_be_bytes::<32>()].concat();
    U256::from_be_bytes(keccak256(preimage).0)
}
