//! What `[relay]` and its tables mean, and what they lack.

use super::*;

/// The example with lines more in `[relay]` and tables behind it.
fn with_relay(lines: &str, tables: &str) -> Result<NodeConfig, ConfigError> {
    edited("embedded = true", &format!("embedded = true\n{lines}\n{tables}"))
}

const FACTORY: &str = "[[relay.factories]]\nvenue = \"uniswap_v2\"\ntokens = [\"WETH\"]\npools_max = 5";

#[test]
fn factories_are_read_with_what_their_venue_says() {
    let config = with_relay("", &format!("{FACTORY}\nfrom_block = 7\ntokens_needed = \"both\"")).unwrap();
    let [factory] = config.relay.factories.as_slice() else { panic!("{:?}", config.relay.factories) };
    assert_eq!((factory.venue, factory.address), (config.venues[0].id, config.venues[0].factory));
    assert_eq!((factory.pools_max, factory.from_block, factory.known_ticks), (5, Some(7), None));
    let wanted = factory.wanted.as_ref().unwrap();
    assert!(wanted.are_both_needed && wanted.tokens.iter().eq([&config.tokens[0].address]));
    assert_eq!(config.relay_config(None).factories, config.relay.factories);
    config.relay_config(None).check().unwrap();
    let again = from_toml(config.to_toml()).unwrap();
    assert_eq!(again.config_hash(), config.config_hash());
    assert_ne!(with_relay("", FACTORY).unwrap().config_hash(), config.config_hash());

    let other = "0x0BFbCF9fa4f9C56B0F40a671Ad40E0805A091865";
    let tables = format!(
        "[[relay.factories]]\nvenue = \"uniswap_v3\"\naddress = \"{other}\"\npools_max = 1\nknown_ticks = [-5, 5]"
    );
    let config = with_relay("", &format!("{FACTORY}\n{tables}")).unwrap();
    let factory = &config.relay.factories[1];
    assert_eq!((factory.address.to_string().as_str(), factory.known_ticks), (other, Some((-5, 5))));
    assert!(factory.wanted.is_none() && !config.relay.factories[0].wanted.as_ref().unwrap().are_both_needed);
}

#[test]
fn what_a_factory_lacks_is_named() {
    let wrong = |tables: &str, key: &str| {
        let error = with_relay("", tables).unwrap_err();
        assert!(error.problems().iter().any(|problem| problem.key == key), "{key}: {error}");
    };
    wrong(&FACTORY.replace("uniswap_v2", "sushi"), "relay.factories[0].venue");
    wrong(&FACTORY.replace("WETH", "WHET"), "relay.factories[0].tokens");
    wrong(&FACTORY.replace("\"WETH\"", ""), "relay.factories[0].tokens");
    wrong(&FACTORY.replace("pools_max = 5", ""), "relay.factories[0].pools_max");
    wrong(&FACTORY.replace("pools_max = 5", "pools_max = 0"), "relay.factories[0].pools_max");
    wrong(&format!("{FACTORY}\ntokens_needed = \"two\""), "relay.factories[0].tokens_needed");
    wrong(&format!("{FACTORY}\nknown_ticks = [0, 1]"), "relay.factories[0].known_ticks");
    wrong(&format!("{FACTORY}\naddress = \"0x1\""), "relay.factories[0].address");
    wrong(&format!("{FACTORY}\n{FACTORY}"), "relay.factories[1].venue");
    wrong(&FACTORY.replace("tokens = [\"WETH\"]", "tokens_needed = \"one\""), "relay.factories[0].tokens_needed");
    wrong(&format!("{FACTORY}\nfee_ppm = 1"), "relay.factories[0].fee_ppm");
}

const KEY: &str = "[[relay.keys]]\nname = \"trader-1\"\nfile = \"keys/t.key\"\nroles = [\"subscribe\", \"publish\"]";

#[test]
fn keys_users_and_tls_of_a_relay_are_read() {
    let lines = "listen_tcp = \"0.0.0.0:7100\"\ntls_certificate = \"relay.pem\"\ntls_key = \"relay-key.pem\"";
    let users = "[[relay.users]]\nuid = 1001\nroles = [\"admin\"]";
    let config = with_relay(lines, &format!("{KEY}\n{users}")).unwrap();
    let access = &config.relay.access;
    assert_eq!((access.keys[0].name.as_str(), access.keys[0].file.to_str()), ("trader-1", Some("keys/t.key")));
    assert_eq!(access.keys[0].roles, Roles::of(&[Role::Subscribe, Role::Publish]));
    assert_eq!((access.users[0].uid, access.users[0].roles), (1001, Roles::of(&[Role::Admin])));
    assert!(access.is_safe_off_host());
    config.relay_config(None).check().unwrap();
}

const QUOTES: &str =
    "[[relay.quotes]]\nexchange = \"binance\"\nurl = \"wss://h:9443/ws?key=hunter2\"\nsymbols = [\"ETHUSDT\"]";

#[test]
fn what_a_relay_tells_beside_the_market_is_read_and_off_unless_asked_for() {
    let plain = with_relay("", "").unwrap().relay_config(None);
    assert!(!plain.pending && !plain.finality && plain.quotes.is_empty());

    let config = with_relay("pending = true\nfinality = true", QUOTES).unwrap();
    let relay = config.relay_config(None);
    assert!(relay.pending && relay.finality);
    let [quotes] = &relay.quotes[..] else { panic!("one exchange") };
    assert_eq!((quotes.exchange.as_str(), quotes.symbols.as_slice()), ("binance", &["ETHUSDT".to_owned()][..]));
    assert_eq!(quotes.endpoint, Endpoint::Ws("wss://h:9443/ws?key=hunter2".into()));
    relay.check().unwrap();
    // The URL may hold a key, which is shown nowhere.
    let shown = format!("{} {:?} {:?}", config.to_toml(), config.settings(), config.relay);
    assert!(shown.contains("wss://h:9443") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn what_quotes_lack_is_named() {
    let wrong = |tables: &str, key: &str| {
        let error = with_relay("", tables).unwrap_err();
        assert!(error.problems().iter().any(|problem| problem.key == key), "{key}: {error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    };
    wrong(&QUOTES.replace("wss://", "https://"), "relay.quotes[0].url");
    wrong(&QUOTES.replace("wss://", "ipc:/"), "relay.quotes[0]");
    wrong(&QUOTES.replace("\"ETHUSDT\"", ""), "relay.quotes[0]");
    wrong(&QUOTES.replace("ETHUSDT", "ETH/USDT or so"), "relay.quotes[0]");
    wrong(&QUOTES.replace("binance", "the exchange called binance"), "relay.quotes[0]");
    wrong(&QUOTES.replace("symbols = [\"ETHUSDT\"]", ""), "relay.quotes[0].symbols");
}

#[test]
fn a_relay_leaves_this_host_only_with_keys_and_tls() {
    let listen = "listen_tcp = \"0.0.0.0:7100\"";
    let tls = "tls_certificate = \"relay.pem\"\ntls_key = \"relay-key.pem\"";
    for (lines, tables) in [(listen.to_owned(), KEY), (format!("{listen}\n{tls}"), "")] {
        let error = with_relay(&lines, tables).unwrap_err();
        assert!(error.problems().iter().any(|problem| problem.key == "relay.listen_tcp"), "{error}");
    }
    let client = |lines: &str| edited("embedded = true", &format!("tcp = \"10.0.0.1:7100\"\n{lines}"));
    let key = "key_name = \"trader-1\"\nkey_file = \"t.key\"";
    let authority = "ca_file = \"ca.pem\"\nserver_name = \"relay.example\"";
    assert!(client(key).is_err() && client(authority).is_err());
    let config = client(&format!("{key}\n{authority}")).unwrap();
    assert_eq!(config.relay.client.key, Some(("trader-1".into(), "t.key".into())));
    assert_eq!(config.relay.client.authority, Some(("ca.pem".into(), "relay.example".into())));
}

#[test]
fn what_a_relays_keys_and_users_lack_is_named() {
    let wrong = |tables: &str, key: &str| {
        let error = with_relay("", tables).unwrap_err();
        assert!(error.problems().iter().any(|problem| problem.key == key), "{key}: {error}");
    };
    wrong(&KEY.replace("trader-1", "trader 1"), "relay.keys[0].name");
    wrong(&KEY.replace("publish", "write"), "relay.keys[0].roles");
    wrong("[[relay.keys]]\nname = \"a\"\nroles = [\"admin\"]", "relay.keys[0].file");
    wrong("[[relay.keys]]\nname = \"a\"\nfile = \"a\"\nroles = []", "relay.keys[0].roles");
    wrong(&format!("{KEY}\n{KEY}"), "relay.keys");
    wrong("[[relay.users]]\nuid = 4294967296\nroles = [\"admin\"]", "relay.users[0].uid");
    for (lines, key) in [
        ("tls_key = \"a\"", "relay.tls_key"),
        ("key_file = \"a\"\nkey_name = \"b\"", "relay.key_file"),
        ("ca_file = \"a\"", "relay.ca_file"),
    ] {
        let error = with_relay(lines, "").unwrap_err();
        assert!(error.problems().iter().any(|problem| problem.key == key), "{key}: {error}");
    }
}

#[test]
fn a_relay_s_journal_keeps_all_unless_told_and_a_node_s_has_no_such_keys() {
    assert_eq!(edited("", "").unwrap().relay.journal, FeedOptions::default());
    let line = "# journal_sync = \"segment\"";
    let sync = |written: &str| {
        let line = edited(line, &format!("journal_sync = {written}")).unwrap();
        line.relay_config(None).journal.sync
    };
    assert_eq!(sync("\"never\""), SyncPolicy::Never);
    assert_eq!(sync("\"segment\""), SyncPolicy::Segment);
    assert_eq!(sync("\"event\""), SyncPolicy::Event);
    assert_eq!(sync("\"500ms\""), SyncPolicy::Interval(Duration::from_millis(500)));
    refused(line, "journal_sync = \"often\"", "relay.journal_sync", "\"event\"");
    refused(line, "journal_sync = \"0s\"", "relay.journal_sync", "\"500ms\"");
    let kept = edited(line, "journal_bytes_max = \"1 GiB\"\njournal_age_max = \"2d\"").unwrap().relay.journal;
    assert_eq!((kept.bytes_max, kept.age_max), (Some(1 << 30), Some(Duration::from_secs(172_800))));
    refused(line, "journal_bytes_max = \"1000\"", "relay.journal_bytes_max", "\"20 GiB\"");
    refused(line, "journal_bytes_max = \"127 MiB\"", "relay.journal_bytes_max", "two segments");
    refused(line, "journal_age_max = \"2 weeks\"", "relay.journal_age_max", "unit");
    refused("[journal]", "[journal]\nage_max = \"2d\"", "journal.age_max", "unknown key");
    refused("[journal]", "[journal]\nbytes_max = \"1 GiB\"", "journal.bytes_max", "unknown key");
}
