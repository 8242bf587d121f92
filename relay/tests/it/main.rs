//! Behaviour of the relay through its public interface.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a failed unwrap is a failed test; seeds and counts are printed"
)]

mod administration;
mod archive;
mod base_fee;
mod beside;
mod caution;
mod caution_kept;
mod chain_faults;
mod crypto_pools;
mod data;
mod discovery;
mod discovery_faults;
mod fake_chain;
mod fake_market;
mod fake_node;
mod feed_messages;
mod golden;
mod journal;
mod journal_chain;
mod keys;
mod later_kinds;
mod log;
mod log_replay;
mod log_vectors;
mod lost_source;
mod lying_node;
mod observe;
mod publishing;
mod python_client;
mod quotes;
mod race;
mod race_beside;
mod race_heads;
mod race_nodes;
mod race_safety;
mod race_scene;
mod race_start;
mod random_chains;
mod random_liars;
mod read_pools;
mod recovery;
mod refused_pools;
mod remote_feed;
mod replay;
mod scene;
mod selection;
mod sockets;
mod subscriber;
mod tls;
mod truth;
mod truth_race;
mod truth_scene;
mod truth_status;
mod truth_stream;
mod users;
