//! The status, its page and its metrics, held against what the test did.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use alphapulse_relay::{Feed, Relay, RelayConfig, RelayError, RelayStatus};

use super::fake_chain::{FakeChain, Faults};
use super::fake_market::Change;
use super::subscriber::{Subscriber, config};

/// Far above what any answer takes, so that only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(30);
const STAGES: [&str; 5] = ["head_to_logs", "logs_to_sequence", "fanout", "journal", "write"];

struct Scene {
    folder: tempfile::TempDir,
    chain: FakeChain,
    relay: Relay,
}

impl Scene {
    /// A relay that moves only when it is told of a head.
    async fn new(lane_bytes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = RelayConfig {
            silence: PATIENCE,
            lane_bytes,
            listen_unix: Some(folder.path().join("relay.sock")),
            listen_http: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            journal_dir: Some(folder.path().join("journal")),
            ..config()
        };
        let chain = FakeChain::new();
        let relay = Relay::start_from(config, chain.clone()).await.unwrap();
        Self { folder, chain, relay }
    }

    async fn joined(&self) -> Subscriber {
        let mut subscriber = Subscriber::join(&self.relay);
        subscriber.settle(&self.chain).await;
        subscriber
    }

    fn mine(&self, amount: u64) {
        let block = self.chain.mine(&[Change::Mint { lower: -2, width: 5, amount }]);
        self.chain.announce(block);
    }

    async fn status(&self) -> RelayStatus {
        self.relay.status().await.unwrap()
    }

    /// What the page answers to a request of these lines: code and body.
    async fn ask(&self, head: &str) -> (u16, String) {
        let address = self.relay.http_addr().unwrap();
        let request = head.replace("{address}", &address.to_string());
        let answer = tokio::task::spawn_blocking(move || {
            let mut socket = TcpStream::connect(address).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.write_all(request.as_bytes()).unwrap();
            let mut answer = Vec::new();
            // Who is cut off in the midst of an oversize request may be reset after the answer.
            let _ = socket.read_to_end(&mut answer);
            String::from_utf8(answer).unwrap()
        });
        let answer = answer.await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {{address}}\r\n\r\n")).await
    }

    async fn until_health(&self, code: u16) -> String {
        let start = Instant::now();
        loop {
            let (got, said) = self.get("/healthz").await;
            if got == code {
                return said;
            }
            assert!(start.elapsed() < PATIENCE, "health stays {got}: {said}");
        }
    }
}

#[tokio::test]
async fn the_status_says_what_happened() {
    let scene = Scene::new(1 << 20).await;
    let (mut reader, mut sleeper) = (scene.joined().await, scene.joined().await);
    for amount in 1..4 {
        scene.mine(amount);
        reader.settle(&scene.chain).await;
    }
    // Two blocks in place of one, of which only the second is announced.
    scene.chain.rollback(1);
    scene.chain.mine(&[]);
    scene.mine(9);
    reader.settle(&scene.chain).await;

    let status = scene.status().await;
    let stats = status.stats;
    assert_eq!((stats.blocks, stats.reorgs, stats.backfilled_blocks), (5, 1, 1));
    assert_eq!((status.chain_id, status.problem.clone(), status.is_whole), (31337, None, true));
    let position = reader.replica.position().unwrap();
    assert_eq!((status.epoch, status.sequence), (position.epoch.0, position.sequence.0));
    let head = status.head.clone().unwrap();
    let truth = scene.chain.head();
    let hash: String = truth.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((head.number, head.hash), (truth.number.get(), format!("0x{hash}")));
    assert!(head.age_ms <= status.uptime_ms);

    let counts: Vec<_> = status.stages.iter().map(|stage| (stage.name.as_str(), stage.count)).collect();
    // One block was never announced; the reorg is an event, too; and nobody listens at a socket.
    assert_eq!(counts, STAGES.into_iter().zip([4, 5, 6, 6, 0]).collect::<Vec<_>>());
    for stage in &status.stages {
        let rising = [stage.p50_ns, stage.p90_ns, stage.p99_ns, stage.p999_ns, stage.max_ns];
        assert!(rising.is_sorted() && (stage.count == 0 || stage.max_ns > 0), "{stage:?}");
    }
    // The sleeper took its snapshot and nothing since: the whole stream is before it.
    let lags: Vec<_> = status.subscribers.iter().map(|one| one.lag_messages).collect();
    assert_eq!(lags, [Some(0), Some(status.sequence)]);
    let waiting: Vec<_> = status.subscribers.iter().map(|one| one.waiting_bytes > 0).collect();
    assert_eq!(waiting, [false, true]);
    let [source] = &status.sources[..] else { panic!("one node") };
    assert_eq!((source.name.as_str(), source.is_connected, source.reconnects), ("fake", true, 0));
    let journal = status.journal.clone().unwrap();
    let bytes = std::fs::metadata(scene.folder.path().join("journal/00000000.apj")).unwrap().len();
    assert_eq!((journal.segment, journal.segment_bytes), (0, bytes));

    sleeper.settle(&scene.chain).await;
    assert_eq!(scene.status().await.subscribers[1].lag_messages, Some(0));
    scene.relay.stop().await.unwrap();
}

#[tokio::test]
async fn who_is_lapped_has_a_lag_until_it_caught_up() {
    let scene = Scene::new(900).await;
    let (mut reader, mut sleeper) = (scene.joined().await, scene.joined().await);
    for amount in 1..9 {
        scene.mine(amount);
        reader.settle(&scene.chain).await;
    }
    let status = scene.status().await;
    let behind = &status.subscribers[1];
    assert_eq!((behind.lapped, behind.gaps, behind.lag_messages), (1, 0, Some(status.sequence)));
    assert_eq!((status.stats.lapped, status.subscribers[0].lapped), (1, 0));
    sleeper.settle(&scene.chain).await;
    let status = scene.status().await;
    let repaired = &status.subscribers[1];
    assert_eq!(repaired.lag_messages, Some(0));
    assert!(repaired.gaps >= 1);
    assert_eq!(repaired.gaps, status.stats.gaps_replayed + status.stats.gaps_snapshot);
}

#[tokio::test]
async fn health_follows_the_node() {
    let scene = Scene::new(1 << 20).await;
    assert_eq!(scene.get("/healthz").await, (200, "ok\n".to_owned()));
    scene.chain.set_faults(Faults { refuse_connections: u32::MAX, ..Faults::default() });
    scene.chain.disconnect();
    assert_eq!(scene.until_health(503).await, "not connected: fake\n");
    let status = scene.status().await;
    assert!(status.is_whole && !status.sources[0].is_connected && status.problem.is_some());
    let (code, metrics) = scene.get("/metrics").await;
    assert_eq!(code, 200);
    assert!(metrics.contains("\nalphapulse_relay_healthy 0\n"), "{metrics}");
    assert!(metrics.contains("\nalphapulse_relay_source_connected{source=\"fake\"} 0\n"), "{metrics}");
    scene.chain.set_faults(Faults::default());
    assert_eq!(scene.until_health(200).await, "ok\n");
    assert_eq!(scene.status().await.sources[0].reconnects, 1);
}

#[tokio::test]
async fn only_this_host_may_ask_and_only_ask() {
    let scene = Scene::new(1 << 20).await;
    let (code, body) = scene.get("/status").await;
    let status: RelayStatus = serde_json::from_str(&body).unwrap();
    assert_eq!((code, status.chain_id), (200, 31337));
    for (request, code) in [
        ("GET /healthz HTTP/1.1\r\nHost: localhost:1\r\n\r\n", 200),
        ("GET /healthz HTTP/1.1\r\nHost: [::1]:1\r\n\r\n", 200),
        ("GET /healthz HTTP/1.1\r\nHost: attacker.example\r\n\r\n", 403),
        ("GET /healthz HTTP/1.1\r\nHost: localhost.attacker.example\r\n\r\n", 403),
        ("GET /healthz HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n", 403),
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: attacker.example\r\n\r\n", 403),
        ("GET /healthz HTTP/1.1\r\n\r\n", 403),
        ("GET http://attacker.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 403),
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nOrigin: http://attacker.example\r\n\r\n", 403),
        ("POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 405),
        ("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        ("GET /secrets HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        ("HELLO\r\n\r\n", 400),
    ] {
        assert_eq!(scene.ask(request).await.0, code, "{request}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(1 << 14));
    let (code, _) = scene.ask(&long).await;
    assert!([414, 431].contains(&code), "{code}");
}

#[tokio::test]
async fn the_page_is_on_loopback_only() {
    let open = RelayConfig { listen_http: Some(SocketAddr::from(([0, 0, 0, 0], 0))), ..config() };
    let refused = Relay::start_from(open, FakeChain::new()).await.unwrap_err();
    assert!(matches!(&refused, RelayError::Config(reason) if reason.contains("listen_http")), "{refused}");
}

/// Name and labels of a sample, without those that `le` makes differ.
type Series = (String, BTreeMap<String, String>);

/// Reads the text format as its page describes it, and refuses everything else.
fn parse(text: &str) -> (BTreeMap<String, String>, Vec<(Series, f64)>) {
    let (mut kinds, mut helped, mut samples) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect(line);
            assert!(!help.is_empty() && helped.insert(name.to_owned()), "{line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect(line);
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(helped.contains(name) && kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
        } else {
            samples.push(parse_sample(line));
        }
    }
    (kinds, samples)
}

fn parse_sample(line: &str) -> (Series, f64) {
    let end = line.find(['{', ' ']).expect(line);
    let (name, mut rest) = line.split_at(end);
    assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, quoted) = rest.split_once("=\"").expect(line);
            let mut is_escaped = false;
            let end = quoted.find(|letter| {
                let is_end = letter == '"' && !is_escaped;
                is_escaped = letter == '\\' && !is_escaped;
                is_end
            });
            let end = end.expect(line);
            assert!(labels.insert(label.to_owned(), quoted[..end].to_owned()).is_none(), "{line}");
            rest = quoted[end + 1..].trim_start_matches(',');
        }
        rest = &rest[1..];
    }
    let value: f64 = rest.strip_prefix(' ').expect(line).parse().expect(line);
    ((name.to_owned(), labels), value)
}

#[tokio::test]
async fn the_metrics_are_well_formed_and_true() {
    let scene = Scene::new(1 << 20).await;
    let mut reader = scene.joined().await;
    let path = scene.relay.unix_path().unwrap().to_owned();
    let remote = tokio::task::spawn_blocking(|| Feed::connect_unix(path, None).unwrap()).await.unwrap();
    let mut remote = Subscriber::new(remote);
    remote.settle(&scene.chain).await;
    for amount in 1..6 {
        scene.mine(amount);
        reader.settle(&scene.chain).await;
        remote.settle(&scene.chain).await;
    }
    let (code, text) = scene.get("/metrics").await;
    assert_eq!(code, 200);
    let (kinds, samples) = parse(&text);
    let mut seen = BTreeSet::new();
    for (series, value) in &samples {
        assert!(seen.insert(series.clone()), "{series:?} is there twice");
        let name = series.0.as_str();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
            name.strip_suffix(end).filter(|family| kinds.get(*family).is_some_and(|kind| kind == "histogram"))
        });
        let kind = kinds.get(family.unwrap_or(name)).unwrap_or_else(|| panic!("{name} has no type"));
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        assert!(*value >= 0.0);
    }
    let value = |name: &str| {
        let series = (format!("alphapulse_relay_{name}"), BTreeMap::new());
        samples.iter().find(|sample| sample.0 == series).unwrap_or_else(|| panic!("no {name}")).1
    };
    assert_eq!((value("blocks_total"), value("subscribers"), value("healthy")), (5.0, 2.0, 1.0));
    assert_eq!(value("sequence"), reader.replica.position().map(|position| position.sequence.0 as f64).unwrap());
    for stage in STAGES {
        check_histogram(stage, &samples);
    }
    let (_, count) = samples
        .iter()
        .find(|((name, labels), _)| {
            name.ends_with("stage_seconds_count") && labels.get("stage").is_some_and(|stage| stage == "write")
        })
        .unwrap();
    assert!(*count >= 5.0, "{count} writes for five blocks");
}

fn check_histogram(stage: &str, samples: &[(Series, f64)]) {
    let of_stage = |end: &str| {
        let name = format!("alphapulse_relay_stage_seconds_{end}");
        let is_ours = move |sample: &&(Series, f64)| sample.0.0 == name && sample.0.1["stage"] == stage;
        samples.iter().filter(is_ours).collect::<Vec<_>>()
    };
    let buckets: Vec<(f64, f64)> =
        of_stage("bucket").iter().map(|((_, labels), count)| (labels["le"].parse().unwrap(), *count)).collect();
    let (limits, counts): (Vec<f64>, Vec<f64>) = buckets.into_iter().unzip();
    assert!(limits.is_sorted_by(|one, next| one < next) && counts.is_sorted(), "{stage}: {limits:?} {counts:?}");
    let [(_, count)] = of_stage("count")[..] else { panic!("{stage} has one count") };
    let [(_, sum)] = of_stage("sum")[..] else { panic!("{stage} has one sum") };
    assert_eq!((limits.last(), counts.last()), (Some(&f64::INFINITY), Some(count)), "{stage}");
    assert_eq!(*sum > 0.0, *count > 0.0, "{stage}");
}

#[tokio::test]
async fn the_page_for_operators_names_every_metric_and_no_other() {
    let scene = Scene::new(1 << 20).await;
    let (kinds, _) = parse(&scene.get("/metrics").await.1);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/OPERATING.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let names: Vec<_> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let metrics: BTreeSet<_> = names.iter().copied().filter(|name| name.starts_with("alphapulse_relay_")).collect();
    assert_eq!(metrics, kinds.keys().map(String::as_str).collect());
    for stage in STAGES {
        assert!(names.contains(&stage), "{stage} is not explained");
    }
}
