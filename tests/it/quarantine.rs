//! A pool that differs from the chain, as those see it who watch a relay or a node.

use std::path::Path;
use std::time::{Duration, Instant};

use alloy::primitives::{B256, U256};
use alloy::providers::Provider as _;
use serde_json::Value;

use crate::command::run;
use crate::node::Chain;
use crate::running::{PATIENCE, Running};

/// Where a pair keeps its reserves: 112 bits of each, from the lowest on.
const RESERVES_SLOT: u64 = 8;
const MOMENT: Duration = Duration::from_millis(200);

/// Makes blocks without trades until the log says this.
async fn mine_until(chain: &Chain, log: &mut Running, text: &str) {
    let started = Instant::now();
    while !log.says(text, MOMENT) {
        assert!(started.elapsed() < PATIENCE, "it does not say {text:?}: {}", log.said);
        chain.testnet.node.mine().await.expect("a block");
    }
}

fn line<'a>(log: &'a Running, text: &str) -> &'a str {
    log.said.lines().find(|line| line.contains(text)).expect("it was said")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_says_what_differed_and_the_node_that_it_does_not_trade_on_it_until_it_is_back() {
    let mut chain = Chain::start().await;
    let socket = chain.path("relay.sock");
    let [page, off, all]: [&Path; 3] = ["127.0.0.1:0", "false", "18"].map(Path::new);
    let served = [("RELAY__LISTEN_UNIX", socket.as_path()), ("RELAY__LISTEN_HTTP", page), ("RELAY__SAMPLE_POOLS", all)];
    let mut relay = Running::start(chain.command(&["relay"], &served));
    relay.must_say("relaying");
    let page = relay.said.split("http=\"").nth(1).and_then(|said| said.split('"').next()).expect("named").to_owned();
    let settings = [("RELAY__EMBEDDED", off), ("RELAY__UNIX", socket.as_path())];
    let mut node = Running::start(chain.command(&["run"], &settings));
    node.must_say("trading on paper");
    chain.trade(2).await;

    let pair = chain.testnet.deployment.pools[0].address;
    let slot = U256::from(RESERVES_SLOT);
    let word = chain.testnet.node.provider().get_storage_at(pair, slot).await.expect("the node answers");
    let mask: U256 = (U256::from(1) << 112) - U256::from(1);
    let (ours, theirs) = (word & mask, (word & mask) - (word & mask) / U256::from(3));
    let changed = B256::from((word & !mask) | theirs);
    chain.testnet.node.set_storage_at(pair, slot, changed).await.expect("the node obeys");
    mine_until(&chain, &mut node, "pool quarantined").await;
    let said = line(&node, "pool quarantined");
    assert!(said.contains("WARN") && said.contains(&pair.to_string()) && said.contains("differs=\"state\""), "{said}");

    // It is told anew with the next block, and there is none yet.
    let told = run(["relay", "status", "--json", "--http", &page]);
    let status: Value = serde_json::from_str(&told.stdout).unwrap_or_else(|error| panic!("{error}: {told:?}"));
    let found = &status["truth"]["quarantined"][0];
    assert_eq!(found["field"], "V2Reserves.reserve_0", "{status}");
    assert_eq!((&found["ours"], &found["theirs"]), (&ours.to_string().into(), &theirs.to_string().into()), "{status}");
    assert!(found["compared_block"].is_u64(), "{status}");
    let stats = &status["stats"];
    let count = |name: &str| stats[name].as_u64().unwrap_or_else(|| panic!("{name} is told: {stats}"));
    let parts = ["truth_equal", "truth_diverged", "truth_read", "truth_unread", "truth_void"].map(count);
    assert_eq!(count("truth_sampled"), parts.iter().sum::<u64>(), "{stats}");
    let shown = run(["relay", "status", "--http", &page]).stdout;
    let differed = format!("V2Reserves.reserve_0 is {ours} in the stream and {theirs} on the chain (state)");
    for text in ["QUARANTINED", &pair.to_string(), &differed, "compared after block ", " relapsed, ", " read anew + "] {
        assert!(shown.contains(text), "{text}: {shown}");
    }

    mine_until(&chain, &mut node, "pool back from quarantine").await;
    let said = line(&node, "pool back from quarantine");
    assert!(said.contains("INFO") && said.contains(&pair.to_string()), "{said}");
    let ran = node.interrupt();
    assert_eq!((ran.code, ran.stderr.matches("pool quarantined").count()), (Some(130), 1), "{ran:?}");
    assert_eq!(relay.interrupt().code, Some(130));
}
