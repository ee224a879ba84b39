//! Bounded, borrowing reads from one frame.

use bytes::Bytes;

use super::DecodeError;
use crate::types::TopicId;

/// Memory that the arrays of any frame may take, whatever its size.
const ARRAYS_BYTES_BASE: usize = 1 << 20;
/// Memory that arrays may take for each byte of the frame, beyond [`ARRAYS_BYTES_BASE`].
const ARRAYS_BYTES_PER_BYTE: usize = 4;

/// Takes fields off the front of a frame.
///
/// Strings and bytes are borrowed. No length is trusted: a claim beyond the remaining bytes is an error
/// before anything is allocated, and the arrays of one frame together may take at most 1 MiB and four
/// times the frame's size, so no frame costs more memory than a small multiple of what was sent for it.
/// (Without that second bound, 100 MiB of empty topics would become gigabytes of empty structs.)
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// Address of the frame's first byte, to tell positions in errors.
    start: usize,
    /// Bytes that arrays may still take.
    arrays_bytes_left: usize,
    shared: Option<&'a Bytes>,
}

impl<'a> Reader<'a> {
    /// Reads from the start of `frame`.
    #[must_use]
    pub fn new(frame: &'a [u8]) -> Reader<'a> {
        Reader {
            rest: frame,
            start: frame.as_ptr() as usize,
            arrays_bytes_left: ARRAYS_BYTES_BASE + ARRAYS_BYTES_PER_BYTE * frame.len(),
            shared: None,
        }
    }

    /// Reads from the start of `frame`; fetched records then share it instead of being copied.
    #[must_use]
    pub fn shared(frame: &'a Bytes) -> Reader<'a> {
        Reader { shared: Some(frame), ..Reader::new(frame) }
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn position(&self) -> usize {
        self.rest.as_ptr() as usize - self.start
    }

    /// How many bytes have not been taken yet.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// What has not been taken yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes `size` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if fewer remain.
    #[inline]
    pub fn take(&mut self, size: usize) -> Result<&'a [u8], DecodeError> {
        match self.rest.split_at_checked(size) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.truncated(size)),
        }
    }

    /// Takes `N` bytes as an array.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if fewer remain.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.rest.split_first_chunk() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(self.truncated(N)),
        }
    }

    /// An `int8`.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        self.array().map(i8::from_be_bytes)
    }

    /// An `int16`.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        self.array().map(i16::from_be_bytes)
    }

    /// An `int32`.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        self.array().map(i32::from_be_bytes)
    }

    /// An `int64`.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_be_bytes)
    }

    /// A `uint16`.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    /// A `uint32`.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A `float64`.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        self.array().map(f64::from_be_bytes)
    }

    /// A `bool`: any byte but 0 is true, as Kafka reads it.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        self.i8().map(|byte| byte != 0)
    }

    /// A `uuid`.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn uuid(&mut self) -> Result<TopicId, DecodeError> {
        self.array().map(TopicId)
    }

    /// An unsigned varint of at most 32 bits, seven bits a byte, lowest first.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], [`DecodeError::VarintTooLong`].
    #[inline]
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::VarintTooLong { at: self.position() })
    }

    /// A string, or null; `flexible` picks the compact form.
    ///
    /// # Errors
    /// As [`Reader::take`]; [`DecodeError::NegativeLength`], [`DecodeError::InvalidUtf8`].
    #[inline]
    pub fn string(&mut self, flexible: bool) -> Result<Option<&'a str>, DecodeError> {
        let length = if flexible { self.compact_length()? } else { i32::from(self.i16()?) };
        let Some(bytes) = self.nullable(length)? else { return Ok(None) };
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(DecodeError::InvalidUtf8 { at: self.position() }),
        }
    }

    /// Bytes, or null; `flexible` picks the compact form.
    ///
    /// # Errors
    /// As [`Reader::take`]; [`DecodeError::NegativeLength`].
    #[inline]
    pub fn bytes(&mut self, flexible: bool) -> Result<Option<&'a [u8]>, DecodeError> {
        let length = if flexible { self.compact_length()? } else { self.i32()? };
        self.nullable(length)
    }

    /// Like [`Reader::bytes`], sharing the frame if it was given as [`Bytes`], else copied.
    ///
    /// # Errors
    /// As [`Reader::bytes`].
    pub fn shared_bytes(&mut self, flexible: bool) -> Result<Option<Bytes>, DecodeError> {
        let bytes = self.bytes(flexible)?;
        Ok(bytes.map(|bytes| match self.shared {
            Some(frame) => frame.slice_ref(bytes),
            None => Bytes::copy_from_slice(bytes),
        }))
    }

    /// The number of elements of an array, or null; `flexible` picks the compact form.
    ///
    /// `wire_bytes_min` is the least an element takes in the frame, `memory_bytes` what it takes in memory.
    /// A count returned may be allocated for.
    ///
    /// # Errors
    /// [`DecodeError::TooManyElements`], [`DecodeError::TooMuchMemory`], [`DecodeError::NegativeLength`], and
    /// those of the length itself.
    #[inline]
    pub fn array_count(
        &mut self,
        flexible: bool,
        wire_bytes_min: usize,
        memory_bytes: usize,
    ) -> Result<Option<usize>, DecodeError> {
        let length = if flexible { self.compact_length()? } else { self.i32()? };
        let Ok(count) = usize::try_from(length) else { return self.null(length) };
        let remaining = self.rest.len();
        if count > remaining / wire_bytes_min.max(1) {
            return Err(DecodeError::TooManyElements { at: self.position(), count, remaining });
        }
        match self.arrays_bytes_left.checked_sub(count.saturating_mul(memory_bytes)) {
            Some(left) => self.arrays_bytes_left = left,
            None => return Err(DecodeError::TooMuchMemory { at: self.position() }),
        }
        Ok(Some(count))
    }

    /// A section of tagged fields. `read` is called with each tag and this reader held to the field's
    /// bytes; it returns whether it knows the tag, and must have read all of them if it does.
    ///
    /// # Errors
    /// [`DecodeError::TagOrder`], [`DecodeError::TagSize`], and those of `read`.
    #[inline]
    pub fn tagged_fields(
        &mut self,
        mut read: impl FnMut(&mut Reader<'a>, u32) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        let count = self.uvarint()?;
        let mut lowest = 0;
        for _ in 0..count {
            let at = self.position();
            let tag = self.uvarint()?;
            if u64::from(tag) < lowest {
                return Err(DecodeError::TagOrder { at, tag });
            }
            lowest = u64::from(tag) + 1;
            let size = self.uvarint()? as usize;
            let Some((value, rest)) = self.rest.split_at_checked(size) else {
                return Err(self.truncated(size));
            };
            self.rest = value;
            if read(self, tag)? && !self.rest.is_empty() {
                return Err(DecodeError::TagSize { at: self.position(), tag, left: self.rest.len() });
            }
            self.rest = rest;
        }
        Ok(())
    }

    /// A compact length: one more than the length, so that 0 is null; as -1 here.
    #[inline]
    fn compact_length(&mut self) -> Result<i32, DecodeError> {
        let plus_one = self.uvarint()?;
        i32::try_from(i64::from(plus_one) - 1).map_err(|_| self.truncated(plus_one as usize))
    }

    #[inline]
    fn nullable(&mut self, length: i32) -> Result<Option<&'a [u8]>, DecodeError> {
        match usize::try_from(length) {
            Ok(size) => self.take(size).map(Some),
            Err(_) => self.null(length),
        }
    }

    fn null<T>(&self, length: i32) -> Result<Option<T>, DecodeError> {
        if length == -1 { Ok(None) } else { Err(DecodeError::NegativeLength { at: self.position(), length }) }
    }

    #[cold]
    fn truncated(&self, needed: usize) -> DecodeError {
        DecodeError::Truncated { at: self.position(), needed, remaining: self.rest.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints() {
        let cases: &[(&[u8], Option<u32>)] = &[
            (&[0], Some(0)),
            (&[0x7f], Some(127)),
            (&[0x80, 1], Some(128)),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f], Some(u32::MAX)),
            (&[0xff, 0xff, 0xff, 0xff, 0x1f], None),
            (&[0x80, 0x80, 0x80, 0x80, 0x80, 0], None),
            (&[0x80], None),
            (&[], None),
        ];
        for (bytes, value) in cases {
            assert_eq!(Reader::new(bytes).uvarint().ok(), *value, "{bytes:?}");
        }
    }

    #[test]
    fn lengths_are_never_trusted() {
        let huge = [0x7f, 0xff, 0xff, 0xff, 0];
        assert!(matches!(Reader::new(&huge).bytes(false), Err(DecodeError::Truncated { .. })));
        let counted = Reader::new(&huge).array_count(false, 0, 8);
        assert!(matches!(counted, Err(DecodeError::TooManyElements { count: 0x7fff_ffff, .. })));
        let negative = [0xff, 0xff, 0xff, 0xfe];
        assert!(matches!(Reader::new(&negative).bytes(false), Err(DecodeError::NegativeLength { .. })));
        let compact = [0xff, 0xff, 0xff, 0xff, 0x0f];
        assert!(matches!(Reader::new(&compact).string(true), Err(DecodeError::Truncated { .. })));
    }

    #[test]
    fn arrays_share_one_allowance() {
        // Two arrays of 5000 one-byte elements that take 128 bytes each in memory: the second is too much.
        let mut frame = vec![0; 10_010];
        frame[..4].copy_from_slice(&5000i32.to_be_bytes());
        frame[5004..5008].copy_from_slice(&5000i32.to_be_bytes());
        let mut reader = Reader::new(&frame);
        assert_eq!(reader.array_count(false, 1, 128), Ok(Some(5000)));
        reader.take(5000).expect("there");
        assert_eq!(reader.array_count(false, 1, 128), Err(DecodeError::TooMuchMemory { at: 5008 }));
    }

    #[test]
    fn tags_come_in_order_and_whole() {
        let read = |bytes: &[u8]| {
            let mut seen = Vec::new();
            Reader::new(bytes)
                .tagged_fields(|reader, tag| {
                    seen.push((tag, reader.i8()?));
                    Ok(true)
                })
                .map(|()| seen)
        };
        assert_eq!(read(&[2, 0, 1, 7, 5, 1, 8]), Ok(vec![(0, 7), (5, 8)]));
        assert_eq!(read(&[2, 5, 1, 8, 0, 1, 7]), Err(DecodeError::TagOrder { at: 4, tag: 0 }));
        assert_eq!(read(&[2, 5, 1, 8, 5, 1, 7]), Err(DecodeError::TagOrder { at: 4, tag: 5 }));
        assert_eq!(read(&[1, 0, 2, 7, 8]), Err(DecodeError::TagSize { at: 4, tag: 0, left: 1 }));
        assert!(matches!(read(&[1, 0, 0]), Err(DecodeError::Truncated { .. })));
        // An unknown field is stepped over, whatever is in it.
        assert_eq!(Reader::new(&[1, 9, 2, 7, 8]).tagged_fields(|_, _| Ok(false)), Ok(()));
    }
}
