//! The test kit: a pinned npm project with the dev node, the Solidity compiler and public contract artifacts.
//!
//! [`Kit::ensure`] installs it when it is absent or differs from its lock file. Several processes may call it at once: one
//! installs, the others wait for it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use alloy::primitives::{hex, keccak256};

use crate::artifact::{Artifact, ArtifactError};

/// Overrides where the kit is looked for.
const FOLDER_VARIABLE: &str = "ALPHAPULSE_TESTKIT";
/// How often a person who waits for the installation hears that it goes on.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Inside `node_modules`, so that removing the folder removes the claim.
const STAMP_FILE: &str = "node_modules/.alphapulse-lock-hash";
const LOG_FILE: &str = "install.log";
const LOG_TAIL_LINES: usize = 12;

/// Why the kit is not usable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KitError {
    /// There is no npm project at the expected place.
    #[error("test kit not found at {}: set {FOLDER_VARIABLE} to the repository's testkit folder", folder.display())]
    NotFound {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// npm is not installed.
    #[error("npm not found: install Node.js 20+ (Debian: apt-get install nodejs npm), then run again")]
    NpmMissing,
    /// npm ran and failed.
    #[error("npm ci failed in {} ({status}): check the network and the registry, then run again\n{tail}", folder.display())]
    InstallFailed {
        /// Where it ran.
        folder: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// Last lines of what it printed.
        tail: String,
    },
    /// The kit has no dev node for this platform.
    #[error("no dev node for this platform ({platform}): the kit carries linux and darwin, amd64 and arm64")]
    UnsupportedPlatform {
        /// Name of the package that would hold it.
        platform: String,
    },
    /// A file of the kit could not be read or written.
    #[error("test kit: cannot access {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A published artifact is not what its package promises.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

/// A contract whose published artifact the kit carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicContract {
    /// Wrapped Ether.
    Weth9,
    /// Uniswap V2 factory; constructor: `address feeToSetter`.
    UniswapV2Factory,
    /// Uniswap V2 pair, created by the factory.
    UniswapV2Pair,
    /// Uniswap V2 router, an oracle for quotes; constructor: `address factory, address weth`.
    UniswapV2Router02,
    /// PancakeSwap V2 factory: the same model with a 0.2 % fee and another callback; constructor: `address feeToSetter`.
    PancakeFactory,
    /// PancakeSwap V2 pair, created by the factory.
    PancakePair,
    /// Uniswap V3 factory; no constructor arguments.
    UniswapV3Factory,
    /// Uniswap V3 pool, created by the factory.
    UniswapV3Pool,
    /// Uniswap V3 quoter, an oracle for quotes; constructor: `address factory, address weth`.
    QuoterV2,
}

impl PublicContract {
    /// The artifact's path below `node_modules`.
    const fn path(self) -> &'static str {
        match self {
            Self::Weth9 => "canonical-weth/build/contracts/WETH9.json",
            Self::UniswapV2Factory => "@uniswap/v2-core/build/UniswapV2Factory.json",
            Self::UniswapV2Pair => "@uniswap/v2-core/build/UniswapV2Pair.json",
            Self::UniswapV2Router02 => "@uniswap/v2-periphery/build/UniswapV2Router02.json",
            Self::PancakeFactory => "@pancakeswap-libs/pancake-swap-core/build/PancakeFactory.json",
            Self::PancakePair => "@pancakeswap-libs/pancake-swap-core/build/PancakePair.json",
            Self::UniswapV3Factory => "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json",
            Self::UniswapV3Pool => "@uniswap/v3-core/artifacts/contracts/UniswapV3Pool.sol/UniswapV3Pool.json",
            Self::QuoterV2 => "@uniswap/v3-periphery/artifacts/contracts/lens/QuoterV2.sol/QuoterV2.json",
        }
    }
}

/// An installed kit.
#[derive(Debug, Clone)]
pub struct Kit {
    folder: PathBuf,
}

impl Kit {
    /// Finds the kit, and installs it with `npm ci` when it is absent or differs from its lock file.
    ///
    /// `progress` receives short lines for a person; it is not called when nothing needs doing. Blocks: some seconds for an
    /// installation, no network otherwise.
    ///
    /// # Errors
    /// Every [`KitError`] but `UnsupportedPlatform` and `Artifact`.
    pub fn ensure(progress: &mut dyn FnMut(&str)) -> Result<Self, KitError> {
        Self::ensure_at(&default_folder(), progress)
    }

    /// As [`Kit::ensure`], for the kit in `folder`.
    ///
    /// # Errors
    /// As [`Kit::ensure`].
    pub fn ensure_at(folder: &Path, progress: &mut dyn FnMut(&str)) -> Result<Self, KitError> {
        let lock_path = folder.join("package-lock.json");
        let Ok(lock) = fs::read(&lock_path) else {
            return Err(KitError::NotFound { folder: folder.to_owned() });
        };
        let kit = Self { folder: folder.to_owned() };
        let wanted = hex::encode(keccak256(lock));
        if kit.stamp().as_deref() == Some(&wanted) {
            return Ok(kit);
        }
        let mutex_path = folder.join(".install.lock");
        let mutex = File::create(&mutex_path).map_err(|source| io_error(&mutex_path, source))?;
        if mutex.try_lock().is_err() {
            progress("test kit: another process is installing it, waiting");
            mutex.lock().map_err(|source| io_error(&mutex_path, source))?;
        }
        // Whoever held the lock may have done the work.
        if kit.stamp().as_deref() != Some(&wanted) {
            kit.install(progress)?;
            let stamp = kit.folder.join(STAMP_FILE);
            fs::write(&stamp, wanted).map_err(|source| io_error(&stamp, source))?;
        }
        Ok(kit)
    }

    /// The kit's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The native dev node binary. The npm wrapper beside it is a Node.js process whose child would survive a kill.
    ///
    /// # Errors
    /// [`KitError::UnsupportedPlatform`] when the kit has none for this platform.
    pub fn anvil(&self) -> Result<PathBuf, KitError> {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let system = if cfg!(target_os = "macos") { "darwin" } else { std::env::consts::OS };
        let platform = format!("@foundry-rs/anvil-{system}-{architecture}");
        let path = self.folder.join("node_modules").join(&platform).join("bin/anvil");
        if path.is_file() { Ok(path) } else { Err(KitError::UnsupportedPlatform { platform }) }
    }

    /// A published contract.
    ///
    /// # Errors
    /// [`KitError::Io`] when the package lacks it, [`KitError::Artifact`] when it is not deployable.
    pub fn artifact(&self, contract: PublicContract) -> Result<Artifact, KitError> {
        let path = self.folder.join("node_modules").join(contract.path());
        let text = fs::read_to_string(&path).map_err(|source| io_error(&path, source))?;
        Ok(Artifact::parse(&format!("{contract:?}"), &text)?)
    }

    fn stamp(&self) -> Option<String> {
        fs::read_to_string(self.folder.join(STAMP_FILE)).ok()
    }

    fn install(&self, progress: &mut dyn FnMut(&str)) -> Result<(), KitError> {
        progress("test kit: installing the dev node, compiler and contracts (about 72 MB, once)");
        let started = Instant::now();
        let mut npm = self.spawn_npm()?;
        let status =
            wait_with_progress(&mut npm, started, progress).map_err(|source| io_error(Path::new("npm"), source))?;
        if !status.success() {
            let tail = tail_of(&self.folder.join(LOG_FILE));
            return Err(KitError::InstallFailed { folder: self.folder.clone(), status, tail });
        }
        progress(&format!("test kit: installed in {} s", started.elapsed().as_secs()));
        Ok(())
    }

    /// Starts npm with its output in a file: a pipe that nobody reads would block it.
    fn spawn_npm(&self) -> Result<Child, KitError> {
        let log_path = self.folder.join(LOG_FILE);
        let log = File::create(&log_path).map_err(|source| io_error(&log_path, source))?;
        let log_too = log.try_clone().map_err(|source| io_error(&log_path, source))?;
        Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too)
            .spawn()
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => KitError::NpmMissing,
                _ => io_error(Path::new("npm"), source),
            })
    }
}

fn default_folder() -> PathBuf {
    std::env::var_os(FOLDER_VARIABLE)
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit")), PathBuf::from)
}

fn wait_with_progress(child: &mut Child, started: Instant, progress: &mut dyn FnMut(&str)) -> io::Result<ExitStatus> {
    let mut next_report = PROGRESS_INTERVAL;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if started.elapsed() >= next_report {
            progress(&format!("test kit: npm is still at it after {} s", next_report.as_secs()));
            next_report += PROGRESS_INTERVAL;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

fn tail_of(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
}

fn io_error(path: &Path, source: io::Error) -> KitError {
    KitError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_kit_is_named_with_the_way_out() {
        let error = Kit::ensure_at(Path::new("/nonexistent/kit"), &mut |_| {}).expect_err("no kit there");
        assert!(error.to_string().contains("/nonexistent/kit"));
        assert!(error.to_string().contains(FOLDER_VARIABLE));
    }

    #[test]
    fn installed_kit_has_every_contract() {
        let kit = Kit::ensure(&mut |line| eprintln_progress(line)).expect("kit installs");
        for contract in [
            PublicContract::Weth9,
            PublicContract::UniswapV2Factory,
            PublicContract::UniswapV2Pair,
            PublicContract::UniswapV2Router02,
            PublicContract::PancakeFactory,
            PublicContract::PancakePair,
            PublicContract::UniswapV3Factory,
            PublicContract::UniswapV3Pool,
            PublicContract::QuoterV2,
        ] {
            kit.artifact(contract).expect("artifact is deployable");
        }
        assert!(kit.anvil().expect("platform is supported").is_file());
    }

    #[expect(clippy::print_stderr, reason = "a test that downloads says so")]
    fn eprintln_progress(line: &str) {
        eprintln!("{line}");
    }
}
