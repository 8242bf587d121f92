//! What a lane takes, hands on, and says at its end.

use super::*;
use crate::side::SLOTS_BYTES;

fn task_lane(bytes_max: usize) -> (LaneWriter, LaneReader) {
    lane(bytes_max, 2, Wake::Task(Arc::default()))
}

#[test]
fn of_side_messages_the_oldest_goes_and_the_stream_goes_first() {
    let (mut writer, mut reader) = task_lane(100);
    let dropped = [&b"1"[..], b"2", b"3"].map(|message| writer.push_side(&Bytes::from_static(message)));
    assert_eq!(dropped, [0, 0, 1]);
    assert!(writer.push([&Bytes::from_static(b"stream")]));
    let read: Vec<_> = core::iter::from_fn(|| reader.pop()).map(|frames| frames.to_vec()).collect();
    assert_eq!(read, [&b"stream"[..], b"2", b"3"]);
}

#[test]
fn side_messages_are_bounded_by_their_bytes_too() {
    let (writer, mut reader) = lane(100, 64, Wake::Task(Arc::default()));
    let third = Bytes::from(vec![7; SLOTS_BYTES / 3]);
    let dropped: Vec<_> = (0..4).map(|_| writer.push_side(&third)).collect();
    assert_eq!(dropped, [0, 0, 0, 1]);
    // One that is read makes room for one.
    assert!(reader.pop().is_some());
    assert_eq!([writer.push_side(&third), writer.push_side(&third)], [0, 1]);
    // A longer one takes the place of several.
    assert_eq!(writer.push_side(&Bytes::from(vec![8; SLOTS_BYTES / 2])), 2);
    let read: Vec<_> = core::iter::from_fn(|| reader.pop()).map(|frames| frames[0]).collect();
    assert_eq!(read, [7, 8]);
}

#[test]
fn what_was_queued_is_read_before_the_ending() {
    let (mut writer, mut reader) = task_lane(2);
    assert!(writer.push([&Bytes::from_static(b"a")]));
    writer.end(Ending::Closed(CloseReason::Evicted));
    drop(writer);
    assert_eq!(reader.ended(), None);
    assert!(reader.pop().is_some());
    assert_eq!(reader.ended(), Some(Ending::Closed(CloseReason::Evicted)));
}

#[test]
fn a_full_lane_takes_nothing_and_an_empty_one_takes_one_parcel_of_any_size() {
    let (mut writer, mut reader) = task_lane(4);
    assert!(writer.push([&Bytes::from_static(b"longer than four bytes")]));
    assert!(!writer.push([&Bytes::from_static(b"a")]));
    assert_eq!(reader.pop().as_deref(), Some(&b"longer than four bytes"[..]));
    assert!(writer.push([&Bytes::from_static(b"abcd")]));
    assert!(!writer.push([&Bytes::from_static(b"e")]));
    assert_eq!(writer.waiting_bytes(), 4);
}

#[test]
fn lines_are_bounded_too() {
    let places = SLOTS.0 * SLOT_LINES;
    let (mut writer, mut reader) = task_lane(1);
    (0..places).for_each(|at| assert!(writer.push([&Bytes::new()]), "{at} of {places}"));
    assert!(!writer.push([&Bytes::new()]));
    assert!(!writer.is_half_empty());
    (0..places / 2).for_each(|_| assert!(reader.pop().is_some()));
    assert!(writer.is_half_empty());
}

#[test]
fn slots_of_a_wide_lane_are_bounded_too() {
    let frames = Bytes::from(vec![7; parcel::SMALL_BYTES_MAX + 1]);
    let (mut writer, mut reader) = task_lane(1 << 30);
    (0..SLOTS.1).for_each(|at| assert!(writer.push([&frames]), "{at} of {}", SLOTS.1));
    assert!(!writer.push([&frames]));
    (0..SLOTS.1 / 2).for_each(|_| assert!(reader.pop().is_some()));
    assert!(writer.is_half_empty() && writer.push([&frames]));
}

#[test]
fn few_frames_and_many_come_in_their_order() {
    let (mut writer, mut reader) = task_lane(1 << 16);
    let lengths = [0, 1, 40, 41, 96, 97, parcel::SMALL_BYTES_MAX, parcel::SMALL_BYTES_MAX + 1, 5_000, 3];
    let frames = lengths.map(|length| Bytes::from(vec![u8::try_from(length % 251).unwrap_or_default(); length]));
    for round in 0..100 {
        assert!(writer.push(&frames));
        assert_eq!(writer.waiting_bytes(), lengths.iter().sum::<usize>() as u64, "round {round}");
        frames.iter().for_each(|frames| assert_eq!(reader.pop().as_deref(), Some(&**frames)));
        assert!(!reader.is_ready());
    }
}

/// Parcels of all sizes, marked, from thread to thread through lanes of several capacities, and an ending behind them.
#[test]
fn what_goes_in_comes_out_between_threads() {
    const PARCELS: usize = 50_000;
    let frames = |at: usize| Bytes::from(vec![u8::try_from(at % 251).unwrap_or_default(); at * 37 % 500]);
    for bytes_max in [1, 5_000, 1 << 20] {
        let (mut writer, mut reader) = lane(bytes_max, 0, Wake::Task(Arc::default()));
        let producer = std::thread::spawn(move || {
            for at in 0..PARCELS {
                while !writer.push_marked([&frames(at), &frames(at + 1)], at as u64 + 1) {
                    std::thread::yield_now();
                }
            }
            writer.end(Ending::Closed(CloseReason::Evicted));
            writer.taken()
        });
        for at in 0..PARCELS {
            for expected in [frames(at), frames(at + 1)] {
                let parcel = loop {
                    match reader.pop() {
                        Some(parcel) => break parcel,
                        None => std::thread::yield_now(),
                    }
                };
                assert_eq!(*parcel, expected, "parcel {at} of a lane of {bytes_max} bytes");
            }
        }
        assert!(producer.join().is_ok_and(|taken| taken.is_some_and(|mark| mark <= PARCELS as u64)));
        assert!(reader.pop().is_none());
        assert_eq!(reader.ended(), Some(Ending::Closed(CloseReason::Evicted)));
    }
}

#[test]
fn memory_is_what_the_ring_takes() {
    for bytes_max in [1, 300_000, 1 << 20, (1 << 20) + 256, 1_100_000, 1 << 30] {
        let (_, reader) = task_lane(bytes_max);
        let beside = reader.beside.buffer().capacity() * size_of::<Bytes>();
        assert_eq!(memory_max(bytes_max), bytes_max + beside + reader.lines.memory(), "{bytes_max} bytes");
    }
}

#[test]
fn slots_take_as_much_as_the_operating_notes_say() {
    let notes = include_str!("../../../docs/OPERATING.md");
    let kib = (memory_max(1 << 30) - (1 << 30)) / 1024;
    assert!(notes.contains(&format!("up to {kib} KiB of its slots")), "{kib} KiB");
}

#[test]
fn a_mark_counts_once_its_frames_are_taken() {
    let (mut writer, mut reader) = task_lane(100);
    assert!(writer.push_marked([&Bytes::from_static(b"a")], 7));
    assert!(writer.push([&Bytes::from_static(b"unmarked")]));
    assert_eq!(writer.taken(), None);
    assert!(reader.pop().is_some());
    assert_eq!(writer.taken(), Some(7));
    assert!(reader.pop().is_some());
    assert_eq!(writer.taken(), Some(7));
}

#[test]
fn each_end_notices_that_the_other_is_gone() {
    let (writer, reader) = task_lane(1);
    drop(reader);
    assert!(writer.is_abandoned());
    let (writer, reader) = task_lane(1);
    drop(writer);
    assert_eq!(reader.ended(), Some(Ending::Disconnected));
}
