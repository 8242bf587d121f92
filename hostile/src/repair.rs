//! Makes damaged bytes pass the outer checks again, so that damage reaches the checks behind them: a fuzzer alone would
//! need four billion tries for each checksum.

use crate::reference::{FRAME_HEADER_BYTES, MESSAGE_BYTES_MAX, MESSAGE_BYTES_MIN, crc32c, number};

/// Writes the block length and the checksum of one frame over what is there, and the schema.
///
/// # Panics
/// If `frame` is no frame header with at least a message header behind it, or above the cap.
pub fn frame(frame: &mut [u8]) {
    let length = frame.len() - FRAME_HEADER_BYTES;
    let stated = u16::try_from(length).expect("a message is below 64 KiB").to_le_bytes();
    frame[8..10].copy_from_slice(&stated);
    frame[..4].copy_from_slice(&[stated[0], stated[1], 0, 0]);
    checksum(frame);
}

/// Writes the checksum of one frame over what is there.
pub fn checksum(frame: &mut [u8]) {
    let crc = crc32c(&frame[FRAME_HEADER_BYTES..]);
    frame[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// Makes a row of frames of `bytes`: each as long as its length says where that can be, the last one to the end.
/// With `sequences`, market messages, heartbeats and gaps get the sequence that is due (section 5 of the page).
pub fn stream(bytes: &mut [u8], sequences: bool) {
    let mut rest = bytes;
    let mut last = None;
    let mut is_in_snapshot = false;
    while rest.len() >= FRAME_HEADER_BYTES + MESSAGE_BYTES_MIN {
        let room = (rest.len() - FRAME_HEADER_BYTES).min(MESSAGE_BYTES_MAX);
        let stated = usize::try_from(number(rest, 0, 4)).unwrap_or(usize::MAX);
        let length = if (MESSAGE_BYTES_MIN..=room).contains(&stated) { stated } else { room };
        let (one, behind) = rest.split_at_mut(FRAME_HEADER_BYTES + length);
        one[12..14].copy_from_slice(b"AP");
        if sequences {
            place(one, &mut last, &mut is_in_snapshot);
        }
        frame(one);
        rest = behind;
    }
}

fn place(frame: &mut [u8], last: &mut Option<u64>, is_in_snapshot: &mut bool) {
    let template = number(frame, 10, 2);
    let stated = u64::try_from(number(frame, 16, 8)).expect("64 bits");
    let before = last.unwrap_or(stated);
    let due = match template {
        19 => stated,
        4 | 6 => before,
        16..48 if *is_in_snapshot => before,
        16..48 => before.saturating_add(1),
        _ => return,
    };
    *is_in_snapshot = template == 19 || (*is_in_snapshot && template != 20);
    *last = Some(due);
    frame[16..24].copy_from_slice(&due.to_le_bytes());
}
