//! Sections 3 and 7 of the page: which messages may be used.

use super::{MESSAGE_BYTES_MIN, number};

/// What is to be said of the bytes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It passes every check.
    Accepted,
    /// Fewer bytes than the header, the block length or the template's table asks for.
    TooShort,
    /// Another schema.
    Schema,
    /// A template that the page does not know.
    Template,
    /// A field holds what its table does not accept.
    Field,
}

/// A check of one message's fields.
type Check = fn(&[u8]) -> bool;

/// Template, name, bytes of its table, and the column *accepted*, message by message.
pub const TEMPLATES: [(u16, &str, usize, Check); 53] = [
    (1, "Hello", 32, |m| number(m, 24, 2) <= number(m, 26, 2)),
    (2, "Welcome", 48, any),
    (3, "Close", 32, any),
    (4, "Heartbeat", 64, any),
    (5, "Subscribe", 64, any),
    (6, "Gap", 48, |m| (1..=2).contains(&number(m, 40, 2))),
    (7, "Select", 64, |m| (1..=7).contains(&number(m, 24, 2))),
    (8, "Caution", 32, |m| m[24] <= 1),
    (9, "Challenge", 56, any),
    (10, "Proof", 128, |m| {
        let name = usize::from(m[26]);
        let is_named = (1..=32).contains(&name)
            && m[32..32 + name].iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte));
        (1..=3).contains(&number(m, 24, 2)) && is_named
    }),
    (11, "Publish", 32, any),
    (12, "AdminRequest", 512, |m| {
        (1..=5).contains(&number(m, 24, 2)) && number(m, 26, 2) <= 2 && is_text(m, 28, &m[32..512])
    }),
    (13, "AdminReply", 512, |m| (1..=3).contains(&number(m, 24, 2)) && is_text(m, 26, &m[32..512])),
    (16, "Block", 144, |m| number(m, 136, 8) >= number(m, 24, 8)),
    (17, "BlockEnd", 72, any),
    (18, "Reorg", 112, |m| {
        number(m, 104, 4) > 0 && number(m, 64, 8).checked_sub(number(m, 24, 8)) == Some(number(m, 104, 4))
    }),
    (19, "SnapshotBegin", 168, |m| number(m, 160, 8) >= number(m, 24, 8)),
    (20, "SnapshotEnd", 32, any),
    (21, "Token", 88, |m| m[29] <= 32 && str::from_utf8(&m[56..56 + usize::from(m[29])]).is_ok()),
    (22, "Pool", 80, is_pool),
    (23, "V2Reserves", 64, |m| number(m, 32, 16) >> 112 == 0 && number(m, 48, 16) >> 112 == 0),
    (24, "V3Swap", 80, |m| is_tick(signed(m, 28)) && m[48 + 20..48 + 32] == [0; 12]),
    (25, "V3Liquidity", 64, |m| {
        let (lower, upper) = (signed(m, 28), signed(m, 32));
        is_tick(lower) && is_tick(upper) && lower < upper
    }),
    (26, "V3Tick", 64, |m| is_tick(signed(m, 28)) && number(m, 48, 16) > 0),
    (27, "Skip", 32, |m| number(m, 24, 4) > 0),
    (28, "MultiTokenPool", 192, is_multi_token_pool),
    (29, "V4Pool", 128, is_v4_pool),
    (30, "V4Swap", 88, |m| {
        is_tick(signed(m, 28))
            && m[48 + 20..48 + 32] == [0; 12]
            && number(m, 80, 4) <= 1_000_000
            && number(m, 84, 2) <= 1000
            && number(m, 86, 2) <= 1000
    }),
    (31, "SolidlyReserves", 64, |m| number(m, 28, 4) < 1_000_000),
    (32, "CurveStableParameters", 96, |m| m[28] <= 1 && at_most(m, &[64, 72], TEN_POW_10)),
    (33, "PoolRates", 168, |m| (1..=2).contains(&m[28])),
    (34, "CurveStableBalances", 200, any),
    (35, "CurveCryptoParameters", 136, |m| m[28] <= 1 && at_most(m, &[80, 88, 128], TEN_POW_10)),
    (36, "CurveCryptoBalances", 248, |m| m[28] <= 1),
    (37, "BalancerWeightedParameters", 104, |m| {
        m[28] <= 1 && at_most(m, &[32, 40, 48, 56, 64, 72, 80, 88, 96], TEN_POW_18)
    }),
    (38, "BalancerWeightedBalances", 160, |m| (0..8).all(|at| number(m, 32 + 16 * at, 16) >> 112 == 0)),
    (39, "BalancerStableParameters", 88, |m| m[28] <= 1 && at_most(m, &[64, 72, 80], TEN_POW_18)),
    (40, "BalancerStableBalances", 200, |m| (0..8).all(|at| number(m, 72 + 16 * at, 16) >> 112 == 0)),
    (41, "PoolStanding", 72, |m| (1..=3).contains(&m[28])),
    (48, "SegmentBegin", 48, any),
    (49, "Clock", 32, any),
    (50, "Opportunity", 464, |m| (2..=4).contains(&m[74]) && wide(m, 112) > wide(m, 80)),
    (51, "Simulation", 80, |m| (1..=3).contains(&number(m, 32, 2))),
    (52, "Verdict", 96, |m| m[34] <= 1),
    (53, "Submission", 120, any),
    (54, "Submitted", 48, |m| (1..=3).contains(&number(m, 40, 2))),
    (55, "Outcome", 176, |m| (1..=6).contains(&number(m, 72, 2))),
    (56, "NonceLease", 56, |m| number(m, 44, 4) > 0 && number(m, 48, 8) + number(m, 44, 4) <= u128::from(u64::MAX)),
    (57, "Halt", 32, |m| number(m, 24, 2) != 0),
    (58, "SwapPlan", 1104, |m| (2..=12).contains(&m[74]) && wide(m, 112) > wide(m, 80)),
    (80, "Finality", 112, |m| number(m, 72, 8) <= number(m, 32, 8)),
    (81, "PendingTransaction", 80, |m| {
        let (start, length) = (number(m, 76, 2), number(m, 78, 2));
        start >= 80 && length > 0 && start + length <= number(m, 0, 2)
    }),
    (82, "ExchangeQuote", 160, |m| {
        let is_name = |at: usize, length: usize, most: usize| {
            (1..=most).contains(&length) && m[at..at + length].iter().all(|byte| (33..=126).contains(byte))
        };
        let [bid, bid_size, ask, ask_size] = [48, 64, 80, 96].map(|at| number(m, at, 16));
        is_name(112, m[24].into(), 16)
            && is_name(128, m[25].into(), 32)
            && bid > 0
            && ask > bid
            && bid_size > 0
            && ask_size > 0
    }),
];

/// Reads a message by the page; `bytes` may hold more than the message.
#[must_use]
pub fn judge(bytes: &[u8]) -> Judgement {
    if bytes.len() < MESSAGE_BYTES_MIN {
        return Judgement::TooShort;
    }
    if bytes[4..6] != *b"AP" {
        return Judgement::Schema;
    }
    let block_length = usize::try_from(number(bytes, 0, 2)).expect("16 bits");
    if bytes.len() < block_length {
        return Judgement::TooShort;
    }
    let template = number(bytes, 2, 2);
    let Some((_, _, table_bytes, check)) = TEMPLATES.iter().find(|(known, ..)| u128::from(*known) == template) else {
        return Judgement::Template;
    };
    match block_length {
        short if short < *table_bytes => Judgement::TooShort,
        _ if check(bytes) => Judgement::Accepted,
        _ => Judgement::Field,
    }
}

/// Whether a reader may not pass over the message when it cannot read it (section 2, after the steps).
#[must_use]
pub fn bears_on_state(message: &[u8]) -> bool {
    let template = number(message, 2, 2);
    template == 6 || template == 8 || (16..48).contains(&template)
}

const TEN_POW_10: u128 = 10_000_000_000;
const TEN_POW_18: u128 = 1_000_000_000_000_000_000;

/// Whether the 64-bit fields at these places are at most `limit`.
fn at_most(message: &[u8], places: &[usize], limit: u128) -> bool {
    places.iter().all(|place| number(message, *place, 8) <= limit)
}

fn is_multi_token_pool(m: &[u8]) -> bool {
    let (kind, count) = (m[28], usize::from(m[29]));
    let is_count = match kind {
        3 | 4 => count == 2,
        7 => (2..=3).contains(&count),
        6 | 8 | 9 => (2..=8).contains(&count),
        _ => false,
    };
    if !is_count {
        return false;
    }
    let (pool, base) = (number(m, 24, 4), number(m, 52, 4));
    let decimals_max = if kind <= 4 { 77 } else { 18 };
    let tokens: Vec<u128> = (0..count).map(|at| number(m, 72 + 4 * at, 4)).collect();
    (base == 0xffff_ffff || (kind == 6 && base < pool))
        && number(m, 58, 2) > 0
        && (m[60] == 255 || (kind == 9 && usize::from(m[60]) < count))
        && m[64..64 + count].iter().all(|decimals| *decimals <= decimals_max)
        && (1..count).all(|at| !tokens[..at].contains(&tokens[at]))
}

fn is_v4_pool(m: &[u8]) -> bool {
    let fee = number(m, 112, 4);
    let (spacing, low, high) = (signed(m, 116), signed(m, 120), signed(m, 124));
    number(m, 104, 4) != number(m, 108, 4)
        && (fee <= 1_000_000 || fee == 8_388_608)
        && (1..=32_767).contains(&spacing)
        && is_tick(low)
        && is_tick(high)
        && low <= high
}

/// Whether the first bytes, as many as the number at `at` says, are text.
fn is_text(m: &[u8], at: usize, text: &[u8]) -> bool {
    usize::try_from(number(m, at, 2))
        .is_ok_and(|length| text.get(..length).is_some_and(|text| str::from_utf8(text).is_ok()))
}

fn any(_: &[u8]) -> bool {
    true
}

fn signed(message: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(message[at..at + 4].try_into().expect("four bytes"))
}

/// A 256-bit number as its two halves, the high one first, which compare as the number does.
fn wide(message: &[u8], at: usize) -> (u128, u128) {
    (number(message, at + 16, 16), number(message, at, 16))
}

fn is_tick(tick: i32) -> bool {
    (-887_272..=887_272).contains(&tick)
}

fn is_pool(m: &[u8]) -> bool {
    let (spacing, low, high) = (signed(m, 64), signed(m, 68), signed(m, 72));
    let fits_kind = match m[28] {
        1 => (spacing, low, high) == (0, 0, 0),
        2 => (1..=16_383).contains(&spacing) && low >= -887_272 && low <= high && high <= 887_272,
        _ => false,
    };
    fits_kind && number(m, 52, 4) != number(m, 56, 4) && number(m, 60, 4) < 1_000_000
}
