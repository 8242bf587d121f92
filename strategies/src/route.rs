//! Closed routes: which there are, and which run through a pool.

mod graph;

pub use self::graph::{Edge, TokenGraph};
