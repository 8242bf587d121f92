//! Each field that the page restricts: what lies on the limit is read, what lies one past it is refused by name.

use std::collections::BTreeSet;

use alphapulse_protocol::frame::FRAME_HEADER_BYTES;
use alphapulse_protocol::message::Message;
use alphapulse_protocol::{DecodeError, U256};

use crate::{golden, page};

/// Values to write over fields of the golden message.
type Patch = Vec<(&'static str, U256)>;

struct Case {
    message: &'static str,
    field: &'static str,
    accepted: Vec<Patch>,
    rejected: Vec<Patch>,
}

/// Two's complement, to be cut to the width of the field.
fn int(value: i128) -> U256 {
    let magnitude = U256::from(value.unsigned_abs());
    if value < 0 { magnitude.wrapping_neg() } else { magnitude }
}

/// One field restricted by itself.
fn alone(message: &'static str, field: &'static str, accepted: &[U256], rejected: &[U256]) -> Case {
    let patches = |values: &[U256]| values.iter().map(|value| vec![(field, *value)]).collect();
    Case { message, field, accepted: patches(accepted), rejected: patches(rejected) }
}

fn pair(a: (&'static str, i128), b: (&'static str, i128)) -> Patch {
    vec![(a.0, int(a.1)), (b.0, int(b.1))]
}

fn name(bytes: &[u8; 8]) -> U256 {
    int(u64::from_le_bytes(*bytes).into())
}

const U64_MAX: i128 = u64::MAX as i128;
const NUMBER: i128 = 18_884_864;

fn session_and_chain() -> Vec<Case> {
    let head = [int(NUMBER), int(U64_MAX)];
    let below = [int(NUMBER - 1), int(0)];
    vec![
        Case {
            message: "Hello",
            field: "version_min",
            accepted: vec![pair(("version_min", 3), ("version_max", 3))],
            rejected: vec![pair(("version_min", 4), ("version_max", 3))],
        },
        alone("Gap", "recovery", &[int(1), int(2)], &[int(0), int(3), int(65_535)]),
        alone("Select", "scope", &(1..=7).map(int).collect::<Vec<_>>(), &[int(0), int(8), int(65_535)]),
        alone("Caution", "is_safe", &[int(0), int(1)], &[int(2), int(255)]),
        alone("Proof", "role", &[int(1), int(2), int(3)], &[int(0), int(4), int(65_535)]),
        alone("AdminRequest", "action", &(1..=6).map(int).collect::<Vec<_>>(), &[int(0), int(7), int(65_535)]),
        alone("AdminRequest", "cause", &[int(0), int(1), int(2)], &[int(3), int(65_535)]),
        alone("AdminRequest", "text_length", &[int(0), int(480)], &[int(481), int(65_535)]),
        alone("AdminRequest", "text", &[int(0x7f)], &[int(0xff), int(0x80)]),
        alone("AdminReply", "status", &[int(1), int(3)], &[int(0), int(4), int(65_535)]),
        alone("AdminReply", "text_length", &[int(0), int(480)], &[int(481), int(65_535)]),
        alone("AdminReply", "text", &[int(0x7f)], &[int(0xff), int(0x80)]),
        // The golden name is "trader-1" of eight bytes.
        alone("Proof", "name_length", &[int(1), int(8)], &[int(0), int(33), int(255)]),
        alone(
            "Proof",
            "name",
            &[name(b"a-_.Z9b0")],
            &[name(b"trader 1"), name(b"trader\n1"), name(b"trader\xc3\xa9"), int(0)],
        ),
        alone("Block", "head_number", &head, &below),
        alone("SnapshotBegin", "head_number", &head, &below),
        Case {
            message: "Reorg",
            field: "depth",
            accepted: vec![
                pair(("ancestor_number", NUMBER - 1), ("depth", 1)),
                pair(("ancestor_number", NUMBER - 2), ("depth", 2)),
            ],
            rejected: vec![
                pair(("ancestor_number", NUMBER), ("depth", 0)),
                pair(("ancestor_number", NUMBER - 2), ("depth", 1)),
                pair(("ancestor_number", NUMBER - 2), ("depth", 3)),
                pair(("ancestor_number", NUMBER + 1), ("depth", i128::from(u32::MAX))),
                pair(("old_head_number", U64_MAX), ("ancestor_number", U64_MAX - (1 << 32))),
            ],
        },
    ]
}

fn tokens_and_pools() -> Vec<Case> {
    let v2 = |field, value| {
        vec![
            ("kind", int(1)),
            ("tick_spacing", int(0)),
            ("known_tick_low", int(0)),
            ("known_tick_high", int(0)),
            (field, int(value)),
        ]
    };
    vec![
        Case {
            message: "Token",
            field: "symbol",
            // The golden symbol is W, É of two bytes, T, H, € of three bytes.
            accepted: [0, 1, 3, 4, 5, 8, 32].iter().map(|length| vec![("symbol_length", int(*length))]).collect(),
            rejected: [2, 6, 7, 33, 255].iter().map(|length| vec![("symbol_length", int(*length))]).collect(),
        },
        Case {
            message: "Pool",
            field: "kind",
            accepted: vec![vec![("kind", int(2))], v2("kind", 1)],
            rejected: [0, 3, 4, 5, 6, 7, 8, 9, 10, 255].iter().map(|kind| vec![("kind", int(*kind))]).collect(),
        },
        alone("Pool", "fee_ppm", &[int(0), int(999_999)], &[int(1_000_000), int(i128::from(u32::MAX))]),
        Case {
            message: "Pool",
            field: "token_1",
            accepted: vec![pair(("token_0", 1), ("token_1", 0))],
            rejected: vec![pair(("token_0", 1), ("token_1", 1))],
        },
        Case {
            message: "Pool",
            field: "tick_spacing",
            accepted: vec![vec![("tick_spacing", int(1))], vec![("tick_spacing", int(16_383))]],
            rejected: vec![
                vec![("tick_spacing", int(0))],
                vec![("tick_spacing", int(-1))],
                vec![("tick_spacing", int(16_384))],
                v2("tick_spacing", 1),
            ],
        },
        Case {
            message: "Pool",
            field: "known_tick_low",
            accepted: vec![vec![("known_tick_low", int(-887_272))], vec![("known_tick_low", int(887_160))]],
            rejected: vec![vec![("known_tick_low", int(-887_273))], v2("known_tick_low", -1)],
        },
        Case {
            message: "Pool",
            field: "known_tick_high",
            accepted: vec![vec![("known_tick_high", int(887_272))], vec![("known_tick_high", int(-887_220))]],
            rejected: vec![
                vec![("known_tick_high", int(887_273))],
                vec![("known_tick_high", int(-887_221))],
                v2("known_tick_high", 1),
            ],
        },
    ]
}

fn pool_states() -> Vec<Case> {
    let edge = |bits: usize| [U256::ZERO, (U256::ONE << bits) - U256::ONE];
    let past_112 = [U256::ONE << 112, (U256::ONE << 128) - U256::ONE];
    let ticks = [int(-887_272), int(887_272)];
    let past_ticks = [int(-887_273), int(887_273), int(i128::from(i32::MIN)), int(i128::from(i32::MAX))];
    vec![
        alone("V2Reserves", "reserve_0", &edge(112), &past_112),
        alone("V2Reserves", "reserve_1", &edge(112), &past_112),
        alone("V3Swap", "tick", &ticks, &past_ticks),
        alone("V3Swap", "sqrt_price_x96", &edge(160), &[U256::ONE << 160, U256::MAX]),
        alone("V3Liquidity", "tick_lower", &[int(-887_272)], &[int(-887_273), int(i128::from(i32::MIN))]),
        Case {
            message: "V3Liquidity",
            field: "tick_upper",
            accepted: vec![vec![("tick_upper", int(887_272))], pair(("tick_lower", 59), ("tick_upper", 60))],
            rejected: vec![
                vec![("tick_upper", int(887_273))],
                pair(("tick_lower", 60), ("tick_upper", 60)),
                pair(("tick_lower", 61), ("tick_upper", 60)),
            ],
        },
        alone("V3Tick", "tick", &ticks, &past_ticks),
        alone("V3Tick", "liquidity_gross", &[int(1)], &[int(0)]),
        alone("Skip", "count", &[int(1), int(i128::from(u32::MAX))], &[int(0)]),
    ]
}

/// The golden pool is of kind 9 and of three tokens, its own share the second.
fn later_pools() -> Vec<Case> {
    let of_kind = |kind, token_count, more: &[(&'static str, i128)]| {
        let own = [("kind", kind), ("token_count", token_count), ("bpt_index", 255)];
        own.iter().chain(more).map(|(field, value)| (*field, int(*value))).collect::<Patch>()
    };
    let is = |field, value: i128| vec![(field, int(value))];
    let multi = |field, accepted: Vec<Patch>, rejected: Vec<Patch>| Case {
        message: "MultiTokenPool",
        field,
        accepted,
        rejected,
    };
    let v4 = |field, accepted: Vec<Patch>, rejected: Vec<Patch>| Case { message: "V4Pool", field, accepted, rejected };
    let none = i128::from(u32::MAX);
    let (pool, fee) = (0x0a0b_0c0d, [0, 1_000_000, 0x80_0000]);
    vec![
        multi(
            "kind",
            [3, 4, 6, 7, 8, 9].map(|kind| of_kind(kind, 2, &[])).into(),
            [0, 1, 2, 5, 10, 255].map(|kind| of_kind(kind, 2, &[])).into(),
        ),
        multi(
            "token_count",
            [(3, 2), (4, 2), (6, 2), (6, 3), (7, 2), (7, 3), (8, 2), (8, 3), (9, 2), (9, 3)]
                .map(|(kind, count)| of_kind(kind, count, &[]))
                .into_iter()
                .chain([6, 8, 9].map(|kind| {
                    let more =
                        [("tokens.3", 34), ("tokens.4", 35), ("tokens.5", 36), ("tokens.6", 37), ("tokens.7", 38)];
                    of_kind(kind, 8, &more)
                }))
                .collect(),
            [(3, 1), (3, 3), (4, 1), (4, 3), (6, 1), (6, 9), (7, 1), (7, 4), (8, 1), (8, 9), (9, 0), (9, 9), (9, 255)]
                .map(|(kind, count)| of_kind(kind, count, &[]))
                .into(),
        ),
        multi(
            "base_pool",
            vec![of_kind(6, 2, &[("base_pool", pool - 1)]), of_kind(6, 2, &[("base_pool", 0)]), is("base_pool", none)],
            vec![
                of_kind(6, 2, &[("base_pool", pool)]),
                of_kind(6, 2, &[("base_pool", none - 1)]),
                is("base_pool", pool - 1),
                of_kind(7, 2, &[("base_pool", 0)]),
            ],
        ),
        multi(
            "amplification_precision",
            vec![is("amplification_precision", 1), is("amplification_precision", 65_535)],
            vec![is("amplification_precision", 0)],
        ),
        multi(
            "bpt_index",
            vec![is("bpt_index", 0), is("bpt_index", 2), is("bpt_index", 255)],
            vec![is("bpt_index", 3), is("bpt_index", 254), vec![("kind", int(8)), ("bpt_index", int(0))]],
        ),
        multi(
            "decimals",
            vec![
                is("decimals.2", 18),
                is("decimals.3", 255),
                of_kind(3, 2, &[("decimals.0", 77), ("decimals.1", 0)]),
                of_kind(4, 2, &[("decimals.1", 77)]),
            ],
            vec![
                is("decimals.0", 19),
                is("decimals.2", 19),
                of_kind(6, 2, &[("decimals.1", 19)]),
                of_kind(3, 2, &[("decimals.0", 78)]),
                of_kind(4, 2, &[("decimals.1", 78)]),
            ],
        ),
        multi(
            "tokens",
            vec![is("tokens.3", 0x33), is("tokens.2", 0)],
            vec![is("tokens.1", 0x31), is("tokens.2", 0x31), is("tokens.2", 0x32)],
        ),
        v4("token_1", vec![pair(("token_0", 1), ("token_1", 0))], vec![pair(("token_0", 1), ("token_1", 1))]),
        v4(
            "key_fee",
            fee.map(|fee| is("key_fee", fee)).into(),
            [1_000_001, 0x7f_ffff, 0x80_0001, none].map(|fee| is("key_fee", fee)).into(),
        ),
        v4(
            "tick_spacing",
            [1, 32_767].map(|spacing| is("tick_spacing", spacing)).into(),
            [0, -1, 32_768].map(|spacing| is("tick_spacing", spacing)).into(),
        ),
        v4(
            "known_tick_low",
            [-887_272, 887_000].map(|tick| is("known_tick_low", tick)).into(),
            vec![is("known_tick_low", -887_273)],
        ),
        v4(
            "known_tick_high",
            [887_272, -887_200].map(|tick| is("known_tick_high", tick)).into(),
            [887_273, -887_201].map(|tick| is("known_tick_high", tick)).into(),
        ),
    ]
}

fn later_states() -> Vec<Case> {
    let most = |message, field, limit: u128| {
        let limit = U256::from(limit);
        alone(message, field, &[U256::ZERO, limit], &[limit + U256::ONE, U256::from(u64::MAX)])
    };
    let flag = |message, field| alone(message, field, &[int(0), int(1)], &[int(2), int(255)]);
    let each = |message, field, places: [&'static str; 2], limit: U256, past: U256| Case {
        message,
        field,
        accepted: places.map(|place| vec![(place, limit)]).into(),
        rejected: places.map(|place| vec![(place, past)]).into(),
    };
    let (curve_one, one, balance) = (10_000_000_000, 1_000_000_000_000_000_000, U256::ONE << 112);
    let ticks = [int(-887_272), int(887_272)];
    let below_160 = [U256::ZERO, (U256::ONE << 160) - U256::ONE];
    vec![
        alone("V4Swap", "tick", &ticks, &[int(-887_273), int(887_273)]),
        alone("V4Swap", "sqrt_price_x96", &below_160, &[U256::ONE << 160, U256::MAX]),
        alone("V4Swap", "lp_fee_ppm", &[int(0), int(1_000_000)], &[int(1_000_001), int(0x80_0000)]),
        alone("V4Swap", "protocol_fee_0", &[int(0), int(1_000)], &[int(1_001), int(65_535)]),
        alone("V4Swap", "protocol_fee_1", &[int(0), int(1_000)], &[int(1_001), int(65_535)]),
        alone("SolidlyReserves", "fee_ppm", &[int(0), int(999_999)], &[int(1_000_000), int(i128::from(u32::MAX))]),
        flag("CurveStableParameters", "is_paused"),
        most("CurveStableParameters", "fee", curve_one),
        most("CurveStableParameters", "admin_fee", curve_one),
        alone("PoolRates", "rates_use", &[int(1), int(2)], &[int(0), int(3), int(255)]),
        flag("CurveCryptoParameters", "is_paused"),
        most("CurveCryptoParameters", "mid_fee", curve_one),
        most("CurveCryptoParameters", "out_fee", curve_one),
        most("CurveCryptoParameters", "admin_fee", curve_one),
        flag("CurveCryptoBalances", "is_not_adjusted"),
        flag("BalancerWeightedParameters", "is_paused"),
        most("BalancerWeightedParameters", "swap_fee", one),
        each(
            "BalancerWeightedParameters",
            "weights",
            ["weights.0", "weights.7"],
            U256::from(one),
            U256::from(one) + U256::ONE,
        ),
        each("BalancerWeightedBalances", "balances", ["balances.0", "balances.7"], balance - U256::ONE, balance),
        flag("BalancerStableParameters", "is_paused"),
        most("BalancerStableParameters", "swap_fee", one),
        most("BalancerStableParameters", "protocol_swap_fee", one),
        most("BalancerStableParameters", "protocol_yield_fee", one),
        each("BalancerStableBalances", "balances", ["balances.0", "balances.7"], balance - U256::ONE, balance),
        alone("PoolStanding", "standing", &[int(1), int(3)], &[int(0), int(4), int(255)]),
    ]
}

fn records() -> Vec<Case> {
    let codes = |upto: i128| (1..=upto).map(int).collect::<Vec<_>>();
    let past = |upto: i128| [int(0), int(upto + 1), int(i128::from(u16::MAX))];
    let amounts = |amount_in, amount_out| pair(("amount_in", amount_in), ("amount_out", amount_out));
    vec![
        alone("Opportunity", "hop_count", &[int(2), int(4)], &[int(0), int(1), int(5), int(255)]),
        Case {
            message: "Opportunity",
            field: "amount_out",
            accepted: vec![amounts(5, 6)],
            rejected: vec![amounts(5, 5), amounts(6, 5)],
        },
        alone("Simulation", "status", &codes(3), &past(3)),
        alone("Verdict", "is_live", &[int(0), int(1)], &[int(2), int(255)]),
        alone("Submitted", "status", &codes(3), &past(3)),
        alone("Outcome", "status", &codes(6), &past(6)),
        Case {
            message: "NonceLease",
            field: "count",
            accepted: vec![vec![("count", int(1))], pair(("count", 16), ("first", U64_MAX - 16))],
            rejected: vec![vec![("count", int(0))], pair(("count", 16), ("first", U64_MAX - 15))],
        },
        alone("SwapPlan", "hop_count", &[int(2), int(12)], &[int(0), int(1), int(13), int(255)]),
        Case {
            message: "SwapPlan",
            field: "amount_out",
            accepted: vec![amounts(5, 6)],
            rejected: vec![amounts(5, 5), amounts(6, 5)],
        },
        alone("Halt", "reject", &[int(1), int(i128::from(u16::MAX))], &[int(0)]),
    ]
}

fn words_of_sources() -> Vec<Case> {
    let price = |bid: i128, ask: i128| pair(("bid_price", bid), ("ask_price", ask));
    let amount = |field| alone("ExchangeQuote", field, &[int(1)], &[int(0)]);
    vec![
        Case {
            message: "Finality",
            field: "finalized_number",
            accepted: vec![pair(("finalized_number", 5), ("safe_number", 5))],
            rejected: vec![pair(("finalized_number", 6), ("safe_number", 5))],
        },
        // The golden message has 85 bytes, of which the last five are signed.
        Case {
            message: "PendingTransaction",
            field: "transaction_offset",
            accepted: vec![pair(("transaction_offset", 84), ("transaction_length", 1))],
            rejected: [0, 79].map(|offset| vec![("transaction_offset", int(offset))]).to_vec(),
        },
        Case {
            message: "PendingTransaction",
            field: "transaction_length",
            accepted: vec![vec![("transaction_length", int(1))]],
            rejected: vec![
                vec![("transaction_length", int(0))],
                vec![("transaction_length", int(6))],
                pair(("transaction_offset", 85), ("transaction_length", 1)),
                pair(("transaction_offset", 65_535), ("transaction_length", 65_535)),
            ],
        },
        // The golden names are "binance" and "ETHUSDT" of seven bytes.
        alone("ExchangeQuote", "exchange_length", &[int(1), int(7)], &[int(0), int(17), int(255)]),
        alone("ExchangeQuote", "symbol_length", &[int(1), int(7)], &[int(0), int(33), int(255)]),
        alone("ExchangeQuote", "exchange", &[name(b"!~#'a;z\0")], &[name(b"bin nce\0"), name(b"bin\x7fnce\0"), int(0)]),
        alone(
            "ExchangeQuote",
            "symbol",
            &[name(b"ETH-USD\0")],
            &[name(b"ETH\nUSD\0"), name(b"ETH\xc3\xa9SD\0"), int(0)],
        ),
        amount("bid_price"),
        amount("bid_size"),
        Case {
            message: "ExchangeQuote",
            field: "ask_price",
            accepted: vec![price(1, 2)],
            rejected: vec![price(2, 2), price(3, 2), price(1, 0)],
        },
        amount("ask_size"),
    ]
}

fn cases() -> Vec<Case> {
    [
        session_and_chain(),
        tokens_and_pools(),
        later_pools(),
        pool_states(),
        later_states(),
        records(),
        words_of_sources(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The golden message with fields written over at the places that the page gives.
fn patched(structure: &page::Structure, patch: &Patch) -> Vec<u8> {
    let mut message = golden::bytes(structure.name).split_off(FRAME_HEADER_BYTES);
    for (field, value) in patch {
        // `tokens.2` is the number at place 2 of `tokens`.
        let (field, place) = field.split_once('.').unwrap_or((field, "0"));
        let row = structure.rows.iter().find(|row| row.field == field).expect("a field of the page");
        let offset = row.offset + place.parse::<usize>().expect("a place") * row.item_bytes;
        // Of a long text the start is enough.
        let width = row.item_bytes.min(32);
        message[offset..offset + width].copy_from_slice(&value.to_le_bytes::<32>()[..width]);
    }
    message
}

#[test]
fn values_on_the_limit_are_read_and_one_past_it_refused_by_name() {
    let page = page::structures();
    for case in cases() {
        let structure = page.iter().find(|s| s.name == case.message).expect("a message of the page");
        for patch in &case.accepted {
            let read = Message::decode(&patched(structure, patch)).map(|message| message.name());
            assert_eq!(read, Ok(case.message), "{patch:?}");
        }
        let refused = DecodeError::Field { template_id: structure.template.expect("a message"), field: case.field };
        for patch in &case.rejected {
            let read = Message::decode(&patched(structure, patch)).map(|message| message.name());
            assert_eq!(read, Err(refused), "{}.{}: {patch:?}", case.message, case.field);
        }
    }
}

#[test]
fn every_restriction_on_the_page_has_its_case() {
    let tested: BTreeSet<_> = cases().iter().map(|case| (case.message, case.field)).collect();
    let page = page::structures();
    let messages = page.iter().filter(|s| s.template.is_some());
    let stated: BTreeSet<_> = messages
        .flat_map(|s| {
            s.rows.iter().filter(|row| row.field != "header" && row.accepted != "any").map(|row| (s.name, row.field))
        })
        .collect();
    assert_eq!(stated, tested);
}
