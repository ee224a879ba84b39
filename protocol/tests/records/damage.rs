//! Nothing that arrives may panic, hang, or be believed in its sizes.
//!
//! Checksums guard what follows them only against accidents, so the walks here do not ask them.

use protocol::records::Batches;
use protocol::records::convert::{Magic, down_convert, up_convert};
use protocol::records::message_set::Messages;
use protocol::types::Offset;

use super::golden::goldens;

/// Small, so that a size that is believed shows.
const LIMIT_BYTES: usize = 64 << 10;

/// Reads `bytes` in every way there is, as whatever they may be.
fn read_every_way(bytes: &[u8]) {
    let mut scratch = Vec::new();
    for batch in Batches::new(bytes).map_while(Result::ok) {
        let _ = (format!("{batch:?}"), batch.next_offset(), batch.last_sequence(), batch.validate());
        let _ = batch.check_records(LIMIT_BYTES, &mut scratch);
        if let Ok(records) = batch.decompressed(LIMIT_BYTES, &mut scratch) {
            for record in records.map_while(Result::ok) {
                assert!(
                    record
                        .headers()
                        .all(|(name, value)| name.len() + value.unwrap_or_default().len() <= LIMIT_BYTES)
                );
            }
        }
    }
    for message in Messages::new(bytes).map_while(Result::ok) {
        if let Ok(inner) = message.inner(LIMIT_BYTES, &mut scratch) {
            assert!(
                inner
                    .map_while(Result::ok)
                    .all(|message| message.value().is_none_or(|v| v.len() <= LIMIT_BYTES))
            );
        }
    }
    let _ = up_convert(bytes);
    for magic in [Magic::V0, Magic::V1] {
        let _ = down_convert(bytes, magic, Offset(2), LIMIT_BYTES);
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

#[test]
fn every_truncation_is_survived() {
    for golden in goldens() {
        for end in 0..golden.bytes.len() {
            read_every_way(&golden.bytes[..end]);
        }
    }
}

#[test]
fn every_flipped_byte_is_survived() {
    for golden in goldens() {
        for at in 0..golden.bytes.len() {
            for with in [0x01, 0x80, 0xff] {
                let mut bytes = golden.bytes.clone();
                bytes[at] ^= with;
                read_every_way(&bytes);
            }
        }
    }
}

#[test]
fn extreme_numbers_anywhere_are_survived() {
    let numbers: [&[u8]; 5] =
        [&[0x7f, 0xff, 0xff, 0xff], &[0x80, 0, 0, 0], &[0xff; 4], &[0; 4], &[0xff, 0xff, 0xff, 0xff, 0x0f]];
    for golden in goldens() {
        for number in numbers {
            for at in 0..golden.bytes.len().saturating_sub(number.len()) {
                let mut bytes = golden.bytes.clone();
                bytes[at..at + number.len()].copy_from_slice(number);
                read_every_way(&bytes);
            }
        }
    }
}

#[test]
fn random_damage_is_survived() {
    let goldens = goldens();
    let mut random = Random(1);
    for _ in 0..30_000 {
        let mut bytes = goldens[random.below(goldens.len())].bytes.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes[at] ^= 1 << random.below(8),
                2 => {
                    bytes.remove(at);
                }
                _ => {
                    let other = &goldens[random.below(goldens.len())].bytes;
                    let from = random.below(other.len());
                    let piece = &other[from..(from + 30).min(other.len())];
                    bytes.splice(at..at, piece.iter().copied());
                }
            }
        }
        read_every_way(&bytes);
    }
}

#[test]
fn noise_is_survived() {
    let mut random = Random(2);
    for _ in 0..30_000 {
        let mut bytes: Vec<u8> = (0..random.below(200)).map(|_| random.next() as u8).collect();
        // A size that fits and a magic that exists let the noise in.
        if bytes.len() > 17 {
            let size = bytes.len() as u32 - 12;
            bytes[8..12].copy_from_slice(&size.to_be_bytes());
            bytes[16] = random.below(3) as u8;
        }
        read_every_way(&bytes);
    }
}
