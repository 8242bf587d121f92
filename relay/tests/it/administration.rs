//! A running relay is changed by administrators, and by nobody else.

use std::io::{Read as _, Write as _};

use alphapulse_protocol::frame;
use alphapulse_protocol::message::{AdminAction, AdminRequest, CautionCause, CloseReason, Hello, Message};
use alphapulse_relay::{AdminAct, AdminAnswer, FeedError, Relay, RelayError, administer_tcp, administer_unix};

use super::fake_chain::Faults;
use super::log::Log;
use super::race_nodes;
use super::scene::{Scene, blocking, is_unauthorized, with_key};
use super::subscriber::Subscriber;

/// Asks on the unix socket of a relay, as its own user.
async fn ask(relay: &Relay, act: AdminAct<'static>) -> Result<AdminAnswer, FeedError> {
    let path = relay.unix_path().unwrap().to_owned();
    blocking(move || administer_unix(path, act)).await
}

async fn done(relay: &Relay, act: AdminAct<'static>) -> AdminAnswer {
    let answer = ask(relay, act).await.unwrap();
    assert!(answer.is_done, "{answer:?}");
    answer
}

async fn refused(relay: &Relay, act: AdminAct<'static>) -> String {
    let answer = ask(relay, act).await.unwrap();
    assert!(!answer.is_done, "{answer:?}");
    answer.said
}

#[tokio::test]
async fn a_caution_is_set_and_lifted_by_the_owners_user_and_by_an_admins_key() {
    let scene = Scene::new(|_, _| {}).await;
    let mut subscriber = Subscriber::join(&scene.relay);
    subscriber.settle(&scene.chain).await;
    done(&scene.relay, AdminAct::Caution(CautionCause::Divergence)).await;
    subscriber.until(&scene.chain, "the caution", |subscriber| !subscriber.replica.is_tradable()).await;
    let (address, key) = (scene.tcp(), scene.key("watch"));
    let lifted =
        blocking(move || administer_tcp(address, None, &key, AdminAct::Caution(CautionCause::None))).await.unwrap();
    assert!(lifted.is_done);
    subscriber.until(&scene.chain, "the all-clear", |subscriber| subscriber.replica.is_tradable()).await;
    assert_eq!((scene.relay.stats().admin_acts, scene.relay.stats().admin_refusals), (2, 0));
}

/// Greets over TCP, asks for an act at once, and hears why the relay closes.
async fn blunt(scene: &Scene) -> u16 {
    let address = scene.tcp();
    blocking(move || {
        let request = AdminRequest::new(AdminAction::Caution, CautionCause::Divergence, "").unwrap();
        let mut bytes = Vec::new();
        frame::write(&mut bytes, &Hello::new());
        frame::write(&mut bytes, &request);
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        socket.write_all(&bytes).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        let mut decoder = frame::FrameDecoder::new();
        decoder.push(&answer);
        loop {
            match decoder.next_message().unwrap().expect("it closes with a reason") {
                Message::Close(close) => return close.reason.get(),
                Message::Welcome(_) | Message::Challenge(_) => {}
                other => panic!("{other:?}"),
            }
        }
    })
    .await
}

#[tokio::test]
async fn who_is_no_administrator_is_refused_and_changes_nothing() {
    let scene = Scene::new(|_, _| {}).await;
    for name in ["reader", "node"] {
        let (address, key) = (scene.tcp(), scene.key(name));
        let act = AdminAct::Caution(CautionCause::Divergence);
        let error = blocking(move || administer_tcp(address, None, &key, act)).await.unwrap_err();
        assert!(is_unauthorized(&error), "{name}: {error}");
    }
    // In the place of a proof.
    assert_eq!(blunt(&scene).await, CloseReason::Unauthorized as u16);
    let stats = scene.relay.stats();
    assert_eq!((stats.unauthorized, stats.admin_acts, stats.cautions), (3, 0, 0));

    // Where TCP asks nobody who he is, nobody there is an administrator.
    let open = Scene::new(|_, config| config.access.keys.clear()).await;
    assert_eq!(blunt(&open).await, CloseReason::Unauthorized as u16);
    assert_eq!(open.relay.stats().admin_acts, 0);
}

#[tokio::test]
async fn a_subscriber_is_disconnected_by_its_key_also_from_a_full_relay() {
    let scene = Scene::new(|_, config| config.subscribers_max = 1).await;
    let feed = scene.subscribe(with_key(scene.key("reader"))).await.unwrap();
    let mut subscriber = Subscriber::new(feed);
    subscriber.settle(&scene.chain).await;
    // What was given for a name may be a secret that slipped.
    let answer = refused(&scene.relay, AdminAct::Disconnect("hunter2")).await;
    assert!(answer.contains("no connection of that name") && !answer.contains("hunter2"), "{answer}");
    done(&scene.relay, AdminAct::Disconnect("reader")).await;
    let error = subscriber.ending(&scene.chain).await;
    assert!(matches!(error, FeedError::Closed(CloseReason::Disconnected)) && !error.is_retryable(), "{error}");
    scene.wait_for("a free place", |relay| relay.subscribers().is_empty()).await;

    // By the number of the connection as well; who is embedded has none.
    let mut again = Subscriber::new(scene.subscribe(with_key(scene.key("reader"))).await.unwrap());
    again.settle(&scene.chain).await;
    let id: &'static str = Box::leak(scene.relay.subscribers()[0].id.to_string().into_boxed_str());
    done(&scene.relay, AdminAct::Disconnect(id)).await;
    again.ending(&scene.chain).await;
    scene.wait_for("a free place", |relay| relay.subscribers().is_empty()).await;
    let _embedded = scene.relay.subscribe().unwrap();
    let id: &'static str = Box::leak(scene.relay.subscribers()[0].id.to_string().into_boxed_str());
    refused(&scene.relay, AdminAct::Disconnect(id)).await;
    assert_eq!((scene.relay.stats().admin_acts, scene.relay.stats().admin_refusals), (2, 2));
}

#[tokio::test]
async fn a_relay_of_one_node_lists_it_and_says_what_it_needs_to_take_another() {
    let scene = Scene::new(|_, _| {}).await;
    scene.mine(7);
    let head = scene.chain.head().number;
    scene.wait_for("the block", |relay| relay.stats().head_number == head.get()).await;
    let listed = done(&scene.relay, AdminAct::ListNodes).await;
    assert_eq!(listed.items, [format!("fake: ready, head {head}")]);
    assert_eq!(listed.said, "followed alone: its word is compared with nobody's");
    scene.chain.set_faults(Faults { refuse_connections: 1000, ..Faults::default() });
    scene.chain.disconnect();
    scene.wait_for("the loss", |relay| relay.stats().connection_losses > 0).await;
    let listed = done(&scene.relay, AdminAct::ListNodes).await;
    assert_eq!(listed.items, [format!("fake: lost, and connected to again, head {head}")]);
    refused(&scene.relay, AdminAct::RemoveNode("fake")).await;
    let said = refused(&scene.relay, AdminAct::AddNode("ws://127.0.0.1:1/secret")).await;
    assert!(said.contains("chain.confirm_endpoints") && !said.contains("secret"), "{said}");
}

#[tokio::test]
async fn the_last_node_is_taken_away_only_where_that_is_said() {
    let (log, _logging) = Log::start();
    let folder = tempfile::tempdir().unwrap();
    let relay = race_nodes::two(folder.path()).await;
    let name = |name: &str| -> &'static str {
        Box::leak(format!("ipc:{}", folder.path().join(name).display()).into_boxed_str())
    };
    done(&relay, AdminAct::RemoveNode(name("one"))).await;
    let said = refused(&relay, AdminAct::RemoveNode(name("two"))).await;
    assert!(said.contains("it is the last node") && said.contains("--even-last"), "{said}");
    assert_eq!(relay.sources().len(), 1);
    done(&relay, AdminAct::RemoveNodeEvenLast(name("two"))).await;
    assert_eq!(relay.sources().len(), 0);
    assert!(relay.status().await.unwrap().problem.unwrap().contains("no node is left"));
    // Who looks on is no cause for a warning.
    done(&relay, AdminAct::ListNodes).await;
    relay.stop().await.unwrap();
    let warned = log.at(tracing::Level::WARN);
    let acts = |act: &str| warned.iter().filter(|line| line.contains(&format!("act=\"{act}\""))).count();
    assert_eq!((acts("node list"), acts("node remove"), acts("node remove --even-last")), (0, 2, 1), "{warned:?}");
}

#[tokio::test]
async fn a_second_caution_says_whose_place_it_takes() {
    let scene = Scene::new(|_, _| {}).await;
    let first = done(&scene.relay, AdminAct::Caution(CautionCause::Divergence)).await.said;
    assert!(!first.contains("takes the place"), "{first}");
    let second = done(&scene.relay, AdminAct::Caution(CautionCause::Divergence)).await.said;
    let place = "takes the place of the caution that was there, set by uid ";
    assert!(second.contains(place) && second.contains(" at 20"), "{second}");
    done(&scene.relay, AdminAct::Caution(CautionCause::None)).await;
    let again = done(&scene.relay, AdminAct::Caution(CautionCause::Divergence)).await.said;
    assert!(!again.contains("takes the place"), "{again}");
}

#[tokio::test]
async fn nodes_are_added_listed_and_removed_and_no_endpoint_is_repeated() {
    let (log, _logging) = Log::start();
    let folder = tempfile::tempdir().unwrap();
    let relay = race_nodes::two(folder.path()).await;
    let listed = done(&relay, AdminAct::ListNodes).await;
    assert_eq!(listed.items.len(), 2, "{listed:?}");

    let endpoint = "ws://user:hunter2@127.0.0.1:1/v3/hunter2?key=hunter2";
    assert_eq!(done(&relay, AdminAct::AddNode(endpoint)).await.said, "ws://127.0.0.1:1 is added");
    let twice = refused(&relay, AdminAct::AddNode(endpoint)).await;
    assert!(twice.contains("is that node already") && !twice.contains("chain."), "{twice}");
    assert!(refused(&relay, AdminAct::AddNode("https://node.example/hunter2")).await.contains("ws://"));
    assert_eq!(done(&relay, AdminAct::ListNodes).await.items.len(), 3);
    done(&relay, AdminAct::RemoveNode("ws://127.0.0.1:1")).await;
    let unknown = refused(&relay, AdminAct::RemoveNode("ws://127.0.0.1:1")).await;
    assert!(unknown.contains("no node of that name") && !unknown.contains("chain."), "{unknown}");
    assert!(!refused(&relay, AdminAct::RemoveNode("ws://127.0.0.1:1/hunter2")).await.contains("hunter2"));
    // What was taken away may come back, and nodes are not taken without end.
    let Ok(again) = relay.add_node(endpoint.parse().unwrap()) else { panic!("it is there no more") };
    assert_eq!(again, "ws://127.0.0.1:1");
    for port in 2..15 {
        relay.add_node(format!("ws://127.0.0.1:{port}").parse().unwrap()).unwrap();
    }
    let more = relay.add_node("ws://127.0.0.1:99".parse().unwrap());
    assert!(matches!(more, Err(RelayError::Nodes(_))), "{more:?}");
    assert_eq!((relay.stats().admin_acts, relay.stats().admin_refusals), (4, 4));
    relay.stop().await.unwrap();

    let (log, acts) = (log.text(), log.lines("an administrator's act"));
    let act = AdminAct::AddNode(endpoint);
    assert!(!log.contains("hunter2") && !format!("{act:?}").contains("hunter2"));
    let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(folder.path()).unwrap());
    assert!(log.contains(&format!("uid {uid} pid")) && !acts.is_empty(), "{log}");
    for act in ["node add", "node list", "node remove"] {
        assert!(acts.iter().any(|line| line.contains(&format!("act=\"{act}\""))), "{acts:?}");
    }
    assert!(acts.iter().all(|line| !line.contains("Some(") && !line.contains("None")), "{acts:?}");
}
