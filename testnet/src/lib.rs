//! A chain to try the engine on: the dev node as a managed process, and real contracts deployed on it.
//!
//! Guarantees
//! - The contracts that are traded against are the published bytecode, never our copy.
//! - A node ends with the value that owns it.
//!
//! Refusals: nothing here is for a chain with money. Keys are published ones.

pub mod actor;
pub mod artifact;
mod batch;
pub mod contracts;
pub mod deploy;
pub mod dev_node;
pub mod exhaustive;
pub mod kit;
pub mod layout;
pub mod mainnet_block;
pub mod session;
pub mod validate;

pub use artifact::{Artifact, ArtifactError};
pub use batch::BatchError;
pub use contracts::OwnContract;
pub use deploy::{DeployError, Deployment, PANCAKE_V2, Pool, PoolKind, Token, UNISWAP_V2, UNISWAP_V3};
pub use dev_node::{DevNode, DevNodeConfig, DevNodeError, Mining, Order};
pub use kit::{Kit, KitError, PublicContract};
pub use layout::{Layout, PoolSpec, RangeSpec, TokenSpec, WETH, Where};
