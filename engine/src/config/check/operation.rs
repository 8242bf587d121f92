//! Execution and relay.

use std::net::SocketAddr;
use std::time::Duration;

use alphapulse_protocol::replica::REORG_DEPTH_MAX;
use alphapulse_protocol::{FeePerGas, Gas};
use alphapulse_relay::VenueSpec;
use alphapulse_relay::journal::{FeedOptions, SEGMENT_BYTES_MAX, SyncPolicy};

use super::Checker;
use crate::config::raw::{RawExecution, RawRelay};
use crate::config::units;
use crate::config::validated::{ChainConfig, ExecutionConfig, Mode, RelaySettings, RelaySource, TokenSpec};
use crate::core::GasModel;
use crate::risk::Limits;

/// Blocks in which a trade may be included at most: its prices are long gone by then.
const BLOCKS_VALID_MAX: u64 = 64;
/// Nonces leased at a time by default: SAFETY's example; a restart resolves at most so many.
const LEASE_NONCES: u64 = 16;
/// Nonces leased at a time at most.
const LEASE_NONCES_MAX: u64 = 1024;

/// Chains that charge a fee for data posted to Ethereum on top of EIP-1559: OP Mainnet, zkSync Era, World, Mantle, Base,
/// Arbitrum One, Arbitrum Nova, Linea, Blast, Scroll, Zora (chain ids of ethereum-lists/chains).
const ROLLUPS: [u64; 11] = [10, 324, 480, 5_000, 8_453, 42_161, 42_170, 59_144, 81_457, 534_352, 7_777_777];

// None of the following limits what may be lost; they bound memory and patience.
const SILENCE_MS: u64 = 3_000;
const HEARTBEAT_MS: u64 = 1_000;
/// A node is late by a block for a moment at every block.
const STALE_BLOCKS: u64 = 2;
/// What the relay takes at most.
const STALE_BLOCKS_MAX: u64 = 64;
/// Nodes at different providers hear of an Ethereum block within a second or two of each other.
const CONFIRM_WAIT_MS: u64 = 2_000;
const BACKFILL_BLOCKS_MAX: u64 = 128;
const LANE_BYTES: u64 = 4 << 20;
const RECENT_BYTES: u64 = 16 << 20;
const SUBSCRIBERS_MAX: u64 = 16;
/// A few small requests a block: a thousand pools have their turn within an hour of Ethereum's blocks.
const SAMPLE_POOLS: u64 = 4;
/// More would be a load for any node.
const SAMPLE_POOLS_MAX: u64 = 256;
/// What the relay itself asks for.
const LANE_BYTES_MIN: u64 = 512;
const LANE_BYTES_MAX: u64 = 1 << 30;
const RECENT_BYTES_MAX: u64 = 1 << 34;
/// One segment is being written, one is kept.
const JOURNAL_BYTES_MIN: u64 = 2 * SEGMENT_BYTES_MAX;

impl Checker<'_> {
    pub(super) fn execution(&mut self, limits: Option<&Limits>) -> Option<ExecutionConfig> {
        let raw = self.layered.raw.execution.clone().unwrap_or_default();
        let mode = self.mode(&raw);
        let executor = self.optional_address("execution.executor", raw.executor.as_ref());
        let profit_address = self.optional_address("execution.profit_address", raw.profit_address.as_ref());
        let keystore = self.optional_path("execution.keystore", raw.keystore.as_ref());
        let password_file = self.optional_path("execution.password_file", raw.password_file.as_ref());
        let priority_fee = self.wei("execution.priority_fee", raw.priority_fee.as_ref(), "\"1 gwei\"");
        let blocks_valid = self.number("execution.blocks_valid", raw.blocks_valid.as_ref(), (1, BLOCKS_VALID_MAX));
        let lease_nonces = self.or_default("execution.lease_nonces", raw.lease_nonces.as_ref(), LEASE_NONCES);
        if !(1..=LEASE_NONCES_MAX).contains(&lease_nonces) {
            let message = format!("found {lease_nonces}, expected a number in 1..={LEASE_NONCES_MAX}");
            self.problem("execution.lease_nonces", message, "correct the value");
        }
        let gas = self.gas(&raw);
        let needs_executor = limits.is_some_and(|limits| limits.is_simulation_required);
        if needs_executor && raw.executor.is_none() {
            let message = "is missing, and trades are simulated against it";
            self.problem("execution.executor", message, "write it, or set execution.simulation = \"off\"");
        }
        let priority_fee = FeePerGas(priority_fee?.0);
        if limits.is_some_and(|limits| priority_fee > limits.fee_max) {
            self.problem("execution.priority_fee", "exceeds risk.fee_max", "lower it, or raise the cap");
        }
        Some(ExecutionConfig {
            mode: mode?,
            executor,
            profit_address,
            keystore,
            password_file,
            priority_fee,
            blocks_valid: blocks_valid?,
            lease_nonces: u32::try_from(lease_nonces).ok()?,
            gas: gas?,
        })
    }

    fn mode(&mut self, raw: &RawExecution) -> Option<Mode> {
        const KEY: &str = "execution.mode";
        let text = self.required(KEY, raw.mode.as_ref(), "\"paper\"")?;
        let mode = self.parse(KEY, &text, "\"paper\" or \"live\"", |text| match text {
            "paper" => Some(Mode::Paper),
            "live" => Some(Mode::Live),
            _ => None,
        })?;
        Some(self.set(KEY, mode, text))
    }

    fn optional_address(&mut self, key: &str, written: Option<&String>) -> Option<alloy::primitives::Address> {
        written?;
        self.address(key, written)
    }

    fn gas(&mut self, raw: &RawExecution) -> Option<GasModel> {
        let raw =
            self.required("execution.gas", raw.gas.as_ref(), "{ base = 100000, v2_leg = 60000, v3_leg = 90000 }")?;
        let bounds = (1, u64::from(u32::MAX));
        let base = self.number("execution.gas.base", raw.base.as_ref(), bounds);
        let v2_leg = self.number("execution.gas.v2_leg", raw.v2_leg.as_ref(), bounds);
        let v3_leg = self.number("execution.gas.v3_leg", raw.v3_leg.as_ref(), bounds);
        Some(GasModel { base: Gas(base?), v2_leg: Gas(v2_leg?), v3_leg: Gas(v3_leg?) })
    }

    /// What live trading needs and paper trading does not.
    pub(super) fn check_live(&mut self, execution: Option<&ExecutionConfig>, has_journal: bool, has_kill_file: bool) {
        let Some(execution) = execution.filter(|execution| execution.mode == Mode::Live) else { return };
        let needed = [
            ("execution.executor", execution.executor.is_some()),
            ("execution.profit_address", execution.profit_address.is_some()),
            ("execution.keystore", execution.keystore.is_some()),
            ("journal.dir", has_journal),
            ("risk.kill_file", has_kill_file),
        ];
        for (key, is_there) in needed {
            let has_problem = self.problems.iter().any(|problem| problem.key == key);
            if !is_there && !has_problem {
                self.problem(
                    key,
                    "is missing, and live trading needs it",
                    "write it, or set execution.mode = \"paper\"",
                );
            }
        }
    }

    /// Gas costs what the ledger says only where the EIP-1559 fee is all that is charged.
    pub(super) fn check_fee_model(&mut self, chain: Option<&ChainConfig>, execution: Option<&ExecutionConfig>) {
        let is_live = execution.is_some_and(|execution| execution.mode == Mode::Live);
        if is_live && chain.is_some_and(|chain| ROLLUPS.contains(&chain.id.0)) {
            let message = "this rollup charges for data beside the gas, which is not in the books yet";
            self.problem("chain.id", message, "set execution.mode = \"paper\" on this chain");
        }
    }

    pub(super) fn relay(&mut self, venues: &[VenueSpec], tokens: &[TokenSpec]) -> Option<RelaySettings> {
        let raw = self.layered.raw.relay.clone().unwrap_or_default();
        let source = self.relay_source(&raw);
        let silence = self.span("relay.silence", raw.silence.as_ref(), SILENCE_MS);
        let heartbeat = self.span("relay.heartbeat", raw.heartbeat.as_ref(), HEARTBEAT_MS);
        let stale_blocks =
            self.bound("relay.stale_blocks", raw.stale_blocks.as_ref(), (STALE_BLOCKS, (0, STALE_BLOCKS_MAX)));
        let confirm_wait = self.span("relay.confirm_wait", raw.confirm_wait.as_ref(), CONFIRM_WAIT_MS);
        let backfill = self.bound(
            "relay.backfill_blocks_max",
            raw.backfill_blocks_max.as_ref(),
            (BACKFILL_BLOCKS_MAX, (1, 65_536)),
        );
        let depth =
            self.bound("relay.reorg_depth_max", raw.reorg_depth_max.as_ref(), (REORG_DEPTH_MAX as u64, (1, 65_536)));
        let lane_bytes =
            self.bound("relay.lane_bytes", raw.lane_bytes.as_ref(), (LANE_BYTES, (LANE_BYTES_MIN, LANE_BYTES_MAX)));
        let recent_bytes =
            self.bound("relay.recent_bytes", raw.recent_bytes.as_ref(), (RECENT_BYTES, (1, RECENT_BYTES_MAX)));
        let sample_pools =
            self.bound("relay.sample_pools", raw.sample_pools.as_ref(), (SAMPLE_POOLS, (0, SAMPLE_POOLS_MAX)));
        let subscribers =
            self.bound("relay.subscribers_max", raw.subscribers_max.as_ref(), (SUBSCRIBERS_MAX, (1, 4096)));
        let pending = self.or_default("relay.pending", raw.pending.as_ref(), false);
        let finality = self.or_default("relay.finality", raw.finality.as_ref(), false);
        let quotes = self.relay_quotes(&raw);
        let listen_unix = self.optional_path("relay.listen_unix", raw.listen_unix.as_ref());
        let access = self.relay_access(&raw);
        let is_safe = access.is_safe_off_host();
        let listen_tcp = raw.listen_tcp.as_ref().map(|text| self.socket_address("relay.listen_tcp", text, is_safe));
        let listen_tcp = match listen_tcp {
            None => None,
            Some(address) => Some(address?),
        };
        let factories = self.relay_factories(&raw, venues, tokens);
        let journal = self.relay_journal(&raw);
        let listen_http = raw.listen_http.as_ref().map(|text| self.socket_address("relay.listen_http", text, false));
        let listen_http = match listen_http {
            None => None,
            Some(address) => Some(address?),
        };
        Some(RelaySettings {
            source: source?,
            silence: silence?,
            stale_blocks: stale_blocks?,
            confirm_wait: confirm_wait?,
            heartbeat: heartbeat?,
            backfill_blocks_max: backfill?,
            reorg_depth_max: usize::try_from(depth?).ok()?,
            lane_bytes: usize::try_from(lane_bytes?).ok()?,
            recent_bytes: usize::try_from(recent_bytes?).ok()?,
            sample_pools: usize::try_from(sample_pools?).ok()?,
            subscribers_max: usize::try_from(subscribers?).ok()?,
            listen_unix,
            listen_tcp,
            journal: journal?,
            factories,
            listen_http,
            pending,
            finality,
            quotes: quotes?,
            access,
            client: self.relay_client(&raw),
        })
    }

    /// How a relay's own journal is kept. The defaults keep everything.
    fn relay_journal(&mut self, raw: &RawRelay) -> Option<FeedOptions> {
        const SYNC: &str = "relay.journal_sync";
        const BYTES: &str = "relay.journal_bytes_max";
        const AGE: &str = "relay.journal_age_max";
        let text = self.or_default(SYNC, raw.journal_sync.as_ref(), "segment".to_owned());
        let how = "\"never\", \"segment\", \"event\" or the longest time, such as \"500ms\"";
        let sync = self.parse(SYNC, &text, how, |text| match text {
            "never" => Some(SyncPolicy::Never),
            "segment" => Some(SyncPolicy::Segment),
            "event" => Some(SyncPolicy::Event),
            span => units::duration(span).ok().map(SyncPolicy::Interval),
        });
        let mut bytes_max = None;
        if let Some(text) = &raw.journal_bytes_max {
            let bytes = self.quantity(BYTES, text, units::bytes)?;
            if bytes < JOURNAL_BYTES_MIN {
                let message = format!("found {text}, which has no room for two segments");
                self.problem(BYTES, message, "write at least \"128 MiB\", or remove the key");
            }
            bytes_max = Some(self.set(BYTES, bytes, format!("{bytes} bytes")));
        }
        let age_max = match &raw.journal_age_max {
            Some(_) => Some(self.duration(AGE, raw.journal_age_max.as_ref(), "\"7d\"")?),
            None => None,
        };
        Some(FeedOptions { sync: sync?, bytes_max, age_max, ..FeedOptions::default() })
    }

    fn relay_source(&mut self, raw: &RawRelay) -> Option<RelaySource> {
        let unix = self.optional_path("relay.unix", raw.unix.as_ref());
        let is_safe = raw.key_file.is_some() && raw.ca_file.is_some();
        let tcp = raw.tcp.as_ref().and_then(|text| self.socket_address("relay.tcp", text, is_safe));
        match (raw.embedded, raw.unix.is_some(), raw.tcp.is_some()) {
            (Some(true), false, false) => Some(self.set("relay.embedded", RelaySource::Embedded, true)),
            (None | Some(false), true, false) => unix.map(RelaySource::Unix),
            (None | Some(false), false, true) => tcp.map(RelaySource::Tcp),
            _ => {
                let message = "expected exactly one of embedded = true, unix = \"PATH\" and tcp = \"HOST:PORT\"";
                self.problem("relay", message, "choose one");
                None
            }
        }
    }

    /// Without a key and TLS a relay's port is for this host only.
    fn socket_address(&mut self, key: &str, text: &str, is_safe: bool) -> Option<SocketAddr> {
        let how = if key == "relay.listen_tcp" {
            "an address of this host with a port, such as \"127.0.0.1:7100\"; another needs keys and TLS"
        } else {
            "an address of this host with a port, such as \"127.0.0.1:7100\""
        };
        let is_allowed = |at: &SocketAddr| is_safe || at.ip().is_loopback();
        let address = self.parse(key, text, how, |text| text.parse().ok().filter(is_allowed))?;
        Some(self.set(key, address, address))
    }

    fn span(&mut self, key: &str, written: Option<&String>, default_ms: u64) -> Option<Duration> {
        match written {
            Some(_) => self.duration(key, written, "\"1s\""),
            None => {
                self.or_default(key, None, format!("{default_ms}ms"));
                Some(Duration::from_millis(default_ms))
            }
        }
    }

    fn bound(&mut self, key: &str, written: Option<&u64>, (default, range): (u64, (u64, u64))) -> Option<u64> {
        match written {
            Some(value) => self.within(key, *value, range),
            None => Some(self.or_default(key, None, default)),
        }
    }
}
