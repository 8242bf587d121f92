//! Sends hostile frames in bulk: `hostile_frames --count 100000000 --seed 7`. Counts go to the standard output; the exit code is
//! 1 when an answer was not the expected one.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command that prints its counts")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use alphapulse_hostile::bulk::Run;

/// Frames between two lines of progress.
const PROGRESS_FRAMES: u64 = 5_000_000;

fn main() -> ExitCode {
    let Some(run) = arguments() else {
        eprintln!("usage: hostile_frames [--count FRAMES] [--seed SEED] [--threads THREADS]");
        return ExitCode::from(2);
    };
    let (start, told) = (Instant::now(), AtomicU64::new(0));
    let tally = run.execute(|done| {
        if told.fetch_max(done / PROGRESS_FRAMES, Ordering::Relaxed) < done / PROGRESS_FRAMES {
            eprintln!("{done} frames, {:.1} s", start.elapsed().as_secs_f64());
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    println!("{tally}");
    println!(
        "seed {}, {} threads, {seconds:.1} s, {:.0} frames/s",
        run.seed,
        run.threads,
        frames_per_second(&tally, seconds)
    );
    if tally.deviations() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for the eye")]
fn frames_per_second(tally: &alphapulse_hostile::bulk::Tally, seconds: f64) -> f64 {
    tally.frames() as f64 / seconds
}

fn arguments() -> Option<Run> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut run = Run { frames: 1_000_000, seed: 7, threads };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word.as_str() {
            "--count" => run.frames = value.parse().ok()?,
            "--seed" => run.seed = value.parse().ok()?,
            "--threads" => run.threads = value.parse().ok()?,
            _ => return None,
        }
    }
    Some(run)
}
