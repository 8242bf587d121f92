//! Why risk says no. A refusal is an everyday answer: small, `Copy`, counted by its code.

use core::fmt;

/// Declares the closed set of reasons with their codes and texts.
macro_rules! rejects {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $snake:literal, $text:literal;)+) => {
        /// Reason of a refusal. Codes are stable: they are in journals and metrics. 0 is not a reason, it is "approved".
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        #[non_exhaustive]
        pub enum Reject {
            $($(#[$doc])* $name = $code,)+
        }

        impl Reject {
            /// Every reason, by rising code.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Reason by its code.
            #[must_use]
            pub const fn from_code(code: u16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// Name in journals' reports, metrics and JSON: snake case, stable.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $snake,)+
                }
            }

            const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

rejects! {
    /// The kill switch is tripped.
    KillSwitch = 1, "kill_switch", "the kill switch is tripped";
    /// A breaker stopped trading until an operator restarts it.
    Halted = 2, "halted", "trading is halted by a breaker";
    /// The market state is inside a snapshot or a block.
    MarketNotWhole = 3, "market_not_whole", "the market state is not that of a whole block";
    /// The relay knows a newer block than the market state.
    NotAtHead = 4, "not_at_head", "the market state is behind the head";
    /// The head arrived too long ago.
    MarketStale = 5, "market_stale", "the head is older than the allowed market age";
    /// The head arrived in the future: one of the clocks is wrong.
    ClockWentBack = 6, "clock_went_back", "the head is newer than the clock";
    /// The trade was sized on another block than the head.
    WrongBlock = 7, "wrong_block", "the trade was sized on another block than the head";
    /// A token of the route is not on the allowlist.
    TokenNotAllowed = 8, "token_not_allowed", "a token of the route is not on the allowlist";
    /// A pool of the route is not on the allowlist.
    PoolNotAllowed = 9, "pool_not_allowed", "a pool of the route is not on the allowlist";
    /// The swaps do not balance through the pools they name, or the trade's figures are not theirs.
    RouteBroken = 10, "route_broken", "the swaps do not balance, or the trade's figures are not theirs";
    /// No notional limit is configured for a token that has to be limited.
    NoLimitConfigured = 11, "no_limit_configured", "no notional limit is configured for the token";
    /// The input exceeds the notional limit.
    NotionalAboveLimit = 12, "notional_above_limit", "the input exceeds the notional limit";
    /// As many trades are in flight as may be.
    InFlightAtLimit = 13, "in_flight_at_limit", "as many trades are in flight as allowed";
    /// A pool of the route is in a trade that is in flight.
    PoolInFlight = 14, "pool_in_flight", "a pool of the route is in a trade in flight";
    /// The opportunity was approved before.
    Duplicate = 15, "duplicate", "the opportunity was approved before";
    /// The profit token is not the native coin's wrapper, so that gas cannot be set against it.
    PriceUnknown = 16, "price_unknown", "the profit token has no known price in the native coin";
    /// Profit after gas is below the least allowed.
    UnprofitableAfterGas = 17, "unprofitable_after_gas", "profit after gas is below the minimum";
    /// The highest fee per gas exceeds the cap, or the base fee alone does.
    FeeAboveCap = 18, "fee_above_cap", "the fee per gas exceeds the cap";
    /// The priority fee exceeds the highest fee, or the price expected does: no block takes such a transaction.
    FeesInconsistent = 19, "fees_inconsistent", "the fees contradict each other";
    /// The gas limit exceeds the cap.
    GasAboveCap = 20, "gas_above_cap", "the gas limit exceeds the cap";
    /// The gas expected exceeds the gas limit.
    GasLimitTooLow = 21, "gas_limit_too_low", "the gas expected exceeds the transaction's gas limit";
    /// The loss of the day, with all that is in flight and this trade lost too, exceeds the limit.
    LossDayAtLimit = 22, "loss_day_at_limit", "the loss of the day could exceed its limit";
    /// As many outcomes are unknown as may be.
    UnknownOutcomes = 23, "unknown_outcomes", "too many outcomes are unknown";
    /// It would revert.
    SimulationReverted = 24, "simulation_reverted", "the simulation reverted";
    /// A simulation is required and there is none.
    SimulationUnavailable = 25, "simulation_unavailable", "no simulation is available";
    /// The simulation gains another amount than predicted.
    SimulationMismatch = 26, "simulation_mismatch", "the simulated gain differs from the prediction";
    /// An amount exceeds the width of its unit.
    Overflow = 27, "overflow", "an amount exceeds the width of its unit";
    /// The block window is over before the trade could be in a block.
    Expired = 28, "expired", "the block window is over";
    /// A better opportunity of the same block uses one of its pools.
    Outranked = 29, "outranked", "a better opportunity uses one of the pools";
    /// The relay found a pool of the route to differ from the chain.
    PoolQuarantined = 30, "pool_quarantined", "a pool of the route differed from the chain";
    /// A pool of the route is not one that this market trades: it contradicts itself, or is known not to hold what it states.
    PoolNotAdmitted = 31, "pool_not_admitted", "a pool of the route is not one that may be traded";
    /// The strategy's amounts are not what the pools give.
    NotReproducible = 32, "not_reproducible", "the amounts are not the pools' quotes";
}

impl Reject {
    /// Code in journals and metrics, above 0.
    #[must_use]
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// Whether the market state is to blame: it may be right again with the next block.
    #[must_use]
    pub const fn is_market_stale(self) -> bool {
        matches!(
            self,
            Self::MarketNotWhole
                | Self::NotAtHead
                | Self::MarketStale
                | Self::ClockWentBack
                | Self::WrongBlock
                | Self::PoolQuarantined
        )
    }

    /// Whether the trade would be refused at any size and time under these limits: a matter for the configuration.
    #[must_use]
    pub const fn is_configuration(self) -> bool {
        matches!(self, Self::TokenNotAllowed | Self::PoolNotAllowed | Self::NoLimitConfigured | Self::PriceUnknown)
    }

    /// Whether only what is in flight stands in the way: an outcome may clear it.
    #[must_use]
    pub const fn is_exposure(self) -> bool {
        matches!(self, Self::InFlightAtLimit | Self::PoolInFlight | Self::UnknownOutcomes | Self::LossDayAtLimit)
    }

    /// Whether all trading stands still, not just this trade.
    #[must_use]
    pub const fn is_halt(self) -> bool {
        matches!(self, Self::KillSwitch | Self::Halted)
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Reject {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip_and_zero_is_no_reason() {
        for reject in Reject::ALL {
            assert_eq!(Reject::from_code(reject.code()), Some(*reject));
        }
        assert_eq!(Reject::from_code(0), None);
        assert_eq!(Reject::from_code(u16::MAX), None);
    }

    #[test]
    fn codes_and_names_are_unique() {
        let codes: std::collections::BTreeSet<_> = Reject::ALL.iter().map(|reject| reject.code()).collect();
        let names: std::collections::BTreeSet<_> = Reject::ALL.iter().map(|reject| reject.name()).collect();
        assert_eq!((codes.len(), names.len()), (Reject::ALL.len(), Reject::ALL.len()));
    }

    #[test]
    fn names_are_the_variants_in_snake_case() {
        for reject in Reject::ALL {
            let variant = format!("{reject:?}");
            let snake: String = variant
                .char_indices()
                .flat_map(|(at, c)| (at > 0 && c.is_uppercase()).then_some('_').into_iter().chain(c.to_lowercase()))
                .collect();
            assert_eq!(reject.name(), snake);
        }
    }
}
