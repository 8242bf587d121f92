//! Pools of two reserves.

use alphapulse_protocol::FeePpm;
use alphapulse_protocol::replica::{PoolState, SolidlyState, V2State};

use super::{SamplePool, Species, coin};
use crate::conformance::random::Random;

pub(super) fn draw(species: Species, random: &mut Random) -> SamplePool {
    let size = u32::try_from(random.index(9)).expect("below nine");
    let ((decimals_0, reserve_0), (decimals_1, reserve_1)) = (coin(random, size), coin(random, size));
    let decimals = [decimals_0, decimals_1];
    if species == Species::UniswapV2 {
        let mut pool = species.pool(&decimals, PoolState::V2(V2State { reserve_0, reserve_1 }));
        pool.info.fee = FeePpm(random.pick(&[0, 500, 2_500, 3_000, 10_000]));
        return pool;
    }
    let fee = FeePpm(random.pick(&[0, 100, 500, 3_000, 10_000]));
    species.pool(&decimals, PoolState::Solidly(SolidlyState { fee, reserve_0, reserve_1 }))
}
