//! Sources of what stands beside the stream: waiting transactions, finality, quotes of exchanges.
//!
//! Each runs in a task of its own and hands whole messages to an [`Outlet`]; nothing of the market's state waits for it or depends
//! on it. A connection that ends is made again with growing pauses; sources come and go while the relay runs.

mod decimal;
mod finality;
mod numbering;
mod outlet;
mod pending;
mod quotes;
mod supervisor;

use core::future::Future;

use crate::error::SourceError;

pub use self::finality::FinalityWatch;
pub use self::outlet::{Outlet, SideReport};
pub use self::pending::PendingTransactions;
pub use self::quotes::{BookTicker, QuoteSpec, SYMBOLS_MAX};
pub(crate) use self::supervisor::{SideGuard, SideSources};

/// Something that hands in side messages.
pub trait SideSource: Send + Sync + 'static {
    /// Name for logs and reports; holds no secret.
    fn name(&self) -> String;

    /// One connection: connects, says [`Outlet::ready`], and hands in what comes. Once [`Outlet::stopped`] it finishes what it has
    /// under way and returns; it may be dropped if it takes long.
    ///
    /// # Errors
    /// Why the connection ended. It is made again, unless the error [is fatal](SourceError::is_fatal).
    fn run(&self, outlet: &Outlet) -> impl Future<Output = Result<(), SourceError>> + Send;
}
