//! Pools whose state cannot be believed: who says so, how long it holds, and how the state is told anew.

use alphapulse_protocol::message::{
    Block, BlockEnd, Pool, PoolStanding, PoolTrust, Reorg, SnapshotBegin, SnapshotEnd, StateParts, Token, V2Reserves,
    V3Liquidity, V3Swap, V3Tick, WireMessage,
};
use alphapulse_protocol::replica::{Change, PoolState, Replica, V2State};
use alphapulse_protocol::{BlockNumber, FeePpm, PoolId, ReplicaError, TokenId, U256, VenueId};

use crate::stream::{CHAIN, EPOCH, block_ref, context, joined, send};

const V2: PoolId = PoolId(0);
const V3: PoolId = PoolId(1);

/// A pair, and a pool with liquidity from -60 to 60, at block 100.
struct Scene {
    replica: Replica,
    name: u32,
}

fn stand(pool: PoolId, trust: PoolTrust) -> PoolStanding {
    PoolStanding::new(pool, trust, StateParts::STATE, block_ref(100, 100))
}

impl Scene {
    fn new() -> Self {
        let pool =
            |id, byte| Pool::uniswap_v2(PoolId(id), VenueId(0), [byte; 20], [TokenId(0), TokenId(1)], FeePpm(3_000));
        let mut scene = Self { replica: Replica::default(), name: 100 };
        scene.told(SnapshotBegin::new(context(100, 100, 99), CHAIN, EPOCH, 2, 2));
        scene.told(Token::new(TokenId(0), [1; 20], "A", 18));
        scene.told(Token::new(TokenId(1), [2; 20], "B", 18));
        scene.told(pool(0, 3));
        scene.told(V2Reserves::new(V2, 5, 6));
        scene.told(pool(1, 4).with_ticks(60, (-1_200, 1_200)));
        scene.told(V3Swap::new(V3, U256::from(1_u128 << 96), 0, 9));
        scene.told(V3Tick::new(V3, -60, 9, 9));
        scene.told(V3Tick::new(V3, 60, -9, 9));
        scene.told(SnapshotEnd::new(8));
        scene
    }

    /// A message of a snapshot, which must fit.
    fn told<T: WireMessage>(&mut self, message: T) {
        send(&mut self.replica, 10, message).expect("fits");
    }

    /// A live message.
    fn next<T: WireMessage>(&mut self, message: T) -> Result<Change, ReplicaError> {
        let sequence = self.replica.sequence().0;
        send(&mut self.replica, sequence + 1, message)
    }

    fn begin(&mut self) {
        let (number, parent) = (u64::from(self.name) + 1, self.name);
        self.name += 1;
        self.next(Block::new(context(number, self.name, parent), BlockNumber(number))).expect("begins");
    }

    fn end(&mut self, updates: u32) {
        self.next(BlockEnd::new(block_ref(self.name.into(), self.name), updates)).expect("ends");
    }

    fn go_back(&mut self, depth: u32) {
        let ancestor = self.name - depth;
        let reorg = Reorg::new(block_ref(ancestor.into(), ancestor), block_ref(self.name.into(), self.name));
        self.next(reorg.expect("goes back")).expect("fits");
        self.name = ancestor;
    }

    fn reserves(&self) -> (u128, u128) {
        let Some(PoolState::V2(V2State { reserve_0, reserve_1 })) = self.replica.told_state(V2) else {
            panic!("a pair that is known")
        };
        (*reserve_0, *reserve_1)
    }

    fn quarantined(&self) -> Vec<u32> {
        self.replica.quarantined().iter().map(|one| one.pool.0).collect()
    }

    /// Who joins now believes and holds the same.
    fn check_joiner(&self) {
        let fresh = joined(&self.replica, 64);
        assert!(fresh.is_same_state(&self.replica));
        assert_eq!(fresh.quarantined(), self.replica.quarantined());
    }
}

#[test]
fn one_pool_alone_is_quarantined_at_once_until_it_is_trusted_and_joiners_know() {
    let mut scene = Scene::new();
    assert_eq!(scene.next(stand(V2, PoolTrust::Quarantined)), Ok(Change::Standing(V2)));
    assert!(scene.replica.is_tradable(), "the others go on");
    assert!(scene.replica.is_quarantined(V2) && scene.replica.state(V2).is_none());
    assert!(!scene.replica.is_quarantined(V3) && scene.replica.state(V3).is_some());
    scene.check_joiner();
    let mut trusting = Scene::new();
    trusting.name = 100;
    assert!(!trusting.replica.is_same_state(&scene.replica), "who believes otherwise holds another state");
    // What it says goes on, and counts for nothing.
    scene.begin();
    scene.next(V2Reserves::new(V2, 7, 8)).expect("fits");
    scene.end(1);
    assert_eq!((scene.reserves(), scene.replica.state(V2)), ((7, 8), None));
    scene.check_joiner();
    assert_eq!(scene.next(stand(V2, PoolTrust::Trusted)), Ok(Change::Standing(V2)));
    assert!(scene.replica.state(V2).is_some() && scene.replica.quarantined().is_empty());
    scene.check_joiner();
}

#[test]
fn a_pool_that_is_told_anew_holds_what_was_told_and_stays_in_quarantine() {
    let mut scene = Scene::new();
    scene.next(stand(V3, PoolTrust::Quarantined)).expect("fits");
    scene.begin();
    assert_eq!(scene.next(stand(V3, PoolTrust::Restated)), Ok(Change::Standing(V3)));
    assert!(!scene.replica.is_known(V3), "until its state came");
    scene.next(V3Swap::new(V3, U256::from(3_u128 << 96), 70, 4)).expect("fits");
    scene.next(V3Tick::new(V3, -120, 4, 4)).expect("fits");
    scene.next(V3Tick::new(V3, 120, -4, 4)).expect("fits");
    // What happened since it was read.
    scene.next(V3Liquidity::new(V3, -120, 120, 1)).expect("fits");
    scene.end(5);
    let Some(PoolState::V3(state)) = scene.replica.told_state(V3) else { panic!("it is known") };
    let ticks: Vec<_> = state.ticks.iter().map(|tick| (tick.tick, tick.liquidity_gross)).collect();
    assert_eq!((state.tick, state.liquidity, ticks), (70, 5, vec![(-120, 5), (120, 5)]));
    assert_eq!(scene.quarantined(), [1]);
    scene.check_joiner();
    scene.next(stand(V3, PoolTrust::Trusted)).expect("fits");
    assert!(scene.quarantined().is_empty());
    // The old ticks are back with the block before, and so is the quarantine.
    scene.go_back(1);
    let Some(PoolState::V3(state)) = scene.replica.told_state(V3) else { panic!("it is known") };
    let ticks: Vec<_> = state.ticks.iter().map(|tick| (tick.tick, tick.liquidity_gross)).collect();
    assert_eq!((state.tick, state.liquidity, ticks), (0, 9, vec![(-60, 9), (60, 9)]));
    assert_eq!(scene.quarantined(), [1]);
    scene.check_joiner();
}

#[test]
fn no_reorg_makes_a_pool_trusted() {
    let mut scene = Scene::new();
    scene.begin();
    scene.next(V2Reserves::new(V2, 7, 8)).expect("fits");
    scene.end(1);
    scene.next(stand(V2, PoolTrust::Quarantined)).expect("fits");
    scene.go_back(1);
    assert_eq!((scene.quarantined(), scene.reserves()), (vec![0], (5, 6)));
    // One that was trusted before the blocks that are left stays so.
    scene.next(stand(V2, PoolTrust::Trusted)).expect("fits");
    scene.begin();
    scene.end(0);
    scene.go_back(1);
    assert!(scene.quarantined().is_empty());
    // Told anew without a word before it: in quarantine from there on, also where that block is taken back.
    scene.begin();
    scene.next(stand(V2, PoolTrust::Restated)).expect("fits");
    scene.next(V2Reserves::new(V2, 9, 9)).expect("fits");
    scene.end(2);
    assert_eq!((scene.quarantined(), scene.reserves()), (vec![0], (9, 9)));
    scene.go_back(1);
    assert_eq!((scene.quarantined(), scene.reserves()), (vec![0], (5, 6)));
    scene.check_joiner();
}

#[test]
fn a_pool_goes_with_the_block_that_made_it_and_so_does_its_standing() {
    let mut scene = Scene::new();
    scene.begin();
    let pool = Pool::uniswap_v2(PoolId(2), VenueId(0), [9; 20], [TokenId(0), TokenId(1)], FeePpm(3_000));
    scene.next(pool).expect("fits");
    scene.next(V2Reserves::new(PoolId(2), 1, 1)).expect("fits");
    scene.end(2);
    scene.next(stand(PoolId(2), PoolTrust::Quarantined)).expect("fits");
    scene.go_back(1);
    assert!(scene.quarantined().is_empty());
    scene.begin();
    scene.next(pool).expect("fits");
    scene.end(1);
    assert!(scene.quarantined().is_empty(), "another pool of that id is another pool");
}

#[test]
fn a_standing_out_of_place_voids_the_state() {
    let out_of_place = Err(ReplicaError::OutOfPlace("PoolStanding"));
    let mut scene = Scene::new();
    assert_eq!(scene.next(stand(V2, PoolTrust::Trusted)), out_of_place, "it is trusted already");
    assert_eq!(Scene::new().next(stand(V2, PoolTrust::Restated)), out_of_place, "outside of a block");
    assert_eq!(Scene::new().next(stand(PoolId(2), PoolTrust::Quarantined)), Err(ReplicaError::UnknownPool(PoolId(2))));
    for trust in [PoolTrust::Trusted, PoolTrust::Quarantined] {
        let mut scene = Scene::new();
        scene.next(stand(V2, PoolTrust::Quarantined)).expect("fits");
        scene.begin();
        assert_eq!(scene.next(stand(V2, trust)), out_of_place, "inside a block");
        assert!(!scene.replica.is_whole());
    }
    let mut scene = Scene::new();
    scene.begin();
    scene.next(V2Reserves::new(V2, 7, 8)).expect("fits");
    let behind = scene.next(stand(V2, PoolTrust::Restated));
    assert!(matches!(behind, Err(ReplicaError::Contradiction { pool: V2, .. })), "{behind:?}");
}

#[test]
fn in_a_snapshot_a_standing_stands_behind_its_pools_state_once() {
    let pool = |id, byte| Pool::uniswap_v2(PoolId(id), VenueId(0), [byte; 20], [TokenId(0), TokenId(1)], FeePpm(3_000));
    let begun = |ticks: bool| {
        let mut replica = Replica::default();
        let told = |message: Result<Change, ReplicaError>| assert!(message.is_ok(), "{message:?}");
        told(send(&mut replica, 10, SnapshotBegin::new(context(100, 100, 99), CHAIN, EPOCH, 2, 1)));
        told(send(&mut replica, 10, Token::new(TokenId(0), [1; 20], "A", 18)));
        told(send(&mut replica, 10, Token::new(TokenId(1), [2; 20], "B", 18)));
        told(send(&mut replica, 10, pool(0, 4).with_ticks(60, (-1_200, 1_200))));
        if ticks {
            told(send(&mut replica, 10, V3Swap::new(V2, U256::from(1_u128 << 96), 0, 9)));
            told(send(&mut replica, 10, V3Tick::new(V2, -60, 9, 9)));
        }
        replica
    };
    let quarantined = stand(V2, PoolTrust::Quarantined);
    assert!(send(&mut begun(false), 10, quarantined).is_err(), "before the state");
    assert!(send(&mut begun(true), 10, stand(V2, PoolTrust::Trusted)).is_err(), "which need not be said");
    assert!(send(&mut begun(true), 10, stand(V2, PoolTrust::Restated)).is_err(), "outside of a block");
    let mut replica = begun(true);
    send(&mut replica, 10, quarantined).expect("in its place");
    assert!(send(&mut replica.clone(), 10, quarantined).is_err(), "once");
    assert!(send(&mut replica.clone(), 10, V3Tick::new(V2, 60, -9, 9)).is_err(), "behind all ticks");
    assert!(send(&mut replica.clone(), 10, SnapshotEnd::new(5)).is_err(), "it counts");
    send(&mut replica, 10, SnapshotEnd::new(6)).expect("whole");
    assert!(replica.is_quarantined(V2) && replica.is_tradable());
}
