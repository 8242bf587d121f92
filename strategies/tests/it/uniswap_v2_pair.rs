//! Pairs followed through real mints, burns and swaps: what we quote is what the pair takes, and not a unit more.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolValue;
use alphapulse_strategies::pool::QuoteError;
use alphapulse_strategies::pool::constant_product::{RESERVE_MAX, quote_exact_in, quote_exact_out, settle};
use rand::Rng;
use rand::rngs::StdRng;

use crate::chain::{Chain, OWNER, Reverted};
use crate::contracts::{Erc20, V2Factory, V2Pair, V2Router, creation_code};
use crate::data::{Comparison, cases_factor, report};
use crate::v3_state::log_uniform;

const PAIRS: usize = 120;
const ACTIONS_PER_PAIR: u32 = 90;
/// Storage slot of a pair's reserves and their timestamp.
const RESERVES_SLOT: U256 = U256::from_limbs([8, 0, 0, 0]);

/// A family of pairs: its factory, and the fee that the bytecode takes.
struct Venue {
    kind: &'static str,
    factory: &'static str,
    fee_ppm: u32,
    /// Whether `UniswapV2Library` has this venue's fee.
    has_router: bool,
}

const UNISWAP: Venue =
    Venue { kind: "uniswap_v2 by Uniswap's pair", factory: "UniswapV2Factory", fee_ppm: 3000, has_router: true };
// The package is Pancake's first version, whose pair takes 0.2 %.
const PANCAKE: Venue =
    Venue { kind: "uniswap_v2 by PancakeSwap's pair", factory: "PancakeFactoryV2", fee_ppm: 2000, has_router: false };

#[derive(Debug, Default)]
struct Counts {
    swaps: u32,
    quotes: u32,
    refused_by_overflow: u32,
    drained: u32,
    changes: u32,
}

#[test]
fn v2_quotes_are_what_uniswap_s_pair_accepts() {
    follow(&UNISWAP, 3);
}

#[test]
fn v2_quotes_are_what_pancake_s_pair_accepts() {
    follow(&PANCAKE, 5);
}

fn follow(venue: &'static Venue, default_seed: u64) {
    let Some(base) = Followed::deploy(venue) else { return };
    let comparison = Comparison::of(venue.kind, default_seed);
    let mut random = comparison.random();
    let pairs = PAIRS * cases_factor();
    let mut counts = Counts::default();
    for index in 0..pairs {
        let mut pair = Followed { chain: base.chain.fork(), ..base };
        if index % 2 == 0 {
            pair.mint(&mut random, &mut counts)
        } else {
            pair.write_reserves(&mut random)
        }
        for _ in 0..ACTIONS_PER_PAIR {
            pair.act(&mut random, &mut counts);
        }
    }
    report(&format!("{} pairs on real bytecode: {counts:?}", venue.factory));
    assert!(counts.swaps >= 4_000 && counts.quotes >= 5_000 && counts.changes >= 400);
    assert!(counts.refused_by_overflow >= 20 && counts.drained >= 20);
    comparison.finish(pairs, counts.swaps);
}

/// A pair on a chain of its own, and our copy of its reserves.
struct Followed {
    venue: &'static Venue,
    chain: Chain,
    router: Address,
    pair: Address,
    tokens: [Address; 2],
    reserves: [u128; 2],
}

impl Followed {
    /// `None`, with a loud line, when a contract's bytecode is absent.
    fn deploy(venue: &'static Venue) -> Option<Self> {
        let names = [venue.factory, "UniswapV2Router02", "ERC20"];
        let [Some(factory), Some(router), Some(token)] = names.map(creation_code) else { return None };
        let mut chain = Chain::new();
        let supply = U256::ONE << 255_usize;
        let a = chain.deploy(&token, &supply.abi_encode());
        let b = chain.deploy(&token, &supply.abi_encode());
        let factory = chain.deploy(&factory, &OWNER.abi_encode());
        let router = chain.deploy(&router, &(factory, Address::repeat_byte(0xEE)).abi_encode());
        let call = V2Factory::createPairCall { tokenA: a, tokenB: b };
        let pair = chain.send(factory, &call).expect("the pair is created").value;
        Some(Self { venue, chain, router, pair, tokens: [a.min(b), a.max(b)], reserves: [0; 2] })
    }

    fn act(&mut self, random: &mut StdRng, counts: &mut Counts) {
        match random.random_range(0..12) {
            0 => self.mint(random, counts),
            1 => self.burn(random, counts),
            2 => self.check_overflow(random, counts),
            3 => self.check_drain(counts),
            4..8 => self.swap_exact_out(random, counts),
            _ => self.swap_exact_in(random, counts),
        }
        self.check_reserves();
    }

    fn pay(&mut self, side: usize, amount: U256) {
        let call = Erc20::transferCall { to: self.pair, amount };
        self.chain.send(self.tokens[side], &call).expect("the owner is rich");
    }

    fn mint(&mut self, random: &mut StdRng, counts: &mut Counts) {
        let room = [0, 1].map(|side| (RESERVE_MAX - self.reserves[side]) / 8);
        for side in [0, 1] {
            // The first mint must leave more than the locked minimum of liquidity.
            let amount = if room[side] == 0 { 0 } else { log_uniform(random, room[side]) };
            let amount = if self.reserves[side] == 0 { amount.max(1 << 20) } else { amount };
            self.pay(side, U256::from(amount));
        }
        if self.chain.send(self.pair, &V2Pair::mintCall { to: OWNER }).is_ok() {
            counts.changes += 1;
        } else {
            // What was paid in is nobody's, and the next mint would count it.
            self.chain.send(self.pair, &V2Pair::skimCall { to: OWNER }).expect("anyone may skim");
        }
        self.read_reserves();
    }

    fn burn(&mut self, random: &mut StdRng, counts: &mut Counts) {
        let owned = self.chain.call(self.pair, &V2Pair::balanceOfCall { owner: OWNER }).expect("a balance");
        if owned.is_zero() {
            return;
        }
        let part = owned / U256::from(random.random_range(1..20_u32));
        self.chain.send(self.pair, &V2Pair::transferCall { to: self.pair, amount: part }).expect("owned");
        if self.chain.send(self.pair, &V2Pair::burnCall { to: OWNER }).is_ok() {
            counts.changes += 1;
        }
        self.read_reserves();
    }

    /// Reserves of any size and ratio, straight into storage, with the balances to match.
    fn write_reserves(&mut self, random: &mut StdRng) {
        let reserves = [0, 1].map(|_| log_uniform(random, RESERVE_MAX));
        for side in [0, 1] {
            self.pay(side, U256::from(reserves[side]));
        }
        let packed = U256::from(reserves[0]) | U256::from(reserves[1]) << 112_usize;
        self.chain.set_storage(self.pair, RESERVES_SLOT, packed);
        self.reserves = reserves;
        self.check_reserves();
    }

    fn read_reserves(&mut self) {
        let found = self.chain.call(self.pair, &V2Pair::getReservesCall {}).expect("the pair answers");
        self.reserves = [found.reserve0.to(), found.reserve1.to()];
    }

    fn check_reserves(&mut self) {
        let ours = self.reserves;
        self.read_reserves();
        assert_eq!(ours, self.reserves, "reserves of the pair");
    }

    fn swap_exact_in(&mut self, random: &mut StdRng, counts: &mut Counts) {
        let (side, reserve_in, reserve_out) = self.random_side(random);
        let amount = U256::from(random_amount(random, reserve_in));
        let quote = quote_exact_in(reserve_in, reserve_out, self.venue.fee_ppm, amount);
        counts.quotes += 1;
        if self.venue.has_router {
            let call = V2Router::getAmountOutCall {
                amountIn: amount,
                reserveIn: U256::from(reserve_in),
                reserveOut: U256::from(reserve_out),
            };
            let router = self.chain.call(self.router, &call);
            if let (Ok(ours), Ok(theirs)) = (quote, &router) {
                assert_eq!(ours, *theirs);
            }
            // Only the pair knows its limit of 112 bits; the library quotes past it.
            let is_agreed = quote.is_ok() == router.is_ok() || quote == Err(QuoteError::ReserveOverflow);
            assert!(is_agreed, "{quote:?} against {router:?}");
        }
        if let Ok(amount_out) = quote {
            self.swap(side, amount, amount_out, counts);
        }
    }

    fn swap_exact_out(&mut self, random: &mut StdRng, counts: &mut Counts) {
        let (side, reserve_in, reserve_out) = self.random_side(random);
        let amount_out = U256::from(random_amount(random, reserve_out));
        let quote = quote_exact_out(reserve_in, reserve_out, self.venue.fee_ppm, amount_out);
        counts.quotes += 1;
        if self.venue.has_router {
            let call = V2Router::getAmountInCall {
                amountOut: amount_out,
                reserveIn: U256::from(reserve_in),
                reserveOut: U256::from(reserve_out),
            };
            let router = self.chain.call(self.router, &call);
            if let (Ok(ours), Ok(theirs)) = (quote, &router) {
                assert_eq!(ours, *theirs);
            }
            let is_agreed = quote.is_ok() == router.is_ok() || quote == Err(QuoteError::ReserveOverflow);
            assert!(is_agreed, "{quote:?} against {router:?}");
        }
        let Ok(amount_in) = quote else { return };
        // The library asks at most a unit more than the pair needs.
        let two_less = amount_in.saturating_sub(U256::from(2));
        let cheaper = settle(reserve_in, reserve_out, self.venue.fee_ppm, two_less, amount_out);
        assert!(cheaper.is_err(), "the input is the smallest, or one above it");
        let settled = settle(reserve_in, reserve_out, self.venue.fee_ppm, amount_in, amount_out);
        self.pay(side, amount_in);
        self.call_swap(side, amount_out, true).expect("the pair accepts its library's price");
        self.finish_swap(side, settled.expect("what the pair accepts"));
        counts.swaps += 1;
    }

    /// The pair refuses a unit more than the quote, and takes the quote.
    fn swap(&mut self, side: usize, amount_in: U256, amount_out: U256, counts: &mut Counts) {
        let (reserve_in, reserve_out) = (self.reserves[side], self.reserves[1 - side]);
        let fee_ppm = self.venue.fee_ppm;
        self.pay(side, amount_in);
        let greedy = amount_out + U256::ONE;
        assert!(settle(reserve_in, reserve_out, fee_ppm, amount_in, greedy).is_err());
        self.call_swap(side, greedy, false).expect_err("the pair refuses a unit more");
        let settled = settle(reserve_in, reserve_out, fee_ppm, amount_in, amount_out);
        if amount_out.is_zero() {
            assert_eq!(settled, Err(QuoteError::InsufficientOutputAmount));
            self.chain.send(self.pair, &V2Pair::skimCall { to: OWNER }).expect("anyone may skim");
            return;
        }
        self.call_swap(side, amount_out, true).expect("the pair accepts the quote");
        self.finish_swap(side, settled.expect("what the pair accepts"));
        counts.swaps += 1;
    }

    fn finish_swap(&mut self, side: usize, (reserve_in, reserve_out): (u128, u128)) {
        self.reserves[side] = reserve_in;
        self.reserves[1 - side] = reserve_out;
    }

    fn call_swap(&mut self, side: usize, amount_out: U256, is_kept: bool) -> Result<(), Reverted> {
        let mut out = [U256::ZERO; 2];
        out[1 - side] = amount_out;
        let call = V2Pair::swapCall { amount0Out: out[0], amount1Out: out[1], to: OWNER, data: Bytes::new() };
        if is_kept { self.chain.send(self.pair, &call).map(drop) } else { self.chain.call(self.pair, &call).map(drop) }
    }

    /// The largest input is the one that fills `uint112`; the pair refuses one unit more, whatever it would give.
    fn check_overflow(&mut self, random: &mut StdRng, counts: &mut Counts) {
        let (side, reserve_in, reserve_out) = self.random_side(random);
        let room = U256::from(RESERVE_MAX - reserve_in);
        let fee_ppm = self.venue.fee_ppm;
        let mut probe = Self { chain: self.chain.fork(), ..*self };
        if let Ok(amount_out) = quote_exact_in(reserve_in, reserve_out, fee_ppm, room)
            && !amount_out.is_zero()
        {
            probe.pay(side, room);
            probe.call_swap(side, amount_out, false).expect("the pair is filled to the brim");
            probe.pay(side, U256::ONE);
            probe.call_swap(side, amount_out, false).expect_err("the pair cannot store the reserve");
            let over = quote_exact_in(reserve_in, reserve_out, fee_ppm, room + U256::ONE);
            assert_eq!(over, Err(QuoteError::ReserveOverflow));
            counts.refused_by_overflow += 1;
        }
    }

    /// The whole reserve is out of reach at any price.
    fn check_drain(&mut self, counts: &mut Counts) {
        let [reserve_in, reserve_out] = self.reserves;
        let quote = quote_exact_out(reserve_in, reserve_out, self.venue.fee_ppm, U256::from(reserve_out));
        assert_eq!(quote, Err(QuoteError::InsufficientLiquidity));
        let mut probe = Self { chain: self.chain.fork(), ..*self };
        probe.pay(0, U256::from(RESERVE_MAX - reserve_in));
        probe.call_swap(0, U256::from(reserve_out), false).expect_err("the pair keeps its last unit");
        counts.drained += 1;
    }

    fn random_side(&self, random: &mut StdRng) -> (usize, u128, u128) {
        let side = random.random_range(0..2);
        (side, self.reserves[side], self.reserves[1 - side])
    }
}

/// Tiny, of the reserve's size, nearly all of it, or beyond it.
fn random_amount(random: &mut StdRng, reserve: u128) -> u128 {
    match random.random_range(0..8) {
        0 => random.random_range(1..4),
        1 => reserve.saturating_sub(random.random_range(0..4)).max(1),
        2 => log_uniform(random, RESERVE_MAX),
        _ => log_uniform(random, reserve.max(1)),
    }
}
