//! One connection's bytes: in with little of our memory, out with deadlines.

use core::time::Duration;
use std::io;
use std::time::Instant;

use alphapulse_protocol::frame::{self, FrameDecoder};
use alphapulse_protocol::message::{AdminReply, Close, CloseReason, Message};
use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::HANDSHAKE;
use super::connection::Rehome;
use crate::lane::{Ending, LaneReader};
use crate::metrics::Metrics;
use crate::pace::Pace;
use crate::roster::Entry;
use crate::side::{REPORT_BYTES_MAX, SidePublisher};

/// Time for a write to be taken. A peer that takes nothing for so long is gone, or wants to hold our memory.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);
/// Bytes of a peer that are kept while its greeting is not whole.
const INBOUND_BYTES_MAX: usize = 4096;
/// Bytes of one read.
const READ_BYTES: usize = 512;
/// Frames are gathered into writes of about this size.
pub(crate) const WRITE_BYTES: usize = 64 * 1024;
/// Messages that are taken of a publisher in a second, and at once after a rest.
const PUBLISHED: (u32, u32) = (1_000, 1_000);

/// One connection.
pub(super) struct Peer<S> {
    stream: S,
    inbound: FrameDecoder,
    /// Empty and without memory until there is something to say.
    pub(super) out: Vec<u8>,
    /// Whether a write has begun and not ended: what follows would not be understood.
    is_torn: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, inbound: FrameDecoder::new(), out: Vec::new(), is_torn: false }
    }

    /// Lets the runtime of the caller wait for it from now on.
    pub(super) fn rehome(&mut self) -> io::Result<()>
    where
        S: Rehome,
    {
        self.stream.rehome()
    }

    /// Whether the peer has said more than was read.
    pub(super) fn has_said_more(&self) -> bool {
        self.inbound.pending_bytes() > 0
    }

    /// The peer's next message. It is given little of our memory for it.
    pub(super) async fn read_message(&mut self) -> Result<Message<'_>, Option<CloseReason>> {
        self.read_whole(INBOUND_BYTES_MAX).await?;
        match self.inbound.next_message() {
            Ok(Some(message)) => Ok(message),
            Ok(None) | Err(_) => Err(Some(CloseReason::Malformed)),
        }
    }

    /// Reads until a whole frame is there; at most about `bytes_max` are kept for it.
    async fn read_whole(&mut self, bytes_max: usize) -> Result<(), Option<CloseReason>> {
        loop {
            match self.inbound.has_whole() {
                Ok(true) => return Ok(()),
                Ok(false) if self.inbound.pending_bytes() < bytes_max => {}
                Ok(false) | Err(_) => return Err(Some(CloseReason::Malformed)),
            }
            let mut bytes = [0; READ_BYTES];
            match self.stream.read(&mut bytes).await {
                Ok(0) | Err(_) => return Err(None),
                Ok(count) => self.inbound.push(&bytes[..count]),
            }
        }
    }

    /// Hands on what a publisher sends, until it says what it may not or leaves. The result is the reason to state, if any.
    pub(super) async fn take_sides(&mut self, sides: &SidePublisher, entry: &Entry) -> Option<CloseReason> {
        let mut pace = Pace::new(PUBLISHED.0, PUBLISHED.1);
        loop {
            // Whoever sends too fast is not read: its own writes wait.
            pace.take().await;
            if let Err(reason) = self.read_whole(frame::FRAME_HEADER_BYTES + REPORT_BYTES_MAX).await {
                return reason;
            }
            let Ok(Some(message)) = self.inbound.next_bytes() else { return Some(CloseReason::Malformed) };
            // What only the relay's own sources say is not a peer's to say.
            let is_report = message.len() <= REPORT_BYTES_MAX && Message::decode(message).is_ok_and(|m| m.is_report());
            if !is_report {
                return Some(CloseReason::Malformed);
            }
            entry.published.add(1);
            if !sides.publish(message.to_vec()) {
                entry.side_dropped.add(1);
            }
        }
    }

    /// Passes on what the lane gives until one side ends. The result is the reason to state, if any.
    pub(super) async fn stream_lane(&mut self, mut lane: LaneReader, metrics: &Metrics) -> Option<CloseReason> {
        self.out.reserve(WRITE_BYTES);
        loop {
            let taken_at = Instant::now();
            if let Some(ending) = self.gather(&mut lane).await.ok()? {
                return match ending {
                    Ending::Closed(reason) => Some(reason),
                    Ending::Disconnected | Ending::Malformed(_) => None,
                };
            }
            if !self.out.is_empty() {
                self.write_out().await.ok()?;
                metrics.stages.write.record(taken_at, Instant::now());
                continue;
            }
            let mut byte = [0];
            tokio::select! {
                () = lane.readable() => {}
                read = self.stream.read(&mut byte) => return match read {
                    Ok(0) | Err(_) => None,
                    Ok(_) => Some(CloseReason::Malformed),
                },
            }
        }
    }

    /// Moves what the lane holds to the next write; an ending only once all before it was written. What is large, as a
    /// snapshot is, is written from where it lies: all who get it share it.
    async fn gather(&mut self, lane: &mut LaneReader) -> io::Result<Option<Ending>> {
        while self.out.len() < WRITE_BYTES {
            match lane.pop() {
                Some(frames) if frames.len() < WRITE_BYTES => self.out.extend_from_slice(&frames),
                Some(frames) => {
                    self.write_out().await?;
                    self.is_torn = true;
                    write_all(&mut self.stream, &frames).await?;
                    self.is_torn = false;
                }
                None => break,
            }
        }
        Ok(if self.out.is_empty() { lane.ended() } else { None })
    }

    pub(super) async fn write_out(&mut self) -> io::Result<()> {
        self.is_torn = !self.out.is_empty();
        let result = write_all(&mut self.stream, &self.out).await;
        self.is_torn = result.is_err();
        self.out.clear();
        result
    }

    /// Says why the connection ends, if the peer still takes it.
    pub(super) async fn take_leave(&mut self, reason: CloseReason) {
        let _ = timeout(HANDSHAKE, self.say_farewell(reason)).await;
    }

    /// The same without waiting: its place is needed now.
    pub(super) fn be_gone(mut self, reason: CloseReason) {
        let _ = self.say_farewell(reason).now_or_never();
    }

    /// Gives an administrator his answers. He may have left without them.
    pub(super) async fn answer(&mut self, replies: &[AdminReply]) {
        replies.iter().for_each(|reply| frame::write(&mut self.out, reply));
        if self.write_out().await.is_ok() {
            let _ = timeout(HANDSHAKE, self.stream.shutdown()).await;
        }
    }

    async fn say_farewell(&mut self, reason: CloseReason) -> io::Result<()> {
        if self.is_torn {
            return self.stream.shutdown().await;
        }
        let mut farewell = Vec::new();
        frame::write(&mut farewell, &Close::new(reason));
        self.stream.write_all(&farewell).await?;
        self.stream.shutdown().await
    }
}

/// Writes with a deadline that starts anew whenever the peer takes something: a large snapshot over a slow line is fine,
/// a peer that takes nothing is not.
async fn write_all<S: AsyncWrite + Unpin>(stream: &mut S, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = timeout(WRITE_DEADLINE, stream.write(bytes)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
    }
    // A stream that encrypts may hold back what it took.
    timeout(WRITE_DEADLINE, stream.flush()).await.map_err(|_| io::ErrorKind::TimedOut)?
}
