//! Nonces from durable leases: nothing is signed outside one, so a crash leaves no doubt about what may be out there.
//!
//! A lease is a journal record that is synced before its first nonce is used. After a restart every leased nonce counts
//! as possibly used until the chain decides it.

use std::ops::Range;

use alloy::primitives::Address;
use alphapulse_protocol::message::NonceLease;
use thiserror::Error;

/// Where leases are made durable.
pub trait LeaseLog {
    /// Writes the lease and returns only once it would survive a power loss.
    ///
    /// # Errors
    /// Whatever the storage said. It will not be asked again: a sync that failed once proves nothing later.
    fn persist(&mut self, lease: &NonceLease) -> std::io::Result<()>;
}

/// Why there is no nonce.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NonceError {
    /// The lease could not be made durable. No nonce will be given any more.
    #[error("the nonce lease could not be made durable")]
    NotDurable(#[source] std::io::Error),
    /// An earlier lease failed: the storage cannot be trusted until the node is started anew.
    #[error("an earlier nonce lease could not be made durable; restart the node after checking the disk")]
    Poisoned,
    /// Nonces of an earlier run are not decided yet.
    #[error("nonces {} to {} of an earlier run are not decided by the chain yet", range.start, range.end - 1)]
    InDoubt {
        /// Nonces concerned.
        range: Range<u64>,
    },
    /// The chain counts transactions that we never signed: someone else uses the key.
    #[error(
        "account {sender} has {chain_nonce} transactions on chain, but only nonces below {known_end} are ours: \
         another program uses its key; stop it, or, if these were yours, start with --confirm-account-use"
    )]
    Foreign {
        /// Account concerned.
        sender: Address,
        /// Next nonce by the chain.
        chain_nonce: u64,
        /// First nonce that we have not used.
        known_end: u64,
    },
    /// The nonces of the account are used up.
    #[error("the account has no nonces left")]
    Exhausted,
}

/// A nonce within a durable lease, to be signed at most once as a trade. Only [`NonceManager`] makes one.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a nonce that is neither signed nor given back leaves a hole"]
pub struct LeasedNonce(u64);

impl LeasedNonce {
    /// The number.
    #[must_use]
    pub const fn get(&self) -> u64 {
        self.0
    }
}

/// Nonces of one account. One owner, no clone: two would give the same nonce twice.
#[derive(Debug)]
pub struct NonceManager {
    sender: Address,
    lease_count: u32,
    next: u64,
    leased_end: u64,
    doubt: Range<u64>,
    is_poisoned: bool,
}

impl NonceManager {
    /// Nonces of `sender`, which the chain counts from `chain_nonce`, leased `lease_count` (above 0) at a time.
    ///
    /// Give no leases when the operator says that transactions beyond them are his own.
    ///
    /// `leases` are all records of earlier runs, in any order, of any account. What they leased and the chain has not
    /// counted is in doubt.
    ///
    /// `signed_end` is the first nonce that no earlier run has signed, by records that are whole; `None` when some may be
    /// lost, and then every leased nonce may have been signed.
    ///
    /// # Errors
    /// [`NonceError::Foreign`] when there are leases and the chain counts beyond what was signed under them.
    pub fn resume(
        sender: Address,
        lease_count: u32,
        chain_nonce: u64,
        leases: &[NonceLease],
        signed_end: Option<u64>,
    ) -> Result<Self, NonceError> {
        let ours = || leases.iter().filter(|lease| lease.sender == sender.0.0);
        let Some(leased_end) = ours().map(lease_end).max() else {
            return Ok(Self::at(sender, lease_count, chain_nonce, chain_nonce));
        };
        let first = ours().map(|lease| lease.first.get()).min().unwrap_or(chain_nonce);
        let known_end = signed_end.map_or(leased_end, |end| end.clamp(first, leased_end));
        if chain_nonce > known_end {
            return Err(NonceError::Foreign { sender, chain_nonce, known_end });
        }
        Ok(Self::at(sender, lease_count, chain_nonce, leased_end))
    }

    fn at(sender: Address, lease_count: u32, chain_nonce: u64, leased_end: u64) -> Self {
        Self {
            sender,
            lease_count: lease_count.max(1),
            next: chain_nonce,
            leased_end,
            doubt: chain_nonce..leased_end,
            is_poisoned: false,
        }
    }

    /// Account concerned.
    #[must_use]
    pub const fn sender(&self) -> Address {
        self.sender
    }

    /// Nonces of earlier runs that may have been signed and that the chain has not counted. While there are any, none
    /// is given: send own-address replacements for them, or wait.
    #[must_use]
    pub fn in_doubt(&self) -> Range<u64> {
        self.doubt.clone()
    }

    /// Takes note of the chain's count: nonces below it are decided.
    ///
    /// # Errors
    /// [`NonceError::Foreign`] when the chain counts beyond what we gave out.
    pub fn confirm(&mut self, chain_nonce: u64) -> Result<(), NonceError> {
        let known_end = self.next.max(self.doubt.end);
        if chain_nonce > known_end {
            return Err(NonceError::Foreign { sender: self.sender, chain_nonce, known_end });
        }
        self.doubt.start = chain_nonce.clamp(self.doubt.start, self.doubt.end);
        self.next = self.next.max(chain_nonce);
        Ok(())
    }

    /// Ends the doubt by decision: whoever calls this knows that nothing signed earlier can still harm, because its
    /// block window is over. What is signed next may replace it; the chain takes one of the two.
    ///
    /// `may_land` says whether something that was signed earlier and is on no record may still be counted.
    pub fn accept_doubt(&mut self, may_land: bool) {
        self.next = self.next.max(self.doubt.start);
        let end = if may_land { self.doubt.end } else { self.next };
        self.doubt = end..end;
    }

    /// Leases more when less than half a lease is left, so that a lease's sync is not waited for when a trade is. Call
    /// it when there is time.
    ///
    /// # Errors
    /// [`NonceError::NotDurable`] once, [`NonceError::Poisoned`] ever after.
    pub fn top_up(&mut self, log: &mut dyn LeaseLog) -> Result<(), NonceError> {
        let left = self.leased_end.saturating_sub(self.next);
        if left > u64::from(self.lease_count / 2) { Ok(()) } else { self.lease(log) }
    }

    /// The next nonce, under a lease that is durable.
    ///
    /// # Errors
    /// [`NonceError::InDoubt`] before earlier nonces are decided; [`NonceError::NotDurable`] once and
    /// [`NonceError::Poisoned`] ever after when a lease could not be synced; [`NonceError::Exhausted`] at the end.
    pub fn allocate(&mut self, log: &mut dyn LeaseLog) -> Result<LeasedNonce, NonceError> {
        if !self.doubt.is_empty() {
            return Err(NonceError::InDoubt { range: self.doubt.clone() });
        }
        if self.is_poisoned {
            return Err(NonceError::Poisoned);
        }
        if self.next >= self.leased_end {
            self.lease(log)?;
        }
        let nonce = self.next;
        self.next += 1;
        Ok(LeasedNonce(nonce))
    }

    /// Takes back a nonce that was not signed. Only the last one given can be: an earlier one would leave a hole for the
    /// later ones to wait at.
    ///
    /// # Errors
    /// The nonce, when a later one was given since.
    pub fn give_back(&mut self, nonce: LeasedNonce) -> Result<(), LeasedNonce> {
        if nonce.0.checked_add(1) != Some(self.next) {
            return Err(nonce);
        }
        self.next = nonce.0;
        Ok(())
    }

    fn lease(&mut self, log: &mut dyn LeaseLog) -> Result<(), NonceError> {
        if self.is_poisoned {
            return Err(NonceError::Poisoned);
        }
        let end = self.leased_end.checked_add(u64::from(self.lease_count)).ok_or(NonceError::Exhausted)?;
        let lease = NonceLease::new(self.sender.0.0, self.leased_end, self.lease_count);
        if let Err(error) = log.persist(&lease) {
            self.is_poisoned = true;
            return Err(NonceError::NotDurable(error));
        }
        self.leased_end = end;
        Ok(())
    }
}

fn lease_end(lease: &NonceLease) -> u64 {
    lease.first.get().saturating_add(u64::from(lease.count.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: Address = Address::repeat_byte(7);

    #[derive(Default)]
    struct Log {
        leases: Vec<NonceLease>,
        is_broken: bool,
    }

    impl LeaseLog for Log {
        fn persist(&mut self, lease: &NonceLease) -> std::io::Result<()> {
            if self.is_broken {
                return Err(std::io::Error::other("disk"));
            }
            self.leases.push(*lease);
            Ok(())
        }
    }

    fn leased(log: &Log) -> Vec<(u64, u32)> {
        log.leases.iter().map(|lease| (lease.first.get(), lease.count.get())).collect()
    }

    #[test]
    fn nonces_rise_by_one_and_each_is_leased_before_it_is_given() {
        let mut log = Log::default();
        let mut nonces = NonceManager::resume(SENDER, 3, 10, &[], None).expect("first start");
        for expected in 10..20 {
            let nonce = nonces.allocate(&mut log).expect("leased");
            assert_eq!(nonce.get(), expected);
            let end = log.leases.last().map(lease_end).expect("a lease");
            assert!(expected < end);
        }
        assert_eq!(leased(&log), [(10, 3), (13, 3), (16, 3), (19, 3)]);
    }

    #[test]
    fn a_lease_that_is_not_durable_gives_no_nonce_and_is_never_retried() {
        let mut log = Log { is_broken: true, ..Log::default() };
        let mut nonces = NonceManager::resume(SENDER, 3, 0, &[], None).expect("first start");
        assert!(matches!(nonces.allocate(&mut log), Err(NonceError::NotDurable(_))));
        log.is_broken = false;
        assert!(matches!(nonces.allocate(&mut log), Err(NonceError::Poisoned)));
        assert!(matches!(nonces.top_up(&mut log), Err(NonceError::Poisoned)));
        assert!(log.leases.is_empty());
    }

    #[test]
    fn nonces_left_in_a_poisoned_lease_are_not_given_either() {
        let mut log = Log::default();
        let mut nonces = NonceManager::resume(SENDER, 4, 0, &[], None).expect("first start");
        for _ in 0..2 {
            let _ = nonces.allocate(&mut log).expect("leased");
        }
        log.is_broken = true;
        assert!(nonces.top_up(&mut log).is_err());
        assert!(matches!(nonces.allocate(&mut log), Err(NonceError::Poisoned)));
    }

    #[test]
    fn top_up_leases_ahead_of_need_and_only_then() {
        let mut log = Log::default();
        let mut nonces = NonceManager::resume(SENDER, 4, 0, &[], None).expect("first start");
        nonces.top_up(&mut log).expect("leases");
        nonces.top_up(&mut log).expect("enough");
        assert_eq!(leased(&log), [(0, 4)]);
        for _ in 0..2 {
            let _ = nonces.allocate(&mut log).expect("leased");
        }
        nonces.top_up(&mut log).expect("leases");
        assert_eq!(leased(&log), [(0, 4), (4, 4)]);
    }

    #[test]
    fn after_a_restart_leased_nonces_are_in_doubt_until_the_chain_counts_them() {
        let mut log = Log::default();
        let leases = [NonceLease::new(SENDER.0.0, 10, 4), NonceLease::new([9; 20], 500, 4)];
        let mut nonces = NonceManager::resume(SENDER, 4, 12, &leases, None).expect("within the lease");
        assert_eq!(nonces.in_doubt(), 12..14);
        assert!(matches!(nonces.allocate(&mut log), Err(NonceError::InDoubt { range }) if range == (12..14)));
        nonces.confirm(13).expect("counted");
        assert_eq!(nonces.in_doubt(), 13..14);
        nonces.confirm(14).expect("counted");
        assert_eq!(nonces.allocate(&mut log).expect("decided").get(), 14);
    }

    #[test]
    fn doubt_that_is_accepted_leaves_no_hole() {
        let mut log = Log::default();
        let leases = [NonceLease::new(SENDER.0.0, 10, 4)];
        let mut nonces = NonceManager::resume(SENDER, 4, 11, &leases, None).expect("within the lease");
        nonces.accept_doubt(true);
        assert_eq!(nonces.allocate(&mut log).expect("leased before").get(), 11);
        assert!(log.leases.is_empty(), "the old lease still covers it");
    }

    #[test]
    fn an_old_transaction_that_lands_after_all_is_skipped_over() {
        let mut log = Log::default();
        let leases = [NonceLease::new(SENDER.0.0, 10, 4)];
        let mut nonces = NonceManager::resume(SENDER, 4, 11, &leases, None).expect("within the lease");
        nonces.accept_doubt(true);
        nonces.confirm(12).expect("an old one was mined");
        assert_eq!(nonces.allocate(&mut log).expect("leased before").get(), 12);
    }

    #[test]
    fn a_transaction_that_we_never_leased_is_foreign() {
        let leases = [NonceLease::new(SENDER.0.0, 10, 4)];
        assert!(NonceManager::resume(SENDER, 4, 14, &leases, None).is_ok());
        assert!(matches!(
            NonceManager::resume(SENDER, 4, 15, &leases, None),
            Err(NonceError::Foreign { chain_nonce: 15, known_end: 14, .. })
        ));
        let mut nonces = NonceManager::resume(SENDER, 4, 5, &[], None).expect("first start");
        nonces.confirm(5).expect("nothing happened");
        assert!(matches!(nonces.confirm(6), Err(NonceError::Foreign { .. })));
    }

    #[test]
    fn with_whole_records_a_leased_nonce_that_was_not_signed_is_foreign_when_the_chain_counts_it() {
        let leases = [NonceLease::new(SENDER.0.0, 10, 16)];
        let resume = |chain_nonce, signed_end| NonceManager::resume(SENDER, 16, chain_nonce, &leases, Some(signed_end));
        assert!(resume(13, 13).is_ok());
        assert!(matches!(resume(14, 13), Err(NonceError::Foreign { chain_nonce: 14, known_end: 13, .. })));
        assert!(matches!(resume(11, 0), Err(NonceError::Foreign { known_end: 10, .. })), "nothing was signed at all");
        let mut nonces = resume(12, 13).expect("one of ours is open");
        nonces.accept_doubt(false);
        assert_eq!(nonces.allocate(&mut Log::default()).expect("leased before").get(), 12);
        nonces.confirm(13).expect("ours");
        assert!(matches!(nonces.confirm(14), Err(NonceError::Foreign { known_end: 13, .. })));
    }

    #[test]
    fn only_the_last_nonce_can_be_given_back() {
        let mut log = Log::default();
        let mut nonces = NonceManager::resume(SENDER, 4, 0, &[], None).expect("first start");
        let first = nonces.allocate(&mut log).expect("leased");
        let second = nonces.allocate(&mut log).expect("leased");
        let first = nonces.give_back(first).expect_err("a later one is out");
        nonces.give_back(second).expect("the last");
        nonces.give_back(first).expect("now the last");
        assert_eq!(nonces.allocate(&mut log).expect("leased").get(), 0);
    }
}
