//! Single frames and short rows of them: made, sent to the decoder, and compared.

use alphapulse_protocol::DecodeError;
use alphapulse_protocol::frame::{self, FrameDecoder, Split};
use alphapulse_protocol::message::Message;
use rand::Rng;
use rand::rngs::SmallRng;

use super::tally::{Attack, Outcome, Tally};
use super::{MESSAGE_BYTES_MADE, pick};
use crate::reference::{FRAME_HEADER_BYTES, First, Judgement, Malformed, TEMPLATES, first_frame, judge, number};
use crate::{frame as judged, golden, repair};

/// One in so many decoded messages is used in every way there is; the rest is only compared.
const EXERCISE_EVERY: u32 = 64;

/// Single attacks, as often as each other.
const ATTACKS: [Attack; 14] = [
    Attack::Untouched,
    Attack::BitFlip,
    Attack::BitFlipRepaired,
    Attack::FieldExtreme,
    Attack::Truncation,
    Attack::FrameLength,
    Attack::BlockLength,
    Attack::BothLengths,
    Attack::UnknownTemplate,
    Attack::ForeignSchema,
    Attack::Appended,
    Attack::Splice,
    Attack::Noise,
    Attack::Garbage,
];

/// Limits that the page sets to fields, and the first values past them, as two's complement.
const LIMITS: [i128; 12] = [
    887_272,
    887_273,
    -887_272,
    -887_273,
    999_999,
    1_000_000,
    16_383,
    16_384,
    (1 << 112) - 1,
    1 << 112,
    u64::MAX as i128,
    u32::MAX as i128,
];

/// Makes and sends frames. Holds its buffers, so that a frame costs no allocation.
pub(super) struct Attacker {
    golden: Vec<Vec<u8>>,
    frame: Vec<u8>,
    row: Vec<u8>,
}

impl Attacker {
    pub(super) fn new() -> Self {
        Self { golden: golden::all_frames(), frame: Vec::new(), row: Vec::new() }
    }

    pub(super) fn send(&mut self, rng: &mut SmallRng, tally: &mut Tally) {
        match rng.random_range(0..32_u8) {
            0 => self.send_pieces(rng, tally),
            _ => self.send_one(rng, tally),
        }
    }

    fn send_one(&mut self, rng: &mut SmallRng, tally: &mut Tally) {
        let attack = ATTACKS[pick(rng, 0..ATTACKS.len())];
        let due = self.make(attack, rng);
        let got = read_first(&self.frame);
        tally.count(attack, got);
        if Some(got) != due.or(Some(got)) || got != by_the_page(&self.frame) {
            tally.deviate(format!("{attack:?}: {got:?}, due {due:?}: {:02x?}", self.frame));
        }
        if got == Outcome::Decoded {
            compare_known(&self.frame, rng);
        }
    }

    /// Makes a frame. The result is what the way of making it asks for by itself; `None` where only its bytes can tell.
    fn make(&mut self, attack: Attack, rng: &mut SmallRng) -> Option<Outcome> {
        let at = pick(rng, 0..self.golden.len());
        self.frame.clear();
        self.frame.extend_from_slice(&self.golden[at]);
        let frame = &mut self.frame;
        match attack {
            Attack::BitFlip => Some(flip(frame, rng)),
            Attack::BitFlipRepaired => {
                (0..=pick(rng, 0..3)).for_each(|_| flip_bit(frame, rng, FRAME_HEADER_BYTES + 2));
                repair::checksum(frame);
                None
            }
            Attack::FieldExtreme => {
                (0..=pick(rng, 0..3)).for_each(|_| overwrite_field(frame, rng));
                repair::checksum(frame);
                None
            }
            Attack::Truncation => {
                frame.truncate(pick(rng, 0..frame.len()));
                Some(Outcome::Incomplete)
            }
            Attack::FrameLength => Some(state_frame_length(frame, rng)),
            Attack::BlockLength => {
                let own = number(frame, 8, 2);
                frame[8..10].copy_from_slice(&rng.random::<u16>().to_le_bytes());
                repair::checksum(frame);
                (number(frame, 8, 2) != own).then_some(Outcome::MalformedBlockLength)
            }
            Attack::BothLengths => state_both_lengths(frame, rng),
            Attack::UnknownTemplate => {
                let template: u16 = rng.random();
                frame[10..12].copy_from_slice(&template.to_le_bytes());
                repair::checksum(frame);
                TEMPLATES.iter().all(|(known, ..)| *known != template).then_some(Outcome::RefusedTemplate)
            }
            Attack::ForeignSchema => {
                let schema = rng.random::<u16>();
                frame[12..14].copy_from_slice(&schema.to_le_bytes());
                repair::checksum(frame);
                (schema != 20_545).then_some(Outcome::RefusedSchema)
            }
            Attack::Appended => {
                let appended_max = if rng.random_ratio(1, 64) { MESSAGE_BYTES_MADE } else { 64 };
                let length = frame.len() + pick(rng, 1..appended_max);
                frame.resize_with(length, || rng.random());
                repair::frame(frame);
                Some(Outcome::Decoded)
            }
            Attack::Splice => {
                let other = &self.golden[pick(rng, 0..self.golden.len())];
                frame.truncate(pick(rng, 0..frame.len() + 1));
                frame.extend_from_slice(&other[pick(rng, 0..other.len())..]);
                if frame.len() >= 32 && rng.random() {
                    repair::frame(frame);
                }
                None
            }
            Attack::Noise => {
                rng.fill(&mut frame[FRAME_HEADER_BYTES + 24..]);
                repair::checksum(frame);
                None
            }
            Attack::Garbage => {
                frame.resize(pick(rng, 0..300), 0);
                rng.fill(frame.as_mut_slice());
                None
            }
            _ => Some(Outcome::Decoded),
        }
    }

    /// Up to eight frames in a row, one of them perhaps damaged, pushed in pieces: what comes out is what the page reads from
    /// the row as a whole.
    fn send_pieces(&mut self, rng: &mut SmallRng, tally: &mut Tally) {
        let mut row = core::mem::take(&mut self.row);
        row.clear();
        let (frames, damaged) = (pick(rng, 1..9), pick(rng, 0..16));
        for number in 0..frames {
            let attack = if number == damaged { ATTACKS[pick(rng, 0..ATTACKS.len())] } else { Attack::Untouched };
            self.make(attack, rng);
            row.extend_from_slice(&self.frame);
        }
        if !is_read_in_pieces(&row, pick(rng, 1..200), tally) {
            tally.deviate(format!("a row in pieces: {row:02x?}"));
        }
        self.row = row;
    }
}

/// Whether a decoder that gets `row` in pieces hands out what the page reads from it, and stops where the page stops.
fn is_read_in_pieces(row: &[u8], piece_bytes: usize, tally: &mut Tally) -> bool {
    let mut decoder = FrameDecoder::new();
    let mut rest = row;
    let mut stopped = None;
    for piece in row.chunks(piece_bytes) {
        decoder.push(piece);
        loop {
            match decoder.next_bytes() {
                Ok(None) => break,
                Ok(Some(message)) => {
                    let First::Whole { message: due, rest: behind } = first_frame(rest) else { return false };
                    let got = outcome_of_message(message);
                    tally.count(Attack::Pieces, got);
                    if message != due || got != outcome_of_judgement(judge(due)) {
                        return false;
                    }
                    rest = behind;
                }
                Err(error) => {
                    stopped = Some(outcome_of_error(&error));
                    break;
                }
            }
        }
        if stopped.is_some() {
            break;
        }
    }
    let end = stopped.unwrap_or(Outcome::Incomplete);
    if !rest.is_empty() {
        tally.count(Attack::Pieces, end);
    }
    end == by_the_page(rest)
}

/// Flips one to three bits anywhere. A checksum catches any three flips in so short a message, so the outcome is known by the
/// place alone.
fn flip(frame: &mut [u8], rng: &mut SmallRng) -> Outcome {
    let before = [number(frame, 0, 4), number(frame, 8, 2)];
    let mut flipped = [false; 8 * (FRAME_HEADER_BYTES + 2048)];
    for _ in 0..=pick(rng, 0..3) {
        let bit = pick(rng, 0..frame.len() * 8);
        if !core::mem::replace(&mut flipped[bit], true) {
            frame[bit / 8] ^= 1 << (bit % 8);
        }
    }
    let after = [number(frame, 0, 4), number(frame, 8, 2)];
    match after {
        [length, _] if !(24..=65_535).contains(&length) => Outcome::MalformedLength,
        [length, block_length] if length != block_length => Outcome::MalformedBlockLength,
        [length, _] if length > before[0] => Outcome::Incomplete,
        _ => Outcome::MalformedChecksum,
    }
}

fn flip_bit(frame: &mut [u8], rng: &mut SmallRng, from: usize) {
    let bit = pick(rng, from * 8..frame.len() * 8);
    frame[bit / 8] ^= 1 << (bit % 8);
}

/// Overwrites an aligned run of 1 to 32 bytes of the body with an extreme, a limit, its neighbour, or noise.
fn overwrite_field(frame: &mut [u8], rng: &mut SmallRng) {
    let body = &mut frame[FRAME_HEADER_BYTES + 24..];
    if body.is_empty() {
        return;
    }
    let width = (1 << pick(rng, 0..6)).min(body.len());
    let start = pick(rng, 0..body.len() / width) * width;
    let field = &mut body[start..start + width];
    match rng.random_range(0..8_u8) {
        0 => field.fill(0),
        1 => field.fill(0xff),
        2 => {
            field.fill(0xff);
            field[width - 1] = 0x7f;
        }
        3 => {
            field.fill(0);
            field[width - 1] = 0x80;
        }
        4 => field[0] = field[0].wrapping_add(if rng.random() { 1 } else { 0xff }),
        5 => rng.fill(field),
        _ => {
            let limit = LIMITS[pick(rng, 0..LIMITS.len())].to_le_bytes();
            // A number wider than 128 bits goes on with the sign.
            let bytes = limit.into_iter().chain(core::iter::repeat(if limit[15] & 0x80 == 0 { 0 } else { 0xff }));
            field.iter_mut().zip(bytes).for_each(|(byte, limit)| *byte = limit);
        }
    }
}

fn state_frame_length(frame: &mut [u8], rng: &mut SmallRng) -> Outcome {
    let own = u32::try_from(frame.len() - FRAME_HEADER_BYTES).expect("short");
    let length = match rng.random_range(0..4_u8) {
        0 => rng.random(),
        1 => rng.random_range(0..24),
        2 => rng.random_range(24..65_536),
        _ => own.wrapping_add(rng.random_range(1..9)).wrapping_sub(4),
    };
    frame[..4].copy_from_slice(&length.to_le_bytes());
    match length {
        same if same == own => Outcome::Decoded,
        24..=65_535 => Outcome::MalformedBlockLength,
        _ => Outcome::MalformedLength,
    }
}

fn state_both_lengths(frame: &mut [u8], rng: &mut SmallRng) -> Option<Outcome> {
    let own = frame.len() - FRAME_HEADER_BYTES;
    let length = if rng.random() { pick(rng, 24..own + 64) } else { pick(rng, 24..65_536) };
    let stated = u16::try_from(length).expect("below 64 KiB").to_le_bytes();
    frame[..4].copy_from_slice(&[stated[0], stated[1], 0, 0]);
    frame[8..10].copy_from_slice(&stated);
    if length > own {
        return Some(Outcome::Incomplete);
    }
    if rng.random() {
        repair::checksum(&mut frame[..FRAME_HEADER_BYTES + length]);
        let template = number(frame, 10, 2);
        let table = TEMPLATES.iter().find(|(known, ..)| u128::from(*known) == template).map_or(own, |known| known.2);
        return Some(match length {
            whole if whole == own => Outcome::Decoded,
            // All fields are there, and not what they point at behind them.
            cut if cut >= table => Outcome::RefusedField,
            _ => Outcome::RefusedTooShort,
        });
    }
    // The sum of a prefix is that of the whole only by a chance of one in four billion; the page then tells.
    (length == own).then_some(Outcome::Decoded)
}

/// The product's answer to the first frame of `bytes`.
fn read_first(bytes: &[u8]) -> Outcome {
    match frame::split(bytes) {
        Ok(Split::Whole { message, .. }) => outcome_of_message(message),
        Ok(Split::Incomplete { needed }) => {
            let is_bounded = needed > bytes.len() && needed <= FRAME_HEADER_BYTES + frame::MESSAGE_BYTES_MAX;
            assert!(is_bounded, "{needed} bytes asked for with {} there", bytes.len());
            Outcome::Incomplete
        }
        Err(error) => outcome_of_error(&error),
    }
}

/// The page's answer.
fn by_the_page(bytes: &[u8]) -> Outcome {
    match first_frame(bytes) {
        First::Whole { message, .. } => outcome_of_judgement(judge(message)),
        First::CutShort => Outcome::Incomplete,
        First::Malformed(why) => outcome_of_step(why),
    }
}

fn outcome_of_message(message: &[u8]) -> Outcome {
    outcome_of_judgement(judged::judgement(Message::decode(message).err().as_ref()))
}

fn outcome_of_error(error: &DecodeError) -> Outcome {
    outcome_of_step(judged::malformed(error).expect("an error of a frame"))
}

const fn outcome_of_step(why: Malformed) -> Outcome {
    match why {
        Malformed::Length => Outcome::MalformedLength,
        Malformed::BlockLength => Outcome::MalformedBlockLength,
        Malformed::Checksum => Outcome::MalformedChecksum,
    }
}

const fn outcome_of_judgement(judgement: Judgement) -> Outcome {
    match judgement {
        Judgement::Accepted => Outcome::Decoded,
        Judgement::TooShort => Outcome::RefusedTooShort,
        Judgement::Schema => Outcome::RefusedSchema,
        Judgement::Template => Outcome::RefusedTemplate,
        Judgement::Field => Outcome::RefusedField,
    }
}

/// A decoded message is the bytes that were sent; some are used in every way as well.
fn compare_known(frame: &[u8], rng: &mut SmallRng) {
    let sent = &frame[FRAME_HEADER_BYTES..];
    let message = Message::decode(sent).expect("decoded before");
    let known = message.as_bytes();
    assert_eq!(known, &sent[..known.len()]);
    if rng.random_ratio(1, EXERCISE_EVERY) {
        judged::check_message(&sent[..usize::try_from(number(sent, 0, 2)).expect("16 bits")]);
    }
}
