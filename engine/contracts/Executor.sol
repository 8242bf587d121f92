// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

interface IERC20 {
    function balanceOf(address account) external view returns (uint256);
}

interface IV2Pair {
    function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 timestamp);
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes calldata data) external;
}

interface IV3Pool {
    function swap(address recipient, bool zeroForOne, int256 amountSpecified, uint160 sqrtPriceLimitX96, bytes calldata data)
        external
        returns (int256 amount0, int256 amount1);
}

/// @title Atomic arbitrage, flash-funded by the pools that it trades in
/// @notice Takes the first pool's output on credit, runs the other legs with it, pays the first pool from the last leg's
/// output, and sends what is left to one fixed address; or reverts as a whole. Several swaps that balance together, such as
/// a trade split over pools, are run likewise: each either pays from what is held or is paid for once the rest is done.
/// @dev Guarantees
/// - Needs no capital, holds no allowance, and makes no call but to tokens and to pools derived from its venues.
/// - Only `owner` can start a trade. A callback is served only inside that trade, only to the one pool that is expected,
///   only with the bytes that we gave to it, and only once.
/// - A trade ends with at least `profitMin` more of its token than it began with, or it reverts.
/// - Tokens leave only to a pool in payment of a leg, or to `profitRecipient`.
/// Refusals: no upgrade, no setter, no delegatecall, no selfdestruct, no Ether, no arbitrary call.
/// Every role and venue is immutable, so that the code hash pins them all.
contract Executor {
    /// @param factory Deployer of the pools (for PancakeSwap V3 its pool deployer).
    /// @param initCodeHash keccak256 of the pools' creation code.
    /// @param kind KIND_V2 or KIND_V3.
    /// @param feePpm Fee of a V2 pool in parts per million; 0 for V3, whose fee is part of the pool's key.
    struct Venue {
        address factory;
        bytes32 initCodeHash;
        uint8 kind;
        uint24 feePpm;
    }

    /// @param venue Index of a venue.
    /// @param fee V3 fee tier in parts per million; not read for V2.
    struct Leg {
        uint16 venue;
        address tokenIn;
        address tokenOut;
        uint24 fee;
    }

    /// @param blockMin First block in which the plan may run.
    /// @param blockMax Last block in which the plan may run.
    /// @param amountIn Input of the first leg, raw units of its token.
    /// @param profitMin Least acceptable gain, raw units of the same token.
    /// @param legs 2 to 4 legs; each begins with the token in which the one before ended, and the last ends where the first began.
    struct Plan {
        uint64 blockMin;
        uint64 blockMax;
        uint256 amountIn;
        uint256 profitMin;
        Leg[] legs;
    }

    /// @param leg Pool and direction.
    /// @param amountIn Input, raw units of the leg's tokenIn.
    /// @param onCredit Whether the pool gives its output first and is paid after all that follows; else it is paid before,
    /// from what is held.
    struct Swap {
        Leg leg;
        uint256 amountIn;
        bool onCredit;
    }

    /// @param blockMin First block in which the plan may run.
    /// @param blockMax Last block in which the plan may run.
    /// @param token Token of the gain.
    /// @param profitMin Least acceptable gain, raw units of `token`.
    /// @param swaps 2 to 12 swaps, in the order in which they are made. What is left of other tokens stays here, for `sweep`.
    struct SwapPlan {
        uint64 blockMin;
        uint64 blockMax;
        address token;
        uint256 profitMin;
        Swap[] swaps;
    }

    /// What `_pool` knows of a leg's pool.
    struct Pool {
        address account;
        bool isV3;
        uint256 feePpm;
    }

    event Executed(address indexed token, uint256 amountIn, uint256 gain);
    event Swept(address indexed token, uint256 amount);
    event PauseChanged(bool paused);

    error ZeroAddress();
    error BadVenue(uint256 index);
    error NotOwner();
    error NotGuardian();
    error ExecutionPaused();
    error Reentered();
    error OutsideBlockWindow(uint256 blockNumber);
    error AmountTooLarge();
    error BadLegCount(uint256 count);
    error BrokenRoute(uint256 leg);
    error UnknownVenue(uint256 venue);
    error UnexpectedCallback(address caller);
    error PartialFill(address pool, uint256 consumed);
    error TransferFailed(address token);
    error ProfitBelowFloor(uint256 gain);

    uint8 private constant KIND_V2 = 0;
    uint8 private constant KIND_V3 = 1;
    uint256 private constant PPM = 1_000_000;
    uint256 private constant VENUES_MAX = 8;
    uint256 private constant LEGS_MIN = 2;
    uint256 private constant LEGS_MAX = 4;
    uint256 private constant SWAPS_MAX = 12;

    /// One inside the bounds that UniswapV3Pool.swap demands (TickMath.MIN_SQRT_RATIO, MAX_SQRT_RATIO).
    uint160 private constant SQRT_PRICE_MIN = 4295128740;
    uint160 private constant SQRT_PRICE_MAX = 1461446703485210103287273052203988822378723970341;

    /// Length of the callback data of a V3 leg after the first: the token to pay with, nothing else.
    uint256 private constant PAY_ONLY_BYTES = 32;

    /// Marks the first word of callback data as the place of a swap in a `SwapPlan`; in that of a `Plan` it is an amount, which
    /// is below this.
    uint256 private constant ON_CREDIT = 1 << 255;

    /// Values of `flight` that are not a digest.
    bytes32 private constant IDLE = bytes32(0);
    bytes32 private constant BUSY = bytes32(uint256(1));

    address public immutable owner;
    address public immutable guardian;
    address public immutable profitRecipient;
    uint256 public immutable venueCount;

    // A venue is two words: factory | kind << 160 | feePpm << 168, and the init code hash. Immutables rather than an array in
    // storage, which would cost 4200 gas for each venue touched.
    uint256 private immutable key0;
    uint256 private immutable key1;
    uint256 private immutable key2;
    uint256 private immutable key3;
    uint256 private immutable key4;
    uint256 private immutable key5;
    uint256 private immutable key6;
    uint256 private immutable key7;
    bytes32 private immutable hash0;
    bytes32 private immutable hash1;
    bytes32 private immutable hash2;
    bytes32 private immutable hash3;
    bytes32 private immutable hash4;
    bytes32 private immutable hash5;
    bytes32 private immutable hash6;
    bytes32 private immutable hash7;

    bool public paused;

    /// IDLE outside `execute`; BUSY inside it; the digest of the one callback that is expected while a pool is being called.
    bytes32 private transient flight;

    constructor(address owner_, address guardian_, address profitRecipient_, Venue[] memory venues) {
        if (owner_ == address(0) || guardian_ == address(0) || profitRecipient_ == address(0)) revert ZeroAddress();
        if (venues.length == 0 || venues.length > VENUES_MAX) revert BadVenue(venues.length);
        owner = owner_;
        guardian = guardian_;
        profitRecipient = profitRecipient_;
        venueCount = venues.length;
        (key0, hash0) = _pack(venues, 0);
        (key1, hash1) = _pack(venues, 1);
        (key2, hash2) = _pack(venues, 2);
        (key3, hash3) = _pack(venues, 3);
        (key4, hash4) = _pack(venues, 4);
        (key5, hash5) = _pack(venues, 5);
        (key6, hash6) = _pack(venues, 6);
        (key7, hash7) = _pack(venues, 7);
    }

    // ------------------------------------------------------------------------------------------------ owner and guardian

    /// @notice Runs `plan` and sends its gain to `profitRecipient`.
    /// @return gain Growth of our balance of the route's token, raw units; all of it is sent on.
    function execute(Plan calldata plan) external returns (uint256 gain) {
        _admit(plan.blockMin, plan.blockMax);
        // A V3 pool reads a negative amount as an exact output.
        if (plan.amountIn > uint256(type(int256).max)) revert AmountTooLarge();
        _checkRoute(plan.legs);

        address token = plan.legs[0].tokenIn;
        uint256 balanceBefore = IERC20(token).balanceOf(address(this));
        flight = BUSY;
        _openFirst(plan.amountIn, plan.legs);
        gain = _settle(token, balanceBefore, plan.profitMin);
        emit Executed(token, plan.amountIn, gain);
    }

    /// @notice Makes the swaps of `plan` and sends its gain to `profitRecipient`.
    /// @return gain Growth of our balance of the plan's token, raw units; all of it is sent on.
    function executeSwaps(SwapPlan calldata plan) external returns (uint256 gain) {
        _admit(plan.blockMin, plan.blockMax);
        uint256 amountIn = _checkSwaps(plan.token, plan.swaps);

        uint256 balanceBefore = IERC20(plan.token).balanceOf(address(this));
        flight = BUSY;
        _runSwaps(0, plan.swaps);
        gain = _settle(plan.token, balanceBefore, plan.profitMin);
        emit Executed(plan.token, amountIn, gain);
    }

    /// @notice Sends the whole balance of `token` to `profitRecipient`: for tokens that strangers sent here.
    function sweep(address token) external {
        if (msg.sender != owner) revert NotOwner();
        if (flight != IDLE) revert Reentered();
        uint256 amount = IERC20(token).balanceOf(address(this));
        _pay(token, profitRecipient, amount);
        emit Swept(token, amount);
    }

    /// @notice Stops trading. Guardian or owner.
    function pause() external {
        if (msg.sender != guardian && msg.sender != owner) revert NotGuardian();
        paused = true;
        emit PauseChanged(true);
    }

    /// @notice Allows trading again. Owner only: a guardian's key can halt, never resume.
    function unpause() external {
        if (msg.sender != owner) revert NotOwner();
        paused = false;
        emit PauseChanged(false);
    }

    /// @notice The venue at `index`, as given at construction.
    function venue(uint256 index) external view returns (Venue memory) {
        (uint256 key, bytes32 initCodeHash) = _venue(index);
        return Venue(address(uint160(key)), initCodeHash, uint8(key >> 160), uint24(key >> 168));
    }

    function _admit(uint256 blockMin, uint256 blockMax) private view {
        if (msg.sender != owner) revert NotOwner();
        if (paused) revert ExecutionPaused();
        if (flight != IDLE) revert Reentered();
        if (block.number < blockMin || block.number > blockMax) revert OutsideBlockWindow(block.number);
    }

    /// Holds the gain against its floor, sends it on, and ends the trade.
    function _settle(address token, uint256 balanceBefore, uint256 profitMin) private returns (uint256 gain) {
        uint256 balanceAfter = IERC20(token).balanceOf(address(this));
        if (balanceAfter < balanceBefore) revert ProfitBelowFloor(0);
        unchecked {
            gain = balanceAfter - balanceBefore;
        }
        if (gain < profitMin) revert ProfitBelowFloor(gain);
        _pay(token, profitRecipient, gain);
        flight = IDLE;
    }

    // --------------------------------------------------------------------------------------------------------- callbacks

    function uniswapV2Call(address sender, uint256 amount0, uint256 amount1, bytes calldata data) external {
        _onV2(sender, amount0, amount1, data);
    }

    function pancakeCall(address sender, uint256 amount0, uint256 amount1, bytes calldata data) external {
        _onV2(sender, amount0, amount1, data);
    }

    function uniswapV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata data) external {
        _onV3(amount0Delta, amount1Delta, data);
    }

    function pancakeV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata data) external {
        _onV3(amount0Delta, amount1Delta, data);
    }

    function _onV2(address sender, uint256 amount0, uint256 amount1, bytes calldata data) private {
        _acceptCallback(data);
        if (sender != address(this)) revert UnexpectedCallback(sender);
        if (_isOnCredit(data)) {
            (uint256 index, Swap[] calldata swaps) = _decodeSwaps(data);
            _goOn(index, swaps);
            return;
        }
        (uint256 amountIn, Leg[] calldata legs) = _decode(data);
        Leg calldata first = legs[0];
        _close(amountIn, legs, _zeroForOne(first) ? amount1 : amount0, false);
    }

    function _onV3(int256 amount0Delta, int256 amount1Delta, bytes calldata data) private {
        _acceptCallback(data);
        // The pool reports what we owe as positive and what it sent as negative; neither can be the least int256.
        (uint256 owed, uint256 received) = amount0Delta > 0
            ? (uint256(amount0Delta), uint256(-amount1Delta))
            : (uint256(amount1Delta), uint256(-amount0Delta));
        if (data.length == PAY_ONLY_BYTES) {
            _pay(abi.decode(data, (address)), msg.sender, owed);
            return;
        }
        if (_isOnCredit(data)) {
            (uint256 index, Swap[] calldata swaps) = _decodeSwaps(data);
            if (owed != swaps[index].amountIn) revert PartialFill(msg.sender, owed);
            _goOn(index, swaps);
            return;
        }
        (uint256 amountIn, Leg[] calldata legs) = _decode(data);
        if (owed != amountIn) revert PartialFill(msg.sender, owed);
        _close(amountIn, legs, received, true);
    }

    /// Binds the next callback to `pool` and `data`.
    function _expectCallback(address pool, bytes memory data) private {
        flight = keccak256(abi.encodePacked(pool, data));
    }

    /// Accepts the expected callback, once.
    function _acceptCallback(bytes calldata data) private {
        if (flight != keccak256(abi.encodePacked(msg.sender, data))) revert UnexpectedCallback(msg.sender);
        flight = BUSY;
    }

    // ------------------------------------------------------------------------------------------------------------- swaps

    /// Makes the swaps from `index` on. One on credit has the rest made within its callback.
    function _runSwaps(uint256 index, Swap[] calldata swaps) private {
        for (; index < swaps.length; ++index) {
            Swap calldata swap = swaps[index];
            Pool memory pool = _pool(swap.leg);
            bool zeroForOne = _zeroForOne(swap.leg);
            bytes memory data = swap.onCredit ? abi.encode(ON_CREDIT | index, swaps) : bytes("");
            if (!pool.isV3) {
                // The output is reckoned before anything is paid: the pair's reserves are what it had.
                uint256 amountOut = _amountOutV2(pool, zeroForOne, swap.amountIn);
                if (swap.onCredit) _expectCallback(pool.account, data);
                else _pay(swap.leg.tokenIn, pool.account, swap.amountIn);
                _swapV2(pool.account, address(this), zeroForOne, amountOut, data);
            } else if (swap.onCredit) {
                _expectCallback(pool.account, data);
                _swapV3(pool.account, address(this), zeroForOne, swap.amountIn, data);
            } else {
                _payAndSwapV3(pool.account, address(this), swap.leg, swap.amountIn);
            }
            if (swap.onCredit) return;
        }
    }

    /// Makes the swaps that follow the one at `index`, and pays its pool, which is the caller.
    function _goOn(uint256 index, Swap[] calldata swaps) private {
        _runSwaps(index + 1, swaps);
        _pay(swaps[index].leg.tokenIn, msg.sender, swaps[index].amountIn);
    }

    /// Sum of what is taken on credit for `token`.
    function _checkSwaps(address token, Swap[] calldata swaps) private pure returns (uint256 amountIn) {
        uint256 count = swaps.length;
        if (count < LEGS_MIN || count > SWAPS_MAX) revert BadLegCount(count);
        for (uint256 i = 0; i < count; ++i) {
            Swap calldata swap = swaps[i];
            // A V3 pool reads a negative amount as an exact output.
            if (swap.amountIn > uint256(type(int256).max)) revert AmountTooLarge();
            if (swap.leg.tokenIn == swap.leg.tokenOut) revert BrokenRoute(i);
            if (swap.onCredit && swap.leg.tokenIn == token) amountIn += swap.amountIn;
        }
    }

    function _isOnCredit(bytes calldata data) private pure returns (bool) {
        return uint256(bytes32(data[:32])) & ON_CREDIT != 0;
    }

    /// Reads what `_runSwaps` encoded, in place. Sound only after `_acceptCallback` has shown that `data` is ours.
    function _decodeSwaps(bytes calldata data) private pure returns (uint256 index, Swap[] calldata swaps) {
        index = uint256(bytes32(data[:32])) ^ ON_CREDIT;
        // Words of `data`: as in `_decode`.
        assembly ("memory-safe") {
            swaps.length := calldataload(add(data.offset, 0x40))
            swaps.offset := add(data.offset, 0x60)
        }
    }

    // -------------------------------------------------------------------------------------------------------------- legs

    /// Swaps on the first leg's pool, which sends its output before it asks for payment in the callback.
    function _openFirst(uint256 amountIn, Leg[] calldata legs) private {
        Leg calldata leg = legs[0];
        Pool memory pool = _pool(leg);
        bytes memory data = abi.encode(amountIn, legs);
        if (pool.isV3) {
            address recipient = _recipient(_pool(legs[1]));
            _expectCallback(pool.account, data);
            _swapV3(pool.account, recipient, _zeroForOne(leg), amountIn, data);
        } else {
            uint256 amountOut = _amountOutV2(pool, _zeroForOne(leg), amountIn);
            _expectCallback(pool.account, data);
            // A V2 pair calls the recipient back, so it must be us.
            _swapV2(pool.account, address(this), _zeroForOne(leg), amountOut, data);
        }
    }

    /// Runs the legs after the first with its output, `amount`, and pays the first pool, which is the caller.
    /// `forwards` says that the first pool sends its output straight to a V2 pair that comes next.
    function _close(uint256 amountIn, Leg[] calldata legs, uint256 amount, bool forwards) private {
        Pool memory pool = _pool(legs[1]);
        for (uint256 i = 1; i < legs.length; ++i) {
            Leg calldata leg = legs[i];
            bool isLast = i + 1 == legs.length;
            Pool memory next;
            if (!isLast) next = _pool(legs[i + 1]);
            address recipient = isLast ? address(this) : _recipient(next);
            if (pool.isV3) {
                amount = _payAndSwapV3(pool.account, recipient, leg, amount);
            } else {
                if (!forwards) _pay(leg.tokenIn, pool.account, amount);
                amount = _amountOutV2(pool, _zeroForOne(leg), amount);
                _swapV2(pool.account, recipient, _zeroForOne(leg), amount, "");
            }
            forwards = true;
            pool = next;
        }
        // The floor itself is checked on balances, in `execute`; this only names a loss for what it is.
        if (amount < amountIn) revert ProfitBelowFloor(0);
        _pay(legs[0].tokenIn, msg.sender, amountIn);
    }

    /// A V3 leg after the first: the pool takes its input in the callback.
    function _payAndSwapV3(address pool, address recipient, Leg calldata leg, uint256 amountIn) private returns (uint256) {
        bytes memory data = abi.encode(leg.tokenIn);
        _expectCallback(pool, data);
        (uint256 consumed, uint256 amountOut) = _swapV3(pool, recipient, _zeroForOne(leg), amountIn, data);
        if (consumed != amountIn) revert PartialFill(pool, consumed);
        return amountOut;
    }

    function _swapV3(address pool, address recipient, bool zeroForOne, uint256 amountIn, bytes memory data)
        private
        returns (uint256 consumed, uint256 amountOut)
    {
        uint160 limit = zeroForOne ? SQRT_PRICE_MIN : SQRT_PRICE_MAX;
        (int256 amount0, int256 amount1) = IV3Pool(pool).swap(recipient, zeroForOne, int256(amountIn), limit, data);
        return zeroForOne ? (uint256(amount0), uint256(-amount1)) : (uint256(amount1), uint256(-amount0));
    }

    function _swapV2(address pool, address recipient, bool zeroForOne, uint256 amountOut, bytes memory data) private {
        IV2Pair(pool).swap(zeroForOne ? 0 : amountOut, zeroForOne ? amountOut : 0, recipient, data);
    }

    /// Output of a V2 pair, rounded down as UniswapV2Library.getAmountOut rounds.
    function _amountOutV2(Pool memory pool, bool zeroForOne, uint256 amountIn) private view returns (uint256) {
        (uint256 reserveIn, uint256 reserveOut,) = IV2Pair(pool.account).getReserves();
        if (!zeroForOne) (reserveIn, reserveOut) = (reserveOut, reserveIn);
        uint256 amountInAfterFee = amountIn * (PPM - pool.feePpm);
        return amountInAfterFee * reserveOut / (reserveIn * PPM + amountInAfterFee);
    }

    // ------------------------------------------------------------------------------------------------------------- route

    function _checkRoute(Leg[] calldata legs) private pure {
        uint256 count = legs.length;
        if (count < LEGS_MIN || count > LEGS_MAX) revert BadLegCount(count);
        address tokenIn = legs[count - 1].tokenOut;
        for (uint256 i = 0; i < count; ++i) {
            if (legs[i].tokenIn != tokenIn || legs[i].tokenOut == tokenIn) revert BrokenRoute(i);
            tokenIn = legs[i].tokenOut;
        }
    }

    /// The leg's pool, whether or not it exists: CREATE2 addresses belong to the factory alone.
    function _pool(Leg calldata leg) private view returns (Pool memory) {
        (uint256 key, bytes32 initCodeHash) = _venue(leg.venue);
        bool isV3 = uint8(key >> 160) == KIND_V3;
        (address token0, address token1) = _zeroForOne(leg) ? (leg.tokenIn, leg.tokenOut) : (leg.tokenOut, leg.tokenIn);
        bytes32 salt = isV3
            ? keccak256(abi.encode(token0, token1, leg.fee))
            : keccak256(abi.encodePacked(token0, token1));
        bytes32 digest = keccak256(abi.encodePacked(hex"ff", address(uint160(key)), salt, initCodeHash));
        return Pool(address(uint160(uint256(digest))), isV3, uint24(key >> 168));
    }

    /// Where the leg before `next` sends its output: straight to a V2 pair, which is paid before it swaps; otherwise here.
    function _recipient(Pool memory next) private view returns (address) {
        return next.isV3 ? address(this) : next.account;
    }

    function _zeroForOne(Leg calldata leg) private pure returns (bool) {
        return leg.tokenIn < leg.tokenOut;
    }

    /// Reads what `_openFirst` encoded, in place. Sound only after `_acceptCallback` has shown that `data` is ours.
    function _decode(bytes calldata data) private pure returns (uint256 amountIn, Leg[] calldata legs) {
        amountIn = uint256(bytes32(data[:32]));
        // Words of `data`: amountIn, offset of the array (always 64), its length, its elements.
        assembly ("memory-safe") {
            legs.length := calldataload(add(data.offset, 0x40))
            legs.offset := add(data.offset, 0x60)
        }
    }

    // ------------------------------------------------------------------------------------------------------------ venues

    function _pack(Venue[] memory venues, uint256 index) private pure returns (uint256 key, bytes32 initCodeHash) {
        if (index >= venues.length) return (0, bytes32(0));
        Venue memory v = venues[index];
        bool isFeeValid = v.kind == KIND_V2 ? v.feePpm < PPM : v.feePpm == 0;
        if (v.factory == address(0) || v.initCodeHash == bytes32(0) || v.kind > KIND_V3 || !isFeeValid) revert BadVenue(index);
        return (uint160(v.factory) | uint256(v.kind) << 160 | uint256(v.feePpm) << 168, v.initCodeHash);
    }

    function _venue(uint256 index) private view returns (uint256, bytes32) {
        if (index >= venueCount) revert UnknownVenue(index);
        if (index == 0) return (key0, hash0);
        if (index == 1) return (key1, hash1);
        if (index == 2) return (key2, hash2);
        if (index == 3) return (key3, hash3);
        if (index == 4) return (key4, hash4);
        if (index == 5) return (key5, hash5);
        if (index == 6) return (key6, hash6);
        return (key7, hash7);
    }

    // ------------------------------------------------------------------------------------------------------------ tokens

    /// Transfers, and takes no answer for success, as some tokens give none. Copies at most one word of the answer.
    function _pay(address token, address to, uint256 amount) private {
        bool isPaid;
        bytes4 selector = 0xa9059cbb; // transfer(address,uint256)
        assembly ("memory-safe") {
            let call_ := mload(0x40)
            mstore(call_, selector)
            mstore(add(call_, 0x04), to)
            mstore(add(call_, 0x24), amount)
            isPaid := call(gas(), token, 0, call_, 0x44, 0x00, 0x20)
            if isPaid {
                switch returndatasize()
                case 0 { isPaid := gt(extcodesize(token), 0) }
                default { isPaid := and(gt(returndatasize(), 0x1f), eq(mload(0x00), 1)) }
            }
        }
        if (!isPaid) revert TransferFailed(token);
    }
}
