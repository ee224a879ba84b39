//! How state becomes bytes and comes back: versioned, checksummed, bit-exact.
//!
//! A snapshot is one frame:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `KINDREDR` |
//! | 8 | 4 | format version, [`VERSION`] |
//! | 12 | 8 | body length |
//! | 20 | 8 | XXH3-64 of the body |
//! | 28 | n | body: the parts of the state, each written by its owner |
//!
//! Numbers are big-endian; floats are their IEEE 754 bits, so nothing is rounded. A snapshot of another
//! version is refused rather than guessed at: the log rebuilds what it held.

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

/// The version written and the only one read.
pub const VERSION: u32 = 11;

/// What the models make of events, as a number: it goes up when the same events come to another state though the format
/// stays. A state of another number is good to answer from until the log has been learnt anew.
pub const MODEL_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"KINDREDR";
const HEADER_BYTES: usize = 28;

/// Why a snapshot cannot be loaded. In each case the answer is to rebuild from the log.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SnapshotError {
    /// The bytes do not start with the magic.
    #[error("not a recommender snapshot")]
    NotASnapshot,
    /// Written by another version of the program.
    #[error("snapshot version {0}, this program reads version {VERSION}")]
    Version(u32),
    /// Cut short.
    #[error("snapshot is cut short")]
    Truncated,
    /// The body does not match its checksum.
    #[error("snapshot checksum does not match")]
    Checksum,
    /// The body passes its checksum and yet breaks a rule: a bug, not damage.
    #[error("snapshot is malformed: {0}")]
    Malformed(&'static str),
    /// Learnt under settings that shape the state differently.
    #[error("snapshot was made with another value of {0}")]
    Settings(&'static str),
}

/// A part of the state that can be written and read back to the same bits.
pub trait Snapshot: Sized {
    /// Appends this part.
    fn save(&self, out: &mut Writer);

    /// Reads what [`Snapshot::save`] wrote.
    ///
    /// # Errors
    /// [`SnapshotError`] if the bytes end early or break a rule of this part.
    fn load(input: &mut Reader<'_>) -> Result<Self, SnapshotError>;
}

/// Puts the header before a finished body.
pub fn seal(body: &[u8], out: &mut Vec<u8>) {
    out.reserve(HEADER_BYTES + body.len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&(body.len() as u64).to_be_bytes());
    out.extend_from_slice(&xxh3_64(body).to_be_bytes());
    out.extend_from_slice(body);
}

/// Checks the header and returns the body.
///
/// # Errors
/// [`SnapshotError`], by what is wrong first.
pub fn open(bytes: &[u8]) -> Result<&[u8], SnapshotError> {
    if bytes.len() < MAGIC.len() || &bytes[..MAGIC.len()] != MAGIC {
        return Err(SnapshotError::NotASnapshot);
    }
    let mut header = Reader::new(&bytes[MAGIC.len()..]);
    let version = header.u32()?;
    if version != VERSION {
        return Err(SnapshotError::Version(version));
    }
    let length = header.u64()?;
    let checksum = header.u64()?;
    let body = &bytes[HEADER_BYTES..];
    if body.len() as u64 != length {
        return Err(SnapshotError::Truncated);
    }
    if xxh3_64(body) != checksum {
        return Err(SnapshotError::Checksum);
    }
    Ok(body)
}

/// Appends big-endian values to a buffer.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Appends 2 bytes.
    pub fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Appends 4 bytes.
    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Appends 8 bytes.
    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Appends 8 bytes, two's complement.
    pub fn i64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Appends the bits of a float.
    pub fn f64(&mut self, value: f64) {
        self.u64(value.to_bits());
    }

    /// Appends the bits of a float.
    pub fn f32(&mut self, value: f32) {
        self.u32(value.to_bits());
    }

    /// Appends a length and that many bytes.
    pub fn blob(&mut self, value: &[u8]) {
        self.u32(value.len() as u32);
        self.bytes.extend_from_slice(value);
    }

    /// Appends a length and UTF-8.
    pub fn text(&mut self, value: &str) {
        self.blob(value.as_bytes());
    }
}

/// Reads what a [`Writer`] wrote; every read is bounded by what is left.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Makes sure that everything was read.
    ///
    /// # Errors
    /// Bytes are left over.
    pub fn finish(&self) -> Result<(), SnapshotError> {
        if self.rest.is_empty() { Ok(()) } else { Err(SnapshotError::Malformed("bytes left over")) }
    }

    /// One byte.
    ///
    /// # Errors
    /// [`SnapshotError::Truncated`], as every read here.
    pub fn u8(&mut self) -> Result<u8, SnapshotError> {
        Ok(self.take::<1>()?[0])
    }

    /// 2 bytes.
    ///
    /// # Errors
    /// [`SnapshotError::Truncated`].
    pub fn u16(&mut self) -> Result<u16, SnapshotError> {
        Ok(u16::from_be_bytes(self.take()?))
    }

    /// 4 bytes.
    ///
    /// # Errors
    /// [`SnapshotError::Truncated`].
    pub fn u32(&mut self) -> Result<u32, SnapshotError> {
        Ok(u32::from_be_bytes(self.take()?))
    }

    /// 8 bytes.
    ///
    /// # Errors
    /// [`SnapshotError::Truncated`].
    pub fn u64(&mut self) -> Result<u64, SnapshotError> {
        Ok(u64::from_be_bytes(self.take()?))
    }

    /// 8 bytes, two's complement.
    ///
    /// # Errors
    /// [`SnapshotError::Truncated`].
    pub fn i64(&mut self) -> Result<i64, SnapshotError> {
        Ok(i64::from_be_bytes(self.take()?))
    }

    /// The bits of a float.
    ///
    /// # Errors
    /// [`SnapshotError::Truncated`].
    pub fn f64(&mut self) -> Result<f64, SnapshotError> {
        Ok(f64::from_bits(self.u64()?))
    }

    /// The bits of a float.
    ///
    /// # Errors
    /// [`SnapshotError::Truncated`].
    pub fn f32(&mut self) -> Result<f32, SnapshotError> {
        Ok(f32::from_bits(self.u32()?))
    }

    /// A length and that many bytes.
    ///
    /// # Errors
    /// [`SnapshotError::Truncated`].
    pub fn blob(&mut self) -> Result<&'a [u8], SnapshotError> {
        let length = self.u32()? as usize;
        let (head, rest) = self.rest.split_at_checked(length).ok_or(SnapshotError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    /// A length and UTF-8.
    ///
    /// # Errors
    /// [`SnapshotError::Truncated`], [`SnapshotError::Malformed`].
    pub fn text(&mut self) -> Result<&'a str, SnapshotError> {
        std::str::from_utf8(self.blob()?).map_err(|_| SnapshotError::Malformed("text is not UTF-8"))
    }

    /// A number of things to follow, each at least `bytes_min` long: never more than can be there.
    ///
    /// # Errors
    /// [`SnapshotError::Truncated`].
    pub fn count(&mut self, bytes_min: usize) -> Result<usize, SnapshotError> {
        let count = self.u32()? as usize;
        if count.saturating_mul(bytes_min) > self.rest.len() {
            return Err(SnapshotError::Truncated);
        }
        Ok(count)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(SnapshotError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_body_opens_and_damage_is_noticed() {
        let mut sealed = Vec::new();
        seal(b"state", &mut sealed);
        assert_eq!(open(&sealed), Ok(&b"state"[..]));
        assert_eq!(open(b"KINDRED"), Err(SnapshotError::NotASnapshot));
        assert_eq!(open(&sealed[..20]), Err(SnapshotError::Truncated));
        assert_eq!(open(&sealed[..sealed.len() - 1]), Err(SnapshotError::Truncated));
        let mut damaged = sealed.clone();
        damaged[30] ^= 1;
        assert_eq!(open(&damaged), Err(SnapshotError::Checksum));
        let mut other = sealed;
        other[11] = 255;
        assert_eq!(open(&other), Err(SnapshotError::Version(255)));
    }

    #[test]
    fn a_count_larger_than_the_rest_is_refused() {
        let mut reader = Reader::new(&[0, 0, 1, 0, 1, 2, 3]);
        assert_eq!(reader.count(1), Err(SnapshotError::Truncated));
    }
}
