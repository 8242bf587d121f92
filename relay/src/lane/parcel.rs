//! What a lane hands over at once: whole frames.
//!
//! Those of a small event travel in the lane's own lines, a block of one or two changes among them, which saves the reader a fetch of
//! them and both sides a shared count. More than that lies where all lanes share it.

use core::ops::Deref;

use bytes::Bytes;

use super::lines::WORDS;

/// Most lines of frames that travel in them: 320 bytes, a block with its end and one swap.
const SMALL_LINES_MAX: usize = 6;
/// Before the bytes: their number, and the mark.
const HEAD_WORDS: usize = 2;
const WORD_BYTES: usize = size_of::<u64>();
/// Most bytes that travel in lines.
pub(super) const SMALL_BYTES_MAX: usize = (SMALL_LINES_MAX * WORDS - HEAD_WORDS) * WORD_BYTES;
/// In place of the number of bytes: they are handed over beside the lines.
const BESIDE: u64 = u64::MAX;

/// Whole frames.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation for each event")]
pub(crate) enum Parcel {
    /// Those that all lanes share.
    Shared(Bytes),
    /// A copy of few.
    Small(Small),
}

/// At most [`SMALL_BYTES_MAX`] bytes.
#[derive(Debug)]
pub(crate) struct Small {
    words: [[u8; WORD_BYTES]; SMALL_LINES_MAX * WORDS - HEAD_WORDS],
    length: usize,
}

impl Default for Parcel {
    fn default() -> Self {
        Self::Shared(Bytes::new())
    }
}

impl Deref for Parcel {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Shared(frames) => frames,
            Self::Small(small) => &small.words.as_flattened()[..small.length],
        }
    }
}

/// How a parcel of so many bytes is handed over: its lines, and whether its bytes go beside them.
pub(super) const fn shape(bytes: usize) -> (usize, bool) {
    if bytes > SMALL_BYTES_MAX { (1, true) } else { (small_lines(bytes), false) }
}

const fn small_lines(bytes: usize) -> usize {
    (HEAD_WORDS + bytes.div_ceil(WORD_BYTES)).div_ceil(WORDS)
}

/// The lines of a parcel, and how many of them count.
pub(super) fn to_lines(frames: &[u8], mark: u64) -> ([[u64; WORDS]; SMALL_LINES_MAX], usize) {
    let mut lines = [[0; WORDS]; SMALL_LINES_MAX];
    let words = lines.as_flattened_mut();
    words[1] = mark;
    let (count, is_beside) = shape(frames.len());
    if is_beside {
        words[0] = BESIDE;
        return (lines, count);
    }
    words[0] = frames.len() as u64;
    let (whole, rest) = frames.as_chunks::<WORD_BYTES>();
    let (whole_words, rest_words) = words[HEAD_WORDS..].split_at_mut(whole.len());
    for (word, bytes) in whole_words.iter_mut().zip(whole) {
        *word = u64::from_le_bytes(*bytes);
    }
    if let (Some(word), false) = (rest_words.first_mut(), rest.is_empty()) {
        let mut bytes = [0; WORD_BYTES];
        bytes[..rest.len()].copy_from_slice(rest);
        *word = u64::from_le_bytes(bytes);
    }
    (lines, count)
}

/// A parcel's first line, read.
pub(super) struct Head {
    pub(super) mark: u64,
    /// Its bytes, if they travel in lines.
    length: Option<usize>,
    words: [u64; WORDS],
}

impl Head {
    pub(super) fn read(words: [u64; WORDS]) -> Self {
        let in_lines = |bytes: u64| usize::try_from(bytes).ok().filter(|bytes| *bytes <= SMALL_BYTES_MAX);
        let length = (words[0] != BESIDE).then(|| in_lines(words[0]).expect("the writer's end wrote it"));
        Self { mark: words[1], length, words }
    }

    /// The frames; `rest` gives the lines behind the first, and `beside` what was handed over beside them.
    pub(super) fn into_parcel(self, rest: impl FnMut() -> [u64; WORDS], beside: impl FnOnce() -> Bytes) -> Parcel {
        let Some(length) = self.length else { return Parcel::Shared(beside()) };
        let mut words = [[0; WORD_BYTES]; SMALL_LINES_MAX * WORDS - HEAD_WORDS];
        let lines = core::iter::once(self.words).chain(core::iter::repeat_with(rest)).take(small_lines(length));
        for (word, value) in words.iter_mut().zip(lines.flatten().skip(HEAD_WORDS)) {
            *word = value.to_le_bytes();
        }
        Parcel::Small(Small { words, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_come_out_as_they_went_in() {
        for length in 0..=400 {
            let frames: Vec<u8> = (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap_or_default()).collect();
            let (lines, count) = to_lines(&frames, 5);
            assert_eq!((count, length > SMALL_BYTES_MAX), shape(length), "{length} bytes");
            let mut lines = lines[..count].iter().copied();
            let head = Head::read(lines.next().unwrap_or_default());
            assert_eq!(head.mark, 5);
            let parcel = head.into_parcel(|| lines.next().unwrap_or_default(), || Bytes::copy_from_slice(&frames));
            assert_eq!(&*parcel, frames, "{length} bytes");
            assert_eq!(lines.next(), None, "{length} bytes");
        }
    }
}
