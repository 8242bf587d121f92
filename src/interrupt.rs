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
        let signals = || -> io::Result<[Signal; 3]> {
            Ok([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?])
        };
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

async fn follow([mut interrupt, mut terminate, mut hangup]: [Signal; 3], ask: watch::Sender<bool>) {
    let mut next = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    };
    next().await;
    tracing::info!("stopping; interrupt again to stop at once");
    ask.send_replace(true);
    next().await;
    process::exit(INTERRUPTED);
}
