//! Secrets from a person: never echoed, never an argument.

use std::io::{self, IsTerminal as _, Write as _};

use alphapulse_engine::secret::Secret;
use anyhow::Context as _;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::terminal;

use crate::exit::{Exit, Failure};

/// Longest secret that can be typed. The buffer is taken once, so that growing leaves no copy behind.
const TYPED_BYTES_MAX: usize = 1024;

/// Whether somebody is there to ask.
pub(crate) fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a secret without showing it.
pub(crate) fn hidden(label: &str) -> Result<Secret, Failure> {
    let mut stderr = io::stderr();
    write!(stderr, "{label}: ").and_then(|()| stderr.flush()).context("cannot ask for the password")?;
    let typed = RawMode::enter().and_then(|_raw| type_line());
    drop(writeln!(stderr));
    typed
}

/// The terminal without echo, until dropped.
struct RawMode;

impl RawMode {
    fn enter() -> Result<Self, Failure> {
        terminal::enable_raw_mode().context("cannot hide what is typed on this terminal")?;
        Ok(Self)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        drop(terminal::disable_raw_mode());
    }
}

fn type_line() -> Result<Secret, Failure> {
    let mut typed = Vec::with_capacity(TYPED_BYTES_MAX);
    loop {
        let Event::Key(key) = event::read().context("cannot read what is typed")? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        match key.code {
            KeyCode::Enter => return Ok(Secret::new(typed)),
            KeyCode::Char('c' | 'd') if is_control(key) => {
                drop(Secret::new(typed));
                return Err(Failure::new(Exit::Interrupted, anyhow::anyhow!("interrupted")));
            }
            KeyCode::Char(character) if !is_control(key) => push(&mut typed, character),
            KeyCode::Backspace => pop(&mut typed),
            _ => {}
        }
    }
}

const fn is_control(key: KeyEvent) -> bool {
    key.modifiers.contains(KeyModifiers::CONTROL)
}

fn push(typed: &mut Vec<u8>, character: char) {
    let mut bytes = [0; 4];
    let text = character.encode_utf8(&mut bytes).as_bytes();
    if typed.len() + text.len() <= TYPED_BYTES_MAX {
        typed.extend_from_slice(text);
    }
}

/// Removes a character, however many bytes it has.
fn pop(typed: &mut Vec<u8>) {
    while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}
