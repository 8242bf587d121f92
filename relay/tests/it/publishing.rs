//! What publishers may do, and where it arrives.

use std::time::{Duration, Instant};

use alphapulse_protocol::ChainId;
use alphapulse_protocol::frame;
use alphapulse_protocol::message::{CloseReason, Hello, Message, Publish, Subscribe};
use alphapulse_relay::{Feed, FeedError, PublishOptions, Publisher, Relay, Selection, SubscribeOptions};

use super::golden::golden;
use super::scene::{CHAIN, PATIENCE, Scene, blocking, frame_of, is_unauthorized, stranger_on, with_key};

/// Takes side messages of these templates until so many came.
async fn sides(scene: &Scene, feed: Feed, count: usize) -> Vec<(u16, u64)> {
    let (mut feed, mut taken, start) = (feed, Vec::new(), Instant::now());
    while taken.len() < count {
        assert!(start.elapsed() < PATIENCE, "{taken:?} of {count}; {:?}", scene.relay.stats());
        match feed.try_next().unwrap() {
            None => tokio::time::sleep(Duration::from_millis(1)).await,
            Some(frame) => {
                let header = *Message::decode(frame.message_bytes()).unwrap().header();
                if header.template_id.get() >= 48 {
                    taken.push((header.template_id.get(), header.sequence.get()));
                }
            }
        }
    }
    taken
}

#[tokio::test]
async fn what_a_publisher_hands_in_reaches_who_asked_for_it_with_the_relays_own_numbers() {
    let scene = Scene::new(|_, _| {}).await;
    let selection = Selection::everything().side(55);
    let options = SubscribeOptions { selection, ..with_key(scene.key("reader")) };
    let feed = scene.subscribe(options).await.unwrap();
    scene.wait_for("the join", |relay| relay.stats().joins == 1).await;
    let mut publisher = scene.publish(Some(scene.key("node"))).await.unwrap();
    let path = scene.relay.unix_path().unwrap().to_owned();
    blocking(move || {
        let mut local =
            Publisher::connect_unix(path, &PublishOptions { chain_id: CHAIN, key: None, tls: None }).unwrap();
        for _ in 0..10 {
            publisher.publish(&golden("Outcome")[8..]).unwrap();
            local.publish(&golden("Outcome")[8..]).unwrap();
        }
    })
    .await;
    let expected: Vec<(u16, u64)> = (1..=20).map(|number| (55, number)).collect();
    assert_eq!(sides(&scene, feed, 20).await, expected);
    assert_eq!((scene.relay.stats().sides, scene.relay.stats().publishers), (20, 2));
}

#[tokio::test]
async fn a_publisher_that_is_too_fast_waits_and_loses_nothing_of_its_own() {
    // A thousand at once, and a thousand a second behind them.
    const MESSAGES: u64 = 1_400;
    let scene = Scene::new(|_, _| {}).await;
    let path = scene.relay.unix_path().unwrap().to_owned();
    let start = Instant::now();
    let publisher = blocking(move || {
        let options = PublishOptions { chain_id: CHAIN, key: None, tls: None };
        let mut publisher = Publisher::connect_unix(path, &options).unwrap();
        (0..MESSAGES).for_each(|_| publisher.publish(&golden("Outcome")[8..]).unwrap());
        publisher
    })
    .await;
    let taken = |relay: &Relay| relay.stats().sides + relay.stats().side_dropped;
    scene.wait_for("the last message", |relay| taken(relay) == MESSAGES).await;
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
    assert_eq!(scene.relay.subscribers()[0].published, MESSAGES);
    drop(publisher);
}

#[tokio::test]
async fn a_publisher_needs_the_role_and_the_chain_and_sends_nothing_else() {
    let scene = Scene::new(|_, _| {}).await;
    for key in [Some(scene.key("reader")), Some(scene.key("watch")), None] {
        let error = match scene.publish(key).await {
            Err(error) => error,
            Ok(mut publisher) => blocking(move || publisher.ending()).await,
        };
        assert!(is_unauthorized(&error), "{error}");
    }
    let path = scene.relay.unix_path().unwrap().to_owned();
    let answer = |said: Vec<u8>| {
        let path = path.clone();
        blocking(move || {
            let mut stranger = stranger_on(&path);
            stranger.say(&[frame_of(&Hello::new()), said].concat());
            stranger.hear_close()
        })
    };
    let publish = frame_of(&Publish::new(CHAIN));
    let mut long = golden("Opportunity")[8..].to_vec();
    long.resize(2_049, 0);
    long[..2].copy_from_slice(&2_049_u16.to_le_bytes());
    let mut long_frame = Vec::new();
    frame::write_bytes(&mut long_frame, &long);
    let mut damaged = golden("Outcome");
    damaged[100] ^= 1;
    for wrong in [frame_of(&Subscribe::new(None)), golden("Verdict"), golden("V2Reserves"), long_frame, damaged] {
        let said = [publish.clone(), golden("Outcome"), wrong].concat();
        assert_eq!(answer(said).await, Some(CloseReason::Malformed));
    }
    assert_eq!(answer(frame_of(&Publish::new(ChainId(1)))).await, Some(CloseReason::Chain));
    assert_eq!(
        answer([golden("Select"), publish].concat()).await,
        Some(CloseReason::Malformed),
        "rules are of who reads"
    );
    assert_eq!(answer(golden("Proof")).await, Some(CloseReason::Malformed), "nobody asked for it");
    assert_eq!(scene.relay.stats().sides, 5, "what came before was taken");
}

#[tokio::test]
async fn a_publisher_is_told_when_the_relay_ends() {
    let scene = Scene::new(|_, _| {}).await;
    let mut publisher = scene.publish(Some(scene.key("node"))).await.unwrap();
    scene.wait_for("the publisher", |relay| relay.stats().publishers == 1).await;
    let ending = tokio::task::spawn_blocking(move || publisher.ending());
    scene.relay.stop().await.unwrap();
    assert!(matches!(ending.await.unwrap(), FeedError::Closed(CloseReason::Shutdown)));
}
