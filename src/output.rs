//! Stdout: results only, buffered, and quiet when its reader goes away.

use std::fmt::Display;
use std::io::{self, BufWriter, Write};

use crate::exit::Failure;

/// The results of a command. [`Output::finish`] must be called: what is dropped unfinished may be lost unseen.
pub(crate) struct Output {
    stdout: BufWriter<io::StdoutLock<'static>>,
}

impl Output {
    pub(crate) fn new() -> Self {
        Self { stdout: BufWriter::with_capacity(1 << 16, io::stdout().lock()) }
    }

    /// One line.
    pub(crate) fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        writeln!(self.stdout, "{line}").map_err(Failure::stdout)
    }

    /// Shows what was written so far.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.stdout.flush().map_err(Failure::stdout)
    }

    /// Shows everything and learns of write errors.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.flush()
    }
}

/// A line for the person who waits, on stderr. Not a log: it is said at every log level.
pub(crate) fn say(line: &str) {
    // A closed stderr is no reason to stop.
    drop(writeln!(io::stderr(), "{line}"));
}
