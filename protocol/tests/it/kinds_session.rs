//! The golden connection of version 3 goes through the states that the page tells, for a pool of each kind.

use alphapulse_protocol::message::{Message, PoolKind};
use alphapulse_protocol::replica::{
    BalancerStableState, BalancerWeightedState, CurveCryptoState, CurveStableState, PoolState, Replica, SolidlyState,
    TickLiquidity, V2State, V3State, V4State,
};
use alphapulse_protocol::values::{
    BalancerStableHoldings, BalancerStableTerms, BalancerWeightedTerms, CurveCryptoHoldings, CurveCryptoTerms,
    CurveStableHoldings, CurveStableTerms, PoolDetails, Ramp, Rates, V4Fees,
};
use alphapulse_protocol::{Epoch, FeePpm, PoolId, TokenId, U256, frame};

use crate::golden;
use crate::stream::joined;

const E18: u128 = 1_000_000_000_000_000_000;
const E10: u64 = 10_000_000_000;
const E6: u128 = 1_000_000;

/// The messages of the connection, and a mirror that reads them.
struct Reader {
    bytes: Vec<u8>,
    replica: Replica,
}

impl Reader {
    /// Applies messages up to and with the next one of this name.
    fn read_to(&mut self, name: &str) {
        let mut is_found = false;
        while !is_found {
            let Ok(frame::Split::Whole { message, frame_bytes }) = frame::split(&self.bytes) else {
                panic!("no {name} came")
            };
            let message = Message::decode(message).expect("golden messages are valid");
            is_found = message.name() == name;
            self.replica.apply(&message).unwrap_or_else(|error| panic!("{}: {error}", message.name()));
            self.bytes.drain(..frame_bytes);
        }
    }
}

/// The values, filled up with zeros.
fn padded<T: Copy + Default>(values: &[T]) -> [T; 8] {
    core::array::from_fn(|at| values.get(at).copied().unwrap_or_default())
}

fn still(value: u64) -> Ramp {
    Ramp { initial: value, future: value, ..Ramp::default() }
}

fn moving(initial: u64, future: u64) -> Ramp {
    Ramp { initial, future, initial_time: 1_699_000_000, future_time: 1_699_600_000 }
}

fn curve(tick: i32, liquidity: u128, ticks: &[(i32, i128)]) -> V3State {
    let unit = E18.cast_signed();
    let tick_of = |(tick, net): &(i32, i128)| TickLiquidity {
        tick: *tick,
        liquidity_net: net * unit,
        liquidity_gross: (net * unit).unsigned_abs(),
    };
    V3State {
        sqrt_price_x96: U256::ONE << 96,
        tick,
        liquidity: liquidity * E18,
        ticks: ticks.iter().map(tick_of).collect(),
    }
}

fn v4(curve: V3State, lp_fee_ppm: u32) -> PoolState {
    PoolState::V4(V4State { curve, fees: V4Fees { lp_fee_ppm, protocol_fee_ppm: [100, 200] } })
}

fn solidly(fee: u32, reserve_0: u128, reserve_1: u128) -> PoolState {
    PoolState::Solidly(SolidlyState { fee: FeePpm(fee), reserve_0, reserve_1 })
}

fn base_pool(fee: u64, balances: [u128; 3]) -> PoolState {
    let amplification = moving(5_000, 4_000);
    let terms = CurveStableTerms { amplification, fee, admin_fee: E10 / 2, ..CurveStableTerms::default() };
    let rates = Rates { valid_until: u64::MAX, rates: padded(&[E18, E18 * E6 * E6, E18 * E6 * E6]) };
    let holdings =
        CurveStableHoldings { balances: padded(&balances), supply: 3_000 * E18, ..CurveStableHoldings::default() };
    PoolState::CurveStable(Box::new(CurveStableState { terms, rates, holdings }))
}

fn meta_pool(rates: (u128, u64), balances: [u128; 2], memory: (u128, u64)) -> PoolState {
    let terms = CurveStableTerms {
        amplification: still(20_000),
        fee: 4_000_000,
        admin_fee: E10 / 2,
        offpeg_fee_multiplier: u128::from(2 * E10),
        is_paused: false,
    };
    let holdings = CurveStableHoldings {
        balances: padded(&balances),
        supply: 110 * E18,
        base_virtual_price: memory.0,
        base_cache_updated: memory.1,
    };
    let rates = Rates { valid_until: rates.1, rates: padded(&[rates.0]) };
    PoolState::CurveStable(Box::new(CurveStableState { terms, rates, holdings }))
}

fn crypto(balances: [u128; 3], scale: [u128; 2], d: u128) -> PoolState {
    let terms = CurveCryptoTerms {
        is_paused: false,
        amplification: still(1_707_629),
        gamma_initial: 11_809_167_828_997,
        gamma_future: 11_809_167_828_997,
        mid_fee: 3_000_000,
        out_fee: 30_000_000,
        fee_gamma: 500_000_000_000_000,
        allowed_extra_profit: 2_000_000_000_000,
        adjustment_step: 490_000_000_000_000,
        ma_time: 865,
        admin_fee: 5_000_000_000,
    };
    let holdings = CurveCryptoHoldings {
        is_not_adjusted: false,
        balances,
        price_scale: scale,
        price_oracle: scale.map(|price| price + 1),
        last_prices: scale.map(|price| price + 2),
        last_prices_time: 1_700_002_000,
        d,
        supply: 1_000 * E18,
        virtual_price: E18 + 3,
        xcp_profit: E18 + 6,
    };
    PoolState::CurveCrypto(Box::new(CurveCryptoState { terms, holdings }))
}

fn weighted(balances: [u128; 2]) -> PoolState {
    let weights = padded(&[800_000_000_000_000_000, 200_000_000_000_000_000]);
    let terms = BalancerWeightedTerms { is_paused: false, swap_fee: 1_000_000_000_000_000, weights };
    PoolState::BalancerWeighted(Box::new(BalancerWeightedState { terms, balances: padded(&balances) }))
}

fn balancer(swap_fee: u64, last_rate: u128, balances: [u128; 3], invariant: u128) -> PoolState {
    let half = 500_000_000_000_000_000;
    let terms = BalancerStableTerms {
        is_paused: false,
        yield_fee_exempt: 0b010,
        amplification: moving(50_000, 200_000),
        swap_fee,
        protocol_swap_fee: half,
        protocol_yield_fee: half,
    };
    let rate = |last| padded(&[E18, E18, last]);
    let holdings = BalancerStableHoldings {
        balances: padded(&balances),
        supply: (1 << 111) + 180 * E18,
        last_join_exit_amplification: 50_000,
        last_join_exit_invariant: invariant,
    };
    PoolState::BalancerStable(Box::new(BalancerStableState {
        terms,
        rates: Rates { valid_until: 1_700_099_999, rates: rate(E18 * 12 / 10) },
        last_join_exit_rates: Rates { valid_until: u64::MAX, rates: rate(last_rate) },
        holdings,
    }))
}

/// State of block 200.
fn described() -> Vec<PoolState> {
    let ticks = |liquidity: i128| [(-60, liquidity), (60, -liquidity)];
    vec![
        PoolState::V2(V2State { reserve_0: 100 * E18, reserve_1: 200_000 * E18 }),
        PoolState::V3(curve(0, 5, &ticks(5))),
        solidly(3_000, 7 * E18, 14_000 * E18),
        solidly(500, 9_000 * E18, 9_001 * E6),
        v4(curve(0, 6, &ticks(6)), 500),
        base_pool(1_500_000, [1_000 * E18, 1_001 * E6, 1_002 * E6]),
        meta_pool((E18, u64::MAX), [50 * E18, 60 * E18], (E18 + 5, 1_700_002_300)),
        crypto([15_341 * E6, 15_342 * E6, 7 * E18], [E18 + 9, 2_000 * E18], 46_000 * E18),
        weighted([80 * E18, 40_000 * E18]),
        balancer(400_000_000_000_000, E18 * 11 / 10, [83 * E18, 1 << 111, 101 * E18], 190 * E18),
    ]
}

/// State of the first block 201.
fn changed() -> Vec<PoolState> {
    vec![
        PoolState::V2(V2State { reserve_0: 101 * E18, reserve_1: 198_026 * E18 }),
        PoolState::V3(curve(0, 7, &[(-60, 7), (60, -5), (120, -2)])),
        solidly(2_000, 8 * E18, 12_260 * E18),
        solidly(400, 9_100 * E18, 8_901 * E6),
        v4(curve(-61, 0, &[]), 450),
        base_pool(2_000_000, [1_100 * E18, 901 * E6, 1_002 * E6]),
        meta_pool((E18 + 1, 1_700_003_000), [51 * E18, 59 * E18], (E18 + 7, 1_700_002_412)),
        crypto([15_441 * E6, 15_242 * E6, 7 * E18], [E18 + 8, 2_001 * E18], 46_001 * E18),
        weighted([81 * E18, 38_100 * E18]),
        balancer(500_000_000_000_000, E18 * 12 / 10, [83 * E18, (1 << 111) - E18, 102 * E18], 191 * E18),
    ]
}

#[test]
fn the_golden_connection_of_every_kind_goes_through_the_states_on_the_page() {
    let mut reader = Reader { bytes: golden::bytes("kinds_session"), replica: Replica::default() };
    reader.read_to("SnapshotEnd");
    assert!(reader.replica.is_tradable());
    assert_eq!((reader.replica.epoch(), reader.replica.sequence().0), (Epoch(9), 0));
    check_infos(&reader.replica);
    assert_eq!(reader.replica.states(), described());
    let at_200 = reader.replica.clone();
    assert_eq!((at_200.since_version(), Replica::default().since_version()), (3, 1));

    reader.read_to("BlockEnd");
    assert_eq!(reader.replica.sequence().0, 17);
    assert_eq!(reader.replica.states(), changed());
    assert!(joined(&reader.replica, 64).is_same_state(&reader.replica));

    reader.read_to("Reorg");
    assert!(reader.replica.is_same_state(&at_200) && !reader.replica.is_tradable());

    reader.read_to("BlockEnd");
    let mut other = described();
    other[8] = weighted([81 * E18, 38_100 * E18]);
    assert_eq!(reader.replica.states(), other);
    assert!(reader.replica.is_tradable());
    assert!(joined(&reader.replica, 64).is_same_state(&reader.replica));
    reader.read_to("Close");
    assert!(reader.bytes.is_empty());
}

fn check_infos(replica: &Replica) {
    use PoolKind::{
        BalancerStable, BalancerWeighted, CurveCrypto, CurveStable, SolidlyStable, SolidlyVolatile, UniswapV2,
        UniswapV3, UniswapV4,
    };
    let kinds: Vec<_> = replica.pools().iter().map(|info| info.kind).collect();
    let expected = [
        UniswapV2,
        UniswapV3,
        SolidlyVolatile,
        SolidlyStable,
        UniswapV4,
        CurveStable,
        CurveStable,
        CurveCrypto,
        BalancerWeighted,
        BalancerStable,
    ];
    assert_eq!(kinds, expected);
    let tokens: Vec<Vec<u32>> =
        replica.pools().iter().map(|pool| pool.tokens.iter().map(|id| id.0).collect()).collect();
    let pair = |a, b| vec![a, b];
    let rest = [pair(0, 2), vec![1, 2, 3], pair(5, 4), vec![2, 3, 0], pair(0, 1), vec![0, 6, 7]];
    assert_eq!(tokens[..4], [pair(0, 1), pair(0, 1), pair(0, 1), pair(1, 2)]);
    assert_eq!(tokens[4..], rest);

    let multi = |at: usize| {
        let PoolDetails::MultiToken(details) = replica.pools()[at].details else { panic!("pool {at} is one") };
        details
    };
    assert_eq!((multi(6).base_pool, multi(5).base_pool), (Some(PoolId(5)), None));
    assert_eq!((multi(9).bpt_index, multi(8).bpt_index), (Some(1), None));
    assert_eq!(multi(3).decimals, padded(&[18, 6]));
    assert_eq!(multi(5).underlying, [TokenId(1), TokenId(2), TokenId(3)]);
    assert_eq!([3, 5, 7, 8, 9].map(|at| multi(at).variant), [2, 16, 35, 49, 65]);
    assert_eq!([5, 6, 7, 9].map(|at| multi(at).amplification_precision), [1, 100, 1, 1_000]);
    assert_eq!((multi(8).pool_id[..21].to_vec(), multi(8).vault), ([&[0xc7; 20][..], &[0]].concat(), [0xba; 20]));
    let PoolDetails::V4(details) = replica.pools()[4].details else { panic!("pool 4 is of kind 5") };
    assert_eq!((details.pool_id, details.hooks, details.key_fee), ([0x44; 32], [0; 20], 500));
    assert_eq!((replica.pools()[4].fee, replica.pools()[4].tick_spacing), (FeePpm(500), 60));
}
