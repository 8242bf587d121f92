//! Tokens and the pools between them.

use alphapulse_protocol::{PoolId, TokenId};

use crate::pool::Way;

/// A pool as seen from one of its tokens. Ordered by the other token, then by pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// Token received.
    pub token_out: TokenId,
    /// Pool swapped in.
    pub pool: PoolId,
    /// The tokens' places in the pool.
    pub way: Way,
}

/// For every token, the pools that take it.
#[derive(Debug, Clone, Default)]
pub struct TokenGraph {
    /// By token id; each list sorted.
    edges: Vec<Vec<Edge>>,
}

impl TokenGraph {
    /// Ways out of a token, sorted by token received, then pool.
    #[must_use]
    pub fn edges(&self, token: TokenId) -> &[Edge] {
        self.edges.get(token.index()).map_or(&[], Vec::as_slice)
    }

    /// Ways from one token straight to another, sorted by pool and by place.
    #[must_use]
    pub fn edges_between(&self, token_in: TokenId, token_out: TokenId) -> &[Edge] {
        let edges = self.edges(token_in);
        let start = edges.partition_point(|edge| edge.token_out < token_out);
        let end = edges.partition_point(|edge| edge.token_out <= token_out);
        &edges[start..end]
    }

    /// Adds every way through a pool, but for one from a token to itself, which no route can pass.
    pub(crate) fn add(&mut self, pool: PoolId, tokens: &[TokenId]) {
        for (token_in, place_in) in tokens.iter().zip(0..) {
            for (token_out, place_out) in tokens.iter().zip(0..) {
                if token_in != token_out {
                    let way = Way { token_in: place_in, token_out: place_out };
                    self.add_edge(*token_in, Edge { token_out: *token_out, pool, way });
                }
            }
        }
    }

    fn add_edge(&mut self, token_in: TokenId, edge: Edge) {
        if self.edges.len() <= token_in.index() {
            self.edges.resize_with(token_in.index() + 1, Vec::new);
        }
        let edges = &mut self.edges[token_in.index()];
        let position = edges.partition_point(|known| *known < edge);
        edges.insert(position, edge);
    }

    pub(crate) fn clear(&mut self) {
        self.edges.clear();
    }
}
