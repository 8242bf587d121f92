//! `alphapulse snapshot` of pools of Uniswap V4, Balancer and Curve on a dev node, against the contracts' own answers. Their contracts
//! are deployed in process, and the node begins with the state that this leaves.
#![allow(
    dead_code,
    unused_imports,
    reason = "the harnesses are the pool maths' own, and more is in them than is needed here"
)]

mod all;
mod ask;
mod balancer;
#[path = "../../strategies/tests/it/balancer_chain.rs"]
mod balancer_chain;
#[path = "../../strategies/tests/it/chain.rs"]
mod chain;
#[path = "../../strategies/tests/it/contracts.rs"]
mod contracts;
mod crypto;
mod data;
#[path = "../../benches/tick_to_trade/random.rs"]
mod random;
mod scene;
mod v4;
#[path = "../../strategies/tests/it/v4_chain.rs"]
mod v4_chain;

/// What the harness of V4 needs of that of V3.
mod v3_chain {
    use alloy::primitives::aliases::I24;

    pub(crate) fn tick(tick: i32) -> I24 {
        I24::try_from(tick).expect("a tick has 24 bits")
    }
}
