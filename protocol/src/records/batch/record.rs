//! The records of a batch, walked where they lie.
//!
//! ```text
//! length varint | attributes i8 = 0 | timestamp delta varlong | offset delta varint
//! | key length varint, key | value length varint, value
//! | header count varint, each: name length varint, name, value length varint, value
//! ```
//! A negative length of a key or value means null. Every length is checked against the bytes that remain,
//! so a count from the wire costs nothing until that many records are really there.
//!
//! # Source
//! `DefaultRecord` in Apache Kafka.

use super::{Batch, BatchError, TimestampType};
use crate::records::varint::{take_varint, take_varlong};
use crate::types::{Offset, TimestampMs};

/// Least bytes of a record, its length included: seven fields of one byte.
const RECORD_SIZE_MIN: usize = 7;
/// Least bytes of a header: two lengths.
const HEADER_SIZE_MIN: usize = 2;

/// A header's name, which Kafka takes for UTF-8, and its value. Names may repeat.
pub type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// One record, borrowed from its batch or from where that was decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where it lies in the partition.
    pub offset: Offset,
    /// Its time, or the batch's append time.
    pub timestamp: TimestampMs,
    /// Null is not empty.
    pub key: Option<&'a [u8]>,
    /// Null is not empty: in a compacted topic it deletes the key.
    pub value: Option<&'a [u8]>,
    headers: Headers<'a>,
}

impl<'a> Record<'a> {
    /// The record's headers, in the producer's order.
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        self.headers
    }
}

/// Walks a record's headers. Their bytes were checked with the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.left = self.left.checked_sub(1)?;
        take_header(&mut self.rest)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// Walks the records of a batch; ends after the first error.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    left: usize,
    base_offset: i64,
    base_timestamp: i64,
    /// The time of every record, if the broker gave it.
    append_time: Option<TimestampMs>,
    failed: Option<BatchError>,
}

impl<'a> Records<'a> {
    /// The records of `batch`, whose decompressed body is `body`.
    pub(super) fn new(batch: &Batch<'_>, body: &'a [u8]) -> Records<'a> {
        let append_time = match batch.timestamp_type() {
            TimestampType::LogAppendTime => Some(batch.max_timestamp()),
            TimestampType::CreateTime => None,
        };
        let left =
            usize::try_from(batch.record_count()).ok().filter(|&count| count <= body.len() / RECORD_SIZE_MIN);
        Records {
            rest: body,
            left: left.unwrap_or(0),
            base_offset: batch.base_offset().0,
            base_timestamp: batch.base_timestamp().0,
            append_time,
            failed: if left.is_none() {
                Some(BatchError::Invalid("a batch counts more records than it can hold"))
            } else {
                None
            },
        }
    }

    pub(super) fn failed(error: BatchError) -> Records<'a> {
        Records {
            rest: &[],
            left: 0,
            base_offset: 0,
            base_timestamp: 0,
            append_time: None,
            failed: Some(error),
        }
    }

    #[inline]
    fn take(&mut self) -> Option<Record<'a>> {
        let size = usize::try_from(take_varint(&mut self.rest)?).ok()?;
        let (mut body, rest) = self.rest.split_at_checked(size)?;
        self.rest = rest;
        // Attributes have no bit in use.
        body = body.get(1..)?;
        let timestamp_delta = take_varlong(&mut body)?;
        let offset_delta = take_varint(&mut body)?;
        let key = take_nullable(&mut body)?;
        let value = take_nullable(&mut body)?;
        let headers = take_headers(&mut body)?;
        let timestamp =
            self.append_time.unwrap_or(TimestampMs(self.base_timestamp.wrapping_add(timestamp_delta)));
        let offset = Offset(self.base_offset.wrapping_add(i64::from(offset_delta)));
        Some(Record { offset, timestamp, key, value, headers })
    }

    #[cold]
    fn fail(&mut self, error: BatchError) -> Option<Result<Record<'a>, BatchError>> {
        self.left = 0;
        self.rest = &[];
        self.failed = None;
        Some(Err(error))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left > 0 {
            self.left -= 1;
            return match self.take() {
                Some(record) => Some(Ok(record)),
                None => self.fail(BatchError::Invalid("a record's lengths do not add up")),
            };
        }
        if let Some(error) = self.failed {
            return self.fail(error);
        }
        if !self.rest.is_empty() {
            return self.fail(BatchError::Invalid("bytes follow a batch's last record"));
        }
        None
    }
}

#[inline]
fn take_nullable<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    match usize::try_from(take_varint(bytes)?) {
        Ok(size) => {
            let (field, rest) = bytes.split_at_checked(size)?;
            *bytes = rest;
            Some(Some(field))
        }
        Err(_) => Some(None),
    }
}

#[inline]
fn take_header<'a>(bytes: &mut &'a [u8]) -> Option<Header<'a>> {
    let name = take_nullable(bytes)??;
    let value = take_nullable(bytes)?;
    Some((name, value))
}

/// The headers at the front of `bytes`, each checked, which must be all that is left of the record.
#[inline]
fn take_headers<'a>(bytes: &mut &'a [u8]) -> Option<Headers<'a>> {
    let left = usize::try_from(take_varint(bytes)?).ok()?;
    let headers = Headers { rest: bytes, left };
    if left == 0 {
        return bytes.is_empty().then_some(headers);
    }
    if left > bytes.len() / HEADER_SIZE_MIN {
        return None;
    }
    for _ in 0..left {
        take_header(bytes)?;
    }
    bytes.is_empty().then_some(headers)
}
