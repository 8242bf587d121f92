//! A market whose state is computed naively, from positions, and whose changes are told as real logs: an oracle for the
//! incremental state that the relay keeps.

use std::collections::BTreeMap;

use alloy::primitives::{Address, LogData, Uint, keccak256};
use alloy::sol_types::SolEvent;
use alphapulse_protocol::message::{PoolKind, TICK_MAX, TICK_MIN};
use alphapulse_protocol::replica::{PoolInfo, PoolState, TickLiquidity, TokenInfo, V2State, V3State};
use alphapulse_protocol::values::PoolDetails;
use alphapulse_protocol::{FeePpm, TokenId, U256, VenueId};
use alphapulse_relay::PoolSpec;
use alphapulse_relay::source::{PoolAnswer, PoolImage};

alloy::sol! {
    event Sync(uint112 reserve0, uint112 reserve1);
    event Swap(address indexed sender, address indexed recipient, int256 amount0, int256 amount1,
        uint160 sqrtPriceX96, uint128 liquidity, int24 tick);
    event Mint(address sender, address indexed owner, int24 indexed tickLower, int24 indexed tickUpper,
        uint128 amount, uint256 amount0, uint256 amount1);
    event Burn(address indexed owner, int24 indexed tickLower, int24 indexed tickUpper,
        uint128 amount, uint256 amount0, uint256 amount1);
    event PairCreated(address indexed token0, address indexed token1, address pair, uint256 count);
    event Transfer(address indexed from, address indexed to, uint256 value);
}

pub(crate) const TICK_SPACING: i32 = 60;

/// One thing that happens to a pool.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    /// The reserves of pool 0 or 1 become these.
    Sync { pool: usize, reserves: (u128, u128) },
    /// The price of the concentrated pool becomes that of this tick, more or less.
    Swap { tick: i32 },
    /// Liquidity is added between two multiples of the spacing.
    Mint { lower: i32, width: i32, amount: u64 },
    /// Liquidity of an existing position is taken away, all or half.
    Burn { position: usize, is_whole: bool },
    /// The same of pool 0 or 1, and no log tells of it: no honest contract does that.
    HiddenSync { pool: usize, reserves: (u128, u128) },
    /// Liquidity as with `Mint`, and no log tells of it.
    HiddenMint { lower: i32, width: i32, amount: u64 },
    /// A log of a watched pool that says nothing of its state.
    Noise { pool: usize },
    /// The factory makes a pair, whose reserves become these in the same block.
    Create { pair: Pair, reserves: (u128, u128) },
    /// The reserves of a pair that the factory made become these.
    SyncCreated { index: usize, reserves: (u128, u128) },
}

/// What a pair of the factory is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pair {
    /// Of two tokens that are known.
    Known,
    /// Of a known token and one that no other pair has.
    New,
    /// Of two tokens that nobody wants.
    Spam,
    /// Of a known token and one whose contract answers nothing.
    Broken,
}

/// A pair that the factory made.
#[derive(Debug, Clone)]
pub(crate) struct Created {
    pub(crate) address: Address,
    pair: Pair,
    tokens: [Address; 2],
    reserves: (u128, u128),
}

pub(crate) const FACTORY: Address = Address::repeat_byte(0xfa);
/// Token that makes a pair wanted.
pub(crate) const WANTED: Address = Address::repeat_byte(1);
/// Venue of the factory's pairs.
pub(crate) const FACTORY_VENUE: VenueId = VenueId(7);

impl Created {
    /// As the chain deploys by CREATE2, a pair that is made again has its address again.
    fn new(index: usize, pair: Pair) -> Self {
        let named = |what: &str| Address::from_word(keccak256(format!("{what} {index} {pair:?}")));
        let tokens = match pair {
            Pair::Known => [WANTED, Address::repeat_byte(2)],
            Pair::New | Pair::Broken => [WANTED, named("token")],
            Pair::Spam => [named("token a"), named("token b")],
        };
        Self { address: named("pair"), pair, tokens, reserves: (0, 0) }
    }

    /// Whether a relay that wants [`WANTED`] follows it.
    pub(crate) const fn is_followed(&self) -> bool {
        matches!(self.pair, Pair::Known | Pair::New)
    }

    fn token_infos(&self) -> Vec<TokenInfo> {
        let symbol = |token: &Address| {
            let known = FakeMarket::tokens().into_iter().find(|known| known.address == token.0);
            known.map_or_else(|| "NEW".to_owned(), |known| known.symbol)
        };
        let info = |token: &Address| TokenInfo { address: token.into_array(), symbol: symbol(token), decimals: 18 };
        self.tokens.iter().map(info).collect()
    }

    /// What a source says of it.
    pub(crate) fn answer(&self) -> PoolAnswer {
        if self.pair == Pair::Broken {
            return PoolAnswer::Refused("its token has no decimals".into());
        }
        let info =
            PoolInfo::uniswap_v2(FACTORY_VENUE, self.address.into_array(), [TokenId(0), TokenId(1)], FeePpm(3000));
        let (reserve_0, reserve_1) = self.reserves;
        let state = PoolState::V2(V2State { reserve_0, reserve_1 });
        PoolAnswer::Read(Box::new(PoolImage { tokens: self.token_infos(), info, state }))
    }

    fn sync(&mut self, reserves: (u128, u128)) -> (Address, LogData) {
        self.reserves = reserves;
        let event = Sync { reserve0: Uint::from(reserves.0), reserve1: Uint::from(reserves.1) };
        (self.address, event.encode_log_data())
    }
}

/// State of three pools, and of those that a factory made.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeMarket {
    pub(crate) created: Vec<Created>,
    reserves: [(u128, u128); 2],
    price: U256,
    tick: i32,
    positions: BTreeMap<(i32, i32), u128>,
}

pub(crate) fn pool_address(index: usize) -> Address {
    Address::repeat_byte(u8::try_from(0xa0 + index).unwrap())
}

fn burn_log(lower: i32, upper: i32, amount: u128) -> (Address, LogData) {
    let event = Burn {
        owner: Address::repeat_byte(1),
        tickLower: lower.try_into().unwrap(),
        tickUpper: upper.try_into().unwrap(),
        amount,
        amount0: U256::ZERO,
        amount1: U256::ZERO,
    };
    (pool_address(2), event.encode_log_data())
}

/// A log of liquidity burnt that nobody ever had.
pub(crate) fn impossible_burn() -> (Address, LogData) {
    burn_log(-100 * TICK_SPACING, 100 * TICK_SPACING, u128::MAX >> 1)
}

impl FakeMarket {
    /// Active liquidity: the sum of the positions around the price.
    fn liquidity(&self) -> u128 {
        let active = self.positions.iter().filter(|((lower, upper), _)| (*lower..*upper).contains(&self.tick));
        active.map(|(_, amount)| amount).sum()
    }

    fn ticks(&self) -> Vec<TickLiquidity> {
        let mut ticks: BTreeMap<i32, (i128, u128)> = BTreeMap::new();
        for ((lower, upper), amount) in &self.positions {
            let delta = i128::try_from(*amount).unwrap();
            for (tick, net) in [(lower, delta), (upper, -delta)] {
                let entry = ticks.entry(*tick).or_default();
                *entry = (entry.0 + net, entry.1 + amount);
            }
        }
        let described =
            |(tick, (liquidity_net, liquidity_gross))| TickLiquidity { tick, liquidity_net, liquidity_gross };
        ticks.into_iter().map(described).collect()
    }

    /// Makes a change and tells the logs of it: contract and content of each.
    pub(crate) fn make(&mut self, change: Change) -> Vec<(Address, LogData)> {
        match change {
            Change::Create { pair, reserves } => {
                let mut created = Created::new(self.created.len(), pair);
                let [token0, token1] = created.tokens;
                let count = U256::from(self.created.len());
                let event = PairCreated { token0, token1, pair: created.address, count };
                let sync = created.sync(reserves);
                self.created.push(created);
                vec![(FACTORY, event.encode_log_data()), sync]
            }
            Change::SyncCreated { index, reserves } => {
                let count = self.created.len();
                let created = index.checked_rem(count).map(|index| self.created[index].sync(reserves));
                created.into_iter().collect()
            }
            change => self.change(change).into_iter().collect(),
        }
    }

    fn change(&mut self, change: Change) -> Option<(Address, LogData)> {
        let who = Address::repeat_byte(1);
        let zero = U256::ZERO;
        Some(match change {
            Change::Sync { pool, reserves } => {
                self.reserves[pool] = reserves;
                let event = Sync { reserve0: Uint::from(reserves.0), reserve1: Uint::from(reserves.1) };
                (pool_address(pool), event.encode_log_data())
            }
            Change::Swap { tick } => {
                self.tick = tick;
                self.price = (U256::from(1_u64) << 96) + U256::from(tick.unsigned_abs());
                let event = Swap {
                    sender: who,
                    recipient: who,
                    amount0: alloy::primitives::I256::ZERO,
                    amount1: alloy::primitives::I256::ZERO,
                    sqrtPriceX96: Uint::from(self.price),
                    liquidity: self.liquidity(),
                    tick: tick.try_into().unwrap(),
                };
                (pool_address(2), event.encode_log_data())
            }
            Change::Mint { lower, width, amount } => {
                let (lower, upper) = (lower * TICK_SPACING, (lower + width) * TICK_SPACING);
                *self.positions.entry((lower, upper)).or_default() += u128::from(amount);
                let event = Mint {
                    sender: who,
                    owner: who,
                    tickLower: lower.try_into().unwrap(),
                    tickUpper: upper.try_into().unwrap(),
                    amount: amount.into(),
                    amount0: zero,
                    amount1: zero,
                };
                (pool_address(2), event.encode_log_data())
            }
            Change::Burn { position, is_whole } => self.burn(position, is_whole)?,
            Change::HiddenSync { pool, reserves } => {
                self.reserves[pool] = reserves;
                return None;
            }
            Change::HiddenMint { lower, width, amount } => {
                let range = (lower * TICK_SPACING, (lower + width) * TICK_SPACING);
                *self.positions.entry(range).or_default() += u128::from(amount);
                return None;
            }
            Change::Noise { pool } => {
                (pool_address(pool), Transfer { from: who, to: who, value: zero }.encode_log_data())
            }
            Change::Create { .. } | Change::SyncCreated { .. } => unreachable!("made by the factory"),
        })
    }

    fn burn(&mut self, position: usize, is_whole: bool) -> Option<(Address, LogData)> {
        let index = position.checked_rem(self.positions.len())?;
        let ((lower, upper), held) = self.positions.iter().nth(index).map(|(range, held)| (*range, *held))?;
        let amount = if is_whole { held } else { held / 2 };
        if amount == held {
            self.positions.remove(&(lower, upper));
        } else {
            self.positions.insert((lower, upper), held - amount);
        }
        Some(burn_log(lower, upper, amount))
    }

    pub(crate) fn tokens() -> Vec<TokenInfo> {
        let token = |byte, symbol: &str| TokenInfo { address: [byte; 20], symbol: symbol.to_owned(), decimals: 18 };
        vec![token(1, "ONE"), token(2, "TWO"), token(3, "")]
    }

    /// What a source says of a pool that it is asked for, with the ticks that it is asked for.
    pub(crate) fn answer(&self, spec: &PoolSpec) -> Option<PoolAnswer> {
        if let Some(created) = self.created.iter().find(|created| created.address == spec.address) {
            return Some(created.answer());
        }
        let (info, mut state) = self.pools().into_iter().find(|(info, _)| info.address == spec.address.into_array())?;
        if let (PoolState::V3(curve), Some((low, high))) = (&mut state, spec.known_ticks) {
            curve.ticks.retain(|tick| (low..=high).contains(&tick.tick));
        }
        let tokens = info.tokens.iter().map(|token| Self::tokens()[token.index()].clone()).collect();
        Some(PoolAnswer::Read(Box::new(PoolImage { tokens, info, state })))
    }

    pub(crate) fn pools(&self) -> Vec<(PoolInfo, PoolState)> {
        let info = |index: usize, kind, tokens: [u32; 2]| PoolInfo {
            kind,
            venue: VenueId(u16::try_from(index).unwrap()),
            address: pool_address(index).into_array(),
            tokens: tokens.map(TokenId).into(),
            fee: FeePpm(3000),
            tick_spacing: if kind == PoolKind::UniswapV3 { TICK_SPACING } else { 0 },
            known_ticks: if kind == PoolKind::UniswapV3 { (TICK_MIN, TICK_MAX) } else { (0, 0) },
            details: PoolDetails::None,
        };
        let v2 = |(reserve_0, reserve_1)| PoolState::V2(V2State { reserve_0, reserve_1 });
        let v3 = PoolState::V3(V3State {
            sqrt_price_x96: self.price,
            tick: self.tick,
            liquidity: self.liquidity(),
            ticks: self.ticks(),
        });
        vec![
            (info(0, PoolKind::UniswapV2, [0, 1]), v2(self.reserves[0])),
            (info(1, PoolKind::UniswapV2, [1, 2]), v2(self.reserves[1])),
            (info(2, PoolKind::UniswapV3, [0, 1]), v3),
        ]
    }
}
