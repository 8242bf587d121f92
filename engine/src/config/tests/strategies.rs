//! What `[[strategies]]` takes, and what it refuses.

use alphapulse_strategies::StrategyKind;
use alphapulse_strategies::cyclic::Cyclic;

use super::*;

#[test]
fn a_strategy_that_could_never_trade_is_refused() {
    refused("tokens = [\"WETH\"]", "tokens = [\"WETH\", \"USDC\"]", "strategies[0].tokens", "price is not known");
    refused("{ WETH = \"5\" }", "{ USDC = \"5\" }", "risk.notional_max.WETH", "`spatial`");
    refused("per_block_max = 8", "per_block_max = 0", "strategies[0].per_block_max", "1..=256");
    refused("hops_max = 3 ", "hops_max = 7 ", "strategies[1].hops_max", "2..=6");
    refused("kind = \"two_venue\"", "hops_max = 3\nkind = \"two_venue\"", "strategies[0].hops_max", "2..=2");
}

#[test]
fn a_strategy_that_is_off_is_checked_and_does_not_trade() {
    let off = |text: &str| text.replace("kind = \"cyclic\"", "enabled = false\nkind = \"cyclic\"");
    let names = |text: &str| -> Vec<String> {
        let config = from_toml(text).unwrap_or_else(|error| panic!("{error}"));
        config.strategies.into_iter().map(|strategy| strategy.name).collect()
    };
    let example = RawConfig::example();
    assert_eq!(names(example), ["spatial", "cycles"]);
    assert_eq!(names(&off(example)), ["spatial"]);
    assert_eq!(names(&off(example).replace("enabled = false", "enabled = true")), ["spatial", "cycles"]);
    refused("kind = \"cyclic\"", "enabled = false\nkind = \"cyclical\"", "strategies[1].kind", "cyclic");
    refused("name = \"cycles\"", "enabled = false\nname = \"spatial\"", "strategies[1].name", "taken");
    let none = off(example).replace("kind = \"two_venue\"", "enabled = false\nkind = \"two_venue\"");
    let error = from_toml(&none).expect_err("nothing would trade").to_string();
    assert!(error.contains("no strategy is enabled") && error.contains("enabled = true"), "{error}");
}

/// A kind of a program's own, with a setting.
const OWN: StrategyKind = StrategyKind::new("own", |config, index| {
    config.setting::<u64>("pools_max")?;
    Ok(Box::new(Cyclic::new(config, index)?))
})
.with_settings(&["pools_max"]);

fn with_own(settings: &str) -> Result<NodeConfig, ConfigError> {
    let text = RawConfig::example().replace("kind = \"cyclic\"", &format!("kind = \"own\"\nsettings = {settings}"));
    from_toml_with(&text, &Registry::built_in().with(OWN).unwrap())
}

#[test]
fn a_kind_of_ones_own_is_known_with_its_settings_and_no_others() {
    let config = with_own("{ pools_max = \"8\" }").unwrap();
    assert_eq!((config.strategies[1].kind, config.strategies[1].setting("pools_max")), (OWN, Ok(Some(8))));
    assert_eq!(setting(&config, "strategies[1].settings.pools_max").value, "8");
    // What a run writes down is read back by the program that has the kind, and by no other.
    let again = from_toml_with(config.to_toml(), &Registry::built_in().with(OWN).unwrap()).unwrap();
    assert_eq!(again.strategies, config.strategies);
    assert!(from_toml(config.to_toml()).unwrap_err().to_string().contains("known to its own program"));
    for (settings, says) in
        [("{ pools_max = \"few\" }", "cannot be `few`"), ("{ pools = \"8\" }", "has no setting `pools`")]
    {
        let error = with_own(settings).unwrap_err();
        assert_eq!(error.problems()[0].key, "strategies[1].settings", "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    refused(
        "kind = \"cyclic\"",
        "settings = { a = \"1\" }\nkind = \"cyclic\"",
        "strategies[1].settings",
        "it has none",
    );
}
