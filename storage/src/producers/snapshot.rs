//! `<offset>.snapshot`: producers as they stood before that offset, so that recovery need not read the whole log.
//!
//! | field | size | meaning |
//! |---|---|---|
//! | version | i16 | 1 |
//! | crc | u32 | CRC-32C of everything behind it |
//! | count | i32 | entries that follow |
//! | producer id | i64 | |
//! | epoch | i16 | its newest |
//! | last sequence | i32 | of its last batch; -1 if none |
//! | last offset | i64 | of its last batch; -1 if none |
//! | offset delta | i32 | last offset of that batch less its first |
//! | timestamp | i64 | largest of that batch, or of its last marker |
//! | coordinator epoch | i32 | of its last marker; -1 if none |
//! | open transaction | i64 | its first offset; -1 if none |
//!
//! Only the last batch of a producer is kept, as in Apache Kafka: after a restart a duplicate of an older one is
//! out of order. The checksum tells a torn file, which is ignored: an older snapshot and more of the log do too.

use protocol::types::{Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};

use super::Producers;
use super::window::{BatchRange, ProducerEntry};

const VERSION: i16 = 1;
/// Version and checksum.
const CRC_END: usize = 6;
/// Version, checksum and count.
const HEADER_BYTES: usize = 10;
/// Size of an entry in bytes.
const ENTRY_BYTES: usize = 46;

/// The bytes of a snapshot.
pub(crate) fn encode(producers: &Producers) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + producers.len() * ENTRY_BYTES);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    let count = i32::try_from(producers.len()).expect("no log has two billion producers");
    bytes.extend_from_slice(&count.to_be_bytes());
    let mut entries: Vec<_> = producers.iter().collect();
    entries.sort_unstable_by_key(|(id, _)| *id);
    for (id, entry) in entries {
        encode_entry(id, entry, &mut bytes);
    }
    let crc = crc_fast::crc32_iscsi(&bytes[CRC_END..]);
    bytes[2..CRC_END].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn encode_entry(id: ProducerId, entry: &ProducerEntry, out: &mut Vec<u8>) {
    let last = entry.window.last();
    out.extend_from_slice(&id.0.to_be_bytes());
    out.extend_from_slice(&entry.epoch.0.to_be_bytes());
    out.extend_from_slice(&last.map_or(-1, |batch| batch.last_sequence.0).to_be_bytes());
    out.extend_from_slice(&last.map_or(-1, |batch| batch.last_offset.0).to_be_bytes());
    out.extend_from_slice(&last.map_or(0, |batch| batch.offset_delta).to_be_bytes());
    out.extend_from_slice(&entry.last_timestamp.0.to_be_bytes());
    out.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
    out.extend_from_slice(&entry.open_transaction.map_or(-1, |first| first.0).to_be_bytes());
}

/// Reads a snapshot; the error says what is wrong with it. `now` is when the producers count as last seen.
pub(crate) fn decode(bytes: &[u8], now: TimestampMs) -> Result<Producers, &'static str> {
    const TORN: &str = "cut short";
    let mut reader = Fields(bytes);
    let version = i16::from_be_bytes(reader.take().ok_or(TORN)?);
    let crc = u32::from_be_bytes(reader.take().ok_or(TORN)?);
    if version != VERSION {
        return Err("of an unknown version");
    }
    if crc != crc_fast::crc32_iscsi(reader.0) {
        return Err("its checksum is not that of its bytes");
    }
    let count = i32::from_be_bytes(reader.take().ok_or(TORN)?);
    let entries_bytes = usize::try_from(count).ok().and_then(|count| count.checked_mul(ENTRY_BYTES));
    if entries_bytes != Some(reader.0.len()) {
        return Err("its count is not that of its entries");
    }
    let mut producers = Producers::default();
    while !reader.0.is_empty() {
        let (id, entry) = decode_entry(&mut reader, now).ok_or(TORN)?;
        producers.restore(id, entry);
    }
    Ok(producers)
}

fn decode_entry(reader: &mut Fields<'_>, now: TimestampMs) -> Option<(ProducerId, ProducerEntry)> {
    let id = ProducerId(i64::from_be_bytes(reader.take()?));
    let mut entry = ProducerEntry::new(now);
    entry.epoch = ProducerEpoch(i16::from_be_bytes(reader.take()?));
    let last_sequence = Sequence(i32::from_be_bytes(reader.take()?));
    let last_offset = Offset(i64::from_be_bytes(reader.take()?));
    let offset_delta = i32::from_be_bytes(reader.take()?);
    entry.last_timestamp = TimestampMs(i64::from_be_bytes(reader.take()?));
    entry.coordinator_epoch = i32::from_be_bytes(reader.take()?);
    let open = Offset(i64::from_be_bytes(reader.take()?));
    entry.open_transaction = (open.0 >= 0).then_some(open);
    if last_offset.0 >= 0 {
        let timestamp = entry.last_timestamp;
        entry.window.push(BatchRange { last_sequence, last_offset, offset_delta, timestamp });
    }
    Some((id, entry))
}

/// What is left to read.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn producers() -> Producers {
        let mut producers = Producers::default();
        for id in 0..3_i64 {
            let mut entry = ProducerEntry::new(TimestampMs(50));
            entry.enter(ProducerEpoch(id as i16));
            entry.last_timestamp = TimestampMs(40 + id);
            if id > 0 {
                entry.window.push(BatchRange {
                    last_sequence: Sequence(7),
                    last_offset: Offset(99),
                    offset_delta: 7,
                    timestamp: TimestampMs(40 + id),
                });
            }
            if id > 1 {
                entry.open_transaction = Some(Offset(92));
                entry.coordinator_epoch = 4;
            }
            producers.restore(ProducerId(1_000 + id), entry);
        }
        producers
    }

    #[test]
    fn reads_what_it_wrote() {
        let bytes = encode(&producers());
        assert_eq!(bytes.len(), HEADER_BYTES + 3 * ENTRY_BYTES);
        let read = decode(&bytes, TimestampMs(50)).unwrap();
        assert_eq!(read.entries, producers().entries);
        assert_eq!(read.open, producers().open);
    }

    /// The layout of Apache Kafka's `PID_SNAPSHOT_MAP_SCHEMA`, byte by byte.
    #[test]
    fn golden_bytes() {
        let mut one = Producers::default();
        let mut entry = ProducerEntry::new(TimestampMs(0));
        entry.enter(ProducerEpoch(2));
        entry.last_timestamp = TimestampMs(5);
        one.restore(ProducerId(1), entry);
        let bytes = encode(&one);
        assert_eq!(bytes[..2], [0, 1]);
        let behind_crc = [
            &[0, 0, 0, 1][..],         // count
            &[0, 0, 0, 0, 0, 0, 0, 1], // producer id
            &[0, 2],                   // epoch
            &[0xff; 4],                // last sequence: none
            &[0xff; 8],                // last offset: none
            &[0; 4],                   // offset delta
            &[0, 0, 0, 0, 0, 0, 0, 5], // timestamp
            &[0xff; 4],                // coordinator epoch: none
            &[0xff; 8],                // open transaction: none
        ]
        .concat();
        assert_eq!(bytes[6..], behind_crc);
    }

    #[test]
    fn any_cut_or_flipped_bit_is_noticed() {
        let bytes = encode(&producers());
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut], TimestampMs(0)).is_err(), "cut at {cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped, TimestampMs(0)).is_err(), "bit {bit}");
        }
    }
}
