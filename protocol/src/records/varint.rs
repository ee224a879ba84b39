//! Zigzag variable-length integers, the only numbers inside a v2 record.
//!
//! Zigzag maps 0, -1, 1, -2 … to 0, 1, 2, 3 …, so that small numbers of either sign are one byte; then
//! seven bits go into each byte, least significant first, the top bit meaning "more follows".
//! Kafka's `varint` is 32 bits in at most five bytes, its `varlong` 64 bits in at most ten.
//!
//! The unsigned varints of flexible messages are another thing and live with the message codec.
//!
//! # Source
//! KIP-98; `ByteUtils` in Apache Kafka.

/// Bytes of the longest `varint`.
pub const VARINT_BYTES_MAX: usize = 5;
/// Bytes of the longest `varlong`.
pub const VARLONG_BYTES_MAX: usize = 10;

/// Takes a `varint` off the front of `bytes`; `None` if it is cut short or longer than five bytes.
///
/// Bits past the 32nd are dropped, as in Kafka.
#[inline]
pub fn take_varint(bytes: &mut &[u8]) -> Option<i32> {
    let raw = match take_short(bytes) {
        Some(raw) => u64::from(raw),
        None => take_raw(bytes, VARINT_BYTES_MAX)?,
    };
    Some(unzigzag32(raw as u32))
}

/// Takes a `varlong` off the front of `bytes`; `None` if it is cut short or longer than ten bytes.
#[inline]
pub fn take_varlong(bytes: &mut &[u8]) -> Option<i64> {
    let raw = match take_short(bytes) {
        Some(raw) => u64::from(raw),
        None => take_raw(bytes, VARLONG_BYTES_MAX)?,
    };
    Some(unzigzag64(raw))
}

/// Appends `value` as a `varint`.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, value: i32) {
    put_raw(out, u64::from(zigzag32(value)));
}

/// Appends `value` as a `varlong`.
#[inline]
pub fn put_varlong(out: &mut Vec<u8>, value: i64) {
    put_raw(out, zigzag64(value));
}

/// Bytes that [`put_varint`] writes for `value`.
#[must_use]
pub fn varint_size(value: i32) -> usize {
    raw_size(u64::from(zigzag32(value)))
}

/// Bytes that [`put_varlong`] writes for `value`.
#[must_use]
pub fn varlong_size(value: i64) -> usize {
    raw_size(zigzag64(value))
}

/// A number of one or two bytes, which lengths and deltas nearly always are.
#[inline]
fn take_short(bytes: &mut &[u8]) -> Option<u32> {
    let (raw, rest) = match **bytes {
        [first, ref rest @ ..] if first < 0x80 => (u32::from(first), rest),
        [first, second, ref rest @ ..] if second < 0x80 => {
            (u32::from(first & 0x7f) | u32::from(second) << 7, rest)
        }
        _ => return None,
    };
    *bytes = rest;
    Some(raw)
}

#[cold]
fn take_raw(bytes: &mut &[u8], bytes_max: usize) -> Option<u64> {
    let mut raw = 0u64;
    for (i, &byte) in bytes.iter().take(bytes_max).enumerate() {
        raw |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            *bytes = &bytes[i + 1..];
            return Some(raw);
        }
    }
    None
}

fn put_raw(out: &mut Vec<u8>, mut raw: u64) {
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

fn raw_size(raw: u64) -> usize {
    let bits = (64 - (raw | 1).leading_zeros()) as usize;
    bits.div_ceil(7)
}

const fn zigzag32(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

const fn unzigzag32(raw: u32) -> i32 {
    (raw >> 1) as i32 ^ -((raw & 1) as i32)
}

const fn zigzag64(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

const fn unzigzag64(raw: u64) -> i64 {
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_kafkas() {
        // From Kafka's ByteUtilsTest.testCorrectness*.
        let cases: [(i32, &[u8]); 10] = [
            (0, &[0x00]),
            (-1, &[0x01]),
            (1, &[0x02]),
            (63, &[0x7e]),
            (-64, &[0x7f]),
            (64, &[0x80, 0x01]),
            (8191, &[0xfe, 0x7f]),
            (8192, &[0x80, 0x80, 0x01]),
            (i32::MAX, &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
            (i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ];
        for (value, bytes) in cases {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out, bytes, "{value}");
            assert_eq!(varint_size(value), bytes.len());
            let mut rest = bytes;
            assert_eq!(take_varint(&mut rest), Some(value));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn varlongs_are_kafkas() {
        let cases: [(i64, usize); 7] = [
            (0, 1),
            (-64, 1),
            (64, 2),
            (i64::from(i32::MAX), 5),
            (1 << 34, 6),
            (i64::MAX, 10),
            (i64::MIN, 10),
        ];
        for (value, size) in cases {
            let mut out = Vec::new();
            put_varlong(&mut out, value);
            assert_eq!(out.len(), size, "{value}");
            assert_eq!(varlong_size(value), size);
            assert_eq!(take_varlong(&mut &out[..]), Some(value));
        }
    }

    #[test]
    fn cut_and_endless_numbers_are_refused() {
        for bytes in [&[][..], &[0x80], &[0xff, 0xff, 0xff, 0xff, 0xff], &[0xff; 40]] {
            let mut rest = bytes;
            assert_eq!(take_varint(&mut rest), None);
            assert_eq!(rest, bytes, "nothing is taken on failure");
        }
        assert_eq!(take_varlong(&mut &[0xff; 40][..]), None);
        assert_eq!(take_varlong(&mut &[0x80; 9][..]), None);
    }
}
