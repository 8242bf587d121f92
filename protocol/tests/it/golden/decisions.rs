//! Golden bytes of what a node decides on and decides.

use alphapulse_protocol::message::{
    Clock, Halt, HopRecord, Opportunity, SegmentBegin, Simulation, SimulationStatus, SwapPlan, Verdict,
};
use alphapulse_protocol::{
    BlockNumber, BlockRef, ChainId, Epoch, FeePerGas, Gas, OpportunityId, PoolId, TokenId, U256, UnixNanos,
};

use super::{check, run};

fn amount(high: u64, shift: usize, low: u64) -> U256 {
    U256::from(high) << shift | U256::from(low)
}

fn hops() -> [HopRecord; 3] {
    let amounts = [amount(0x14, 192, 5), amount(0x24, 200, 6), amount(0x34, 184, 7), amount(0x44, 192, 8)];
    [(0x21, 0x12, 0x13, 0), (0x22, 0x13, 0x14, 1), (0x23, 0x14, 0x12, 2)].map(|(pool, token_in, token_out, at)| {
        HopRecord::new(PoolId(pool), TokenId(token_in), TokenId(token_out), amounts[at], amounts[at + 1])
    })
}

#[test]
fn segment_begin_is_its_golden_bytes() {
    let begin = SegmentBegin::new(ChainId(1), Epoch(0x0a0b_0c0d_0102_0305), 0x0102_0304);
    check("SegmentBegin", begin, (0, 0), |m| {
        assert_eq!(m.chain_id, 1);
        assert_eq!(m.epoch, 0x0a0b_0c0d_0102_0305);
        assert_eq!(m.segment_index, 0x0102_0304);
    });
}

#[test]
fn clock_is_its_golden_bytes() {
    check("Clock", Clock::new(UnixNanos(1_700_000_125_987_654_321)), (0, 0), |m| {
        assert_eq!(m.now_ns, 1_700_000_125_987_654_321);
    });
}

#[test]
fn opportunity_is_its_golden_bytes() {
    let block = BlockRef { number: BlockNumber(18_884_864), hash: run(0x11) };
    let opportunity =
        Opportunity::new(OpportunityId(42), 0x0102, block, TokenId(0x12), &hops()).expect("three hops that gain");
    check("Opportunity", opportunity, (0, 1_700_000_126_000_000_001), |m| {
        assert_eq!(m.opportunity, 42);
        assert_eq!(m.block_number, 18_884_864);
        assert_eq!(m.block_hash, run(0x11));
        assert_eq!(m.strategy, 0x0102);
        assert_eq!(m.hop_count, 3);
        assert_eq!(m.token, 0x12);
        assert_eq!(m.amount_in.get(), amount(0x14, 192, 5));
        assert_eq!(m.amount_out.get(), amount(0x44, 192, 8));
        assert_eq!(m.profit(), amount(0x30, 192, 3));
        assert_eq!(m.hops(), hops());
        check_hop(&m.hops[1]);
        assert_eq!(m.hops[3], HopRecord::new(PoolId(0), TokenId(0), TokenId(0), U256::ZERO, U256::ZERO));
    });
}

#[test]
fn swap_plan_is_its_golden_bytes() {
    let block = BlockRef { number: BlockNumber(18_884_864), hash: run(0x11) };
    let [paid, first, second, got] =
        [amount(0x14, 192, 5), amount(0x24, 200, 6), amount(0x34, 184, 7), amount(0x44, 192, 8)];
    let swap = |pool, token_in, token_out, paid, got| {
        HopRecord::new(PoolId(pool), TokenId(token_in), TokenId(token_out), paid, got)
    };
    let swaps = [
        swap(0x21, 0x12, 0x13, paid, first),
        swap(0x22, 0x12, 0x13, paid + U256::from(7), second),
        swap(0x23, 0x13, 0x12, first + second, got),
    ];
    let plan = SwapPlan::new(OpportunityId(43), 0x0103, block, TokenId(0x12), &swaps).expect("three swaps that gain");
    check("SwapPlan", plan, (0, 1_700_000_126_000_000_009), |m| {
        assert_eq!(m.opportunity, 43);
        assert_eq!(m.strategy, 0x0103);
        assert_eq!(m.hop_count, 3);
        assert_eq!(m.token, 0x12);
        assert_eq!(m.amount_in.get(), paid + paid + U256::from(7));
        assert_eq!(m.amount_out.get(), got);
        assert_eq!(m.hops(), swaps);
        assert!(m.hops[3..].iter().all(|unused| *unused == swap(0, 0, 0, U256::ZERO, U256::ZERO)));
    });
}

#[test]
fn only_swaps_that_gain_are_a_plan() {
    let swap = |token_in, token_out, paid: u64, got: u64| {
        HopRecord::new(PoolId(0), TokenId(token_in), TokenId(token_out), U256::from(paid), U256::from(got))
    };
    let plan = |swaps: &[HopRecord]| SwapPlan::new(OpportunityId(1), 0, BlockRef::default(), TokenId(1), swaps);
    let [buy, sell] = [swap(1, 2, 10, 7), swap(2, 1, 7, 11)];
    assert!(plan(&[buy, sell]).is_some());
    assert!(plan(&[buy]).is_none() && plan(&[buy, swap(2, 1, 7, 10)]).is_none());
    assert!(plan(&[sell; 12]).is_some() && plan(&[sell; 13]).is_none());
    let most = HopRecord::new(PoolId(0), TokenId(2), TokenId(1), U256::from(1), U256::MAX);
    assert!(plan(&[most, most]).is_none(), "more than 256 bits hold");
}

fn check_hop(m: &HopRecord) {
    assert_eq!(m.pool, 0x22);
    assert_eq!(m.token_in, 0x13);
    assert_eq!(m.token_out, 0x14);
    assert_eq!(m.amount_in.get(), amount(0x24, 200, 6));
    assert_eq!(m.amount_out.get(), amount(0x34, 184, 7));
}

#[test]
fn simulation_is_its_golden_bytes() {
    let gain = amount(1, 200, 3);
    let simulation = Simulation::new(OpportunityId(42), SimulationStatus::Succeeded, Gas(187_654), gain);
    check("Simulation", simulation, (0, 1_700_000_126_000_000_002), |m| {
        assert_eq!(m.opportunity, 42);
        assert_eq!(SimulationStatus::from_wire(m.status.get()), Some(SimulationStatus::Succeeded));
        assert_eq!(m.gas_used, 187_654);
        assert_eq!(m.gain.get(), gain);
    });
}

#[test]
fn verdict_is_its_golden_bytes() {
    let fee_max = 0x2122_2324_2526_2728_292a_2b2c_2d2e_2f30;
    let verdict = Verdict::new(OpportunityId(42), 17, true).with_figures(
        Gas(190_000),
        FeePerGas(fee_max),
        FeePerGas(1_000_000_007),
        -123_456_789_012_345_678,
    );
    check("Verdict", verdict, (0, 1_700_000_126_000_000_003), |m| {
        assert_eq!(m.opportunity, 42);
        assert_eq!(m.reject, 17);
        assert!(!m.is_approved());
        assert_eq!(m.is_live, 1);
        assert_eq!(m.gas, 190_000);
        assert_eq!(m.fee_max, fee_max);
        assert_eq!(m.priority_fee, 1_000_000_007);
        assert_eq!(m.net_profit, -123_456_789_012_345_678);
    });
}

#[test]
fn halt_is_its_golden_bytes() {
    check("Halt", Halt::new(2), (0, 1_700_000_126_000_000_008), |m| assert_eq!(m.reject, 2));
}
