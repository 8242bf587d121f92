//! Every field lies where the page says, and the page knows every field.

use core::mem::{offset_of, size_of};

use alphapulse_protocol::header::{MessageHeader, SCHEMA_VERSION};
use alphapulse_protocol::message::{
    AdminAction, AdminReply, AdminRequest, AdminStatus, BalancerStableBalances, BalancerStableParameters,
    BalancerWeightedBalances, BalancerWeightedParameters, Block, BlockContext, BlockEnd, CATALOGUE, Caution,
    CautionCause, Challenge, Clock, Close, CloseReason, CurveCryptoBalances, CurveCryptoParameters,
    CurveStableBalances, CurveStableParameters, ExchangeQuote, Finality, Gap, GapReason, GapRecovery, Halt, Heartbeat,
    Hello, HopRecord, MultiTokenPool, NonceLease, Opportunity, Outcome, OutcomeStatus, PendingTransaction, Pool,
    PoolKind, PoolRates, PoolStanding, PoolTrust, PoolVariant, Proof, Publish, RatesUse, Reorg, Role, Scope,
    SegmentBegin, Select, Simulation, SimulationStatus, Skip, SnapshotBegin, SnapshotEnd, SolidlyReserves, Submission,
    Submitted, SubmittedStatus, Subscribe, SwapPlan, Token, V2Reserves, V3Liquidity, V3Swap, V3Tick, V4Pool, V4Swap,
    Verdict, Welcome,
};

use crate::page;

/// A struct as the compiler lays it out: name, bytes, fields (name, offset, bytes).
type Layout = (&'static str, usize, Vec<(&'static str, usize, usize)>);

macro_rules! layouts {
    ($($name:ident { $($field:ident),+ })+) => {
        vec![$((
            stringify!($name),
            size_of::<$name>(),
            vec![$((stringify!($field), offset_of!($name, $field), field_bytes(|s: &$name| &s.$field))),+],
        )),+]
    };
}

fn field_bytes<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

fn layouts() -> Vec<Layout> {
    layouts! {
        MessageHeader { block_length, template_id, schema_id, version, sequence, event_ns }
        BlockContext { number, hash, parent_hash, timestamp, base_fee, gas_used, gas_limit }
        HopRecord { pool, token_in, token_out, reserved, amount_in, amount_out }
        Hello { header, version_min, version_max, reserved }
        Welcome { header, chain_id, epoch, version, reserved }
        Close { header, reason, reserved }
        Heartbeat { header, head_number, head_hash }
        Subscribe { header, resume_epoch, resume_sequence, reserved }
        Gap { header, first, last, recovery, reason, reserved }
        Select { header, scope, reserved_0, number, address, reserved_1 }
        Caution { header, is_safe, reserved_0, cause, reserved_1 }
        Challenge { header, nonce }
        Proof { header, role, name_length, reserved, name, nonce, mac }
        Publish { header, chain_id }
        AdminRequest { header, action, cause, text_length, reserved, text }
        AdminReply { header, status, text_length, reserved, text }
        Block { header, context, head_number }
        BlockEnd { header, number, hash, update_count, reserved }
        Reorg { header, ancestor_number, ancestor_hash, old_head_number, old_head_hash, depth, reserved }
        SnapshotBegin { header, context, chain_id, epoch, token_count, pool_count, head_number }
        SnapshotEnd { header, message_count, reserved }
        Token { header, token, decimals, symbol_length, reserved_0, address, reserved_1, symbol }
        Pool {
            header, pool, kind, reserved_0, venue, address, token_0, token_1, fee_ppm, tick_spacing, known_tick_low,
            known_tick_high, reserved_1
        }
        V2Reserves { header, pool, reserved, reserve_0, reserve_1 }
        V3Swap { header, pool, tick, liquidity, sqrt_price_x96 }
        V3Liquidity { header, pool, tick_lower, tick_upper, reserved_0, liquidity_delta, reserved_1 }
        V3Tick { header, pool, tick, liquidity_net, liquidity_gross }
        Skip { header, count, reserved }
        MultiTokenPool {
            header, pool, kind, token_count, venue, address, base_pool, variant, amplification_precision, bpt_index,
            reserved_0, decimals, tokens, underlying, pool_id, vault, reserved_1
        }
        V4Pool {
            header, pool, venue, reserved_0, pool_id, address, hooks, token_0, token_1, key_fee, tick_spacing,
            known_tick_low, known_tick_high
        }
        V4Swap { header, pool, tick, liquidity, sqrt_price_x96, lp_fee_ppm, protocol_fee_0, protocol_fee_1 }
        SolidlyReserves { header, pool, fee_ppm, reserve_0, reserve_1 }
        CurveStableParameters {
            header, pool, is_paused, reserved, initial_a, future_a, initial_a_time, future_a_time, fee, admin_fee,
            offpeg_fee_multiplier
        }
        PoolRates { header, pool, rates_use, reserved, valid_until, rates }
        CurveStableBalances { header, pool, reserved, base_cache_updated, base_virtual_price, supply, balances }
        CurveCryptoParameters {
            header, pool, is_paused, reserved, initial_a, initial_gamma, future_a, future_gamma, initial_time,
            future_time, mid_fee, out_fee, fee_gamma, allowed_extra_profit, adjustment_step, ma_time, admin_fee
        }
        CurveCryptoBalances {
            header, pool, is_not_adjusted, reserved, last_prices_time, balances, price_scale, price_oracle, last_prices,
            d, supply, virtual_price, xcp_profit
        }
        BalancerWeightedParameters { header, pool, is_paused, reserved, swap_fee, weights }
        BalancerWeightedBalances { header, pool, reserved, balances }
        BalancerStableParameters {
            header, pool, is_paused, yield_fee_exempt, reserved, initial_a, future_a, initial_a_time, future_a_time,
            swap_fee, protocol_swap_fee, protocol_yield_fee
        }
        BalancerStableBalances {
            header, pool, reserved, last_join_exit_amplification, last_join_exit_invariant, supply, balances
        }
        PoolStanding { header, pool, standing, reserved, parts, block_number, block_hash }
        SegmentBegin { header, chain_id, epoch, segment_index, reserved }
        Clock { header, now_ns }
        Opportunity {
            header, opportunity, block_number, block_hash, strategy, hop_count, reserved, token, amount_in, amount_out, hops
        }
        Simulation { header, opportunity, status, reserved, gas_used, gain }
        Verdict { header, opportunity, reject, is_live, reserved, gas, fee_max, priority_fee, net_profit }
        Submission { header, opportunity, nonce, tx_hash, fee_max, priority_fee, gas_limit, block_max }
        Submitted { header, opportunity, nonce, status, reserved }
        Outcome {
            header, opportunity, nonce, tx_hash, status, reserved, block_number, block_hash, gas_used, gas_price, gain
        }
        NonceLease { header, sender, count, first }
        Halt { header, reject, reserved }
        SwapPlan {
            header, opportunity, block_number, block_hash, strategy, hop_count, reserved, token, amount_in, amount_out, hops
        }
        Finality { header, chain_id, safe_number, safe_hash, finalized_number, finalized_hash }
        PendingTransaction { header, hash, sender, transaction_offset, transaction_length }
        ExchangeQuote {
            header, exchange_length, symbol_length, reserved, update_id, exchange_ns, bid_price, bid_size, ask_price,
            ask_size, exchange, symbol
        }
    }
}

#[test]
fn every_field_lies_where_the_page_says() {
    let layouts = layouts();
    let page = page::structures();
    let names = |names: Vec<&str>| names.join(" ");
    assert_eq!(names(page.iter().map(|s| s.name).collect()), names(layouts.iter().map(|(name, ..)| *name).collect()));
    for (described, (name, bytes, fields)) in page.iter().zip(&layouts) {
        assert_eq!(described.bytes, *bytes, "{name}");
        let rows: Vec<_> = described.rows.iter().map(|row| (row.field, row.offset, row.bytes)).collect();
        assert_eq!(rows, *fields, "{name}");
    }
}

#[test]
fn fields_leave_no_byte_out_and_none_twice() {
    for (name, bytes, fields) in layouts() {
        let end = fields.iter().fold(0, |end, (field, offset, field_bytes)| {
            assert_eq!(*offset, end, "{name}.{field}");
            end + field_bytes
        });
        assert_eq!(end, bytes, "{name}");
    }
}

#[test]
fn the_page_lists_exactly_the_messages_of_this_build() {
    let page: Vec<_> = page::structures().iter().filter_map(|s| Some((s.name, s.template?, s.bytes))).collect();
    assert_eq!(page, CATALOGUE);
}

#[test]
fn template_ids_are_unique() {
    let mut ids: Vec<_> = CATALOGUE.iter().map(|(_, template, _)| template).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), CATALOGUE.len());
}

/// Codes that `from_wire` knows, by name.
fn known<C: core::fmt::Debug>(
    codes: impl Iterator<Item = u16>,
    from_wire: impl Fn(u16) -> Option<C>,
) -> Vec<(u16, String)> {
    codes.filter_map(|code| Some((code, format!("{:?}", from_wire(code)?)))).collect()
}

#[test]
fn the_page_lists_exactly_the_codes_of_this_build() {
    let check = |heading: &str, known: Vec<(u16, String)>| {
        let page: Vec<_> = page::codes(heading).into_iter().map(|(code, name)| (code, name.to_owned())).collect();
        assert_eq!(page, known, "{heading}");
    };
    let all = || 0..=u16::MAX;
    check("Close reasons", known(all(), CloseReason::from_wire));
    check("Gap recovery", known(all(), GapRecovery::from_wire));
    check("Gap reasons", known(all(), GapReason::from_wire));
    check("Scopes", known(all(), Scope::from_wire));
    check("Roles", known(all(), Role::from_wire));
    check("Acts", known(all(), AdminAction::from_wire));
    check("Answers to acts", known(all(), AdminStatus::from_wire));
    check("Causes of a caution", known(all(), CautionCause::from_wire));
    check("Pool kinds", known(all(), |code| PoolKind::from_wire(u8::try_from(code).ok()?)));
    check("Pool variants", known(all(), PoolVariant::from_wire));
    check("Uses of rates", known(all(), |code| RatesUse::from_wire(u8::try_from(code).ok()?)));
    check("Standings of a pool", known(all(), |code| PoolTrust::from_wire(u8::try_from(code).ok()?)));
    check("Simulation status", known(all(), SimulationStatus::from_wire));
    check("Submitted status", known(all(), SubmittedStatus::from_wire));
    check("Outcome status", known(all(), OutcomeStatus::from_wire));
}

#[test]
fn the_page_says_since_which_version_a_kind_is_known() {
    let page: Vec<u16> = page::column("Pool kinds", 2).iter().map(|cell| cell.parse().expect("a version")).collect();
    assert_eq!(page, PoolKind::ALL.map(PoolKind::since_version));
    assert!(PoolKind::ALL.iter().all(|kind| kind.since_version() <= SCHEMA_VERSION));
}
