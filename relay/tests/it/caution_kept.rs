//! An operator's caution outlives the relay, whatever became of its file; who set it is known.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use alphapulse_protocol::message::CautionCause;
use alphapulse_relay::journal::{FeedOptions, JournalReader, cut};
use alphapulse_relay::source::race::SourceState;
use alphapulse_relay::{
    AdminAct, AdminAnswer, Recording, Relay, RelayConfig, RelayError, ReplayOptions, ReplaySpeed, administer_tcp,
    administer_unix,
};

use super::fake_chain::FakeChain;
use super::fake_market::Change;
use super::log::Log;
use super::lying_node::Lies;
use super::race_scene::{ALWAYS, Scene as RaceScene};
use super::scene::{Scene, blocking};
use super::subscriber::{Subscriber, config};

const SET: AdminAct<'static> = AdminAct::Caution(CautionCause::Divergence);
const LIFT: AdminAct<'static> = AdminAct::Caution(CautionCause::None);

/// A relay with a journal in `folder`, over the chain.
async fn start(folder: &Path, chain: &FakeChain) -> Relay {
    let config = RelayConfig {
        listen_unix: Some(folder.join("relay.sock")),
        listen_http: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        journal_dir: Some(folder.join("journal")),
        ..config()
    };
    Relay::start_from(config, chain.clone()).await.unwrap()
}

fn flag(folder: &Path) -> PathBuf {
    folder.join("journal/caution")
}

async fn ask(relay: &Relay, act: AdminAct<'static>) -> AdminAnswer {
    let path = relay.unix_path().unwrap().to_owned();
    blocking(move || administer_unix(path, act)).await.unwrap()
}

async fn done(relay: &Relay, act: AdminAct<'static>) -> String {
    let answer = ask(relay, act).await;
    assert!(answer.is_done, "{answer:?}");
    answer.said
}

async fn refused(relay: &Relay, act: AdminAct<'static>) -> String {
    let answer = ask(relay, act).await;
    assert!(!answer.is_done, "{answer:?}");
    answer.said
}

async fn problem(relay: &Relay) -> Option<String> {
    relay.status().await.unwrap().problem
}

/// The user of this process, as the relay's log has it.
fn us(folder: &Path) -> String {
    format!("uid {}", std::os::unix::fs::MetadataExt::uid(&fs::metadata(folder).unwrap()))
}

#[tokio::test]
async fn a_caution_holds_over_restarts_until_it_is_lifted() {
    let (log, _logging) = Log::start();
    let folder = tempfile::tempdir().unwrap();
    let chain = FakeChain::new();
    let relay = start(folder.path(), &chain).await;
    let said = done(&relay, SET).await;
    assert!(said.contains("also after a restart"), "{said}");
    let told = relay.status().await.unwrap();
    relay.stop().await.unwrap();

    for _ in 0..2 {
        let relay = start(folder.path(), &chain).await;
        let mut subscriber = Subscriber::join(&relay);
        chain.announce(chain.mine(&[Change::Swap { tick: 3 }]));
        subscriber.settle(&chain).await;
        assert!(!subscriber.replica.is_tradable());
        assert_eq!((subscriber.tradable_at.len(), relay.stats().cautions), (0, 1));
        let status = relay.status().await.unwrap();
        assert_eq!((&status.caution, &status.operator_caution), (&told.caution, &told.operator_caution));
        let by = status.operator_caution.unwrap();
        let at = by.at.unwrap();
        assert!(by.by.starts_with(&us(folder.path())) && at.starts_with("20") && at.ends_with('Z'), "{} {at}", by.by);
        let expected = format!("subscribers are told not to trade: an operator's caution, set by {} at {at}", by.by);
        assert_eq!(status.problem, Some(expected));
        relay.stop().await.unwrap();
    }
    assert_eq!(log.lines("`relay caution lift` ends it").len(), 2, "{}", log.text());
    assert!(log.lines("`relay caution lift` ends it").iter().all(|line| line.contains(&us(folder.path()))));

    let relay = start(folder.path(), &chain).await;
    let mut subscriber = Subscriber::join(&relay);
    subscriber.settle(&chain).await;
    let said = done(&relay, LIFT).await;
    assert!(said.contains("is lifted") && said.contains(&us(folder.path())), "{said}");
    subscriber.until(&chain, "the all-clear", |subscriber| subscriber.replica.is_tradable()).await;
    assert!(!flag(folder.path()).exists());
    let said = done(&relay, LIFT).await;
    assert!(said.contains("no caution was set") && !said.contains("is lifted"), "{said}");
    relay.stop().await.unwrap();
    let relay = start(folder.path(), &chain).await;
    let status = relay.status().await.unwrap();
    assert_eq!((status.problem, status.caution, status.operator_caution), (None, None, None));
}

#[tokio::test]
async fn without_a_journal_it_is_said_that_a_restart_forgets_it() {
    let scene = Scene::new(|_, _| {}).await;
    let said = done(&scene.relay, SET).await;
    assert!(["a restart forgets it", "journal.dir", "--journal"].iter().all(|word| said.contains(word)), "{said}");
    // By a key it is the key's name that is known.
    let (address, key) = (scene.tcp(), scene.key("watch"));
    blocking(move || administer_tcp(address, None, &key, SET)).await.unwrap();
    let by = scene.relay.status().await.unwrap().operator_caution.unwrap().by;
    assert!(by.contains("watch"), "{by}");
    assert!(done(&scene.relay, LIFT).await.contains("watch"));
    assert!(done(&scene.relay, LIFT).await.contains("no caution was set"));
}

#[tokio::test]
async fn who_embeds_the_relay_is_kept_to_his_word_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let chain = FakeChain::new();
    let relay = start(folder.path(), &chain).await;
    relay.caution(CautionCause::BelowQuorum).unwrap();
    relay.stop().await.unwrap();
    let relay = start(folder.path(), &chain).await;
    let status = relay.status().await.unwrap();
    assert_eq!(status.caution.as_deref(), Some("BelowQuorum"));
    assert_eq!(status.operator_caution.unwrap().by, "the relay's own process");
    relay.caution(CautionCause::None).unwrap();
    assert_eq!((problem(&relay).await, flag(folder.path()).exists()), (None, false));
}

#[tokio::test]
async fn a_flag_that_cannot_be_read_is_a_caution() {
    let chain = FakeChain::new();
    let spoilers: [fn(&Path); 5] = [
        |path| fs::write(path, "").unwrap(),
        |path| fs::write(path, "alphapulse relay caution\ncause: None\nat: 2026-03-01T08:00:00Z\nby: uid 7\n").unwrap(),
        |path| fs::write(path, [0xff; 20]).unwrap(),
        |path| fs::write(path, "x".repeat(1 << 20)).unwrap(),
        |path| std::os::unix::fs::symlink("nowhere", path).unwrap(),
    ];
    for spoil in spoilers {
        let folder = tempfile::tempdir().unwrap();
        start(folder.path(), &chain).await.stop().await.unwrap();
        spoil(&flag(folder.path()));
        let relay = start(folder.path(), &chain).await;
        let mut subscriber = Subscriber::join(&relay);
        subscriber.settle(&chain).await;
        assert!(!subscriber.replica.is_tradable());
        let said = problem(&relay).await.unwrap();
        let path = flag(folder.path()).display().to_string();
        assert!(said.contains("cannot be read") && said.contains(&path), "{said}");
        assert!(done(&relay, LIFT).await.contains("is lifted"));
        assert!(fs::symlink_metadata(flag(folder.path())).is_err());
        subscriber.until(&chain, "the all-clear", |subscriber| subscriber.replica.is_tradable()).await;
    }
}

#[tokio::test]
async fn what_cannot_be_kept_is_told_all_the_same_and_what_cannot_be_forgotten_stays() {
    let folder = tempfile::tempdir().unwrap();
    let chain = FakeChain::new();
    let relay = start(folder.path(), &chain).await;
    let mut subscriber = Subscriber::join(&relay);
    subscriber.settle(&chain).await;
    // A folder stands where the file is to be made.
    let unfinished = folder.path().join("journal/caution.tmp");
    fs::create_dir(&unfinished).unwrap();
    let said = refused(&relay, SET).await;
    assert!(["a restart will forget it", "set the caution again"].iter().all(|word| said.contains(word)), "{said}");
    subscriber.until(&chain, "the caution", |subscriber| !subscriber.replica.is_tradable()).await;
    let error = relay.caution(CautionCause::Divergence).unwrap_err();
    assert!(matches!(error, RelayError::Caution(_)), "{error}");
    fs::remove_dir(&unfinished).unwrap();
    done(&relay, SET).await;

    // And another in the place of the file itself.
    fs::remove_file(flag(folder.path())).unwrap();
    fs::create_dir(flag(folder.path())).unwrap();
    let said = refused(&relay, LIFT).await;
    assert!(said.contains("it stays") && said.contains("by hand"), "{said}");
    assert!(problem(&relay).await.is_some() && !subscriber.replica.is_tradable());
    relay.stop().await.unwrap();
    let relay = start(folder.path(), &chain).await;
    assert!(problem(&relay).await.unwrap().contains("cannot be read"));
    fs::remove_dir(flag(folder.path())).unwrap();
    done(&relay, LIFT).await;
    assert_eq!(problem(&relay).await, None);
}

#[tokio::test]
async fn both_reasons_are_named_where_the_nodes_cannot_be_believed_either() {
    let mut race = RaceScene::new(2, 2).await;
    race.relay.caution(CautionCause::Divergence).unwrap();
    race.liar().tell(Lies { forge_logs: ALWAYS, ..Lies::default() });
    race.mine();
    race.until("the verdict", |race| race.state_of("two") == Some(SourceState::Quarantined)).await;
    let status = race.relay.status().await.unwrap();
    let at = status.operator_caution.clone().unwrap().at.unwrap();
    let said =
        format!("an operator's caution, set by the relay's own process at {at}; and the nodes' state, BelowQuorum");
    assert_eq!(status.problem, Some(format!("subscribers are told not to trade: {said}")));
    assert_eq!(status.caution.as_deref(), Some("Divergence"));
    race.relay.caution(CautionCause::None).unwrap();
    let status = race.relay.status().await.unwrap();
    assert_eq!(status.problem.as_deref(), Some("subscribers are told not to trade: BelowQuorum"));
    assert_eq!((status.caution.as_deref(), status.operator_caution), (Some("BelowQuorum"), None));
}

#[tokio::test]
async fn a_journal_is_read_cut_replayed_and_shortened_as_if_no_caution_lay_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("journal");
    let chain = FakeChain::new();
    let options = FeedOptions { segment_bytes_max: 2_000, ..FeedOptions::default() };
    let config = || RelayConfig { journal_dir: Some(dir.clone()), journal: options, ..config() };
    let relay = Relay::start_from(config(), chain.clone()).await.unwrap();
    relay.caution(CautionCause::Divergence).unwrap();
    let mut subscriber = Subscriber::join(&relay);
    for amount in 1..20 {
        chain.announce(chain.mine(&[Change::Mint { lower: -5, width: 9, amount }]));
        subscriber.settle(&chain).await;
    }
    relay.stop().await.unwrap();
    // As a crash may leave it, and as no relay leaves it.
    fs::write(dir.join("caution.tmp"), "alphapulse").unwrap();
    fs::write(dir.join("caution"), "00000000.apj").unwrap();
    let records = |dir: &Path| {
        let (mut reader, mut count) = (JournalReader::open_feed(dir).unwrap(), 0);
        while reader.next_bytes().unwrap().is_some() {
            count += 1;
        }
        count
    };
    let with = records(&dir);
    let report = cut(&dir, &folder.path().join("part"), None, None).unwrap();
    assert!(!folder.path().join("part/caution").exists());
    let played = Recording::open(dir.clone()).unwrap();
    let speed = ReplayOptions { speed: ReplaySpeed::Max, wait_for: 1 };
    let replayed = Relay::replay(config(), &played, speed).await.unwrap();
    let mut late = Subscriber::join(&replayed);
    late.until(&chain, "a state", |late| late.replica.is_tradable()).await;
    assert_eq!(replayed.status().await.unwrap().operator_caution, None, "a recording is cautioned by nobody");
    drop(replayed);

    for name in ["caution", "caution.tmp"] {
        fs::remove_file(dir.join(name)).unwrap();
    }
    assert_eq!(records(&dir), with);
    assert_eq!(cut(&dir, &folder.path().join("again"), None, None).unwrap(), report);
    assert_eq!(Recording::open(dir.clone()).unwrap().blocks(), played.blocks());

    // What is kept short loses segments, and never the caution.
    fs::write(dir.join("caution"), "").unwrap();
    let journal = FeedOptions { bytes_max: Some(1), ..options };
    let relay = Relay::start_from(RelayConfig { journal, ..config() }, chain.clone()).await.unwrap();
    let mut subscriber = Subscriber::join(&relay);
    for amount in 1..20 {
        chain.announce(chain.mine(&[Change::Mint { lower: -5, width: 9, amount }]));
        subscriber.settle(&chain).await;
    }
    assert!(!subscriber.replica.is_tradable() && dir.join("caution").exists());
    assert!(!dir.join("00000000.apj").exists(), "it was shortened");
    relay.stop().await.unwrap();
}
