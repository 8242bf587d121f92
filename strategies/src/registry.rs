//! Which strategies there are, and from configuration to them.

use core::fmt;

use crate::cyclic::Cyclic;
use crate::joint::Joint;
use crate::opportunity::HOPS_MAX;
use crate::plan_settings::SETTINGS;
use crate::split::Split;
use crate::strategy::{Strategy, StrategyConfig, StrategyError};
use crate::two_venue::TwoVenue;

/// Makes a strategy of its configuration; the number is its position in the node's, and marks its opportunities.
pub type Build = fn(&StrategyConfig, u16) -> Result<Box<dyn Strategy>, StrategyError>;

/// A kind of strategy: its name in a configuration, and how one is made. Two of one name are the same.
///
/// ```
/// use alphapulse_strategies::cyclic::Cyclic;
/// use alphapulse_strategies::{Registry, StrategyKind};
///
/// const MINE: StrategyKind = StrategyKind::new("mine", |config, index| Ok(Box::new(Cyclic::new(config, index)?)));
/// let registry = Registry::built_in().with(MINE)?;
/// assert_eq!(registry.find("mine"), Some(MINE));
/// # Ok::<(), alphapulse_strategies::StrategyError>(())
/// ```
#[derive(Clone, Copy)]
pub struct StrategyKind {
    name: &'static str,
    hops: (u8, u8),
    settings: &'static [&'static str],
    build: Build,
}

impl StrategyKind {
    /// Buy in one pool, sell in another of the same pair.
    pub const TWO_VENUE: Self =
        Self { hops: (2, 2), ..Self::new("two_venue", |config, index| Ok(Box::new(TwoVenue::new(config, index)?))) };
    /// Closed routes of 2 to `hops_max` hops.
    pub const CYCLIC: Self = Self::new("cyclic", |config, index| Ok(Box::new(Cyclic::new(config, index)?)));
    /// The same, each leg over as many pools of its pair as pay for their gas.
    pub const SPLIT: Self =
        Self::new("split", |config, index| Ok(Box::new(Split::new(config, index)?))).with_settings(SETTINGS);
    /// Plans of swaps that gain most together.
    pub const JOINT: Self =
        Self::new("joint", |config, index| Ok(Box::new(Joint::new(config, index)?))).with_settings(SETTINGS);

    /// A kind whose routes have any number of hops that can be traded.
    #[must_use]
    pub const fn new(name: &'static str, build: Build) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "it is six")]
        let hops_max = HOPS_MAX as u8;
        Self { name, hops: (2, hops_max), settings: &[], build }
    }

    /// The same, which takes settings of these names: [`StrategyConfig::setting`] reads one.
    #[must_use]
    pub const fn with_settings(self, settings: &'static [&'static str]) -> Self {
        Self { settings, ..self }
    }

    /// The same, whose routes have two hops: `hops_max` need not be configured.
    #[must_use]
    pub const fn of_two_hops(self) -> Self {
        Self { hops: (2, 2), ..self }
    }

    /// Name as in configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Names of its settings.
    #[must_use]
    pub const fn settings(self) -> &'static [&'static str] {
        self.settings
    }

    /// Least and most that `hops_max` may be.
    #[must_use]
    pub const fn hops(self) -> (u8, u8) {
        self.hops
    }
}

impl PartialEq for StrategyKind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for StrategyKind {}

impl fmt::Debug for StrategyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StrategyKind").field(&self.name).finish()
    }
}

impl fmt::Display for StrategyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The kinds that a program can trade: the built-in ones, and its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    kinds: Vec<StrategyKind>,
}

impl Registry {
    /// The kinds of this crate.
    #[must_use]
    pub fn built_in() -> Self {
        Self { kinds: vec![StrategyKind::TWO_VENUE, StrategyKind::CYCLIC, StrategyKind::SPLIT, StrategyKind::JOINT] }
    }

    /// The same and one more.
    ///
    /// # Errors
    /// [`StrategyError::NameTaken`], [`StrategyError::Name`].
    pub fn with(mut self, kind: StrategyKind) -> Result<Self, StrategyError> {
        let is_word = |name: &str| {
            let mut bytes = name.bytes();
            bytes.next().is_some_and(|first| first.is_ascii_lowercase())
                && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        if !is_word(kind.name) {
            return Err(StrategyError::Name(kind.name));
        }
        if self.find(kind.name).is_some() {
            return Err(StrategyError::NameTaken(kind.name));
        }
        self.kinds.push(kind);
        Ok(self)
    }

    /// Every kind.
    #[must_use]
    pub fn kinds(&self) -> &[StrategyKind] {
        &self.kinds
    }

    /// The kind of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<StrategyKind> {
        self.kinds.iter().find(|kind| kind.name == name).copied()
    }

    /// The names, for a person: `"two_venue" or "cyclic"`.
    #[must_use]
    pub fn names(&self) -> String {
        let quoted: Vec<String> = self.kinds.iter().map(|kind| format!("\"{kind}\"")).collect();
        match quoted.as_slice() {
            [before @ .., last] if !before.is_empty() => format!("{} or {last}", before.join(", ")),
            few => few.join(""),
        }
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::built_in()
    }
}

/// Builds a strategy; `index` is its position in the node's configuration and marks its opportunities.
///
/// # Errors
/// [`StrategyError`] when the configuration does not describe a strategy.
pub fn build(config: &StrategyConfig, index: u16) -> Result<Box<dyn Strategy>, StrategyError> {
    config.check()?;
    (config.kind.build)(config, index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_its_name_and_no_name_is_taken_twice() {
        let never: Build = |_, _| Err(StrategyError::NoTokens);
        let own = StrategyKind::new("own", never);
        let registry = Registry::built_in().with(own).expect("the name is free");
        assert_eq!(registry.find("own"), Some(own));
        assert_eq!(registry.find("cyclic"), Some(StrategyKind::CYCLIC));
        assert_eq!(registry.find("cyclical"), None);
        assert_eq!(registry.names(), "\"two_venue\", \"cyclic\", \"split\", \"joint\" or \"own\"");
        assert_eq!(registry.with(own), Err(StrategyError::NameTaken("own")));
        for name in ["", "Own", "1own", "my own"] {
            assert_eq!(Registry::built_in().with(StrategyKind::new(name, never)), Err(StrategyError::Name(name)));
        }
    }
}
