//! Risk: what may be signed. Fails closed: whatever is unknown, missing, old or too large is refused.
//!
//! Guarantees: deterministic and without a clock (time comes in the [`RiskContext`]); an [`Approved`] is minted nowhere
//! else; everything in flight counts at its worst case against the limits until the chain says what became of it.
//!
//! Refusals: no I/O, no floating point, no default for a limit.

mod approved;
mod exposure;
mod kill_switch;
mod limits;
mod manager;
mod pre_trade;
mod reject;

pub use self::approved::Approved;
pub use self::exposure::{DAY_NS, Settled};
pub use self::kill_switch::{KillSwitch, watch_file};
pub use self::limits::Limits;
pub use self::manager::{RiskManager, SimulatedGain};
pub use self::pre_trade::{RiskContext, net_profit};
pub use self::reject::Reject;
