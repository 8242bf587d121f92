//! Tokens and pools of the stream by their ids, and what factories add to them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use alloy::primitives::Address;
use alloy::rpc::types::Log;
use alphapulse_protocol::message::PoolKind;
use alphapulse_protocol::replica::{PoolInfo, PoolState, TokenInfo};
use alphapulse_protocol::{PoolId, TokenId};

use super::look_back::Reach;
use super::spec::FactorySpec;
use crate::config::{PoolSpec, VenueSpec};
use crate::error::SourceError;
use crate::metrics::Metrics;
use crate::source::{Creation, MarketImage, PoolAnswer, PoolImage, PoolTable};

/// What a block adds to the market, in the order of the ids.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) tokens: Vec<(TokenId, TokenInfo)>,
    pub(crate) pools: Vec<(PoolId, PoolInfo, PoolState)>,
}

impl News {
    /// Oldest version whose clients can read these pools.
    pub(crate) fn since_version(&self) -> u16 {
        self.pools.iter().map(|(_, info, _)| info.kind.since_version()).max().unwrap_or(1)
    }
}

/// A factory and the kind of its pools.
#[derive(Debug)]
struct Factory {
    spec: FactorySpec,
    kind: PoolKind,
    /// Whether it was told that it has as many pools as it may.
    is_full_told: bool,
}

/// A pool of a factory.
#[derive(Debug, Clone)]
struct Found {
    spec: PoolSpec,
    tokens: [Address; 2],
    factory: usize,
    /// Block that added it to the stream; 0 for those that the stream began with.
    since: u64,
}

/// Pools to be read, and what was passed over.
#[derive(Debug, Default)]
pub(crate) struct Sifted {
    found: Vec<Found>,
    /// How many of `found` were followed before.
    again: usize,
    unwanted: u64,
    over_max: Vec<usize>,
    /// How many more one block made than are read.
    crowded: u64,
    unreadable: Vec<(Address, String)>,
}

impl Sifted {
    /// Passes over all but the first `pools_max`.
    pub(super) fn keep(&mut self, pools_max: usize) {
        self.crowded += self.found.len().saturating_sub(pools_max) as u64;
        self.found.truncate(pools_max);
    }

    /// Whether there is nothing to read.
    pub(crate) const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn specs(&self) -> Vec<PoolSpec> {
        self.found.iter().map(|found| found.spec.clone()).collect()
    }
}

/// What is to be added, and what was not. Changes nothing until it is adopted.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    news: News,
    found: Vec<Found>,
    added: u64,
    lost: u64,
    unwanted: u64,
    over_max: Vec<usize>,
    crowded: u64,
    unreadable: Vec<(Address, String)>,
}

/// Times in a row that a snapshot waits for followed pools that cannot be read, before it goes on without them.
const UNREAD_TRIES: u32 = 6;

/// What the stream knows.
#[derive(Debug)]
pub(crate) struct Known {
    factories: Vec<Factory>,
    pools: PoolTable,
    pool_count: u32,
    tokens: HashMap<Address, TokenId>,
    /// Pools of factories in the order of their ids, the last of all.
    found: Vec<Found>,
    /// Contracts whose logs are asked for: first the factories, then the pools by id.
    watched: Vec<Address>,
    /// Snapshots in a row for which followed pools could not be read.
    unread_tries: u32,
    metrics: Arc<Metrics>,
}

impl Known {
    /// Knows nothing but factories, whose venues must be among `venues`.
    pub(crate) fn new(venues: &[VenueSpec], factories: &[FactorySpec], metrics: Arc<Metrics>) -> Self {
        let kind_of = |spec: &FactorySpec| venues.iter().find(|venue| venue.id == spec.venue).map(|venue| venue.kind);
        let factory = |spec: &FactorySpec| {
            let kind = kind_of(spec).expect("the configuration was checked");
            Factory { spec: spec.clone(), kind, is_full_told: false }
        };
        Self {
            factories: factories.iter().map(factory).collect(),
            pools: PoolTable::default(),
            pool_count: 0,
            tokens: HashMap::new(),
            found: Vec::new(),
            watched: factories.iter().map(|factory| factory.address).collect(),
            unread_tries: 0,
            metrics,
        }
    }

    pub(crate) const fn pools(&self) -> &PoolTable {
        &self.pools
    }

    pub(crate) const fn has_factories(&self) -> bool {
        !self.factories.is_empty()
    }

    pub(crate) fn watched(&self) -> &[Address] {
        &self.watched
    }

    /// From which block which factories are asked what they told.
    pub(super) fn reaches(&self, reach: Reach) -> Vec<(u64, Vec<Address>)> {
        match reach {
            Reach::From(_) if !self.has_factories() => Vec::new(),
            Reach::From(block) => vec![(block, self.factories.iter().map(|factory| factory.spec.address).collect())],
            Reach::Configured => {
                let asked = |factory: &Factory| Some((factory.spec.from_block?, vec![factory.spec.address]));
                self.factories.iter().filter_map(asked).collect()
            }
        }
    }

    /// Pools that factories tell of in the logs of a block, without those that are known.
    pub(crate) fn sift(&self, logs: &[Log]) -> Sifted {
        let mut sifted = Sifted::default();
        if self.has_factories() {
            self.sift_into(&mut sifted, logs, &self.found);
        }
        sifted
    }

    /// All pools of factories that a new image should hold: those that are followed, and those of the logs.
    pub(super) fn sift_anew(&self, logs: &[Log]) -> Sifted {
        let mut sifted = Sifted { found: self.found.clone(), again: self.found.len(), ..Sifted::default() };
        self.sift_into(&mut sifted, logs, &[]);
        sifted
    }

    /// `others` are followed as well, and take places.
    fn sift_into(&self, sifted: &mut Sifted, logs: &[Log], others: &[Found]) {
        let mut told: Vec<(usize, &Log)> = logs.iter().filter_map(|log| Some((self.factory_of(log)?, log))).collect();
        if told.is_empty() {
            return;
        }
        told.sort_by_key(|(_, log)| (log.block_number, log.log_index));
        let mut counts = vec![0; self.factories.len()];
        others.iter().chain(&sifted.found).for_each(|found| counts[found.factory] += 1);
        let mut seen: BTreeSet<_> = others.iter().chain(&sifted.found).map(|found| found.spec.address).collect();
        for (index, log) in told {
            let Factory { spec, kind, .. } = &self.factories[index];
            let creation = match Creation::read(*kind, log.data()) {
                Some(Ok(creation)) => creation,
                Some(Err(reason)) => {
                    sifted.unreadable.push((spec.address, reason));
                    continue;
                }
                None => continue,
            };
            if !spec.wants(&creation.tokens) {
                sifted.unwanted += 1;
            } else if self.is_configured(&creation.pool) || !seen.insert(creation.pool) {
                // It is followed, or will be, under the id that it has.
            } else if counts[index] >= spec.pools_max {
                sifted.over_max.push(index);
            } else {
                counts[index] += 1;
                sifted.found.push(Found {
                    spec: PoolSpec { address: creation.pool, venue: spec.venue, known_ticks: spec.known_ticks },
                    tokens: creation.tokens,
                    factory: index,
                    since: 0,
                });
            }
        }
    }

    fn factory_of(&self, log: &Log) -> Option<usize> {
        self.factories.iter().position(|factory| factory.spec.address == log.address())
    }

    /// Whether the market holds the pool without a factory's word.
    fn is_configured(&self, pool: &Address) -> bool {
        self.pools.contains(pool) && !self.found.iter().any(|found| found.spec.address == *pool)
    }

    /// What follows from the answers to [`Sifted::specs`], one for each.
    pub(crate) fn identify(&self, sifted: Sifted, answers: Vec<PoolAnswer>) -> Findings {
        let Sifted { found, again, unwanted, over_max, crowded, unreadable } = sifted;
        let mut findings = Findings { unwanted, over_max, crowded, unreadable, ..Findings::default() };
        for (index, (found, answer)) in found.into_iter().zip(answers).enumerate() {
            let is_again = index < again;
            match answer {
                // A configured pool has its id from the configuration.
                _ if self.pools.contains(&found.spec.address) => {}
                PoolAnswer::Read(image) => match self.add_to(&mut findings, &found, *image) {
                    Ok(()) => {
                        findings.added += u64::from(!is_again);
                        findings.found.push(found);
                    }
                    Err(reason) => findings.unreadable.push((found.spec.address, reason.into())),
                },
                // Its block was taken back, the chain began anew, or it stayed unreadable for too long.
                PoolAnswer::Refused(reason) | PoolAnswer::Unread(reason) if is_again => {
                    tracing::warn!(pool = %found.spec.address, reason, "a factory's pool is followed no more");
                    findings.lost += 1;
                }
                PoolAnswer::Refused(reason) | PoolAnswer::Unread(reason) => {
                    findings.unreadable.push((found.spec.address, reason))
                }
            }
        }
        findings
    }

    fn add_to(&self, findings: &mut Findings, found: &Found, image: PoolImage) -> Result<(), &'static str> {
        let PoolImage { tokens, mut info, state } = image;
        if !tokens.iter().map(|token| Address::from(token.address)).eq(found.tokens) {
            return Err("it has other tokens than its factory said");
        }
        let mut ids = [TokenId(0); 2];
        for (id, token) in ids.iter_mut().zip(tokens) {
            *id = self.token_id(&mut findings.news, token).ok_or("there are too many tokens")?;
        }
        info.tokens = ids.into();
        let pools = u32::try_from(findings.news.pools.len()).ok();
        let id = pools.and_then(|pools| self.pool_count.checked_add(pools)).ok_or("there are too many pools")?;
        findings.news.pools.push((PoolId(id), info, state));
        Ok(())
    }

    /// Id of a token, which is described with the news where it is not known.
    fn token_id(&self, news: &mut News, token: TokenInfo) -> Option<TokenId> {
        if let Some(id) = self.tokens.get(&Address::from(token.address)) {
            return Some(*id);
        }
        if let Some((id, _)) = news.tokens.iter().find(|(_, known)| known.address == token.address) {
            return Some(*id);
        }
        let id = TokenId(u32::try_from(self.tokens.len() + news.tokens.len()).ok()?);
        news.tokens.push((id, token));
        Some(id)
    }

    /// Takes findings over, as of a block's number, and counts them. What is returned must be told to the stream.
    pub(crate) fn adopt(&mut self, findings: Findings, since: u64) -> News {
        let Findings { news, found, added, lost, unwanted, over_max, crowded, unreadable } = findings;
        for (id, token) in &news.tokens {
            self.tokens.insert(token.address.into(), *id);
        }
        for (id, info, _) in &news.pools {
            let address = Address::from(info.address);
            self.pools.add(address, *id, info.kind);
            self.watched.push(address);
            self.pool_count += 1;
            tracing::info!(pool = %address, id = id.0, kind = info.kind.name(), "a factory's pool is followed");
        }
        self.found.extend(found.into_iter().map(|found| Found { since, ..found }));
        for (contract, reason) in &unreadable {
            tracing::warn!(%contract, reason, "a new pool is refused");
        }
        self.metrics.pools_unreadable.add(unreadable.len() as u64);
        if crowded > 0 {
            tracing::warn!(
                since,
                crowded,
                "a block made more pools than are read of one block; the others are refused"
            );
        }
        self.metrics.pools_over_max.add(over_max.len() as u64 + crowded);
        over_max.into_iter().for_each(|index| self.tell_full(index));
        self.metrics.pools_unwanted.add(unwanted);
        self.metrics.pools_discovered.add(added);
        self.metrics.pools_forgotten.add(lost);
        self.show_count();
        news
    }

    fn tell_full(&mut self, index: usize) {
        let factory = &mut self.factories[index];
        if !core::mem::replace(&mut factory.is_full_told, true) {
            let (address, pools_max) = (factory.spec.address, factory.spec.pools_max);
            tracing::warn!(factory = %address, pools_max, "it has as many pools as it may; further ones are only counted");
        }
    }

    /// Forgets what blocks above this one added, as the stream does when they are taken back. Tokens stay known.
    pub(crate) fn forget_above(&mut self, number: u64) {
        while let Some(found) = self.found.pop_if(|found| found.since > number) {
            self.pools.remove(&found.spec.address);
            self.watched.pop();
            self.pool_count -= 1;
            self.metrics.pools_forgotten.add(1);
            tracing::info!(pool = %found.spec.address, "the block that made a pool was taken back");
        }
        self.show_count();
    }

    /// Makes sure that no followed pool is lost because a node was busy: then the whole is to be tried again. Not for ever: the
    /// contract may be the reason, and the other pools must go on.
    pub(super) fn check_read(&mut self, sifted: &Sifted, answers: &[PoolAnswer]) -> Result<(), SourceError> {
        let followed = sifted.found.iter().zip(answers).take(sifted.again);
        let mut unread = followed.filter_map(|(found, answer)| match answer {
            PoolAnswer::Unread(reason) => Some((found.spec.address, reason.clone())),
            _ => None,
        });
        match unread.next() {
            Some((pool, reason)) if self.unread_tries < UNREAD_TRIES => {
                self.unread_tries += 1;
                Err(SourceError::Pool { pool, reason })
            }
            _ => Ok(()),
        }
    }

    /// Begins anew from an image, which the pools of factories are added to.
    pub(super) fn restart(&mut self, image: &mut MarketImage, sifted: Sifted, answers: Vec<PoolAnswer>) {
        self.found.clear();
        self.unread_tries = 0;
        self.pools = PoolTable::new(image);
        self.watched.truncate(self.factories.len());
        self.watched.extend(image.pools.iter().map(|(info, _)| Address::from(info.address)));
        self.pool_count = u32::try_from(image.pools.len()).unwrap_or(u32::MAX);
        let ids = (0..).map(TokenId);
        self.tokens = image.tokens.iter().map(|token| Address::from(token.address)).zip(ids).collect();
        let findings = self.identify(sifted, answers);
        let News { tokens, pools } = self.adopt(findings, 0);
        image.tokens.extend(tokens.into_iter().map(|(_, token)| token));
        image.pools.extend(pools.into_iter().map(|(_, info, state)| (info, state)));
    }

    /// Tells that new pools may have been missed.
    pub(super) fn note_unheard(&self, from: u64, error: &SourceError) {
        self.metrics.pools_unheard.add(1);
        tracing::error!(
            from,
            error = error as &dyn core::error::Error,
            "the node does not say which pools were made since this block; a start with `from_block` finds them"
        );
    }

    fn show_count(&self) {
        self.metrics.pools_discovered_now.set(self.found.len() as u64);
    }
}
