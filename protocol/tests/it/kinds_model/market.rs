//! The model's pools: their state as the test itself puts it together, and the messages that say so.

use alphapulse_protocol::message::{
    BalancerStableBalances, BalancerStableParameters, BalancerWeightedBalances, BalancerWeightedParameters,
    CurveCryptoBalances, CurveCryptoParameters, CurveStableBalances, CurveStableParameters, MultiTokenPool, Pool,
    PoolKind, PoolRates, RatesUse, SolidlyReserves, V2Reserves, V3Liquidity, V3Swap, V4Pool, V4Swap, WireMessage,
};
use alphapulse_protocol::replica::{PoolInfo, PoolState, TickLiquidity, V2State, V3State};
use alphapulse_protocol::values::{
    BalancerStableHoldings, BalancerStableTerms, BalancerWeightedTerms, CurveCryptoHoldings, CurveCryptoTerms,
    CurveStableHoldings, CurveStableTerms, MultiTokenDetails, PoolDetails, Ramp, Rates, TokenList, V4Details, V4Fees,
};
use alphapulse_protocol::{FeePpm, PoolId, TokenId, U256, VenueId};

pub(super) const TOKENS: u32 = 8;
const CURVE_ONE: u128 = 10_000_000_000;
const ONE: u128 = 1_000_000_000_000_000_000;

/// Numbers from a seed: the same seed gives the same.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn wide(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    fn below(&mut self, limit: u128) -> u64 {
        u64::try_from(u128::from(self.next()) % limit).expect("the limits are small")
    }

    fn list<T, const COUNT: usize>(&mut self, mut item: impl FnMut(&mut Self) -> T) -> [T; COUNT] {
        core::array::from_fn(|_| item(self))
    }

    fn ramp(&mut self) -> Ramp {
        Ramp { initial: self.next(), future: self.next(), initial_time: self.next(), future_time: self.next() }
    }
}

/// A message, not yet placed in a stream.
pub(super) type Raw = Vec<u8>;

fn raw<T: WireMessage>(message: T) -> Raw {
    message.as_bytes().to_vec()
}

/// The first `count` values, then zeros: a mirror keeps no more.
fn kept<T: Copy + Default, const COUNT: usize>(values: [T; COUNT], count: usize) -> [T; COUNT] {
    core::array::from_fn(|at| if at < count { values[at] } else { T::default() })
}

/// A pool of any kind whose description differs from all others', and the message that describes it.
pub(super) fn describe(at: usize, kind: PoolKind, numbers: &mut Numbers) -> (PoolInfo, Raw) {
    let id = PoolId(u32::try_from(at).expect("few pools"));
    let (venue, address) = (VenueId(u16::try_from(at).expect("few pools")), [numbers.next().to_le_bytes()[0]; 20]);
    let first = u32::try_from(numbers.below(u128::from(TOKENS))).expect("few tokens");
    let (least, most) = kind.token_counts();
    let count = least + usize::try_from(numbers.below((most - least + 1) as u128)).expect("few");
    let ids: Vec<_> = (0..count).zip(0..).map(|(_, at)| TokenId((first + at) % TOKENS)).collect();
    let tokens = TokenList::new(&ids).expect("at most eight");
    let plain = PoolInfo::uniswap_v2(venue, address, [ids[0], ids[1]], FeePpm(3_000));
    let ticks = plain.with_ticks(60, (-600, 600));
    match kind {
        PoolKind::UniswapV2 => (plain, raw(Pool::uniswap_v2(id, venue, address, [ids[0], ids[1]], FeePpm(3_000)))),
        PoolKind::UniswapV3 => {
            let message = Pool::uniswap_v2(id, venue, address, [ids[0], ids[1]], FeePpm(3_000));
            (ticks, raw(message.with_ticks(60, (-600, 600))))
        }
        PoolKind::UniswapV4 => {
            let details = V4Details { pool_id: [7; 32], hooks: [8; 20], key_fee: 3_000 };
            let message = V4Pool::new(id, venue, address, [ids[0], ids[1]], &details, 60, (-600, 600));
            (PoolInfo { kind, details: PoolDetails::V4(details), ..ticks }, raw(message))
        }
        _ => {
            let details = MultiTokenDetails {
                variant: u16::from_le_bytes([numbers.next().to_le_bytes()[0], 1]),
                amplification_precision: 100,
                base_pool: None,
                bpt_index: (kind == PoolKind::BalancerStable).then_some(1),
                decimals: kept([6, 18, 8, 0, 1, 2, 3, 4], count),
                underlying: tokens,
                pool_id: [9; 32],
                vault: [10; 20],
            };
            let message = MultiTokenPool::new(id, kind, venue, address, &tokens, &details);
            let details = PoolDetails::MultiToken(details);
            (PoolInfo { kind, tokens, fee: FeePpm(0), details, ..plain }, raw(message))
        }
    }
}

/// Which part of a pool changes; what a kind does not have changes its main part.
#[derive(Debug, Clone, Copy)]
pub(super) enum Touch {
    Main,
    Terms,
    Rates(RatesUse),
    Mint,
}

/// Changes a part of a pool to numbers, and says so in a message. Lists are sent full and kept cut.
pub(super) fn change(id: PoolId, info: &PoolInfo, state: &mut PoolState, touch: Touch, numbers: &mut Numbers) -> Raw {
    let count = info.tokens.len();
    match (state, touch) {
        (PoolState::V3(curve), Touch::Mint) => mint(id, curve, numbers),
        (PoolState::V4(v4), Touch::Mint) => mint(id, &mut v4.curve, numbers),
        (PoolState::V2(v2), _) => {
            *v2 = V2State { reserve_0: numbers.wide() >> 16, reserve_1: numbers.wide() >> 16 };
            raw(V2Reserves::new(id, v2.reserve_0, v2.reserve_1))
        }
        (PoolState::V3(curve), _) => {
            swap(curve, numbers);
            raw(V3Swap::new(id, curve.sqrt_price_x96, curve.tick, curve.liquidity))
        }
        (PoolState::V4(v4), _) => {
            swap(&mut v4.curve, numbers);
            let protocol_fee_ppm = numbers.list(|n| u16::try_from(n.below(1_001)).expect("small"));
            let lp_fee_ppm = u32::try_from(numbers.below(1_000_001)).expect("small");
            v4.fees = V4Fees { lp_fee_ppm, protocol_fee_ppm };
            raw(V4Swap::new(id, v4.curve.sqrt_price_x96, v4.curve.tick, v4.curve.liquidity, v4.fees))
        }
        (PoolState::Solidly(solidly), _) => {
            solidly.fee = FeePpm(u32::try_from(numbers.below(1_000_000)).expect("small"));
            (solidly.reserve_0, solidly.reserve_1) = (numbers.wide(), numbers.wide());
            raw(SolidlyReserves::new(id, solidly.fee, solidly.reserve_0, solidly.reserve_1))
        }
        (PoolState::CurveStable(stable), Touch::Terms) => {
            stable.terms = CurveStableTerms {
                is_paused: numbers.below(2) == 1,
                amplification: numbers.ramp(),
                fee: numbers.below(CURVE_ONE + 1),
                admin_fee: numbers.below(CURVE_ONE + 1),
                offpeg_fee_multiplier: numbers.wide(),
            };
            raw(CurveStableParameters::new(id, &stable.terms))
        }
        (PoolState::CurveStable(stable), Touch::Rates(_)) => {
            let sent = Rates { valid_until: numbers.next(), rates: numbers.list(Numbers::wide) };
            stable.rates = Rates { rates: kept(sent.rates, count), ..sent };
            raw(PoolRates::new(id, RatesUse::Swap, &sent))
        }
        (PoolState::CurveStable(stable), _) => {
            let sent = CurveStableHoldings {
                balances: numbers.list(Numbers::wide),
                supply: numbers.wide(),
                base_virtual_price: numbers.wide(),
                base_cache_updated: numbers.next(),
            };
            stable.holdings = CurveStableHoldings { balances: kept(sent.balances, count), ..sent };
            raw(CurveStableBalances::new(id, &sent))
        }
        (PoolState::CurveCrypto(crypto), Touch::Terms) => {
            crypto.terms = crypto_terms(numbers);
            raw(CurveCryptoParameters::new(id, &crypto.terms))
        }
        (PoolState::CurveCrypto(crypto), _) => {
            let sent = crypto_holdings(numbers);
            crypto.holdings = CurveCryptoHoldings {
                balances: kept(sent.balances, count),
                price_scale: kept(sent.price_scale, count - 1),
                price_oracle: kept(sent.price_oracle, count - 1),
                last_prices: kept(sent.last_prices, count - 1),
                ..sent
            };
            raw(CurveCryptoBalances::new(id, &sent))
        }
        (PoolState::BalancerWeighted(weighted), Touch::Terms) => {
            let (is_paused, swap_fee) = (numbers.below(2) == 1, numbers.below(ONE + 1));
            let sent = BalancerWeightedTerms { is_paused, swap_fee, weights: numbers.list(|n| n.below(ONE + 1)) };
            weighted.terms = BalancerWeightedTerms { weights: kept(sent.weights, count), ..sent };
            raw(BalancerWeightedParameters::new(id, &sent))
        }
        (PoolState::BalancerWeighted(weighted), _) => {
            let sent = numbers.list(|n| n.wide() >> 16);
            weighted.balances = kept(sent, count);
            raw(BalancerWeightedBalances::new(id, &sent))
        }
        (PoolState::BalancerStable(stable), Touch::Terms) => {
            stable.terms = BalancerStableTerms {
                is_paused: numbers.below(2) == 1,
                yield_fee_exempt: numbers.next().to_le_bytes()[0],
                amplification: numbers.ramp(),
                swap_fee: numbers.below(ONE + 1),
                protocol_swap_fee: numbers.below(ONE + 1),
                protocol_yield_fee: numbers.below(ONE + 1),
            };
            raw(BalancerStableParameters::new(id, &stable.terms))
        }
        (PoolState::BalancerStable(stable), Touch::Rates(rates_use)) => {
            let sent = Rates { valid_until: numbers.next(), rates: numbers.list(Numbers::wide) };
            let rates = Rates { rates: kept(sent.rates, count), ..sent };
            match rates_use {
                RatesUse::Swap => stable.rates = rates,
                RatesUse::LastJoinExit => stable.last_join_exit_rates = rates,
            }
            raw(PoolRates::new(id, rates_use, &sent))
        }
        (PoolState::BalancerStable(stable), _) => {
            let sent = BalancerStableHoldings {
                balances: numbers.list(|n| n.wide() >> 16),
                supply: numbers.wide(),
                last_join_exit_amplification: numbers.next(),
                last_join_exit_invariant: numbers.wide(),
            };
            stable.holdings = BalancerStableHoldings { balances: kept(sent.balances, count), ..sent };
            raw(BalancerStableBalances::new(id, &sent))
        }
        (other, _) => unreachable!("{other:?} is of a kind that the model does not make"),
    }
}

fn crypto_terms(numbers: &mut Numbers) -> CurveCryptoTerms {
    CurveCryptoTerms {
        is_paused: numbers.below(2) == 1,
        amplification: numbers.ramp(),
        gamma_initial: numbers.next(),
        gamma_future: numbers.next(),
        mid_fee: numbers.below(CURVE_ONE + 1),
        out_fee: numbers.below(CURVE_ONE + 1),
        fee_gamma: numbers.next(),
        allowed_extra_profit: numbers.next(),
        adjustment_step: numbers.next(),
        ma_time: numbers.next(),
        admin_fee: numbers.below(CURVE_ONE + 1),
    }
}

fn crypto_holdings(numbers: &mut Numbers) -> CurveCryptoHoldings {
    CurveCryptoHoldings {
        is_not_adjusted: numbers.below(2) == 1,
        balances: numbers.list(Numbers::wide),
        price_scale: numbers.list(Numbers::wide),
        price_oracle: numbers.list(Numbers::wide),
        last_prices: numbers.list(Numbers::wide),
        last_prices_time: numbers.next(),
        d: numbers.wide(),
        supply: numbers.wide(),
        virtual_price: numbers.wide(),
        xcp_profit: numbers.wide(),
    }
}

fn swap(curve: &mut V3State, numbers: &mut Numbers) {
    curve.sqrt_price_x96 = U256::from(numbers.wide()) << 32;
    curve.tick = i32::try_from(numbers.below(1_201)).expect("small") - 600;
    curve.liquidity = numbers.wide() >> 1;
}

/// Adds liquidity over a range; its upper end is never its lower one, so both ticks grow.
fn mint(id: PoolId, curve: &mut V3State, numbers: &mut Numbers) -> Raw {
    let lower = i32::try_from(numbers.below(10)).expect("small") * 60 - 600;
    let upper = lower + 60 + i32::try_from(numbers.below(10)).expect("small") * 60;
    let amount = i128::from(numbers.below(1 << 60)) + 1;
    if lower <= curve.tick && curve.tick < upper {
        curve.liquidity += amount.unsigned_abs();
    }
    for (tick, net) in [(lower, amount), (upper, -amount)] {
        let at = curve.ticks.iter().position(|known| known.tick >= tick).unwrap_or(curve.ticks.len());
        if curve.ticks.get(at).is_none_or(|known| known.tick != tick) {
            curve.ticks.insert(at, TickLiquidity { tick, liquidity_net: 0, liquidity_gross: 0 });
        }
        curve.ticks[at].liquidity_net += net;
        curve.ticks[at].liquidity_gross += amount.unsigned_abs();
    }
    raw(V3Liquidity::new(id, lower, upper, amount))
}
