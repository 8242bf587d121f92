// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

// Contracts that are never deployed: a node runs their constructors in `eth_call`, and what would become code is the answer. So
// one request asks many questions of one block, at any node, without a contract that somebody had to deploy before.
//
// What is returned obeys the limits of code: at most 24,576 bytes (EIP-170), 200 gas for each, the first not 0xEF (EIP-3541).
// Where an answer would not fit, or the gas might not suffice, what is done is returned, and the rest is asked for again.

uint256 constant BYTES_MAX = 24_000;
// For returning as many bytes as there may be, and for what comes after a call.
uint256 constant GAS_RESERVE = BYTES_MAX * 200 + 300_000;

/// @title Calls contracts one after another.
/// @dev Answer: byte 1, then for each call a byte (0 failed, 1 succeeded, 2 must be asked alone), three bytes of length, the data.
contract Lens {
    struct Call {
        address target;
        uint256 gas;
        bytes data;
    }

    constructor(Call[] memory calls) {
        bytes memory answer = new bytes(BYTES_MAX);
        answer[0] = 0x01;
        uint256 used = 1;
        for (uint256 i = 0; i < calls.length; i++) {
            Call memory call = calls[i];
            // A call gets at most 63 of 64 parts of what is left (EIP-150): with less than it asks for it might fail for us alone.
            if ((gasleft() * 63) / 64 < call.gas + GAS_RESERVE) break;
            uint256 next = _run(call, answer, used);
            if (next == 0) break;
            used = next;
        }
        assembly ("memory-safe") {
            return(add(answer, 32), used)
        }
    }

    /// Where the next answer goes; 0 when this one has no room.
    function _run(Call memory call, bytes memory answer, uint256 used) private view returns (uint256 next) {
        (address target, uint256 gas_, bytes memory data) = (call.target, call.gas, call.data);
        uint256 before = gasleft();
        bool success;
        uint256 size;
        assembly ("memory-safe") {
            success := staticcall(gas_, target, add(data, 32), mload(data), 0, 0)
            size := returndatasize()
        }
        // It may have failed for want of gas, here or in what it called.
        bool isStarved = !success && before - gasleft() >= gas_ - gas_ / 32;
        // Reasons of failures are not kept.
        if (!success) size = 0;
        bool isAlone = isStarved || size > BYTES_MAX - 5;
        if (isAlone) size = 0;
        next = used + 4 + size;
        if (next > BYTES_MAX) return 0;
        uint256 state = isAlone ? 2 : success ? 1 : 0;
        uint256 head = state << 248 | size << 224;
        assembly ("memory-safe") {
            let place := add(add(answer, 32), used)
            mstore8(place, byte(0, head))
            mstore8(add(place, 1), byte(1, head))
            mstore8(add(place, 2), byte(2, head))
            mstore8(add(place, 3), byte(3, head))
            returndatacopy(add(place, 4), 0, size)
        }
    }
}

interface IConcentrated {
    function tickBitmap(int16 word) external view returns (uint256);
}

interface IManager {
    function extsload(bytes32 slot) external view returns (bytes32);
}

/// @title Reads the initialised ticks of a pool of concentrated liquidity.
/// @dev Answer: byte 1, three bytes of the first word of the bitmap that was not read, then for each tick three bytes of the tick,
/// 16 of its net and 16 of its gross liquidity. Reverts where the pool does not answer.
contract TickScan {
    // What a word with all its ticks set may cost and take.
    uint256 private constant WORD_GAS = 256 * 12_000;
    uint256 private constant WORD_BYTES = 256 * 35;
    // Place of the pools in a V4 manager, and of a pool's maps from its first slot (`StateLibrary`).
    uint256 private constant POOLS_SLOT = 6;
    uint256 private constant TICKS_OFFSET = 4;
    uint256 private constant BITMAP_OFFSET = 5;

    /// @param id of the pool in a V4 manager, zero for a pool with V3's functions.
    constructor(address pool, bytes32 id, int24 spacing, int24 low, int24 high) {
        bytes memory answer = new bytes(BYTES_MAX);
        uint256 base = id == 0 ? 0 : uint256(keccak256(abi.encode(id, POOLS_SLOT)));
        uint256 used = 4;
        int24 word = low;
        for (; word <= high; word++) {
            if (used + WORD_BYTES > BYTES_MAX || gasleft() < GAS_RESERVE + WORD_GAS) break;
            uint256 bits = base == 0
                ? IConcentrated(pool).tickBitmap(int16(word))
                : _load(pool, keccak256(abi.encode(word, base + BITMAP_OFFSET)));
            for (uint256 bit = 0; bits >> bit != 0; bit++) {
                if ((bits >> bit) & 1 == 0) continue;
                int24 tick = (word * 256 + int24(uint24(bit))) * spacing;
                (uint128 gross, int128 net) = _tick(pool, base, tick);
                uint256 packed = uint256(uint24(tick)) << 232 | uint256(uint128(net)) << 104;
                assembly ("memory-safe") {
                    let place := add(add(answer, 32), used)
                    mstore(place, packed)
                    mstore(add(place, 19), shl(128, gross))
                }
                used += 35;
            }
        }
        answer[0] = 0x01;
        answer[1] = bytes1(uint8(uint24(word) >> 16));
        answer[2] = bytes1(uint8(uint24(word) >> 8));
        answer[3] = bytes1(uint8(uint24(word)));
        assembly ("memory-safe") {
            return(add(answer, 32), used)
        }
    }

    function _load(address manager, bytes32 slot) private view returns (uint256) {
        return uint256(IManager(manager).extsload(slot));
    }

    function _tick(address pool, uint256 base, int24 tick) private view returns (uint128 gross, int128 net) {
        if (base != 0) {
            uint256 packed = _load(pool, keccak256(abi.encode(tick, base + TICKS_OFFSET)));
            return (uint128(packed), int128(uint128(packed >> 128)));
        }
        // Forks widen what follows these two words.
        (bool success, bytes memory data) = pool.staticcall(abi.encodeWithSignature("ticks(int24)", tick));
        require(success && data.length >= 64);
        return abi.decode(data, (uint128, int128));
    }
}
