//! A hash chain over decisions: two runs that decided the same, in the same order, end with the same hash.

use alloy::primitives::{B256, Keccak256};
use alphapulse_protocol::message::Message;

/// Running hash over opportunities and verdicts; other records are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DecisionHash(B256);

impl DecisionHash {
    /// Chains a record.
    pub fn record(&mut self, message: &Message<'_>) {
        if matches!(message, Message::Opportunity(_) | Message::SwapPlan(_) | Message::Verdict(_)) {
            let mut hasher = Keccak256::new();
            hasher.update(self.0);
            hasher.update(message.as_bytes());
            self.0 = hasher.finalize();
        }
    }

    /// The hash so far; zero before the first decision.
    #[must_use]
    pub const fn value(&self) -> B256 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alphapulse_protocol::OpportunityId;
    use alphapulse_protocol::message::{Clock, Verdict};

    fn hash_of(rejects: &[u16]) -> B256 {
        let mut hash = DecisionHash::default();
        for reject in rejects {
            hash.record(&Message::Verdict(&Verdict::new(OpportunityId(1), *reject, false)));
        }
        hash.value()
    }

    #[test]
    fn content_and_order_of_decisions_matter() {
        assert_eq!(hash_of(&[1, 2]), hash_of(&[1, 2]));
        assert_ne!(hash_of(&[1, 2]), hash_of(&[2, 1]));
        assert_ne!(hash_of(&[1]), hash_of(&[1, 1]));
    }

    #[test]
    fn what_is_no_decision_does_not_matter() {
        let mut hash = DecisionHash::default();
        hash.record(&Message::Clock(&Clock::new(alphapulse_protocol::UnixNanos(5))));
        assert_eq!(hash.value(), B256::ZERO);
    }
}
