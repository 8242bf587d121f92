//! `testnet validate` and `replay` of what it recorded; `testnet serve` and the commands that its configuration is for.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use alloy::providers::{Provider as _, ProviderBuilder, WsConnect};
use alphapulse_engine::config::{Environment, load};
use serde_json::Value;

use crate::command::{Ran, alphapulse, file, folder, run};
use crate::running::{PATIENCE, Running};

#[test]
fn a_recorded_validation_replays_to_the_same_decisions() {
    let folder = folder();
    let journal = folder.path().join("run").to_str().expect("UTF-8").to_owned();
    let ran = run(["testnet", "validate", "--blocks", "12", "--seed", "2", "--journal", &journal, "--json"]);
    let report: Value = serde_json::from_str(&ran.stdout).expect("one JSON object");
    // A dozen blocks are too few to hold the share that is captured to its gate; the rest must hold in any run.
    let failed: Vec<&str> = gates(&report).into_iter().filter(|gate| *gate != "captured_share").collect();
    assert_eq!(failed, Vec::<&str>::new(), "{report}");
    assert_eq!(ran.code, Some(i32::from(!gates(&report).is_empty())));
    for field in ["attainable_profit_wei", "captured_share", "reverted", "gas_spent_wei", "submitted"] {
        assert!(!report[field].is_null(), "{field} is missing: {report}");
    }
    assert_eq!(report["realised_profit_wei"], report["predicted_profit_wei"]);

    let replays: [Value; 2] = [0, 1].map(|_| {
        let ran = run(["replay", &journal, "--json"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        serde_json::from_str(ran.lines().last().expect("a report")).expect("JSON")
    });
    let [first, second] = &replays;
    assert_eq!(first["decision_hash"], second["decision_hash"]);
    assert_eq!(first["opportunities"], report["opportunities"]);
    assert_eq!(first["matches_recording"], true);
    assert!(first["messages"].as_u64() > Some(0) && first["seconds"].is_number(), "{first}");
    check_decisions(&journal, report["opportunities"].as_u64().expect("a count"));
}

fn gates(report: &Value) -> Vec<&str> {
    let failures = report["failures"].as_array().expect("a list");
    failures.iter().map(|failure| failure["gate"].as_str().expect("a name")).collect()
}

/// Each opportunity of the run is told once, and judged.
fn check_decisions(journal: &str, opportunities: u64) {
    let ran = run(["replay", journal, "--json", "--decisions"]);
    let lines: Vec<Value> = ran.lines().iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let found = lines.iter().filter(|line| line["opportunity"].is_u64()).count();
    assert_eq!(u64::try_from(found).expect("few"), opportunities);
    assert!(lines.iter().filter(|line| line["verdict_on"].is_u64()).count() >= found);
    let reason = lines.iter().find(|line| line["is_approved"] == false).expect("not all are worth their gas");
    assert!(reason["reason"].is_string(), "{reason}");
}

/// The commands of a page's section, as they stand there.
fn commands_of(heading: &str) -> Vec<Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/OPERATING.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let section = page.split(&format!("\n### {heading}\n")).nth(1).expect("the section is there");
    let section = section.split("\n#").next().expect("a text");
    let commands = section.lines().filter_map(|line| line.strip_prefix("    alphapulse "));
    commands.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

/// A command of the page, where whoever reads it stands.
fn as_written(words: &[String], folder: &Path) -> Command {
    let mut command = alphapulse();
    command.args(words).current_dir(folder);
    command
}

#[test]
fn a_relay_over_a_dev_chain_takes_three_commands() {
    let folder = folder();
    let at = folder.path();
    let commands = commands_of("A relay over a dev chain in three commands");
    let [serve, relay, run, look @ ..] = &commands[..] else { panic!("three commands: {commands:?}") };

    let mut chain = as_written(serve, at).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let stderr = chain.stderr.take().expect("piped");
    let stderr = std::thread::spawn(move || std::io::read_to_string(stderr).expect("text"));
    let mut lines = BufReader::new(chain.stdout.take().expect("piped")).lines().map_while(Result::ok);
    // It names the commands that go on from there, as the page does.
    for command in [relay, run] {
        let text = format!("alphapulse {}", command.join(" "));
        assert!(lines.any(|line| line.trim() == text), "it does not say {text:?}");
    }
    let mut relay = Running::start(as_written(relay, at));
    relay.must_say("relaying");
    let mut node = Running::start(as_written(run, at));
    node.must_say("trading on paper");

    let config = load(&at.join("dev/alphapulse.toml"), &Environment::default()).expect("a valid configuration");
    assert_eq!((config.chain.id.0, config.pools.len(), config.relay.factories.len()), (31_337, 18, 3));
    let [look] = look else { panic!("one command to look: {commands:?}") };
    let started = Instant::now();
    loop {
        let ran: Ran = as_written(look, at).output().expect("it starts").into();
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let status: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        if status["stats"]["blocks"].as_u64() >= Some(3) {
            assert!(status["problem"].is_null(), "{status}");
            assert_eq!(status["subscribers"].as_array().map(Vec::len), Some(1), "{status}");
            break;
        }
        assert!(started.elapsed() < PATIENCE, "no blocks: {status}");
        std::thread::sleep(Duration::from_millis(50));
    }
    for ran in [node.interrupt(), relay.interrupt()] {
        assert_eq!(ran.code, Some(130), "{ran:?}");
        assert!(!ran.stderr.contains("ERROR"), "{ran:?}");
    }
    let kill = format!("kill -INT {}", chain.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
    assert_eq!(chain.wait().expect("it ends").code(), Some(130));
    let said = stderr.join().expect("it reads");
    assert!(said.contains("chain 31337 is stopped") && said.contains("dev stays"), "{said}");
    assert!(at.join("dev/alphapulse.toml").exists(), "what it wrote stays");
}

/// The value that the configuration of a dev chain gives a key first.
fn first(text: &str, key: &str) -> String {
    let value = text.split(&format!("\n{key} = \"")).nth(1).and_then(|rest| rest.split('"').next());
    value.unwrap_or_else(|| panic!("no {key}: {text}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dev_chain_lives_on_while_one_of_its_pools_cannot_be_read() {
    let folder = folder();
    let dir = folder.path().join("dev");
    let mut command = alphapulse();
    command.args(["testnet", "serve"]).arg(&dir).args(["--block-time", "20"]).env("RUST_LOG", "info");
    let mut chain = Running::start(command);
    chain.must_say("a block");
    let text = std::fs::read_to_string(dir.join("alphapulse.toml")).expect("a configuration");
    let pools = text.split("[[pools]]").nth(1).expect("pools");
    let (endpoint, pool) = (first(&text, "endpoint"), first(pools, "address"));
    let node = ProviderBuilder::new().disable_recommended_fillers().connect_ws(WsConnect::new(endpoint)).await;
    let node = node.expect("the node answers");
    let code: String = node.raw_request("eth_getCode".into(), (&pool, "latest")).await.expect("it answers");
    let set = async |code: &str| {
        let _: Value = node.raw_request("anvil_setCode".into(), (&pool, code)).await.expect("it obeys");
    };
    set("0x").await;
    chain.must_say("the traders rest until every pool can be read again");
    assert!(chain.said.to_lowercase().contains(&pool.to_lowercase()), "{}", chain.said);
    chain.said.clear();
    chain.must_say(" moves=0");
    set(&code).await;
    chain.said.clear();
    let started = Instant::now();
    let has_moves = |said: &str| {
        said.split(" moves=").skip(1).any(|rest| rest.starts_with(|first: char| ('1'..='9').contains(&first)))
    };
    while !has_moves(&chain.said) {
        assert!(started.elapsed() < PATIENCE, "nobody trades: {}", chain.said);
        chain.said.clear();
        chain.must_say(" moves=");
    }
    assert_eq!(chain.interrupt().code, Some(130));
}

#[test]
fn a_dev_chain_ends_after_its_blocks_and_leaves_a_folder_that_is_not_written_over() {
    let folder = folder();
    let dir = folder.path().join("dev").display().to_string();
    let arguments = ["testnet", "serve", &dir, "--blocks", "2", "--block-time", "0", "--chain-id", "4242"];
    let ran = run(arguments);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("chain 4242 at ws://127.0.0.1:"), "{ran:?}");
    let shown = run(["config", "show", &format!("{dir}/alphapulse.toml")]);
    assert!(shown.stdout.lines().any(|line| line.starts_with("chain.id ") && line.ends_with("= 4242")), "{shown:?}");
    // Its keys are of this chain alone, and a second chain has others.
    run(arguments).must_fail(1, &["is not empty", "next: "]);
    let plain = file(&folder, "plain", "").display().to_string();
    run(["testnet", "serve", &plain]).must_fail(1, &["plain", "next: "]);
}
