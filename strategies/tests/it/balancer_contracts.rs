//! Balancer's pools followed through random swaps in their real vault: amounts, refusals and balances to the wei.
//!
//! `ALPHAPULSE_CASES` multiplies how many pools are followed.

use alloy::primitives::{Address, B256, U256};
use alphapulse_strategies::pool::balancer::stable::{InvariantRounding, StableView, scale};
use alphapulse_strategies::pool::balancer::weighted::{Powers, WeightedView};
use alphapulse_strategies::pool::balancer::{BALANCE_MAX, Balances};
use alphapulse_strategies::pool::{QuoteError, Ramp, Swapped, Way};
use rand::Rng;
use rand::rngs::StdRng;

use crate::balancer_chain::{
    Deployment, FirstStableFactory, FirstWeightedFactory, Given, Pool, StableFactory, TIME, WeightedFactory,
    assert_same, deploy_rate,
};
use crate::chain::{Chain, OWNER};
use crate::data::{Comparison, cases_factor, report};
use crate::v3_state::log_uniform;

const POOLS: usize = 40;
const SWAPS_PER_POOL: u32 = 24;
const ONE: u64 = 1_000_000_000_000_000_000;

#[derive(Debug, Default)]
struct Counts {
    pools: usize,
    exact_in: u32,
    exact_out: u32,
    refused: u32,
    ratio_exceeded: u32,
    overflows: u32,
    paused: u32,
}

/// What both kinds of view answer to one swap: its input, and the rest.
type Answer = Result<(U256, Swapped<Balances>), QuoteError>;

/// A pool on a chain of its own, and our copy of its balances.
struct Followed<'a> {
    deployment: &'a Deployment,
    chain: Chain,
    id: B256,
    assets: Vec<Address>,
    balances: Vec<u128>,
}

impl<'a> Followed<'a> {
    fn new(deployment: &'a Deployment, mut chain: Chain, pool: Address) -> Self {
        let id = chain.call(pool, &Pool::getPoolIdCall {}).expect("a pool has an id");
        let assets = deployment.assets(&mut chain, id);
        Self { deployment, chain, id, balances: vec![0; assets.len()], assets }
    }

    /// Deposits random amounts; whether the contract takes them.
    fn initialise(&mut self, random: &mut StdRng) -> bool {
        let decimals = self.assets.iter().map(|asset| self.deployment.decimals(*asset)).collect::<Vec<_>>();
        // At 18 decimals.
        let size = 1_u128 << random.random_range(44..105);
        let is_alike = random.random_range(0..5) > 0;
        let mut amount = |decimals: u8| {
            if !is_alike {
                return log_uniform(random, BALANCE_MAX);
            }
            let size = size / 10_u128.pow(u32::from(18 - decimals)) / random.random_range(1..64);
            // One in some pools brings the vault's limit into reach.
            if random.random_range(0..24) == 0 { BALANCE_MAX - (size >> 10) } else { size.max(1_000) }
        };
        let amounts: Vec<u128> = decimals.into_iter().map(&mut amount).collect();
        let is_taken = self.deployment.initialise(&mut self.chain, self.id, &self.assets, &amounts).is_ok();
        self.balances = self.deployment.balances(&mut self.chain, self.id);
        is_taken
    }

    /// One swap by query and by the vault; both are what we say, and so is every balance after it.
    fn swap(
        &mut self,
        way: Way,
        given: Given,
        amount: U256,
        (quote, answer): (Result<U256, QuoteError>, Answer),
    ) -> Answer {
        let case = format!("{way:?} {given:?} {amount} of {:?}", self.balances);
        let pool = (self.id, self.assets.as_slice());
        let queried = self.deployment.query(&mut self.chain, pool, way, given, amount);
        assert_same(quote, &queried, &case);
        let executed = self.deployment.swap(&mut self.chain, pool, way, given, amount);
        let calculated = |(amount_in, swapped): (U256, Swapped<Balances>)| match given {
            Given::In => swapped.amount_out,
            Given::Out => amount_in,
        };
        assert_same(answer.map(calculated), &executed, &case);
        if let Ok((_, swapped)) = answer {
            self.balances = swapped.after[..self.assets.len()].to_vec();
        }
        assert_eq!(self.balances, self.deployment.balances(&mut self.chain, self.id), "{case}");
        answer
    }
}

impl Counts {
    fn count(&mut self, given: Given, answer: &Answer) {
        match (answer, given) {
            (Ok(_), Given::In) => self.exact_in += 1,
            (Ok(_), Given::Out) => self.exact_out += 1,
            (Err(QuoteError::InputRatioExceeded | QuoteError::OutputRatioExceeded), _) => self.ratio_exceeded += 1,
            (Err(QuoteError::ReserveOverflow | QuoteError::AmountOverflow), _) => self.overflows += 1,
            (Err(QuoteError::Paused), _) => self.paused += 1,
            (Err(_), _) => self.refused += 1,
        }
    }
}

/// Two different places among those that are not the pool's share.
fn random_way(random: &mut StdRng, count: usize, share: Option<u8>) -> Way {
    let mut place = |other: Option<u8>| loop {
        let place = u8::try_from(random.random_range(0..count)).expect("few tokens");
        if share != Some(place) && other != Some(place) {
            return place;
        }
    };
    let token_in = place(None);
    Way { token_in, token_out: place(Some(token_in)) }
}

/// Nothing, tiny, of the balance's size, at the border of 30 %, or beyond anything the vault holds.
fn random_amount(random: &mut StdRng, balance: u128) -> U256 {
    let balance = balance.max(1);
    match random.random_range(0..20) {
        0 => U256::from(random.random_range(0..4_u32)),
        1 => U256::from(balance / 10 * 3 + random.random_range(0..8)),
        2 => U256::from(log_uniform(random, BALANCE_MAX)),
        3 => U256::from(balance.saturating_sub(random.random_range(0..4))),
        4 => U256::from(BALANCE_MAX - balance) + U256::from(random.random_range(0..3_u32)),
        _ => U256::from(log_uniform(random, balance / 3 + 1)),
    }
}

/// Any fee that the contracts take: 0.0001 % to 10 %.
fn random_fee(random: &mut StdRng) -> u64 {
    match random.random_range(0..4) {
        0 => 1_000_000_000_000,
        1 => ONE / 10,
        _ => random.random_range(1_000_000_000_000..=ONE / 10),
    }
}

/// Some of the tokens, in order.
fn random_tokens(random: &mut StdRng, deployment: &Deployment, count: usize) -> Vec<(Address, u8)> {
    let mut tokens = deployment.tokens.clone();
    while tokens.len() > count {
        tokens.remove(random.random_range(0..tokens.len()));
    }
    tokens
}

/// Weights that make one, at least a hundredth each; alike, such that their quotients are 1, 2 or 4, or any.
fn random_weights(random: &mut StdRng, count: usize) -> Vec<u64> {
    match (random.random_range(0..3), count) {
        (0, 2) => [[50, 50], [80, 20], [20, 80]][random.random_range(0..3)].map(|part| part * (ONE / 100)).to_vec(),
        (0, 3) => [[50, 25, 25], [25, 25, 50], [40, 40, 20]][random.random_range(0..3)]
            .map(|part| part * (ONE / 100))
            .to_vec(),
        (0, 4 | 8) => vec![ONE / u64::try_from(count).expect("few tokens"); count],
        _ => {
            let least = ONE / 100;
            let mut left = ONE - least * u64::try_from(count).expect("few tokens");
            let mut weights = vec![least; count];
            for weight in &mut weights[1..] {
                let part = random.random_range(0..=left);
                *weight += part;
                left -= part;
            }
            weights[0] += left;
            weights
        }
    }
}

#[test]
fn weighted_pools_swap_as_quoted() {
    follow_weighted("BalancerWeightedPoolFactoryV3", Powers::SpecialCases, 11);
}

#[test]
fn first_weighted_pools_swap_as_quoted() {
    follow_weighted("BalancerWeightedPoolFactoryV1", Powers::LogExp, 14);
}

fn follow_weighted(factory: &str, powers: Powers, default_seed: u64) {
    let Some((mut base, deployment)) = Deployment::new(factory) else { return };
    let kind = match powers {
        Powers::LogExp => "balancer_weighted log_exp by its pool",
        Powers::SpecialCases => "balancer_weighted special_cases by its pool",
    };
    let comparison = Comparison::of(kind, default_seed);
    let mut random = comparison.random();
    let mut counts = Counts::default();
    for _ in 0..POOLS * cases_factor() {
        let count = random.random_range(2..=8);
        let tokens = random_tokens(&mut random, &deployment, count);
        let weights = random_weights(&mut random, count);
        let swap_fee = random_fee(&mut random);
        let pool = create_weighted(&mut base, &deployment, powers, &tokens, &weights, swap_fee);
        let mut followed = Followed::new(&deployment, base.fork(), pool);
        if !followed.initialise(&mut random) {
            continue;
        }
        counts.pools += 1;
        let scales: Vec<u128> = tokens.iter().map(|(_, decimals)| 10_u128.pow(u32::from(36 - decimals))).collect();
        let mut is_paused = false;
        for index in 0..SWAPS_PER_POOL {
            // The first pools have another way to be paused.
            if index == SWAPS_PER_POOL - 1 && powers == Powers::SpecialCases {
                deployment.pause(&mut followed.chain, pool);
                is_paused = true;
            }
            let balances = followed.balances.clone();
            let view =
                WeightedView { balances: &balances, scales: &scales, weights: &weights, swap_fee, powers, is_paused };
            let way = random_way(&mut random, count, None);
            let answer = if random.random() {
                let amount = random_amount(&mut random, balances[usize::from(way.token_in)]);
                let swap = view.swap_exact_in(way, amount).map(|swapped| (amount, swapped));
                counts.count(Given::In, &swap);
                followed.swap(way, Given::In, amount, (view.quote_exact_in(way, amount), swap))
            } else {
                let amount = random_amount(&mut random, balances[usize::from(way.token_out)]);
                let swap = view.swap_exact_out(way, amount);
                counts.count(Given::Out, &swap);
                followed.swap(way, Given::Out, amount, (view.quote_exact_out(way, amount), swap))
            };
            assert!(!is_paused || answer.is_err());
        }
    }
    report(&format!("{factory} on real bytecode: {counts:?}"));
    comparison.finish(counts.pools, counts.exact_in + counts.exact_out);
    assert!(counts.pools >= POOLS / 2 && counts.exact_in >= 150 && counts.exact_out >= 150, "{counts:?}");
    assert!(counts.ratio_exceeded >= 20 && (counts.paused >= 10 || powers == Powers::LogExp), "{counts:?}");
}

fn create_weighted(
    chain: &mut Chain,
    deployment: &Deployment,
    powers: Powers,
    tokens: &[(Address, u8)],
    weights: &[u64],
    swap_fee: u64,
) -> Address {
    let (name, symbol, owner) = ("pool".to_owned(), "POOL".to_owned(), OWNER);
    let tokens: Vec<Address> = tokens.iter().map(|(token, _)| *token).collect();
    let weights: Vec<U256> = weights.iter().copied().map(U256::from).collect();
    let swap_fee = U256::from(swap_fee);
    let created = match powers {
        Powers::LogExp => {
            let call =
                FirstWeightedFactory::createCall { name, symbol, tokens, weights, swapFeePercentage: swap_fee, owner };
            chain.send(deployment.factory, &call).map(|sent| sent.value)
        }
        Powers::SpecialCases => {
            let call = WeightedFactory::createCall {
                name,
                symbol,
                rateProviders: vec![Address::ZERO; tokens.len()],
                tokens,
                normalizedWeights: weights,
                swapFeePercentage: swap_fee,
                owner,
            };
            chain.send(deployment.factory, &call).map(|sent| sent.value)
        }
    };
    created.expect("the factory takes the parameters")
}

#[test]
fn composable_stable_pools_swap_as_quoted() {
    follow_stable("BalancerComposableStablePoolFactoryV3", InvariantRounding::Down, 12);
}

#[test]
fn first_stable_pools_swap_as_quoted() {
    follow_stable("BalancerStablePoolFactoryV1", InvariantRounding::Directed, 15);
}

fn follow_stable(factory: &str, rounding: InvariantRounding, default_seed: u64) {
    let Some((mut base, deployment)) = Deployment::new(factory) else { return };
    let is_composable = rounding == InvariantRounding::Down;
    let kind = match rounding {
        InvariantRounding::Down => "balancer_stable composable by its pool",
        InvariantRounding::Directed => "balancer_stable directed by its pool",
    };
    let comparison = Comparison::of(kind, default_seed);
    let mut random = comparison.random();
    let mut counts = Counts::default();
    for _ in 0..POOLS * cases_factor() {
        let count = random.random_range(2..=5);
        let tokens = random_tokens(&mut random, &deployment, count);
        let swap_fee = random_fee(&mut random);
        let amplification = match random.random_range(0..4) {
            0 => 1,
            1 => 5_000,
            _ => random.random_range(1..=5_000),
        };
        let mut rates: Vec<u64> =
            tokens.iter().map(|_| if is_composable { random_rate(&mut random) } else { ONE }).collect();
        let providers: Vec<Address> = rates
            .iter()
            .map(|rate| if *rate == ONE { Address::ZERO } else { deploy_rate(&mut base, U256::from(*rate)) })
            .collect();
        let tokens_only: Vec<Address> = tokens.iter().map(|(token, _)| *token).collect();
        let first = FirstStableFactory::createCall {
            name: "pool".into(),
            symbol: "POOL".into(),
            tokens: tokens_only.clone(),
            amplificationParameter: U256::from(amplification),
            swapFeePercentage: U256::from(swap_fee),
            owner: OWNER,
        };
        let composable = StableFactory::createCall {
            name: "pool".into(),
            symbol: "POOL".into(),
            tokens: tokens_only,
            amplificationParameter: U256::from(amplification),
            rateProviders: providers.clone(),
            tokenRateCacheDurations: vec![U256::from(1_000_000); count],
            exemptFromYieldProtocolFeeFlags: vec![false; count],
            swapFeePercentage: U256::from(swap_fee),
            owner: OWNER,
        };
        let created = if is_composable {
            base.send(deployment.factory, &composable).map(|sent| sent.value)
        } else {
            base.send(deployment.factory, &first).map(|sent| sent.value)
        };
        let pool = created.expect("the factory takes the parameters");
        let mut followed = Followed::new(&deployment, base.fork(), pool);
        let share = is_composable.then(|| {
            let share = followed.chain.call(pool, &Pool::getBptIndexCall {}).expect("a composable pool");
            u8::try_from(share).expect("few tokens")
        });
        if !followed.initialise(&mut random) {
            continue;
        }
        counts.pools += 1;
        let mut ramp = Ramp::constant(amplification * 1000);
        let mut is_paused = false;
        let mut now = TIME;
        for index in 0..SWAPS_PER_POOL {
            match index {
                6 => {
                    // A rate moves; the pool learns of it.
                    if let Some(place) = providers.iter().position(|provider| *provider != Address::ZERO) {
                        rates[place] += rates[place] / 50;
                        followed.chain.set_storage(providers[place], U256::ZERO, U256::from(rates[place]));
                        let call = Pool::updateTokenRateCacheCall { token: tokens[place].0 };
                        followed.chain.send(pool, &call).expect("a token with a rate");
                    }
                }
                // Amplification starts to move, by a factor of two at most in a day.
                12 => {
                    let future = if amplification < 2_500 { amplification * 2 } else { amplification.div_ceil(2) };
                    let end = now + 172_800;
                    let call = Pool::startAmplificationParameterUpdateCall {
                        rawEndValue: U256::from(future),
                        endTime: U256::from(end),
                    };
                    followed.chain.send(pool, &call).expect("the owner may");
                    ramp = Ramp {
                        initial: amplification * 1000,
                        future: future * 1000,
                        initial_time: now,
                        future_time: end,
                    };
                }
                13..20 => {
                    now += random.random_range(0..40_000);
                    followed.chain.set_time(now);
                    let found = followed.chain.call(pool, &Pool::getAmplificationParameterCall {}).expect("a value");
                    assert_eq!(ramp.at(now).map(U256::from), Ok(found.value));
                }
                _ if index == SWAPS_PER_POOL - 1 && is_composable => {
                    deployment.pause(&mut followed.chain, pool);
                    is_paused = true;
                }
                _ => {}
            }
            let mut scales: Vec<U256> = tokens
                .iter()
                .zip(&rates)
                .map(|((_, decimals), rate)| scale(*decimals, U256::from(*rate)).expect("18 decimals at most"))
                .collect();
            if let Some(share) = share {
                scales.insert(usize::from(share), U256::from(ONE));
                let found = followed.chain.call(pool, &Pool::getScalingFactorsCall {}).expect("the pool answers");
                assert_eq!(scales, found);
            }
            let balances = followed.balances.clone();
            let view = StableView {
                balances: &balances,
                scales: &scales,
                amplification: ramp,
                swap_fee,
                rounding,
                share,
                rates_valid_until: u64::MAX,
                is_paused,
            };
            let way = random_way(&mut random, balances.len(), share);
            let answer = if random.random() {
                let amount = random_amount(&mut random, balances[usize::from(way.token_in)]);
                let swap = view.swap_exact_in(way, amount, now).map(|swapped| (amount, swapped));
                counts.count(Given::In, &swap);
                followed.swap(way, Given::In, amount, (view.quote_exact_in(way, amount, now), swap))
            } else {
                let amount = random_amount(&mut random, balances[usize::from(way.token_out)]);
                let swap = view.swap_exact_out(way, amount, now);
                counts.count(Given::Out, &swap);
                followed.swap(way, Given::Out, amount, (view.quote_exact_out(way, amount, now), swap))
            };
            assert!(!is_paused || answer.is_err());
        }
    }
    report(&format!("{factory} on real bytecode: {counts:?}"));
    comparison.finish(counts.pools, counts.exact_in + counts.exact_out);
    assert!(counts.pools >= POOLS / 2 && counts.exact_in >= 150 && counts.exact_out >= 150, "{counts:?}");
    assert!(counts.overflows >= 10 && counts.refused >= 10 && (counts.paused >= 10 || !is_composable), "{counts:?}");
}

/// Often none, else from a hundredth to ten.
fn random_rate(random: &mut StdRng) -> u64 {
    match random.random_range(0..3) {
        0 => ONE,
        1 => random.random_range(ONE..ONE * 2),
        _ => random.random_range(ONE / 100..ONE * 10),
    }
}
