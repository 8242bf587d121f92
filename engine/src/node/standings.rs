//! Tells the log which pools may not be traded on, once each, and when they may again.

use alloy::primitives::{Address, B256};
use alphapulse_protocol::message::Message;
use alphapulse_protocol::replica::{PoolInfo, Quarantine, Replica};
use alphapulse_protocol::values::PoolDetails;

/// The pools that the log has as in quarantine, by what they are in every epoch.
#[derive(Debug, Default)]
pub(super) struct Standings {
    shut: Vec<Name>,
}

/// A pool's contract, and its id where several share one.
type Name = (Address, Option<B256>);

/// What is to be told of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News<'a> {
    Shut(Name, &'a Quarantine),
    Back(Name),
}

impl Standings {
    /// Looks at the market after a message, if that can have changed what is in quarantine.
    ///
    /// Latency: but for such a change a comparison of a few numbers, and nothing is told inside a block or a snapshot.
    pub(super) fn note(&mut self, message: &Message<'_>, replica: &Replica) {
        let may_change = matches!(
            message,
            Message::PoolStanding(_) | Message::BlockEnd(_) | Message::SnapshotEnd(_) | Message::Reorg(_)
        );
        if !may_change || !replica.is_whole() || (self.shut.is_empty() && replica.quarantined().is_empty()) {
            return;
        }
        self.news(replica).into_iter().for_each(tell);
    }

    #[cold]
    fn news<'a>(&mut self, replica: &'a Replica) -> Vec<News<'a>> {
        let named = |found: &'a Quarantine| Some((name(replica.pools().get(found.pool.index())?), found));
        let now: Vec<(Name, &Quarantine)> = replica.quarantined().iter().filter_map(named).collect();
        let is_known = |pool: &Name| replica.pools().iter().any(|info| name(info) == *pool);
        let back = self.shut.iter().filter(|pool| now.iter().all(|(ill, _)| ill != *pool));
        // One that is not in the market any more did not come back.
        let mut news: Vec<_> = back.filter(|pool| is_known(pool)).map(|pool| News::Back(*pool)).collect();
        news.extend(
            now.iter().filter(|(pool, _)| !self.shut.contains(pool)).map(|(pool, found)| News::Shut(*pool, found)),
        );
        self.shut = now.into_iter().map(|(pool, _)| pool).collect();
        news
    }
}

fn tell(news: News<'_>) {
    match news {
        News::Shut((pool, id), found) => {
            let parts: Vec<_> = found.parts.names().0.collect();
            let (block, differs) = (found.block.number.0, parts.join(","));
            tracing::warn!(
                %pool, id = id.map(tracing::field::display), block, differs,
                "pool quarantined: it differs from the chain, and is not traded on until it is found equal"
            );
        }
        News::Back((pool, id)) => {
            tracing::info!(%pool, id = id.map(tracing::field::display), "pool back from quarantine: it is traded on again");
        }
    }
}

fn name(info: &PoolInfo) -> Name {
    let id = match &info.details {
        PoolDetails::V4(details) => Some(B256::from(details.pool_id)),
        _ => None,
    };
    (Address::from(info.address), id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use alphapulse_protocol::message::{
        BlockContext, PoolStanding, PoolTrust, SnapshotBegin, SnapshotEnd, StateParts, Token, V2Reserves, WireMessage,
    };
    use alphapulse_protocol::replica::{PoolState, V2State, describe_pool};
    use alphapulse_protocol::{ChainId, Epoch, FeePpm, PoolId, Sequence, TokenId, UnixNanos, VenueId};

    use super::*;

    const AT: UnixNanos = UnixNanos(0);

    fn context() -> BlockContext {
        BlockContext {
            number: 7.into(),
            hash: [7; 32],
            parent_hash: [6; 32],
            timestamp: 7.into(),
            base_fee: 7_u128.into(),
            gas_used: 1.into(),
            gas_limit: 2.into(),
        }
    }

    /// A market of two pairs, one of which may be in quarantine.
    fn market(addresses: [u8; 2], ill: Option<u32>) -> Replica {
        let mut replica = Replica::new(8);
        let count = 2 + 4 + u32::from(ill.is_some());
        let stamped = Sequence(0);
        replica
            .apply(&(&SnapshotBegin::new(context(), ChainId(1), Epoch(1), 2, 2).stamped(stamped, AT)).into())
            .unwrap();
        for token in 0..2 {
            let byte = u8::try_from(token).unwrap() + 1;
            replica.apply(&(&Token::new(TokenId(token), [byte; 20], "T", 18).stamped(stamped, AT)).into()).unwrap();
        }
        for (pool, address) in (0..).zip(addresses) {
            let info = PoolInfo::uniswap_v2(VenueId(0), [address; 20], [TokenId(0), TokenId(1)], FeePpm(3_000));
            let state = PoolState::V2(V2State { reserve_0: 5, reserve_1: 6 });
            describe_pool(PoolId(pool), &info, &state, (stamped, AT), |message| replica.apply(&message).map(drop))
                .unwrap();
            if ill == Some(pool) {
                let standing =
                    PoolStanding::new(PoolId(pool), PoolTrust::Quarantined, StateParts::STATE, context().block());
                replica.apply(&(&standing.stamped(stamped, AT)).into()).unwrap();
            }
        }
        replica.apply(&(&SnapshotEnd::new(count).stamped(stamped, AT)).into()).unwrap();
        replica
    }

    /// What is told of the market, in a word and by the contract's first byte.
    fn told(standings: &mut Standings, replica: &Replica) -> Vec<(&'static str, u8)> {
        let said = standings.news(replica).into_iter().map(|news| match news {
            News::Shut((pool, _), _) => ("shut", pool.0[0]),
            News::Back((pool, _)) => ("back", pool.0[0]),
        });
        said.collect()
    }

    #[test]
    fn a_pool_is_told_once_when_it_is_shut_and_once_when_it_is_back() {
        let mut standings = Standings::default();
        assert_eq!(told(&mut standings, &market([8, 9], None)), []);
        assert_eq!(told(&mut standings, &market([8, 9], Some(1))), [("shut", 9)]);
        // Under another id it is the same pool.
        assert_eq!(told(&mut standings, &market([9, 8], Some(0))), []);
        assert_eq!(told(&mut standings, &market([9, 8], Some(1))), [("back", 9), ("shut", 8)]);
        assert_eq!(told(&mut standings, &market([9, 8], None)), [("back", 8)]);
        // One that the market does not hold any more is forgotten in silence.
        assert_eq!(told(&mut standings, &market([9, 8], Some(0))), [("shut", 9)]);
        assert_eq!(told(&mut standings, &market([3, 4], None)), []);
    }

    #[test]
    fn nothing_is_told_by_messages_that_change_nothing_of_it() {
        let mut standings = Standings::default();
        let replica = market([8, 9], Some(0));
        let reserves = V2Reserves::new(PoolId(0), 1, 2);
        standings.note(&Message::from(&reserves), &replica);
        assert!(standings.shut.is_empty());
        standings.note(&Message::from(&SnapshotEnd::new(7)), &replica);
        assert_eq!(standings.shut.len(), 1);
    }
}
