//! Which pool is to be read.

use core::fmt;
use core::str::FromStr;

use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::sol_types::SolValue;
use alphapulse_protocol::FeePpm;
use alphapulse_protocol::message::PoolKind;
use thiserror::Error;

/// A pool by its contract, or by its id inside a vault or manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolTarget {
    /// Contract; the manager of a Uniswap V4 pool.
    pub address: Address,
    /// Id inside a Uniswap V4 pool manager, or in a vault, where the pool was named by it.
    pub id: Option<B256>,
    /// What it is; `None` finds out.
    pub kind: Option<PoolKind>,
    /// Fee of a constant-product pair, which its contract does not tell.
    pub fee: Option<FeePpm>,
    /// Key of the pool in a Uniswap V4 pool manager, where it is known already.
    pub key: Option<V4Key>,
}

/// Key of a pool in a Uniswap V4 pool manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V4Key {
    /// Both tokens; zero is the native coin.
    pub currencies: [Address; 2],
    /// Fee in parts per million, or the mark of a dynamic one.
    pub fee: u32,
    /// Tick spacing.
    pub tick_spacing: i32,
    /// Hooks contract; zero for none.
    pub hooks: Address,
}

impl V4Key {
    /// The id under which the manager knows the pool.
    #[must_use]
    pub fn id(&self) -> B256 {
        let spacing = alloy::primitives::I256::try_from(self.tick_spacing).unwrap_or_default();
        let [currency_0, currency_1] = self.currencies;
        keccak256((currency_0, currency_1, U256::from(self.fee), spacing, self.hooks).abi_encode())
    }
}

/// Why a line names no pool.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct BadTarget(String);

impl PoolTarget {
    /// The pool at this address, whatever it is.
    #[must_use]
    pub const fn of(address: Address) -> Self {
        Self { address, id: None, kind: None, fee: None, key: None }
    }

    /// Whether it is a pool of a Uniswap V4 pool manager.
    #[must_use]
    pub const fn is_managed(&self) -> bool {
        matches!(self.kind, Some(PoolKind::UniswapV4))
    }

    /// A pool of a Uniswap V4 pool manager.
    #[must_use]
    pub const fn v4(manager: Address, id: B256, key: Option<V4Key>) -> Self {
        Self { address: manager, id: Some(id), kind: Some(PoolKind::UniswapV4), fee: None, key }
    }
}

/// An address as people write it: in mixed case it carries a checksum (EIP-55), which must be right. `None` is none.
#[must_use]
pub fn parse_address(text: &str) -> Option<Address> {
    let digits = text.strip_prefix("0x")?;
    let has_lower = digits.bytes().any(|byte| byte.is_ascii_lowercase());
    let has_upper = digits.bytes().any(|byte| byte.is_ascii_uppercase());
    if has_lower && has_upper { Address::parse_checksummed(text, None).ok() } else { text.parse().ok() }
}

/// How people are told of it.
const ADDRESS_FORM: &str = "0x and 40 hex digits, in mixed case with a right checksum";

impl FromStr for PoolTarget {
    type Err = BadTarget;

    /// Reads `ADDRESS` or `ID`, and behind it a kind, `fee_ppm=N` and `manager=ADDRESS`, as far as they are needed.
    fn from_str(line: &str) -> Result<Self, BadTarget> {
        let bad = |reason: String| BadTarget(reason);
        let mut words = line.split_whitespace();
        let name = words.next().ok_or_else(|| bad("the line is empty".into()))?;
        let (mut kind, mut fee, mut manager) = (None, None, None);
        for word in words {
            if let Some(number) = word.strip_prefix("fee_ppm=") {
                let number = number.parse().ok().filter(|ppm| *ppm < alphapulse_protocol::FEE_PPM_ONE);
                fee = Some(FeePpm(number.ok_or_else(|| bad(format!("`{word}` is no fee below 1000000")))?));
            } else if let Some(address) = word.strip_prefix("manager=") {
                manager = Some(
                    parse_address(address).ok_or_else(|| bad(format!("`{word}` names no address: {ADDRESS_FORM}")))?,
                );
            } else {
                let known = PoolKind::ALL.into_iter().find(|kind| kind.name() == word);
                kind = Some(known.ok_or_else(|| bad(format!("`{word}` is no kind of pool")))?);
            }
        }
        if let Some(address) = parse_address(name) {
            if manager.is_some() || kind == Some(PoolKind::UniswapV4) {
                return Err(bad("a pool of a manager is named by its id of 32 bytes".into()));
            }
            return Ok(Self { kind, fee, ..Self::of(address) });
        }
        let id: B256 = name
            .parse()
            .map_err(|_| bad(format!("`{name}` is neither an address ({ADDRESS_FORM}) nor an id (0x and 64)")))?;
        match (manager, kind) {
            (Some(manager), None | Some(PoolKind::UniswapV4)) => Ok(Self::v4(manager, id, None)),
            (Some(_), Some(kind)) => Err(bad(format!("a pool of kind {} has no manager", kind.name()))),
            (None, Some(PoolKind::UniswapV4)) => Err(bad(format!("pool {id} needs `manager=ADDRESS` behind its id"))),
            // A vault's ids begin with the pool's address.
            (None, kind) => Ok(Self { id: Some(id), kind, fee, ..Self::of(Address::from_slice(&id[..20])) }),
        }
    }
}

impl fmt::Display for PoolTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Some(id) if self.is_managed() => write!(f, "{id} manager={:#x}", self.address)?,
            Some(id) => write!(f, "{id}")?,
            None => write!(f, "{:#x}", self.address)?,
        }
        if let Some(kind) = self.kind.filter(|_| !self.is_managed()) {
            write!(f, " {}", kind.name())?;
        }
        self.fee.map_or(Ok(()), |fee| write!(f, " fee_ppm={}", fee.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_written() {
        let address = "0x1111111111111111111111111111111111111111";
        let id = format!("0x{}", "22".repeat(32));
        for line in [
            address.to_owned(),
            format!("{address} curve_stable"),
            format!("{address} uniswap_v2 fee_ppm=2500"),
            format!("{id} manager={address}"),
        ] {
            let target: PoolTarget = line.parse().expect("a pool");
            assert_eq!(target.to_string(), line);
        }
        let vault_id: PoolTarget = id.parse().expect("a pool of a vault");
        assert_eq!((vault_id.address, vault_id.to_string()), (Address::repeat_byte(0x22), id.clone()));
        for bad in [
            "",
            "0x12",
            &format!("{id} uniswap_v4"),
            &format!("{address} manager={address}"),
            &format!("{address} fee_ppm=1000000"),
            &format!("{address} rubbish"),
            &format!("{id} curve_stable manager={address}"),
        ] {
            assert!(bad.parse::<PoolTarget>().is_err(), "{bad}");
        }
    }
}
