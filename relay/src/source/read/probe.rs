//! What a contract is, told by the functions that it answers.

use alloy::primitives::Address;
use alphapulse_protocol::message::PoolKind;
use futures_util::future::{try_join, try_join5};

use super::balancer::getPoolIdCall;
use super::calls::Calls;
use super::curve::gammaCall;
use super::pair::{getReservesCall, token0Call};
use crate::error::SourceError;

/// Whose pool it is. Which one of theirs is told by what it answers further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Pair,
    Concentrated,
    Solidly,
    V4,
    CurveStable,
    CurveCrypto,
    Balancer,
}

impl From<PoolKind> for Family {
    fn from(kind: PoolKind) -> Self {
        match kind {
            PoolKind::UniswapV3 => Self::Concentrated,
            PoolKind::SolidlyVolatile | PoolKind::SolidlyStable => Self::Solidly,
            PoolKind::UniswapV4 => Self::V4,
            PoolKind::CurveStable => Self::CurveStable,
            PoolKind::CurveCrypto => Self::CurveCrypto,
            PoolKind::BalancerWeighted | PoolKind::BalancerStable => Self::Balancer,
            // The list of kinds may grow before its reader does.
            _ => Self::Pair,
        }
    }
}

impl Calls {
    /// The first family whose functions it has; those that others imitate come last.
    pub(super) async fn recognise(&self, address: Address) -> Result<Option<Family>, SourceError> {
        let (id, gamma, is_stable, is_solidly, (is_v3, reserves)) = try_join5(
            self.try_call(address, getPoolIdCall {}),
            self.try_call(address, gammaCall {}),
            self.is_curve_stable(address),
            self.is_solidly(address),
            try_join(
                self.is_v3(address),
                try_join(self.try_call(address, getReservesCall {}), self.try_call(address, token0Call {})),
            ),
        )
        .await?;
        let is_pair = reserves.0.is_some() && reserves.1.is_some();
        let families = [
            (id.is_some(), Family::Balancer),
            (gamma.is_some(), Family::CurveCrypto),
            (is_stable, Family::CurveStable),
            (is_solidly, Family::Solidly),
            (is_v3, Family::Concentrated),
            (is_pair, Family::Pair),
        ];
        Ok(families.into_iter().find(|(is_it, _)| *is_it).map(|(_, family)| family))
    }
}
