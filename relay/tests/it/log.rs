//! What is logged while a test runs, for tests of what is said and what must not be.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, Once};

use tracing_subscriber::fmt::writer::OptionalWriter;

/// Everything that is logged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is logged on this thread is kept until this is dropped.
#[derive(Debug)]
pub(crate) struct Logging(());

impl Drop for Logging {
    fn drop(&mut self) {
        KEPT.take();
    }
}

thread_local! {
    static KEPT: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// One subscriber for the whole process: to one of a single thread, a place in the code that another test passes first would be
/// silent for ever, because while there is only one subscriber it is that test's thread which is asked.
static INSTALLED: Once = Once::new();

fn install() {
    let writer = || match KEPT.with_borrow(Clone::clone) {
        Some(log) => OptionalWriter::some(log),
        None => OptionalWriter::none(),
    };
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::TRACE).with_writer(writer).finish();
    tracing::subscriber::set_global_default(subscriber).expect("nobody else sets it");
}

impl Log {
    /// Takes what this thread logs from now on, until the guard is dropped.
    pub(crate) fn start() -> (Self, Logging) {
        INSTALLED.call_once(install);
        let log = Self::default();
        KEPT.set(Some(log.clone()));
        (log, Logging(()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Lines of this level.
    pub(crate) fn at(&self, level: tracing::Level) -> Vec<String> {
        let has_level = |line: &&str| line.split_whitespace().nth(1) == Some(level.as_str());
        self.text().lines().filter(has_level).map(str::to_owned).collect()
    }

    /// The lines with this in them.
    pub(crate) fn lines(&self, what: &str) -> Vec<String> {
        self.text().lines().filter(|line| line.contains(what)).map(str::to_owned).collect()
    }
}
