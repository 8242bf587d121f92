#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use alphapulse_protocol::message::Role;
use alphapulse_protocol::{ChainId, FeePerGas, Wei};
use alphapulse_relay::journal::{FeedOptions, SyncPolicy};
use alphapulse_relay::{Endpoint, Roles};

use super::*;

mod random;
mod relay;
mod strategies;

fn example() -> NodeConfig {
    from_toml(RawConfig::example()).unwrap()
}

/// The example with one text replaced, which must be there.
fn edited(from: &str, to: &str) -> Result<NodeConfig, ConfigError> {
    assert!(RawConfig::example().contains(from), "the example has no `{from}`");
    from_toml(&RawConfig::example().replacen(from, to, 1))
}

/// Asserts that the edited example has exactly one problem, at `key`, that says `says`.
fn refused(from: &str, to: &str, key: &str, says: &str) {
    let error = edited(from, to).expect_err(key);
    let [problem] = error.problems() else { panic!("one problem expected: {error}") };
    assert_eq!(problem.key, key, "{error}");
    assert!(problem.to_string().contains(says), "`{problem}` does not say `{says}`");
    assert!(!problem.next.is_empty());
}

fn in_environment(profile: Option<&str>, variables: &[(&str, &str)]) -> Result<NodeConfig, ConfigError> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let environment = Environment { profile: profile.map(str::to_owned), variables, ..Environment::default() };
    parse(PathBuf::from("/etc/ap/node.toml"), RawConfig::example(), &environment)
}

fn setting<'a>(config: &'a NodeConfig, key: &str) -> &'a Setting {
    config.settings().iter().find(|setting| setting.key == key).unwrap()
}

#[test]
fn the_example_is_valid_and_means_what_it_says() {
    let config = example();
    assert_eq!(config.chain.id, ChainId(1));
    assert_eq!((config.venues.len(), config.tokens.len(), config.pools.len()), (3, 2, 3));
    assert_eq!(config.limits.fee_max, FeePerGas(100_000_000_000));
    assert_eq!(config.limits.loss_day_max, Wei(100_000_000_000_000_000));
    let weth = config.tokens[0].address;
    assert_eq!(config.limits.native_token, weth);
    assert_eq!(config.limits.notional_max[&weth].to_string(), "5000000000000000000");
    assert_eq!(config.strategies[1].profit_min.to_string(), "100000000000000");
    assert_eq!(config.execution.mode, Mode::Paper);
    assert_eq!(config.relay.source, RelaySource::Embedded);
    config.relay_config(None).check().unwrap();
    config.strategies.iter().for_each(|strategy| strategy.check().unwrap());
    assert_eq!(config.admission(), config.admission());
}

#[test]
fn a_missing_limit_stops_the_start_whichever_it_is() {
    let limits = [
        ("in_flight_max = 4", "risk.in_flight_max"),
        ("unknown_max = 2", "risk.unknown_max"),
        ("profit_min = \"0.0002 ether\"", "risk.profit_min"),
        ("fee_max = \"100 gwei\"", "risk.fee_max"),
        ("gas_max = 1_500_000", "risk.gas_max"),
        ("market_age_max = \"18s\"", "risk.market_age_max"),
        ("loss_day_max = \"0.1 ether\"", "risk.loss_day_max"),
        ("notional_max = { WETH = \"5\" }", "risk.notional_max"),
        ("priority_fee = \"1 gwei\"", "execution.priority_fee"),
        ("mode = \"paper\"", "execution.mode"),
        ("simulation = \"off\"", "execution.simulation"),
        ("blocks_valid = 2", "execution.blocks_valid"),
        ("base = 100_000", "execution.gas.base"),
    ];
    for (line, key) in limits {
        refused(line, "", key, "is missing");
    }
}

#[test]
fn a_missing_section_names_each_of_its_limits() {
    let error = edited("[risk]", "[profile.other.risk]").unwrap_err();
    let keys: Vec<&str> = error.problems().iter().map(|problem| problem.key.as_str()).collect();
    for key in ["notional_max", "in_flight_max", "unknown_max", "profit_min", "fee_max", "gas_max", "loss_day_max"] {
        assert!(keys.contains(&format!("risk.{key}").as_str()), "{keys:?}");
    }
}

#[test]
fn a_value_of_the_wrong_type_is_told_in_the_words_of_who_writes_it() {
    refused(
        "in_flight_max = 4 ",
        "in_flight_max = \"4\" ",
        "risk.in_flight_max",
        "found a text, expected a whole number",
    );
    refused(
        "in_flight_max = 4 ",
        "in_flight_max = -4 ",
        "risk.in_flight_max",
        "found -4, expected a whole number from 0 on",
    );
    refused(
        "in_flight_max = 4 ",
        "in_flight_max = 4.5 ",
        "risk.in_flight_max",
        "found the fraction 4.5, expected a whole number",
    );
    refused("in_flight_max = 4 ", "in_flight_max = true ", "risk.in_flight_max", "found true, expected a whole number");
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    refused(
        "in_flight_max = 4 ",
        "in_fligth_max = 4 ",
        "risk.in_fligth_max",
        "unknown key `in_fligth_max`; did you mean `in_flight_max`?",
    );
    refused("[journal]", "[journals]", "journals", "unknown key `journals`; did you mean `journal`?");
    refused("fee_ppm = 3000", "fee_pmm = 3000", "venues[0].fee_pmm", "unknown key `fee_pmm`; did you mean `fee_ppm`?");
    let error = edited("in_flight_max = 4 ", "in_fligth_max = 4 ").unwrap_err();
    let line = 1 + RawConfig::example().lines().position(|line| line.starts_with("in_flight_max")).unwrap();
    assert_eq!(error.problems()[0].origin, Origin::File { path: PathBuf::from("config"), line });
}

#[test]
fn a_quantity_without_unit_is_refused_as_number_and_as_text() {
    refused("fee_max = \"100 gwei\"", "fee_max = 100", "risk.fee_max", "found 100, expected a text in quotes");
    refused("fee_max = \"100 gwei\"", "fee_max = \"100\"", "risk.fee_max", "\"100 gwei\"");
    refused("loss_day_max = \"0.1 ether\"", "loss_day_max = \"0.1 eth\"", "risk.loss_day_max", "with a unit");
    refused("market_age_max = \"18s\"", "market_age_max = \"18\"", "risk.market_age_max", "with a unit");
    refused("{ WETH = \"5\" }", "{ WETH = 5 }", "risk.notional_max.WETH", "expected a text in quotes");
    refused("profit_min = \"0.0001 WETH\"", "profit_min = \"0.0001\"", "strategies[0].profit_min", "WETH");
}

/// Line of the example that begins like this, from 1; the last of several.
fn line_of(text: &str, start: &str) -> usize {
    1 + text.lines().collect::<Vec<_>>().iter().rposition(|line| line.trim_start().starts_with(start)).unwrap()
}

/// Asserts that the example with `again` in front of `before` has one problem: `key` is there twice.
fn refused_twice(before: &str, again: &str, key: &str) {
    let text = RawConfig::example().replacen(before, &format!("{again}\n{before}"), 1);
    assert_ne!(text, RawConfig::example(), "{before}");
    let error = from_toml(&text).expect_err(key);
    let [problem] = error.problems() else { panic!("one problem expected: {error}") };
    assert_eq!(problem.key, key, "{error}");
    let word = again.split(['=', '\n']).next().unwrap().trim();
    let lines: Vec<_> = text.lines().zip(1..).filter(|(line, _)| line.starts_with(word)).map(|(_, at)| at).collect();
    let [first, .., second] = lines[..] else { panic!("{word} is not there twice") };
    let origin = Origin::File { path: PathBuf::from("config"), line: second };
    assert_eq!(problem.origin, origin, "{error}");
    assert_eq!(problem.message, format!("is set in line {first} already"));
}

#[test]
fn a_key_that_is_there_twice_is_named_with_its_section_and_both_lines() {
    refused_twice("[execution]", "gas_max = 7", "risk.gas_max");
    refused_twice("native_token", "id = 5", "chain.id");
    refused_twice("[relay]", "base = 5", "execution.gas.base");
    refused_twice("[journal]", "[risk]", "risk");
    refused_twice("[journal]", "[execution.gas]", "execution.gas");
    refused_twice("[journal]", "[profile.cautious.risk]", "profile.cautious.risk");
    let pools = "venue = \"uniswap_v3\"\n# known";
    let twice = edited(pools, &format!("address = \"0x\"\n{pools}")).unwrap_err();
    assert_eq!(twice.problems()[0].key, "pools[2].address", "{twice}");
    let inline = edited("{ WETH = \"5\" }", "{ WETH = \"5\", WETH = \"6\" }").unwrap_err();
    assert_eq!(inline.problems()[0].key, "risk.notional_max.WETH", "{inline}");
    let top = from_toml("relay = {}\nrelay = {}\n").unwrap_err();
    assert_eq!(
        top.to_string(),
        "the configuration config has a problem: config:2: `relay`: is set in line 1 already; keep one of the two"
    );
    // All of them are told, but for a text that is no TOML in the first place.
    let again = "gas_max = 1\nfee_max = \"1 gwei\"\ngas_max = 2\n";
    let several = edited("[execution]", &format!("{again}[execution]")).unwrap_err();
    let keys: Vec<_> = several.problems().iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["risk.gas_max", "risk.fee_max", "risk.gas_max"]);
    refused("[execution]", &format!("{again}this is not TOML\n[execution]"), "", "this is not TOML");
}

#[test]
fn every_value_of_a_wrong_type_is_told_and_none_is_repeated() {
    let text = RawConfig::example()
        .replacen("id = 1 ", "id = \"wss://canary\" ", 1)
        .replacen("fee_max = \"100 gwei\"", "fee_max = 100", 1)
        .replacen("gas_max = 1_500_000", "gas_maximum = 1", 1)
        .replacen("{ WETH = \"5\" }", "{ WETH = 5 }", 1)
        .replacen("tokens = [\"WETH\"]", "tokens = [\"WETH\", 7]", 1)
        .replacen("embedded = true", "embedded = \"wss://canary\"", 1);
    let error = from_toml(&text).unwrap_err();
    let found: Vec<_> = error.problems().iter().map(|problem| (problem.key.as_str(), problem.origin.clone())).collect();
    let at = |key: &'static str, line: &str| {
        let origin = Origin::File { path: PathBuf::from("config"), line: line_of(&text, line) };
        (key, origin)
    };
    let expected = [
        at("chain.id", "id = \"wss"),
        at("strategies[0].tokens[1]", "tokens = [\"WETH\", 7]"),
        at("risk.notional_max.WETH", "notional_max = { WETH = 5"),
        at("risk.fee_max", "fee_max = 100"),
        at("risk.gas_maximum", "gas_maximum"),
        at("relay.embedded", "embedded"),
    ];
    assert_eq!(found, expected, "in the order of the file");
    assert!(!format!("{error} {error:?}").contains("canary"), "{error}");

    // No more than can be read at once.
    let many: String = (0..200).map(|number| format!("key_{number} = 1\n")).collect();
    let error = edited("[execution]", &format!("{many}[execution]")).unwrap_err();
    assert_eq!(error.problems().len(), 64);

    // Also of a profile that nobody chose, and of a variable.
    let profile = edited("loss_day_max = \"0.02 ether\"", "loss_day_max = 1\nfee_max = 2").unwrap_err();
    let keys: Vec<_> = profile.problems().iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert!(profile.problems().iter().all(|problem| problem.message.starts_with("in profile `cautious`")), "{profile}");
}

#[test]
fn addresses_and_hashes_are_checked_to_the_letter() {
    let weth = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2";
    let key = "tokens[0].address";
    for wrong in ["0xc02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2", "0xC02a", "weth", "", &weth[2..]] {
        let text = RawConfig::example().replacen(weth, wrong, 1);
        let error = from_toml(&text).unwrap_err();
        assert!(error.problems().iter().any(|problem| problem.key == key), "{wrong}: {error}");
    }
    assert!(edited(weth, &weth.to_lowercase()).is_ok(), "one case carries no checksum");
    refused("a348845f\"", "a34884f\"", "venues[0].init_code_hash", "64 hexadecimal");
    let error = edited(weth, &format!("0x{}", "0".repeat(40))).unwrap_err();
    assert!(error.problems().iter().any(|problem| problem.key == key), "{error}");
}

#[test]
fn an_endpoint_is_checked_and_never_repeated() {
    let error = edited("ws://127.0.0.1:8546", "https://node.example/v3/canary").unwrap_err();
    assert!(error.to_string().contains("chain.endpoint"));
    assert!(!format!("{error} {error:?}").contains("canary"));
    let config = edited("ws://127.0.0.1:8546", "wss://node.example/v3/canary").unwrap();
    assert!(!format!("{config:?} {} {:?}", config.to_toml(), config.settings()).contains("canary"));
}

#[test]
fn several_nodes_need_a_quorum_of_at_most_all_of_them() {
    let with = |chain: &str| edited("native_token", &format!("{chain}\nnative_token"));
    let alone = from_toml(RawConfig::example()).unwrap();
    assert_eq!((alone.chain.confirm_endpoints.len(), alone.chain.quorum), (0, 1));
    let others = "confirm_endpoints = [\"wss://b.example/v3/canary\", \"ipc:/tmp/c\"]";
    for quorum in 1..=3 {
        let config = with(&format!("{others}\nquorum = {quorum}")).unwrap();
        assert_eq!(config.chain.quorum, quorum);
        let shown = format!("{config:?} {} {:?}", config.to_toml(), config.settings());
        assert!(shown.contains("wss://b.example") && !shown.contains("canary"), "{shown}");
        let again = from_toml(config.to_toml()).unwrap();
        assert_eq!((again.chain.confirm_endpoints.len(), again.config_hash()), (2, config.config_hash()));
        assert!(config.relay_config(None).check().is_ok());
    }
    for (wrong, key) in [
        (others.to_owned(), "chain.quorum"),
        (format!("{others}\nquorum = 0"), "chain.quorum"),
        (format!("{others}\nquorum = 4"), "chain.quorum"),
        ("quorum = 2".to_owned(), "chain.quorum"),
        ("confirm_endpoints = [\"ws://127.0.0.1:8546\"]\nquorum = 2".to_owned(), "chain.confirm_endpoints[0]"),
        ("confirm_endpoints = [\"https://canary\"]\nquorum = 2".to_owned(), "chain.confirm_endpoints[0]"),
    ] {
        let error = with(&wrong).unwrap_err();
        assert!(error.problems().iter().any(|problem| problem.key == key), "{wrong}: {error}");
        assert!(!error.to_string().contains("canary"));
    }
    refused("# stale_blocks = 2 ", "stale_blocks = 65 #", "relay.stale_blocks", "0..=64");
    refused("# confirm_wait = \"2s\"", "confirm_wait = \"2\"", "relay.confirm_wait", "with a unit");
}

#[test]
fn references_must_resolve() {
    refused("native_token = \"WETH\"", "native_token = \"ETH\"", "chain.native_token", "`ETH`");
    refused("tokens = [\"WETH\"]", "tokens = [\"WHET\"]", "strategies[0].tokens", "`WHET`");
    refused("venue = \"sushiswap_v2\"", "venue = \"sushi\"", "pools[1].venue", "`sushi`");
    refused("{ WETH = \"5\" }", "{ WETH = \"5\", DAI = \"1\" }", "risk.notional_max.DAI", "`DAI`");
}

#[test]
fn what_is_said_twice_is_refused() {
    let venue = "[[venues]]\nname = \"uniswap_v2\"\nkind = \"uniswap_v3\"\nfactory = \"0x1F98431c8aD98523631AE4a59f267346ea31F984\"
init_code_hash = \"0xe34f199b19b2b4f47f68442619d555527d244f78a3297ea89325f843f87b8b54\"\n";
    refused("# Allowlists", &format!("{venue}\n#"), "venues[3].name", "taken");
    refused("symbol = \"USDC\"", "symbol = \"WETH\"", "tokens[1].symbol", "taken");
    refused("name = \"cycles\"", "name = \"spatial\"", "strategies[1].name", "taken");
    let pool = "0x397FF1542f962076d0BFE58eA045FfA2d347ACa0";
    refused(pool, "0xB4e16d0168e52d35CaCD2c6185b44281Ec28C9Dc", "pools[1].address", "twice");
}

#[test]
fn numbers_have_bounds_and_both_sides_of_them_are_right() {
    for (value, is_valid) in [(0, false), (1, true), (64, true), (65, false)] {
        let result = edited("in_flight_max = 4 ", &format!("in_flight_max = {value} "));
        assert_eq!(result.is_ok(), is_valid, "{value}");
    }
    for (value, is_valid) in [(0, true), (999_999, true), (1_000_000, false)] {
        assert_eq!(edited("fee_ppm = 3000", &format!("fee_ppm = {value}")).is_ok(), is_valid, "{value}");
    }
    for (ticks, is_valid) in [
        ("[-887272, 887272]", true),
        ("[5, 5]", true),
        ("[6, 5]", false),
        ("[-887273, 0]", false),
        ("[0, 887273]", false),
        ("[0]", false),
        ("[0, 1, 2]", false),
    ] {
        assert_eq!(
            edited("# known_ticks = [180000, 220000]", &format!("known_ticks = {ticks} #")).is_ok(),
            is_valid,
            "{ticks}"
        );
    }
    refused("priority_fee = \"1 gwei\"", "priority_fee = \"101 gwei\"", "execution.priority_fee", "risk.fee_max");
    assert!(edited("priority_fee = \"1 gwei\"", "priority_fee = \"100 gwei\"").is_ok());
    refused("loss_day_max = \"0.1 ether\"", "loss_day_max = \"0 ether\"", "risk.loss_day_max", "zero");
}

#[test]
fn live_trading_needs_what_paper_does_not() {
    let error = edited("mode = \"paper\"", "mode = \"live\"").unwrap_err();
    let keys: Vec<&str> = error.problems().iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["execution.executor", "execution.profit_address", "execution.keystore"]);
    for (line, key) in [("dir = \"runs\"", "journal.dir"), ("kill_file = \"KILL\"", "risk.kill_file")] {
        let text = RawConfig::example().replacen("mode = \"paper\"", "mode = \"live\"", 1).replacen(line, "", 1);
        assert!(from_toml(&text).unwrap_err().problems().iter().any(|problem| problem.key == key), "{key}");
    }
    let on_base =
        RawConfig::example().replacen("mode = \"paper\"", "mode = \"live\"", 1).replacen("id = 1 ", "id = 8453 ", 1);
    let error = from_toml(&on_base).unwrap_err();
    assert!(error.problems().iter().any(|problem| problem.key == "chain.id"), "{error}");
    assert!(edited("dir = \"runs\"", "").is_ok());
    refused("simulation = \"off\"", "simulation = \"required\"", "execution.executor", "simulated");
}

#[test]
fn exactly_one_relay_is_chosen() {
    refused("embedded = true", "", "relay", "exactly one");
    refused("embedded = true", "embedded = true\nunix = \"a.sock\"", "relay", "exactly one");
    let config = edited("embedded = true", "tcp = \"[::1]:7100\"").unwrap();
    assert_eq!(config.relay.source, RelaySource::Tcp("[::1]:7100".parse().unwrap()));
    refused("embedded = true", "tcp = \"10.0.0.1:7100\"", "relay.tcp", "this host");
    refused("# listen_tcp = \"127.0.0.1:7100\"", "listen_tcp = \"0.0.0.0:7100\"", "relay.listen_tcp", "this host");
    refused("# listen_http = \"127.0.0.1:7101\"", "listen_http = \"0.0.0.0:7101\"", "relay.listen_http", "this host");
    let config = edited("# listen_http", "listen_http").unwrap();
    assert_eq!(config.relay_config(None).listen_http, Some("127.0.0.1:7101".parse().unwrap()));
}

#[test]
fn text_that_is_not_toml_is_named_with_its_line() {
    let error = from_toml("[chain]\nid = \n").unwrap_err();
    assert!(error.to_string().contains("config:2"), "{error}");
    assert!(from_toml("\u{0}").is_err());
    assert!(from_toml("").is_err());
}

#[test]
fn all_problems_are_reported_at_once() {
    let text = RawConfig::example().replacen("100 gwei\"   ", "100 gwie\"   ", 1).replacen("\"18s\"", "\"18\"", 1);
    let error = from_toml(&text).unwrap_err();
    assert_eq!(error.problems().len(), 2, "{error}");
    assert!(error.to_string().contains("2 problems"));
}

#[test]
fn a_variable_overrides_the_file_and_is_named_as_origin() {
    let variables = [
        ("ALPHAPULSE__RISK__FEE_MAX", "7 gwei"),
        ("ALPHAPULSE__CHAIN__ID", "5"),
        ("ALPHAPULSE__RISK__NOTIONAL_MAX__WETH", "1"),
        ("ALPHAPULSE__EXECUTION__GAS__BASE", "42"),
        ("ALPHAPULSE__RELAY__SILENCE", "9s"),
        ("ALPHAPULSE__EXECUTION__EXECUTOR", "0x00000000000000000000000000000000000000aa"),
        ("PATH", "/bin"),
    ];
    let config = in_environment(None, &variables).unwrap();
    assert_eq!(config.limits.fee_max, FeePerGas(7_000_000_000));
    assert_eq!(config.chain.id, ChainId(5));
    assert_eq!(config.execution.gas.base.0, 42);
    assert!(config.execution.executor.is_some());
    let origin = |key: &str| setting(&config, key).origin.to_string();
    assert_eq!(origin("risk.fee_max"), "environment variable ALPHAPULSE__RISK__FEE_MAX");
    assert_eq!(origin("chain.id"), "environment variable ALPHAPULSE__CHAIN__ID");
    assert_eq!(origin("risk.notional_max.WETH"), "environment variable ALPHAPULSE__RISK__NOTIONAL_MAX__WETH");
    assert_eq!(origin("relay.heartbeat"), "default");
    let line = 1 + RawConfig::example().lines().position(|line| line.starts_with("gas_max")).unwrap();
    assert_eq!(origin("risk.gas_max"), format!("/etc/ap/node.toml:{line}"));
}

#[test]
fn a_variable_that_names_no_key_or_holds_no_value_is_refused() {
    for (name, value) in [
        ("ALPHAPULSE__RISK__FEE_MAXX", "7 gwei"),
        ("ALPHAPULSE__RISK", "{}"),
        ("ALPHAPULSE__", "1"),
        ("ALPHAPULSE__NOWHERE__KEY", "1"),
        ("ALPHAPULSE__VENUES__0__FEE_PPM", "1"),
        ("ALPHAPULSE__CHAIN__ID", "one"),
        ("ALPHAPULSE__CHAIN__ID", "\"1\""),
        ("ALPHAPULSE__CHAIN__ID", "-1"),
        ("ALPHAPULSE__CHAIN__ID", ""),
        ("ALPHAPULSE__RISK__FEE_MAX", ""),
        ("ALPHAPULSE__RISK__FEE_MAX", "7"),
    ] {
        let error = in_environment(None, &[(name, value)]).expect_err(name);
        assert!(error.to_string().contains(name), "{name}={value}: {error}");
    }
}

#[test]
fn a_profile_goes_over_the_file_and_a_variable_over_both() {
    let config = in_environment(Some("cautious"), &[("ALPHAPULSE__RISK__LOSS_DAY_MAX", "1 wei")]).unwrap();
    assert_eq!(config.limits.in_flight_max, 1);
    assert_eq!(config.limits.loss_day_max, Wei(1));
    assert_eq!(config.limits.fee_max, example().limits.fee_max);
    let line = 1 + RawConfig::example().lines().position(|line| line == "in_flight_max = 1").unwrap();
    assert_eq!(setting(&config, "risk.in_flight_max").origin.to_string(), format!("/etc/ap/node.toml:{line}"));
    let error = in_environment(Some("nobody"), &[]).unwrap_err();
    assert!(error.to_string().contains("profile.nobody"));
}

#[test]
fn a_profile_that_is_not_chosen_must_be_right_as_well() {
    let error = edited("in_flight_max = 1\n", "in_fligth_max = 1\n").unwrap_err();
    assert!(error.to_string().contains("cautious"), "{error}");
}

#[test]
fn the_hash_depends_on_meaning_only() {
    let hash = example().config_hash();
    let same = [
        ("fee_max = \"100 gwei\"", "fee_max = \"100_000_000_000 wei\""),
        ("# listen_unix", "#   listen_unix"),
        ("\"18s\"", "\"18000ms\""),
    ];
    for (from, to) in same {
        assert_eq!(edited(from, to).unwrap().config_hash(), hash, "{to}");
    }
    assert_eq!(edited("# heartbeat = \"1s\"", "heartbeat = \"1s\"").unwrap().config_hash(), hash);
    let other = [
        ("fee_max = \"100 gwei\"", "fee_max = \"101 gwei\""),
        ("hops_max = 3 ", "hops_max = 2 "),
        ("\"18s\"", "\"19s\""),
        ("fee_ppm = 3000", "fee_ppm = 3001"),
    ];
    for (from, to) in other {
        assert_ne!(edited(from, to).unwrap().config_hash(), hash, "{to}");
    }
}

#[test]
fn the_effective_configuration_reads_back_to_the_same() {
    let config = in_environment(Some("cautious"), &[("ALPHAPULSE__RISK__FEE_MAX", "7 gwei")]).unwrap();
    let again = from_toml(config.to_toml()).unwrap();
    assert_eq!(again.config_hash(), config.config_hash());
    assert_eq!(again.limits, config.limits);
    assert_eq!(from_toml(again.to_toml()).unwrap().to_toml(), config.to_toml());
}

#[test]
fn relative_paths_start_at_the_file_s_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.toml");
    fs::write(&path, RawConfig::example()).unwrap();
    let config = load(&path, &Environment::default()).unwrap();
    assert_eq!(config.journal_dir.as_deref(), Some(folder.path().join("runs").as_path()));
}

#[test]
fn a_file_that_is_not_there_says_what_to_do() {
    let error = load(Path::new("/nowhere/node.toml"), &Environment::default()).unwrap_err();
    assert!(error.to_string().contains("/nowhere/node.toml") && error.to_string().contains("config init"));
}

#[test]
fn the_example_shows_every_key() {
    for key in raw::every_key() {
        let is_shown = RawConfig::example().lines().any(|line| {
            let line = line.trim_start_matches(['#', ' ']);
            line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
                || line.trim_matches(['[', ']']).ends_with(key)
        });
        assert!(is_shown || ["unix", "tcp"].contains(&key), "the example does not show `{key}`");
    }
}
