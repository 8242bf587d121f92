//! What happened so far, as the demo tells it: folded from rounds, drawn or printed by others.

use std::collections::VecDeque;
use std::fmt::Write as _;

use alloy::primitives::Address;
use alphapulse_engine::node::{NodeEvent, NodeStatus};
use alphapulse_engine::risk::Reject;
use alphapulse_protocol::message::{Found, OutcomeStatus, SubmittedStatus};
use alphapulse_protocol::{PoolId, TokenId, U256};
use alphapulse_testnet::Pool;
use alphapulse_testnet::actor::Move;
use alphapulse_testnet::session::Round;

use super::legend::Legend;

/// Trades that are remembered; more than any terminal shows.
const TRADES_KEPT: usize = 200;

/// How far a trade has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    Found,
    Rejected(&'static str),
    Approved,
    Sent,
    Unclear,
    /// In the chain, with what it gained.
    Landed(U256),
    Reverted,
    Dropped,
}

/// One opportunity and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Trade {
    pub(crate) id: u64,
    pub(crate) found_in: u64,
    pub(crate) route: String,
    pub(crate) amount_in: U256,
    pub(crate) predicted: U256,
    pub(crate) stage: Stage,
}

/// The demo so far.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) legend: Legend,
    pub(crate) seed: u64,
    pub(crate) rounds: u32,
    pub(crate) rounds_max: u32,
    pub(crate) block: u64,
    pub(crate) base_fee: u128,
    /// The traders' moves of the last block.
    pub(crate) moves: Vec<String>,
    /// Trades that the chain decided on in the last block, by id.
    pub(crate) decided: Vec<u64>,
    /// Newest last.
    pub(crate) trades: VecDeque<Trade>,
    /// Profit realised in each block, wei of the profit token.
    pub(crate) profit_by_block: Vec<U256>,
    pub(crate) status: NodeStatus,
    tokens_of_pools: Vec<(Address, Address, Address)>,
}

impl Story {
    pub(crate) fn new(legend: Legend, deployed: &[Pool], seed: u64, rounds_max: u32) -> Self {
        let tokens_of_pools = deployed.iter().map(|pool| (pool.address, pool.token_0, pool.token_1)).collect();
        Self {
            legend,
            seed,
            rounds: 0,
            rounds_max,
            block: 0,
            base_fee: 0,
            moves: Vec::new(),
            decided: Vec::new(),
            trades: VecDeque::new(),
            profit_by_block: Vec::new(),
            status: NodeStatus::default(),
            tokens_of_pools,
        }
    }

    /// Adds a round and the node's figures after it.
    pub(crate) fn add(&mut self, round: &Round, status: NodeStatus) {
        self.rounds += 1;
        self.block = round.head.block.number.0;
        self.base_fee = round.head.base_fee;
        self.moves = round.moves.iter().filter_map(|step| self.tell_move(step)).collect();
        self.decided.clear();
        for event in &round.events {
            self.follow(event);
        }
        let gained = status.totals.realised_profit.saturating_sub(self.status.totals.realised_profit);
        self.profit_by_block.push(gained);
        self.status = status;
    }

    fn follow(&mut self, event: &NodeEvent) {
        if let Some(found) = event.found() {
            self.remember(&found);
        }
        match event {
            NodeEvent::Verdict(verdict) => {
                let rejected = Reject::from_code(verdict.reject.get()).map(|reason| Stage::Rejected(reason.name()));
                self.set(verdict.opportunity.get(), rejected.unwrap_or(Stage::Approved));
            }
            NodeEvent::Submitted(answer) => {
                let stage = match SubmittedStatus::from_wire(answer.status.get()) {
                    Some(SubmittedStatus::Accepted) => Stage::Sent,
                    _ => Stage::Unclear,
                };
                self.set(answer.opportunity.get(), stage);
            }
            NodeEvent::Outcome(outcome) => {
                let stage = match OutcomeStatus::from_wire(outcome.status.get()) {
                    Some(OutcomeStatus::Included) => Stage::Landed(outcome.gain.get()),
                    Some(OutcomeStatus::Reverted) => Stage::Reverted,
                    Some(OutcomeStatus::Replaced | OutcomeStatus::Abandoned) => Stage::Dropped,
                    Some(OutcomeStatus::Reorged) => Stage::Sent,
                    _ => return,
                };
                self.set(outcome.opportunity.get(), stage);
            }
            _ => {}
        }
    }

    fn remember(&mut self, found: &Found<'_>) {
        if self.trades.len() == TRADES_KEPT {
            self.trades.pop_front();
        }
        self.trades.push_back(Trade {
            id: found.opportunity.0,
            found_in: found.block.number.0,
            route: self.tell_route(found),
            amount_in: found.amount_in,
            predicted: found.profit(),
            stage: Stage::Found,
        });
    }

    fn set(&mut self, id: u64, stage: Stage) {
        if matches!(stage, Stage::Landed(_) | Stage::Reverted) {
            self.decided.push(id);
        }
        if let Some(trade) = self.trades.iter_mut().rev().find(|trade| trade.id == id) {
            trade.stage = stage;
        }
    }

    /// `WETH › DAI › WETH  Uniswap V2, Pancake V2`; of swaps that are no route, `WETH by 3 swaps` in the place of the tokens.
    fn tell_route(&self, found: &Found<'_>) -> String {
        let mut tokens = self.legend.token(found.token).to_owned();
        let mut pools = Vec::new();
        let is_first = found.hops.first().is_some_and(|hop| hop.token_in.get() == found.token.0);
        let is_chained = is_first && found.hops.windows(2).all(|pair| pair[0].token_out == pair[1].token_in);
        if !is_chained {
            let _ = write!(tokens, " by {} swaps", found.hops.len());
        }
        for hop in found.hops {
            if is_chained {
                tokens.push_str(" › ");
                tokens.push_str(self.legend.token(TokenId(hop.token_out.get())));
            }
            pools.push(self.legend.pool(PoolId(hop.pool.get())));
        }
        format!("{tokens}  {}", pools.join(", "))
    }

    fn tell_move(&self, step: &Move) -> Option<String> {
        let tokens = |pool: &Address| {
            let known = self.tokens_of_pools.iter().find(|known| known.0 == *pool)?;
            Some((known.1, known.2))
        };
        let pair = |pool: &Address| {
            let (token_0, token_1) = tokens(pool)?;
            let (symbol_0, symbol_1) = (self.legend.token_at(token_0), self.legend.token_at(token_1));
            Some(format!("{symbol_0}/{symbol_1} on {}", self.legend.pool_at(*pool)))
        };
        match step {
            Move::Swap { pool, zero_for_one, amount_in } => {
                let (token_0, token_1) = tokens(pool)?;
                let (paid, got) = if *zero_for_one { (token_0, token_1) } else { (token_1, token_0) };
                let amount = self.legend.amount_at(*amount_in, paid);
                Some(format!("{amount} → {} on {}", self.legend.token_at(got), self.legend.pool_at(*pool)))
            }
            Move::AddLiquidity { pool, .. } => Some(format!("liquidity into {}", pair(pool)?)),
            Move::RemoveLiquidity { pool, .. } => Some(format!("liquidity out of {}", pair(pool)?)),
            Move::BurnGas { .. } => None,
        }
    }
}
