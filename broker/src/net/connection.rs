//! One connection: reads frames, starts their handlers in order, writes the answers in the same order.
//!
//! Requests of one connection may be served side by side (a long-polling Fetch does not hold up the
//! Metadata behind it), but each handler runs up to its first wait before the next frame is looked
//! at, so pipelined produces append in the order they were sent, and answers leave strictly in
//! request order, as every client expects.
//!
//! # Bounds
//! At most [`IN_FLIGHT_MAX`] requests are under way; then reading stops and TCP holds the client
//! back. While answers wait for a slow reader nothing is read either, so one connection holds at
//! most its unsent answers (whose records are borrowed from the log's map) and one partial frame.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use protocol::frame::FrameError;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::frames::Frames;
use crate::handlers::{CallError, ConnectionInfo, Cx, Outcome, Pending, start};

/// Requests of one connection that may be under way at once.
const IN_FLIGHT_MAX: usize = 256;
/// Buffers handed to one `writev`; Linux takes up to 1,024.
const SLICES_MAX: usize = 64;
/// After the stop signal, how long answers under way may take to leave.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The peer closed between frames.
    #[error("closed by the peer")]
    ByPeer,
    /// The peer closed within a frame.
    #[error("closed by the peer in the middle of a request")]
    MidFrame,
    /// Nothing arrived and nothing was under way for `connections.max.idle.ms`.
    #[error("idle for longer than connections.max.idle.ms")]
    Idle,
    /// The broker stops.
    #[error("the broker is stopping")]
    Stopping,
    /// The stream cannot be cut into frames any more.
    #[error("bad frame: {0}")]
    Frame(#[from] FrameError),
    /// A frame is no request we serve.
    #[error("bad request: {0}")]
    Call(#[from] CallError),
    /// A handler gave up on the connection (a failed produce with acks=0, say).
    #[error("request refused: {0}")]
    Refused(String),
    /// The socket failed.
    #[error("socket: {0}")]
    Io(#[from] io::Error),
}

impl Ended {
    /// Whether this is how connections normally end.
    pub(super) fn is_ordinary(&self) -> bool {
        matches!(self, Self::ByPeer | Self::Idle | Self::Stopping)
            || matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::ConnectionReset
                || error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// What limits a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// `socket.request.max.bytes`.
    pub(super) frame_bytes_max: usize,
    /// `connections.max.idle.ms`.
    pub(super) idle_max: Duration,
}

/// One client's connection over any byte stream.
pub(super) struct Connection<S> {
    stream: S,
    cx: Arc<Cx>,
    info: Arc<ConnectionInfo>,
    limits: Limits,
    frames: Frames,
    under_way: FuturesOrdered<Pending>,
    unsent: Vec<Bytes>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S, cx: Arc<Cx>, info: ConnectionInfo, limits: Limits) -> Self {
        Self {
            stream,
            cx,
            info: Arc::new(info),
            limits,
            frames: Frames::new(limits.frame_bytes_max),
            under_way: FuturesOrdered::new(),
            unsent: Vec::new(),
        }
    }

    /// Serves until the peer leaves, misbehaves, idles too long, or the broker stops.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Ended {
        let ended = match self.serve(&stop).await {
            Ok(never) => match never {},
            Err(ended) => ended,
        };
        // Requests before the bad one, and those that were under way at the stop, get their answers.
        if !matches!(ended, Ended::Io(_) | Ended::Refused(_)) {
            let _ = tokio::time::timeout(STOP_PATIENCE, self.answer_the_rest()).await;
        }
        let _ = tokio::time::timeout(STOP_PATIENCE, self.stream.shutdown()).await;
        ended
    }

    async fn serve(&mut self, stop: &CancellationToken) -> Result<std::convert::Infallible, Ended> {
        loop {
            self.start_whole_frames().await?;
            self.send().await?;
            let idle = tokio::time::sleep(self.limits.idle_max);
            // Each branch is cancellation-safe: `next` leaves the queue whole, `read_buf` either
            // read or did not.
            tokio::select! {
                biased;
                Some(outcome) = self.under_way.next() => self.take(outcome)?,
                read = self.stream.read_buf(self.frames.space()), if self.under_way.len() < IN_FLIGHT_MAX => {
                    if read? == 0 {
                        return Err(if self.frames.is_mid_frame() { Ended::MidFrame } else { Ended::ByPeer });
                    }
                }
                () = stop.cancelled() => return Err(Ended::Stopping),
                () = idle, if self.under_way.is_empty() => return Err(Ended::Idle),
            }
        }
    }

    /// Starts the handler of every whole frame that is buffered, up to the limit under way.
    async fn start_whole_frames(&mut self) -> Result<(), Ended> {
        while self.under_way.len() < IN_FLIGHT_MAX {
            let Some(frame) = self.frames.next()? else { break };
            let mut pending = start(&self.cx, &self.info, frame)?;
            // Most handlers never wait: they are polled once, here, and their answer is at hand.
            match poll_once(&mut pending).await {
                Poll::Ready(outcome) if self.under_way.is_empty() => self.take(outcome)?,
                Poll::Ready(outcome) => self.under_way.push_back(Box::pin(std::future::ready(outcome))),
                Poll::Pending => self.under_way.push_back(pending),
            }
            if self.unsent.len() >= SLICES_MAX {
                self.send().await?;
            }
        }
        Ok(())
    }

    fn take(&mut self, outcome: Outcome) -> Result<(), Ended> {
        match outcome {
            Outcome::Answer(chunks) => self.unsent.extend(chunks),
            Outcome::Silent => {}
            Outcome::Close(why) => return Err(Ended::Refused(why)),
            Outcome::Malformed(error) => return Err(Ended::Call(error)),
        }
        Ok(())
    }

    async fn answer_the_rest(&mut self) -> Result<(), Ended> {
        self.send().await?;
        while let Some(outcome) = self.under_way.next().await {
            self.take(outcome)?;
            self.send().await?;
        }
        Ok(())
    }

    /// Writes all unsent answers by vectored writes; records go out of the log's map uncopied.
    async fn send(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        write_all_vectored(&mut self.stream, &mut self.unsent).await?;
        self.unsent.clear();
        Ok(())
    }
}

/// Polls `pending` once, with this task's waker.
fn poll_once(pending: &mut Pending) -> impl Future<Output = Poll<Outcome>> + '_ {
    std::future::poll_fn(|context: &mut Context<'_>| Poll::Ready(Pin::as_mut(pending).poll(context)))
}

/// Writes every byte of `chunks`, which are consumed from the front as they leave.
async fn write_all_vectored<S: AsyncWrite + Unpin>(stream: &mut S, chunks: &mut [Bytes]) -> io::Result<()> {
    let mut first = 0;
    while first < chunks.len() {
        let mut slices = [io::IoSlice::new(&[]); SLICES_MAX];
        let count = slices.len().min(chunks.len() - first);
        for (slice, chunk) in slices.iter_mut().zip(&chunks[first..]) {
            *slice = io::IoSlice::new(chunk);
        }
        let total: usize = chunks[first..first + count].iter().map(Bytes::len).sum();
        let mut written = match total {
            0 => 0,
            _ => stream.write_vectored(&slices[..count]).await?,
        };
        if written == 0 && total > 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while first < chunks.len() && written >= chunks[first].len() {
            written -= chunks[first].len();
            first += 1;
        }
        if written > 0 {
            bytes::Buf::advance(&mut chunks[first], written);
        }
    }
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn chunks_of_any_number_and_size_leave_whole_and_in_order() {
        for (count, size) in [(1, 10), (3, 0), (200, 7), (5, 100_000)] {
            let chunks: Vec<Bytes> = (0..count).map(|i| Bytes::from(vec![i as u8; size])).collect();
            let expected = chunks.concat();
            let (mut near, mut far) = tokio::io::duplex(1000);
            let writer = tokio::spawn(async move {
                let mut chunks = chunks;
                write_all_vectored(&mut near, &mut chunks).await.expect("the reader lives");
            });
            let mut read = Vec::new();
            far.read_to_end(&mut read).await.expect("the writer lives");
            writer.await.expect("no panic");
            assert_eq!(read, expected, "{count} chunks of {size}");
        }
    }
}
