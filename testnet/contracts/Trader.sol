// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20, IV2Pair, IV3Pool} from "./Pools.sol";

/// @title Swaps its own tokens straight on pools at anyone's word, and keeps what it gets; for test chains only.
contract Trader {
    uint256 private constant PPM = 1_000_000;
    uint160 private constant SQRT_PRICE_MIN = 4295128740;
    uint160 private constant SQRT_PRICE_MAX = 1461446703485210103287273052203988822378723970341;

    /// Gives exactly `amountIn` to a V2 pair with this fee and takes all it will give.
    function swapV2(address pair, bool zeroForOne, uint256 amountIn, uint24 feePpm) external {
        (uint256 reserveIn, uint256 reserveOut,) = IV2Pair(pair).getReserves();
        if (!zeroForOne) (reserveIn, reserveOut) = (reserveOut, reserveIn);
        uint256 afterFee = amountIn * (PPM - feePpm);
        uint256 amountOut = afterFee * reserveOut / (reserveIn * PPM + afterFee);
        address tokenIn = zeroForOne ? IV2Pair(pair).token0() : IV2Pair(pair).token1();
        require(IERC20(tokenIn).transfer(pair, amountIn));
        IV2Pair(pair).swap(zeroForOne ? 0 : amountOut, zeroForOne ? amountOut : 0, address(this), "");
    }

    /// Swaps on a V3 pool: gives `amountSpecified`, or takes its opposite when it is negative; as far as liquidity goes.
    function swapV3(address pool, bool zeroForOne, int256 amountSpecified) external {
        uint160 limit = zeroForOne ? SQRT_PRICE_MIN : SQRT_PRICE_MAX;
        IV3Pool(pool).swap(address(this), zeroForOne, amountSpecified, limit, "");
    }

    function uniswapV3SwapCallback(int256 amount0, int256 amount1, bytes calldata) external {
        if (amount0 > 0) require(IERC20(IV3Pool(msg.sender).token0()).transfer(msg.sender, uint256(amount0)));
        if (amount1 > 0) require(IERC20(IV3Pool(msg.sender).token1()).transfer(msg.sender, uint256(amount1)));
    }
}
