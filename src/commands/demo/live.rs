//! The demo on a chain of our own.

use std::time::Duration;

use alphapulse_testnet::Kit;
use alphapulse_testnet::session::{Round, Session, SessionError, SessionOptions};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::draw::Pace;
use super::legend::Legend;
use super::lines::print_round;
use super::screen::{Key, Screen};
use super::story::Story;
use super::summary::Summary;
use super::{DemoArguments, Show, notice};
use crate::exit::{Exit, Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::Output;

/// Blocks without traders at the end, at most: until the engine has nothing in flight and finds nothing more.
const CLOSING_BLOCKS_MAX: u32 = 32;
/// How often the picture is drawn while nothing happens.
const DRAW_EVERY: Duration = Duration::from_millis(100);

pub(crate) async fn run(kit: &Kit, arguments: &DemoArguments) -> Outcome {
    let mut interrupt = Interrupt::watch()?;
    let options = arguments.traded.apply_to(SessionOptions::standard(arguments.seed, arguments.journal.clone()));
    let strategies = options.strategies.iter().map(|kind| kind.name()).collect();
    let mut progress = notice;
    let mut session = tokio::select! {
        session = Session::start(kit, options, &mut progress) => session.map_err(failure)?,
        () = interrupt.asked() => return Ok(Exit::Interrupted),
    };
    let before = session.testnet().accounts().await.map_err(failure)?;
    let market = session.node().market_replica().await.map_err(|error| failure(error.into()))?;
    let pools = &session.testnet().deployment.pools;
    let story = Story::new(Legend::new(&market, pools), pools, arguments.seed, arguments.blocks);
    let mut show = Showing::new(arguments.show(), story, interrupt)?;
    let is_stopped = show.rounds(&mut session, arguments).await?;
    let blocks = show.story.rounds;
    show.close(&mut session).await?;
    let closing_blocks = show.story.rounds - blocks;
    drop(show);
    let (testnet, status) = session.stop().await.map_err(failure)?;
    let after = testnet.accounts().await.map_err(failure)?;
    let summary = Summary {
        blocks,
        closing_blocks,
        seed: arguments.seed,
        strategies,
        status,
        accounts: [before, after],
        run_dir: arguments.journal.as_ref().map(|dir| dir.display().to_string()),
    };
    summary.report(arguments.json, if is_stopped { Exit::Interrupted } else { Exit::Ok })
}

/// A session's failure, whose message says what to do.
fn failure(error: SessionError) -> Failure {
    Failure::from(anyhow::Error::new(error).context("the demo failed"))
}

/// The story and where it is shown.
struct Showing {
    story: Story,
    screen: Option<Screen>,
    output: Option<Output>,
    interrupt: Interrupt,
    is_paused: bool,
    is_stopped: bool,
}

impl Showing {
    fn new(show: Show, story: Story, interrupt: Interrupt) -> Result<Self, Failure> {
        let screen = if show == Show::Screen { Some(Screen::take()?) } else { None };
        let output = (show == Show::Lines).then(Output::new);
        Ok(Self { story, screen, output, interrupt, is_paused: false, is_stopped: false })
    }

    /// Plays all rounds; tells whether somebody stopped it.
    async fn rounds(&mut self, session: &mut Session, arguments: &DemoArguments) -> Result<bool, Failure> {
        while !self.is_stopped && self.story.rounds < arguments.blocks {
            let started = Instant::now();
            self.play(session, Pace::Working).await?;
            self.wait(started + arguments.block_time()).await?;
        }
        Ok(self.is_stopped)
    }

    /// Lets what was sent land, and what is left on the table be taken.
    async fn close(&mut self, session: &mut Session) -> Result<(), Failure> {
        for _ in 0..CLOSING_BLOCKS_MAX {
            let submitted = self.story.status.totals.submitted;
            self.play(session, Pace::Closing).await?;
            let totals = &self.story.status.totals;
            if totals.submitted == submitted && totals.unknown == 0 {
                break;
            }
        }
        Ok(())
    }

    /// One round, with the picture alive meanwhile.
    async fn play(&mut self, session: &mut Session, pace: Pace) -> Result<(), Failure> {
        let round = {
            let round =
                async { if pace == Pace::Closing { session.quiet_round().await } else { session.round().await } };
            let mut round = std::pin::pin!(round);
            let mut draw = interval(DRAW_EVERY);
            draw.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    round = &mut round => break round.map_err(failure)?,
                    _ = draw.tick() => self.draw(pace)?,
                    () = self.listen() => {}
                }
            }
        };
        self.tell(&round, session).await
    }

    async fn tell(&mut self, round: &Round, session: &Session) -> Result<(), Failure> {
        let status = session.node().status().await.map_err(|error| failure(error.into()))?;
        self.story.add(round, status);
        match &mut self.output {
            Some(output) => print_round(output, &self.story),
            None => Ok(()),
        }
    }

    /// Until the next block is due, and as long as somebody wants to look.
    async fn wait(&mut self, until: Instant) -> Result<(), Failure> {
        let mut draw = interval(DRAW_EVERY);
        while !self.is_stopped && (self.is_paused || Instant::now() < until) {
            let pace = if self.is_paused { Pace::Paused } else { Pace::Waiting };
            tokio::select! {
                () = sleep_until(until), if !self.is_paused => {}
                _ = draw.tick() => self.draw(pace)?,
                () = self.listen() => {}
            }
        }
        Ok(())
    }

    fn draw(&mut self, pace: Pace) -> Result<(), Failure> {
        match &mut self.screen {
            Some(screen) => screen.draw(&self.story, pace),
            None => Ok(()),
        }
    }

    /// Waits for a key or a signal, and heeds it. Never returns when neither can come.
    async fn listen(&mut self) {
        if self.is_stopped {
            return std::future::pending().await;
        }
        let key = async {
            match &mut self.screen {
                Some(screen) => screen.keys.recv().await,
                None => None,
            }
        };
        tokio::select! {
            () = self.interrupt.asked() => self.is_stopped = true,
            Some(key) = key => match key {
                Key::Stop => self.is_stopped = true,
                Key::Pause => self.is_paused = !self.is_paused,
                Key::Redraw => {}
            },
        }
    }
}
