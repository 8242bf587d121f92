//! Commands that run until they are told to end.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::command::Ran;

/// Generous: what is waited for takes milliseconds on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A command under way, its log read as it comes.
pub(crate) struct Running {
    /// `None` once it was waited for.
    child: Option<Child>,
    log: mpsc::Receiver<String>,
    pub(crate) said: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let (sender, log) = mpsc::channel();
        std::thread::spawn(move || {
            // The test may have seen enough.
            stderr.lines().map_while(Result::ok).take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
        });
        Self { child: Some(child), log, said: String::new() }
    }

    /// Whether the log says this before so long.
    pub(crate) fn says(&mut self, text: &str, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while !self.said.contains(text) {
            match self.log.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.said += &(line + "\n"),
                Err(_) => return false,
            }
        }
        true
    }

    #[track_caller]
    pub(crate) fn must_say(&mut self, text: &str) {
        assert!(self.says(text, PATIENCE), "it does not say {text:?}: {}", self.said);
    }

    /// Reads its log no more: whoever writes to it gets an error.
    pub(crate) fn go_deaf(&mut self) {
        self.log = mpsc::channel().1;
    }

    /// Interrupts it and waits for its end.
    pub(crate) fn interrupt(mut self) -> Ran {
        let child = self.child.as_ref().expect("it was not waited for");
        let kill = format!("kill -INT {}", child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
        while let Ok(line) = self.log.recv() {
            self.said += &(line + "\n");
        }
        let child = self.child.take().expect("it was not waited for");
        let output = child.wait_with_output().expect("the command ends");
        Ran { stderr: core::mem::take(&mut self.said), ..Ran::from(output) }
    }
}

/// A test that fails in its middle leaves nothing running.
impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
