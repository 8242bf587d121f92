//! The terminal: taken, drawn on, listened to, and given back whatever happens.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;

use super::draw::{self, Pace};
use super::story::Story;
use crate::exit::Failure;
use crate::logging;

/// How long the listener waits for a key before it looks whether it is still wanted.
const KEY_WAIT: Duration = Duration::from_millis(50);
/// Keys that wait to be read; nobody types faster than they are.
const KEYS_MAX: usize = 16;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Stop,
    Pause,
    /// The terminal has another size.
    Redraw,
}

/// The terminal, taken until dropped.
pub(crate) struct Screen {
    terminal: DefaultTerminal,
    pub(crate) keys: mpsc::Receiver<Key>,
    is_wanted: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Screen {
    /// Takes the terminal. Logs are held back until it is given back.
    pub(crate) fn take() -> Result<Self, Failure> {
        let terminal = ratatui::try_init().context("cannot draw on this terminal; --plain prints lines")?;
        logging::hold();
        let (sender, keys) = mpsc::channel(KEYS_MAX);
        let is_wanted = Arc::new(AtomicBool::new(true));
        let flag = Arc::clone(&is_wanted);
        let listener = std::thread::spawn(move || listen(&flag, &sender));
        Ok(Self { terminal, keys, is_wanted, listener: Some(listener) })
    }

    /// Draws the story.
    pub(crate) fn draw(&mut self, story: &Story, pace: Pace) -> Result<(), Failure> {
        self.terminal.draw(|frame| draw::story(frame, story, pace)).context("cannot draw on the terminal")?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Stands alone: nothing else is published by it.
        self.is_wanted.store(false, Ordering::Relaxed);
        if let Some(listener) = self.listener.take() {
            drop(listener.join());
        }
        ratatui::restore();
        logging::release();
    }
}

fn listen(is_wanted: &AtomicBool, keys: &mpsc::Sender<Key>) {
    while is_wanted.load(Ordering::Relaxed) {
        match next_key() {
            // Full means that many are unread: one more changes nothing.
            Ok(Some(key)) => drop(keys.try_send(key)),
            Ok(None) => {}
            Err(_) => return,
        }
    }
}

fn next_key() -> io::Result<Option<Key>> {
    if !event::poll(KEY_WAIT)? {
        return Ok(None);
    }
    Ok(match event::read()? {
        Event::Key(key) if key.kind != KeyEventKind::Release => key_of(key),
        Event::Resize(..) => Some(Key::Redraw),
        _ => None,
    })
}

const fn key_of(key: KeyEvent) -> Option<Key> {
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Stop),
        KeyCode::Esc => Some(Key::Stop),
        // A stray control byte (an end of file typed early, or NUL) reads as a key with Ctrl: it must not pause a demo.
        KeyCode::Char(_) if !key.modifiers.is_empty() => None,
        KeyCode::Char('q') => Some(Key::Stop),
        KeyCode::Char(' ' | 'p') => Some(Key::Pause),
        _ => None,
    }
}
