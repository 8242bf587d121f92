//! A chain to try the engine on: the dev node as a managed process, and real contracts deployed on it.
//!
//! Guarantees
//! - The contracts that are traded against are the published bytecode, never our copy.
//! - A node ends with the value that owns it.
//!
//! Refusals: nothing here is for a chain with money. Keys are published ones.

pub mod artifact;
pub mod dev_node;
pub mod kit;

pub use artifact::{Artifact, ArtifactError};
pub use dev_node::{DevNode, DevNodeConfig, DevNodeError, Mining, Order};
pub use kit::{Kit, KitError, PublicContract};
