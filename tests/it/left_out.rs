//! `alphapulse snapshot` holds what it read against what the pools themselves answer, and leaves out what it cannot answer for.
//!
//! Amounts are StableSwap's own formula, reckoned apart from this code for these balances.

use std::fs;

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolValue;
use alphapulse_strategies::snapshot::Snapshot;

use crate::command::{Ran, file, folder, run};
use crate::fake_node::{Node, address};

const E18: u128 = 1_000_000_000_000_000_000;
const GET_DY: &str = "get_dy(int128,int128,uint256)";

/// What a pool answers from each coin to the next, a thousandth of its balance.
fn answers(node: &mut Node, pool: Address, balances: &[u128], amounts: &[u128]) {
    for (at, (balance, amount)) in balances.iter().zip(amounts).enumerate() {
        let words = [U256::from(at), U256::from((at + 1) % balances.len()), U256::from(balance / 1_000)];
        node.tell(pool, GET_DY, &words, U256::from(*amount).abi_encode());
    }
}

/// A pool of a million of a coin and one and a half of another.
fn classic(node: &mut Node, pool: Address, amounts: &[u128]) {
    let balances = [1_000_000 * E18, 1_500_000_000_000];
    node.coins(pool, "uint256", &[(address(1), balances[0]), (address(2), balances[1])]);
    node.stable(pool, 200_000);
    node.number(pool, "A_precise()", 200_000);
    answers(node, pool, &balances, amounts);
}

async fn snapshot(node: Node, lines: &[String]) -> (Ran, Option<Snapshot>) {
    let (url, _, server) = node.serve().await;
    let folder = folder();
    let pools = file(&folder, "pools.txt", lines.join("\n")).display().to_string();
    let out = folder.path().join("market.json");
    let arguments =
        ["snapshot", "--rpc", &url, "--pools", &pools, "--out", &out.display().to_string()].map(str::to_owned);
    let ran = tokio::task::spawn_blocking(move || run(arguments)).await.expect("the command runs");
    server.abort();
    let written = fs::read(&out).ok();
    (ran, written.map(|bytes| Snapshot::from_bytes(&bytes).expect("a snapshot")))
}

fn names(pools: &[Address]) -> Vec<String> {
    pools.iter().map(|pool| format!("{pool:#x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_answers_other_than_what_was_read_is_left_out_with_both_amounts() {
    let mut node = Node::default();
    node.token(address(1), "A", 18).token(address(2), "B", 6);
    let pools = [0xa1, 0xa2, 0xa3].map(address);
    let right = [1_000_116_385, 1_499_523_594_574_135_399_442];
    classic(&mut node, pools[0], &right);
    classic(&mut node, pools[1], &[right[0], right[1] - 1]);
    // It refuses where what was read does not.
    classic(&mut node, pools[2], &right[..1]);
    let (ran, written) = snapshot(node, &names(&pools)).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let written = written.expect("a file");
    assert_eq!(written.pools.iter().map(|pool| Address::from(pool.address)).collect::<Vec<_>>(), [pools[0]]);
    let left_out: Vec<_> = written.left_out.iter().map(|left| (left.pool.clone(), left.kind.as_deref())).collect();
    assert_eq!(left_out, names(&pools[1..]).into_iter().map(|name| (name, Some("curve_stable"))).collect::<Vec<_>>());
    for (left, theirs) in written.left_out.iter().zip([(right[1] - 1).to_string(), "refuses".to_owned()]) {
        assert!(left.reason.contains(&theirs) && left.reason.contains(&right[1].to_string()), "{left:?}");
        assert!(ran.stderr.contains(&left.pool) && ran.stderr.contains(&left.reason), "{ran:?}");
    }
    assert!(ran.stderr.contains("1 pools in") && ran.stderr.contains("2 left out"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_pool_is_read_only_what_may_help_is_advised() {
    let mut node = Node::default();
    node.token(address(1), "A", 18).number(address(1), "totalSupply()", 5);
    let (ran, written) = snapshot(node, &names(&[address(1)])).await;
    ran.must_fail(
        1,
        &["does not look like a pool", "none of 1 pools", "next: see above why; give --pools the addresses of pools"],
    );
    assert!(written.is_none() && !ran.stderr.contains("fee"), "{ran:?}");
    let (ran, _) = snapshot(Node::default(), &names(&[address(1)])).await;
    ran.must_fail(1, &["no contract is there", "next: see above why; check the addresses, or read a later block"]);
    assert!(!ran.stderr.contains("fee"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_above_the_head_is_not_there_yet_and_no_contradiction() {
    let (url, _, server) = Node::default().serve().await;
    let folder = folder();
    let pools = file(&folder, "pools.txt", format!("{:#x}", address(1))).display().to_string();
    let out = folder.path().join("market.json").display().to_string();
    let ask = move |block: &str| {
        let arguments =
            ["snapshot", "--rpc", &url, "--pools", &pools, "--out", &out, "--block", block].map(str::to_owned);
        tokio::task::spawn_blocking(move || run(arguments))
    };
    // The node's one block is 16.
    let above = ask("17").await.expect("the command runs");
    above.must_fail(1, &["block 17 is not there yet", "head is block 16", "next: give --block a number up to 16"]);
    assert!(!above.stderr.contains("contradicts"), "{above:?}");
    let below = ask("15").await.expect("the command runs");
    below.must_fail(1, &["has no block 15", "its head is block 16", "next: "]);
    server.abort();
}

/// The three-coin pool keeps the address of its share to itself; its meta pools have it as their last coin.
#[tokio::test(flavor = "multi_thread")]
async fn a_meta_pool_tells_how_many_shares_its_base_has_where_that_does_not() {
    let mut node = Node::default();
    for (token, symbol, decimals) in [(1, "DAI", 18), (2, "USDC", 6), (3, "USDT", 6), (4, "GUSD", 2), (5, "3Crv", 18)] {
        node.token(address(token), symbol, decimals);
    }
    let (base, meta) = (address(0xb0), address(0xb1));
    let balances = [56_000_000 * E18, 52_000_000_000_000, 57_000_000_000_000];
    node.coins(base, "uint256", &[(address(1), balances[0]), (address(2), balances[1]), (address(3), balances[2])]);
    node.stable(base, 2_000);
    answers(&mut node, base, &balances, &[55_992_251_138, 51_997_191_208, 56_993_780_014_013_605_739_989]);
    let held = [300_000_000, 2_500_000 * E18];
    node.coins(meta, "uint256", &[(address(4), held[0]), (address(5), held[1])]);
    node.stable(meta, 200_000);
    node.number(meta, "A_precise()", 200_000).tell(meta, "base_pool()", &[], base.abi_encode());
    node.number(address(5), "totalSupply()", 160_000_000 * E18);
    answers(&mut node, meta, &held, &[2_908_577_112_656_611_251_423, 257_806]);
    let (ran, written) = snapshot(node, &names(&[meta])).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let written = written.expect("a file");
    assert_eq!(written.left_out, []);
    let written: Vec<_> = written.pools.iter().map(|pool| Address::from(pool.address)).collect();
    assert_eq!(written, [base, meta], "{ran:?}");
}

/// What stands on a pool that is left out is left out as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_meta_pool_of_a_wrong_base_is_left_out_with_it() {
    let mut node = Node::default();
    for (token, symbol, decimals) in [(1, "A", 18), (2, "B", 6), (4, "GUSD", 2), (5, "LP", 18)] {
        node.token(address(token), symbol, decimals);
    }
    let (base, meta, right) = (address(0xb0), address(0xb1), address(0xb2));
    classic(&mut node, base, &[1, 2]);
    classic(&mut node, right, &[1_000_116_385, 1_499_523_594_574_135_399_442]);
    node.coins(meta, "uint256", &[(address(4), 300_000_000), (address(5), 2_500_000 * E18)]);
    node.stable(meta, 200_000);
    node.number(meta, "A_precise()", 200_000).tell(meta, "base_pool()", &[], base.abi_encode());
    node.number(address(5), "totalSupply()", 160_000_000 * E18);
    let (ran, written) = snapshot(node, &names(&[meta, right])).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let written = written.expect("a file");
    assert_eq!(written.pools.len(), 1, "{ran:?}");
    let mut left_out: Vec<_> = written.left_out.iter().map(|left| left.pool.clone()).collect();
    left_out.sort_unstable();
    assert_eq!(left_out, names(&[base, meta]), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_contradict_each_other_are_a_usage_error_that_names_both() {
    let name = format!("{:#x}", address(0xa1));
    let lines = [format!("{name} fee_ppm=3000"), format!("{name} fee_ppm=2500")];
    let (ran, written) = snapshot(Node::default(), &lines).await;
    ran.must_fail(2, &["lines 1 and 2", &lines[0], &lines[1], "next: "]);
    assert!(written.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_block_beyond_the_one_that_is_read_is_a_usage_error() {
    let (url, _, server) = Node::default().serve().await;
    let folder = folder();
    let out = folder.path().join("market.json");
    let factory = format!("{:#x}", address(9));
    let out_name = out.display().to_string();
    let arguments =
        ["snapshot", "--rpc", &url, "--factory", &factory, "--from-block", "17", "--out", &out_name].map(str::to_owned);
    let ran = tokio::task::spawn_blocking(move || run(arguments)).await.expect("the command runs");
    server.abort();
    ran.must_fail(2, &["--from-block 17", "block 16", "next: "]);
    // Nothing was read, and nothing is left.
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn an_address_that_is_none_is_told_what_one_looks_like() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/market.json");
    run(["scan", "--snapshot", example, "--token", "0x12"]).must_fail(2, &["0x and 40 hex digits"]);
    run(["snapshot", "--rpc", "http://h", "--factory", "0x12", "--out", "o"]).must_fail(2, &["0x and 40 hex digits"]);
}

/// Two runs that write one file would mix their pools in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_run_is_writing_is_not_written_by_a_second() {
    let folder = folder();
    let part = file(&folder, "market.json.part", "");
    let held = fs::OpenOptions::new().write(true).open(&part).expect("a file");
    held.lock().expect("nobody has it");
    let pools = file(&folder, "pools.txt", format!("{:#x}\n", address(0xa1))).display().to_string();
    let out = folder.path().join("market.json").display().to_string();
    let (url, _, server) = Node::default().serve().await;
    let arguments = ["snapshot", "--rpc", &url, "--pools", &pools, "--out", &out].map(str::to_owned);
    let again = arguments.clone();
    let ran = tokio::task::spawn_blocking(move || run(arguments)).await.expect("the command runs");
    ran.must_fail(1, &["another run is writing", "market.json.part", "next: "]);
    drop(held);
    let ran = tokio::task::spawn_blocking(move || run(again)).await.expect("the command runs");
    ran.must_fail(1, &["no contract is there", "none of 1 pools"]);
    server.abort();
    assert!(!part.exists());
}

/// A part of a block that the node does not know is the part's matter, and no fault of the node.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_another_chain_names_itself() {
    let folder = folder();
    let hash = format!("0x{}", "11".repeat(32));
    let header = format!(
        r#"{{"format":"alphapulse.snapshot-part/2","chain_id":5,"block_number":16,"block_hash":"{hash}","pools":"{hash}"}}"#
    );
    let part = file(&folder, "market.json.part", header + "\n");
    let pools = file(&folder, "pools.txt", format!("{:#x}\n", address(0xa1))).display().to_string();
    let out = folder.path().join("market.json").display().to_string();
    let (url, _, server) = Node::default().serve().await;
    let arguments = ["snapshot", "--rpc", &url, "--pools", &pools, "--out", &out].map(str::to_owned);
    let ran = tokio::task::spawn_blocking(move || run(arguments)).await.expect("the command runs");
    server.abort();
    ran.must_fail(2, &["market.json.part was begun with another chain", "next: remove"]);
    assert!(part.exists());
}
