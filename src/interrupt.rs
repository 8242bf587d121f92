//! Signals: the first asks for a tidy stop, the second ends the process.

use std::io;
use std::process;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::exit::Failure;

/// Exit code of a process that was interrupted.
const INTERRUPTED: i32 = 130;

/// Tells whether a stop was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt {
    asked: watch::Receiver<bool>,
}

impl Interrupt {
    /// Watches for SIGINT, SIGTERM and SIGHUP from now on: a terminal that is closed must not end a node in the middle.
    pub(crate) fn watch() -> Result<Self, Failure> {
        let is_hangup_ignored = is_hangup_ignored();
        let signals = || -> io::Result<[Signal; 3]> {
            Ok([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?])
        };
        let signals = signals().context("cannot watch for signals")?;
        let (ask, asked) = watch::channel(false);
        tokio::spawn(follow(signals, is_hangup_ignored, ask));
        Ok(Self { asked })
    }

    /// Waits until somebody asks for a stop.
    pub(crate) async fn asked(&mut self) {
        if self.asked.wait_for(|asked| *asked).await.is_err() {
            // Nobody can ask any more: the runtime is ending.
            std::future::pending::<()>().await;
        }
    }
}

async fn follow(
    [mut interrupt, mut terminate, mut hangup]: [Signal; 3],
    is_hangup_ignored: bool,
    ask: watch::Sender<bool>,
) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        // Under `nohup` it is not meant for us.
        _ = hangup.recv(), if !is_hangup_ignored => {}
    }
    tracing::info!("stopping; interrupt again to stop at once");
    ask.send_replace(true);
    // A terminal that closes sends more than one hangup; that is nobody's wish for a hard stop.
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    process::exit(INTERRUPTED);
}

/// Whether the process was started with SIGHUP ignored. Asked before a handler is installed.
fn is_hangup_ignored() -> bool {
    const SIGHUP_BIT: u64 = 1;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & SIGHUP_BIT != 0)
}
