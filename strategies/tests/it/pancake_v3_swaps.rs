//! Random pools of PancakeSwap V3 by their own bytecode: our amounts, price, tick and liquidity equal the pool's.
//!
//! The pool asks its creator for its parameters, calls its caller back for payment, and compares its balances. Three
//! programs of a few bytes stand in for deployer, payer and token, so that no other contract is needed.

use alloy::primitives::{Address, Bytes, I256, U160, U256};
use alloy::sol_types::SolValue;
use alphapulse_strategies::pool::concentrated_liquidity::swap;
use alphapulse_strategies::pool::tick_math::get_sqrt_ratio_at_tick;
use alphapulse_strategies::pool::{AmountSpecified, check_consistency};
use rand::Rng;
use rand::rngs::StdRng;

use crate::chain::Chain;
use crate::contracts::{PancakePool, creation_code};
use crate::data::{Comparison, cases_factor, report};
use crate::v3_chain::tick;
use crate::v3_state::{SwapValues, V3State, log_uniform, ours_as_event, random_price};

const POOLS: usize = 32;
const ACTIONS_PER_POOL: u32 = 50;

/// Fees in ppm and tick spacings of PancakeSwap's factory.
const FEE_TIERS: [(u32, i32); 4] = [(100, 1), (500, 10), (2500, 50), (10_000, 200)];

/// Given creation bytecode, creates it and answers the address; asked anything else, answers the 160 bytes behind the
/// program.
const DEPLOYER: [u8; 40] = [
    0x36, 0x60, 0x04, 0x10, 0x60, 0x13, 0x57, // longer than a selector?
    0x60, 0xa0, 0x60, 0x28, 0x60, 0x00, 0x39, 0x60, 0xa0, 0x60, 0x00, 0xf3, // no: return code[40..200]
    0x5b, 0x36, 0x60, 0x00, 0x60, 0x00, 0x37, 0x36, 0x60, 0x00, 0x60, 0x00, 0xf0, // yes: create(0, calldata)
    0x60, 0x00, 0x52, 0x60, 0x20, 0x60, 0x00, 0xf3,
];

/// Called by the sender of the transaction, passes the data behind an address on to it; called back, agrees.
const PAYER: [u8; 50] = [
    0x32, 0x33, 0x14, 0x60, 0x07, 0x57, 0x00, // not the sender: stop
    0x5b, 0x60, 0x20, 0x36, 0x03, 0x80, 0x60, 0x20, 0x60, 0x00, 0x37, // memory = calldata[32..]
    0x60, 0x00, 0x60, 0x00, 0x82, 0x60, 0x00, 0x60, 0x00, 0x60, 0x00, 0x35, 0x5a, 0xf1, // call calldata[0]
    0x3d, 0x60, 0x00, 0x60, 0x00, 0x3e, 0x60, 0x2d, 0x57, // memory = its answer
    0x3d, 0x60, 0x00, 0xfd, 0x5b, 0x3d, 0x60, 0x00, 0xf3, // revert or return with it
];

/// Asked for a balance, answers `2^255 - gas * 2^176`, which has grown by more than any amount whenever the pool asks
/// again; to anything else says yes.
const TOKEN: [u8; 36] = [
    0x36, 0x60, 0x24, 0x14, 0x60, 0x11, 0x57, // balanceOf has 36 bytes
    0x60, 0x01, 0x60, 0x00, 0x52, 0x60, 0x20, 0x60, 0x00, 0xf3, // return 1
    0x5b, 0x5a, 0x60, 0xb0, 0x1b, 0x60, 0x01, 0x60, 0xff, 0x1b, 0x03, // 2^255 - (gas << 176)
    0x60, 0x00, 0x52, 0x60, 0x20, 0x60, 0x00, 0xf3,
];

/// Creation bytecode of a program: returns what stands behind these twelve bytes.
fn creation_of(program: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(program.len()).expect("a short program").to_be_bytes();
    let loader = [0x61, high, low, 0x80, 0x60, 0x0c, 0x60, 0x00, 0x39, 0x60, 0x00, 0xf3];
    [&loader, program].concat()
}

struct Followed {
    chain: Chain,
    pool: Address,
    payer: Address,
    state: V3State,
    positions: Vec<((i32, i32), u128)>,
}

/// What a test saw.
#[derive(Default)]
struct Counts {
    swaps: usize,
    refused: usize,
    partial: usize,
    crossings: usize,
    on_a_tick: usize,
    changes: usize,
}

#[test]
fn pancake_v3_state_equals_the_pool_after_every_swap_mint_and_burn() {
    let Some(creation) = creation_code("PancakeV3Pool") else { return };
    let comparison = Comparison::of("uniswap_v3 by PancakeSwap's pool", 17);
    let mut random = comparison.random();
    let mut counts = Counts::default();
    let pools = POOLS * cases_factor();
    for index in 0..pools {
        let mut followed = Followed::create(&creation, &mut random, FEE_TIERS[index % FEE_TIERS.len()], &mut counts);
        for _ in 0..ACTIONS_PER_POOL {
            match random.random_range(0..10) {
                0 => followed.mint(&mut random, &mut counts),
                1 => followed.burn(&mut random, &mut counts),
                _ => followed.swap(&mut random, &mut counts),
            }
            check_consistency(&followed.state.view()).expect("a followed pool stays sound");
        }
        followed.check_against_chain();
    }
    let Counts { swaps, refused, partial, crossings, on_a_tick, changes } = counts;
    report(&format!(
        "pancake v3 on the real pool: {pools} pools, {swaps} swaps ({partial} stopped by the limit, {crossings} ticks \
         crossed, {on_a_tick} ended on a tick), {refused} refused by both, {changes} mints and burns"
    ));
    assert!(swaps >= 20 * pools && partial >= 3 * pools && crossings >= 15 * pools && on_a_tick >= 2 * pools);
    assert!(changes >= 8 * pools && refused >= pools);
    comparison.finish(pools, swaps);
}

impl Followed {
    fn create(creation: &[u8], random: &mut StdRng, kind: (u32, i32), counts: &mut Counts) -> Self {
        let (fee_ppm, tick_spacing) = kind;
        let mut chain = Chain::new();
        let tokens = [(); 2].map(|()| chain.deploy(&creation_of(&TOKEN), &[]));
        let payer = chain.deploy(&creation_of(&PAYER), &[]);
        // The factory is asked by functions of its owner only.
        let parameters =
            (Address::repeat_byte(0xFA), tokens[0], tokens[1], U256::from(fee_ppm), U256::from(tick_spacing));
        let deployer = chain.deploy(&creation_of(&[&DEPLOYER[..], &parameters.abi_encode()].concat()), &[]);
        let pool = chain.create_through(deployer, creation.to_vec());
        let (_, sqrt_price) = random_price(random);
        let call = PancakePool::initializeCall { sqrtPriceX96: sqrt_price.to::<U160>() };
        chain.send(pool, &call).expect("the pool is initialised");
        let slot_0 = chain.call(pool, &PancakePool::slot0Call {}).expect("the pool answers");
        assert_ne!(slot_0.feeProtocol, 0, "a new pool shares its fee with the protocol");
        let state = V3State::initialised(fee_ppm, tick_spacing, slot_0.tick.as_i32(), sqrt_price);
        let mut followed = Self { chain, pool, payer, state, positions: Vec::new() };
        for _ in 0..random.random_range(3..20) {
            followed.mint(random, counts);
        }
        followed
    }

    fn mint(&mut self, random: &mut StdRng, counts: &mut Counts) {
        let range = self.state.random_range_of_ticks(random);
        let bits = random.random_range(20..100);
        let amount = log_uniform(random, 1 << bits);
        let call = PancakePool::mintCall {
            recipient: self.payer,
            tickLower: tick(range.0),
            tickUpper: tick(range.1),
            amount,
            data: Bytes::new(),
        };
        // Too much for a tick is the contract's to refuse.
        if self.chain.send_through(self.payer, self.pool, &call).is_ok() {
            self.state.modify(range.0, range.1, i128::try_from(amount).expect("below the tick's maximum"));
            self.positions.push((range, amount));
            counts.changes += 1;
        }
    }

    fn burn(&mut self, random: &mut StdRng, counts: &mut Counts) {
        if self.positions.is_empty() {
            return;
        }
        let index = random.random_range(0..self.positions.len());
        let (range, left) = self.positions[index];
        let amount = if random.random() { left } else { log_uniform(random, left) };
        let call = PancakePool::burnCall { tickLower: tick(range.0), tickUpper: tick(range.1), amount };
        self.chain.send_through(self.payer, self.pool, &call).expect("the owner may burn");
        self.state.modify(range.0, range.1, -i128::try_from(amount).expect("below the tick's maximum"));
        self.positions[index].1 -= amount;
        self.positions.retain(|(_, left)| *left > 0);
        counts.changes += 1;
    }

    fn swap(&mut self, random: &mut StdRng, counts: &mut Counts) {
        let zero_for_one = random.random();
        let limit = self.state.random_limit(random, zero_for_one);
        let amount = U256::from(log_uniform(random, self.state.liquidity.max(1 << 20)));
        let (specified, signed) = if random.random_bool(0.6) {
            (AmountSpecified::ExactIn(amount), I256::from_raw(amount))
        } else {
            (AmountSpecified::ExactOut(amount), -I256::from_raw(amount))
        };
        let before = format!("{specified:?} {zero_for_one} to {limit} on {:?}", self.state);
        let ours = swap(&self.state.view(), zero_for_one, specified, limit);
        let call = PancakePool::swapCall {
            recipient: Address::repeat_byte(0xBE),
            zeroForOne: zero_for_one,
            amountSpecified: signed,
            sqrtPriceLimitX96: limit.to::<U160>(),
            data: Bytes::new(),
        };
        match (ours, self.chain.send_through(self.payer, self.pool, &call)) {
            (Err(_), Err(_)) => counts.refused += 1,
            (Ok(ours), Ok(sent)) => {
                let event: PancakePool::Swap = sent.event(self.pool);
                assert_eq!(ours_as_event(&ours, zero_for_one), event_values(&event), "{before}");
                self.state.apply(&ours);
                counts.swaps += 1;
                counts.partial += usize::from(ours.is_partial);
                counts.crossings += usize::try_from(ours.ticks_crossed).expect("few");
                let is_on_a_tick = [ours.tick, ours.tick + 1]
                    .into_iter()
                    .any(|tick| get_sqrt_ratio_at_tick(tick) == Ok(ours.sqrt_price_x96));
                counts.on_a_tick += usize::from(is_on_a_tick);
            }
            (ours, theirs) => panic!("we {ours:?}, the pool {:?}: {before}", theirs.map(|sent| sent.value.amount0)),
        }
    }

    /// Reads the pool's whole state once more, by its getters.
    fn check_against_chain(&mut self) {
        let slot_0 = self.chain.call(self.pool, &PancakePool::slot0Call {}).expect("the pool answers");
        let liquidity = self.chain.call(self.pool, &PancakePool::liquidityCall {}).expect("the pool answers");
        let found = (slot_0.sqrtPriceX96.to::<U256>(), slot_0.tick.as_i32(), liquidity);
        assert_eq!(found, (self.state.sqrt_price_x96, self.state.tick, self.state.liquidity));
        for entry in &self.state.ticks {
            let call = PancakePool::ticksCall { tick: tick(entry.tick) };
            let found = self.chain.call(self.pool, &call).expect("the pool answers");
            assert_eq!((found.liquidityGross, found.liquidityNet), (entry.liquidity_gross, entry.liquidity_net));
        }
    }
}

fn event_values(event: &PancakePool::Swap) -> SwapValues {
    (event.amount0, event.amount1, event.sqrtPriceX96.to(), event.liquidity, event.tick.as_i32())
}
