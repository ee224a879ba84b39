//! Cuts a byte stream into frames: `size: i32`, then `size` bytes.
//!
//! No length is trusted: memory grows with the bytes that arrived, never with the bytes promised,
//! except for a first reservation of at most [`RESERVE_BYTES_MAX`].

use bytes::{Buf, Bytes, BytesMut};
use protocol::frame::{FrameError, LENGTH_BYTES, frame_size};

/// What one read asks for when no large frame is under way.
const READ_BYTES: usize = 16 << 10;
/// Room still worth reading into while handlers that wait hold frames, and with them the buffer. If a whole
/// [`READ_BYTES`] had to be free, every request behind one that waits would take a new buffer.
const ROOM_BYTES_MIN: usize = 4 << 10;
/// The most that is reserved on the word of a length prefix alone. The allocator hands out memory it has touched, so
/// a reservation is not free: with 2 MiB, a hundred peers that promised much and sent little cost 110 MB.
const RESERVE_BYTES_MAX: usize = 128 << 10;
/// A buffer that grew past this is dropped once it is empty, so that one large request does not
/// stay with an idle connection for ever.
const KEEP_BYTES_MAX: usize = 4 << 20;

/// The bytes of one connection that are not yet a whole frame.
#[derive(Debug)]
pub(super) struct Frames {
    buffer: BytesMut,
    frame_bytes_max: usize,
}

impl Frames {
    pub(super) fn new(frame_bytes_max: usize) -> Self {
        Self { buffer: BytesMut::new(), frame_bytes_max }
    }

    /// The next whole frame without its length prefix, `None` if more bytes are needed.
    ///
    /// # Errors
    /// [`FrameError`] if the length is zero, negative or above the limit; the stream cannot be
    /// followed any further then.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, FrameError> {
        match self.size()? {
            Some(size) if self.buffer.len() >= LENGTH_BYTES + size => {
                self.buffer.advance(LENGTH_BYTES);
                Ok(Some(self.buffer.split_to(size).freeze()))
            }
            _ => Ok(None),
        }
    }

    /// The size of the frame at the front, once its length prefix is there.
    fn size(&self) -> Result<Option<usize>, FrameError> {
        frame_size(&self.buffer, self.frame_bytes_max)
    }

    /// Where the next read puts its bytes: room for the rest of the frame under way, within reason.
    pub(super) fn space(&mut self) -> &mut BytesMut {
        if self.buffer.is_empty() && self.buffer.capacity() > KEEP_BYTES_MAX {
            self.buffer = BytesMut::new();
        }
        let room = self.buffer.capacity() - self.buffer.len();
        let (wanted, enough) = match self.size() {
            Ok(Some(size)) => {
                let rest = (LENGTH_BYTES + size).saturating_sub(self.buffer.len());
                (rest, room >= READ_BYTES.min(rest.max(1)))
            }
            // What no frame holds any more is to be had for nothing.
            _ => (
                READ_BYTES,
                room >= READ_BYTES || self.buffer.try_reclaim(READ_BYTES) || room >= ROOM_BYTES_MIN,
            ),
        };
        if !enough {
            // At most doubles what has really arrived.
            let limit = RESERVE_BYTES_MAX.max(self.buffer.len());
            self.buffer.reserve(wanted.clamp(READ_BYTES, limit));
        }
        &mut self.buffer
    }

    /// Whether bytes of an unfinished frame are held.
    pub(super) fn is_mid_frame(&self) -> bool {
        !self.buffer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(frames: &mut Frames, bytes: &[u8]) {
        frames.space();
        frames.buffer.extend_from_slice(bytes);
    }

    #[test]
    fn frames_are_cut_wherever_the_reads_end() {
        let stream = b"\0\0\0\x03abc\0\0\0\x01d\0\0\0\x02ef";
        for cut in 0..stream.len() {
            let mut frames = Frames::new(100);
            let mut seen = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                feed(&mut frames, part);
                while let Some(frame) = frames.next().expect("lengths are good") {
                    seen.push(frame);
                }
            }
            assert_eq!(seen, [&b"abc"[..], b"d", b"ef"], "cut at {cut}");
            assert!(!frames.is_mid_frame());
        }
    }

    #[test]
    fn frames_that_are_held_share_a_buffer() {
        let mut frames = Frames::new(100);
        let held: Vec<Bytes> = (0..100)
            .map(|_| {
                feed(&mut frames, b"\0\0\0\x64");
                feed(&mut frames, &[7; 100]);
                frames.next().expect("the length is good").expect("it is whole")
            })
            .collect();
        let step = LENGTH_BYTES + 100;
        assert!(held.windows(2).all(|pair| pair[0].as_ptr() as usize + step == pair[1].as_ptr() as usize));
    }

    #[test]
    fn bad_lengths_are_refused_before_their_bytes_arrive() {
        for size in [0_i32, -1, i32::MIN, 101, i32::MAX] {
            let mut frames = Frames::new(100);
            feed(&mut frames, &size.to_be_bytes());
            assert!(frames.next().is_err(), "{size}");
        }
    }

    #[test]
    fn a_promised_length_reserves_a_bounded_amount() {
        let mut frames = Frames::new(100 << 20);
        feed(&mut frames, &(100_i32 << 20).to_be_bytes());
        assert_eq!(frames.next().expect("allowed"), None);
        assert!(frames.space().capacity() <= 2 * RESERVE_BYTES_MAX);
    }
}
