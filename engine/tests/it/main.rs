//! Behaviour of the engine through its public interface.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod approval;
mod data;
mod ethers_oracle;
mod ethers_vectors;
mod example_config;
mod random;
mod reject_codes;
