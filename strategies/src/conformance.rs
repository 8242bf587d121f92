//! What every strategy must pass, ours and a user's: random markets, blocks, reorgs, gaps and resyncs.
//!
//! ```
//! use alphapulse_strategies::{Settings, StrategyConfig, StrategyKind, conformance, registry};
//!
//! let config = StrategyConfig {
//!     name: "triangles".to_owned(),
//!     kind: StrategyKind::CYCLIC,
//!     tokens: vec![conformance::token_address(0)],
//!     hops_max: 3,
//!     profit_min: alphapulse_protocol::U256::from(1),
//!     per_block_max: 8,
//!     settings: Settings::new(),
//! };
//! let account = conformance::check(|| registry::build(&config, 0).expect("valid"), 7, 50)?;
//! assert!(account.opportunities > 0);
//! # Ok::<(), conformance::Violation>(())
//! ```

mod certificate;
pub mod pool;
mod random;
mod stream;

use std::panic::{AssertUnwindSafe, catch_unwind};

use alphapulse_protocol::message::Message;
use alphapulse_protocol::replica::REORG_DEPTH_MAX;
use alphapulse_protocol::{AddressBytes, PoolId};
use thiserror::Error;

pub use self::certificate::{Understated, check_certificate};
use self::random::Random;
pub use self::stream::{MarketStream, MessageBytes, pool_address, token_address};
use crate::admission::Admission;
use crate::market::Market;
use crate::opportunity::{Flaw, Opportunity, OpportunitySink};
use crate::strategy::Strategy;

/// Room for the reports of one event.
const SINK_CAPACITY: usize = 256;

/// One step in this many loses a message, which the market notices and recovers from by a snapshot.
const LOSS_ONE_IN: u64 = 100;

/// What a checked strategy was shown and what it found. A count of zero says that a case was not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// Messages applied.
    pub messages: u64,
    /// Opportunities reported, each of which reproduced.
    pub opportunities: u64,
    /// Messages lost on the way.
    pub gaps: u64,
}

/// How a strategy broke its contract. `step` counts messages from 0, so that a seed and a step repeat the case.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// It panicked.
    #[error("message {step}: the strategy panicked")]
    Panicked {
        /// Message at which it happened.
        step: u64,
    },
    /// Two instances that saw the same reported differently.
    #[error("message {step}: two instances that saw the same reported differently")]
    NotDeterministic {
        /// Message at which it happened.
        step: u64,
    },
    /// It reported from a state that may not be traded on.
    #[error("message {step}: an opportunity was reported while the market was not tradable")]
    NotTradable {
        /// Message at which it happened.
        step: u64,
    },
    /// It used a pool that is not admitted.
    #[error("message {step}: an opportunity uses pool {pool}, which is not admitted")]
    NotAdmitted {
        /// Message at which it happened.
        step: u64,
        /// The pool.
        pool: PoolId,
    },
    /// Of two reports in one token the better comes later, or both go through one pool: the first would spoil the second.
    #[error("message {step}: reports are not best first, or two of them go through one pool")]
    NotInOrder {
        /// Message at which it happened.
        step: u64,
    },
    /// Its amounts are not what the pools would give.
    #[error("message {step}: the amounts of an opportunity are not the pools' quotes in pool {pool}")]
    NotReproducible {
        /// Message at which it happened.
        step: u64,
        /// The pool.
        pool: PoolId,
    },
}

/// Shows two instances of a strategy the same random stream of `steps` steps and checks all that they report.
///
/// The market has the tokens of [`token_address`] and pools of every kind, some of them kept off the allowlist. The
/// stream has blocks behind the head, reorgs, new pools, lost messages and snapshots in the middle.
///
/// # Errors
/// The first [`Violation`].
pub fn check(make: impl Fn() -> Box<dyn Strategy>, seed: u64, steps: usize) -> Result<Account, Violation> {
    let mut stream = MarketStream::new(seed);
    let mut trial = Trial {
        market: Market::new(admission(), REORG_DEPTH_MAX),
        twins: [make(), make()],
        sinks: [OpportunitySink::new(SINK_CAPACITY), OpportunitySink::new(SINK_CAPACITY)],
        account: Account::default(),
    };
    let mut loss = Random::new(seed ^ 0x105e);
    trial.show_all(&stream.snapshot())?;
    for _ in 0..steps {
        let mut messages = stream.step();
        if loss.one_in(LOSS_ONE_IN) && !messages.is_empty() {
            messages.remove(loss.index(messages.len()));
            trial.account.gaps += 1;
        }
        if !trial.show_all(&messages)? {
            trial.show_all(&stream.snapshot())?;
        }
    }
    Ok(trial.account)
}

/// Every token, and every pool but one in eight.
fn admission() -> Admission {
    let listed = (0..256).filter(|pool| pool % 8 != 7).map(pool_address);
    Admission { pools: Some(listed.collect::<std::collections::BTreeSet<AddressBytes>>()), ..Admission::allow_all() }
}

/// Two instances of a strategy before one market.
struct Trial {
    market: Market,
    twins: [Box<dyn Strategy>; 2],
    sinks: [OpportunitySink; 2],
    account: Account,
}

impl Trial {
    /// `false` when the market has lost the thread and needs a snapshot.
    fn show_all(&mut self, messages: &[MessageBytes]) -> Result<bool, Violation> {
        for message in messages {
            let decoded = Message::decode(message).expect("the stream writes whole messages");
            if !self.show(&decoded)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn show(&mut self, message: &Message<'_>) -> Result<bool, Violation> {
        let step = self.account.messages;
        self.account.messages += 1;
        let Ok(event) = self.market.apply(message) else { return Ok(false) };
        for (twin, sink) in self.twins.iter_mut().zip(&mut self.sinks) {
            sink.clear();
            catch_unwind(AssertUnwindSafe(|| twin.on_event(&self.market, &event, sink)))
                .map_err(|_| Violation::Panicked { step })?;
        }
        let [found, again] = &self.sinks;
        if found.as_slice() != again.as_slice() {
            return Err(Violation::NotDeterministic { step });
        }
        if !found.as_slice().is_empty() && !self.market.replica().is_tradable() {
            return Err(Violation::NotTradable { step });
        }
        if !is_in_order(found.as_slice()) {
            return Err(Violation::NotInOrder { step });
        }
        for opportunity in found.as_slice() {
            opportunity.check(&self.market).map_err(|flaw| match flaw {
                Flaw::NotAdmitted { pool } => Violation::NotAdmitted { step, pool },
                Flaw::NotReproducible { pool } => Violation::NotReproducible { step, pool },
            })?;
            self.account.opportunities += 1;
        }
        Ok(true)
    }
}

/// Best first within each token, and no pool twice.
fn is_in_order(found: &[Opportunity]) -> bool {
    let are_fine = |before: &Opportunity, later: &Opportunity| {
        let is_free = later.hops().iter().all(|hop| !before.uses(hop.pool));
        is_free && (before.token != later.token || before.profit() >= later.profit())
    };
    found.iter().enumerate().all(|(at, later)| found[..at].iter().all(|before| are_fine(before, later)))
}
