//! How a dev node is started.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// When blocks are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mining {
    /// One block per transaction.
    Auto,
    /// Only on [`DevNode::mine`](super::DevNode::mine).
    #[default]
    Manual,
    /// By the clock.
    Interval(Duration),
}

/// Order of the transactions within a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As received.
    Fifo,
    /// By priority fee, as builders do.
    #[default]
    Fees,
}

/// How to start a dev node. `None` leaves the node's own default.
#[derive(Debug, Clone)]
pub struct DevNodeConfig {
    /// Chain id.
    pub chain_id: u64,
    /// Name of the EVM version, as `shanghai`.
    pub hardfork: Option<String>,
    /// Funded accounts with published keys.
    pub accounts: u16,
    /// What each of them has in the first block, Ether.
    pub balance_ether: u64,
    /// A genesis file in geth's format, whose `alloc` becomes the first state.
    pub genesis: Option<PathBuf>,
    /// Number of the genesis block.
    pub number: Option<u64>,
    /// Timestamp of the genesis block, seconds.
    pub timestamp: Option<u64>,
    /// Base fee of the first block, wei.
    pub base_fee: Option<u64>,
    /// Gas limit of a block.
    pub gas_limit: Option<u64>,
    /// When blocks are made.
    pub mining: Mining,
    /// Order within a block.
    pub order: Order,
    /// Loaded at the start when it exists, written at [`DevNode::stop`](super::DevNode::stop).
    pub state: Option<PathBuf>,
    /// TCP port; 0 lets the system choose a free one. A fixed one is for starting again where clients expect the node.
    pub port: u16,
    /// Where the IPC socket is; `None` puts it into a temporary folder. A fixed one is for starting again.
    pub ipc: Option<PathBuf>,
}

impl Default for DevNodeConfig {
    fn default() -> Self {
        Self {
            chain_id: 31_337,
            hardfork: None,
            accounts: 10,
            balance_ether: 10_000_000,
            genesis: None,
            number: None,
            timestamp: None,
            base_fee: None,
            gas_limit: None,
            mining: Mining::default(),
            order: Order::default(),
            state: None,
            port: 0,
            ipc: None,
        }
    }
}

impl DevNodeConfig {
    pub(super) fn arguments(&self, ipc: &Path, accounts_file: &Path) -> Vec<String> {
        let mut list: Vec<String> = Vec::new();
        let mut flag = |name: &str, value: String| list.extend([name.to_owned(), value]);
        flag("--host", "127.0.0.1".to_owned());
        flag("--port", self.port.to_string());
        flag("--threads", "1".to_owned());
        flag("--chain-id", self.chain_id.to_string());
        flag("--accounts", self.accounts.to_string());
        flag("--balance", self.balance_ether.to_string());
        flag("--ipc", ipc.display().to_string());
        flag("--config-out", accounts_file.display().to_string());
        flag("--color", "never".to_owned());
        let optional = [
            ("--hardfork", self.hardfork.clone()),
            ("--init", self.genesis.as_ref().map(|path| path.display().to_string())),
            ("--number", self.number.map(|n| n.to_string())),
            ("--timestamp", self.timestamp.map(|t| t.to_string())),
            ("--base-fee", self.base_fee.map(|fee| fee.to_string())),
            ("--gas-limit", self.gas_limit.map(|gas| gas.to_string())),
            ("--state", self.state.as_ref().map(|path| path.display().to_string())),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                flag(name, value);
            }
        }
        flag("--order", if self.order == Order::Fifo { "fifo" } else { "fees" }.to_owned());
        match self.mining {
            Mining::Auto => {}
            Mining::Manual => list.push("--no-mining".to_owned()),
            Mining::Interval(period) => {
                list.extend(["--block-time".to_owned(), period.as_secs_f64().to_string()]);
            }
        }
        list.push("--no-request-size-limit".to_owned());
        list
    }
}
