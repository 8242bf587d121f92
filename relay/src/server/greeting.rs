//! Places for those who are still greeting. Where there are none left, whoever has taken longest makes room: an honest peer is
//! done within a round trip, so a crowd of idle ones keeps out nobody but each other.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Peers that may be greeting, or on their way out, at once.
pub(crate) const GREETINGS_MAX: usize = 256;
/// So many of one address.
const GREETINGS_PER_ADDRESS_MAX: usize = 64;

/// Whose connections are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    /// A user of this host, if the system says which.
    User(Option<u32>),
    /// A part of the network.
    Network(IpAddr),
}

#[derive(Debug)]
struct Greeter {
    id: u64,
    address: Address,
    displaced: Arc<Notify>,
}

/// Greeters by age, oldest first, and the number of the next one.
#[derive(Debug, Default)]
struct Queue {
    greeters: Vec<Greeter>,
    next_id: u64,
}

/// All who are greeting.
#[derive(Debug)]
pub(super) struct Greetings {
    queue: Mutex<Queue>,
    /// Those who were displaced hold theirs until they are gone: the number of connections is bounded at every moment.
    places: Arc<Semaphore>,
}

impl Greetings {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { queue: Mutex::default(), places: Arc::new(Semaphore::new(GREETINGS_MAX)) })
    }

    /// A place, in that of another where there is none. The number says how many were displaced: one or none.
    pub(super) async fn admit(self: &Arc<Self>, address: Address) -> (Greeting, u64) {
        let (id, displaced, count) = self.enqueue(address);
        let mut greeting = Greeting { id, displaced, greetings: Arc::clone(self), _place: None };
        // Never long: whoever was displaced leaves without waiting for anything.
        greeting._place = Arc::clone(&self.places).acquire_owned().await.ok();
        (greeting, count)
    }

    fn enqueue(&self, address: Address) -> (u64, Arc<Notify>, u64) {
        let mut queue = self.queue();
        let is_same = |greeter: &Greeter| greeter.address == address;
        let of_address = queue.greeters.iter().filter(|greeter| is_same(greeter)).count();
        let victim = if of_address >= GREETINGS_PER_ADDRESS_MAX {
            queue.greeters.iter().position(is_same)
        } else {
            (queue.greeters.len() >= GREETINGS_MAX).then_some(0)
        };
        if let Some(victim) = victim {
            queue.greeters.remove(victim).displaced.notify_one();
        }
        let (id, displaced) = (queue.next_id, Arc::new(Notify::new()));
        queue.next_id += 1;
        queue.greeters.push(Greeter { id, address, displaced: Arc::clone(&displaced) });
        (id, displaced, victim.map_or(0, |_| 1))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing in it is ever half done.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who greet, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Greeting {
    id: u64,
    displaced: Arc<Notify>,
    greetings: Arc<Greetings>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Greeting {
    /// Ends when the place is needed for another.
    pub(super) async fn displaced(&self) {
        self.displaced.notified().await;
    }
}

impl Drop for Greeting {
    fn drop(&mut self) {
        self.greetings.queue().greeters.retain(|greeter| greeter.id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv6Addr;

    use futures_util::FutureExt as _;

    use super::*;

    fn is_displaced(greeting: &Greeting) -> bool {
        greeting.displaced().now_or_never().is_some()
    }

    #[tokio::test]
    async fn the_oldest_of_an_address_makes_room_and_nobody_else() {
        let greetings = Greetings::new();
        let (other, _) = greetings.admit(Address::User(Some(1))).await;
        let mut same = Vec::new();
        for _ in 0..GREETINGS_PER_ADDRESS_MAX {
            let (greeting, displaced) = greetings.admit(Address::User(Some(2))).await;
            assert_eq!(displaced, 0);
            same.push(greeting);
        }
        let (_late, displaced) = greetings.admit(Address::User(Some(2))).await;
        assert_eq!(displaced, 1);
        assert!(is_displaced(&same[0]));
        assert!(!is_displaced(&same[1]) && !is_displaced(&other));
    }

    #[tokio::test]
    async fn the_oldest_of_all_makes_room_and_no_place_is_given_before_it_is_left() {
        let greetings = Greetings::new();
        let mut all = Vec::new();
        for user in 0..u32::try_from(GREETINGS_MAX).unwrap_or(u32::MAX) {
            all.push(greetings.admit(Address::User(Some(user / 32))).await.0);
        }
        let late = greetings.admit(Address::User(None));
        let mut late = Box::pin(late);
        assert!(late.as_mut().now_or_never().is_none(), "the oldest is still there");
        assert!(is_displaced(&all[0]));
        drop(all.remove(0));
        assert_eq!(late.await.1, 1);
        assert!(!is_displaced(&all[0]));
    }

    #[test]
    fn a_network_counts_as_one() {
        let of = |text: &str| Address::of_network(text.parse().unwrap_or(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2::"));
        assert_ne!(of("2001:db8:1:2::"), of("2001:db8:1:3::"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
