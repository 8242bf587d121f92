#!/usr/bin/env python3
"""A client of the market-data relay, written from WIRE.md alone, with nothing but the standard library.

It joins a relay, keeps the state that the stream describes, and prints that state as JSON when it ends:

    relay_client.py --unix /run/relay.sock --messages 1000
    relay_client.py --unix /run/relay.sock --progress 60    (a line on stderr each minute; --quiet: none)
    relay_client.py --tcp 127.0.0.1:7000 --drop-after 500 --pause 2
    relay_client.py --unix /run/replay.sock --until-shutdown    (of a recording: end with it, join no relay after it)
    kill -TERM PID, or Ctrl-C                                   (ends it as well, with the state and exit code 0)
    relay_client.py --tcp relay.example:7000 --key-file trader-1:trader-1.key --tls-ca relay.pem
    relay_client.py --self-test DIR         (DIR holds the golden files, v1/ to v3/)

Three layers, each of use without the ones below it: bytes to messages (`FrameReader`, `decode`), messages to
state (`State`), and a connection that is joined again when it breaks (`Client`). "Section" means one of WIRE.md.
"""

import argparse
import collections
import contextlib
import copy
import functools
import hashlib
import hmac
import json
import pathlib
import re
import secrets
import signal
import socket
import ssl
import struct
import sys
import time


class RelayError(Exception):
    """Base of what is raised here."""


class FrameError(RelayError):
    """The place of the next frame is unknown: the connection is over, the state is as right as before."""


class DecodeError(RelayError):
    """A message that must not be used; `template_id` says which one, for not every loss does harm."""

    def __init__(self, template_id, text):
        super().__init__(text)
        self.template_id = template_id


class StateError(RelayError):
    """A message that does not fit the state: the state is void."""


class Refused(RelayError):
    """Joining again would change nothing."""


# ---- Messages: sections 2, 3 and 7 -----------------------------------------------------------------------------

VERSION_MIN, VERSION_MAX, SCHEMA_ID = 1, 3, 20545
HEADER = "block_length:u16 template_id:u16 schema_id:u16 form:u16 sequence:u64 event_ns:u64 "
CONTEXT = "number:u64 hash:32 parent_hash:32 timestamp:u64 base_fee:u128 gas_used:u64 gas_limit:u64"
IN_BLOCK = " ".join("context_" + field for field in CONTEXT.split())
# The tables of section 7 behind the header: name:type, where a bare number is that many bytes, `u128*8` eight numbers,
# and reserved bytes, which are zero on write and ignored on read, have no name. The records of a node are left out:
# they do not come on a connection, and are skipped as any unknown message is.
TABLES = {
    1: ("Hello", "version_min:u16 version_max:u16 :4"),
    2: ("Welcome", "chain_id:u64 epoch:u64 version:u16 :6"),
    3: ("Close", "reason:u16 :6"),
    4: ("Heartbeat", "head_number:u64 head_hash:32"),
    5: ("Subscribe", "resume_epoch:u64 resume_sequence:u64 :24"),
    6: ("Gap", "first:u64 last:u64 recovery:u16 reason:u16 :4"),
    8: ("Caution", "is_safe:u8 :1 cause:u16 :4"),
    9: ("Challenge", "nonce:32"),
    10: ("Proof", "role:u16 name_length:u8 :5 name:32 nonce:32 mac:32"),
    16: ("Block", IN_BLOCK + " head_number:u64"),
    17: ("BlockEnd", "number:u64 hash:32 update_count:u32 :4"),
    18: ("Reorg", "ancestor_number:u64 ancestor_hash:32 old_head_number:u64 old_head_hash:32 depth:u32 :4"),
    19: ("SnapshotBegin", IN_BLOCK + " chain_id:u64 epoch:u64 token_count:u32 pool_count:u32 head_number:u64"),
    20: ("SnapshotEnd", "message_count:u32 :4"),
    21: ("Token", "token:u32 decimals:u8 symbol_length:u8 :2 address:20 :4 symbol:32"),
    22: ("Pool", "pool:u32 kind:u8 :1 venue:u16 address:20 token_0:u32 token_1:u32 fee_ppm:u32"
                 " tick_spacing:i32 known_tick_low:i32 known_tick_high:i32 :4"),
    23: ("V2Reserves", "pool:u32 :4 reserve_0:u128 reserve_1:u128"),
    24: ("V3Swap", "pool:u32 tick:i32 liquidity:u128 sqrt_price_x96:u256"),
    25: ("V3Liquidity", "pool:u32 tick_lower:i32 tick_upper:i32 :4 liquidity_delta:i128 :8"),
    26: ("V3Tick", "pool:u32 tick:i32 liquidity_net:i128 liquidity_gross:u128"),
    28: ("MultiTokenPool", "pool:u32 kind:u8 token_count:u8 venue:u16 address:20 base_pool:u32 variant:u16"
                           " amplification_precision:u16 bpt_index:u8 :3 decimals:u8*8 tokens:u32*8 underlying:u32*8"
                           " pool_id:32 vault:20 :4"),
    29: ("V4Pool", "pool:u32 venue:u16 :2 pool_id:32 address:20 hooks:20 token_0:u32 token_1:u32 key_fee:u32"
                   " tick_spacing:i32 known_tick_low:i32 known_tick_high:i32"),
    30: ("V4Swap", "pool:u32 tick:i32 liquidity:u128 sqrt_price_x96:u256 lp_fee_ppm:u32 protocol_fee_0:u16"
                   " protocol_fee_1:u16"),
    31: ("SolidlyReserves", "pool:u32 fee_ppm:u32 reserve_0:u128 reserve_1:u128"),
    32: ("CurveStableParameters", "pool:u32 is_paused:u8 :3 initial_a:u64 future_a:u64 initial_a_time:u64"
                                  " future_a_time:u64 fee:u64 admin_fee:u64 offpeg_fee_multiplier:u128"),
    33: ("PoolRates", "pool:u32 rates_use:u8 :3 valid_until:u64 rates:u128*8"),
    34: ("CurveStableBalances", "pool:u32 :4 base_cache_updated:u64 base_virtual_price:u128 supply:u128"
                                " balances:u128*8"),
    35: ("CurveCryptoParameters", "pool:u32 is_paused:u8 :3 initial_a:u64 initial_gamma:u64 future_a:u64"
                                  " future_gamma:u64 initial_time:u64 future_time:u64 mid_fee:u64 out_fee:u64"
                                  " fee_gamma:u64 allowed_extra_profit:u64 adjustment_step:u64 ma_time:u64"
                                  " admin_fee:u64"),
    36: ("CurveCryptoBalances", "pool:u32 is_not_adjusted:u8 :3 last_prices_time:u64 balances:u128*3"
                                " price_scale:u128*2 price_oracle:u128*2 last_prices:u128*2 d:u128 supply:u128"
                                " virtual_price:u128 xcp_profit:u128"),
    37: ("BalancerWeightedParameters", "pool:u32 is_paused:u8 :3 swap_fee:u64 weights:u64*8"),
    38: ("BalancerWeightedBalances", "pool:u32 :4 balances:u128*8"),
    39: ("BalancerStableParameters", "pool:u32 is_paused:u8 yield_fee_exempt:u8 :2 initial_a:u64 future_a:u64"
                                     " initial_a_time:u64 future_a_time:u64 swap_fee:u64 protocol_swap_fee:u64"
                                     " protocol_yield_fee:u64"),
    40: ("BalancerStableBalances", "pool:u32 :4 last_join_exit_amplification:u64 last_join_exit_invariant:u128"
                                   " supply:u128 balances:u128*8"),
    41: ("PoolStanding", "pool:u32 standing:u8 :1 parts:u16 block_number:u64 block_hash:32"),
}
MARKET = range(16, 48)  # The templates that are numbered, whether they are known or not.
TICK_MAX = 887272
KIND_V2, KIND_V3, KIND_V4 = 1, 2, 5
DESCRIPTIONS = "Pool", "V4Pool", "MultiTokenPool"
# What follows the description of a pool in a snapshot, by kind, ticks left out. Rates are told apart by their use.
PARTS = {1: ["V2Reserves"], 2: ["V3Swap"], 3: ["SolidlyReserves"], 4: ["SolidlyReserves"], 5: ["V4Swap"],
         6: ["CurveStableParameters", "PoolRates 1", "CurveStableBalances"],
         7: ["CurveCryptoParameters", "CurveCryptoBalances"],
         8: ["BalancerWeightedParameters", "BalancerWeightedBalances"],
         9: ["BalancerStableParameters", "PoolRates 1", "PoolRates 2", "BalancerStableBalances"]}
REPLAY, SNAPSHOT = 1, 2  # Gap recovery.
TRUSTED, QUARANTINED, RESTATED = 1, 2, 3  # Standings of a pool.
STATE_PARTS = {1: "terms", 2: "rates_swap", 4: "rates_last_join_exit", 8: "state", 16: "ticks"}
GAP_REASONS = {1: "it was slower than the stream", 2: "it was away", 3: "the relay began a new epoch",
               4: "a reorg goes back below the snapshot that it began with"}
CLOSE_REASONS = {1: "Shutdown", 2: "Evicted", 3: "Version", 4: "Malformed", 5: "HandshakeTimeout", 6: "Full",
                 7: "NotReady", 8: "Chain", 9: "Unauthorized", 10: "Disconnected"}
ROLE_SUBSCRIBE = 1


def _is_symbol(m):
    with contextlib.suppress(UnicodeDecodeError):
        m.symbol[:m.symbol_length].decode()
        return m.symbol_length <= 32
    return False


def _is_key_name(m):
    name = m.name[:m.name_length]
    return 1 <= m.name_length <= 32 and re.fullmatch(rb"[A-Za-z0-9._-]+", name) is not None


def _is_pool(m):
    ticks = m.tick_spacing, m.known_tick_low, m.known_tick_high
    fits_kind = {KIND_V2: ticks == (0, 0, 0),
                 KIND_V3: 1 <= ticks[0] <= 16383 and -TICK_MAX <= ticks[1] <= ticks[2] <= TICK_MAX}
    return fits_kind.get(m.kind, False) and m.token_0 != m.token_1 and m.fee_ppm < 1_000_000


def _is_multi_token_pool(m):
    count, least_most = m.token_count, {3: (2, 2), 4: (2, 2), 6: (2, 8), 7: (2, 3), 8: (2, 8), 9: (2, 8)}.get(m.kind)
    return (least_most is not None and least_most[0] <= count <= least_most[1]
            and (m.base_pool == 0xFFFFFFFF or m.kind == 6 and m.base_pool < m.pool)
            and m.amplification_precision > 0 and (m.bpt_index == 255 or m.kind == 9 and m.bpt_index < count)
            and max(m.decimals[:count]) <= (77 if m.kind in (3, 4) else 18)
            and len(set(m.tokens[:count])) == count)


def _is_v4_pool(m):
    return (m.token_0 != m.token_1 and (m.key_fee <= 1_000_000 or m.key_fee == 8388608)
            and 1 <= m.tick_spacing <= 32767 and -TICK_MAX <= m.known_tick_low <= m.known_tick_high <= TICK_MAX)


ACCEPTED = {  # The column of that name, where it says more than "any".
    "Hello": lambda m: m.version_min <= m.version_max,
    "Gap": lambda m: m.recovery in (REPLAY, SNAPSHOT),
    "Caution": lambda m: m.is_safe in (0, 1),
    "Proof": lambda m: m.role in (1, 2, 3) and _is_key_name(m),
    "Block": lambda m: m.head_number >= m.context_number,
    "Reorg": lambda m: m.depth > 0 and m.depth == m.old_head_number - m.ancestor_number,
    "SnapshotBegin": lambda m: m.head_number >= m.context_number,
    "Token": _is_symbol,
    "Pool": _is_pool,
    "V2Reserves": lambda m: max(m.reserve_0, m.reserve_1) < 1 << 112,
    "V3Swap": lambda m: abs(m.tick) <= TICK_MAX and m.sqrt_price_x96 < 1 << 160,
    "V3Liquidity": lambda m: -TICK_MAX <= m.tick_lower < m.tick_upper <= TICK_MAX,
    "V3Tick": lambda m: abs(m.tick) <= TICK_MAX and m.liquidity_gross > 0,
    "MultiTokenPool": _is_multi_token_pool,
    "V4Pool": _is_v4_pool,
    "V4Swap": lambda m: (abs(m.tick) <= TICK_MAX and m.sqrt_price_x96 < 1 << 160 and m.lp_fee_ppm <= 1_000_000
                         and max(m.protocol_fee_0, m.protocol_fee_1) <= 1000),
    "SolidlyReserves": lambda m: m.fee_ppm < 1_000_000,
    "CurveStableParameters": lambda m: m.is_paused < 2 and max(m.fee, m.admin_fee) <= 10 ** 10,
    "PoolRates": lambda m: m.rates_use in (1, 2),
    "CurveCryptoParameters": lambda m: m.is_paused < 2 and max(m.mid_fee, m.out_fee, m.admin_fee) <= 10 ** 10,
    "CurveCryptoBalances": lambda m: m.is_not_adjusted < 2,
    "BalancerWeightedParameters": lambda m: m.is_paused < 2 and max(m.swap_fee, *m.weights) <= 10 ** 18,
    "BalancerWeightedBalances": lambda m: max(m.balances) < 1 << 112,
    "BalancerStableParameters": lambda m: (
        m.is_paused < 2 and max(m.swap_fee, m.protocol_swap_fee, m.protocol_yield_fee) <= 10 ** 18),
    "BalancerStableBalances": lambda m: max(m.balances) < 1 << 112,
    "PoolStanding": lambda m: m.standing in (TRUSTED, QUARANTINED, RESTATED),
}


class Layout:
    """How the bytes of one template become a named tuple, and back."""

    CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i32": "i"}

    def __init__(self, name, fields):
        names, code, self.wide, self.lists = [], "<", [], []
        for field, kind in (item.split(":") for item in (HEADER + fields).split()):
            if not field:
                code += kind + "x"
                continue
            if "*" in kind:  # Bytes first, a tuple of numbers after.
                bits, count = kind[1:].split("*")
                self.lists.append((len(names), int(bits) // 8))
                kind = str(int(bits) // 8 * int(count))
            if kind in ("i128", "u128", "u256"):  # `struct` has no code for these: bytes first, a number after.
                self.wide.append((len(names), int(kind[1:]) // 8, kind[0] == "i"))
                kind = str(int(kind[1:]) // 8)
            code += self.CODES.get(kind, kind + "s")
            names.append(field)
        self.name, self.struct, self.tuple = name, struct.Struct(code), collections.namedtuple(name, names)
        self.accepts = ACCEPTED.get(name)

    def unpack(self, message):
        values = list(self.struct.unpack_from(message))
        for place, _, is_signed in self.wide:
            values[place] = int.from_bytes(values[place], "little", signed=is_signed)
        for place, size in self.lists:
            data = values[place]
            values[place] = tuple(int.from_bytes(data[at:at + size], "little") for at in range(0, len(data), size))
        return self.tuple._make(values)

    def pack(self, values):
        values = list(values)
        for place, size, is_signed in self.wide:
            values[place] = values[place].to_bytes(size, "little", signed=is_signed)
        for place, size in self.lists:
            values[place] = b"".join(number.to_bytes(size, "little") for number in values[place])
        return self.struct.pack(*values)


LAYOUTS = {template: Layout(*table) for template, table in TABLES.items()}
UNKNOWN = Layout("Unknown", "")  # All that is known of such a message is its header.
TEMPLATES = {layout.name: template for template, layout in LAYOUTS.items()}
Context = collections.namedtuple("Context", [field.split(":")[0] for field in CONTEXT.split()])


def _crc_table():
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        yield crc


CRC_TABLE = tuple(_crc_table())


def crc32c(data, table=CRC_TABLE):
    """CRC-32C; the table is an argument because a local name is what a loop in Python reads fastest."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


class FrameReader:
    """Cuts a byte stream into messages, in the order of checks of section 2: nothing unchecked is waited for."""

    def __init__(self):
        self.buffer = bytearray()

    def feed(self, data):
        self.buffer += data

    def __iter__(self):
        """The messages that are whole by now."""
        buffer = self.buffer
        while len(buffer) >= 4:
            length = int.from_bytes(buffer[:4], "little")
            if not 24 <= length <= 65535:
                raise FrameError(f"a frame of length {length}")
            if len(buffer) >= 10 and length != int.from_bytes(buffer[8:10], "little"):
                raise FrameError(f"a frame of length {length} around a message of another length")
            if len(buffer) < 8 + length:
                return
            message = bytes(buffer[8:8 + length])
            if crc32c(message) != int.from_bytes(buffer[4:8], "little"):
                raise FrameError("a frame whose checksum does not fit")
            del buffer[:8 + length]
            yield message


def decode(message):
    """The message as a named tuple; one of an unknown template as its header alone."""
    header = UNKNOWN.unpack(message)
    if header.schema_id != SCHEMA_ID:
        raise DecodeError(header.template_id, f"schema {header.schema_id} is not {SCHEMA_ID}")
    layout = LAYOUTS.get(header.template_id, UNKNOWN)
    if len(message) < layout.struct.size:  # A longer one is of a later version: the rest is skipped.
        raise DecodeError(header.template_id, f"{layout.name} of {len(message)} bytes is too short")
    decoded = layout.unpack(message)
    if layout.accepts and not layout.accepts(decoded):
        raise DecodeError(header.template_id, f"{layout.name} with a value that is not accepted: {decoded}")
    return decoded


def encode(name, *values, version=1, sequence=0, event_ns=0):
    """A whole frame: the fields behind the header in the order of the table."""
    layout = LAYOUTS[TEMPLATES[name]]
    message = layout.pack((layout.struct.size, TEMPLATES[name], SCHEMA_ID, version, sequence, event_ns, *values))
    return struct.pack("<II", len(message), crc32c(message)) + message


# ---- State: section 5 ------------------------------------------------------------------------------------------

class State:
    """What the stream describes. A message that does not fit raises `StateError` and leaves the state void."""

    def __init__(self, blocks_kept=64):
        self.history = collections.deque(maxlen=blocks_kept)  # For each block: block before, pools then, undo log.
        self.gaps, self.snapshots, self.live_messages = [], 0, 0
        self.chain_id, self.epoch = None, 0
        self.join()
        self.void()

    def void(self, sequence=None):
        """Forgets all but what is counted, until a snapshot comes. Gaps before that count from `sequence`, if any."""
        self.phase = "void"  # then "snapshot", then "whole" and "block" in turn
        self.sequence, self.tokens, self.pools, self.quarantined = sequence, [], [], set()
        self.block = self.opened = None  # Block of the state; block that is under way.
        self.head_number = self.replay_last = 0
        self.is_confirmed = True
        self.history.clear()

    def join(self):
        """A new connection: before version 3 nothing is said of the nodes, from then on at once."""
        self.is_safe = True

    @property
    def place(self):
        """Epoch and sequence to join from; (0, 0) if the state is not right. It may be inside a block."""
        return (self.epoch, self.sequence) if self.phase in ("whole", "block") else (0, 0)

    @property
    def is_tradable(self):
        """Whole, at the head, nothing missed that is still to be replayed, and the present connection said so.

        Nor may the relay have said that its nodes cannot be believed. Of a pool in quarantine this says nothing:
        before trading ask `is_pool_tradable` of each pool on the way.
        """
        return (self.phase == "whole" and self.block.number >= self.head_number
                and self.sequence >= self.replay_last and self.is_confirmed and self.is_safe)

    def is_pool_tradable(self, pool):
        """Whether this pool may be traded on now: the state may, and the pool is not in quarantine."""
        return self.is_tradable and pool < len(self.pools) and pool not in self.quarantined

    def resume(self, epoch):
        """A new connection, in `epoch`, is told the place of this state.

        Until its first word nobody knows whether something was missed, so the state may not be traded on. In
        another epoch it is void, but the gap that says so still counts from its sequence.
        """
        if epoch != self.epoch:
            self.void(self.sequence)
        self.is_confirmed = False

    def apply(self, m):
        """Applies a heartbeat, a gap, a caution or a market message; other messages say nothing of the state."""
        name = type(m).__name__
        is_live = self.phase in ("whole", "block") and name != "SnapshotBegin"
        try:
            if m.template_id in MARKET:
                if name != "SnapshotBegin":  # That one starts the count anew, wherever it comes.
                    self._require(self.phase != "void", m, "there is no state yet")
                    self._require(m.sequence == self.sequence + is_live, m, f"due is {self.sequence + is_live}")
                self._require(name != "Unknown", m, "it is part of the sequence, so the state is unknown, too")
                self.HANDLERS.get(name, State._change)(self, m)
                if is_live:
                    self.sequence, self.is_confirmed = m.sequence, True
                    self.live_messages += 1
            elif name in ("Heartbeat", "Gap"):
                self._require(self.sequence in (None, m.sequence), m, f"the last message was {self.sequence}")
                self.HANDLERS[name](self, m)
                self.is_confirmed = True
            elif name == "Caution":
                self._require(self.phase == "void" or self.sequence == m.sequence, m, f"the last was {self.sequence}")
                self._require(self.phase != "snapshot", m, "stands inside a snapshot")
                self.is_safe = bool(m.is_safe)
        except StateError:
            self.void()
            raise

    @staticmethod
    def _require(is_so, m, otherwise):
        if not is_so:
            raise StateError(f"{type(m).__name__} (template {m.template_id}, sequence {m.sequence}): {otherwise}")

    def _heartbeat(self, m):
        # The page does not say which head it names inside a block: that block or the one before.
        heads = [block[:2] for block in (self.block, self.opened) if block]
        self._require(not heads or (m.head_number, m.head_hash) in heads, m, "its head is not that of the state")

    def _gap(self, m):
        self._require(m.first == m.sequence + 1, m, "it does not begin at the next message")
        if m.recovery == REPLAY:
            self._require(self.place != (0, 0) and m.last >= m.first, m, "no replay could complete this state")
            self.replay_last = max(self.replay_last, m.last)
        else:
            self.void(self.sequence)
        self.gaps.append({"first": m.first, "last": m.last, "reason": m.reason, "recovery": m.recovery})

    def _snapshot_begin(self, m):
        self._require(self.chain_id in (None, m.chain_id), m, f"chain {m.chain_id} is not {self.chain_id}")
        self.void(m.sequence)
        self.phase, self.opened, self.count, self.due = "snapshot", Context(*m[6:13]), 0, []
        self.chain_id, self.epoch, self.head_number = m.chain_id, m.epoch, m.head_number
        self.token_count, self.pool_count = m.token_count, m.pool_count

    def _snapshot_end(self, m):
        found = self.phase, self.count, len(self.tokens), len(self.pools), self.due
        self._require(found == ("snapshot", m.message_count, self.token_count, self.pool_count, []), m,
                      "it does not end the snapshot that was announced")
        self.phase, self.block, self.opened = "whole", self.opened, None
        self.snapshots += 1

    def _block(self, m):
        self._require(self.phase == "whole", m, "stands inside a block or snapshot")
        self._require((m.context_number, m.context_parent_hash) == (self.block.number + 1, self.block.hash), m,
                      "does not follow the block before")
        self.phase, self.opened, self.count, self.head_number = "block", Context(*m[6:13]), 0, m.head_number
        self.pools_before, self.undo_log, self.restated, self.changed = len(self.pools), [], set(), set()

    def _block_end(self, m):
        self._require(self.phase == "block" and (m.number, m.hash, m.update_count) == (*self.opened[:2], self.count), m,
                      "it does not end the block that came")
        self.history.append((self.block, self.pools_before, self.undo_log, self.restated))
        self.phase, self.block, self.opened = "whole", self.opened, None

    def _reorg(self, m):
        self._require(self.phase == "whole", m, "stands inside a block or snapshot")
        self._require((m.old_head_number, m.old_head_hash) == self.block[:2], m, "its old head is not the block held")
        self._require(m.depth <= len(self.history), m, f"only {len(self.history)} blocks can be taken back")
        for _ in range(m.depth):
            self.block, pool_count, undo_log, restated = self.history.pop()
            for table, key, value in reversed(undo_log):
                self._put(table, key, value)
            self.quarantined |= restated  # What was wrong before is back.
            del self.pools[pool_count:]  # Tokens stay known. So does `head_number`: not tradable until a block.
        self.quarantined = {pool for pool in self.quarantined if pool < len(self.pools)}
        self._require((m.ancestor_number, m.ancestor_hash) == self.block[:2], m, "its ancestor is not the block held")

    @staticmethod
    def _put(table, key, value):
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value

    def _set(self, table, key, value):
        """Sets an entry of a pool or its ticks, or removes it (None), so that a reorg can take it back."""
        if self.phase == "block":
            self.undo_log.append((table, key, table.get(key)))
        self._put(table, key, value)

    def _change(self, m):
        """Any of the messages that describe or change tokens and pools."""
        self._require(self.phase in ("snapshot", "block"), m, "stands outside of a block or snapshot")
        name = type(m).__name__
        if self.phase == "snapshot":
            self._require(self._is_due_in_snapshot(m, name), m, "is not due at this place of a snapshot")
        self.CHANGES.get(name, State._part)(self, m)
        if self.phase == "block" and name not in ("Token", *DESCRIPTIONS):
            self.changed.add(m.pool)
        if self.phase == "snapshot":
            self.due = list(PARTS[self.pools[-1]["kind"]]) if name in DESCRIPTIONS else self.due[1:]
        self.count += 1

    def _is_due_in_snapshot(self, m, name):
        """Tokens come first, then the pools, each with its parts right behind it and then its ticks, ascending."""
        if name == "Token":
            return len(self.tokens) < self.token_count and not self.pools
        if name in DESCRIPTIONS:
            return len(self.tokens) == self.token_count and len(self.pools) < self.pool_count and not self.due
        if not self.pools or m.pool != len(self.pools) - 1:
            return False
        if name == "V3Tick":
            return not self.due and m.pool not in self.quarantined and m.tick > next(reversed(self.pools[-1].get("ticks", {})), -TICK_MAX - 1)
        return self.due[:1] == [self._part_name(m)]

    @staticmethod
    def _part_name(m):
        name = type(m).__name__
        return f"{name} {m.rates_use}" if name == "PoolRates" else name

    def _token(self, m):
        self._require(m.token == len(self.tokens), m, f"its id is not {len(self.tokens)}")
        self.tokens.append({"address": "0x" + m.address.hex(), "decimals": m.decimals,
                            "symbol": m.symbol[:m.symbol_length].decode()})

    def _add_pool(self, m, kind, tokens, more):
        self._require(m.pool == len(self.pools), m, f"its id is not {len(self.pools)}")
        self._require(max(tokens) < len(self.tokens), m, "a token of it was not described")
        pool = {"address": "0x" + m.address.hex(), "kind": kind, "tokens": list(tokens), **more}
        if kind == KIND_V2:
            pool["reserves"] = 0, 0
        elif kind in (KIND_V3, KIND_V4):  # Price 0: not initialised.
            pool.update(tick=0, liquidity=0, sqrt_price_x96=0, tick_spacing=m.tick_spacing,
                        known_ticks=[m.known_tick_low, m.known_tick_high], ticks={})
        if kind == KIND_V4:
            pool["fees"] = 0, 0, 0
        if kind not in (KIND_V2, KIND_V3, KIND_V4):  # All zero until a message says otherwise.
            for part in PARTS[kind]:
                zero = LAYOUTS[TEMPLATES[part.split()[0]]]
                pool[part] = self._values(zero.unpack(bytes(zero.struct.size)), len(tokens))
        self.pools.append(pool)

    def _pool(self, m):
        self._add_pool(m, m.kind, (m.token_0, m.token_1), {"fee_ppm": m.fee_ppm})

    def _v4_pool(self, m):
        self._add_pool(m, KIND_V4, (m.token_0, m.token_1), {
            "hooks": "0x" + m.hooks.hex(), "key_fee": m.key_fee, "pool_id": "0x" + m.pool_id.hex()})

    def _multi_token_pool(self, m):
        count = m.token_count
        is_base = m.base_pool == 0xFFFFFFFF or m.base_pool < len(self.pools) and self.pools[m.base_pool]["kind"] == 6
        self._require(is_base, m, "its base pool was not described, or is not of kind 6")
        self._require(max(m.underlying[:count]) < len(self.tokens), m, "a token that it wraps was not described")
        self._add_pool(m, m.kind, m.tokens[:count], {
            "variant": m.variant, "amplification_precision": m.amplification_precision,
            "base_pool": None if m.base_pool == 0xFFFFFFFF else m.base_pool,
            "bpt_index": None if m.bpt_index == 255 else m.bpt_index, "decimals": list(m.decimals[:count]),
            "underlying": list(m.underlying[:count]), "pool_id": "0x" + m.pool_id.hex(),
            "vault": "0x" + m.vault.hex()})

    def _get_pool(self, m, *kinds):
        self._require(m.pool < len(self.pools) and self.pools[m.pool]["kind"] in kinds, m,
                      f"no pool {m.pool} of kind {kinds} was described")
        return self.pools[m.pool]

    @staticmethod
    def _values(m, token_count):
        """The fields behind `pool`; of lists only what belongs to tokens of the pool."""
        prices = "price_scale", "price_oracle", "last_prices"  # These are of all coins but the first.
        return {key: value[:token_count - (key in prices)] if isinstance(value, tuple) else value
                for key, value in zip(m._fields[7:], m[7:]) if key != "rates_use"}

    def _part(self, m):
        """A message that carries all of one part of a pool."""
        part = self._part_name(m)
        pool = self._get_pool(m, *(kind for kind, parts in PARTS.items() if part in parts))
        self._set(pool, part, self._values(m, len(pool["tokens"])))

    def _v2_reserves(self, m):
        self._set(self._get_pool(m, KIND_V2), "reserves", (m.reserve_0, m.reserve_1))

    def _v3_swap(self, m):
        pool = self._get_pool(m, KIND_V3)
        for key in ("tick", "liquidity", "sqrt_price_x96"):
            self._set(pool, key, getattr(m, key))

    def _v4_swap(self, m):
        pool = self._get_pool(m, KIND_V4)
        for key in ("tick", "liquidity", "sqrt_price_x96"):
            self._set(pool, key, getattr(m, key))
        self._set(pool, "fees", (m.lp_fee_ppm, m.protocol_fee_0, m.protocol_fee_1))

    def _v3_tick(self, m):
        pool = self._get_pool(m, KIND_V3, KIND_V4)
        low, high = pool["known_ticks"]
        self._require(low <= m.tick <= high, m, "lies outside of the known range")
        self._require(self.phase == "snapshot" or m.pool >= self.pools_before or m.pool in self.restated, m,
                      "its pool is of an earlier block")
        self._set(pool["ticks"], m.tick, (m.liquidity_net, m.liquidity_gross))

    def _v3_liquidity(self, m):
        pool, delta = self._get_pool(m, KIND_V3, KIND_V4), m.liquidity_delta
        if m.tick_lower <= pool["tick"] < m.tick_upper:
            active = pool["liquidity"] + delta
            self._require(0 <= active < 1 << 128, m, "the active liquidity leaves its range")
            self._set(pool, "liquidity", active)
        low, high = pool["known_ticks"]
        for tick, net_delta in ((m.tick_lower, delta), (m.tick_upper, -delta)):
            if low <= tick <= high:
                net, gross = pool["ticks"].get(tick, (0, 0))
                net, gross = net + net_delta, gross + delta
                self._require(-1 << 127 <= net < 1 << 127 and 0 <= gross < 1 << 128, m,
                              f"the liquidity of tick {tick} leaves its range")
                self._set(pool["ticks"], tick, (net, gross) if gross else None)

    def _standing(self, m):
        """Whether a pool may be traded on: `quarantined` holds those that may not, whatever their state says."""
        self._require(m.pool < len(self.pools), m, f"no pool {m.pool} was described")
        if m.standing == RESTATED:
            self._require(self.phase == "block" and m.pool not in self.changed, m, "is not due at this place")
            self._restate(m.pool)
        elif self.phase == "snapshot":
            is_due = m.pool == len(self.pools) - 1 and not self.due and m.pool not in self.quarantined
            self._require(m.standing == QUARANTINED and is_due, m, "is not due at this place of a snapshot")
        else:
            self._require(self.phase == "whole", m, "stands inside a block")
            self._require(m.standing == QUARANTINED or m.pool in self.quarantined, m, "the pool is trusted already")
        if self.phase != "whole":
            self.count += 1
        self.quarantined.add(m.pool)
        if m.standing == TRUSTED:
            self.quarantined.remove(m.pool)

    def _restate(self, pool):
        """What was known of the pool is void. All else comes at once, in whole messages; its ticks one by one."""
        self.restated.add(pool)
        self.changed.add(pool)
        ticks = self.pools[pool].get("ticks", {})
        for tick in list(ticks):
            self._set(ticks, tick, None)

    HANDLERS = {"Heartbeat": _heartbeat, "Gap": _gap, "Block": _block, "BlockEnd": _block_end, "Reorg": _reorg,
                "SnapshotBegin": _snapshot_begin, "SnapshotEnd": _snapshot_end, "PoolStanding": _standing}
    CHANGES = {"Token": _token, "Pool": _pool, "V4Pool": _v4_pool, "MultiTokenPool": _multi_token_pool,
               "V2Reserves": _v2_reserves, "V3Swap": _v3_swap, "V4Swap": _v4_swap,
               "V3Liquidity": _v3_liquidity, "V3Tick": _v3_tick}

    def report(self):
        """The state for JSON; numbers that may exceed 2^53 as text. It is that after `block` in phase "whole" alone: a client that
        is stopped inside a block or snapshot has part of what comes next, and is not tradable."""
        pools = [{**pool, "is_tradable": self.is_pool_tradable(at)} for at, pool in enumerate(self.pools)]
        for pool in pools:
            if pool["kind"] == KIND_V2:
                pool["reserves"] = [str(reserve) for reserve in pool["reserves"]]
            elif pool["kind"] not in (KIND_V3, KIND_V4):
                for part in PARTS[pool["kind"]]:
                    pool[part] = {key: [str(number) for number in value] if isinstance(value, tuple) else str(value)
                                  for key, value in pool[part].items()}
            else:
                pool.update({key: str(pool[key]) for key in ("liquidity", "sqrt_price_x96")})
                pool["ticks"] = [[tick, str(net), str(gross)] for tick, (net, gross) in sorted(pool["ticks"].items())]
        block = self.block and {"hash": "0x" + self.block.hash.hex(), "number": self.block.number}
        return {"block": block, "chain_id": self.chain_id, "epoch": self.epoch, "gaps": self.gaps,
                "is_tradable": self.is_tradable, "live_messages": self.live_messages, "phase": self.phase, "pools": pools,
                "quarantined": sorted(self.quarantined),
                "sequence": self.sequence or 0, "snapshots": self.snapshots, "tokens": self.tokens}


# ---- Connection: section 4 -------------------------------------------------------------------------------------

class Key:
    """A secret of 32 bytes, by which the relay knows this client."""

    def __init__(self, name, secret):
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,32}", name) or len(secret) != 32:
            raise ValueError("a key is 32 bytes, and has a name of letters, digits, '.', '_' and '-'")
        self.name, self._secret = name.encode(), secret

    @classmethod
    def read(cls, name, path):
        try:
            return cls(name, bytes.fromhex(pathlib.Path(path).read_text(encoding="ascii")))
        except ValueError:  # Which may repeat what the file holds.
            raise Refused(f"{path} is not a key") from None

    def mac(self, welcome, challenge_nonce, nonce, role):
        """What section 4 says under "Keys"."""
        proven = (b"AlphaPulse relay proof" + struct.pack("<HQQ", welcome.version, welcome.chain_id, welcome.epoch)
                  + challenge_nonce + nonce + struct.pack("<HB", role, len(self.name)) + self.name)
        return hmac.new(self._secret, proven, hashlib.sha256).digest()

    def proof(self, welcome, challenge, role=ROLE_SUBSCRIBE):
        nonce = secrets.token_bytes(32)
        mac = self.mac(welcome, challenge.nonce, nonce, role)
        return encode("Proof", role, len(self.name), self.name, nonce, mac, version=3)


class Progress:
    """Says from time to time how far a state is. The relay's heartbeats make it speak where the chain is silent."""

    def __init__(self, seconds, log):
        self.seconds, self.log = seconds, log
        self.told_at, self.told_messages = time.monotonic(), 0

    def note(self, state):
        passed = time.monotonic() - self.told_at
        if passed < self.seconds or not state.block:
            return
        rate = (state.live_messages - self.told_messages) / passed if passed > 0 else 0.0
        self.told_at, self.told_messages = self.told_at + passed, state.live_messages
        gaps = f", {len(state.gaps)} gaps" if state.gaps else ""
        but = f" but for {len(state.quarantined)} in quarantine" if state.quarantined else ""
        self.log(f"block {state.block.number}, {state.live_messages} messages ({rate:.0f}/s){gaps}, "
                 + ("tradable" + but if state.is_tradable else "not tradable"))


def gap_words(gap):
    """A gap of `State.gaps` for people."""
    first, last = gap["first"], gap["last"]
    if last == first:
        what = f"message {first} was"
    elif last > first:
        what = f"messages {first} to {last} were"
    else:  # Of another epoch nobody can say how many.
        what = f"messages from {first} on were"
    why = GAP_REASONS.get(gap["reason"], f"for reason {gap['reason']}")
    then = "they follow now, late" if gap["recovery"] == REPLAY else "a snapshot of the whole state follows"
    return f"{what} missed: {why}; {then}"


def standing_words(state, m, before):
    """What a message changed of what may be traded on, pool by pool for people; `before` held the quarantined."""
    def name(pool):
        return f"pool {pool} ({state.pools[pool]['address']})"

    is_standing = type(m).__name__ == "PoolStanding"
    parts = ", ".join(word for bit, word in STATE_PARTS.items() if is_standing and m.parts & bit) or "not said what"
    for pool in sorted(state.quarantined - before):
        why = f"differs from the chain after block {m.block_number} ({parts})" if is_standing else "by a reorg, again"
        yield f"{name(pool)} is in quarantine, not to be traded on: {why}"
    if is_standing and m.standing == RESTATED:
        yield f"{name(m.pool)} is told anew as of block {m.block_number}; still in quarantine"
    if is_standing and m.standing == TRUSTED:
        yield f"{name(m.pool)} was found equal to the chain after block {m.block_number}: out of quarantine"


class Stopped(BaseException):
    """Somebody asked for the end."""


class Stop:
    """Ends the program between two messages, never in the middle of one: the state is to be printed."""

    def __init__(self):
        self.is_asked = self.is_waiting = False

    def watch(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        return self

    def _on_signal(self, *_):
        self.is_asked = True
        if self.is_waiting:
            self.is_waiting = False
            raise Stopped

    @contextlib.contextmanager
    def waiting(self):
        """For what may take long and changes nothing."""
        self.is_waiting = True
        try:
            self.check()
            yield
        finally:
            self.is_waiting = False

    def check(self):
        if self.is_asked:
            raise Stopped


class Client:
    """Joins a relay, and joins it again when the connection breaks, until there is reason to end."""

    TRIES_MAX = 20
    SILENCE_MAX = 30.0  # Seconds. A relay that lives sends heartbeats; how often, the wire does not say.

    def __init__(self, connect, drop_after=None, pause=0.0, messages=None, log=lambda text: None, key=None,
                 progress=None, until_shutdown=False, stop=None):
        self.stop = stop or Stop()
        self.key, self.progress, self.until_shutdown = key, progress, until_shutdown
        self.connect, self.drop_after, self.pause, self.messages, self.log = connect, drop_after, pause, messages, log
        self.state, self.joins, self.tries, self.place_named = State(), 0, 0, None

    def run(self):
        """Returns when enough messages were applied, an end was asked for, or the relay shut down where that ends it."""
        with contextlib.suppress(Stopped):
            self._follow()

    def _follow(self):
        while True:
            try:
                with self.stop.waiting():
                    connection = self.connect()
                with connection as sock:
                    if self._is_end_of(sock):
                        return
                self.log(f"dropped the connection at sequence {self.state.sequence}")
                with self.stop.waiting():
                    time.sleep(self.pause)
            except (Refused, ssl.SSLCertVerificationError):
                raise
            except (OSError, RelayError) as error:
                self.tries += 1
                if self.tries >= self.TRIES_MAX:
                    raise Refused(f"gave up after {self.tries} tries in a row: {error}") from error
                self.log(f"{error}; joining again")
                with self.stop.waiting():
                    time.sleep(min(1.0, 0.02 * 2 ** self.tries))

    def _is_end_of(self, sock):
        """Follows a connection until there is reason to end (True) or to drop it as `drop_after` says (False)."""
        sock.settimeout(self.SILENCE_MAX)
        self._send(sock, encode("Hello", VERSION_MIN, VERSION_MAX))
        is_welcome, welcome, state = False, None, self.state
        for m in self._messages(sock):
            name = type(m).__name__
            if name == "Close":
                reason = CLOSE_REASONS.get(m.reason, m.reason)
                self.log(f"the relay closed: {reason}")
                if reason == "Shutdown" and self.until_shutdown:
                    return True  # Else it is joined again, as after any loss: a relay that is restarted says the same.
                is_final = reason in ("Version", "Malformed", "Chain", "Unauthorized", "Disconnected")
                raise (Refused if is_final else RelayError)(f"closed by the relay: {reason}")
            if name in ("Hello", "Subscribe", "Proof") or name != "Unknown" and is_welcome == (name == "Welcome"):
                state.void()
                raise StateError(f"{name} is not due")
            if name == "Welcome":
                is_welcome, welcome = True, m
                if not self.key:
                    self._subscribe(sock, m)
                elif m.version < 3:
                    raise Refused(f"the relay speaks version {m.version}, which knows no keys")
                continue
            if name == "Challenge":
                if not self.key:
                    raise Refused("the relay asks for a key")
                if not welcome:
                    raise StateError("a second challenge")
                self._subscribe(sock, welcome, self.key.proof(welcome, m))
                welcome = None
                continue
            if self.key and welcome:
                raise Refused("the relay asks for no key: it is not the one that is meant")
            live_before, quarantined_before = state.live_messages, frozenset(state.quarantined)
            state.apply(m)
            for words in standing_words(state, m, quarantined_before):
                self.log(words)
            if state.phase != "block":
                self.stop.check()
            if name == "Heartbeat" or state.live_messages > live_before:
                self.tries = 0  # A snapshot alone is no progress: what comes behind it may be wrong each time.
            if name == "Gap":
                self.log(f"gap: {gap_words(state.gaps[-1])}")
            # Inside a block or a snapshot nobody may trade, which says nothing of how the relay is.
            if self.progress and name in ("BlockEnd", "SnapshotEnd", "Heartbeat", "Caution"):
                self.progress.note(state)
            if self.drop_after is not None and state.live_messages >= self.drop_after:
                self.drop_after = None
                return False
            if self.messages is not None and state.live_messages >= self.messages and state.is_tradable:
                return True

    def _subscribe(self, sock, welcome, proof=b""):
        """Says where the state stands, from version 2 on; before, a snapshot comes whatever the state is."""
        state = self.state
        if not VERSION_MIN <= welcome.version <= VERSION_MAX:
            raise Refused(f"the relay speaks version {welcome.version}")
        if state.chain_id not in (None, welcome.chain_id):
            raise Refused(f"the relay serves chain {welcome.chain_id}, no longer {state.chain_id}")
        self.joins += 1
        state.join()
        state.chain_id = welcome.chain_id
        # The place that brought the last connection no further is not tried again: a snapshot leads out of it.
        place = state.place if welcome.version >= 2 and state.place != self.place_named else (0, 0)
        self.place_named = place if place != (0, 0) else None
        if self.place_named:
            state.resume(welcome.epoch)
        else:
            state.void()
        self.log(f"joined: chain {welcome.chain_id}, epoch {welcome.epoch}, version {welcome.version}, "
                 + (f"from sequence {place[1]} of epoch {place[0]}" if self.place_named else "for a snapshot"))
        if welcome.version >= 2:
            self._send(sock, proof + encode("Subscribe", *place, version=2))

    @staticmethod
    def _send(sock, data):
        with contextlib.suppress(ConnectionError):  # A relay that closed already said why: that is still to be read.
            sock.sendall(data)

    def _messages(self, sock):
        """The messages of a connection until it is lost, without those whose loss does no harm."""
        frames = FrameReader()
        while data := self._receive(sock):
            frames.feed(data)
            for message in frames:
                try:
                    yield decode(message)
                except DecodeError as error:
                    if error.template_id in MARKET or error.template_id in (TEMPLATES["Gap"], TEMPLATES["Caution"]):
                        self.state.void()  # A lost market message leaves a hole, a lost gap or caution hides one.
                        raise
                    self.log(f"skipped a message: {error}")
        raise ConnectionError("the connection was lost")

    def _receive(self, sock):
        with self.stop.waiting():
            return sock.recv(1 << 16)


# ---- Self-test: section 11 -------------------------------------------------------------------------------------

def read_golden(path):
    """The messages of a golden file, each with the fields that its comments tell: {name: value}."""
    text, told = path.read_text(), []
    for offset, name, value in re.findall(r"# (\d+): (\S+) = (\S+)", text):
        if offset == "0":
            told.append({})
        told[-1][name.replace("header.version", "form").removeprefix("header.").replace(".", "_")] = value
    frames = FrameReader()
    frames.feed(bytes.fromhex("".join(re.sub("#.*", "", text).split())))
    messages = list(frames)
    if frames.buffer or not messages or len(messages) != len(told):
        raise RelayError(f"{path} is not a row of whole frames")
    return zip(messages, told)


def self_test(directory):
    """Holds decoder and state against the golden files; returns how many frames and states were checked."""
    def check(is_so, text):
        if not is_so:
            raise RelayError(f"self-test: {text}")

    check(crc32c(b"123456789") == 0xE3069283, "CRC-32C")
    frame_count, sessions = 0, {}
    for path in sorted(pathlib.Path(directory).glob("v*/*.hex")):
        for message, told in read_golden(path):
            m = decode(message)
            for name, value in m._asdict().items():
                if isinstance(value, tuple):
                    expected = tuple(told.get(f"{name}[{at}]") for at in range(len(value)))
                    is_told = expected == tuple(str(number) for number in value)
                else:
                    is_told = told.get(name) == ("0x" + value.hex() if isinstance(value, bytes) else str(value))
                check(is_told, f"{path}: {name} is {value}")
            if m.template_id in LAYOUTS:
                again = encode(type(m).__name__, *m[6:], version=m.form, sequence=m.sequence, event_ns=m.event_ns)
                check(again[8:] == message, f"{path}: {type(m).__name__} does not encode to the same bytes")
            sessions.setdefault(path.stem, []).append(m)
            frame_count += 1
    known = {"session", "resumed_session", "kinds_session"}
    check(known <= sessions.keys(), f"{directory} does not hold the golden files")

    e18 = 10 ** 18

    def whole(hash_byte, is_tradable, reserves, active=None, ticks=None):
        v3 = [] if active is None else [(active * e18, {t: (n * e18, g * e18) for t, (n, g) in ticks.items()})]
        return hash_byte, is_tradable, [tuple(r * e18 for r in reserves)], v3

    def seen(state):
        v3 = [(pool["liquidity"], pool["ticks"]) for pool in state.pools if pool["kind"] == KIND_V3]
        v2 = [pool["reserves"] for pool in state.pools if pool["kind"] == KIND_V2]
        return state.block and (state.block.hash[0], state.is_tradable, v2, v3)

    at_100 = (100, 200000), 5, {-60: (5, 5), 60: (-5, 5)}
    at_101 = (101, 198026), 7, {-60: (7, 7), 60: (-5, 5), 120: (-2, 2)}
    other_101 = (100, 200000), 1, {-60: (1, 1), 60: (-1, 1)}
    v1_states = {("SnapshotEnd", 0): whole(0x64, True, *at_100), ("BlockEnd", 4): whole(0x65, True, *at_101),
                 ("Heartbeat", 4): whole(0x65, True, *at_101), ("Reorg", 5): whole(0x64, False, *at_100),
                 ("BlockEnd", 8): whole(0x75, True, *other_101)}
    v2_states = {("Gap", 4): whole(0x65, False, *at_101), ("Reorg", 5): whole(0x64, False, *at_100),
                 ("BlockEnd", 8): whole(0x75, True, *other_101), ("Gap", 8): None,
                 ("SnapshotEnd", 0): whole(0x76, True, (102, 196079))}
    state_count = 0

    def follow(state, messages, states):
        nonlocal state_count
        for m in messages:
            state.apply(m)
            place = type(m).__name__, m.sequence
            if place in states:
                check(seen(state) == states[place], f"the state after {place} is {seen(state)}")
                state_count += 1

    [challenge], [proof] = sessions["Challenge"], sessions["Proof"]
    welcome = sessions["Welcome"][0]._replace(version=3)
    mac = Key("trader-1", bytes(range(32))).mac(welcome, challenge.nonce, proof.nonce, proof.role)
    check(mac == proof.mac, "the proof of a key")

    first = sessions["session"]
    follow(State(), first, v1_states)
    state = State()
    follow(state, first[:[type(m).__name__ for m in first].index("Heartbeat") + 1], {})
    _, welcome, subscribe, *rest = sessions["resumed_session"]
    check(state.place == subscribe[6:], f"the place is {state.place}")
    state.resume(welcome.epoch)
    follow(state, rest, v2_states)
    check((state.epoch, state.sequence, state.snapshots, len(state.gaps)) == (8, 0, 2, 2), "the end of the session")
    check(state_count == len(v1_states) + len(v2_states), f"only {state_count} states were met")
    state_count += _kinds_self_test(sessions["kinds_session"], check)
    return frame_count, state_count


def _kinds_self_test(messages, check):
    """The session with a pool of each kind: what section 11 tells of it. Returns how many states were checked."""
    state, found = State(), {}
    for m in messages:
        state.apply(m)
        name = type(m).__name__
        if name in ("SnapshotEnd", "BlockEnd", "Reorg"):
            found[name, m.sequence] = copy.deepcopy(state.pools)
    check(state.is_tradable and list(found) == [("SnapshotEnd", 0), ("BlockEnd", 17), ("Reorg", 18), ("BlockEnd", 21)],
          "the places of the session of every kind")
    before, changed, back, other = found.values()
    e18 = 10 ** 18
    check([pool["kind"] for pool in before] == [1, 2, 3, 4, 5, 6, 6, 7, 8, 9], "the kinds")
    check(before[6]["base_pool"] == 5 and before[9]["bpt_index"] == 1, "the meta pool and the composable pool")
    check(before[6]["CurveStableBalances"] == {
        "base_cache_updated": 1700002300, "base_virtual_price": e18 + 5, "supply": 110 * e18,
        "balances": (50 * e18, 60 * e18)}, "the meta pool's state")
    check(before[5]["PoolRates 1"]["rates"] == (e18, 10 ** 30, 10 ** 30), "the base pool's rates")
    check(all(pool != old for pool, old in zip(changed, before)), "every pool changes in block 201")
    check(changed[4]["ticks"] == {} and changed[4]["fees"] == (450, 100, 200) and changed[4]["tick"] == -61, "V4")
    check(changed[7]["CurveCryptoBalances"]["price_oracle"] == (e18 + 9, 2001 * e18 + 1), "CryptoSwap's prices")
    check(changed[9]["PoolRates 2"]["rates"][2] == e18 * 12 // 10, "the rates at the last join or exit")
    check(back == before, "the reorg takes all back")
    check(other == before[:8] + changed[8:9] + before[9:], "the other block 201 changes pool 8 alone")
    check(other[8]["BalancerWeightedBalances"]["balances"] == (81 * e18, 38_100 * e18), "the weighted pool")
    return len(found)


# ---- Command line ----------------------------------------------------------------------------------------------

def _number(kind, low):
    def number(text):
        if not low <= (value := kind(text)) < float("inf"):
            raise ValueError
        return value
    return number


def _address(text):
    host, _, port = text.rpartition(":")
    if not host or not 0 < int(port) < 65536:
        raise ValueError
    return host.strip("[]"), int(port)


def _key(text):
    name, _, path = text.partition(":")
    if not path:
        raise ValueError
    return name, path


def _connect_tls(address, context, name):
    sock = socket.create_connection(address, timeout=Client.SILENCE_MAX)
    try:
        return context.wrap_socket(sock, server_hostname=name)
    except BaseException:
        sock.close()
        raise


def _tls_context(ca_file):
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _connect_unix(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    return sock


def main():
    parser = argparse.ArgumentParser(description="Follows a market-data relay and prints the state it ends with.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--unix", metavar="PATH", help="join the relay on this unix socket")
    what.add_argument("--tcp", metavar="HOST:PORT", type=_address, help="join the relay on this address")
    what.add_argument("--self-test", metavar="DIR", help="check this program against golden files (v1/ to v3/)")
    parser.add_argument("--key-file", metavar="NAME:PATH", type=_key, help="prove this key (64 hex digits) on TCP")
    parser.add_argument("--tls-ca", metavar="FILE", help="use TLS on TCP, and trust these certificates (PEM)")
    parser.add_argument("--tls-name", metavar="NAME", help="name in the relay's certificate (default: HOST)")
    parser.add_argument("--drop-after", metavar="N", type=_number(int, 1),
                        help="leave once, after N live messages, and come back")
    parser.add_argument("--pause", metavar="SECONDS", type=_number(float, 0), default=0.0,
                        help="how long to stay away then")
    parser.add_argument("--messages", metavar="N", type=_number(int, 0),
                        help="end at the first state that may be traded on after N live messages")
    parser.add_argument("--until-shutdown", action="store_true",
                        help="end when the relay shuts down, in place of joining it again")
    parser.add_argument("--progress", metavar="SECONDS", type=_number(float, 0), default=5.0,
                        help="how often to say on stderr how far it is (default: 5)")
    parser.add_argument("--quiet", action="store_true", help="nothing on stderr but errors")
    args = parser.parse_args()
    if args.self_test is not None:
        frames, states = self_test(args.self_test)
        print(f"{frames} frames and {states} states are as they should be")
        return
    connect = (functools.partial(_connect_unix, args.unix) if args.unix is not None
               else functools.partial(socket.create_connection, args.tcp, timeout=Client.SILENCE_MAX))
    if args.tls_ca is not None and args.tcp is not None:
        name = args.tls_name or args.tcp[0]
        connect = functools.partial(_connect_tls, args.tcp, _tls_context(args.tls_ca), name)
    key = Key.read(*args.key_file) if args.key_file and args.tcp is not None else None
    log = (lambda text: None) if args.quiet else functools.partial(print, file=sys.stderr, flush=True)
    progress = None if args.quiet else Progress(args.progress, log)
    client = Client(connect, args.drop_after, args.pause, args.messages, log, key, progress, args.until_shutdown,
                    Stop().watch())
    client.run()
    print(json.dumps({**client.state.report(), "joins": client.joins}, sort_keys=True, separators=(",", ":")))


if __name__ == "__main__":
    try:
        main()
    except (OSError, RelayError, KeyboardInterrupt) as error:
        sys.exit(f"relay_client: {error or type(error).__name__}")
