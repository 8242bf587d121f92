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


def token(number, symbol):
    return {
        "token": number,
        "decimals": 18,
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
    header = {
        "block_length": size,
        "template_id": template,
        "schema_id": int.from_bytes(b"AP", "little"),
        "version": version,
        "sequence": sequence,
        "event_ns": event_ns,
    }
    message, notes = encode(structures, name, {"header": header, **fields})
    checksum = crc32c(message)
    lines = [
        (size.to_bytes(4, "little"), "frame: length", str(size)),
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
