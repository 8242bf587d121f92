//! The real contracts: creation bytecode from the data folder or the npm packages, and the ABI that tests call.

use std::fs;
use std::io::Read;

use alloy::primitives::hex;
use alloy::sol;
use flate2::read::GzDecoder;
use serde_json::Value;

pub(crate) use self::wide::{PancakePool, V4Key, V4Manager, V4ModifyTest, V4QuoterApi, V4StateViewApi, V4SwapTest};
use crate::data::{data_root, ignored, workspace};

/// Where each contract lies in the npm packages, for when the data folder is absent.
const NPM_ARTIFACTS: [(&str, &str); 13] = [
    ("ERC20", "@uniswap/v2-periphery/build/ERC20.json"),
    ("WETH9", "@uniswap/v2-periphery/build/WETH9.json"),
    ("UniswapV2Factory", "@uniswap/v2-core/build/UniswapV2Factory.json"),
    ("UniswapV2Pair", "@uniswap/v2-core/build/UniswapV2Pair.json"),
    ("UniswapV2Router02", "@uniswap/v2-periphery/build/UniswapV2Router02.json"),
    ("PancakeFactoryV2", "@pancakeswap-libs/pancake-swap-core/build/PancakeFactory.json"),
    ("UniswapV3Factory", "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json"),
    ("UniswapV3Pool", "@uniswap/v3-core/artifacts/contracts/UniswapV3Pool.sol/UniswapV3Pool.json"),
    ("QuoterV2", "@uniswap/v3-periphery/artifacts/contracts/lens/QuoterV2.sol/QuoterV2.json"),
    ("SwapRouter", "@uniswap/v3-periphery/artifacts/contracts/SwapRouter.sol/SwapRouter.json"),
    (
        "NonfungiblePositionManager",
        "@uniswap/v3-periphery/artifacts/contracts/NonfungiblePositionManager.sol/NonfungiblePositionManager.json",
    ),
    (
        "BalancerWeightedPoolFactoryV1",
        "@balancer-labs/v2-deployments/dist/tasks/20210418-weighted-pool/bytecode/WeightedPoolFactory.json",
    ),
    (
        "BalancerStablePoolFactoryV1",
        "@balancer-labs/v2-deployments/dist/tasks/deprecated/20210624-stable-pool/bytecode/StablePoolFactory.json",
    ),
];

/// Creation bytecode of a contract, or `None` and a loud line when it is in neither place.
pub(crate) fn creation_code(name: &str) -> Option<Vec<u8>> {
    let Some(artifact) = from_data(name).or_else(|| from_npm(name)) else {
        ignored(&format!("no bytecode of {name}: neither the data folder nor testkit/node_modules has it"));
        return None;
    };
    // Balancer's package calls it otherwise.
    let code = artifact.get("bytecode").or_else(|| artifact.get("creationCode"));
    let code = code.and_then(Value::as_str).expect("the artifact has bytecode");
    Some(hex::decode(code).expect("bytecode is hexadecimal"))
}

fn from_data(name: &str) -> Option<Value> {
    let bytes = fs::read(data_root().join(format!("contracts/{name}.json.gz"))).ok()?;
    let mut text = String::new();
    GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).expect("data files are whole");
    Some(serde_json::from_str(&text).expect("artifacts are JSON"))
}

fn from_npm(name: &str) -> Option<Value> {
    let (_, path) = NPM_ARTIFACTS.iter().find(|(known, _)| *known == name)?;
    let text = fs::read_to_string(workspace().join("testkit/node_modules").join(path)).ok()?;
    Some(serde_json::from_str(&text).expect("artifacts are JSON"))
}

sol! {
    interface Erc20 {
        function approve(address spender, uint256 amount) external returns (bool);
        function transfer(address to, uint256 amount) external returns (bool);
    }

    interface V2Factory {
        function createPair(address tokenA, address tokenB) external returns (address pair);
    }

    interface V2Pair {
        function mint(address to) external returns (uint256 liquidity);
        function burn(address to) external returns (uint256 amount0, uint256 amount1);
        function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes data) external;
        function skim(address to) external;
        function transfer(address to, uint256 amount) external returns (bool);
        function balanceOf(address owner) external view returns (uint256);
        function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 timestamp);
    }

    interface V2Router {
        function getAmountOut(uint256 amountIn, uint256 reserveIn, uint256 reserveOut)
            external pure returns (uint256 amountOut);
        function getAmountIn(uint256 amountOut, uint256 reserveIn, uint256 reserveOut)
            external pure returns (uint256 amountIn);
    }

    interface V3Factory {
        function createPool(address tokenA, address tokenB, uint24 fee) external returns (address pool);
        function enableFeeAmount(uint24 fee, int24 tickSpacing) external;
    }

    interface V3Pool {
        event Mint(address sender, address indexed owner, int24 indexed tickLower, int24 indexed tickUpper,
            uint128 amount, uint256 amount0, uint256 amount1);
        event Burn(address indexed owner, int24 indexed tickLower, int24 indexed tickUpper,
            uint128 amount, uint256 amount0, uint256 amount1);
        event Swap(address indexed sender, address indexed recipient, int256 amount0, int256 amount1,
            uint160 sqrtPriceX96, uint128 liquidity, int24 tick);
        function initialize(uint160 sqrtPriceX96) external;
        function liquidity() external view returns (uint128);
        function slot0() external view returns (uint160 sqrtPriceX96, int24 tick, uint16 observationIndex,
            uint16 observationCardinality, uint16 observationCardinalityNext, uint8 feeProtocol, bool unlocked);
        function ticks(int24 tick) external view returns (uint128 liquidityGross, int128 liquidityNet,
            uint256 feeGrowthOutside0X128, uint256 feeGrowthOutside1X128, int56 tickCumulativeOutside,
            uint160 secondsPerLiquidityOutsideX128, uint32 secondsOutside, bool initialized);
    }

    interface Quoter {
        struct ExactIn { address tokenIn; address tokenOut; uint256 amountIn; uint24 fee; uint160 limit; }
        struct ExactOut { address tokenIn; address tokenOut; uint256 amount; uint24 fee; uint160 limit; }
        function quoteExactInputSingle(ExactIn params) external returns (uint256 amountOut,
            uint160 sqrtPriceX96After, uint32 ticksCrossed, uint256 gasEstimate);
        function quoteExactOutputSingle(ExactOut params) external returns (uint256 amountIn,
            uint160 sqrtPriceX96After, uint32 ticksCrossed, uint256 gasEstimate);
    }

    interface Router {
        struct ExactIn { address tokenIn; address tokenOut; uint24 fee; address recipient; uint256 deadline;
            uint256 amountIn; uint256 amountOutMinimum; uint160 limit; }
        struct ExactOut { address tokenIn; address tokenOut; uint24 fee; address recipient; uint256 deadline;
            uint256 amountOut; uint256 amountInMaximum; uint160 limit; }
        function exactInputSingle(ExactIn params) external payable returns (uint256 amountOut);
        function exactOutputSingle(ExactOut params) external payable returns (uint256 amountIn);
    }

    interface Positions {
        struct Mint { address token0; address token1; uint24 fee; int24 tickLower; int24 tickUpper;
            uint256 amount0Desired; uint256 amount1Desired; uint256 amount0Min; uint256 amount1Min;
            address recipient; uint256 deadline; }
        struct Decrease { uint256 tokenId; uint128 liquidity; uint256 amount0Min; uint256 amount1Min;
            uint256 deadline; }
        function mint(Mint params) external payable returns (uint256 tokenId, uint128 liquidity,
            uint256 amount0, uint256 amount1);
        function decreaseLiquidity(Decrease params) external payable returns (uint256 amount0, uint256 amount1);
    }
}

/// Contracts with events of more fields than a function should have arguments.
#[expect(clippy::too_many_arguments, reason = "constructors of the events, which nothing here calls")]
mod wide {
    use alloy::sol;

    sol! {
        #[derive(Debug)]
        struct V4Key { address currency0; address currency1; uint24 fee; int24 tickSpacing; address hooks; }

        interface V4Manager {
            event Swap(bytes32 indexed id, address indexed sender, int128 amount0, int128 amount1,
                uint160 sqrtPriceX96, uint128 liquidity, int24 tick, uint24 fee);
            function initialize(V4Key key, uint160 sqrtPriceX96) external returns (int24 tick);
            function setProtocolFeeController(address controller) external;
            function setProtocolFee(V4Key key, uint24 newProtocolFee) external;
        }

        interface V4SwapTest {
            struct SwapParams { bool zeroForOne; int256 amountSpecified; uint160 sqrtPriceLimitX96; }
            struct TestSettings { bool takeClaims; bool settleUsingBurn; }
            function swap(V4Key key, SwapParams params, TestSettings testSettings, bytes hookData)
                external payable returns (int256 delta);
        }

        interface V4ModifyTest {
            struct Modify { int24 tickLower; int24 tickUpper; int256 liquidityDelta; bytes32 salt; }
            function modifyLiquidity(V4Key key, Modify params, bytes hookData) external payable returns (int256 delta);
        }

        interface V4QuoterApi {
            struct ExactSingle { V4Key poolKey; bool zeroForOne; uint128 exactAmount; bytes hookData; }
            function quoteExactInputSingle(ExactSingle params) external returns (uint256 amountOut, uint256 gasEstimate);
            function quoteExactOutputSingle(ExactSingle params) external returns (uint256 amountIn, uint256 gasEstimate);
        }

        interface V4StateViewApi {
            function getSlot0(bytes32 poolId) external view returns (uint160 sqrtPriceX96, int24 tick,
                uint24 protocolFee, uint24 lpFee);
            function getLiquidity(bytes32 poolId) external view returns (uint128 liquidity);
            function getTickLiquidity(bytes32 poolId, int24 tick) external view returns (uint128 liquidityGross,
                int128 liquidityNet);
        }

        interface PancakePool {
            event Swap(address indexed sender, address indexed recipient, int256 amount0, int256 amount1,
                uint160 sqrtPriceX96, uint128 liquidity, int24 tick, uint128 protocolFeesToken0,
                uint128 protocolFeesToken1);
            function initialize(uint160 sqrtPriceX96) external;
            function mint(address recipient, int24 tickLower, int24 tickUpper, uint128 amount, bytes data)
                external returns (uint256 amount0, uint256 amount1);
            function burn(int24 tickLower, int24 tickUpper, uint128 amount)
                external returns (uint256 amount0, uint256 amount1);
            function swap(address recipient, bool zeroForOne, int256 amountSpecified, uint160 sqrtPriceLimitX96,
                bytes data) external returns (int256 amount0, int256 amount1);
            function liquidity() external view returns (uint128);
            function slot0() external view returns (uint160 sqrtPriceX96, int24 tick, uint16 observationIndex,
                uint16 observationCardinality, uint16 observationCardinalityNext, uint32 feeProtocol, bool unlocked);
            function ticks(int24 tick) external view returns (uint128 liquidityGross, int128 liquidityNet,
                uint256 feeGrowthOutside0X128, uint256 feeGrowthOutside1X128, int56 tickCumulativeOutside,
                uint160 secondsPerLiquidityOutsideX128, uint32 secondsOutside, bool initialized);
        }
    }
}
