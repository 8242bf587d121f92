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
            rejected: [0, 3, 255].iter().map(|kind| vec![("kind", int(*kind))]).collect(),
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
        alone("Halt", "reject", &[int(1), int(i128::from(u16::MAX))], &[int(0)]),
    ]
}

fn cases() -> Vec<Case> {
    [session_and_chain(), tokens_and_pools(), pool_states(), records()].into_iter().flatten().collect()
}

/// The golden message with fields written over at the places that the page gives.
fn patched(structure: &page::Structure, patch: &Patch) -> Vec<u8> {
    let mut message = golden::bytes(structure.name).split_off(FRAME_HEADER_BYTES);
    for (field, value) in patch {
        let row = structure.rows.iter().find(|row| row.field == *field).expect("a field of the page");
        message[row.offset..row.offset + row.bytes].copy_from_slice(&value.to_le_bytes::<32>()[..row.bytes]);
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
