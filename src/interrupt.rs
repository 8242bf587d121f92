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
    /// Watches for SIGINT and SIGTERM from now on.
    pub(crate) fn watch() -> Result<Self, Failure> {
        let signals =
            || -> io::Result<[Signal; 2]> { Ok([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?]) };
        let signals = signals().context("cannot watch for signals")?;
        let (ask, asked) = watch::channel(false);
        tokio::spawn(follow(signals, ask));
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

async fn follow([mut interrupt, mut terminate]: [Signal; 2], ask: watch::Sender<bool>) {
    let mut next = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    next().await;
    tracing::info!("stopping; interrupt again to stop at once");
    ask.send_replace(true);
    next().await;
    process::exit(INTERRUPTED);
}
