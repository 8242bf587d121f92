//! Closed routes: which there are, and which run through a pool.

mod cycles;
mod graph;

pub(crate) use self::cycles::{CycleIndex, visit_cycles};
pub use self::graph::{Edge, TokenGraph};
