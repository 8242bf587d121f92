//! placeholder
pub mod execution;
