//! From an approved opportunity to the chain.

pub mod calldata;
pub mod caller;
pub mod chain;
pub mod connect;
pub mod executor_code;
pub mod fees;
pub mod keystore;
pub mod nonce;
pub mod signer;
pub mod track;
