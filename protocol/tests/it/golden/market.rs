//! Golden bytes of the messages about tokens and pools.

use alphapulse_protocol::message::{Pool, PoolKind, Token, V2Reserves, V3Liquidity, V3Swap, V3Tick};
use alphapulse_protocol::{FeePpm, PoolId, TokenId, U256, VenueId};

use super::{check, run};

const AT: u64 = 1_700_000_125_000_000_000;

#[test]
fn token_is_its_golden_bytes() {
    check("Token", Token::new(TokenId(2), run(0x81), "WÉTH€", 18), (594, AT), |m| {
        assert_eq!(m.token, 2);
        assert_eq!(m.decimals, 18);
        assert_eq!(m.symbol_length, 8);
        assert_eq!(m.address, run(0x81));
        assert_eq!(m.symbol(), "WÉTH€");
        assert_eq!(m.symbol[8..], [0; 24]);
    });
}

#[test]
fn pool_is_its_golden_bytes() {
    let pool = Pool::uniswap_v2(PoolId(1), VenueId(0x0304), run(0x91), [TokenId(2), TokenId(0)], FeePpm(3_000))
        .with_ticks(60, (-887_220, 887_160));
    check("Pool", pool, (594, AT), |m| {
        assert_eq!(m.pool, 1);
        assert_eq!(PoolKind::from_wire(m.kind), Some(PoolKind::UniswapV3));
        assert_eq!(m.venue, 0x0304);
        assert_eq!(m.address, run(0x91));
        assert_eq!(m.token_0, 2);
        assert_eq!(m.token_1, 0);
        assert_eq!(m.fee_ppm, 3_000);
        assert_eq!(m.tick_spacing, 60);
        assert_eq!(m.known_tick_low, -887_220);
        assert_eq!(m.known_tick_high, 887_160);
    });
}

#[test]
fn v2_reserves_is_its_golden_bytes() {
    let reserves = V2Reserves::new(PoolId(7), 1_000_000_000_000_000_000, (1 << 112) - 1);
    check("V2Reserves", reserves, (595, AT), |m| {
        assert_eq!(m.pool, 7);
        assert_eq!(m.reserve_0, 1_000_000_000_000_000_000);
        assert_eq!(m.reserve_1, (1 << 112) - 1);
    });
}

#[test]
fn v3_swap_is_its_golden_bytes() {
    let price = U256::from_limbs([0xfedc_ba98_7654_3210, 0x0123_4567_89ab_cdef, 0x00c0_ffee, 0]);
    let liquidity = 0xf1e2_d3c4_b5a6_9788_1122_3344_5566_7788;
    check("V3Swap", V3Swap::new(PoolId(1), price, -201_234, liquidity), (596, AT), |m| {
        assert_eq!(m.pool, 1);
        assert_eq!(m.tick, -201_234);
        assert_eq!(m.liquidity, liquidity);
        assert_eq!(m.sqrt_price_x96.get(), price);
    });
}

#[test]
fn v3_liquidity_is_its_golden_bytes() {
    let delta = -0x0123_4567_89ab_cdef_0011_2233_4455_6677;
    check("V3Liquidity", V3Liquidity::new(PoolId(1), -887_220, -60, delta), (597, AT), |m| {
        assert_eq!(m.pool, 1);
        assert_eq!(m.tick_lower, -887_220);
        assert_eq!(m.tick_upper, -60);
        assert_eq!(m.liquidity_delta, delta);
    });
}

#[test]
fn v3_tick_is_its_golden_bytes() {
    let tick = V3Tick::new(PoolId(1), -120, -5_000_000_000_000_000_000, 1 << 127 | 9);
    check("V3Tick", tick, (594, AT), |m| {
        assert_eq!(m.pool, 1);
        assert_eq!(m.tick, -120);
        assert_eq!(m.liquidity_net, -5_000_000_000_000_000_000);
        assert_eq!(m.liquidity_gross, 1 << 127 | 9);
    });
}
