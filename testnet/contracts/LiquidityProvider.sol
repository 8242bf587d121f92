// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20, IV2Pair, IV3Pool} from "./Pools.sol";

/// @title Puts its own tokens into pools at anyone's word; for test chains only.
contract LiquidityProvider {
    int24 private constant TICK_MAX = 887272;

    /// Adds both amounts to a V2 pair.
    function addV2(address pair, uint256 amount0, uint256 amount1) external {
        require(IERC20(IV2Pair(pair).token0()).transfer(pair, amount0));
        require(IERC20(IV2Pair(pair).token1()).transfer(pair, amount1));
        IV2Pair(pair).mint(address(this));
    }

    /// Adds `liquidity` to a V3 pool between two ticks.
    function addV3(address pool, int24 tickLower, int24 tickUpper, uint128 liquidity) public {
        IV3Pool(pool).mint(address(this), tickLower, tickUpper, liquidity, "");
    }

    /// Adds `liquidity` to a V3 pool within `halfWidth` ticks around its price, as near as its spacing allows.
    function addV3Around(address pool, int24 halfWidth, uint128 liquidity) external {
        int24 spacing = IV3Pool(pool).tickSpacing();
        (, int24 tick,,,,,) = IV3Pool(pool).slot0();
        int24 lower = tick - halfWidth < -TICK_MAX ? -TICK_MAX : tick - halfWidth;
        int24 upper = tick + halfWidth > TICK_MAX ? TICK_MAX : tick + halfWidth;
        // Rounds inwards, and apart again where that leaves nothing.
        lower = -_floor(-lower, spacing);
        upper = _floor(upper, spacing);
        if (lower >= upper) (lower, upper) = (_floor(tick, spacing), _floor(tick, spacing) + spacing);
        addV3(pool, lower, upper, liquidity);
    }

    /// Takes `liquidity` out of a V3 pool again, with the tokens it stands for.
    function removeV3(address pool, int24 tickLower, int24 tickUpper, uint128 liquidity) external {
        IV3Pool(pool).burn(tickLower, tickUpper, liquidity);
        IV3Pool(pool).collect(address(this), tickLower, tickUpper, type(uint128).max, type(uint128).max);
    }

    function uniswapV3MintCallback(uint256 owed0, uint256 owed1, bytes calldata) external {
        if (owed0 > 0) require(IERC20(IV3Pool(msg.sender).token0()).transfer(msg.sender, owed0));
        if (owed1 > 0) require(IERC20(IV3Pool(msg.sender).token1()).transfer(msg.sender, owed1));
    }

    function _floor(int24 tick, int24 spacing) private pure returns (int24) {
        int24 rest = tick % spacing;
        return rest < 0 ? tick - rest - spacing : tick - rest;
    }
}
