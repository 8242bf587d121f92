//! What a deployment consists of: tokens with a price, pools with a depth.

use alloy::primitives::U256;

/// Index of WETH in a deployment's tokens; a layout's own tokens follow it.
pub const WETH: usize = 0;

/// A test token to create.
#[derive(Debug, Clone)]
pub struct TokenSpec {
    /// Symbol, also its name.
    pub symbol: String,
    /// Decimal places.
    pub decimals: u8,
    /// What one whole token is worth, wei.
    pub price_wei: U256,
}

/// Where a pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// Uniswap V2, 0.3 %.
    UniswapV2,
    /// PancakeSwap V2, 0.2 %.
    PancakeV2,
    /// Uniswap V3.
    UniswapV3 {
        /// Fee tier, parts per million: 100, 500, 3000 or 10000.
        fee_ppm: u32,
    },
}

/// Liquidity around the first price of a V3 pool.
#[derive(Debug, Clone, Copy)]
pub struct RangeSpec {
    /// Ticks to either side; rounded inwards to the pool's spacing.
    pub half_width_ticks: i32,
    /// Liquidity, in percent of what the pool has over the whole range.
    pub liquidity_percent: u32,
}

/// A pool to create and fill at its tokens' prices.
#[derive(Debug, Clone)]
pub struct PoolSpec {
    /// Where it is.
    pub place: Where,
    /// One token: [`WETH`], or 1 + its index in the layout.
    pub token_a: usize,
    /// The other.
    pub token_b: usize,
    /// Worth of each side, wei; for V3, of the liquidity over the whole range.
    pub depth_wei: U256,
    /// More liquidity around the price; V3 only.
    pub ranges: Vec<RangeSpec>,
}

impl PoolSpec {
    /// Raw units of a token of this price that make up one side.
    pub(crate) fn amount_of(&self, price_wei: U256, decimals: u8) -> U256 {
        self.depth_wei * U256::from(10).pow(U256::from(decimals)) / price_wei
    }
}

/// Tokens and pools of a deployment.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Tokens besides WETH.
    pub tokens: Vec<TokenSpec>,
    /// Pools between them.
    pub pools: Vec<PoolSpec>,
}

const ETHER: u128 = 10_u128.pow(18);

impl Layout {
    /// Three tokens of 6, 8 and 18 decimals against WETH and each other: on both V2 venues, and on V3 in four fee tiers with
    /// two ranges around the price. Every token pair has at least two pools, and triangles close.
    #[must_use]
    pub fn standard() -> Self {
        let token = |symbol: &str, decimals, price_wei| TokenSpec {
            symbol: symbol.to_owned(),
            decimals,
            price_wei: U256::from(price_wei),
        };
        let tokens = vec![token("tUSD", 6, ETHER / 2000), token("tBTC", 8, 20 * ETHER), token("tGOV", 18, ETHER / 250)];
        let (usd, btc, gov) = (1, 2, 3);
        let v3 = |fee_ppm| Where::UniswapV3 { fee_ppm };
        let pools = [
            (Where::UniswapV2, WETH, usd, 500),
            (Where::PancakeV2, WETH, usd, 300),
            (v3(500), WETH, usd, 200),
            (v3(3000), WETH, usd, 100),
            (Where::UniswapV2, WETH, btc, 400),
            (Where::PancakeV2, WETH, btc, 200),
            (v3(3000), WETH, btc, 150),
            (Where::UniswapV2, WETH, gov, 200),
            (Where::PancakeV2, WETH, gov, 150),
            (v3(3000), WETH, gov, 80),
            (v3(10_000), WETH, gov, 60),
            (Where::UniswapV2, usd, btc, 150),
            (v3(100), usd, btc, 50),
            (v3(500), usd, btc, 100),
            (Where::PancakeV2, usd, gov, 100),
            (v3(3000), usd, gov, 60),
            (Where::UniswapV2, btc, gov, 80),
            (v3(3000), btc, gov, 50),
        ];
        let pools = pools.map(|(place, token_a, token_b, depth)| pool(place, token_a, token_b, depth)).to_vec();
        Self { tokens, pools }
    }
}

fn pool(place: Where, token_a: usize, token_b: usize, depth_ether: u128) -> PoolSpec {
    let ranges = match place {
        Where::UniswapV3 { .. } => vec![
            RangeSpec { half_width_ticks: 2400, liquidity_percent: 400 },
            RangeSpec { half_width_ticks: 600, liquidity_percent: 900 },
        ],
        Where::UniswapV2 | Where::PancakeV2 => Vec::new(),
    };
    PoolSpec { place, token_a, token_b, depth_wei: U256::from(depth_ether * ETHER), ranges }
}
