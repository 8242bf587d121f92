// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title A token that does what tokens should not; for tests of the executor's refusals.
/// @dev It can also act as an executor's owner, so that a re-entrant call comes from an authorised address.
contract HostileToken {
    uint256 private constant PPM = 1_000_000;
    uint256 private constant BOMB_BYTES = 100_000;

    enum Answer {
        True,
        Nothing,
        False,
        Bomb
    }

    string public constant name = "Hostile";
    string public constant symbol = "BAD";
    uint8 public constant decimals = 18;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    /// Transfers that `quirkSender` makes get `answer`; every transfer by it also loses `feePpm`.
    address public quirkSender;
    Answer public answer;
    uint256 public feePpm;

    /// Called within each transfer while set.
    address public hookTarget;
    bytes public hookData;
    /// How many such calls there were, whether any succeeded, and what the last one answered.
    uint256 public hookCalls;
    bool public hookSucceeded;
    bytes public hookAnswer;

    event Transfer(address indexed from, address indexed to, uint256 value);

    function mint(address to, uint256 value) external {
        balanceOf[to] += value;
    }

    function setQuirk(address sender, Answer answer_, uint256 feePpm_) external {
        (quirkSender, answer, feePpm) = (sender, answer_, feePpm_);
    }

    function setHook(address target, bytes calldata data) external {
        (hookTarget, hookData) = (target, data);
    }

    /// Calls `target` as this contract, so many times in one transaction; passes a revert on.
    function run(address target, bytes calldata data, uint256 times) external {
        for (uint256 i = 0; i < times; ++i) {
            (bool isDone, bytes memory result) = target.call(data);
            if (!isDone) {
                assembly ("memory-safe") {
                    revert(add(result, 0x20), mload(result))
                }
            }
        }
    }

    function transfer(address to, uint256 value) external {
        balanceOf[msg.sender] -= value;
        bool isQuirky = msg.sender == quirkSender;
        balanceOf[to] += isQuirky ? value - value * feePpm / PPM : value;
        emit Transfer(msg.sender, to, value);
        if (hookTarget != address(0)) {
            (bool isDone, bytes memory result) = hookTarget.call(hookData);
            ++hookCalls;
            hookSucceeded = hookSucceeded || isDone;
            hookAnswer = result;
        }
        _answer(isQuirky ? answer : Answer.True);
    }

    function _answer(Answer kind) private pure {
        uint256 size = kind == Answer.Nothing ? 0 : kind == Answer.Bomb ? BOMB_BYTES : 32;
        assembly {
            mstore(0x00, iszero(eq(kind, 2)))
            return(0x00, size)
        }
    }
}

interface ICallee {
    function uniswapV2Call(address sender, uint256 amount0, uint256 amount1, bytes calldata data) external;
}

interface IToken {
    function transfer(address to, uint256 value) external returns (bool);
}

/// @title A V2 pair of a venue that turned bad: it calls back in ways in which the real one cannot.
contract HostilePair {
    enum Mode {
        Honest,
        CallTwice,
        OtherData,
        OtherSender,
        NeverCall
    }

    address public immutable token0;
    address public immutable token1;
    Mode public mode;

    constructor() {
        (token0, token1) = HostileFactory(msg.sender).parameters();
    }

    function setMode(Mode mode_) external {
        mode = mode_;
    }

    /// Equal and deep, so that any amount swaps at about one to one.
    function getReserves() external pure returns (uint112, uint112, uint32) {
        return (1e30, 1e30, 0);
    }

    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes memory data) external {
        if (amount0Out > 0) IToken(token0).transfer(to, amount0Out);
        if (amount1Out > 0) IToken(token1).transfer(to, amount1Out);
        if (data.length == 0 || mode == Mode.NeverCall) return;
        if (mode == Mode.OtherData) data[31] ^= 0x01;
        address sender = mode == Mode.OtherSender ? address(this) : msg.sender;
        ICallee(to).uniswapV2Call(sender, amount0Out, amount1Out, data);
        if (mode == Mode.CallTwice) ICallee(to).uniswapV2Call(sender, amount0Out, amount1Out, data);
    }
}

/// @title Makes hostile pairs where a real V2 factory would make its own.
contract HostileFactory {
    struct Parameters {
        address token0;
        address token1;
    }

    Parameters public parameters;

    function createPair(address tokenA, address tokenB) external returns (HostilePair) {
        (address token0, address token1) = tokenA < tokenB ? (tokenA, tokenB) : (tokenB, tokenA);
        parameters = Parameters(token0, token1);
        return new HostilePair{salt: keccak256(abi.encodePacked(token0, token1))}();
    }
}
