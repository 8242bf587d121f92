#!/usr/bin/env python3
"""Writes the golden frames from the tables of docs/WIRE.md, without any of the Rust code.

Layout comes from the page, values from VALUES and the sessions below. `generate.py` writes v1/*.hex, v2/*.hex, v3/*.hex: each
version holds the messages that got their form in it; `generate.py --check` writes nothing and fails when a file differs. Files of a released version must never change.
"""

import hashlib
import hmac
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[2] / "docs" / "WIRE.md"

HEADING = re.compile(r"^### (\w+) — (?:template (\d+), )?(\d+) bytes(?: \(since version (\d+)\))?$")
ROW = re.compile(r"^\| (\w+) \| (\d+) \| (\w+)(?:\[(\d+)\])? \|")
INTEGERS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "u128": 16, "u256": 32, "i32": 4, "i128": 16}


def run(start, count):
    """`count` bytes that rise from `start`: no two places hold the same."""
    return bytes((start + i) % 256 for i in range(count))


def context(number):
    return {
        "number": number,
        "hash": run(0x11, 32),
        "parent_hash": run(0x51, 32),
        "timestamp": 1_700_000_123,
        "base_fee": 0x0102030405060708090A0B0C0D0E0F10,
        "gas_used": 29_999_999,
        "gas_limit": 36_000_000,
    }


def hop(pool, token_in, token_out, amount_in, amount_out):
    return {
        "pool": pool,
        "token_in": token_in,
        "token_out": token_out,
        "amount_in": amount_in,
        "amount_out": amount_out,
    }


def padded(values, count=8):
    """The values, filled up with zeros."""
    return list(values) + [0] * (count - len(values))


def wide(start, count, length=8):
    """`count` numbers of 128 bits, no two bytes of one the same, filled up with zeros."""
    return padded([int.from_bytes(run(start + 16 * i, 16), "big") for i in range(count)], length)


def proof():
    """The answer to the golden Challenge with the key 00 01 … 1f, by section 4 of the page."""
    name, role, nonce = b"trader-1", 2, run(0x61, 32)
    proven = b"AlphaPulse relay proof" + b"".join(
        value.to_bytes(size, "little") for value, size in ((3, 2), (31_337, 8), (0x0A0B0C0D01020304, 8))
    )
    proven += run(0x41, 32) + nonce + role.to_bytes(2, "little") + bytes([len(name)]) + name
    mac = hmac.new(run(0, 32), proven, hashlib.sha256).digest()
    return {"role": role, "name_length": len(name), "name": name.ljust(32, b"\0"), "nonce": nonce, "mac": mac}


AMOUNTS = [0x14 << 192 | 5, 0x24 << 200 | 6, 0x34 << 184 | 7, 0x44 << 192 | 8]

# Every value is distinct where two fields could be taken for each other, and signed fields are negative.
# The second entry is the place in the stream: (sequence, event_ns).
VALUES = {
    "Hello": ({"version_min": 1, "version_max": 3}, (0, 0)),
    "Welcome": ({"chain_id": 31_337, "epoch": 0x0A0B0C0D01020304, "version": 1}, (0, 0)),
    "Close": ({"reason": 2}, (0, 0)),
    "Heartbeat": ({"head_number": 18_884_864, "head_hash": run(0x21, 32)}, (77, 1_700_000_123_000_000_000)),
    "Subscribe": ({"resume_epoch": 0x0A0B0C0D01020304, "resume_sequence": 0x1122334455667788}, (0, 0)),
    "Gap": ({"first": 595, "last": 700, "recovery": 2, "reason": 1}, (594, 0)),
    "Select": ({"scope": 5, "number": 0x2122232425262728, "address": run(0x81, 20)}, (0, 0)),
    "Caution": ({"is_safe": 0, "cause": 2}, (594, 0)),
    "Challenge": ({"nonce": run(0x41, 32)}, (0, 0)),
    "Proof": (proof(), (0, 0)),
    "Publish": ({"chain_id": 31_337}, (0, 0)),
    "AdminRequest": (
        {"action": 1, "cause": 0, "text_length": 25, "text": b"wss://node.example/v3/key".ljust(480, b"\0")},
        (0, 0),
    ),
    "AdminReply": ({"status": 2, "text_length": 18, "text": b"wss://node.example".ljust(480, b"\0")}, (0, 0)),
    "Block": ({"context": context(18_884_864), "head_number": 18_884_866}, (78, 1_700_000_123_000_000_000)),
    "BlockEnd": ({"number": 18_884_864, "hash": run(0x11, 32), "update_count": 513}, (592, 1_700_000_123_000_000_000)),
    "Reorg": (
        {
            "ancestor_number": 18_884_800,
            "ancestor_hash": run(0x31, 32),
            "old_head_number": 18_884_864,
            "old_head_hash": run(0x61, 32),
            "depth": 64,
        },
        (593, 1_700_000_124_000_000_000),
    ),
    "SnapshotBegin": (
        {
            "context": context(18_884_864),
            "chain_id": 1,
            "epoch": 0x0A0B0C0D01020304,
            "token_count": 3,
            "pool_count": 2,
            "head_number": 18_884_865,
        },
        (594, 1_700_000_125_000_000_000),
    ),
    "SnapshotEnd": ({"message_count": 70_000}, (594, 1_700_000_125_000_000_000)),
    "Token": (
        {
            "token": 2,
            "decimals": 18,
            "symbol_length": 8,
            "address": run(0x81, 20),
            "symbol": "WÉTH€".encode().ljust(32, b"\0"),
        },
        (594, 1_700_000_125_000_000_000),
    ),
    "Pool": (
        {
            "pool": 1,
            "kind": 2,
            "venue": 0x0304,
            "address": run(0x91, 20),
            "token_0": 2,
            "token_1": 0,
            "fee_ppm": 3_000,
            "tick_spacing": 60,
            "known_tick_low": -887_220,
            "known_tick_high": 887_160,
        },
        (594, 1_700_000_125_000_000_000),
    ),
    "V2Reserves": (
        {"pool": 7, "reserve_0": 1_000_000_000_000_000_000, "reserve_1": (1 << 112) - 1},
        (595, 1_700_000_125_000_000_000),
    ),
    "V3Swap": (
        {
            "pool": 1,
            "tick": -201_234,
            "liquidity": 0xF1E2D3C4B5A69788_1122334455667788,
            "sqrt_price_x96": 0x00C0FFEE_0123456789ABCDEF_FEDCBA9876543210,
        },
        (596, 1_700_000_125_000_000_000),
    ),
    "V3Liquidity": (
        {"pool": 1, "tick_lower": -887_220, "tick_upper": -60, "liquidity_delta": -0x0123456789ABCDEF_0011223344556677},
        (597, 1_700_000_125_000_000_000),
    ),
    "V3Tick": (
        {"pool": 1, "tick": -120, "liquidity_net": -5_000_000_000_000_000_000, "liquidity_gross": 1 << 127 | 9},
        (594, 1_700_000_125_000_000_000),
    ),
    "Skip": ({"count": 0x01020304}, (0x0A0B0C0D0E0F1011, 1_700_000_125_000_000_000)),
    "MultiTokenPool": (
        {
            "pool": 0x0A0B0C0D,
            "kind": 9,
            "token_count": 3,
            "venue": 0x0506,
            "address": run(0x21, 20),
            "base_pool": 0xFFFFFFFF,
            "variant": 0x0102,
            "amplification_precision": 0x03E8,
            "bpt_index": 1,
            "decimals": padded([6, 18, 8]),
            "tokens": padded([0x31, 0x32, 0x33]),
            "underlying": padded([0x41, 0x42, 0x43]),
            "pool_id": run(0x51, 32),
            "vault": run(0x81, 20),
        },
        (594, 1_700_000_125_000_000_000),
    ),
    "V4Pool": (
        {
            "pool": 3,
            "venue": 0x0708,
            "pool_id": run(0x31, 32),
            "address": run(0x61, 20),
            "hooks": run(0xA1, 20),
            "token_0": 4,
            "token_1": 5,
            "key_fee": 0x800000,
            "tick_spacing": 200,
            "known_tick_low": -887_200,
            "known_tick_high": 887_000,
        },
        (594, 1_700_000_125_000_000_000),
    ),
    "V4Swap": (
        {
            "pool": 3,
            "tick": -76_543,
            "liquidity": 0xE1D2C3B4A5968778_2132435465768798,
            "sqrt_price_x96": 0x00BEEF01_1123456789ABCDEF_0EDCBA9876543210,
            "lp_fee_ppm": 987_654,
            "protocol_fee_0": 999,
            "protocol_fee_1": 500,
        },
        (598, 1_700_000_125_000_000_000),
    ),
    "SolidlyReserves": (
        {"pool": 4, "fee_ppm": 500, "reserve_0": wide(0x21, 1)[0], "reserve_1": wide(0x41, 1)[0]},
        (599, 1_700_000_125_000_000_000),
    ),
    "CurveStableParameters": (
        {
            "pool": 5,
            "is_paused": 1,
            "initial_a": 0x1112131415161718,
            "future_a": 0x2122232425262728,
            "initial_a_time": 1_700_000_001,
            "future_a_time": 1_700_086_402,
            "fee": 4_000_001,
            "admin_fee": 5_000_000_002,
            "offpeg_fee_multiplier": wide(0x31, 1)[0],
        },
        (600, 1_700_000_125_000_000_000),
    ),
    "PoolRates": (
        {"pool": 5, "rates_use": 2, "valid_until": 1_700_000_999, "rates": wide(0x11, 8)},
        (601, 1_700_000_125_000_000_000),
    ),
    "CurveStableBalances": (
        {
            "pool": 5,
            "base_cache_updated": 1_699_999_777,
            "base_virtual_price": wide(0xD1, 1)[0],
            "supply": wide(0xE1, 1)[0],
            "balances": wide(0x21, 8),
        },
        (602, 1_700_000_125_000_000_000),
    ),
    "CurveCryptoParameters": (
        {
            "pool": 6,
            "is_paused": 1,
            "initial_a": 1_707_629,
            "initial_gamma": 11_809_167_828_997,
            "future_a": 540_000,
            "future_gamma": 80_500_000_000_000,
            "initial_time": 1_705_051_559,
            "future_time": 1_705_537_322,
            "mid_fee": 3_000_000,
            "out_fee": 30_000_000,
            "fee_gamma": 500_000_000_000_000,
            "allowed_extra_profit": 2_000_000_000_000,
            "adjustment_step": 490_000_000_000_000,
            "ma_time": 865,
            "admin_fee": 5_000_000_000,
        },
        (603, 1_700_000_125_000_000_000),
    ),
    "CurveCryptoBalances": (
        {
            "pool": 6,
            "is_not_adjusted": 1,
            "last_prices_time": 1_703_775_515,
            "balances": wide(0x11, 3, 3),
            "price_scale": wide(0x41, 2, 2),
            "price_oracle": wide(0x61, 2, 2),
            "last_prices": wide(0x81, 2, 2),
            "d": wide(0xA1, 1)[0],
            "supply": wide(0xB1, 1)[0],
            "virtual_price": wide(0xC1, 1)[0],
            "xcp_profit": wide(0xD1, 1)[0],
        },
        (604, 1_700_000_125_000_000_000),
    ),
    "BalancerWeightedParameters": (
        {
            "pool": 7,
            "is_paused": 1,
            "swap_fee": 3_000_000_000_000_001,
            "weights": [100_000_000_000_000_001 + 10_000_000_000_000_000 * i for i in range(8)],
        },
        (605, 1_700_000_125_000_000_000),
    ),
    "BalancerWeightedBalances": (
        {"pool": 7, "balances": [value >> 16 for value in wide(0x31, 8)]},
        (606, 1_700_000_125_000_000_000),
    ),
    "BalancerStableParameters": (
        {
            "pool": 8,
            "is_paused": 1,
            "yield_fee_exempt": 0b101,
            "initial_a": 50_000,
            "future_a": 2_000_000,
            "initial_a_time": 1_700_000_003,
            "future_a_time": 1_700_086_404,
            "swap_fee": 400_000_000_000_000,
            "protocol_swap_fee": 500_000_000_000_000_000,
            "protocol_yield_fee": 250_000_000_000_000_000,
        },
        (607, 1_700_000_125_000_000_000),
    ),
    "BalancerStableBalances": (
        {
            "pool": 8,
            "last_join_exit_amplification": 60_000,
            "last_join_exit_invariant": wide(0xC1, 1)[0],
            "supply": wide(0xE1, 1)[0],
            "balances": [value >> 16 for value in wide(0x41, 8)],
        },
        (608, 1_700_000_125_000_000_000),
    ),
    "PoolStanding": (
        {"pool": 0x0A0B0C0D, "standing": 3, "parts": 0x0102, "block_number": 18_884_864, "block_hash": run(0x11, 32)},
        (609, 1_700_000_125_000_000_000),
    ),
    "SegmentBegin": ({"chain_id": 1, "epoch": 0x0A0B0C0D01020305, "segment_index": 0x01020304}, (0, 0)),
    "Clock": ({"now_ns": 1_700_000_125_987_654_321}, (0, 0)),
    "Opportunity": (
        {
            "opportunity": 42,
            "block_number": 18_884_864,
            "block_hash": run(0x11, 32),
            "strategy": 0x0102,
            "hop_count": 3,
            "token": 0x12,
            "amount_in": AMOUNTS[0],
            "amount_out": AMOUNTS[3],
            "hops": [
                hop(0x21, 0x12, 0x13, AMOUNTS[0], AMOUNTS[1]),
                hop(0x22, 0x13, 0x14, AMOUNTS[1], AMOUNTS[2]),
                hop(0x23, 0x14, 0x12, AMOUNTS[2], AMOUNTS[3]),
                hop(0, 0, 0, 0, 0),
            ],
        },
        (0, 1_700_000_126_000_000_001),
    ),
    "Simulation": (
        {"opportunity": 42, "status": 1, "gas_used": 187_654, "gain": 1 << 200 | 3},
        (0, 1_700_000_126_000_000_002),
    ),
    "Verdict": (
        {
            "opportunity": 42,
            "reject": 17,
            "is_live": 1,
            "gas": 190_000,
            "fee_max": 0x2122232425262728292A2B2C2D2E2F30,
            "priority_fee": 1_000_000_007,
            "net_profit": -123_456_789_012_345_678,
        },
        (0, 1_700_000_126_000_000_003),
    ),
    "Submission": (
        {
            "opportunity": 42,
            "nonce": 1_001,
            "tx_hash": run(0xA1, 32),
            "fee_max": 0x2122232425262728292A2B2C2D2E2F30,
            "priority_fee": 1_000_000_007,
            "gas_limit": 228_000,
            "block_max": 18_884_866,
        },
        (0, 1_700_000_126_000_000_004),
    ),
    "Submitted": ({"opportunity": 42, "nonce": 1_001, "status": 3}, (0, 1_700_000_126_000_000_005)),
    "Outcome": (
        {
            "opportunity": 42,
            "nonce": 1_001,
            "tx_hash": run(0xA1, 32),
            "status": 5,
            "block_number": 18_884_865,
            "block_hash": run(0xC1, 32),
            "gas_used": 187_655,
            "gas_price": 0x3132333435363738393A3B3C3D3E3F40,
            "gain": 1 << 200 | 3,
        },
        (0, 1_700_000_126_000_000_006),
    ),
    "NonceLease": ({"sender": run(0xD1, 20), "count": 16, "first": 1_000}, (0, 1_700_000_126_000_000_007)),
    "Halt": ({"reject": 2}, (0, 1_700_000_126_000_000_008)),
    "SwapPlan": (
        {
            "opportunity": 43,
            "block_number": 18_884_864,
            "block_hash": run(0x11, 32),
            "strategy": 0x0103,
            "hop_count": 3,
            "token": 0x12,
            "amount_in": 2 * AMOUNTS[0] + 7,
            "amount_out": AMOUNTS[3],
            "hops": [
                hop(0x21, 0x12, 0x13, AMOUNTS[0], AMOUNTS[1]),
                hop(0x22, 0x12, 0x13, AMOUNTS[0] + 7, AMOUNTS[2]),
                hop(0x23, 0x13, 0x12, AMOUNTS[1] + AMOUNTS[2], AMOUNTS[3]),
                *(hop(0, 0, 0, 0, 0) for _ in range(9)),
            ],
        },
        (0, 1_700_000_126_000_000_009),
    ),
    "Finality": (
        {
            "chain_id": 31_337,
            "safe_number": 18_884_832,
            "safe_hash": run(0x21, 32),
            "finalized_number": 18_884_800,
            "finalized_hash": run(0x61, 32),
        },
        (3, 1_700_000_000_000_000_000),
    ),
    # What is said of a message that is longer than its table: `tail` lies behind the fields.
    "PendingTransaction": (
        {
            "hash": run(0x71, 32),
            "sender": run(0x91, 20),
            "transaction_offset": 80,
            "transaction_length": 5,
            "tail": bytes.fromhex("02f8aabbcc"),
        },
        (70_001, 1_700_000_126_000_000_003),
    ),
    "ExchangeQuote": (
        {
            "exchange_length": 7,
            "symbol_length": 7,
            "update_id": 400_900_217,
            "exchange_ns": 1_700_000_126_000_000_000,
            "bid_price": 1_999_990_000_000_000_000_000,
            "bid_size": 31_210_000_000_000_000_000,
            "ask_price": 2_000_010_000_000_000_000_000,
            "ask_size": 40_660_000_000_000_000_001,
            "exchange": b"binance".ljust(16, b"\0"),
            "symbol": b"ETHUSDT".ljust(32, b"\0"),
        },
        (12, 1_700_000_126_000_000_004),
    ),
}


def small_context(number, hash_byte, parent_byte):
    return {
        "number": number,
        "hash": bytes([hash_byte]) * 32,
        "parent_hash": bytes([parent_byte]) * 32,
        "timestamp": 1_700_000_000 + 12 * number,
        "base_fee": 1_000_000_000 + number,
        "gas_used": 15_000_000,
        "gas_limit": 30_000_000,
    }


def block(sequence, number, hash_byte, parent_byte, changes):
    """A block whose `Block` has this sequence, with these changes."""
    at = (1_700_000_000 + 12 * number) * 10**9
    yield "Block", {"context": small_context(number, hash_byte, parent_byte), "head_number": number}, (sequence, at)
    for name, fields in changes:
        sequence += 1
        yield name, fields, (sequence, at)
    end = {"number": number, "hash": bytes([hash_byte]) * 32, "update_count": len(changes)}
    yield "BlockEnd", end, (sequence + 1, at)


def token(number, symbol, decimals=18):
    return {
        "token": number,
        "decimals": decimals,
        "symbol_length": len(symbol),
        "address": bytes([0xA0 + number]) * 20,
        "symbol": symbol.encode().ljust(32, b"\0"),
    }


BLOCK_101_NS = (1_700_000_000 + 12 * 101) * 10**9


def other_branch():
    """Messages 5 to 8: back to block 100, and another block 101."""
    yield "Reorg", {
        "ancestor_number": 100,
        "ancestor_hash": bytes([0x64]) * 32,
        "old_head_number": 101,
        "old_head_hash": bytes([0x65]) * 32,
        "depth": 1,
    }, (5, BLOCK_101_NS)
    yield from block(6, 101, 0x75, 0x64, [
        ("V3Liquidity", {"pool": 1, "tick_lower": -60, "tick_upper": 60, "liquidity_delta": -4 * 10**18}),
    ])


def session():
    """A connection from the greeting to a reorg, one (message, fields, place) each. docs/WIRE.md tells it in words."""
    pool = {"venue": 0, "fee_ppm": 3_000, "token_0": 0, "token_1": 1}
    no_ticks = {"tick_spacing": 0, "known_tick_low": 0, "known_tick_high": 0}
    ticks = {"tick_spacing": 60, "known_tick_low": -887_272, "known_tick_high": 887_272}
    price_one, wei = 1 << 96, 10**18

    here = (0, (1_700_000_000 + 12 * 100) * 10**9)
    yield "Hello", {"version_min": 1, "version_max": 1}, (0, 0)
    yield "Welcome", {"chain_id": 31_337, "epoch": 7, "version": 1}, (0, 0)
    yield "SnapshotBegin", {
        "context": small_context(100, 0x64, 0x63),
        "chain_id": 31_337,
        "epoch": 7,
        "token_count": 2,
        "pool_count": 2,
        "head_number": 100,
    }, here
    yield "Token", token(0, "WETH"), here
    yield "Token", token(1, "DAI"), here
    yield "Pool", {"pool": 0, "kind": 1, "address": bytes([0xB0]) * 20, **pool, **no_ticks}, here
    yield "V2Reserves", {"pool": 0, "reserve_0": 100 * wei, "reserve_1": 200_000 * wei}, here
    yield "Pool", {"pool": 1, "kind": 2, "address": bytes([0xB1]) * 20, **pool, **ticks}, here
    yield "V3Swap", {"pool": 1, "tick": 0, "liquidity": 5 * wei, "sqrt_price_x96": price_one}, here
    yield "V3Tick", {"pool": 1, "tick": -60, "liquidity_net": 5 * wei, "liquidity_gross": 5 * wei}, here
    yield "V3Tick", {"pool": 1, "tick": 60, "liquidity_net": -5 * wei, "liquidity_gross": 5 * wei}, here
    yield "SnapshotEnd", {"message_count": 8}, here
    yield from block(1, 101, 0x65, 0x64, [
        ("V2Reserves", {"pool": 0, "reserve_0": 101 * wei, "reserve_1": 198_026 * wei}),
        ("V3Liquidity", {"pool": 1, "tick_lower": -60, "tick_upper": 120, "liquidity_delta": 2 * wei}),
    ])
    yield "Heartbeat", {"head_number": 101, "head_hash": bytes([0x65]) * 32}, (4, here[1] + 12 * 10**9)
    yield from other_branch()
    yield "Close", {"reason": 1}, (0, 0)


def resumed_session():
    """A client that has the state after message 4 of session() comes back, and meets a new epoch."""
    here = (0, (1_700_000_000 + 12 * 102) * 10**9)
    yield "Hello", {"version_min": 1, "version_max": 2}, (0, 0)
    yield "Welcome", {"chain_id": 31_337, "epoch": 7, "version": 2}, (0, 0)
    yield "Subscribe", {"resume_epoch": 7, "resume_sequence": 4}, (0, 0)
    yield "Gap", {"first": 5, "last": 8, "recovery": 1, "reason": 2}, (4, 0)
    yield from other_branch()
    yield "Gap", {"first": 9, "last": 0, "recovery": 2, "reason": 3}, (8, 0)
    yield "SnapshotBegin", {
        "context": small_context(102, 0x76, 0x75),
        "chain_id": 31_337,
        "epoch": 8,
        "token_count": 2,
        "pool_count": 1,
        "head_number": 102,
    }, here
    yield "Token", token(0, "WETH"), here
    yield "Token", token(1, "DAI"), here
    yield "Pool", {
        "pool": 0,
        "kind": 1,
        "venue": 0,
        "address": bytes([0xB0]) * 20,
        "token_0": 0,
        "token_1": 1,
        "fee_ppm": 3_000,
        "tick_spacing": 0,
        "known_tick_low": 0,
        "known_tick_high": 0,
    }, here
    yield "V2Reserves", {"pool": 0, "reserve_0": 102 * 10**18, "reserve_1": 196_079 * 10**18}, here
    yield "SnapshotEnd", {"message_count": 4}, here
    yield "Close", {"reason": 1}, (0, 0)


UNLIMITED = (1 << 64) - 1
E18, E10, E6 = 10**18, 10**10, 10**6


def every_kind():
    """A pool of each kind, and a meta pool: (description, state, and how a block changes it), message by message."""
    addresses = iter(range(0xC0, 0xD0))

    def multi(pool, kind, tokens, decimals, variant, precision=1, base_pool=0xFFFFFFFF, bpt_index=255, vault=False):
        byte = next(addresses)
        return "MultiTokenPool", {
            "pool": pool,
            "kind": kind,
            "token_count": len(tokens),
            "venue": 10 + kind,
            "address": bytes([byte]) * 20,
            "base_pool": base_pool,
            "variant": variant,
            "amplification_precision": precision,
            "bpt_index": bpt_index,
            "decimals": padded(decimals),
            "tokens": padded(tokens),
            "underlying": padded(tokens),
            "pool_id": bytes([byte]) * 20 + bytes(12) if vault else bytes(32),
            "vault": bytes([0xBA]) * 20 if vault else bytes(20),
        }

    def pair(pool, kind, ticks):
        return "Pool", {
            "pool": pool,
            "kind": kind,
            "venue": kind,
            "address": bytes([next(addresses)]) * 20,
            "token_0": 0,
            "token_1": 1,
            "fee_ppm": 3_000,
            "tick_spacing": ticks[0],
            "known_tick_low": ticks[1],
            "known_tick_high": ticks[2],
        }

    def ticks(pool, liquidity):
        yield "V3Tick", {"pool": pool, "tick": -60, "liquidity_net": liquidity, "liquidity_gross": liquidity}
        yield "V3Tick", {"pool": pool, "tick": 60, "liquidity_net": -liquidity, "liquidity_gross": liquidity}

    def v4(tick, liquidity, lp_fee_ppm):
        return "V4Swap", {
            "pool": 4,
            "tick": tick,
            "liquidity": liquidity,
            "sqrt_price_x96": 1 << 96,
            "lp_fee_ppm": lp_fee_ppm,
            "protocol_fee_0": 100,
            "protocol_fee_1": 200,
        }

    def ramp(initial, future=None):
        times = (1_699_000_000, 1_699_600_000) if future else (0, 0)
        return {"initial_a": initial, "future_a": future or initial, "initial_a_time": times[0], "future_a_time": times[1]}

    def stable_terms(pool, fee, offpeg=0, **amplification):
        fees = {"fee": fee, "admin_fee": E10 // 2, "offpeg_fee_multiplier": offpeg}
        return "CurveStableParameters", {"pool": pool, "is_paused": 0, **amplification, **fees}

    def rates(pool, values, use=1, until=UNLIMITED):
        return "PoolRates", {"pool": pool, "rates_use": use, "valid_until": until, "rates": padded(values)}

    def stable(pool, balances, supply, price=0, updated=0):
        memory = {"base_virtual_price": price, "base_cache_updated": updated}
        return "CurveStableBalances", {"pool": pool, **memory, "supply": supply, "balances": padded(balances)}

    def crypto(balances, scale, d):
        return "CurveCryptoBalances", {
            "pool": 7,
            "is_not_adjusted": 0,
            "last_prices_time": 1_700_002_000,
            "balances": balances,
            "price_scale": scale,
            "price_oracle": [price + 1 for price in scale],
            "last_prices": [price + 2 for price in scale],
            "d": d,
            "supply": 1_000 * E18,
            "virtual_price": E18 + 3,
            "xcp_profit": E18 + 6,
        }

    crypto_terms = "CurveCryptoParameters", {
        "pool": 7,
        "is_paused": 0,
        "initial_a": 1_707_629,
        "initial_gamma": 11_809_167_828_997,
        "future_a": 1_707_629,
        "future_gamma": 11_809_167_828_997,
        "initial_time": 0,
        "future_time": 0,
        "mid_fee": 3_000_000,
        "out_fee": 30_000_000,
        "fee_gamma": 500_000_000_000_000,
        "allowed_extra_profit": 2_000_000_000_000,
        "adjustment_step": 490_000_000_000_000,
        "ma_time": 865,
        "admin_fee": 5_000_000_000,
    }
    weights = padded([E18 * 8 // 10, E18 * 2 // 10])
    weighted_terms = "BalancerWeightedParameters", {
        "pool": 8, "is_paused": 0, "swap_fee": E18 // 1000, "weights": weights
    }

    def weighted(balances):
        return "BalancerWeightedBalances", {"pool": 8, "balances": padded(balances)}

    def balancer_terms(swap_fee):
        protocol = {"protocol_swap_fee": E18 // 2, "protocol_yield_fee": E18 // 2}
        fixed = {"pool": 9, "is_paused": 0, "yield_fee_exempt": 0b010, **ramp(50_000, 200_000)}
        return "BalancerStableParameters", {**fixed, "swap_fee": swap_fee, **protocol}

    def balancer(balances, supply, invariant):
        last = {"last_join_exit_amplification": 50_000, "last_join_exit_invariant": invariant}
        return "BalancerStableBalances", {"pool": 9, **last, "supply": supply, "balances": padded(balances)}

    def solidly(pool, fee, reserves):
        return "SolidlyReserves", {"pool": pool, "fee_ppm": fee, "reserve_0": reserves[0], "reserve_1": reserves[1]}

    plain = [E18, 10**30, 10**30]
    v4_pool = "V4Pool", {
        "pool": 4,
        "venue": 15,
        "pool_id": bytes([0x44]) * 32,
        "address": bytes([0x40]) * 20,
        "hooks": bytes(20),
        "token_0": 0,
        "token_1": 2,
        "key_fee": 500,
        "tick_spacing": 60,
        "known_tick_low": -887_272,
        "known_tick_high": 887_272,
    }
    no_ticks, all_ticks = (0, 0, 0), (60, -887_272, 887_272)
    reserves = "V2Reserves", {"pool": 0, "reserve_0": 100 * E18, "reserve_1": 200_000 * E18}
    slot = "V3Swap", {"pool": 1, "tick": 0, "liquidity": 5 * E18, "sqrt_price_x96": 1 << 96}
    base_terms = stable_terms(5, 1_500_000, **ramp(5_000, 4_000))
    meta_terms = stable_terms(6, 4_000_000, 2 * E10, **ramp(20_000))
    described = [
        [pair(0, 1, no_ticks), reserves],
        [pair(1, 2, all_ticks), slot, *ticks(1, 5 * E18)],
        [multi(2, 3, [0, 1], [18, 18], 2), solidly(2, 3_000, [7 * E18, 14_000 * E18])],
        [multi(3, 4, [1, 2], [18, 6], 2), solidly(3, 500, [9_000 * E18, 9_001 * E6])],
        [v4_pool, v4(0, 6 * E18, 500), *ticks(4, 6 * E18)],
        [
            multi(5, 6, [1, 2, 3], [18, 6, 6], 16, 1),
            base_terms,
            rates(5, plain),
            stable(5, [1_000 * E18, 1_001 * E6, 1_002 * E6], 3_000 * E18),
        ],
        [
            multi(6, 6, [5, 4], [18, 18], 16, 100, base_pool=5),
            meta_terms,
            rates(6, [E18]),
            stable(6, [50 * E18, 60 * E18], 110 * E18, E18 + 5, 1_700_002_300),
        ],
        [
            multi(7, 7, [2, 3, 0], [6, 6, 18], 35),
            crypto_terms,
            crypto([15_341 * E6, 15_342 * E6, 7 * E18], [E18 + 9, 2_000 * E18], 46_000 * E18),
        ],
        [
            multi(8, 8, [0, 1], [18, 18], 49, vault=True),
            weighted_terms,
            weighted([80 * E18, 40_000 * E18]),
        ],
        [
            multi(9, 9, [0, 6, 7], [18, 18, 18], 65, 1_000, bpt_index=1, vault=True),
            balancer_terms(E18 // 2_500),
            rates(9, [E18, E18, E18 * 12 // 10], until=1_700_099_999),
            rates(9, [E18, E18, E18 * 11 // 10], use=2),
            balancer([83 * E18, 1 << 111, 101 * E18], (1 << 111) + 180 * E18, 190 * E18),
        ],
    ]
    changes = [
        ("V2Reserves", {"pool": 0, "reserve_0": 101 * E18, "reserve_1": 198_026 * E18}),
        ("V3Liquidity", {"pool": 1, "tick_lower": -60, "tick_upper": 120, "liquidity_delta": 2 * E18}),
        solidly(2, 2_000, [8 * E18, 12_260 * E18]),
        solidly(3, 400, [9_100 * E18, 8_901 * E6]),
        ("V3Liquidity", {"pool": 4, "tick_lower": -60, "tick_upper": 60, "liquidity_delta": -6 * E18}),
        v4(-61, 0, 450),
        stable_terms(5, 2_000_000, **ramp(5_000, 4_000)),
        stable(5, [1_100 * E18, 901 * E6, 1_002 * E6], 3_000 * E18),
        rates(6, [E18 + 1], until=1_700_003_000),
        stable(6, [51 * E18, 59 * E18], 110 * E18, E18 + 7, 1_700_002_412),
        crypto([15_441 * E6, 15_242 * E6, 7 * E18], [E18 + 8, 2_001 * E18], 46_001 * E18),
        weighted([81 * E18, 38_100 * E18]),
        balancer_terms(E18 // 2_000),
        rates(9, [E18, E18, E18 * 12 // 10], use=2),
        balancer([83 * E18, (1 << 111) - E18, 102 * E18], (1 << 111) + 180 * E18, 191 * E18),
    ]
    return described, changes


def kinds_session():
    """A snapshot with a pool of each kind, a block that changes each, a block that takes their place."""
    here = (0, (1_700_000_000 + 12 * 200) * 10**9)
    described, changes = every_kind()
    symbols = ["WETH", "DAI", "USDC", "USDT", "3Crv", "LUSD", "BPT", "wstETH"]
    decimals = [18, 18, 6, 6, 18, 18, 18, 18]
    messages = [("Token", token(number, *what)) for number, what in enumerate(zip(symbols, decimals))]
    messages += [message for pool in described for message in pool]
    yield "Hello", {"version_min": 1, "version_max": 3}, (0, 0)
    yield "Welcome", {"chain_id": 31_337, "epoch": 9, "version": 3}, (0, 0)
    yield "Subscribe", {"resume_epoch": 0, "resume_sequence": 0}, (0, 0)
    yield "SnapshotBegin", {
        "context": small_context(200, 0x20, 0x1F),
        "chain_id": 31_337,
        "epoch": 9,
        "token_count": len(symbols),
        "pool_count": len(described),
        "head_number": 200,
    }, here
    for name, fields in messages:
        yield name, fields, here
    yield "SnapshotEnd", {"message_count": len(messages)}, here
    yield from block(1, 201, 0x21, 0x20, changes)
    last = len(changes) + 2
    at = (1_700_000_000 + 12 * 201) * 10**9
    yield "Reorg", {
        "ancestor_number": 200,
        "ancestor_hash": bytes([0x20]) * 32,
        "old_head_number": 201,
        "old_head_hash": bytes([0x21]) * 32,
        "depth": 1,
    }, (last + 1, at)
    yield from block(last + 2, 201, 0x31, 0x20, [changes[11]])
    yield "Close", {"reason": 1}, (0, 0)


def read_page():
    """Structures by name: template id (or None), size, and rows (field, offset, type, count)."""
    structures, current = {}, None
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading = HEADING.match(line)
            current = None
            if heading:
                name, template, size, since = heading.groups()
                current = structures[name] = (template and int(template), int(size), [], int(since or 1))
        elif current and (row := ROW.match(line)):
            field, offset, kind, count = row.groups()
            current[2].append((field, int(offset), kind, count and int(count)))
    return structures


def encode(structures, name, values):
    """Bytes of a structure, and one line of annotation for each leaf field: (offset, bytes, field path, value)."""
    _, size, rows, _ = structures[name]
    out, notes, left = bytearray(size), [], dict(values)
    for field, offset, kind, count in rows:
        if field.startswith("reserved"):
            left.setdefault(field, bytes(count))
        value = left.pop(field)
        if kind == "bytes":
            assert len(value) == count, f"{name}.{field} is {len(value)} bytes"
            part, inner = value, [(0, value, "", "0x" + value.hex())]
        elif kind in INTEGERS and count:
            assert len(value) == count, f"{name}.{field} has {len(value)} numbers"
            width = INTEGERS[kind]
            part = b"".join(item.to_bytes(width, "little") for item in value)
            items = enumerate(value)
            inner = [(width * i, part[width * i : width * (i + 1)], f"[{i}]", str(item)) for i, item in items]
        elif kind in INTEGERS:
            part = value.to_bytes(INTEGERS[kind], "little", signed=kind.startswith("i"))
            inner = [(0, part, "", str(value))]
        else:
            part, inner = b"", []
            for index, item in enumerate(value if count else [value]):
                at = f"[{index}]" if count else ""
                item_bytes, item_notes = encode(structures, kind, item)
                inner += [(len(part) + o, b, f"{at}.{path}", v) for o, b, path, v in item_notes]
                part += item_bytes
        out[offset : offset + len(part)] = part
        notes += [(offset + o, b, field + path, v) for o, b, path, v in inner]
    assert not left, f"{name} has no field {sorted(left)}"
    return bytes(out), notes


def crc32c(data):
    """Castagnoli, bit by bit: slow and plainly right."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def frame_text(structures, name, fields, place):
    template, size, _, version = structures[name]
    sequence, event_ns = place
    fields = dict(fields)
    tail = fields.pop("tail", b"")
    header = {
        "block_length": size + len(tail),
        "template_id": template,
        "schema_id": int.from_bytes(b"AP", "little"),
        "version": version,
        "sequence": sequence,
        "event_ns": event_ns,
    }
    message, notes = encode(structures, name, {"header": header, **fields})
    if tail:
        notes.append((size, tail, "signed bytes", "0x" + tail.hex()))
        message += tail
    checksum = crc32c(message)
    lines = [
        (len(message).to_bytes(4, "little"), "frame: length", str(len(message))),
        (checksum.to_bytes(4, "little"), "frame: crc32c", f"{checksum:#010x}"),
    ] + [(part, f"{offset}: {path}", value) for offset, part, path, value in notes]
    assert b"".join(part for part, _, _ in lines) == lines[0][0] + lines[1][0] + message, f"{name} has holes"
    return "".join(f"{part.hex()} # {label} = {value}\n" for part, label, value in lines)


def files(structures):
    """Path and text of every golden file."""
    form = "a line a field: bytes # offset in the message: field = value"
    for name, (fields, place) in VALUES.items():
        version = structures[name][3]
        text = f"# {name} as a whole frame, version {version}, {form}\n" + frame_text(structures, name, fields, place)
        yield HERE / f"v{version}" / f"{name}.hex", text
    connections = [
        (1, "session", session(), "Hello by the client, the rest by the relay."),
        (2, "resumed_session", resumed_session(), "Hello and Subscribe by the client, the rest by the relay."),
        (3, "kinds_session", kinds_session(), "Hello and Subscribe by the client, the rest by the relay."),
    ]
    for version, name, messages, who in connections:
        text = f"# A connection from greeting to farewell: {who}\n# Version {version}, {form}\n"
        for message, fields, place in messages:
            text += f"\n# {message}\n" + frame_text(structures, message, fields, place)
        yield HERE / f"v{version}" / f"{name}.hex", text


def main():
    assert crc32c(b"123456789") == 0xE3069283
    structures = read_page()
    messages = [name for name, (template, *_) in structures.items() if template]
    assert sorted(messages) == sorted(VALUES), set(messages) ^ set(VALUES)
    is_check, stale = "--check" in sys.argv, []
    for path, text in files(structures):
        if not is_check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(str(path.relative_to(HERE)))
    if stale:
        sys.exit(f"golden files differ from docs/WIRE.md: {', '.join(stale)}")


main()
