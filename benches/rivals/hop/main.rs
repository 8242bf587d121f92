//! One 64-byte message from a thread to another, single producer and single consumer, each on a core of its own and spinning.
//!
//! `cargo bench --manifest-path benches/rivals/Cargo.toml --bench hop` prints what a hop costs in a ping-pong (half of a
//! round trip) and in a stream; `cargo test` with the same manifest runs a few of each. Every message is checked to be the
//! next one. Ours are the lines that the relay's lanes are made of: seven words and the message's own number, by which the
//! reader knows it, so that the number is not carried twice; the others carry eight words, the number among them. `ArrayQueue`
//! and then `rtrb` are what the lanes were made of before. The floor is one cache line each way, polled in place: no queue.
//!
//! Left out: shared-memory transports such as iceoryx2. They trust whoever maps the segment not to write into it, where a
//! subscriber of ours can at worst read slowly.
#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

#[path = "../../../relay/src/lane/lines.rs"]
#[allow(dead_code, unused_imports, reason = "the relay asks more of it, and tests it")]
mod lines;
#[path = "../../tick_to_trade/machine.rs"]
mod machine;
#[path = "../../tick_to_trade/random.rs"]
#[expect(dead_code, reason = "only what the statistics draw is drawn here")]
mod random;
#[path = "../../tick_to_trade/stats.rs"]
mod stats;

#[path = "../../relay_path/pinned.rs"]
mod pinned;

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use crossbeam::queue::ArrayQueue;
use disruptor::{BusySpin, Producer as _};

use crate::lines::{LineReader, LineWriter};
use crate::stats::{Ratio, Samples, ratio};

type Line = [u64; 8];
const SLOTS: usize = 1024;
/// Round trips behind one sample: the clock's own step is small beside them.
const TRIPS: u64 = 32;

/// One direction.
trait Hop {
    type Tx: Send + 'static;
    type Rx: Send + 'static;
    fn open() -> (Self::Tx, Self::Rx);
    /// Spins while it is full.
    fn send(tx: &mut Self::Tx, line: Line);
    /// Spins while it is empty.
    fn receive(rx: &mut Self::Rx) -> Line;
}

/// Spins until there is something.
fn spin<T>(mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        match look() {
            Some(found) => return found,
            None => spin_loop(),
        }
    }
}

struct Lines;
impl Hop for Lines {
    type Tx = LineWriter;
    type Rx = (LineReader, u64);
    fn open() -> (Self::Tx, Self::Rx) {
        let (tx, rx) = lines::lines(SLOTS);
        (tx, (rx, 0))
    }
    fn send(tx: &mut Self::Tx, [first @ .., _number]: Line) {
        spin(|| tx.try_write(&[first]).then_some(()));
    }
    fn receive((rx, number): &mut Self::Rx) -> Line {
        let [a, b, c, d, e, f, g] = spin(|| rx.try_read());
        *number += 1;
        [a, b, c, d, e, f, g, *number]
    }
}

struct Rtrb;
impl Hop for Rtrb {
    type Tx = rtrb::Producer<Line>;
    type Rx = rtrb::Consumer<Line>;
    fn open() -> (Self::Tx, Self::Rx) {
        rtrb::RingBuffer::new(SLOTS)
    }
    fn send(tx: &mut Self::Tx, line: Line) {
        spin(|| tx.push(line).ok());
    }
    fn receive(rx: &mut Self::Rx) -> Line {
        spin(|| rx.pop().ok())
    }
}

struct Nexus;
impl Hop for Nexus {
    type Tx = nexus_queue::spsc::Producer<Line>;
    type Rx = nexus_queue::spsc::Consumer<Line>;
    fn open() -> (Self::Tx, Self::Rx) {
        nexus_queue::spsc::ring_buffer(SLOTS)
    }
    fn send(tx: &mut Self::Tx, line: Line) {
        spin(|| tx.push(line).ok());
    }
    fn receive(rx: &mut Self::Rx) -> Line {
        spin(|| rx.pop())
    }
}

struct Array;
impl Hop for Array {
    type Tx = Arc<ArrayQueue<Line>>;
    type Rx = Arc<ArrayQueue<Line>>;
    fn open() -> (Self::Tx, Self::Rx) {
        let queue = Arc::new(ArrayQueue::new(SLOTS));
        (Arc::clone(&queue), queue)
    }
    fn send(tx: &mut Self::Tx, line: Line) {
        spin(|| tx.push(line).ok());
    }
    fn receive(rx: &mut Self::Rx) -> Line {
        spin(|| rx.pop())
    }
}

struct Sync;
impl Hop for Sync {
    type Tx = SyncSender<Line>;
    type Rx = Receiver<Line>;
    fn open() -> (Self::Tx, Self::Rx) {
        sync_channel(SLOTS)
    }
    fn send(tx: &mut Self::Tx, line: Line) {
        spin(|| tx.try_send(line).ok());
    }
    fn receive(rx: &mut Self::Rx) -> Line {
        spin(|| rx.try_recv().ok())
    }
}

/// The disruptor's consumer may be a thread of its own or a poller; the poller is the one that can be driven alike. It is
/// kept behind a closure, for its type has no name outside its crate.
struct Disruptor;
impl Hop for Disruptor {
    type Tx = Box<dyn FnMut(Line) + Send>;
    type Rx = Box<dyn FnMut() -> Option<Line> + Send>;
    fn open() -> (Self::Tx, Self::Rx) {
        let builder = disruptor::build_single_producer(SLOTS, || [0; 8], BusySpin);
        let (mut poller, builder) = builder.new_event_poller();
        let mut producer = builder.build();
        let send = move |line: Line| {
            producer.publish(|slot| *slot = line);
        };
        let receive = move || {
            let mut events = poller.take(1).ok()?;
            (&mut events).next().copied()
        };
        (Box::new(send), Box::new(receive))
    }
    fn send(tx: &mut Self::Tx, line: Line) {
        tx(line);
    }
    fn receive(rx: &mut Self::Rx) -> Line {
        spin(&mut *rx)
    }
}

/// One cache line whose last word says which message it holds. It is overwritten when the next one comes: only fit for a
/// ping-pong.
#[derive(Default)]
#[repr(align(128))]
struct OneLine([AtomicU64; 8]);

struct Floor;
impl Hop for Floor {
    type Tx = Arc<OneLine>;
    type Rx = (Arc<OneLine>, u64);
    fn open() -> (Self::Tx, Self::Rx) {
        let line = Arc::new(OneLine::default());
        (Arc::clone(&line), (line, 0))
    }
    fn send(tx: &mut Self::Tx, line: Line) {
        for (word, value) in tx.0[..7].iter().zip(line) {
            word.store(value, Ordering::Relaxed);
        }
        // Pairs with the Acquire load in `receive`: who sees the stamp sees the words.
        tx.0[7].store(line[7], Ordering::Release);
    }
    fn receive((line, seen): &mut Self::Rx) -> Line {
        *seen = spin(|| Some(line.0[7].load(Ordering::Acquire)).filter(|stamp| stamp != seen));
        let mut copy = [*seen; 8];
        for (value, word) in copy[..7].iter_mut().zip(&line.0) {
            *value = word.load(Ordering::Relaxed);
        }
        copy
    }
}

fn line(number: u64) -> Line {
    [number; 8]
}

/// Round trips, [`TRIPS`] to a sample.
fn ping_pong<H: Hop>(samples: &mut Samples, count: u64) {
    let ((mut there, mut there_end), (mut back_end, mut back)) = (H::open(), H::open());
    let echo = thread::spawn(move || {
        pinned::hold(1);
        for _ in 0..=count {
            for _ in 0..TRIPS {
                let line = H::receive(&mut there_end);
                H::send(&mut back_end, line);
            }
        }
    });
    let mut number = 0;
    // The first sample warms up and is not kept.
    for at in 0..=count {
        let started = Instant::now();
        for _ in 0..TRIPS {
            number += 1;
            H::send(&mut there, line(number));
            assert_eq!(H::receive(&mut back), line(number));
        }
        if at > 0 {
            samples.add(started.elapsed());
        }
    }
    samples.end_block();
    echo.join().expect("an echo does not panic");
}

/// As fast as both ends go: one sample for each thousand messages.
fn stream<H: Hop>(samples: &mut Samples, thousands: u64) {
    let (mut tx, mut rx) = H::open();
    let producer = thread::spawn(move || {
        pinned::hold(1);
        (1..=thousands * 1_000).for_each(|number| H::send(&mut tx, line(number)));
        tx
    });
    for thousand in 0..thousands {
        let started = Instant::now();
        for at in 1..=1_000 {
            assert_eq!(H::receive(&mut rx), line(thousand * 1_000 + at));
        }
        samples.add(started.elapsed());
    }
    samples.end_block();
    drop(producer.join().expect("a producer does not panic"));
}

type Run = fn(&mut Samples, u64);

struct Contender {
    name: &'static str,
    ping_pong: Run,
    stream: Option<Run>,
}

const fn contender<H: Hop>(name: &'static str) -> Contender {
    Contender { name, ping_pong: ping_pong::<H>, stream: Some(stream::<H>) }
}

const OURS: usize = 0;
const FORMER: usize = 4;
const CONTENDERS: [Contender; 7] = [
    contender::<Lines>("ours: lines"),
    contender::<Rtrb>("rtrb"),
    contender::<Nexus>("nexus-queue"),
    contender::<Disruptor>("disruptor, poller"),
    contender::<Array>("crossbeam ArrayQueue"),
    contender::<Sync>("std sync_channel"),
    Contender { name: "floor: one cache line, no queue", ping_pong: ping_pong::<Floor>, stream: None },
];

/// All contenders in turn, forth and back.
fn compete(rounds: usize, run: impl Fn(&Contender) -> Option<Run>, count: u64) -> Vec<Samples> {
    let mut samples: Vec<Samples> = CONTENDERS.iter().map(|_| Samples::default()).collect();
    for _ in 0..rounds {
        for at in (0..CONTENDERS.len()).chain((0..CONTENDERS.len()).rev()) {
            if let Some(run) = run(&CONTENDERS[at]) {
                run(&mut samples[at], count);
            }
        }
    }
    samples
}

fn print(samples: &[Samples], messages: f64) {
    println!("{:<44}{:>8}{:>9}{:>9}{:>9}{:>10}", "", "samples", "p50", "p99", "p99.9", "max");
    for (contender, samples) in CONTENDERS.iter().zip(samples) {
        if contender.stream.is_none() && messages == 1_000.0 {
            continue;
        }
        let summary = samples.summary();
        let [p50, p99, p999, max] =
            [summary.p50, summary.p99, summary.p999, summary.max].map(|nanos| nanos as f64 / messages);
        println!("{:<44}{:>8}{p50:>9.1}{p99:>9.1}{p999:>9.1}{max:>10.1}", contender.name, summary.count);
    }
    println!();
    for (contender, other) in CONTENDERS.iter().zip(samples).skip(1) {
        if contender.stream.is_none() && messages == 1_000.0 {
            continue;
        }
        let Ratio { value, interval: [low, high] } = ratio(&samples[OURS], other);
        println!("{} / ours: {value:.2} (95 % interval {low:.2} to {high:.2})", contender.name);
    }
}

fn gate(name: &str, is_met: bool) {
    println!("gate: {name}: {}", if is_met { "met" } else { "MISSED" });
}

fn main() {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let described = machine::describe();
    pinned::hold(0);
    if !is_bench {
        compete(1, |contender| Some(contender.ping_pong), 20);
        compete(1, |contender| contender.stream, 20);
        return;
    }
    println!("hop: 64 bytes from thread to thread, one producer, one consumer, {SLOTS} slots; nanoseconds\n");
    for (name, value) in described {
        println!("{name:<18}{value}");
    }
    let before = machine::Disturbance::now();
    println!("\n== ping-pong: one hop is half of a round trip, {TRIPS} round trips to a sample\n");
    let samples = compete(20, |contender| Some(contender.ping_pong), 500);
    print(&samples, 2.0 * TRIPS as f64);
    let least = |at: usize| ratio(&samples[OURS], &samples[at]).interval;
    // The far end of the interval: nobody is shown to be faster by more than the measure's own doubt.
    gate("p50 at most that of rtrb, nexus-queue and disruptor", [1, 2, 3].iter().all(|at| least(*at)[1] >= 1.0));
    gate("at least twice as fast as ArrayQueue", least(FORMER)[0] >= 2.0);
    println!("\n== stream: as fast as both ends go, for each message; 1,000 to a sample\n");
    let streamed = compete(10, |contender| contender.stream, 500);
    print(&streamed, 1_000.0);
    let disturbance = machine::Disturbance::now().since(before);
    println!("\nsamples dropped: none; over the whole run: {disturbance}");
}
