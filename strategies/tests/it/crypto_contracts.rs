//! CryptoSwap pools on the chain's own code: amount, refusal and every word of state, swap after swap.
//!
//! The code and the state around which pools are made up come from a genesis file of mainnet block 18,884,864.
//! `ALPHAPULSE_CASES` multiplies how many pools are followed.

use alloy::primitives::{Address, U256, address, hex};
use alloy::sol;
use alloy::sol_types::SolEvent;
use alphapulse_strategies::pool::crypto_swap::{
    CryptoSwapGeneration, CryptoSwapState, CryptoSwapTerms, CryptoSwapView,
};
use alphapulse_strategies::pool::{QuoteError, Way};
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::Value;

use crate::chain::{Chain, Reverted};
use crate::data::{Comparison, cases_factor, json, report};

sol! {
    interface Legacy {
        event TokenExchange(address indexed buyer, uint256 sold_id, uint256 tokens_sold, uint256 bought_id,
            uint256 tokens_bought);
        function exchange(uint256 i, uint256 j, uint256 dx, uint256 min_dy, bool use_eth) external payable;
    }

    interface Ng {
        event TokenExchange(address indexed buyer, uint256 sold_id, uint256 tokens_sold, uint256 bought_id,
            uint256 tokens_bought, uint256 fee, uint256 packed_price_scale);
        function exchange(uint256 i, uint256 j, uint256 dx, uint256 min_dy, bool use_eth) external payable
            returns (uint256 dy);
    }

    interface LegacyMaths {
        function newton_D(uint256 ann, uint256 gamma, uint256[3] x) external view returns (uint256);
        function geometric_mean(uint256[3] x, bool sort) external view returns (uint256);
    }

    interface NgMaths {
        function newton_D(uint256 ann, uint256 gamma, uint256[3] x, uint256 k0) external view returns (uint256);
        function geometric_mean(uint256[3] x) external view returns (uint256);
    }
}

const GENESIS: &str = "blocks/replayable/18884864.anvil-genesis.json.gz";
/// A token that moves nothing and says yes to everything.
const TOKEN_CODE: [u8; 10] = hex!("600160005260206000f3");
const LP_TOKEN: Address = address!("c4ad29ba4b3c580e6d59105fff484999997675ff");
const TOKENS: [Address; 4] = [
    address!("dac17f958d2ee523a2206206994597c13d831ec7"),
    address!("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"),
    address!("2260fac5e5542a773aa44fbcfedf7c193bc2c599"),
    address!("c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"),
];
const ONE: u128 = 1_000_000_000_000_000_000;
const SWAPS_PER_POOL: usize = 8;
const POOLS: usize = 60;

/// A contract of the genesis, and where it keeps what.
struct Contract {
    generation: CryptoSwapGeneration,
    pool: Address,
    maths: Address,
}

const TRICRYPTO_2: Contract = Contract {
    generation: CryptoSwapGeneration::TriCrypto,
    pool: address!("d51a44d3fae010294c616388b506acda1bfaae46"),
    maths: address!("8f68f4810cce3194b6cb6f3d50fa58c2c9bdd1d5"),
};
const TRICRYPTO_USDC: Contract = Contract {
    generation: CryptoSwapGeneration::TriCryptoNg,
    pool: address!("7f86bf177dd4f3494b841a37e810a34dd56c829b"),
    maths: address!("cbff3004a20dbfe2731543aa38599a526e0fd6ee"),
};

/// Two halves of a word.
fn packed(high: u128, low: u128) -> U256 {
    (U256::from(high) << 128) | U256::from(low)
}

/// Three numbers of 64 bits, as NG packs them.
fn triple(high: u64, middle: u64, low: u64) -> U256 {
    (U256::from(high) << 128) | (U256::from(middle) << 64) | U256::from(low)
}

fn low_half(word: U256) -> u128 {
    (word & U256::from(u128::MAX)).to()
}

fn limb(word: U256, index: usize) -> u64 {
    word.as_limbs()[index]
}

impl Contract {
    /// Slots of what a swap changes, and their words.
    fn state_slots(&self, view: &CryptoSwapView) -> Vec<(U256, U256)> {
        let state = &view.state;
        let prices = |[low, high]: [u128; 2]| packed(high, low);
        let words = [
            prices(state.price_scale),
            prices(state.price_oracle),
            prices(state.last_prices),
            U256::from(state.last_prices_time),
            U256::from(state.future_time),
            U256::from(state.d),
            U256::from(state.xcp_profit),
            U256::from(state.virtual_price),
        ];
        let balances = (0..3).map(|coin| self.balance_slot(coin)).zip(state.balances.map(U256::from));
        let mut slots: Vec<_> = self.word_slots().map(U256::from).into_iter().zip(words).chain(balances).collect();
        if self.is_legacy() {
            slots.push((U256::from(0x1d), U256::from(u8::from(state.is_not_adjusted))));
        }
        slots
    }

    /// Price scale, average, last prices, their time, end of the ramp, D, profit, value of a share.
    fn word_slots(&self) -> [u64; 8] {
        if self.is_legacy() { [0, 1, 2, 3, 7, 0x17, 0x1a, 0x1c] } else { [3, 4, 5, 6, 10, 14, 15, 17] }
    }

    fn balance_slot(&self, coin: usize) -> U256 {
        if self.is_legacy() {
            U256::from_be_bytes(hex!("d833147d7dc355ba459fc788f669e58cfaf9dc25ddcd0702e87d69c7b5124289"))
                + U256::from(coin)
        } else {
            U256::from(11 + coin)
        }
    }

    fn is_legacy(&self) -> bool {
        self.generation == CryptoSwapGeneration::TriCrypto
    }

    /// Slots of what the owner sets, and their words.
    fn terms_slots(&self, view: &CryptoSwapView) -> Vec<(u64, U256)> {
        let terms = &view.terms;
        let initial = packed(terms.initial_a.into(), terms.initial_gamma.into());
        let future = packed(terms.future_a.into(), terms.future_gamma.into());
        if self.is_legacy() {
            return vec![
                (4, initial),
                (5, future),
                (6, U256::from(terms.initial_time)),
                (8, U256::from(terms.allowed_extra_profit)),
                (10, U256::from(terms.fee_gamma)),
                (12, U256::from(terms.adjustment_step)),
                (14, U256::from(terms.ma_time)),
                (16, U256::from(terms.mid_fee)),
                (17, U256::from(terms.out_fee)),
                (0x1e, U256::ZERO),
            ];
        }
        vec![
            (7, initial),
            (8, U256::from(terms.initial_time)),
            (9, future),
            (0x12, triple(terms.allowed_extra_profit, terms.adjustment_step, terms.ma_time)),
            (0x14, triple(terms.mid_fee, terms.out_fee, terms.fee_gamma)),
            (0x19, U256::from(view.state.supply)),
        ]
    }

    /// The pool as the genesis has it; supply and ramp are left to the caller.
    fn read(&self, chain: &Chain) -> CryptoSwapView {
        let slot = |slot: u64| chain.storage(self.pool, U256::from(slot));
        let words = self.word_slots().map(slot);
        let prices = |word: U256| [low_half(word), low_half(word >> 128)];
        let [scale, oracle, last, last_time, _, d, profit, virtual_price] = words;
        let state = CryptoSwapState {
            balances: [0, 1, 2].map(|coin| chain.storage(self.pool, self.balance_slot(coin)).to()),
            price_scale: prices(scale),
            price_oracle: prices(oracle),
            last_prices: prices(last),
            last_prices_time: last_time.to(),
            d: d.to(),
            xcp_profit: profit.to(),
            virtual_price: virtual_price.to(),
            ..CryptoSwapState::default()
        };
        let future = slot(if self.is_legacy() { 5 } else { 9 });
        let terms = CryptoSwapTerms { future_a: limb(future, 2), future_gamma: limb(future, 0), ..Default::default() };
        let terms = if self.is_legacy() {
            CryptoSwapTerms {
                fee_gamma: slot(10).to(),
                adjustment_step: slot(12).to(),
                ma_time: slot(14).to(),
                mid_fee: slot(16).to(),
                out_fee: slot(17).to(),
                ..terms
            }
        } else {
            let (rebalancing, fees) = (slot(0x12), slot(0x14));
            CryptoSwapTerms {
                adjustment_step: limb(rebalancing, 1),
                ma_time: limb(rebalancing, 0),
                mid_fee: limb(fees, 2),
                out_fee: limb(fees, 1),
                fee_gamma: limb(fees, 0),
                ..terms
            }
        };
        let precisions = [1_000_000_000_000, 10_000_000_000, 1];
        CryptoSwapView { generation: self.generation, precisions, terms, state }
    }

    /// The invariant by the maths contract; `None` where it refuses.
    fn invariant(&self, chain: &mut Chain, a: u64, gamma: u64, x: [U256; 3]) -> Option<u128> {
        let (ann, gamma) = (U256::from(a), U256::from(gamma));
        let d = if self.is_legacy() {
            chain.call(self.maths, &LegacyMaths::newton_DCall { ann, gamma, x })
        } else {
            chain.call(self.maths, &NgMaths::newton_DCall { ann, gamma, x, k0: U256::ZERO })
        };
        d.ok()?.try_into().ok()
    }

    fn mean(&self, chain: &mut Chain, x: [U256; 3]) -> Option<U256> {
        if self.is_legacy() {
            chain.call(self.maths, &LegacyMaths::geometric_meanCall { x, sort: true }).ok()
        } else {
            chain.call(self.maths, &NgMaths::geometric_meanCall { x }).ok()
        }
    }

    /// Amount by the event of a real swap.
    fn exchange(&self, chain: &mut Chain, way: Way, dx: U256) -> Result<U256, Reverted> {
        let (i, j) = (U256::from(way.token_in), U256::from(way.token_out));
        let (min_dy, use_eth) = (U256::ZERO, false);
        if self.is_legacy() {
            let sent = chain.send(self.pool, &Legacy::exchangeCall { i, j, dx, min_dy, use_eth })?;
            return Ok(bought(sent.event::<Legacy::TokenExchange>(self.pool)));
        }
        let sent = chain.send(self.pool, &Ng::exchangeCall { i, j, dx, min_dy, use_eth })?;
        assert_eq!(bought(sent.event::<Ng::TokenExchange>(self.pool)), sent.value);
        Ok(sent.value)
    }
}

trait Exchange: SolEvent {
    fn bought(self) -> U256;
}

impl Exchange for Legacy::TokenExchange {
    fn bought(self) -> U256 {
        self.tokens_bought
    }
}

impl Exchange for Ng::TokenExchange {
    fn bought(self) -> U256 {
        self.tokens_bought
    }
}

fn bought<E: Exchange>(event: E) -> U256 {
    event.bought()
}

/// The two pools and their maths on a chain of their own; `None` and a loud line without the genesis.
fn genesis() -> Option<(Chain, u64)> {
    let file = json(GENESIS)?;
    let mut chain = Chain::new();
    let bytes = |value: &Value| hex::decode(value.as_str().expect("hexadecimal text")).expect("hexadecimal");
    let word = |text: &str| text.parse::<U256>().expect("a word");
    for account in [&TRICRYPTO_2, &TRICRYPTO_USDC].into_iter().flat_map(|contract| [contract.pool, contract.maths]) {
        let entry = &file["alloc"][format!("{account:#x}")];
        chain.install(account, bytes(&entry["code"]));
        for (slot, value) in entry["storage"].as_object().into_iter().flatten() {
            chain.set_storage(account, word(slot), word(value.as_str().expect("hexadecimal text")));
        }
    }
    for token in TOKENS {
        chain.install(token, TOKEN_CODE.to_vec());
    }
    let time = word(file["timestamp"].as_str().expect("hexadecimal text"));
    Some((chain, time.to()))
}

/// What the swaps of a test came upon.
#[derive(Debug, Default)]
struct Counts {
    swaps: u32,
    refused: u32,
    losses: u32,
    prepared: u32,
    scale_moved: u32,
    adjustment_ended: u32,
    in_a_ramp: u32,
    too_small_for_a_price: u32,
    pools_refused_by_the_maths: usize,
}

/// A pool that we follow by our own arithmetic alone.
struct Followed {
    contract: &'static Contract,
    chain: Chain,
    view: CryptoSwapView,
    at: u64,
}

impl Followed {
    /// A state in which the contract could be; `None` where its maths refuses the balances.
    fn random(contract: &'static Contract, base: &Chain, time: u64, random: &mut StdRng) -> Option<Self> {
        let mut chain = base.fork();
        let mut view = contract.read(&chain);
        let percent =
            |value: u64, low: u64, high: u64, random: &mut StdRng| value * random.random_range(low..=high) / 100;
        view.state.balances = view.state.balances.map(|balance| balance * random.random_range(600..1_500) / 1_000);
        if random.random_bool(0.2) {
            // Far out of balance.
            let coin = random.random_range(0..3);
            view.state.balances[coin] = view.state.balances[coin] * random.random_range(30..4_000) / 1_000;
        }
        if random.random_bool(0.3) {
            view.terms.future_a = log_uniform(random, 2_700.0, 2.7e8);
            view.terms.future_gamma = log_uniform(random, 1e10, 5e16);
        }
        view.state.price_oracle = view.state.price_scale.map(|price| price * random.random_range(960..1_040) / 1_000);
        if random.random_bool(0.2) {
            // The last price may enter the average uncapped, however far it is.
            view.state.last_prices =
                view.state.last_prices.map(|price| price * random.random_range(200..5_000) / 1_000);
        }
        view.state.is_not_adjusted = contract.is_legacy() && random.random();
        view.terms.allowed_extra_profit = if random.random() { 2_000_000_000_000 } else { 0 };
        if random.random_bool(0.1) {
            view.terms.fee_gamma = 0;
        }
        if random.random_bool(0.1) {
            view.terms.adjustment_step = 1;
        }
        if random.random_bool(0.1) {
            // NG's average stands still then; before NG every swap in a new block is refused.
            view.terms.ma_time = 0;
        }
        if random.random_bool(0.4) {
            view.terms.initial_time = time - 1_000;
            view.state.future_time = time - 500 + [0, 500, 600, 5_500][random.random_range(0..4)];
            view.terms.initial_a = percent(view.terms.future_a, 50, 150, random);
            view.terms.initial_gamma = percent(view.terms.future_gamma, 50, 150, random);
        }
        let curvature = if view.state.future_time > time {
            let (left, passed) = (view.state.future_time - time, time - view.terms.initial_time);
            let between = |from: u64, to: u64| {
                let sum = u128::from(from) * u128::from(left) + u128::from(to) * u128::from(passed);
                u64::try_from(sum / u128::from(left + passed)).expect("between two numbers")
            };
            let terms = &view.terms;
            (between(terms.initial_a, terms.future_a), between(terms.initial_gamma, terms.future_gamma))
        } else {
            (view.terms.future_a, view.terms.future_gamma)
        };
        let one = U256::from(ONE);
        let mut x = [0, 1, 2].map(|coin| U256::from(view.state.balances[coin]) * U256::from(view.precisions[coin]));
        for k in [0, 1] {
            x[k + 1] = x[k + 1] * U256::from(view.state.price_scale[k]) / one;
        }
        view.state.d = contract.invariant(&mut chain, curvature.0, curvature.1, x)?;
        let d = U256::from(view.state.d);
        let three = U256::from(3);
        let share = |k: usize| d * one / (three * U256::from(view.state.price_scale[k]));
        let mean = contract.mean(&mut chain, [d / three, share(0), share(1)])?;
        // Around a state of even value, so that profit is sometimes there to be spent and sometimes not.
        view.state.supply = (one * mean / U256::from(view.state.virtual_price)).to();
        let even = 2 * view.state.virtual_price - ONE;
        view.state.xcp_profit = even - 1_500_000_000_000_000 + random.random_range(0..3_000_000_000_000_000);
        for (slot, word) in contract.terms_slots(&view) {
            chain.set_storage(contract.pool, U256::from(slot), word);
        }
        for (slot, word) in contract.state_slots(&view) {
            chain.set_storage(contract.pool, slot, word);
        }
        let supply = U256::from(view.state.supply).to_be_bytes::<32>();
        chain.install(LP_TOKEN, [&[0x7f][..], &supply, &hex!("60005260206000f3")].concat());
        Some(Self { contract, chain, view, at: time })
    }

    fn swap(&mut self, random: &mut StdRng, counts: &mut Counts) {
        self.at += [0, 1, 12, 12, 600, 4_000][random.random_range(0..6)];
        self.chain.set_time(self.at);
        let token_in = random.random_range(0..3_u8);
        let way = Way { token_in, token_out: (token_in + random.random_range(1..3)) % 3 };
        let amount = self.random_amount(self.view.state.balances[usize::from(token_in)], random);
        let quote = self.view.quote_exact_in(way, amount, self.at);
        if let Some(prepared) = self.view.prepare() {
            assert_eq!(
                prepared.quote_exact_in(&self.view, way, amount, self.at),
                quote,
                "{way:?} {amount}: {:?}",
                self.view
            );
            counts.prepared += 1;
        }
        let ours = self.view.swap_exact_in(way, amount, self.at);
        let theirs = self.contract.exchange(&mut self.chain, way, amount);
        let place = format!("{:?} {way:?} {amount} at {}: {:?}", self.contract.generation, self.at, self.view);
        let amounts = (ours.ok().map(|swapped| swapped.amount_out), theirs.as_ref().ok().copied());
        assert_eq!(amounts.0, amounts.1, "{ours:?} {theirs:?} {place}");
        let Ok(swapped) = ours else {
            counts.refused += 1;
            counts.losses += u32::from(ours == Err(QuoteError::Loss));
            return;
        };
        assert_eq!(quote, Ok(swapped.amount_out), "{place}");
        counts.swaps += 1;
        counts.scale_moved += u32::from(swapped.after.price_scale != self.view.state.price_scale);
        counts.adjustment_ended += u32::from(self.view.state.is_not_adjusted && !swapped.after.is_not_adjusted);
        counts.in_a_ramp += u32::from(self.view.state.future_time > self.at);
        counts.too_small_for_a_price += u32::from(amount <= U256::from(100_000));
        self.view.state = swapped.after;
        let ours = self.contract.state_slots(&self.view);
        let theirs: Vec<_> =
            ours.iter().map(|&(slot, _)| (slot, self.chain.storage(self.contract.pool, slot))).collect();
        assert_eq!(ours, theirs, "after {place}");
    }

    fn random_amount(&self, balance: u128, random: &mut StdRng) -> U256 {
        match random.random_range(0..40) {
            0 => U256::from(random.random_range(0..3_u32)),
            1..5 => U256::from(random.random_range(1..200_000_u32)),
            5 => U256::from(balance) * U256::from(random.random_range(1..1_000_000_u32)),
            6 => U256::MAX >> random.random_range(0..160_usize),
            _ => U256::from(log_uniform(random, 1e10, 5e17)) * U256::from(balance) / U256::from(ONE),
        }
    }
}

/// A number whose logarithm is spread evenly.
fn log_uniform(random: &mut StdRng, low: f64, high: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float below 2^63")]
    let value = random.random_range(low.ln()..high.ln()).exp() as u64;
    value
}

fn follow(contract: &'static Contract, test: &'static str, default_seed: u64) -> Option<Counts> {
    let (base, time) = genesis()?;
    let pools = POOLS * cases_factor();
    let comparison = Comparison::of(test, default_seed);
    let mut random = comparison.random();
    let mut counts = Counts::default();
    for _ in 0..pools {
        let Some(mut followed) = Followed::random(contract, &base, time, &mut random) else {
            counts.pools_refused_by_the_maths += 1;
            continue;
        };
        for _ in 0..SWAPS_PER_POOL {
            followed.swap(&mut random, &mut counts);
        }
    }
    report(&format!("{test} on real code: {counts:?}"));
    comparison.finish(pools - counts.pools_refused_by_the_maths, counts.swaps);
    Some(counts)
}

#[test]
fn tricrypto_s_state_equals_the_contract_s_after_every_swap() {
    let Some(counts) = follow(&TRICRYPTO_2, "curve_crypto tri by tricrypto2", 17) else { return };
    assert!(counts.swaps >= 200 && counts.refused >= 20 && counts.scale_moved >= 20 && counts.adjustment_ended >= 10);
    assert!(counts.in_a_ramp >= 20 && counts.too_small_for_a_price >= 5 && counts.prepared >= 200);
}

#[test]
fn tricrypto_ng_s_state_equals_the_contract_s_after_every_swap() {
    let Some(counts) = follow(&TRICRYPTO_USDC, "curve_crypto tri_ng by tricryptoUSDC", 19) else { return };
    assert!(counts.swaps >= 200 && counts.refused >= 20 && counts.scale_moved >= 20 && counts.losses >= 1);
    assert!(counts.in_a_ramp >= 20 && counts.prepared >= 200);
}
