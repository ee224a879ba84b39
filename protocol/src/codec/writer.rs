//! Gathers the bytes of one frame; large pieces that exist already are spliced in, not copied.

use bytes::{BufMut, Bytes, BytesMut};

use super::EncodeError;
use crate::types::TopicId;

/// Below this, copying a piece is cheaper than one more entry in a vectored write.
const SPLICE_BYTES_MIN: usize = 1024;
/// Room for most answers without growing.
const CAPACITY_BYTES: usize = 512;

/// Puts fields at the end of a frame.
///
/// The bytes written one by one lie in one buffer; each spliced piece remembers where in it it belongs.
/// [`Writer::finish`] cuts the buffer there, which copies nothing.
#[derive(Debug)]
pub struct Writer {
    buffer: BytesMut,
    /// (position in `buffer`, the piece that comes there), by position.
    splices: Vec<(usize, Bytes)>,
    spliced_bytes: usize,
}

impl Default for Writer {
    fn default() -> Writer {
        Writer::new()
    }
}

impl Writer {
    /// An empty writer.
    #[must_use]
    pub fn new() -> Writer {
        Writer { buffer: BytesMut::with_capacity(CAPACITY_BYTES), splices: Vec::new(), spliced_bytes: 0 }
    }

    /// Bytes written, the spliced ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len() + self.spliced_bytes
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was written, in order; never empty pieces.
    #[must_use]
    pub fn finish(self) -> Vec<Bytes> {
        let buffer = self.buffer.freeze();
        let mut chunks = Vec::with_capacity(2 * self.splices.len() + 1);
        let mut from = 0;
        for (position, piece) in self.splices {
            if position > from {
                chunks.push(buffer.slice(from..position));
            }
            chunks.push(piece);
            from = position;
        }
        if from < buffer.len() {
            chunks.push(buffer.slice(from..));
        }
        chunks
    }

    /// What was written as one piece; copies if anything was spliced.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        if self.splices.is_empty() {
            return self.buffer.freeze();
        }
        let mut all = BytesMut::with_capacity(self.len());
        for chunk in self.finish() {
            all.extend_from_slice(&chunk);
        }
        all.freeze()
    }

    /// An `int8`.
    #[inline]
    pub fn i8(&mut self, value: i8) {
        self.buffer.put_i8(value);
    }

    /// An `int16`.
    #[inline]
    pub fn i16(&mut self, value: i16) {
        self.buffer.put_i16(value);
    }

    /// An `int32`.
    #[inline]
    pub fn i32(&mut self, value: i32) {
        self.buffer.put_i32(value);
    }

    /// An `int64`.
    #[inline]
    pub fn i64(&mut self, value: i64) {
        self.buffer.put_i64(value);
    }

    /// A `uint16`.
    #[inline]
    pub fn u16(&mut self, value: u16) {
        self.buffer.put_u16(value);
    }

    /// A `uint32`.
    #[inline]
    pub fn u32(&mut self, value: u32) {
        self.buffer.put_u32(value);
    }

    /// A `float64`.
    #[inline]
    pub fn f64(&mut self, value: f64) {
        self.buffer.put_f64(value);
    }

    /// A `bool`.
    #[inline]
    pub fn bool(&mut self, value: bool) {
        self.buffer.put_u8(u8::from(value));
    }

    /// A `uuid`.
    #[inline]
    pub fn uuid(&mut self, value: TopicId) {
        self.buffer.put_slice(&value.0);
    }

    /// Bytes as they are, without a length.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buffer.put_slice(bytes);
    }

    /// An unsigned varint, seven bits a byte, lowest first.
    #[inline]
    pub fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.buffer.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.buffer.put_u8(value as u8);
    }

    /// A string, or null; `flexible` picks the compact form.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] beyond 32767 bytes, in either form: Kafka refuses longer ones too.
    #[inline]
    pub fn string(&mut self, text: Option<&str>, flexible: bool) -> Result<(), EncodeError> {
        let length = text
            .map(|text| i16::try_from(text.len()).map_err(|_| EncodeError::TooLong { length: text.len() }));
        let length = length.transpose()?.unwrap_or(-1);
        if flexible {
            self.uvarint((i32::from(length) + 1) as u32);
        } else {
            self.i16(length);
        }
        self.raw(text.unwrap_or_default().as_bytes());
        Ok(())
    }

    /// Bytes, or null; `flexible` picks the compact form.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`].
    #[inline]
    pub fn bytes(&mut self, bytes: Option<&[u8]>, flexible: bool) -> Result<(), EncodeError> {
        self.length(bytes.map(<[u8]>::len), flexible)?;
        self.raw(bytes.unwrap_or_default());
        Ok(())
    }

    /// The length of bytes or the count of an array, or null; `flexible` picks the compact form.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`].
    #[inline]
    pub fn length(&mut self, length: Option<usize>, flexible: bool) -> Result<(), EncodeError> {
        let length = match length {
            None => -1,
            Some(length) => i32::try_from(length).map_err(|_| EncodeError::TooLong { length })?,
        };
        if flexible {
            self.uvarint(length.wrapping_add(1) as u32);
        } else {
            self.i32(length);
        }
        Ok(())
    }

    /// A piece that exists already, without a length; copied only if it is small.
    pub fn splice(&mut self, piece: Bytes) {
        if piece.len() < SPLICE_BYTES_MIN {
            self.raw(&piece);
        } else {
            self.spliced_bytes += piece.len();
            self.splices.push((self.buffer.len(), piece));
        }
    }

    /// A tagged field: the tag, the size of what `write` writes, and that.
    ///
    /// The size is known only afterwards. It takes one byte nearly always, so one is left for it; a longer
    /// field is moved up, which is cheaper than sizing every message twice.
    ///
    /// # Errors
    /// Those of `write`; [`EncodeError::TooLong`].
    pub fn tagged_field(
        &mut self,
        tag: u32,
        write: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.uvarint(tag);
        let size_at = self.buffer.len();
        self.buffer.put_u8(0);
        let splices = self.splices.len();
        write(self)?;
        debug_assert_eq!(splices, self.splices.len(), "no tagged field has records");
        let value_at = size_at + 1;
        let size = self.buffer.len() - value_at;
        let mut prefix = [0; 5];
        let prefix =
            put_uvarint(&mut prefix, u32::try_from(size).map_err(|_| EncodeError::TooLong { length: size })?);
        let moved = prefix.len() - 1;
        self.buffer.put_bytes(0, moved);
        self.buffer.copy_within(value_at..value_at + size, value_at + moved);
        self.buffer[size_at..size_at + prefix.len()].copy_from_slice(prefix);
        Ok(())
    }

    /// Replaces four bytes written earlier, before anything was spliced.
    pub(crate) fn set_i32(&mut self, position: usize, value: i32) {
        self.buffer[position..position + 4].copy_from_slice(&value.to_be_bytes());
    }
}

/// Writes `value` to the front of `room` and returns what it took.
fn put_uvarint(room: &mut [u8; 5], mut value: u32) -> &[u8] {
    let mut size = 0;
    while value >= 0x80 {
        room[size] = value as u8 | 0x80;
        value >>= 7;
        size += 1;
    }
    room[size] = value as u8;
    &room[..=size]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_spliced_in_place() {
        let large = Bytes::from(vec![7; SPLICE_BYTES_MIN]);
        let mut writer = Writer::new();
        writer.i16(1);
        writer.splice(large.clone());
        writer.splice(large.clone());
        writer.i8(2);
        writer.splice(Bytes::from_static(b"small"));
        assert_eq!(writer.len(), 2 + 2 * SPLICE_BYTES_MIN + 6);
        let chunks = writer.finish();
        assert_eq!(
            chunks,
            [Bytes::from_static(&[0, 1]), large.clone(), large.clone(), Bytes::from_static(b"\x02small")]
        );
        assert_eq!(chunks[1].as_ptr(), large.as_ptr(), "not copied");
    }

    #[test]
    fn tagged_fields_of_every_size() {
        for size in [0, 1, 127, 128, 16_383, 16_384] {
            let value = vec![9; size];
            let mut writer = Writer::new();
            writer
                .tagged_field(3, |writer| {
                    writer.raw(&value);
                    Ok(())
                })
                .expect("fits");
            let mut expected = Writer::new();
            expected.uvarint(3);
            expected.uvarint(size as u32);
            expected.raw(&value);
            assert_eq!(writer.into_bytes(), expected.into_bytes(), "{size}");
        }
    }

    #[test]
    fn what_no_length_can_say_is_refused() {
        let text = "a".repeat(32_768);
        for flexible in [false, true] {
            assert_eq!(
                Writer::new().string(Some(&text), flexible),
                Err(EncodeError::TooLong { length: 32_768 })
            );
        }
    }
}
