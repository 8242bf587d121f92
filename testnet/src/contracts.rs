//! Interfaces of the contracts on the test chain, and the artifacts of our own.

use crate::artifact::Artifact;

/// Interfaces with Solidity's names and types; the contracts document them.
#[allow(missing_docs, reason = "generated")]
pub mod abi {
    alloy::sol! {
        interface ITestToken {
            function balanceOf(address account) external view returns (uint256);
            function allowance(address owner, address spender) external view returns (uint256);
            function transfer(address to, uint256 value) external returns (bool);
            function approve(address spender, uint256 value) external returns (bool);
            function mint(address to, uint256 value) external;
        }
        interface IWeth {
            function deposit() external payable;
        }
        interface IV2Factory {
            function createPair(address tokenA, address tokenB) external returns (address);
            function getPair(address tokenA, address tokenB) external view returns (address);
        }
        interface IV2Pair {
            function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 timestamp);
            function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes data) external;
            function sync() external;
        }
        interface IV3Factory {
            function createPool(address tokenA, address tokenB, uint24 fee) external returns (address);
            function getPool(address tokenA, address tokenB, uint24 fee) external view returns (address);
            function enableFeeAmount(uint24 fee, int24 tickSpacing) external;
        }
        interface IV3Pool {
            function initialize(uint160 sqrtPriceX96) external;
            function liquidity() external view returns (uint128);
            function slot0() external view returns (
                uint160 sqrtPriceX96, int24 tick, uint16 observationIndex, uint16 observationCardinality,
                uint16 observationCardinalityNext, uint8 feeProtocol, bool unlocked);
        }
        interface IQuoterV2 {
            struct QuoteExactInputSingleParams {
                address tokenIn; address tokenOut; uint256 amountIn; uint24 fee; uint160 sqrtPriceLimitX96;
            }
            function quoteExactInputSingle(QuoteExactInputSingleParams params) external returns (
                uint256 amountOut, uint160 sqrtPriceX96After, uint32 initializedTicksCrossed, uint256 gasEstimate);
        }
        interface IV2Router {
            function getAmountOut(uint256 amountIn, uint256 reserveIn, uint256 reserveOut) external pure returns (uint256);
            function getAmountIn(uint256 amountOut, uint256 reserveIn, uint256 reserveOut) external pure returns (uint256);
        }
        interface ILiquidityProvider {
            function addV2(address pair, uint256 amount0, uint256 amount1) external;
            function addV3(address pool, int24 tickLower, int24 tickUpper, uint128 liquidity) external;
            function addV3Around(address pool, int24 halfWidth, uint128 liquidity) external;
            function removeV3(address pool, int24 tickLower, int24 tickUpper, uint128 liquidity) external;
        }
        interface ITrader {
            function swapV2(address pair, bool zeroForOne, uint256 amountIn, uint24 feePpm) external;
            function swapV3(address pool, bool zeroForOne, int256 amountSpecified) external;
        }
        interface IHostileToken {
            enum Answer { True, Nothing, False, Bomb }
            function balanceOf(address account) external view returns (uint256);
            function mint(address to, uint256 value) external;
            function setQuirk(address sender, Answer answer, uint256 feePpm) external;
            function setHook(address target, bytes data) external;
            function run(address target, bytes data, uint256 times) external;
            function hookCalls() external view returns (uint256);
            function hookSucceeded() external view returns (bool);
            function hookAnswer() external view returns (bytes);
        }
        interface IHostileFactory {
            function createPair(address tokenA, address tokenB) external returns (address);
        }
        interface IHostilePair {
            enum Mode { Honest, CallTwice, OtherData, OtherSender, NeverCall }
            function setMode(Mode mode) external;
        }
    }
}

/// A contract that this crate compiles; its artifact is committed and reproducible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnContract {
    /// An ERC-20 that anyone may mint; constructor: `string name, string symbol, uint8 decimals`.
    TestToken,
    /// Puts its own tokens into pools at anyone's word.
    LiquidityProvider,
    /// Swaps its own tokens straight on pools at anyone's word.
    Trader,
    /// An ERC-20 with hooks, fees and odd answers.
    HostileToken,
    /// Makes [`OwnContract::HostilePair`]s at the addresses of V2 pairs.
    HostileFactory,
    /// A V2 pair that calls back in ways in which the real one cannot.
    HostilePair,
}

impl OwnContract {
    /// The committed artifact.
    ///
    /// # Panics
    /// Never: the artifacts are compiled in, and a test reads each.
    #[must_use]
    pub fn artifact(self) -> Artifact {
        let text = match self {
            Self::TestToken => include_str!("../contracts/TestToken.json"),
            Self::LiquidityProvider => include_str!("../contracts/LiquidityProvider.json"),
            Self::Trader => include_str!("../contracts/Trader.json"),
            Self::HostileToken => include_str!("../contracts/HostileToken.json"),
            Self::HostileFactory => include_str!("../contracts/HostileFactory.json"),
            Self::HostilePair => include_str!("../contracts/HostilePair.json"),
        };
        Artifact::parse(&format!("{self:?}"), text).expect("the committed artifact is what build.mjs writes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_committed_artifact_is_deployable() {
        for contract in [
            OwnContract::TestToken,
            OwnContract::LiquidityProvider,
            OwnContract::Trader,
            OwnContract::HostileToken,
            OwnContract::HostileFactory,
            OwnContract::HostilePair,
        ] {
            assert!(!contract.artifact().bytecode.is_empty());
        }
    }
}
