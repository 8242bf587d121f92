//! Proof that risk approved. There is no other way to make one.

use core::ops::Deref;

use alphapulse_protocol::UnixNanos;

/// A value that the risk manager approved, once.
///
/// Not `Clone` and not constructible outside `risk`: who holds one was given it by
/// [`RiskManager::approve`](super::RiskManager::approve), and who consumes it cannot use it twice.
#[derive(Debug)]
#[must_use = "an approval holds exposure until its outcome or abandonment is reported"]
pub struct Approved<T> {
    inner: T,
    number: u64,
    approved_at: UnixNanos,
}

impl<T> Approved<T> {
    /// Mints approval `number`.
    pub(super) const fn mint(inner: T, number: u64, approved_at: UnixNanos) -> Self {
        Self { inner, number, approved_at }
    }

    /// Number of the approval, from 1, rising by one: signatures are counted against it.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Time of the decision.
    #[must_use]
    pub const fn approved_at(&self) -> UnixNanos {
        self.approved_at
    }

    /// The value; the approval is spent.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T> Deref for Approved<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}
