//! Golden bytes of the messages about pools that came with version 3.

use alphapulse_protocol::message::{
    BalancerStableBalances, BalancerStableParameters, BalancerWeightedBalances, BalancerWeightedParameters,
    CurveCryptoBalances, CurveCryptoParameters, CurveStableBalances, CurveStableParameters, FEE_DYNAMIC,
    MultiTokenPool, PoolKind, PoolRates, PoolStanding, PoolTrust, RatesUse, SolidlyReserves, StateParts, V4Pool,
    V4Swap,
};
use alphapulse_protocol::values::{
    BalancerStableHoldings, BalancerStableTerms, BalancerWeightedTerms, CurveCryptoHoldings, CurveCryptoTerms,
    CurveStableHoldings, CurveStableTerms, MultiTokenDetails, Ramp, Rates, TokenList, V4Details, V4Fees,
};
use alphapulse_protocol::{BlockNumber, BlockRef, FeePpm, PoolId, TokenId, U256, VenueId};

use super::{check, run};

const AT: u64 = 1_700_000_125_000_000_000;

/// As the generator's: numbers of rising bytes, each goes on where the one before ended.
fn wide<const COUNT: usize>(start: u8) -> [u128; COUNT] {
    let item = |at: usize| u128::from_be_bytes(run(start.wrapping_add(u8::try_from(16 * at).expect("few"))));
    core::array::from_fn(item)
}

fn one(start: u8) -> u128 {
    wide::<1>(start)[0]
}

#[test]
fn multi_token_pool_is_its_golden_bytes() {
    let tokens = TokenList::from([0x31, 0x32, 0x33].map(TokenId));
    let details = MultiTokenDetails {
        variant: 0x0102,
        amplification_precision: 1_000,
        base_pool: None,
        bpt_index: Some(1),
        decimals: [6, 18, 8, 0, 0, 0, 0, 0],
        underlying: [0x41, 0x42, 0x43].map(TokenId).into(),
        pool_id: run(0x51),
        vault: run(0x81),
    };
    let (id, kind) = (PoolId(0x0a0b_0c0d), PoolKind::BalancerStable);
    let pool = MultiTokenPool::new(id, kind, VenueId(0x0506), run(0x21), &tokens, &details);
    check("MultiTokenPool", pool, (594, AT), |m| {
        assert_eq!((m.pool.get(), m.venue.get(), m.address), (0x0a0b_0c0d, 0x0506, run(0x21)));
        assert_eq!((m.pool_kind(), m.tokens(), m.details()), (Some(kind), tokens, details));
        assert_eq!((m.base_pool.get(), m.bpt_index), (u32::MAX, 1));
    });
}

#[test]
fn v4_pool_is_its_golden_bytes() {
    let details = V4Details { pool_id: run(0x31), hooks: run(0xa1), key_fee: FEE_DYNAMIC };
    let tokens = [TokenId(4), TokenId(5)];
    let pool = V4Pool::new(PoolId(3), VenueId(0x0708), run(0x61), tokens, &details, 200, (-887_200, 887_000));
    check("V4Pool", pool, (594, AT), |m| {
        assert_eq!((m.pool.get(), m.venue.get(), m.address), (3, 0x0708, run(0x61)));
        assert_eq!((m.token_0.get(), m.token_1.get(), m.details()), (4, 5, details));
        assert_eq!((m.tick_spacing.get(), m.known_tick_low.get(), m.known_tick_high.get()), (200, -887_200, 887_000));
    });
}

#[test]
fn v4_swap_is_its_golden_bytes() {
    let price = U256::from_limbs([0x0edc_ba98_7654_3210, 0x1123_4567_89ab_cdef, 0x00be_ef01, 0]);
    let liquidity = 0xe1d2_c3b4_a596_8778_2132_4354_6576_8798;
    let fees = V4Fees { lp_fee_ppm: 987_654, protocol_fee_ppm: [999, 500] };
    check("V4Swap", V4Swap::new(PoolId(3), price, -76_543, liquidity, fees), (598, AT), |m| {
        assert_eq!((m.pool.get(), m.tick.get(), m.liquidity.get()), (3, -76_543, liquidity));
        assert_eq!((m.sqrt_price_x96.get(), m.fees()), (price, fees));
    });
}

#[test]
fn solidly_reserves_is_its_golden_bytes() {
    let reserves = SolidlyReserves::new(PoolId(4), FeePpm(500), one(0x21), one(0x41));
    check("SolidlyReserves", reserves, (599, AT), |m| {
        assert_eq!((m.pool.get(), m.fee_ppm.get()), (4, 500));
        assert_eq!((m.reserve_0.get(), m.reserve_1.get()), (one(0x21), one(0x41)));
    });
}

#[test]
fn curve_stable_parameters_is_its_golden_bytes() {
    let terms = CurveStableTerms {
        is_paused: true,
        amplification: Ramp {
            initial: 0x1112_1314_1516_1718,
            future: 0x2122_2324_2526_2728,
            initial_time: 1_700_000_001,
            future_time: 1_700_086_402,
        },
        fee: 4_000_001,
        admin_fee: 5_000_000_002,
        offpeg_fee_multiplier: one(0x31),
    };
    check("CurveStableParameters", CurveStableParameters::new(PoolId(5), &terms), (600, AT), |m| {
        assert_eq!((m.pool.get(), m.terms()), (5, terms));
    });
}

#[test]
fn pool_rates_is_its_golden_bytes() {
    let rates = Rates { valid_until: 1_700_000_999, rates: wide(0x11) };
    check("PoolRates", PoolRates::new(PoolId(5), RatesUse::LastJoinExit, &rates), (601, AT), |m| {
        assert_eq!((m.pool.get(), RatesUse::from_wire(m.rates_use)), (5, Some(RatesUse::LastJoinExit)));
        assert_eq!(m.values(), rates);
    });
}

#[test]
fn curve_stable_balances_is_its_golden_bytes() {
    let holdings = CurveStableHoldings {
        balances: wide(0x21),
        supply: one(0xe1),
        base_virtual_price: one(0xd1),
        base_cache_updated: 1_699_999_777,
    };
    check("CurveStableBalances", CurveStableBalances::new(PoolId(5), &holdings), (602, AT), |m| {
        assert_eq!((m.pool.get(), m.holdings()), (5, holdings));
    });
}

#[test]
fn curve_crypto_parameters_is_its_golden_bytes() {
    let terms = CurveCryptoTerms {
        is_paused: true,
        amplification: Ramp {
            initial: 1_707_629,
            future: 540_000,
            initial_time: 1_705_051_559,
            future_time: 1_705_537_322,
        },
        gamma_initial: 11_809_167_828_997,
        gamma_future: 80_500_000_000_000,
        mid_fee: 3_000_000,
        out_fee: 30_000_000,
        fee_gamma: 500_000_000_000_000,
        allowed_extra_profit: 2_000_000_000_000,
        adjustment_step: 490_000_000_000_000,
        ma_time: 865,
        admin_fee: 5_000_000_000,
    };
    check("CurveCryptoParameters", CurveCryptoParameters::new(PoolId(6), &terms), (603, AT), |m| {
        assert_eq!((m.pool.get(), m.terms()), (6, terms));
    });
}

#[test]
fn curve_crypto_balances_is_its_golden_bytes() {
    let holdings = CurveCryptoHoldings {
        is_not_adjusted: true,
        balances: wide(0x11),
        price_scale: wide(0x41),
        price_oracle: wide(0x61),
        last_prices: wide(0x81),
        last_prices_time: 1_703_775_515,
        d: one(0xa1),
        supply: one(0xb1),
        virtual_price: one(0xc1),
        xcp_profit: one(0xd1),
    };
    check("CurveCryptoBalances", CurveCryptoBalances::new(PoolId(6), &holdings), (604, AT), |m| {
        assert_eq!((m.pool.get(), m.holdings()), (6, holdings));
    });
}

#[test]
fn balancer_weighted_parameters_is_its_golden_bytes() {
    let weights = core::array::from_fn(|at| 100_000_000_000_000_001 + 10_000_000_000_000_000 * at as u64);
    let terms = BalancerWeightedTerms { is_paused: true, swap_fee: 3_000_000_000_000_001, weights };
    check("BalancerWeightedParameters", BalancerWeightedParameters::new(PoolId(7), &terms), (605, AT), |m| {
        assert_eq!((m.pool.get(), m.terms()), (7, terms));
    });
}

#[test]
fn balancer_weighted_balances_is_its_golden_bytes() {
    let balances = wide(0x31).map(|value| value >> 16);
    check("BalancerWeightedBalances", BalancerWeightedBalances::new(PoolId(7), &balances), (606, AT), |m| {
        assert_eq!((m.pool.get(), m.values()), (7, balances));
    });
}

#[test]
fn balancer_stable_parameters_is_its_golden_bytes() {
    let terms = BalancerStableTerms {
        is_paused: true,
        yield_fee_exempt: 0b101,
        amplification: Ramp {
            initial: 50_000,
            future: 2_000_000,
            initial_time: 1_700_000_003,
            future_time: 1_700_086_404,
        },
        swap_fee: 400_000_000_000_000,
        protocol_swap_fee: 500_000_000_000_000_000,
        protocol_yield_fee: 250_000_000_000_000_000,
    };
    check("BalancerStableParameters", BalancerStableParameters::new(PoolId(8), &terms), (607, AT), |m| {
        assert_eq!((m.pool.get(), m.terms()), (8, terms));
    });
}

#[test]
fn balancer_stable_balances_is_its_golden_bytes() {
    let holdings = BalancerStableHoldings {
        balances: wide(0x41).map(|value| value >> 16),
        supply: one(0xe1),
        last_join_exit_amplification: 60_000,
        last_join_exit_invariant: one(0xc1),
    };
    check("BalancerStableBalances", BalancerStableBalances::new(PoolId(8), &holdings), (608, AT), |m| {
        assert_eq!((m.pool.get(), m.holdings()), (8, holdings));
    });
}

#[test]
fn pool_standing_is_its_golden_bytes() {
    let block = BlockRef { number: BlockNumber(18_884_864), hash: run(0x11) };
    let standing = PoolStanding::new(PoolId(0x0a0b_0c0d), PoolTrust::Restated, StateParts(0x0102), block);
    check("PoolStanding", standing, (609, AT), |m| {
        assert_eq!((m.pool.get(), m.trust(), m.parts.get()), (0x0a0b_0c0d, Some(PoolTrust::Restated), 0x0102));
        assert_eq!(m.block(), block);
    });
}
