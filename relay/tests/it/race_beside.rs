//! What a raced node tells beside the stream is taken while its word counts, and only then.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alphapulse_protocol::ChainId;
use alphapulse_protocol::message::{Finality, Message, WireMessage};
use alphapulse_relay::source::race::{AlarmKind, SourceState};
use alphapulse_relay::source::side::{FinalityWatch, Outlet, SideReport, SideSource};
use alphapulse_relay::{Endpoint, Feed, Relay, RelayError, SourceError};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, mpsc};

use super::beside::{finality, listening};
use super::fake_chain::FakeChain;
use super::lying_node::Lies;
use super::race_scene::{ALWAYS, Scene};
use super::subscriber::config;

/// Hands in the finality of the blocks that it is told of.
struct Dictated(Mutex<mpsc::UnboundedReceiver<u64>>);

impl SideSource for Dictated {
    fn name(&self) -> String {
        "dictated".into()
    }

    async fn run(&self, outlet: &Outlet) -> Result<(), SourceError> {
        outlet.ready();
        let mut dictated = self.0.lock().await;
        while let Some(number) = dictated.recv().await {
            outlet.publish(finality(number));
        }
        outlet.stopped().await;
        Ok(())
    }
}

fn dictated(relay: &Relay, node: &str) -> (mpsc::UnboundedSender<u64>, String) {
    let (dictate, dictated) = mpsc::unbounded_channel();
    let name = relay.add_side_source_of(node, Dictated(Mutex::new(dictated))).unwrap();
    (dictate, name)
}

fn report(scene: &Scene, name: &str) -> SideReport {
    scene.relay.side_sources().into_iter().find(|report| report.name == name).unwrap()
}

/// Finalized blocks that have come by now, and their numbers among the side messages.
fn heard(feed: &mut Feed) -> Vec<(u64, u64)> {
    let mut heard = Vec::new();
    while let Some(frame) = feed.try_next().unwrap() {
        if let Message::Finality(word) = Message::decode(frame.message_bytes()).unwrap() {
            heard.push((word.header.sequence.get(), word.finalized().number.0));
        }
    }
    heard
}

async fn until_heard(scene: &mut Scene, feed: &mut Feed, expected: (u64, u64)) {
    let sides = expected.0;
    scene.until("the word", |scene| scene.relay.stats().sides == sides).await;
    assert_eq!(heard(feed), [expected]);
}

#[tokio::test]
async fn a_node_that_is_behind_tells_nothing_until_it_counts_again() {
    let mut scene = Scene::new(3, 2).await;
    let mut feed = listening(&scene.relay, Finality::TEMPLATE_ID);
    let (dictate, name) = dictated(&scene.relay, "three");
    dictate.send(1).unwrap();
    until_heard(&mut scene, &mut feed, (1, 1)).await;

    scene.liar().freeze();
    for _ in 0..4 {
        scene.mine();
    }
    scene.alarm(AlarmKind::StaleHead).await;
    dictate.send(2).unwrap();
    scene.until("the refusal", |scene| report(scene, &name).refused == 1).await;
    let told = report(&scene, &name);
    let why = "its node's word does not count: it is behind the others";
    assert_eq!((told.published, told.state, told.last_refusal.as_deref()), (1, SourceState::Ready, Some(why)));

    scene.liar().thaw();
    scene.until("the vote", |scene| scene.relay.sources().iter().all(|source| source.is_current)).await;
    dictate.send(3).unwrap();
    until_heard(&mut scene, &mut feed, (2, 3)).await;
    assert_eq!(report(&scene, &name).refused, 1);
    // Nothing of that concerns who speaks for another.
    let (other, _) = self::dictated(&scene.relay, "one");
    other.send(4).unwrap();
    until_heard(&mut scene, &mut feed, (3, 4)).await;
}

#[tokio::test]
async fn a_node_that_was_caught_lying_is_heard_no_more_and_what_speaks_for_it_ends_with_it() {
    let mut scene = Scene::new(3, 2).await;
    let mut feed = listening(&scene.relay, Finality::TEMPLATE_ID);
    let (dictate, name) = dictated(&scene.relay, "three");
    scene.liar().tell(Lies { forge_logs: ALWAYS, ..Lies::default() });
    scene.mine_and_settle().await;
    scene.alarm(AlarmKind::ForgedLog).await;
    for number in [5, 6] {
        dictate.send(number).unwrap();
    }
    scene.until("the refusals", |scene| report(scene, &name).refused == 2).await;
    let told = report(&scene, &name);
    let why = "its node's word does not count: it was caught lying";
    assert_eq!((told.published, told.last_refusal.as_deref()), (0, Some(why)));

    scene.replace_liar().await;
    scene.until("its end", |scene| report(scene, &name).state == SourceState::Stopped).await;
    assert_eq!(report(&scene, &name).last_error.as_deref(), Some("its node was taken away"));
    assert!(dictate.send(7).is_err(), "nobody listens to it any more");
    // The node that came in its place is another one.
    let (dictate, again) = dictated(&scene.relay, "three");
    assert_eq!(again, "dictated #2");
    dictate.send(8).unwrap();
    until_heard(&mut scene, &mut feed, (1, 8)).await;
    assert_eq!(scene.relay.remove_side_source(&name).await.unwrap().published, 0);
}

#[tokio::test]
async fn nothing_speaks_for_a_node_that_is_not_there() {
    let (_dictate, dictated) = mpsc::unbounded_channel();
    let scene = Scene::new(2, 2).await;
    let error = scene.relay.add_side_source_of("three", Dictated(Mutex::new(dictated))).unwrap_err();
    assert!(matches!(error, RelayError::Nodes(_)), "{error}");
    let alone = Relay::start_from(config(), FakeChain::new()).await.unwrap();
    let (_dictate, dictated) = mpsc::unbounded_channel();
    assert!(alone.add_side_source_of("one", Dictated(Mutex::new(dictated))).is_err());
    assert_eq!(alone.side_sources(), []);
}

/// A node that finalizes what it is told to, and announces a head after each question, so that it is asked again at once.
fn finalizing(folder: &Path, finalized: Arc<AtomicU64>) -> Endpoint {
    let path = folder.join("node.ipc");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&finalized)));
        }
    });
    Endpoint::Ipc(path)
}

async fn serve(mut stream: UnixStream, finalized: Arc<AtomicU64>) {
    let mut bytes = Vec::new();
    while stream.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {
        let mut requests = serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>();
        let mut said = Vec::new();
        while let Some(Ok(request)) = requests.next() {
            let header = header(finalized.load(Ordering::Relaxed));
            let result = match request["method"].as_str().unwrap() {
                "eth_chainId" => json!("0x7a69"),
                "eth_subscribe" => json!("0x1f"),
                _ => header.clone(),
            };
            said.push(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }));
            if request["params"][0] == "safe" {
                let params = json!({ "subscription": "0x1f", "result": header });
                said.push(json!({ "jsonrpc": "2.0", "method": "eth_subscription", "params": params }));
            }
        }
        let read = requests.byte_offset();
        bytes.drain(..read);
        let said: String = said.iter().map(Value::to_string).collect();
        if stream.write_all(said.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn header(number: u64) -> Value {
    json!({
        "number": format!("{number:#x}"), "hash": format!("{number:#066x}"), "parentHash": format!("{:#066x}", number - 1),
        "timestamp": "0x1", "gasUsed": "0x1", "gasLimit": "0x2",
    })
}

#[tokio::test]
async fn finality_that_was_refused_comes_when_its_node_counts_again() {
    let folder = tempfile::tempdir().unwrap();
    let finalized = Arc::new(AtomicU64::new(5));
    let endpoint = finalizing(folder.path(), Arc::clone(&finalized));
    let mut scene = Scene::new(3, 2).await;
    let mut feed = listening(&scene.relay, Finality::TEMPLATE_ID);
    let name = scene.relay.add_side_source_of("three", FinalityWatch::new(endpoint, ChainId(31337))).unwrap();
    until_heard(&mut scene, &mut feed, (1, 5)).await;

    scene.liar().freeze();
    for _ in 0..4 {
        scene.mine();
    }
    scene.alarm(AlarmKind::StaleHead).await;
    // What it says now binds it to nothing: it may be less again once it counts.
    for number in [900, 6] {
        let refused = report(&scene, &name).refused;
        finalized.store(number, Ordering::Relaxed);
        scene.until("refusals", |scene| report(scene, &name).refused > refused + 3).await;
    }
    assert_eq!((report(&scene, &name).published, heard(&mut feed)), (1, Vec::new()));

    scene.liar().thaw();
    until_heard(&mut scene, &mut feed, (2, 6)).await;
    assert_eq!(report(&scene, &name).stale, 0);
}
