//! The configuration as written: structure and types only, every key optional. What is missing or contradictory is found
//! in validation, which can say more about it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What a value is written as; decides how the text of an environment variable is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Switch,
    List,
    Table,
}

/// The kind that a Rust type is written as.
trait Written {
    const KIND: Kind;
}

impl Written for String {
    const KIND: Kind = Kind::Text;
}
impl Written for u64 {
    const KIND: Kind = Kind::Number;
}
impl Written for bool {
    const KIND: Kind = Kind::Switch;
}
impl<T> Written for Vec<T> {
    const KIND: Kind = Kind::List;
}
impl Written for BTreeMap<String, String> {
    const KIND: Kind = Kind::Table;
}

/// Declares the entry of a list: its keys in order, each optional, others refused.
macro_rules! entry {
    ($(#[$doc:meta])* $name:ident { $($(#[$key_doc:meta])* $key:ident: $ty:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$key_doc])* pub $key: Option<$ty>,)+
        }
    };
}

/// Declares a section: an entry whose keys a variable can name.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$key_doc:meta])* $key:ident: $ty:ty,)+ }) => {
        entry! {
            $(#[$doc])*
            $name { $($(#[$key_doc])* $key: $ty,)+ }
        }

        impl $name {
            const KEYS: &[(&str, Kind)] = &[$((stringify!($key), <$ty as Written>::KIND),)+];
        }
    };
}

section! {
    /// `[chain]`
    RawChain {
        /// EIP-155 id.
        id: u64,
        /// `ws://…`, `wss://…`, `ipc:PATH` or a path ending in `.ipc`.
        endpoint: String,
        /// Further nodes, raced with the first.
        confirm_endpoints: Vec<String>,
        /// Nodes that must agree on a block.
        quorum: u64,
        /// Symbol or address of the token that wraps the native coin.
        native_token: String,
    }
}
entry! {
    /// `[[venues]]`
    RawVenue {
        /// Name by which pools refer to it.
        name: String,
        /// `uniswap_v2` or `uniswap_v3`.
        kind: String,
        /// Contract that deploys the pools.
        factory: String,
        /// Keccak-256 of the pools' creation code.
        init_code_hash: String,
        /// Fee of a `uniswap_v2` venue, parts per million.
        fee_ppm: u64,
    }
}
entry! {
    /// `[[tokens]]`
    RawToken {
        /// Contract.
        address: String,
        /// Name used elsewhere in the configuration.
        symbol: String,
        /// Decimals of the whole unit; needed where amounts are written in it.
        decimals: u64,
    }
}
entry! {
    /// `[[pools]]`
    RawPool {
        /// Contract.
        address: String,
        /// Name of its venue.
        venue: String,
        /// First and last price tick to follow; absent follows the full range.
        known_ticks: Vec<i64>,
    }
}
entry! {
    /// `[[strategies]]`
    RawStrategy {
        /// Name for reports.
        name: String,
        /// `two_venue`, `cyclic`, `split`, `joint`, or one of the program's own.
        kind: String,
        /// Symbols or addresses of the tokens to profit in.
        tokens: Vec<String>,
        /// Most hops of a route; not of `two_venue`.
        hops_max: u64,
        /// Least profit worth reporting, before gas.
        profit_min: String,
        /// Most opportunities reported per block.
        per_block_max: u64,
        /// Whether it trades; absent, it does.
        enabled: bool,
        /// What the kind takes besides.
        settings: BTreeMap<String, String>,
    }
}
section! {
    /// `[risk]`
    RawRisk {
        /// Most input of one trade, by token.
        notional_max: BTreeMap<String, String>,
        /// Most trades in flight.
        in_flight_max: u64,
        /// Most trades whose submission got no clear answer.
        unknown_max: u64,
        /// Least profit after gas.
        profit_min: String,
        /// Most wei per gas.
        fee_max: String,
        /// Most gas of a transaction.
        gas_max: u64,
        /// Longest time since the head arrived.
        market_age_max: String,
        /// Most loss of a UTC day.
        loss_day_max: String,
        /// File whose existence stops trading.
        kill_file: String,
    }
}
section! {
    /// `[execution]`
    RawExecution {
        /// `paper` or `live`.
        mode: String,
        /// Executor contract.
        executor: String,
        /// Account that the executor sends profit to.
        profit_address: String,
        /// Keystore file of the account that signs.
        keystore: String,
        /// File with the keystore's password.
        password_file: String,
        /// Priority fee offered.
        priority_fee: String,
        /// Blocks in which a trade may be included.
        blocks_valid: u64,
        /// Nonces leased at a time.
        lease_nonces: u64,
        /// `required` or `off`.
        simulation: String,
        /// Expected gas.
        gas: RawGas,
    }
}
section! {
    /// `[execution.gas]`
    RawGas {
        /// Transaction, executor and profit transfer.
        base: u64,
        /// Each constant-product leg.
        v2_leg: u64,
        /// Each concentrated-liquidity leg.
        v3_leg: u64,
    }
}
entry! {
    /// `[[relay.keys]]`
    RawRelayKey {
        /// Name of the key.
        name: String,
        /// File of the key.
        file: String,
        /// What the client may do.
        roles: Vec<String>,
    }
}
entry! {
    /// `[[relay.users]]`
    RawRelayUser {
        /// User id.
        uid: u64,
        /// What its processes may do.
        roles: Vec<String>,
    }
}
entry! {
    /// `[[relay.quotes]]`
    RawQuotes {
        /// Name under which an exchange's quotes are relayed.
        exchange: String,
        /// WebSocket that takes subscriptions.
        url: String,
        /// Symbols as the exchange writes them.
        symbols: Vec<String>,
    }
}
entry! {
    /// `[[relay.factories]]`
    RawRelayFactory {
        /// Name of the venue that its pools belong to.
        venue: String,
        /// Contract that tells of new pools; absent, the venue's own.
        address: String,
        /// Symbols or addresses of the tokens that make a pool wanted; absent, every pool is.
        tokens: Vec<String>,
        /// `one` or `both`: how many tokens of a pool must be among `tokens`.
        tokens_needed: String,
        /// Most pools followed at once.
        pools_max: u64,
        /// First and last price tick to follow; absent follows the full range.
        known_ticks: Vec<i64>,
        /// Block from which the factory's logs are read at the start.
        from_block: u64,
    }
}
section! {
    /// `[relay]`
    RawRelay {
        /// Whether the relay runs inside the node.
        embedded: bool,
        /// Unix socket of a relay of its own.
        unix: String,
        /// TCP address of a relay of its own.
        tcp: String,
        /// The head is asked for after this long without one.
        silence: String,
        /// Blocks that a node may be behind the others.
        stale_blocks: u64,
        /// Longest wait for other nodes' confirmation.
        confirm_wait: String,
        /// Sign of life after this long without a message.
        heartbeat: String,
        /// Blocks behind the head that are met one by one.
        backfill_blocks_max: u64,
        /// Blocks that can be taken back.
        reorg_depth_max: u64,
        /// Bytes that may wait for a subscriber.
        lane_bytes: u64,
        /// Bytes of the newest messages kept to repair gaps.
        recent_bytes: u64,
        /// Pools whose state is held against the chain in each block.
        sample_pools: u64,
        /// Subscribers served at once.
        subscribers_max: u64,
        /// Unix socket to serve on.
        listen_unix: String,
        /// TCP address to serve on.
        listen_tcp: String,
        /// When the feed's journal is put on disk.
        journal_sync: String,
        /// Most bytes of the feed's journal.
        journal_bytes_max: String,
        /// Longest time that a segment of the feed's journal is kept.
        journal_age_max: String,
        /// Address of the page for watching the relay.
        listen_http: String,
        /// Certificate chain of the TCP address.
        tls_certificate: String,
        /// Private key of the certificate.
        tls_key: String,
        /// Whether transactions that wait in the first node's pool are relayed.
        pending: bool,
        /// Whether the first node's safe and finalized blocks are.
        finality: bool,
        /// Exchanges whose quotes are relayed.
        quotes: Vec<RawQuotes>,
        /// Clients that prove a key on TCP.
        keys: Vec<RawRelayKey>,
        /// Users of this host that may join by the unix socket.
        users: Vec<RawRelayUser>,
        /// Factories whose new pools are followed.
        factories: Vec<RawRelayFactory>,
        /// Name of the key to prove at `tcp`.
        key_name: String,
        /// File of that key.
        key_file: String,
        /// Certificates that are trusted at `tcp`.
        ca_file: String,
        /// Name in the certificate of the relay at `tcp`.
        server_name: String,
    }
}
section! {
    /// `[journal]`
    RawJournal {
        /// Folder in which each run makes its own.
        dir: String,
    }
}
section! {
    /// The whole configuration as written.
    RawConfig {
        /// The chain and the node that follows it.
        chain: RawChain,
        /// Factories that pools may come from.
        venues: Vec<RawVenue>,
        /// Tokens that routes may touch.
        tokens: Vec<RawToken>,
        /// Pools that routes may use.
        pools: Vec<RawPool>,
        /// What is looked for.
        strategies: Vec<RawStrategy>,
        /// What is refused.
        risk: RawRisk,
        /// How trades are made.
        execution: RawExecution,
        /// Where market data comes from.
        relay: RawRelay,
        /// Where runs are kept.
        journal: RawJournal,
    }
}

/// Sections are tables.
macro_rules! tables {
    ($($name:ident),+) => {
        $(impl Written for $name {
            const KIND: Kind = Kind::Table;
        })+
    };
}
tables!(RawChain, RawRisk, RawExecution, RawGas, RawRelay, RawJournal);

impl RawConfig {
    /// A configuration for a test network that shows every key, with comments: what `config init` writes.
    #[must_use]
    pub const fn example() -> &'static str {
        include_str!("../../../config/example.toml")
    }
}

/// How the value at `path` is written, or `None` where no such key exists. Entries of lists are not reached by path.
pub(super) fn kind_at(path: &[&str]) -> Option<Kind> {
    let find = |keys: &[(&str, Kind)], key: &str| keys.iter().find(|known| known.0 == key).map(|known| known.1);
    match path {
        [section] => find(RawConfig::KEYS, section),
        ["chain", key] => find(RawChain::KEYS, key),
        ["risk", "notional_max", _] => Some(Kind::Text),
        ["risk", key] => find(RawRisk::KEYS, key),
        ["execution", "gas", key] => find(RawGas::KEYS, key),
        ["execution", key] => find(RawExecution::KEYS, key),
        ["relay", key] => find(RawRelay::KEYS, key),
        ["journal", key] => find(RawJournal::KEYS, key),
        _ => None,
    }
}

/// Names of all keys of sections.
#[cfg(test)]
pub(super) fn every_key() -> impl Iterator<Item = &'static str> {
    let sections = [
        RawConfig::KEYS,
        RawChain::KEYS,
        RawRisk::KEYS,
        RawExecution::KEYS,
        RawGas::KEYS,
        RawRelay::KEYS,
        RawJournal::KEYS,
    ];
    sections.into_iter().flatten().map(|known| known.0)
}
